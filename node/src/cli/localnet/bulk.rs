//! Bulk without end beside emergencies: what an emergency takes while bulk fills the network, against an idle one.
//!
//! Emergencies are submitted one after another to the hospital's validator, first on the idle network, then while threads
//! hand every validator the largest readings in lane bulk until that is full, and on. An emergency counts as attested, and as final, when the hospital's
//! validator has answered so.

use super::children::Interrupt;
use super::homes::Homes;
use super::validators::Validators;
use super::{Console, LocalnetError};
use crate::cli::tx::{TxError, signed_call};
use crate::client::{ApiClient, ClientError};
use salus_primitives::calls::{IDENTITY, IdentityCall, RECORDS, RecordsCall};
use salus_primitives::codec::{self, Blob};
use salus_primitives::crypto::cipher::{Envelope, Suite, TAG_LENGTH};
use salus_primitives::crypto::sign::{SecretKey, Signer};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{DeviceId, EntityId, GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::reading::{Handle, ReadingId, SealedReading};
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, Transaction, TxId};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two emergencies, and two looks at what goes on.
const PAUSE: Duration = Duration::from_millis(50);
/// How long an emergency may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long its committee may take: a member that was late for the block's view never votes for it.
const ATTESTED_LIMIT: Duration = Duration::from_secs(2);
/// How long bulk may take to fill a lane.
const FILL_LIMIT: Duration = Duration::from_secs(120);
/// How long a thread that submits bulk leaves a full lane alone.
const FULL_PAUSE: Duration = Duration::from_millis(20);
/// Bytes of a bulk reading and of an emergency, size classes.
const BULK_BYTES: usize = 65_536;
const EMERGENCY_BYTES: usize = 256;
/// How many threads submit bulk to each validator.
const SUBMITTERS: usize = 2;
/// How many bulk readings are signed for one height.
const SAME_HEIGHT: usize = 256;

/// What emergencies took in one phase, in milliseconds.
#[derive(Debug, Default)]
struct Phase {
    attested_ms: Vec<f64>,
    final_ms: Vec<f64>,
    /// Of those submitted, how many were not final in time.
    late: usize,
}

/// Both phases.
#[derive(Debug)]
pub(super) struct Comparison {
    validators: usize,
    idle: Phase,
    under_bulk: Phase,
    bulk_final_per_second: f64,
}

/// Runs both phases on validators that are ready.
pub(super) fn compare(
    console: Console,
    homes: &Homes,
    validators: &mut Validators,
    seconds: u64,
    interrupt: &Interrupt,
) -> Result<Comparison, LocalnetError> {
    let half = Duration::from_millis(seconds.saturating_mul(1_000) / 2);
    let device = Device::register(homes, validators, interrupt)?;
    console.say("emergencies on the idle network");
    let hospital = validators.hospital().client().clone();
    let idle = device.emergencies(&hospital, half, interrupt)?;
    console.say("bulk readings to every validator, until a lane is full");
    let bulk = Bulk::start(&device, validators);
    bulk.wait_full(interrupt, validators)?;
    console.say("emergencies beside bulk");
    let before = bulk_final(&hospital)?;
    let started = Instant::now();
    let under_bulk = device.emergencies(&hospital, half, interrupt)?;
    let bulk_final_per_second = (bulk_final(&hospital)? - before) / started.elapsed().as_secs_f64();
    bulk.finish();
    validators.check_running()?;
    Ok(Comparison {
        validators: validators.len(),
        idle,
        under_bulk,
        bulk_final_per_second,
    })
}

/// How many bulk transactions are final, as a validator counts them.
fn bulk_final(client: &ApiClient) -> Result<f64, LocalnetError> {
    Ok(super::progress::final_of_lane(
        &client.metrics()?,
        Lane::Bulk,
    ))
}

/// A device of the hospital whose readings nobody opens.
#[derive(Clone, Debug)]
struct Device {
    id: DeviceId,
    owner: EntityId,
    signer: Signer,
    genesis: GenesisHash,
    window: u64,
}

impl Device {
    fn register(
        homes: &Homes,
        validators: &Validators,
        interrupt: &Interrupt,
    ) -> Result<Self, LocalnetError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(TxError::Entropy)?;
        let hospital = validators.hospital().client();
        let device = Self {
            id: DeviceId::derive(b"localnet-load", &seed),
            owner: EntityId::of_name(homes.hospital_name()),
            signer: SecretKey::from_seed(seed).signer(),
            genesis: homes.genesis().hash,
            window: hospital.window_blocks()?,
        };
        let call = IdentityCall::register_device(device.id, device.signer.public());
        let call = Call::new(IDENTITY, &call);
        let transaction = signed_call(hospital, homes.hospital(), device.genesis, call)?;
        let id = hospital.submit(&transaction)?;
        for validator in validators.iter() {
            interrupt.check()?;
            let view = validator.client().transaction(&id, ANSWER_LIMIT)?;
            if !view.is_ok() {
                return Err(LocalnetError::Registration {
                    number: 1,
                    state: format!("{} on {}", view.status, validator.name()),
                });
            }
        }
        Ok(device)
    }

    /// A transaction with a reading that is new.
    fn reading(&self, lane: Lane, bytes: usize, head: Height) -> Result<Vec<u8>, TxError> {
        let mut name = [0; 32];
        getrandom::fill(&mut name).map_err(TxError::Entropy)?;
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&name[..16]);
        let call = RecordsCall::Submit(SealedReading {
            device: self.id,
            handle: Handle(name),
            reading: ReadingId(name),
            // nobody opens it: what counts is its length
            envelope: Envelope {
                suite: Suite::Twofish256EaxBlake3,
                nonce,
                commitment: Digest(name),
                ciphertext: Blob(vec![0; bytes + TAG_LENGTH]),
            },
        });
        let body = Transaction {
            genesis: self.genesis,
            sender: self.signer.public(),
            entity: self.owner,
            lane,
            valid_until: head.plus(self.window),
            nonce,
            call: Call::new(RECORDS, &call),
        };
        let signed = Signed::sign(body, self.genesis, &self.signer);
        Ok(codec::encode(signed.signed()))
    }

    /// Submits emergencies one after another for so long.
    fn emergencies(
        &self,
        client: &ApiClient,
        time: Duration,
        interrupt: &Interrupt,
    ) -> Result<Phase, LocalnetError> {
        let mut phase = Phase::default();
        let started = Instant::now();
        while started.elapsed() < time || phase.count() == 0 {
            interrupt.check()?;
            let transaction = self.reading(Lane::Emergency, EMERGENCY_BYTES, client.head()?)?;
            let submitted = Instant::now();
            let id = client.submit(&transaction)?;
            phase.wait(client, &id, submitted)?;
            std::thread::sleep(PAUSE);
        }
        Ok(phase)
    }
}

impl Phase {
    /// Waits for both tiers at once, as neither waits for the other.
    fn wait(
        &mut self,
        client: &ApiClient,
        id: &TxId,
        submitted: Instant,
    ) -> Result<(), LocalnetError> {
        let ms = || submitted.elapsed().as_secs_f64() * 1_000.0;
        let (attested, finality) = std::thread::scope(|scope| {
            let attested = scope.spawn(|| {
                let is_whole = client.is_attested(id, ATTESTED_LIMIT)?;
                Ok::<_, ClientError>(is_whole.then(ms))
            });
            let finality = client
                .transaction(id, ANSWER_LIMIT)
                .map(|view| view.is_ok().then(ms));
            let attested = attested.join().expect("it only asks");
            (attested, finality)
        });
        self.attested_ms.extend(attested?);
        match finality? {
            Some(ms) => self.final_ms.push(ms),
            None => self.late += 1,
        }
        Ok(())
    }

    fn count(&self) -> usize {
        self.final_ms.len() + self.late
    }

    fn json(&self) -> Value {
        json!({
            "submitted": self.count(),
            "final": self.final_ms.len(),
            "attested": self.attested_ms.len(),
            "attested_ms": latency(&self.attested_ms),
            "final_ms": latency(&self.final_ms),
        })
    }
}

impl Comparison {
    /// Whether every emergency was final in time.
    pub(super) const fn is_success(&self) -> bool {
        self.idle.late == 0 && self.under_bulk.late == 0
    }

    /// The one object for programs. A ratio is of medians: how many times as long as on the idle network.
    pub(super) fn json(&self) -> Value {
        json!({
            "validators": self.validators,
            "emergency_idle": self.idle.json(),
            "emergency_under_bulk": self.under_bulk.json(),
            "emergency_under_bulk_ratio": {
                "attested": ratio(&self.under_bulk.attested_ms, &self.idle.attested_ms),
                "final": ratio(&self.under_bulk.final_ms, &self.idle.final_ms),
            },
            "bulk_final_per_second": self.bulk_final_per_second.round(),
        })
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "\n{:<24} {:>8} {:>13} {:>13} {:>10} {:>10}\n",
            "emergencies", "final", "attested p50", "attested p99", "final p50", "final p99"
        );
        for (name, phase) in [("idle", &self.idle), ("beside bulk", &self.under_bulk)] {
            let ms = |values, percent| match percentile(values, percent) {
                Some(ms) => format!("{ms:.1}"),
                None => "-".to_owned(),
            };
            text.push_str(&format!(
                "{name:<24} {:>8} {:>13} {:>13} {:>10} {:>10}\n",
                phase.final_ms.len(),
                ms(&phase.attested_ms, 50),
                ms(&phase.attested_ms, 99),
                ms(&phase.final_ms, 50),
                ms(&phase.final_ms, 99),
            ));
        }
        let of = |under: &[f64], idle: &[f64]| match ratio(under, idle) {
            Some(ratio) => format!("{ratio:.1}"),
            None => "-".to_owned(),
        };
        text.push_str(&format!(
            "\nbeside bulk an emergency takes {} times as long to attestation and {} times to finality (medians)\nbulk final a second: {:.0}",
            of(&self.under_bulk.attested_ms, &self.idle.attested_ms),
            of(&self.under_bulk.final_ms, &self.idle.final_ms),
            self.bulk_final_per_second,
        ));
        text
    }
}

/// Nearest ranks.
fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

fn latency(values: &[f64]) -> Value {
    let of = |percent| percentile(values, percent).map(|ms| (ms * 100.0).round() / 100.0);
    json!({"p50": of(50), "p99": of(99), "max": of(100)})
}

fn ratio(under: &[f64], idle: &[f64]) -> Option<f64> {
    let ratio = percentile(under, 50)? / percentile(idle, 50)?;
    Some((ratio * 100.0).round() / 100.0)
}

/// The threads that submit bulk; they end when this is dropped.
#[derive(Debug)]
struct Bulk {
    stop: Arc<AtomicBool>,
    full: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Bulk {
    fn start(device: &Device, validators: &Validators) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let full = Arc::new(AtomicBool::new(false));
        let threads = validators
            .iter()
            .flat_map(|validator| std::iter::repeat_n(validator, SUBMITTERS))
            .map(|validator| {
                let (device, client) = (device.clone(), validator.client().clone());
                let (stop, full) = (stop.clone(), full.clone());
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        // what is refused is tried again with another reading, what gets no answer is not waited for
                        if submit_some(&device, &client, &stop, &full).is_err() {
                            std::thread::sleep(FULL_PAUSE);
                        }
                    }
                })
            })
            .collect();
        Self {
            stop,
            full,
            threads,
        }
    }

    fn wait_full(
        &self,
        interrupt: &Interrupt,
        validators: &mut Validators,
    ) -> Result<(), LocalnetError> {
        let started = Instant::now();
        while !self.full.load(Ordering::Relaxed) {
            interrupt.check()?;
            validators.check_running()?;
            if started.elapsed() >= FILL_LIMIT {
                return Err(LocalnetError::Story {
                    what: "no validator's bulk lane is full".to_owned(),
                    waited: FILL_LIMIT,
                });
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in std::mem::take(&mut self.threads) {
            thread.join().expect("it only submits");
        }
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn submit_some(
    device: &Device,
    client: &ApiClient,
    stop: &AtomicBool,
    full: &AtomicBool,
) -> Result<(), LocalnetError> {
    let head = client.head()?;
    for _ in 0..SAME_HEIGHT {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let transaction = device.reading(Lane::Bulk, BULK_BYTES, head)?;
        match client.submit(&transaction) {
            Ok(_) => {}
            Err(ClientError::Refused { code, .. }) if code == "lane_full" => {
                full.store(true, Ordering::Relaxed);
                std::thread::sleep(FULL_PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_medians_and_there_is_none_of_nothing() {
        let idle = Phase {
            attested_ms: vec![2.0, 1.0, 30.0],
            final_ms: vec![4.0],
            late: 0,
        };
        let under_bulk = Phase {
            attested_ms: Vec::new(),
            final_ms: vec![10.0, 6.0],
            late: 1,
        };
        let comparison = Comparison {
            validators: 4,
            idle,
            under_bulk,
            bulk_final_per_second: 12.4,
        };

        let json = comparison.json();

        assert_eq!(json["emergency_idle"]["attested_ms"]["p50"], 2.0);
        assert_eq!(json["emergency_under_bulk"]["submitted"], 3);
        let ratios = &json["emergency_under_bulk_ratio"];
        assert_eq!(
            (&ratios["attested"], &ratios["final"]),
            (&Value::Null, &json!(1.5))
        );
        assert!(!comparison.is_success());
        assert!(comparison.table().contains("1.5 times to finality"));
    }
}
