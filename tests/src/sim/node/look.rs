//! Looking at a node from outside.

use super::Node;
use crate::sim::check::Identity;
use salus_consensus::clock::{Monotonic, Now};
use salus_consensus::config::Voter;
use salus_node::replica::{Member, Replica};
use salus_node::tiers::Tiers;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{Epoch, Height};
use salus_primitives::lanes::EpochLanes;
use salus_primitives::transaction::TxId;
use salus_primitives::validators::ValidatorSet;
use salus_storage::ledger::Ledger;
use std::sync::Arc;

impl Node {
    /// The seat and key with which it votes in the present epoch.
    pub(in crate::sim) fn voter(&self) -> Option<Voter> {
        let member = Member {
            entity: self.identity.entity,
            signers: self.signers.clone(),
        };
        member.voter(&self.validators)
    }

    /// Whether frames of this peer would be looked at.
    pub(in crate::sim) fn hears(&self, now_ms: u64, peer: &PublicKey) -> bool {
        let now = Now {
            monotonic: Monotonic::from_millis(now_ms),
            ..Now::default()
        };
        self.running
            .as_ref()
            .is_some_and(|running| running.replica.hears(now, peer))
    }

    /// The member whose node it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How blocks of the epoch it is in are configured.
    #[must_use]
    pub const fn lanes(&self) -> &Arc<EpochLanes> {
        &self.lanes
    }

    /// The validators of the epoch it is in.
    #[must_use]
    pub const fn validators(&self) -> &Arc<ValidatorSet> {
        &self.validators
    }

    /// Commits that a loss of power would take.
    pub(in crate::sim) fn unsynced_commits(&self) -> usize {
        self.store.unsynced_batches()
    }

    /// When the node wants to be woken, if that is news.
    pub(crate) fn wants_wakeup(&mut self, now: Now) -> Option<u64> {
        let at = self.running.as_ref()?.replica.wakeup(now)?.as_millis();
        if self.wakeup.is_some_and(|planned| planned <= at) {
            return None;
        }
        self.wakeup = Some(at);
        Some(at)
    }

    pub(crate) fn woken(&mut self, now_ms: u64) {
        if self.wakeup.is_some_and(|planned| planned <= now_ms) {
            self.wakeup = None;
        }
    }

    pub(in crate::sim) const fn life(&self) -> u32 {
        self.life
    }

    /// The epoch it last began.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.validators.epoch()
    }

    /// Whether it runs.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Its last final height; zero while it does not run.
    #[must_use]
    pub fn final_height(&self) -> Height {
        self.running
            .as_ref()
            .map_or(Height::ZERO, |running| running.ledger.head().height)
    }

    /// The state root after a final height, as its successor's header or the head says.
    #[must_use]
    pub fn state_root(&self, height: Height) -> String {
        let Some(running) = &self.running else {
            return "not running".into();
        };
        let head = running.ledger.head();
        if head.height == height {
            return head.state_root.to_string();
        }
        running
            .ledger
            .header(height.next())
            .expect("reads")
            .map_or_else(
                || "unknown".into(),
                |header| header.parent_state_root.to_string(),
            )
    }

    /// Whether a transaction is final here.
    #[must_use]
    pub fn has_final(&self, id: &TxId) -> bool {
        self.position(id).is_some()
    }

    /// The height at which a transaction is final here.
    #[must_use]
    pub fn position(&self, id: &TxId) -> Option<Height> {
        let position = self.running.as_ref()?.ledger.transaction_position(id);
        Some(position.expect("reads")?.height)
    }

    /// Its replica, while it runs.
    #[must_use]
    pub fn replica(&self) -> Option<&Replica> {
        self.running.as_ref().map(|running| &running.replica)
    }

    /// What it keeps of attestations, while it runs.
    #[must_use]
    pub fn tiers(&self) -> Option<&Tiers> {
        self.running.as_ref().map(|running| &running.tiers)
    }

    /// Its ledger, while it runs.
    #[must_use]
    pub fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.running.as_ref().map(|running| &running.ledger)
    }

    /// How often it found a peer at fault.
    #[must_use]
    pub const fn faults(&self) -> u64 {
        self.faults
    }

    /// How many signatures of peers' transactions it checked.
    #[must_use]
    pub const fn signatures_checked(&self) -> u64 {
        self.signatures_checked
    }

    /// How many votes it has sent since it started last.
    #[must_use]
    pub const fn votes_sent(&self) -> u64 {
        self.votes_sent
    }

    /// How often its journal was rewritten.
    #[must_use]
    pub const fn journal_rewrites(&self) -> u64 {
        self.rewrites
    }
}
