//! A node whose disk is full: it votes nothing, since nothing could be made durable, and takes in nothing that it would have
//! to keep. The engine is not asked at all meanwhile, as if the node were not there; afterwards it catches up as after a break.

use super::{Effect, Replica};
use crate::wire::Frame;
use salus_consensus::clock::{Monotonic, Now};
use salus_consensus::input::Input as EngineInput;

/// Whether the engine is asked.
#[derive(Debug, Default)]
pub(super) struct Suspension {
    since: Option<Monotonic>,
    /// Answers to executions that were asked for before: nobody would give them again. No more are asked for meanwhile.
    kept: Vec<EngineInput>,
}

impl Replica {
    /// Whether the node stands still for want of room on its disk.
    #[must_use]
    pub const fn is_suspended(&self) -> bool {
        self.suspension.since.is_some()
    }

    /// Since when it does.
    pub(super) const fn suspended_at(&self) -> Option<Monotonic> {
        self.suspension.since
    }

    pub(super) fn suspend(&mut self, now: Monotonic) {
        self.suspension.since.get_or_insert(now);
    }

    /// Goes on: takes in what was kept, and tells the peers where this node stands, so that they help it on (rule 9).
    pub(super) fn resume(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.suspension.since.take().is_none() {
            return;
        }
        for input in std::mem::take(&mut self.suspension.kept) {
            self.drive(now, input, effects);
        }
        self.drive(now, EngineInput::Tick, effects);
        let status = self.engine.status();
        effects.push(Effect::Broadcast(Frame::Consensus(status)));
    }

    /// What is not handed to the engine while the node stands still. The rest is lost as on a bad link, and said again.
    pub(super) fn keep(&mut self, input: EngineInput) {
        if matches!(input, EngineInput::Executed { .. }) {
            self.suspension.kept.push(input);
        }
    }
}
