//! Clients that hand in transactions and note which of them a node reported final: these must never be lost.

use super::Network;
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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// One client a node. Each hands in a registration, waits until its node reports it final, and goes on, whatever happens to
/// the node meanwhile.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<TxId>>>,
}

/// How long a client waits for a transaction before it makes another.
const PATIENCE: Duration = Duration::from_secs(3);
/// A client's pause after each: what is tested is faults, not throughput.
const PAUSE: Duration = Duration::from_millis(10);

impl Load {
    /// Starts the clients.
    ///
    /// # Panics
    /// If the hospital's keys cannot be read.
    #[must_use]
    pub fn start(network: &Network) -> Self {
        let keys = NodeKeys::read(&network.nodes()[0].home().join("keys")).expect("keys");
        let genesis = network.genesis();
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        // devices of its own: a second load on a network registers others
        static CLIENTS: AtomicU64 = AtomicU64::new(0);
        let clients = network
            .nodes()
            .iter()
            .map(|node| {
                let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
                let client = Client {
                    api: node.client(),
                    genesis,
                    signer: keys.operator.signer(),
                    number,
                    made: 0,
                };
                let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
                std::thread::spawn(move || client.run(&stop, &acknowledged))
            })
            .collect();
        Self {
            stop,
            acknowledged,
            clients,
        }
    }

    /// How many transactions were reported final so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more are.
    ///
    /// # Panics
    /// If they are not within a minute.
    pub fn wait_for(&self, more: u64) {
        let before = self.acknowledged();
        super::eventually("transactions become final", || {
            self.acknowledged() >= before + more
        });
    }

    /// Ends the clients; what they were told is final.
    ///
    /// # Panics
    /// If one panicked.
    #[must_use]
    pub fn finish(mut self) -> Vec<TxId> {
        self.stop.store(true, Ordering::Relaxed);
        std::mem::take(&mut self.clients)
            .into_iter()
            .flat_map(|client| client.join().expect("it hands in"))
            .collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Client {
    api: ApiClient,
    genesis: GenesisHash,
    signer: Signer,
    number: u64,
    made: u64,
}

impl Client {
    fn run(mut self, stop: &AtomicBool, acknowledged: &AtomicU64) -> Vec<TxId> {
        let mut told = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            if let Some(id) = self.one() {
                told.push(id);
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            std::thread::sleep(PAUSE);
        }
        told
    }

    /// One registration; its id if the node reported it final. A node that is away is no error here.
    fn one(&mut self) -> Option<TxId> {
        self.made += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.number.to_le_bytes());
        nonce[8..].copy_from_slice(&self.made.to_le_bytes());
        let device = DeviceId::derive(b"load", &nonce);
        let call = IdentityCall::register_device(device, SecretKey::from_seed(device.0).public());
        let transaction = Transaction {
            genesis: self.genesis,
            sender: self.signer.public(),
            entity: self.api.entity_of(&self.signer.public()).ok()?,
            lane: Lane::Routine,
            valid_until: self.api.head().ok()?.plus(1_000),
            nonce,
            call: Call::new(IDENTITY, &call),
        };
        let signed = Signed::sign(transaction, self.genesis, &self.signer);
        let id = self.api.submit(&codec::encode(signed.signed())).ok()?;
        let view = self.api.transaction(&id, PATIENCE).ok()?;
        view.is_final().then_some(id)
    }
}
