//! Transactions that go on while something else happens.

use super::{Network, Node};
use salus_node::client::ApiClient;
use salus_node::keys::NodeKeys;
use salus_primitives::calls::{IDENTITY, IdentityCall};
use salus_primitives::codec;
use salus_primitives::crypto::sign::{SecretKey, Signer};
use salus_primitives::ids::{DeviceId, GenesisHash};
use salus_primitives::lane::Lane;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, Transaction, TxId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The hospital registers one device after another, until it is told to stop. A few blocks a second come of that.
#[derive(Debug)]
pub struct Traffic {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<TxId>>>,
}

impl Traffic {
    /// Starts it over the node of the hospital, which is to stay.
    ///
    /// # Panics
    /// If the hospital's keys cannot be read.
    #[must_use]
    pub fn start(network: &Network) -> Self {
        let hospital = &network.nodes()[0];
        let (client, genesis) = (hospital.client(), network.genesis());
        let keys = NodeKeys::read(&hospital.home().join("keys")).expect("the hospital's keys");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut ids = Vec::new();
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                let signer = keys.operator.signer();
                ids.extend(submit(&client, genesis, &signer, number));
                number += 1;
                std::thread::sleep(PAUSE);
            }
            ids
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// Ends it. What was taken is what counts: a submission that got no answer may have been lost.
    ///
    /// # Panics
    /// If it panicked.
    #[must_use]
    pub fn finish(mut self) -> Vec<TxId> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it runs");
        thread.join().expect("it submits")
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn submit(client: &ApiClient, genesis: GenesisHash, signer: &Signer, number: u64) -> Option<TxId> {
    let device = DeviceId::derive(b"traffic", &number.to_le_bytes());
    let call = IdentityCall::register_device(device, SecretKey::from_seed(device.0).public());
    let transaction = Transaction {
        genesis,
        sender: signer.public(),
        entity: client.entity_of(&signer.public()).ok()?,
        lane: Lane::Routine,
        valid_until: client.head().ok()?.plus(client.window_blocks().ok()?),
        nonce: [7; 16],
        call: Call::new(IDENTITY, &call),
    };
    let signed = Signed::sign(transaction, genesis, signer);
    client.submit(&codec::encode(signed.signed())).ok()
}

/// Checks that each transaction is final on each of the nodes, and did what it says.
///
/// # Panics
/// If one is not within a minute.
pub fn assert_all_final(nodes: &[Node], ids: &[TxId]) {
    for node in nodes {
        for id in ids {
            let view = node
                .client()
                .transaction(id, Duration::from_secs(30))
                .expect("an answer");
            assert!(view.is_ok(), "{} has {id} as {view:?}", node.name());
        }
    }
}

const PAUSE: Duration = Duration::from_millis(80);
