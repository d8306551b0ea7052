//! The admission thread: signatures in batches, then what the state says of the sender. Each check happens once.

use crate::handle::AdmitError;
use crate::mempool::{PoolError, Source};
use crate::runtime::RunError;
use crate::telemetry::metrics::Metrics;
use crate::verify::verify_transactions;
use rand_chacha::ChaCha20Rng;
use salus_contracts::executor::Executor;
use salus_primitives::ids::GenesisHash;
use salus_primitives::lane::Lane;
use salus_primitives::transaction::{SignedTransaction, TxId, VerifiedTransaction};
use salus_storage::ledger::Ledger;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Answers a client with the transaction's id and the lane that it waits in.
pub(crate) type Reply = oneshot::Sender<Result<(TxId, Lane), AdmitError>>;

/// Transactions to check.
pub(crate) enum Submission {
    /// One that a client brought and waits for.
    Client {
        transaction: SignedTransaction,
        reply: Reply,
    },
    /// Some that a peer has admitted.
    Peer {
        transactions: Vec<SignedTransaction>,
        /// Their part of what peers may fill of the queue.
        share: OwnedSemaphorePermit,
    },
}

/// Transactions whose signatures hold, on their way to the replica.
pub(crate) struct Admitted {
    pub(crate) transactions: Vec<VerifiedTransaction>,
    /// For each client's transaction whom to answer; empty for a peer's.
    pub(crate) replies: Vec<Reply>,
    pub(crate) source: Source,
}

/// The way into the admission thread. Never waits.
#[derive(Clone)]
pub(crate) struct Submissions {
    queue: mpsc::Sender<Submission>,
    /// In KiB. Clients are bounded by their connections; a peer's frame holds megabytes.
    peers: Arc<Semaphore>,
}

/// What transactions are checked against.
pub(crate) struct Checks {
    pub(crate) genesis: GenesisHash,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Submissions that may wait.
const QUEUE: usize = 4_096;
/// What peers' transactions may take in the queue, in KiB. What exceeds it is dropped; their senders say it again.
const PEERS_KIB: u32 = 16 * 1024;
/// What a peer's frame takes at least: leaves half of the queue's places to clients.
const FRAME_KIB_MIN: u32 = 2 * PEERS_KIB / QUEUE as u32;
/// What a transaction takes besides its payload, in bytes.
const TRANSACTION_BYTES: usize = 256;
/// Most transactions in one batch of signature checks.
const BATCH: usize = 1_024;
/// How long a client is told to wait when the queue is full.
const RETRY_AFTER: Duration = Duration::from_millis(250);

pub(crate) fn queue() -> (Submissions, mpsc::Receiver<Submission>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let submissions = Submissions {
        queue: sender,
        peers: Arc::new(Semaphore::new(PEERS_KIB as usize)),
    };
    (submissions, receiver)
}

impl Submissions {
    /// Queues a submission, or says why not.
    pub(crate) fn send(&self, submission: Submission) -> Result<(), AdmitError> {
        self.queue
            .try_send(submission)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => AdmitError::Busy {
                    retry_after: RETRY_AFTER,
                },
                mpsc::error::TrySendError::Closed(_) => AdmitError::Stopping,
            })
    }

    /// Queues a peer's transactions, if peers have not filled their share.
    pub(crate) fn send_of_peer(
        &self,
        transactions: Vec<SignedTransaction>,
    ) -> Result<(), AdmitError> {
        let bytes: usize = transactions
            .iter()
            .map(|transaction| transaction.body.call.payload.len() + TRANSACTION_BYTES)
            .sum();
        let kib = u32::try_from(bytes / 1024)
            .unwrap_or(u32::MAX)
            .max(FRAME_KIB_MIN);
        let share = Arc::clone(&self.peers)
            .try_acquire_many_owned(kib)
            .map_err(|_| AdmitError::Busy {
                retry_after: RETRY_AFTER,
            })?;
        self.send(Submission::Peer {
            transactions,
            share,
        })
    }
}

/// Starts the thread. It ends when nobody can submit, or when nobody takes what it has checked: a client that keeps its
/// connection open does not keep the node from stopping. Must be called on a tokio runtime.
pub(crate) fn spawn(
    mut queue: mpsc::Receiver<Submission>,
    checks: Checks,
    admitted: mpsc::Sender<Admitted>,
    mut entropy: ChaCha20Rng,
) -> Result<JoinHandle<()>, RunError> {
    let runtime = Handle::current();
    std::thread::Builder::new()
        .name("admission".into())
        .spawn(move || {
            let executor = Executor::default();
            while let Some(first) = runtime.block_on(next(&mut queue, &admitted)) {
                let mut clients = Vec::new();
                let mut peers = Vec::new();
                let mut shares = Vec::new();
                let mut next = Some(first);
                while let Some(submission) = next {
                    match submission {
                        Submission::Client { transaction, reply } => {
                            clients.push((transaction, reply));
                        }
                        Submission::Peer {
                            transactions,
                            share,
                        } => {
                            peers.extend(transactions);
                            shares.push(share);
                        }
                    }
                    let full = clients.len() + peers.len() >= BATCH;
                    next = if full { None } else { queue.try_recv().ok() };
                }
                let clients = checks.clients(clients, &executor, &mut entropy);
                let peers = checks.peers(peers, &executor, &mut entropy);
                for batch in [clients, peers] {
                    if !batch.transactions.is_empty() && admitted.blocking_send(batch).is_err() {
                        return;
                    }
                }
            }
        })
        .map_err(|_| RunError::Thread("admission"))
}

async fn next(
    queue: &mut mpsc::Receiver<Submission>,
    admitted: &mpsc::Sender<Admitted>,
) -> Option<Submission> {
    tokio::select! {
        biased;
        () = admitted.closed() => None,
        submission = queue.recv() => submission,
    }
}

impl Checks {
    fn clients(
        &self,
        submitted: Vec<(SignedTransaction, Reply)>,
        executor: &Executor,
        entropy: &mut ChaCha20Rng,
    ) -> Admitted {
        // A signature covers its chain's name: one for another chain would be taken for a bad one.
        let (ours, foreign): (Vec<_>, Vec<_>) = submitted
            .into_iter()
            .partition(|(transaction, _)| transaction.body.genesis == self.genesis);
        for (transaction, reply) in foreign {
            let error = PoolError::WrongChain {
                found: transaction.body.genesis,
                expected: self.genesis,
            };
            // a client that is gone needs no answer
            drop(reply.send(Err(error.into())));
        }
        let (transactions, replies): (Vec<_>, Vec<_>) = ours.into_iter().unzip();
        let verdicts = verify_transactions(transactions, self.genesis, entropy);
        let mut admitted = Admitted {
            transactions: Vec::new(),
            replies: Vec::new(),
            source: Source::Client,
        };
        for (verdict, reply) in verdicts.into_iter().zip(replies) {
            match self.admit(verdict, executor) {
                Ok(transaction) => {
                    admitted.transactions.push(transaction);
                    admitted.replies.push(reply);
                }
                // a client that is gone needs no answer
                Err(error) => drop(reply.send(Err(error))),
            }
        }
        admitted
    }

    /// What was signed well, if its sender may act and use the lane by the state that this node has.
    fn admit(
        &self,
        verdict: Result<VerifiedTransaction, salus_primitives::signed::BadSignature>,
        executor: &Executor,
    ) -> Result<VerifiedTransaction, AdmitError> {
        let transaction = verdict?;
        match executor.check(
            transaction.body(),
            self.ledger.head().height.next(),
            &self.ledger.state(),
        ) {
            Ok(Ok(())) => Ok(transaction),
            Ok(Err(refusal)) => Err(refusal.into()),
            Err(error) => {
                tracing::error!(%error, "admission cannot read the state");
                Err(AdmitError::Stopping)
            }
        }
    }

    /// An honest peer has checked the state, and one that did not must not fill the lanes with what strangers sign. What its state
    /// allowed, ours may allow a block later: it is forwarded again then.
    fn peers(
        &self,
        transactions: Vec<SignedTransaction>,
        executor: &Executor,
        entropy: &mut ChaCha20Rng,
    ) -> Admitted {
        let lanes: Vec<_> = transactions.iter().map(|tx| tx.body.lane).collect();
        for lane in &lanes {
            self.metrics.transaction_received(*lane);
        }
        let verdicts = verify_transactions(transactions, self.genesis, entropy);
        let mut good = Vec::new();
        for (verdict, lane) in verdicts.into_iter().zip(lanes) {
            match self.admit(verdict, executor) {
                Ok(transaction) => good.push(transaction),
                Err(error) => self
                    .metrics
                    .transaction_rejected(Some(lane), error.reason()),
            }
        }
        Admitted {
            transactions: good,
            replies: Vec::new(),
            source: Source::Peer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_genesis::instant::Instant;
    use salus_genesis::presets;
    use salus_genesis::spec::{GenesisSpec, MemberSpec};
    use salus_primitives::calls::Role;
    use salus_primitives::codec::Blob;
    use salus_primitives::crypto::exchange::ExchangeSecret;
    use salus_primitives::crypto::sign::SecretKey;
    use salus_primitives::ids::{ContractId, EntityId, Height};
    use salus_primitives::lane::Lane;
    use salus_primitives::signed::Signed;
    use salus_primitives::time::Timestamp;
    use salus_primitives::transaction::{Call, Transaction};
    use salus_storage::ledger::Retention;
    use salus_storage::memory::MemoryStore;

    const GENESIS: GenesisHash = GenesisHash([1; 32]);

    fn transaction(payload: usize) -> SignedTransaction {
        let signer = SecretKey::from_seed([9; 32]).signer();
        let body = Transaction {
            genesis: GENESIS,
            sender: signer.public(),
            entity: EntityId([4; 32]),
            lane: Lane::Routine,
            valid_until: Height::new(9),
            nonce: [0; 16],
            call: Call {
                contract: ContractId::new(3),
                payload: Blob(vec![0; payload]),
            },
        };
        Signed::sign(body, GENESIS, &signer).into_signed()
    }

    fn fill(submissions: &Submissions, frame: &[SignedTransaction]) -> usize {
        (0..)
            .take_while(|_| submissions.send_of_peer(frame.to_vec()).is_ok())
            .count()
    }

    /// Peers that flood small or large frames fill neither the memory nor the clients' places.
    #[test]
    fn peers_fill_only_their_share_of_the_queue() {
        for (frame, bytes) in [
            (vec![transaction(10)], 0),
            (vec![transaction(65_536); 60], 60 * 65_536),
        ] {
            let (submissions, mut queue) = queue();

            let frames = fill(&submissions, &frame);

            assert!(frames > 0 && frames * bytes <= PEERS_KIB as usize * 1024);
            let (reply, _answer) = oneshot::channel();
            let transaction = transaction(10);
            assert!(
                submissions
                    .send(Submission::Client { transaction, reply })
                    .is_ok()
            );
            // what is taken makes room again
            drop(queue.try_recv().expect("one waits"));
            assert_eq!(fill(&submissions, &frame), 1);
        }
    }

    /// A client that holds its connection holds a way in; the thread ends all the same when the node stops.
    #[tokio::test]
    async fn the_thread_ends_with_the_consensus_thread_though_clients_remain() {
        let (submissions, queue) = queue();
        let (admitted, consensus) = mpsc::channel(1);
        let checks = Checks {
            genesis: GENESIS,
            ledger: Arc::new(ledger()),
            metrics: Arc::new(Metrics::new()),
        };
        let entropy = <ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(1);
        let thread = spawn(queue, checks, admitted, entropy).expect("starts");

        drop(consensus);

        let joined = tokio::task::spawn_blocking(|| thread.join()).await;
        assert!(joined.expect("not cancelled").is_ok());
        assert!(matches!(
            submissions.send_of_peer(vec![transaction(10)]),
            Err(AdmitError::Stopping)
        ));
    }

    /// What a member's key asks for passes; what strangers sign, or a member for a lane that its role may not use or in another's
    /// name, does not, however well it is signed.
    #[test]
    fn a_peer_cannot_fill_the_lanes_with_what_the_state_refuses() {
        let ledger = ledger();
        let genesis = GenesisHash(
            ledger
                .block(Height::ZERO)
                .expect("reads")
                .expect("is there")
                .id()
                .0,
        );
        let checks = Checks {
            genesis,
            ledger: Arc::new(ledger),
            metrics: Arc::new(Metrics::new()),
        };
        let signed = |seed: u8, entity: &str, lane| {
            let signer = SecretKey::from_seed([seed; 32]).signer();
            let body = Transaction {
                genesis,
                sender: signer.public(),
                entity: EntityId::of_name(entity),
                lane,
                valid_until: Height::new(9),
                nonce: [seed; 16],
                call: Call::new(
                    salus_primitives::calls::STAKING,
                    &salus_primitives::calls::StakingCall::Withdraw,
                ),
            };
            Signed::sign(body, genesis, &signer).into_signed()
        };
        let operator = 11;
        let offered = vec![
            signed(operator, "member-1", Lane::Emergency),
            signed(99, "member-1", Lane::Emergency),
            signed(operator, "member-2", Lane::Emergency),
            // the validator's key
            signed(12, "member-1", Lane::Emergency),
        ];
        let mut entropy = <ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(1);

        let admitted = checks.peers(offered.clone(), &Executor::default(), &mut entropy);

        let ids: Vec<_> = admitted
            .transactions
            .iter()
            .map(VerifiedTransaction::id)
            .collect();
        assert_eq!(ids, [offered[0].body.id()]);
    }

    fn ledger() -> Ledger {
        let key = |member: u8, kind: u8| SecretKey::from_seed([member * 10 + kind; 32]).public();
        let preset = presets::local();
        let members = (1..=4)
            .map(|n| MemberSpec {
                name: format!("member-{n}"),
                role: Role::Hospital,
                operator_key: key(n, 1),
                validator_key: key(n, 2),
                network_key: key(n, 3),
                exchange_key: ExchangeSecret::from_bytes([n * 10 + 4; 32]).public(),
                weight: 1,
            })
            .collect();
        let spec = GenesisSpec {
            chain: "admission".into(),
            genesis_time: Instant(Timestamp::from_millis(1_000)),
            consensus: preset.consensus,
            model: preset.model,
            lanes: preset.lanes,
            members,
        };
        let genesis = spec.check().expect("legal").build();
        let store = Arc::new(MemoryStore::new());
        let first = crate::origin::first_block(&genesis);
        Ledger::open(store, &first, Retention::default()).expect("a blank store")
    }
}
