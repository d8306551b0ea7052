//! Nodes that start, die, lose their disks, or find them failing.

use super::Sim;
use super::history::Moment;
use salus_node::replica::Input;
use salus_storage::journal::{JournalFaults, UnsyncedFate};
use salus_storage::memory::FaultPlan;

impl Sim {
    /// Starts a node, or starts it again from what it has on disk.
    pub fn start(&mut self, node: usize) {
        let now = self.now();
        self.clock_checks();
        let name = self.nodes[node].identity().name.clone();
        self.checks.note(Moment::Fault(format!("{name} starts")));
        let outgoing = self.nodes[node].start(now, self.seed, &mut self.checks);
        self.dispatch(node, outgoing);
        if self.nodes[node].is_dying() {
            self.crash(node);
        }
        let own = self.network_key(node);
        for other in 0..self.nodes.len() {
            let key = self.network_key(other);
            if key != own && self.nodes[node].is_running() && self.nodes[other].is_running() {
                self.input(node, Input::Connected(key));
                self.input(other, Input::Connected(own));
            }
        }
    }

    /// Lets a node die in the middle of what it does, after at most `steps` more: between two sends, between writing and
    /// syncing, between saying and having said. What was not synced meets its fate as in [`Sim::crash`].
    pub fn crash_within(&mut self, node: usize, steps: u64) {
        let steps = 1 + self.below(steps);
        self.nodes[node].die_in(steps);
    }

    /// Fills a node's disk, or makes room on it: the runtime tells the replica, and what the journal is given meanwhile fails.
    pub fn set_disk_full(&mut self, node: usize, full: bool) {
        let input = if full {
            Input::DiskFull
        } else {
            Input::DiskFree
        };
        self.nodes[node].set_disk_full(full);
        self.input(node, input);
    }

    /// An operator asks a node why nothing is final.
    pub fn ask_to_explain(&mut self, node: usize) {
        self.input(node, Input::Explain);
    }

    /// Ends a node at once. What was not synced is lost, torn or kept, as the seed says: the process may have been killed,
    /// or the machine have lost its power.
    pub fn crash(&mut self, node: usize) {
        let (fate, counted) = match self.below(3) {
            0 => (UnsyncedFate::Lost, "crashes_losing_unsynced"),
            1 => (UnsyncedFate::Torn, "crashes_tearing_a_record"),
            _ => (UnsyncedFate::Kept, "crashes_keeping_all"),
        };
        self.count(counted, 1);
        let commits = self.nodes[node].unsynced_commits() as u64;
        let kept = match self.below(3) {
            0 => 0,
            1 => self.below(commits + 1),
            _ => commits,
        };
        self.end(node, fate, usize::try_from(kept).unwrap_or(usize::MAX));
    }

    /// All nodes lose their power at one moment, and with it everything that was not synced.
    pub fn cut_power(&mut self) {
        for node in 0..self.nodes.len() {
            self.end(node, UnsyncedFate::Lost, 0);
        }
    }

    fn end(&mut self, node: usize, fate: UnsyncedFate, kept: usize) {
        let name = self.nodes[node].identity().name.clone();
        self.clock_checks();
        self.checks.note(Moment::Fault(format!(
            "{name} dies, what was not synced is {fate:?}"
        )));
        self.nodes[node].crash(fate, kept);
        let key = self.network_key(node);
        for other in 0..self.nodes.len() {
            if self.nodes[other].is_running() && self.network_key(other) != key {
                self.input(other, Input::Disconnected(key));
            }
        }
    }

    /// Starts a node that was stopped again with empty disks: its machine was replaced.
    pub fn start_wiped(&mut self, node: usize) {
        self.nodes[node].wipe();
        self.start(node);
    }

    /// Starts a node that was stopped again with an empty store beside the journal that it had.
    pub fn start_without_store(&mut self, node: usize) {
        self.nodes[node].lose_store();
        self.start(node);
    }

    /// The process ends in order and begins again, as the runtime does when the store has caught up with the journal.
    pub(super) fn run_anew(&mut self, node: usize) {
        self.end(node, UnsyncedFate::Kept, usize::MAX);
        self.start(node);
    }

    /// Starts a node again whose disks were lost, with a new journal, to vote with keys from this generation on: with none
    /// that it ever voted with, as soon as governance names one of them.
    pub fn start_renewed(&mut self, node: usize, generation: u8) {
        self.nodes[node].renew(generation);
        self.start(node);
    }

    /// Lets a node's disks fail: it stops at the first write that does.
    pub fn let_disks_fail(&mut self, node: usize, journal: JournalFaults, store: FaultPlan) {
        self.nodes[node].let_disks_fail(journal, store);
    }

    /// Sets how far a node's wall clock is off.
    pub fn set_clock(&mut self, node: usize, offset_ms: i64) {
        self.nodes[node].set_clock(offset_ms);
    }
}
