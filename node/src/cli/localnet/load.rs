//! Transactions without a device: hospital and pharmacy register bedside devices, each one at a time.

use super::LocalnetError;
use super::homes::{Homes, LocalHome};
use super::validators::Validators;
use crate::cli::tx::signed_call;
use crate::client::ApiClient;
use crate::keys::NodeKeys;
use salus_primitives::calls::{IDENTITY, IdentityCall};
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::ids::{DeviceId, GenesisHash, Height};
use salus_primitives::transaction::{Call, TxId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One transaction that was handed in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) id: TxId,
    /// Where it is final, if it was in time.
    pub(super) height: Option<Height>,
    /// From handing it in to hearing that it is final, in milliseconds.
    pub(super) latency_ms: f64,
}

/// The threads that submit.
#[derive(Debug)]
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Sample>>>,
}

/// Who submits, by their place among the members: those that may have devices.
const SENDERS: [usize; 2] = [0, 1];
const PAUSE: Duration = Duration::from_millis(20);
const FINAL_LIMIT: Duration = Duration::from_secs(30);

impl Load {
    pub(super) fn start(homes: &Homes, validators: &Validators) -> Result<Self, LocalnetError> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for (sender, validator) in SENDERS.into_iter().zip(validators.iter()) {
            let LocalHome { name, home, .. } = &homes.validators()[sender];
            let keys = NodeKeys::read(&home.keys_file())?;
            let (name, client) = (name.clone(), validator.client().clone());
            let (genesis, stopped) = (homes.genesis().hash, Arc::clone(&stop));
            threads.push(std::thread::spawn(move || {
                let mut samples = Vec::new();
                for number in 0u64.. {
                    if stopped.load(Ordering::Relaxed) {
                        break;
                    }
                    // what was refused or got no answer is not counted as submitted
                    samples.extend(submit(&client, &keys, genesis, &name, number).ok());
                    std::thread::sleep(PAUSE);
                }
                samples
            }));
        }
        Ok(Self { stop, threads })
    }

    /// Ends it, and returns what was handed in.
    pub(super) fn finish(mut self) -> Vec<Sample> {
        self.stop.store(true, Ordering::Relaxed);
        std::mem::take(&mut self.threads)
            .into_iter()
            .flat_map(|thread| thread.join().expect("it only submits"))
            .collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn submit(
    client: &ApiClient,
    keys: &NodeKeys,
    genesis: GenesisHash,
    owner: &str,
    number: u64,
) -> Result<Sample, LocalnetError> {
    let device = DeviceId::derive(owner.as_bytes(), &number.to_le_bytes());
    let call = IdentityCall::register_device(device, SecretKey::from_seed(device.0).public());
    let transaction = signed_call(client, keys, genesis, Call::new(IDENTITY, &call))?;
    let started = Instant::now();
    let id = client.submit(&transaction)?;
    // without an answer it is one that is not known to be final
    let view = client.transaction(&id, FINAL_LIMIT);
    let height = view
        .ok()
        .filter(|view| view.is_ok())
        .and_then(|view| view.height);
    Ok(Sample {
        id,
        height: height.map(Height::new),
        latency_ms: started.elapsed().as_secs_f64() * 1_000.0,
    })
}
