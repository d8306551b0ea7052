//! The key service over the API and a chain of real transactions: who is entitled, by what the contracts say.

use super::chain::{Chain, MEMBERS, key};
use super::{Answer, Node};
use crate::custody::speaker::{Running, clock, entropy};
use crate::custody::{self, KeyService, Statement};
use axum::body::Body;
use axum::http::Request;
use salus_contracts::native::access;
use salus_primitives::access::{
    AccessEvent, AccessRequest, Categories, Extent, Grantee, Passing, Purpose, Purposes,
    Sensitivity, Terms,
};
use salus_primitives::calls::{ACCESS, AccessCall, IDENTITY, IdentityCall, PersonKeys, Profession};
use salus_primitives::codec;
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::crypto::sign::{SecretKey, Signer};
use salus_primitives::crypto::strongbox::{PassphraseCost, Unlock};
use salus_primitives::custody::{
    Deposit, DepositReceipt, Expected, OpenedKey, Period, PeriodClaim, Prekey, PrekeyRequest,
    RELEASE_MAX, Release, day_of,
};
use salus_primitives::ids::{ContractId, DeviceId, EntityId, PractitionerId};
use salus_primitives::lane::Lane;
use salus_primitives::reading::{Category, PeriodKey, Pseudonym};
use salus_primitives::receipt::{Outcome, Receipt};
use salus_primitives::signed::Signed;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, SignedTransaction, Transaction, TxId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cell::Cell;
use std::sync::Arc;
use zeroize::Zeroizing;

const DEVICE: DeviceId = DeviceId([80; 32]);
const PATIENT: Pseudonym = Pseudonym([81; 32]);
const PHYSICIAN: PractitionerId = PractitionerId([82; 32]);
const KEY: PeriodKey = PeriodKey([83; 32]);
const HOUR_MS: u64 = 3_600_000;

/// A hospital with a device and a patient; a physician elsewhere; a custodian whose API this is.
struct Ward {
    node: Node,
    running: Running,
    started: Timestamp,
    blocks: Cell<u64>,
    _folder: tempfile::TempDir,
}

fn device() -> Signer {
    SecretKey::from_seed([90; 32]).signer()
}

fn patient() -> Signer {
    SecretKey::from_seed([91; 32]).signer()
}

fn physician() -> Signer {
    SecretKey::from_seed([92; 32]).signer()
}

fn physicians_secret() -> ExchangeSecret {
    ExchangeSecret::from_bytes([93; 32])
}

fn member(index: usize) -> EntityId {
    EntityId::of_name(MEMBERS[index])
}

fn operator(index: u8) -> Signer {
    key(index, 1).signer()
}

impl Ward {
    async fn new() -> Self {
        let chain = Chain::new();
        let folder = tempfile::tempdir().expect("a folder");
        let unlock = Unlock::KeyFile(Zeroizing::new([94; 32]));
        let mut random = entropy().expect("randomness");
        custody::create(folder.path(), &unlock, PassphraseCost::LEAST, &mut random).expect("made");
        let service = KeyService::open(folder.path(), &unlock, chain.genesis.hash, member(1));
        let running = Running {
            service: Arc::new(service.expect("opened")),
            entity: member(1),
        };
        let node = Node::custodian(chain, Some(running.clone())).await;
        let ward = Self {
            node,
            running,
            started: clock(),
            blocks: Cell::new(0),
            _folder: folder,
        };
        let persons_keys = PersonKeys {
            key: patient().public(),
            exchange_key: ExchangeSecret::from_bytes([95; 32]).public(),
        };
        let physicians_keys = PersonKeys {
            key: physician().public(),
            exchange_key: physicians_secret().public(),
        };
        let mut custodians = vec![member(1), member(3)];
        custodians.sort_unstable();
        for (index, call) in [
            (
                1,
                IdentityCall::SetCustodyKey {
                    key: ward.running.service.public_key(),
                },
            ),
            (
                3,
                IdentityCall::SetCustodyKey {
                    key: SecretKey::from_seed([96; 32]).public(),
                },
            ),
            (0, IdentityCall::register_device(DEVICE, device().public())),
            (
                0,
                IdentityCall::RegisterPerson {
                    person: PATIENT,
                    salt: [97; 32],
                    keys: Some(persons_keys),
                    of_age_at: None,
                    custodians,
                },
            ),
            (
                2,
                IdentityCall::RegisterPractitioner {
                    practitioner: PHYSICIAN,
                    profession: Profession::Physician,
                    keys: physicians_keys,
                },
            ),
        ] {
            ward.identity(index, &call);
        }
        ward
    }

    /// A little later than the block before, and about now: the service looks at this machine's clock too.
    fn time(&self) -> Timestamp {
        self.started.plus_millis(self.blocks.get())
    }

    fn sign<T: Serialize>(
        &self,
        signer: &Signer,
        entity: EntityId,
        contract: ContractId,
        call: &T,
    ) -> SignedTransaction {
        let head = self.node.chain.ledger.head().height;
        let body = Transaction {
            genesis: self.node.chain.genesis.hash,
            sender: signer.public(),
            entity,
            lane: Lane::Routine,
            valid_until: head.plus(100),
            nonce: [u8::try_from(self.blocks.get()).expect("few"); 16],
            call: Call::new(contract, call),
        };
        Signed::sign(body, self.node.chain.genesis.hash, signer).into_signed()
    }

    fn execute(&self, transaction: SignedTransaction) -> Receipt {
        self.blocks.set(self.blocks.get() + 1);
        let receipts = self.node.chain.execute(self.time(), vec![transaction]);
        let [receipt] = receipts.try_into().expect("one transaction");
        assert_eq!(receipt.outcome, Outcome::Ok, "{receipt:?}");
        receipt
    }

    fn identity(&self, index: u8, call: &IdentityCall) -> Receipt {
        let entity = member(usize::from(index));
        self.execute(self.sign(&operator(index), entity, IDENTITY, call))
    }

    /// The patient says something.
    fn patient(&self, call: &AccessCall) -> TxId {
        self.execute(self.sign(&patient(), member(0), ACCESS, call))
            .transaction
    }

    fn grant(&self) -> TxId {
        self.patient(&AccessCall::Grant(Terms {
            subject: PATIENT,
            grantee: Grantee::Practitioner(PHYSICIAN),
            categories: Categories::all(),
            sensitivity: Sensitivity::Normal,
            purposes: Purposes::from_iter([Purpose::Treatment]),
            extent: Extent::All,
            from: Timestamp::from_millis(0),
            until: self.time().plus_millis(HOUR_MS),
            passing: Passing::Never,
            agreement: None,
        }))
    }

    fn revoke(&self, grant: TxId) {
        self.patient(&AccessCall::Revoke {
            subject: PATIENT,
            grant: grant.into(),
        });
    }

    fn today(&self) -> u32 {
        day_of(self.started)
    }

    fn asked(&self) -> AccessRequest {
        AccessRequest {
            subject: PATIENT,
            category: Category::VitalSigns,
            sensitivity: Sensitivity::Normal,
            purpose: Purpose::Treatment,
            extent: Extent::Days {
                first: self.today() - 1,
                last: self.today(),
            },
        }
    }

    /// The physician asks; whatever is decided, the transaction succeeds.
    fn ask(&self) -> TxId {
        let call = AccessCall::Request(self.asked());
        self.execute(self.sign(&physician(), member(2), ACCESS, &call))
            .transaction
    }

    fn period(&self) -> Period {
        Period {
            subject: PATIENT,
            category: Category::VitalSigns,
            sensitivity: Sensitivity::Normal,
            day: self.today(),
            generation: 0,
        }
    }

    async fn post(&self, path: &str, media_type: &str, body: Vec<u8>) -> Answer {
        let request = Request::post(path)
            .header("content-type", media_type)
            .body(Body::from(body))
            .expect("a request");
        self.node.call(request).await
    }

    async fn send<T: Serialize>(&self, path: &str, message: &T) -> Answer {
        let body = codec::encode(message);
        self.post(path, "application/octet-stream", body).await
    }

    async fn ask_prekey(&self) -> Answer {
        let request = PrekeyRequest {
            custodian: member(1),
            device: DEVICE,
            period: self.period(),
        };
        let genesis = self.node.chain.genesis.hash;
        let asked = Signed::sign(request, genesis, &device()).into_signed();
        self.send("/v1/keys/prekeys", &asked).await
    }

    /// As a device does it.
    async fn make_deposit(&self) -> Signed<Deposit> {
        let genesis = self.node.chain.genesis.hash;
        let prekey: Signed<Prekey> = decoded(&self.ask_prekey().await);
        let by = self.running.service.public_key();
        let prekey = prekey.verify(genesis, &by).expect("signed by the service");
        let claim = PeriodClaim {
            device: DEVICE,
            period: self.period(),
            handle: KEY.handle(),
        };
        let claim = Signed::sign(claim, genesis, &device()).into_signed();
        let mut random = entropy().expect("randomness");
        Deposit::make(genesis, &device(), claim, &KEY, &prekey, &mut random)
            .expect("a good key")
            .into_signed()
    }

    async fn deposit(&self) {
        let deposit = self.make_deposit().await;
        let answer = self.send("/v1/keys/deposits", &deposit).await;
        let receipt: Signed<DepositReceipt> = decoded(&answer);
        let genesis = self.node.chain.genesis.hash;
        let deposit = deposit
            .verify(genesis, &device().public())
            .expect("signed by the device");
        assert!(receipt.is_for(genesis, &deposit, &self.running.service.public_key()));
    }

    async fn release(&self, request: &TxId) -> Answer {
        let body = format!("{{\"request\": \"{request}\"}}");
        self.post("/v1/keys/release", "application/json", body.into())
            .await
    }

    fn open(&self, request: TxId, answer: &Answer) -> Vec<OpenedKey> {
        let release: Signed<Release> = decoded(answer);
        let expected = Expected {
            genesis: self.node.chain.genesis.hash,
            request,
            asked: self.asked(),
            custodian: member(1),
            custody_key: self.running.service.public_key(),
        };
        release
            .open(&expected, &physicians_secret(), |_| vec![device().public()])
            .expect("an honest release")
    }

    /// The service does its work, and what it says is in the next blocks.
    fn work(&self) -> Vec<AccessEvent> {
        let unsaid = self.running.step(&self.node.chain.ledger).expect("works");
        let mut events = Vec::new();
        for statement in unsaid {
            let head = self.node.chain.ledger.head().height;
            let bytes =
                self.running
                    .transaction(&self.node.handle, statement, head.plus(10), [7; 16]);
            let transaction = codec::decode(&bytes, bytes.len()).expect("canonical");
            let receipt = self.execute(transaction);
            events.extend(receipt.events.iter().map(|event| {
                let data = event.data.as_slice();
                codec::decode::<AccessEvent>(data, data.len()).expect("canonical")
            }));
        }
        let left = self.running.step(&self.node.chain.ledger).expect("works");
        assert_eq!(left, [], "the chain has been told");
        events
    }
}

fn decoded<T: Serialize + DeserializeOwned>(answer: &Answer) -> T {
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    codec::decode(&answer.body, RELEASE_MAX).expect("canonical")
}

/// Denied, then granted: the key is released, opens, and the chain is told; it is given again after the grant was revoked.
#[tokio::test]
async fn keys_are_released_to_who_was_allowed_and_the_chain_is_told() {
    let ward = Ward::new().await;
    ward.deposit().await;

    let denied = ward.ask();
    let refused = ward.release(&denied).await;
    let grant = ward.grant();
    let allowed = ward.ask();
    let first = ward.release(&allowed).await;
    let events = ward.work();
    ward.revoke(grant);
    let again = ward.release(&allowed).await;

    assert_eq!(refused.refusal(), (403, "not_allowed".to_owned()));
    let opened = ward.open(allowed, &first);
    assert_eq!(opened.len(), 1);
    assert_eq!(opened[0].claim.handle, KEY.handle());
    assert_eq!(
        events,
        [AccessEvent::Released {
            request: allowed,
            subject: PATIENT,
            custodian: member(1),
        }]
    );
    assert_eq!(first.body, again.body);
    assert_eq!(ward.work(), [], "it is said once");
    let later = ward.ask();
    assert_eq!(
        ward.release(&later).await.refusal(),
        (403, "not_allowed".to_owned())
    );
    let nobodys = ward.release(&TxId([1; 32])).await;
    assert_eq!(nobodys.refusal(), (403, "not_allowed".to_owned()));
}

/// What was allowed and not fetched is not released once the grant is gone, nor to a practitioner who is.
#[tokio::test]
async fn a_revocation_ends_what_was_not_released() {
    let ward = Ward::new().await;
    ward.deposit().await;
    let grant = ward.grant();
    let (one, two) = (ward.ask(), ward.ask());
    let before: Signed<Prekey> = decoded(&ward.ask_prekey().await);

    ward.revoke(grant);
    let after: Signed<Prekey> = decoded(&ward.ask_prekey().await);
    let revoked = ward.release(&one).await;
    ward.grant();
    let granted_anew = ward.release(&one).await;
    ward.identity(
        2,
        &IdentityCall::RevokePractitioner {
            practitioner: PHYSICIAN,
        },
    );
    let left = ward.release(&two).await;

    assert_eq!(revoked.refusal(), (403, "not_allowed".to_owned()));
    assert_eq!(left.refusal(), (403, "not_allowed".to_owned()));
    assert!(after.body.generation > before.body.generation);
    assert_eq!(after.body.key, before.body.key);
    assert_eq!(granted_anew.status, 200, "it would be allowed again");
}

#[tokio::test]
async fn a_revoked_device_deposits_nothing() {
    let ward = Ward::new().await;
    let deposit = ward.make_deposit().await;

    ward.identity(0, &IdentityCall::RevokeDevice { device: DEVICE });

    assert_eq!(
        ward.send("/v1/keys/deposits", &deposit).await.refusal(),
        (403, "not_entitled".to_owned())
    );
    assert_eq!(
        ward.ask_prekey().await.refusal(),
        (403, "not_entitled".to_owned())
    );
}

/// Another hospital's device says that it is at this patient's bed.
#[tokio::test]
async fn a_foreign_device_deposits_nothing() {
    let ward = Ward::new().await;
    let foreign = DeviceId([84; 32]);
    let signer = SecretKey::from_seed([85; 32]).signer();
    ward.identity(2, &IdentityCall::register_device(foreign, signer.public()));
    let request = PrekeyRequest {
        custodian: member(1),
        device: foreign,
        period: ward.period(),
    };
    let asked = Signed::sign(request, ward.node.chain.genesis.hash, &signer).into_signed();

    assert_eq!(
        ward.send("/v1/keys/prekeys", &asked).await.refusal(),
        (403, "not_entitled".to_owned())
    );
}

/// The patient has a day erased: the keys go, the chain is told, and nothing is taken or given any more.
#[tokio::test]
async fn an_order_to_erase_is_carried_out_and_the_chain_is_told() {
    let ward = Ward::new().await;
    ward.deposit().await;
    ward.grant();
    let (fetched, unfetched) = (ward.ask(), ward.ask());
    assert_eq!(ward.release(&fetched).await.status, 200);
    ward.work();
    let deposit = ward.make_deposit().await;

    let order = ward.patient(&AccessCall::Erase {
        subject: PATIENT,
        category: Category::VitalSigns,
        first_day: ward.today() - 10,
        last_day: ward.today(),
    });
    // final, and not carried out here yet
    let between = ward.release(&unfetched).await;
    let events = ward.work();

    assert_eq!(
        events,
        [AccessEvent::Erased {
            order,
            subject: PATIENT,
            custodian: member(1),
            missing: 1,
        }]
    );
    let state = ward.node.chain.ledger.state();
    let erasure = access::erasure(&state, &order).expect("read");
    assert_eq!(erasure.expect("kept").missing, [member(3)]);
    for gone in [
        between,
        ward.release(&fetched).await,
        ward.release(&unfetched).await,
        ward.ask_prekey().await,
        ward.send("/v1/keys/deposits", &deposit).await,
    ] {
        // a request for erased days alone is not open any more, or said to be erased
        let (status, code) = gone.refusal();
        assert!(
            [(410, "erased"), (410, "not_kept"), (403, "not_allowed")].contains(&(status, &code)),
            "{status} {code}"
        );
    }
    assert_eq!(
        ward.running.service.unsaid().expect("read"),
        Vec::<Statement>::new()
    );
}

/// What is no message, too long, or of another kind is refused before anything is looked up; and a node that is no custodian says so.
#[tokio::test]
async fn malformed_calls_are_refused() {
    let ward = Ward::new().await;
    let octets = "application/octet-stream";

    for (path, media_type, body, refusal) in [
        ("/v1/keys/prekeys", octets, vec![1; 10], (400, "malformed")),
        ("/v1/keys/deposits", octets, vec![], (400, "malformed")),
        (
            "/v1/keys/deposits",
            octets,
            vec![0; 1_025],
            (413, "too_large"),
        ),
        (
            "/v1/keys/release",
            "application/json",
            b"{}".to_vec(),
            (400, "malformed"),
        ),
        (
            "/v1/keys/release",
            octets,
            b"{}".to_vec(),
            (415, "unsupported_media_type"),
        ),
        (
            "/v1/keys/prekeys",
            "application/json",
            vec![],
            (415, "unsupported_media_type"),
        ),
    ] {
        let answer = ward.post(path, media_type, body).await;
        let (status, code) = refusal;
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{path}");
    }
    let other = Node::start().await;
    let request = Request::post("/v1/keys/release")
        .header("content-type", "application/json")
        .body(Body::from("{}"))
        .expect("a request");
    assert_eq!(
        other.call(request).await.refusal(),
        (404, "no_key_service".to_owned())
    );
}
