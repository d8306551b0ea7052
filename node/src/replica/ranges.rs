//! Catching up by ranges of final blocks (rule 10): asking for them, and checking the answers.

use super::{Effect, Replica};
use crate::wire::Request;
use salus_consensus::clock::{Monotonic, Now};
use salus_consensus::input::Input as EngineInput;
use salus_consensus::message::Peer;
use salus_primitives::block::{Block, Header};
use salus_primitives::certificate::{Certificate, Statement, VerifiedCertificate};
use salus_primitives::ids::Height;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What was asked for, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// Peers that were asked and have not answered yet.
    asked: BTreeSet<Peer>,
    /// When a range was asked for last, and from which height on.
    last: Option<(Monotonic, Height)>,
    /// Where the last range that was taken ends.
    end: Option<Height>,
}

/// Why a range of blocks is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum RangeError {
    #[error("a range is empty or does not start at the height after the last final one")]
    Start,
    #[error("the block at height {0} does not follow the one before it")]
    Broken(Height),
    #[error("the transactions of the block at height {0} are not those its header names")]
    Body(Height),
    #[error("the certificate does not finalise the last header of the range")]
    Certificate,
}

impl Ranges {
    pub(super) fn forget(&mut self, peer: &Peer) {
        self.asked.remove(peer);
    }

    pub(super) fn asks(&mut self, peer: Peer) {
        self.asked.insert(peer);
    }
}

impl Replica {
    /// Asks one peer for final blocks from the own final height on. At once where that height is another one than before: one
    /// answer a delta would be slower than a chain goes. For the same height once a delta.
    pub(super) fn ask_for_range(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let from = self.engine.final_height().next();
        let pause = self.proposer.parameters.delta_ms;
        let recently = self
            .ranges
            .last
            .is_some_and(|(at, height)| height == from && now.monotonic.millis_since(at) < pause);
        if !recently {
            self.ranges.last = Some((now.monotonic, from));
            self.fetch(Request::Range { from }, effects);
        }
    }

    /// Blocks became final. If they came in a range there may be more: the next is asked for at once, until nobody answers.
    pub(super) fn follow_range(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let height = self.engine.final_height();
        if self.ranges.end.is_some_and(|end| end <= height) {
            self.ranges.end = None;
            self.ask_for_range(now, effects);
        }
    }

    pub(super) fn on_range(
        &mut self,
        now: Now,
        from: Peer,
        blocks: Vec<Block>,
        trail: &[Header],
        finalization: Certificate,
        effects: &mut Vec<Effect>,
    ) {
        if !self.ranges.asked.remove(&from) {
            // megabytes to hash that nobody asked for
            return;
        }
        let first = blocks.first().map(|block| block.header.height);
        if first.is_none_or(|first| first != self.engine.final_height().next()) {
            // an answer that came late; not a fault
            return;
        }
        match self.check_range(&blocks, trail, finalization) {
            Ok(finalization) => {
                self.ranges.end = blocks.last().map(|block| block.header.height);
                let blocks = blocks.into_iter().map(Arc::new).collect();
                let input = EngineInput::Range {
                    blocks,
                    finalization,
                };
                self.drive(now, input, effects);
            }
            Err(error) => self.fault(now, from, &error, effects),
        }
    }

    /// Rule 10: consecutive blocks from the last final one on, and the headers that follow them, up to one that is finalised.
    fn check_range(
        &self,
        blocks: &[Block],
        trail: &[Header],
        finalization: Certificate,
    ) -> Result<VerifiedCertificate, RangeError> {
        let mut height = self.engine.final_height().next();
        let mut parent = self.engine.final_id();
        if blocks.is_empty() {
            return Err(RangeError::Start);
        }
        for header in blocks.iter().map(|block| &block.header).chain(trail) {
            if header.height != height || header.parent != parent {
                return Err(RangeError::Broken(header.height));
            }
            parent = header.id();
            height = height.next();
        }
        match finalization.statement {
            Statement::Finalize { block, .. } if block == parent => {}
            _ => return Err(RangeError::Certificate),
        }
        let certificate = finalization
            .verified(self.proposer.genesis, &self.proposer.validators)
            .map_err(|_| RangeError::Certificate)?;
        // the dearest last: from here on a quorum vouches for the headers
        match blocks.iter().find(|block| !block.body_matches()) {
            Some(block) => Err(RangeError::Body(block.header.height)),
            None => Ok(certificate),
        }
    }
}
