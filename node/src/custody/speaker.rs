//! The running key service: carries out orders to erase as they become final, and tells the chain what was released and destroyed.

use super::chain::FinalChain;
use super::vault::Statement;
use super::{FactsError, KeyService, VaultError};
use crate::handle::{AdmitError, NodeHandle};
use crate::mempool::PoolError;
use getrandom::SysRng;
use rand_core::{TryRng as _, UnwrapErr};
use salus_primitives::calls::{ACCESS, AccessCall};
use salus_primitives::codec;
use salus_primitives::ids::{EntityId, Height};
use salus_primitives::lane::Lane;
use salus_primitives::signed::Signed;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, Transaction};
use salus_storage::ledger::{Ledger, LedgerError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// A key service and the node it is part of.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) service: Arc<KeyService>,
    pub(crate) entity: EntityId,
}

/// Why a step of the service failed. It is taken again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Facts(#[from] FactsError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("no randomness from the operating system")]
    Entropy,
}

/// A statement that was submitted, and until when nothing else is to be done about it.
struct Submitted {
    valid_until: Height,
    again_at: Instant,
}

impl Running {
    /// Works until the node stops.
    pub(crate) async fn run(self, node: NodeHandle, mut stopping: watch::Receiver<bool>) {
        let mut submitted: BTreeMap<Statement, Submitted> = BTreeMap::new();
        let mut heights = node.final_heights();
        loop {
            heights.borrow_and_update();
            let (this, ledger) = (self.clone(), Arc::clone(node.ledger()));
            let step = tokio::task::spawn_blocking(move || this.step(&ledger)).await;
            match step {
                Ok(Ok(unsaid)) => {
                    submitted.retain(|statement, _| unsaid.contains(statement));
                    self.say(&node, &unsaid, &mut submitted).await;
                }
                Ok(Err(error)) => tracing::error!(%error, "the key service cannot go on yet"),
                Err(error) => tracing::error!(%error, "the key service failed"),
            }
            tokio::select! {
                // an error means that the sender is gone: the node ends
                stopped = stopping.wait_for(|stop| *stop) => {
                    drop(stopped);
                    return;
                }
                // blocks come faster than there is something to do
                () = async {
                    tokio::time::sleep(LOOK_EVERY).await;
                    let _ = tokio::time::timeout(LOOK_ANYWAY, heights.changed()).await;
                } => {}
            }
        }
    }

    /// Carries out what is ordered, and says what is still to be said.
    pub(crate) fn step(&self, ledger: &Ledger) -> Result<Vec<Statement>, StepError> {
        let chain = FinalChain {
            ledger,
            entity: self.entity,
            clock: clock(),
        };
        let mut entropy = entropy()?;
        let watched = self.service.watched()?;
        let (orders, up_to) = chain.orders(watched)?;
        if !orders.is_empty() || up_to.since(watched) >= NOTE_EVERY {
            self.service.erase(&orders, up_to, &mut entropy)?;
        }
        let unsaid = self.service.unsaid()?;
        let settled = chain.settled(&unsaid)?;
        self.service.settled(&settled, &mut entropy)?;
        let unsaid = unsaid
            .into_iter()
            .filter(|statement| !settled.contains(statement));
        Ok(unsaid.collect())
    }

    async fn say(
        &self,
        node: &NodeHandle,
        unsaid: &[Statement],
        submitted: &mut BTreeMap<Statement, Submitted>,
    ) {
        let head = node.ledger().head().height;
        let now = Instant::now();
        let due = unsaid.iter().filter(|statement| {
            submitted
                .get(statement)
                .is_none_or(|sent| sent.valid_until < head || sent.again_at <= now)
        });
        let due: Vec<_> = due.take(STATEMENTS_AT_ONCE).copied().collect();
        for statement in due {
            let valid_until = head.plus(node.genesis().parameters.window_blocks);
            let mut nonce = [0; 16];
            if getrandom::fill(&mut nonce).is_err() {
                tracing::error!("no randomness from the operating system");
                return;
            }
            let bytes = self.transaction(node, statement, valid_until, nonce);
            match node.submit(bytes.into()).await {
                Ok(_)
                | Err(AdmitError::Pool(
                    PoolError::AlreadyPending { .. } | PoolError::AlreadyFinal { .. },
                )) => {}
                Err(error) => {
                    tracing::warn!(%error, "the chain does not take a statement of the key service now");
                }
            }
            submitted.insert(
                statement,
                Submitted {
                    valid_until,
                    again_at: now + AGAIN_AFTER,
                },
            );
        }
    }

    /// The transaction that makes a statement.
    pub(crate) fn transaction(
        &self,
        node: &NodeHandle,
        statement: Statement,
        valid_until: Height,
        nonce: [u8; 16],
    ) -> Vec<u8> {
        let call = match statement {
            Statement::Released(request) => AccessCall::Released { request },
            Statement::Erased(order) => AccessCall::Erased { order },
        };
        let genesis = node.genesis().hash;
        let signer = self.service.signer();
        let body = Transaction {
            genesis,
            sender: signer.public(),
            entity: self.entity,
            lane: Lane::Routine,
            valid_until,
            nonce,
            call: Call::new(ACCESS, &call),
        };
        codec::encode(Signed::sign(body, genesis, signer).signed())
    }
}

/// The operating system's randomness, asked before it is relied on.
pub(crate) fn entropy() -> Result<UnwrapErr<SysRng>, StepError> {
    SysRng.try_next_u32().map_err(|_| StepError::Entropy)?;
    Ok(UnwrapErr(SysRng))
}

/// This machine's time.
pub(crate) fn clock() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What was released a moment ago is said also where no block comes.
const LOOK_ANYWAY: Duration = Duration::from_millis(900);
/// A statement that was not final by then is made again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Statements that are submitted at a time.
const STATEMENTS_AT_ONCE: usize = 64;
/// How many heights without orders are noted at a time. A restart looks through at most as many again.
const NOTE_EVERY: u64 = 1_024;
