//! What the API holds of a running node: submit, ask, wait.

mod progress;

pub use progress::{Changes, TransactionProgress};

use crate::custody::speaker::Running;
use crate::diagnosis::Explanation;
use crate::mempool::PoolError;
use crate::runtime::admission::{Submission, Submissions};
use crate::runtime::consensus::Question;
use crate::runtime::disk::Disk;
pub use crate::runtime::disk::DiskStatus;
use crate::telemetry::metrics::Metrics;
use crate::tiers::Tiers;
use bytes::Bytes;
use salus_contracts::executor::Refusal;
use salus_genesis::block::GenesisBlock;
use salus_network::{NetworkCounters, NetworkHandle};
use salus_primitives::block::BLOCK_MAX;
use salus_primitives::codec::{self, CodecError};
use salus_primitives::ids::{EntityId, Epoch, Height, View};
use salus_primitives::lane::Lane;
use salus_primitives::receipt::Receipt;
use salus_primitives::signed::BadSignature;
use salus_primitives::state::StateRoot;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{SignedTransaction, TRANSACTION_MAX, TxId};
use salus_storage::ledger::{Ledger, LedgerError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// A running node, as its API sees it. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    shared: Arc<Shared>,
}

/// What the runtime's parts share.
pub(crate) struct Shared {
    pub(crate) genesis: Arc<GenesisBlock>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) submissions: Submissions,
    pub(crate) status: watch::Receiver<NodeStatus>,
    pub(crate) final_height: watch::Receiver<Height>,
    pub(crate) pending: Arc<PendingTransactions>,
    pub(crate) tiers: Arc<Tiers>,
    pub(crate) network: NetworkHandle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) questions: mpsc::Sender<Question>,
    pub(crate) key_service: Option<Running>,
}

/// Transactions this node has admitted and not yet seen final, with the time they came.
#[derive(Debug, Default)]
pub struct PendingTransactions(Mutex<HashMap<TxId, Instant>>);

/// What role a node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRole {
    /// It votes.
    Validator,
    /// It follows; [`Standing`] says why it does not vote.
    Observer,
}

/// Where this node stands towards the validators, by the state it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has a seat in this epoch, and votes.
    Votes,
    /// It has a seat, but no vote journal: it may have voted before and forgotten it.
    NoJournal,
    /// It has a seat, but its store is older than what its vote journal rests on: it observes until this height is final here.
    StoreBehind(Height),
    /// It has a seat under a key that this node does not hold.
    OtherKey,
    /// It has a seat from this epoch on.
    Elected(Epoch),
    /// It is a member without a seat.
    NoSeat,
    /// It is a member that broke the protocol and has not been released.
    Jailed,
    /// It is a member that missed too many votes and has not returned.
    Inactive,
    /// It is a member that does not stand for a seat.
    NotStanding,
    /// It is a member without validator keys.
    NoKeys,
    /// It is no member, or not yet.
    NotAdmitted,
    /// By the blocks it has it is no member, and it lacks blocks.
    CatchesUp,
    /// It was a member.
    Retired,
}

impl Standing {
    /// A short stable name, for `/status`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Votes => "votes",
            Self::NoJournal => "no_journal",
            Self::StoreBehind(_) => "store_behind",
            Self::OtherKey => "other_key",
            Self::Elected(_) => "elected",
            Self::NoSeat => "no_seat",
            Self::Jailed => "jailed",
            Self::Inactive => "inactive",
            Self::NotStanding => "not_standing",
            Self::NoKeys => "no_keys",
            Self::NotAdmitted => "not_admitted",
            Self::CatchesUp => "catches_up",
            Self::Retired => "retired",
        }
    }

    /// The same, if this node lacks final blocks or not: what old blocks say of who is a member says nothing of today.
    #[must_use]
    pub const fn known(self, is_behind: bool) -> Self {
        match self {
            Self::NotAdmitted if is_behind => Self::CatchesUp,
            other => other,
        }
    }

    /// The role that follows from it.
    #[must_use]
    pub const fn role(self) -> NodeRole {
        match self {
            Self::Votes => NodeRole::Validator,
            _ => NodeRole::Observer,
        }
    }

    /// What it means and what an operator can do, in words.
    #[must_use]
    pub fn explanation(self) -> String {
        match self {
            Self::Votes => "the node has a seat in this epoch, and votes",
            Self::NoJournal => {
                "there is no vote journal: this node may have voted before and forgotten it, so it only observes; make another key \
                 with `salus keys rotate` and have governance rotate to it"
            }
            Self::StoreBehind(height) => {
                return format!(
                    "the store is older than the vote journal beside it, or was lost: the node observes until it has caught up with \
                     height {height}, and then votes again by itself"
                );
            }
            Self::OtherKey => {
                "the validators of this epoch have another key for this member than its node holds, so it only observes"
            }
            Self::Elected(epoch) => {
                return format!("the node has a seat from epoch {epoch} on, and observes until then");
            }
            Self::NoSeat => {
                "the member has no seat in this epoch or the next: too little weight is delegated to it; the node observes"
            }
            Self::Jailed => {
                "the member broke the protocol and is jailed until governance releases it; the node observes"
            }
            Self::Inactive => {
                "the member missed too many votes and is inactive until `salus tx return`; the node observes"
            }
            Self::NotStanding => {
                "the member does not stand for a seat until `salus tx stand`; the node observes"
            }
            Self::NoKeys => {
                "the member has no validator keys on the chain; have governance rotate to this node's; it observes"
            }
            Self::NotAdmitted => {
                "not admitted yet: by the blocks this node has, its entity is no member, so the other nodes refuse it until \
                 governance admits it; if it was a member once, governance has retired it since, and these blocks are older than that"
            }
            Self::CatchesUp => {
                "the node is catching up: by the blocks it has so far its entity is no member, which later ones decide; it observes"
            }
            Self::Retired => {
                "governance has retired this member: the other nodes do not let it in any more, and the node can be stopped"
            }
        }
        .to_owned()
    }
}

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Height of the last final block that is stored.
    pub final_height: Height,
    /// Its block time.
    pub final_time: Timestamp,
    /// Height of the highest notarised block.
    pub head_height: Height,
    /// The epoch.
    pub epoch: Epoch,
    /// The view.
    pub view: View,
    /// Who manages it.
    pub manager: Option<EntityId>,
    /// Whether that is this node.
    pub is_manager: bool,
    /// Where it stands towards the validators; its role follows from that.
    pub standing: Standing,
    /// Whether blocks are final that it does not have.
    pub catching_up: bool,
    /// The other members, and others who still have a seat.
    pub peers: Vec<PeerStatus>,
    /// Transactions that wait, in the order of [`Lane::ALL`].
    pub mempool: [usize; 4],
    /// Transactions that were final since the start, in the order of [`Lane::ALL`].
    pub final_transactions: [u64; 4],
    /// The root of the state after the last final block.
    pub state_root: StateRoot,
    /// Why the node has stopped voting for good, if it has.
    pub halted: Option<String>,
    /// The disk that holds store and journal.
    pub disk: DiskStatus,
    /// Whether it can serve clients: it has heard where the others stand, and is not behind.
    pub ready: bool,
}

/// One of the other members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who it is.
    pub entity: EntityId,
    /// Whether it is connected.
    pub connected: bool,
}

/// What is known of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Neither waiting here nor final.
    Unknown,
    /// Waits for a block.
    Pending,
    /// Is in a final block.
    Final {
        /// The block's height.
        height: Height,
        /// Its position in the block.
        index: u32,
        /// What became of it.
        receipt: Box<Receipt>,
    },
}

/// Why a transaction is not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdmitError {
    /// More bytes than a transaction may have.
    #[error("{length} bytes exceed the limit of {limit}")]
    TooLarge {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not the canonical encoding of a signed transaction.
    #[error("not a signed transaction: {0}")]
    Malformed(CodecError),
    /// Chain, window, replay or a full lane.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The sender did not sign this.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// It would fail.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many are being checked.
    #[error("too many transactions are being checked, retry after {retry_after:?}")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The node is stopping, or its store failed.
    #[error("the node is stopping")]
    Stopping,
}

impl AdmitError {
    /// A short stable name, for metrics and clients.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Malformed(_) => "malformed",
            Self::Pool(error) => error.reason(),
            Self::BadSignature(_) => "bad_signature",
            Self::Refused(refusal) => refusal.reason,
            Self::Busy { .. } => "busy",
            Self::Stopping => "stopping",
        }
    }
}

impl PoolError {
    /// A short stable name, for metrics and clients.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::WrongChain { .. } => "wrong_chain",
            Self::Expired { .. } => "expired",
            Self::WindowTooFar { .. } => "window_too_far",
            Self::AlreadyFinal { .. } => "already_final",
            Self::AlreadyPending { .. } => "already_pending",
            Self::LaneFull { .. } => "lane_full",
        }
    }
}

/// Why a node cannot say what is the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// Too many ask, or the node is stopping.
    #[error("too many ask at a time, or the node is stopping")]
    Busy,
    /// The thread that decides does not answer: it waits for the disk, or it hangs.
    #[error("the node's consensus thread does not answer: look at its disk and its log")]
    Stalled,
}

/// How long peers have to answer an operator's question.
const ANSWERS_WAIT: Duration = Duration::from_millis(1_000);
/// How often it is looked whether all have.
const ANSWERS_LOOK: Duration = Duration::from_millis(20);
/// How long the own node has.
const THREAD_WAIT: Duration = Duration::from_secs(3);

const _: () = assert!(TRANSACTION_MAX < BLOCK_MAX, "a block holds a transaction");

impl NodeHandle {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Checks a transaction and, if nothing speaks against it, lets it wait for a block and forwards it to the other
    /// validators. Waiting is not durable: who submits keeps it until it is final.
    ///
    /// # Errors
    /// [`AdmitError`]. [`PoolError::AlreadyPending`] and [`PoolError::AlreadyFinal`] say that it was taken before.
    pub async fn submit(&self, bytes: Bytes) -> Result<TxId, AdmitError> {
        let (id, _) = self.submit_as(bytes).await.map_err(|(_, error)| error)?;
        Ok(id)
    }

    /// Like [`NodeHandle::submit`]; tells the lane in which the transaction waits, which is another than it asks for if its entity has
    /// used that one up. An error comes with the lane that was asked for, where the bytes told it.
    ///
    /// # Errors
    /// See [`NodeHandle::submit`].
    pub async fn submit_as(
        &self,
        bytes: Bytes,
    ) -> Result<(TxId, Lane), (Option<Lane>, AdmitError)> {
        if bytes.len() > TRANSACTION_MAX {
            let error = AdmitError::TooLarge {
                length: bytes.len(),
                limit: TRANSACTION_MAX,
            };
            return Err((None, error));
        }
        let transaction: SignedTransaction = codec::decode(&bytes, TRANSACTION_MAX)
            .map_err(|error| (None, AdmitError::Malformed(error)))?;
        self.shared
            .metrics
            .transaction_received(transaction.body.lane);
        let lane = Some(transaction.body.lane);
        let (reply, answer) = oneshot::channel();
        self.shared
            .submissions
            .send(Submission::Client { transaction, reply })
            .map_err(|error| (lane, error))?;
        match answer.await {
            Ok(result) => result.map_err(|error| (lane, error)),
            Err(_) => Err((lane, AdmitError::Stopping)),
        }
    }

    /// Where the node stands.
    #[must_use]
    pub fn status(&self) -> NodeStatus {
        let mut status = self.shared.status.borrow().clone();
        let head = self.shared.ledger.head();
        status.final_height = head.height;
        status.state_root = head.state_root;
        status.disk = self.shared.disk.status();
        status.final_transactions = self.shared.metrics.final_transactions();
        // a head without a header means a failing store, which ends the node elsewhere
        if let Ok(Some(header)) = self.shared.ledger.header(head.height) {
            status.final_time = header.time;
        }
        status
    }

    /// What is known of a transaction.
    ///
    /// # Errors
    /// [`LedgerError`] if the store fails.
    pub fn transaction(&self, id: &TxId) -> Result<TransactionStatus, LedgerError> {
        let ledger = &self.shared.ledger;
        // looked at first: what leaves the waiting ones between two looks is in the ledger by then
        let pending = self.shared.pending.contains(id);
        let Some(position) = ledger.transaction_position(id)? else {
            return Ok(if pending {
                TransactionStatus::Pending
            } else {
                TransactionStatus::Unknown
            });
        };
        let receipts = ledger.receipts(position.height)?.unwrap_or_default();
        let receipt = usize::try_from(position.index)
            .ok()
            .and_then(|index| receipts.into_iter().nth(index));
        Ok(match receipt {
            Some(receipt) => TransactionStatus::Final {
                height: position.height,
                index: position.index,
                receipt: Box::new(receipt),
            },
            None => TransactionStatus::Unknown,
        })
    }

    /// Waits until a height is final, for at most `timeout`; says whether it is.
    pub async fn wait_for_height(&self, height: Height, timeout: Duration) -> bool {
        let mut watched = self.shared.final_height.clone();
        let reached = watched.wait_for(|reached| *reached >= height);
        matches!(tokio::time::timeout(timeout, reached).await, Ok(Ok(_)))
    }

    /// Waits until a transaction is final, for at most `timeout`, and says what is known of it then.
    ///
    /// # Errors
    /// [`LedgerError`] if the store fails.
    pub async fn wait_for_final(
        &self,
        id: &TxId,
        timeout: Duration,
    ) -> Result<TransactionStatus, LedgerError> {
        let mut watched = self.shared.final_height.clone();
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            watched.borrow_and_update();
            let status = self.transaction(id)?;
            if matches!(status, TransactionStatus::Final { .. }) {
                return Ok(status);
            }
            match tokio::time::timeout_at(deadline, watched.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Ok(status),
            }
        }
    }

    /// Why nothing is final, or that all is well: asks the peers, and waits a moment for their answers.
    ///
    /// # Errors
    /// [`ExplainError`].
    pub async fn explain(&self) -> Result<Explanation, ExplainError> {
        let ask = |question| {
            self.shared
                .questions
                .try_send(question)
                .map_err(|_| ExplainError::Busy)
        };
        ask(Question::AskPeers)?;
        let end = tokio::time::Instant::now() + ANSWERS_WAIT;
        loop {
            let (reply, answer) = oneshot::channel();
            ask(Question::Tell(reply))?;
            let (facts, is_complete) = tokio::time::timeout(THREAD_WAIT, answer)
                .await
                .map_err(|_| ExplainError::Stalled)?
                .map_err(|_| ExplainError::Busy)?;
            if is_complete || tokio::time::Instant::now() >= end {
                return Ok(Explanation::of(&facts).standing(self.status().standing));
            }
            tokio::time::sleep(ANSWERS_LOOK).await;
        }
    }

    /// Blocks, receipts and proofs.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.shared.ledger
    }

    /// The last final height, as it grows.
    pub(crate) fn final_heights(&self) -> watch::Receiver<Height> {
        self.shared.final_height.clone()
    }

    /// This node's key service, if it is a custodian.
    pub(crate) fn key_service(&self) -> Option<&Running> {
        self.shared.key_service.as_ref()
    }

    /// The chain.
    #[must_use]
    pub fn genesis(&self) -> &GenesisBlock {
        &self.shared.genesis
    }

    /// libp2p's own metrics, in OpenMetrics.
    #[must_use]
    pub fn openmetrics(&self) -> String {
        self.shared.network.openmetrics()
    }

    /// The network's counters.
    #[must_use]
    pub fn network_counters(&self) -> NetworkCounters {
        self.shared.network.counters()
    }
}

impl PendingTransactions {
    pub(crate) fn insert(&self, id: TxId) {
        self.locked().insert(id, Instant::now());
    }

    /// Forgets a transaction; says since when it waited.
    pub(crate) fn remove(&self, id: &TxId) -> Option<Instant> {
        self.locked().remove(id)
    }

    fn contains(&self, id: &TxId) -> bool {
        self.locked().contains_key(id)
    }

    /// Since when those of these transactions that wait have waited.
    pub(crate) fn since(&self, ids: &[TxId]) -> Vec<Instant> {
        let waiting = self.locked();
        ids.iter()
            .filter_map(|id| waiting.get(id).copied())
            .collect()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<TxId, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
