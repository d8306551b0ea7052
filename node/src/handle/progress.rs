//! How far a transaction has got, from its first sight to its proof.

use super::{NodeHandle, TransactionStatus};
use crate::tiers::{Attesting, Tier};
use salus_primitives::attestation::Attestation;
use salus_primitives::ids::Height;
use salus_primitives::transaction::TxId;
use salus_storage::ledger::LedgerError;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// What is known of a transaction, and how far it has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionProgress {
    /// Whether it waits or is final.
    pub status: TransactionStatus,
    /// How far it has got; none if it is not known here.
    pub tier: Option<Tier>,
    /// Who of its block's committee has attested it; none if nobody has, or too long ago.
    pub attesting: Option<Attesting>,
}

/// Tells when something may have become of transactions.
#[derive(Debug)]
pub struct Changes {
    final_height: watch::Receiver<Height>,
    tiers: watch::Receiver<u64>,
}

impl TransactionProgress {
    fn new(status: TransactionStatus, is_provable: bool) -> Self {
        let tier = match &status {
            TransactionStatus::Unknown => None,
            TransactionStatus::Pending => Some(Tier::Pending),
            TransactionStatus::Final { .. } if is_provable => Some(Tier::Proven),
            TransactionStatus::Final { .. } => Some(Tier::Final),
        };
        Self {
            status,
            tier,
            attesting: None,
        }
    }

    /// Of its block's committee so many have voted by now; or nobody, if the block was lost. What is final stays so.
    pub fn attested(&mut self, attesting: Option<Attesting>) {
        self.attesting = attesting;
        let is_complete = attesting.is_some_and(|attesting| attesting.is_complete());
        // not admitted here, and known all the same: a peer brought it in its block
        if self.tier.is_none() && attesting.is_some() {
            self.status = TransactionStatus::Pending;
            self.tier = Some(Tier::Pending);
        }
        self.tier = match self.tier {
            Some(Tier::Pending | Tier::Attested) if is_complete => Some(Tier::Attested),
            Some(Tier::Pending | Tier::Attested) => Some(Tier::Pending),
            other => other,
        };
    }
}

impl NodeHandle {
    /// What is known of a transaction, and how far it has got.
    ///
    /// # Errors
    /// [`LedgerError`] if the store fails.
    pub fn progress(&self, id: &TxId) -> Result<TransactionProgress, LedgerError> {
        // looked at first: what is lost between the two looks is final or waits again by the second
        let attesting = self.attesting(id);
        let status = self.transaction(id)?;
        let is_provable = match &status {
            TransactionStatus::Final { height, .. } => self.shared.ledger.is_provable(*height)?,
            TransactionStatus::Unknown | TransactionStatus::Pending => false,
        };
        let mut progress = TransactionProgress::new(status, is_provable);
        progress.attested(attesting);
        Ok(progress)
    }

    /// How far the attestation of a transaction's block has got; none if nobody has attested it, or too long ago.
    #[must_use]
    pub fn attesting(&self, id: &TxId) -> Option<Attesting> {
        self.shared.tiers.attesting(id)
    }

    /// What shows who of its block's committee has attested a transaction; none if nobody has, or too long ago.
    #[must_use]
    pub fn attestation(&self, id: &TxId) -> Option<Attestation> {
        self.shared.tiers.attestation(id)
    }

    /// Waits until the whole committee of a transaction's block has attested it, for at most `timeout`.
    pub async fn wait_for_attestation(&self, id: &TxId, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut changes = self.changes();
        loop {
            changes.seen();
            let attesting = self.attesting(id);
            if attesting.is_some_and(|attesting| attesting.is_complete())
                || !matches!(timeout_at(deadline, changes.next()).await, Ok(true))
            {
                return;
            }
        }
    }

    /// Tells of changes from here on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes {
            final_height: self.shared.final_height.clone(),
            tiers: self.shared.tiers.watch(),
        }
    }
}

impl Changes {
    /// What has changed so far is known. True if more is final than was known before.
    pub fn seen(&mut self) -> bool {
        let is_higher = self.final_height.has_changed().unwrap_or(false);
        self.final_height.borrow_and_update();
        self.tiers.borrow_and_update();
        is_higher
    }

    /// Waits for a change that is not known yet. False if there will be none: the node has stopped.
    pub async fn next(&mut self) -> bool {
        tokio::select! {
            changed = wait(&mut self.final_height) => changed,
            changed = wait(&mut self.tiers) => changed,
        }
    }
}

/// Waits for a change without taking note of it: that is for who looks at what has changed.
async fn wait<T>(watched: &mut watch::Receiver<T>) -> bool {
    let changed = watched.changed().await.is_ok();
    if changed {
        watched.mark_changed();
    }
    changed
}
