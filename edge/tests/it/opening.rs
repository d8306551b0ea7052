//! Opening records with released keys: proofs of a chain, custodians that are honest and custodians that lie, and the program itself.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use salus_edge::device::Device;
use salus_edge::light::LightClient;
use salus_edge::opening::{self, Allowed, OpeningError, ProvenRecord};
use salus_edge::submit::{sign, sign_call};
use salus_edge::wallet::Wallet;
use salus_primitives::access::{
    AccessEvent, AccessRequest, Basis, Decision, Extent, Purpose, Requester, Sensitivity,
};
use salus_primitives::calls::{ACCESS, AccessCall};
use salus_primitives::codec::{self, Blob};
use salus_primitives::crypto::sign::{SecretKey, Signer};
use salus_primitives::custody::{
    DAY_MS, Expected, NotOpened, Period, PeriodClaim, Release, ReleaseError,
};
use salus_primitives::ids::{EntityId, Epoch, Height};
use salus_primitives::lane::Lane;
use salus_primitives::proof::ReceiptProof;
use salus_primitives::reading::{
    Category, Observation, PeriodKey, Pseudonym, Reading, SealedReading,
};
use salus_primitives::receipt::{Event, Outcome};
use salus_primitives::signed::Signed;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, SignedTransaction};
use serde_json::Value;

use crate::chain::Chain;

const PATIENT: Pseudonym = Pseudonym([1; 32]);
const KEY: PeriodKey = PeriodKey([2; 32]);
const DAY: u32 = 20_000;

fn entropy() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn custodian() -> EntityId {
    EntityId::of_name("insurer")
}

fn custody() -> Signer {
    SecretKey::from_seed([3; 32]).signer()
}

/// A patient's reading in the chain, a request that was decided on, and what a custodian made of it.
struct Story {
    chain: Chain,
    device: Device,
    wallet: Wallet,
    request: SignedTransaction,
}

impl Story {
    fn new() -> Self {
        let chain = Chain::new(1);
        let wallet = Wallet::generate(EntityId::of_name("hospital-b"), &mut entropy());
        let call = Call::new(ACCESS, &AccessCall::Request(Self::asked()));
        let request = sign_call(chain.genesis(), &wallet, call, Height::new(9), [4; 16]);
        let owner = EntityId::of_name("hospital-a");
        Self {
            device: Device::generate("h", "r", owner, &mut entropy()),
            chain,
            wallet,
            request,
        }
    }

    const fn asked() -> AccessRequest {
        AccessRequest {
            subject: PATIENT,
            category: Category::VitalSigns,
            sensitivity: Sensitivity::Normal,
            purpose: Purpose::Treatment,
            extent: Extent::Days {
                first: DAY,
                last: DAY,
            },
        }
    }

    fn reading(subject: Pseudonym) -> Reading {
        Reading {
            subject,
            category: Category::VitalSigns,
            taken_at: Timestamp::from_millis(u64::from(DAY) * DAY_MS + 1),
            observations: vec![Observation {
                code: "8867-4".into(),
                unit: "/min".into(),
                milli: 61_100,
            }],
        }
    }

    fn request_proof(&self, decision: Decision) -> Vec<u8> {
        let event = AccessEvent::Decided {
            request: self.request.body.id(),
            requester: Requester::Person(Pseudonym([9; 32])),
            entity: self.request.body.entity,
            asked: Self::asked(),
            decision,
        };
        let event = Event {
            contract: ACCESS,
            topic: event.topic(),
            data: Blob(codec::encode(&event)),
        };
        self.chain
            .finalize_with(Epoch::new(1), &self.request, Outcome::Ok, vec![event])
    }

    fn allowed() -> Decision {
        Decision::Allowed {
            basis: Basis::PatientsSide,
            until: Timestamp::from_millis(u64::MAX),
        }
    }

    /// What a node gives as the proof of a record.
    fn record(&self, reading: &Reading, key: &PeriodKey, outcome: Outcome) -> Vec<u8> {
        let genesis = self.chain.genesis();
        let sealed = SealedReading::seal(genesis, self.device.id(), key, reading, [5; 16]).unwrap();
        let transaction = sign(
            genesis,
            &self.device,
            Lane::Monitoring,
            &sealed,
            Height::new(9),
            [6; 16],
        );
        let proof = self.chain.finalize(&transaction, outcome);
        [codec::encode(&transaction), proof].concat()
    }

    fn expected(&self) -> Expected {
        Expected {
            genesis: self.chain.genesis(),
            request: self.request.body.id(),
            asked: Self::asked(),
            custodian: custodian(),
            custody_key: custody().public(),
        }
    }

    fn release(&self, key: &PeriodKey, claimed_by: &Signer) -> Signed<Release> {
        let claim = PeriodClaim {
            device: self.device.id(),
            period: Period {
                subject: PATIENT,
                category: Category::VitalSigns,
                sensitivity: Sensitivity::Normal,
                day: DAY,
                generation: 0,
            },
            handle: KEY.handle(),
        };
        let claim = Signed::sign(claim, self.chain.genesis(), claimed_by).into_signed();
        let recipient = self.wallet.exchange().public();
        let release =
            Release::make(&self.expected(), recipient, [(claim, key)], &mut entropy()).unwrap();
        Signed::sign(release, self.chain.genesis(), &custody()).into_signed()
    }

    fn client(&self) -> LightClient {
        LightClient::new(&self.chain.anchor(), Some(self.chain.genesis())).unwrap()
    }

    fn open(
        &self,
        release: &Signed<Release>,
        records: &[ProvenRecord],
    ) -> Result<Vec<Result<Reading, NotOpened>>, OpeningError> {
        opening::open(&self.expected(), release, self.wallet.exchange(), records)
    }
}

#[test]
fn a_proven_record_opens_with_a_released_key() {
    let story = Story::new();
    let client = story.client();
    let reading = Story::reading(PATIENT);

    let allowed = opening::allowed(&client, &story.request_proof(Story::allowed())).unwrap();
    let record = opening::record(&client, &story.record(&reading, &KEY, Outcome::Ok)).unwrap();
    let opened = story
        .open(&story.release(&KEY, story.device.signer()), &[record])
        .unwrap();

    assert_eq!(
        allowed,
        Allowed {
            request: story.request.body.id(),
            asked: Story::asked()
        }
    );
    assert_eq!(opened, [Ok(reading)]);
}

/// A denial, another transaction, a truncated or changed proof: none of them is an allowed request.
#[test]
fn what_is_no_allowed_request_is_not_taken_for_one() {
    let story = Story::new();
    let client = story.client();
    let proof = story.request_proof(Story::allowed());

    assert!(matches!(
        opening::allowed(&client, &story.request_proof(Decision::Denied)),
        Err(OpeningError::Denied(_))
    ));
    let silent = story.chain.finalize(&story.request, Outcome::Ok);
    assert!(matches!(
        opening::allowed(&client, &silent),
        Err(OpeningError::NoRequest(_))
    ));
    assert!(opening::allowed(&client, &proof[..proof.len() - 1]).is_err());
    let mut changed: ReceiptProof = codec::decode(&proof, proof.len()).unwrap();
    changed.receipt.events[0].data.0[40] ^= 1;
    assert!(opening::allowed(&client, &codec::encode(&changed)).is_err());
}

#[test]
fn what_is_no_record_is_not_taken_for_one() {
    let story = Story::new();
    let client = story.client();
    let refused = Outcome::Failed {
        contract: ACCESS,
        code: 1,
    };
    let good = story.record(&Story::reading(PATIENT), &KEY, Outcome::Ok);

    let failed = story.record(&Story::reading(PATIENT), &KEY, refused);
    assert!(matches!(
        opening::record(&client, &failed),
        Err(OpeningError::NoRecord(_))
    ));
    let request = [
        codec::encode(&story.request),
        story.request_proof(Story::allowed()),
    ]
    .concat();
    assert!(matches!(
        opening::record(&client, &request),
        Err(OpeningError::NoRecord(_))
    ));
    for position in (0..good.len()).step_by(7) {
        let mut changed = good.clone();
        changed[position] ^= 1;
        assert!(opening::record(&client, &changed).is_err(), "{position}");
    }
}

/// Another key than the device's, a claim that the device did not sign, a reading of another patient inside.
#[test]
fn lies_of_custodian_and_device_are_noticed() {
    let story = Story::new();
    let client = story.client();
    let reading = Story::reading(PATIENT);
    let record = |reading: &Reading| {
        opening::record(&client, &story.record(reading, &KEY, Outcome::Ok)).unwrap()
    };

    let wrong_key = story.release(&PeriodKey([66; 32]), story.device.signer());
    assert!(matches!(
        story.open(&wrong_key, &[record(&reading)]),
        Err(OpeningError::Release(ReleaseError::OtherKey(_)))
    ));
    let made_up = story.release(&KEY, &custody());
    assert!(matches!(
        story.open(&made_up, &[record(&reading)]),
        Err(OpeningError::Release(ReleaseError::NotClaimed(_)))
    ));
    let honest = story.release(&KEY, story.device.signer());
    let of_another = record(&Story::reading(Pseudonym([7; 32])));
    assert_eq!(
        story.open(&honest, &[of_another]).unwrap(),
        [Err(NotOpened::NotAsClaimed)]
    );
    let under_another_key = story.record(&reading, &PeriodKey([67; 32]), Outcome::Ok);
    let elsewhere = opening::record(&client, &under_another_key).unwrap();
    assert_eq!(
        story.open(&honest, &[elsewhere]).unwrap(),
        [Err(NotOpened::OtherRecord)]
    );
}

/// From files alone, as a physician's machine does it.
#[test]
fn the_program_opens_records_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let story = Story::new();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    story
        .wallet
        .store(&folder.path().join("wallet.json"))
        .unwrap();
    write("anchor", &story.chain.anchor());
    write("request", &story.request_proof(Story::allowed()));
    write("denied", &story.request_proof(Decision::Denied));
    write(
        "record",
        &story.record(&Story::reading(PATIENT), &KEY, Outcome::Ok),
    );
    write(
        "release",
        &codec::encode(&story.release(&KEY, story.device.signer())),
    );
    let open = |request: &str, key: &Signer| {
        run(
            folder.path(),
            &format!(
                "open --wallet wallet.json --anchor anchor --genesis-hash {} --request-proof {request} \
                 --custodian insurer --custody-key {} --release release --record record",
                story.chain.genesis(),
                key.public()
            ),
        )
    };

    let opened = open("request", &custody());
    assert_eq!(opened.status.code(), Some(0), "{opened:?}");
    let line = last_line(&opened);
    assert_eq!(line["opened"], true);
    assert_eq!(line["reading"]["observations"][0]["milli"], 61_100);

    for refused in [
        open("denied", &custody()),
        open("request", story.device.signer()),
    ] {
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert_eq!(last_line(&refused)["opened"], false);
        assert!(!String::from_utf8_lossy(&refused.stdout).contains("61100"));
    }
}

fn run(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_salus-edge"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .args(arguments.split_whitespace())
        .output()
        .expect("the program runs")
}

fn last_line(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    serde_json::from_str(text.lines().last().expect("a line")).expect("which is JSON")
}
