//! What the consensus thread does while the disk is full: nothing that would have to be durable, and nothing that rests on it.

use super::Consensus;
use crate::replica::{Effect, Input};
use crate::runtime::RunError;
use salus_storage::journal::JournalError;
use std::time::Instant;

impl Consensus {
    /// Suspends the replica when there is too little room, and lets it go on when there is enough.
    pub(super) fn look_at_disk(&mut self) -> Result<(), RunError> {
        let room = self.io.disk.has_room();
        if room != self.replica.is_suspended() {
            return Ok(());
        }
        let now = self.clock.now();
        if !room {
            self.replica.handle(now, Input::DiskFull, &mut self.effects);
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        let released = self.persist(held)?;
        if !self.held.is_empty() {
            return Ok(());
        }
        // in order: what was said before the disk was full goes first
        let later = std::mem::replace(&mut self.effects, released);
        self.effects.extend(later);
        self.replica.handle(now, Input::DiskFree, &mut self.effects);
        Ok(())
    }

    /// Makes durable what must be, with one sync, and gives what may be carried out now: all of it, or, if there was no room,
    /// only what neither is a vote nor rests on one. The rest is held until there is room: nothing is sent that was not synced.
    pub(super) fn persist(&mut self, effects: Vec<Effect>) -> Result<Vec<Effect>, RunError> {
        let start = Instant::now();
        match self.votes.persist(&effects) {
            Ok(written) => {
                if written {
                    self.io
                        .metrics
                        .journal_sync_seconds(start.elapsed().as_secs_f64());
                }
                Ok(effects)
            }
            Err(RunError::Journal(JournalError::DiskFull { .. })) => {
                self.disk_is_full();
                let (held, free): (Vec<_>, Vec<_>) = effects.into_iter().partition(rests_on_votes);
                self.held.extend(held);
                Ok(free)
            }
            Err(error) => Err(error),
        }
    }

    /// A write found no room.
    fn disk_is_full(&mut self) {
        self.io.disk.write_failed();
        let now = self.clock.now();
        self.replica.handle(now, Input::DiskFull, &mut self.effects);
    }

    /// Puts the shorter journal in place of the long one, if that is due and there is room for it. The long one is as good.
    pub(super) fn finish_shortening(&mut self) -> Result<(), RunError> {
        match self.votes.finish_shortening() {
            Err(RunError::Journal(JournalError::DiskFull { .. })) => {
                self.disk_is_full();
                Ok(())
            }
            result => result,
        }
    }
}

/// Whether an effect is a vote to be made durable, or may tell others of one that is not yet.
fn rests_on_votes(effect: &Effect) -> bool {
    match effect {
        Effect::Persist(_)
        | Effect::Send(..)
        | Effect::Broadcast(_)
        | Effect::Execute { .. }
        | Effect::Attested { .. }
        | Effect::Commit { .. }
        | Effect::EpochBegun { .. } => true,
        Effect::Serve(..)
        | Effect::Admitted { .. }
        | Effect::Left(_)
        | Effect::Verify(_)
        | Effect::Note(_)
        | Effect::Diverged(_) => false,
    }
}
