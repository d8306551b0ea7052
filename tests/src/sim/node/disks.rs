//! Disks that fail, fill up and are lost, and nodes that die with them.

use super::{GENERATIONS, Node, journal_identity};
use salus_storage::journal::{JournalFaults, MemoryJournal, UnsyncedFate};
use salus_storage::memory::{FaultPlan, MemoryStore};
use std::sync::Arc;

impl Node {
    /// Fills its journal's disk, or makes room on it.
    pub(in crate::sim) fn set_disk_full(&mut self, full: bool) {
        if let Some(journal) = &self.journal {
            journal.set_full(full);
        }
    }

    /// Lets its disks fail: the journal after so many more appends or syncs, the ledger after so many more writes.
    pub(in crate::sim) fn let_disks_fail(&mut self, journal: JournalFaults, store: FaultPlan) {
        self.disk_fails = true;
        if let Some(own) = &self.journal {
            own.set_faults(journal);
        }
        self.store.set_faults(store);
    }

    /// Sets how far its wall clock is off.
    pub(in crate::sim) const fn set_clock(&mut self, offset_ms: i64) {
        self.clock_offset_ms = offset_ms;
    }

    /// It does what it likes from here on, and is held to nothing.
    pub(in crate::sim) const fn release(&mut self) {
        self.identity.obeys = false;
    }

    /// Lets the node die in the middle of what it does, after so many more steps.
    pub(in crate::sim) const fn die_in(&mut self, steps: u64) {
        self.dies_in = Some(steps);
    }

    /// Takes back a planned death, and lets its disks work.
    pub(in crate::sim) fn live_on(&mut self) {
        self.dies_in = None;
        self.store.set_faults(FaultPlan::default());
        if let Some(journal) = &self.journal {
            journal.set_faults(JournalFaults::default());
        }
    }

    /// Whether a planned death has come.
    pub(in crate::sim) fn is_dying(&self) -> bool {
        self.dies_in == Some(0)
    }

    /// Ends the process. What was not synced meets its `fate`; of the commits that were not, the oldest `batches` are kept.
    pub(in crate::sim) fn crash(&mut self, fate: UnsyncedFate, batches: usize) {
        self.running = None;
        self.life += 1;
        self.wakeup = None;
        self.dies_in = None;
        if let Some(journal) = &self.journal {
            journal.crash(fate);
        }
        self.store.crash_keeping(batches);
    }

    /// Replaces the disks of a node that does not run by empty ones. Without its journal it only observes.
    pub(in crate::sim) fn wipe(&mut self) {
        self.store = Arc::new(MemoryStore::new());
        self.journal = None;
    }

    /// Replaces the store of a node that does not run by an empty one; the journal stays.
    pub(in crate::sim) fn lose_store(&mut self) {
        self.store = Arc::new(MemoryStore::new());
    }

    /// The journal, unless nothing may be written to it.
    pub(super) fn open_journal(&self) -> Option<MemoryJournal> {
        self.journal.clone().filter(|_| self.behind.is_none())
    }

    /// Whether its store has caught up with its journal, so that the process runs anew.
    pub(in crate::sim) fn runs_anew(&self) -> bool {
        self.behind.is_some_and(|height| {
            self.running
                .as_ref()
                .is_some_and(|running| running.ledger.head().height >= height)
        })
    }

    /// Gives a wiped node a new journal, to vote with keys that never voted: those from this generation on.
    pub(in crate::sim) fn renew(&mut self, generation: u8) {
        self.signers = (generation..GENERATIONS)
            .map(|generation| self.keys.validator_of(generation).signer())
            .collect();
        let identity = journal_identity(&self.genesis, &self.keys);
        self.journal = Some(MemoryJournal::create(identity));
    }
}
