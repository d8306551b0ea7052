//! The admission thread: signatures in batches, then what the state says of the sender. Each check happens once.

use crate::handle::AdmitError;
use crate::mempool::{PoolError, Source};
use crate::runtime::RunError;
use crate::telemetry::metrics::Metrics;
use crate::verify::verify_transactions;
use rand_chacha::ChaCha20Rng;
use salus_contracts::executor::Executor;
use salus_primitives::ids::GenesisHash;
use salus_primitives::transaction::{SignedTransaction, TxId, VerifiedTransaction};
use salus_storage::ledger::Ledger;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Answers a client.
pub(crate) type Reply = oneshot::Sender<Result<TxId, AdmitError>>;

/// Transactions to check.
pub(crate) enum Submission {
    /// One that a client brought and waits for.
    Client {
        transaction: SignedTransaction,
        reply: Reply,
    },
    /// Some that a peer has admitted.
    Peer(Vec<SignedTransaction>),
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
pub(crate) struct Submissions(mpsc::Sender<Submission>);

/// What transactions are checked against.
pub(crate) struct Checks {
    pub(crate) genesis: GenesisHash,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Submissions that may wait.
const QUEUE: usize = 4_096;
/// Most transactions in one batch of signature checks.
const BATCH: usize = 1_024;
/// How long a client is told to wait when the queue is full.
const RETRY_AFTER: Duration = Duration::from_millis(250);

pub(crate) fn queue() -> (Submissions, mpsc::Receiver<Submission>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Submissions(sender), receiver)
}

impl Submissions {
    /// Queues a submission, or says why not.
    pub(crate) fn send(&self, submission: Submission) -> Result<(), AdmitError> {
        self.0.try_send(submission).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AdmitError::Busy {
                retry_after: RETRY_AFTER,
            },
            mpsc::error::TrySendError::Closed(_) => AdmitError::Stopping,
        })
    }
}

pub(crate) fn spawn(
    mut queue: mpsc::Receiver<Submission>,
    checks: Checks,
    admitted: mpsc::Sender<Admitted>,
    mut entropy: ChaCha20Rng,
) -> Result<JoinHandle<()>, RunError> {
    std::thread::Builder::new()
        .name("admission".into())
        .spawn(move || {
            let executor = Executor::default();
            while let Some(first) = queue.blocking_recv() {
                let mut clients = Vec::new();
                let mut peers = Vec::new();
                let mut next = Some(first);
                while let Some(submission) = next {
                    match submission {
                        Submission::Client { transaction, reply } => {
                            clients.push((transaction, reply));
                        }
                        Submission::Peer(transactions) => peers.extend(transactions),
                    }
                    let full = clients.len() + peers.len() >= BATCH;
                    next = if full { None } else { queue.try_recv().ok() };
                }
                let clients = checks.clients(clients, &executor, &mut entropy);
                let peers = checks.peers(peers, &mut entropy);
                for batch in [clients, peers] {
                    if !batch.transactions.is_empty() && admitted.blocking_send(batch).is_err() {
                        return;
                    }
                }
            }
        })
        .map_err(|_| RunError::Thread("admission"))
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
            match self.client(verdict, executor) {
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

    fn client(
        &self,
        verdict: Result<VerifiedTransaction, salus_primitives::signed::BadSignature>,
        executor: &Executor,
    ) -> Result<VerifiedTransaction, AdmitError> {
        let transaction = verdict?;
        match executor.check(transaction.body(), &self.ledger.state()) {
            Ok(Ok(())) => Ok(transaction),
            Ok(Err(refusal)) => Err(refusal.into()),
            Err(error) => {
                tracing::error!(%error, "admission cannot read the state");
                Err(AdmitError::Stopping)
            }
        }
    }

    /// A peer has checked the state; what its state allowed, ours may allow a block later.
    fn peers(&self, transactions: Vec<SignedTransaction>, entropy: &mut ChaCha20Rng) -> Admitted {
        let lanes: Vec<_> = transactions.iter().map(|tx| tx.body.lane).collect();
        for lane in &lanes {
            self.metrics.transaction_received(*lane);
        }
        let verdicts = verify_transactions(transactions, self.genesis, entropy);
        let mut good = Vec::new();
        for (verdict, lane) in verdicts.into_iter().zip(lanes) {
            match verdict {
                Ok(transaction) => good.push(transaction),
                Err(_) => self
                    .metrics
                    .transaction_rejected(Some(lane), "bad_signature"),
            }
        }
        Admitted {
            transactions: good,
            replies: Vec::new(),
            source: Source::Peer,
        }
    }
}
