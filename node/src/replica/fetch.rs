//! Asking peers for what is missing, and taking their answers (rules 9 and 10).

use super::{Effect, Replica};
use crate::wire::{Frame, Request, Response};
use salus_consensus::clock::Now;
use salus_consensus::input::Input as EngineInput;
use salus_consensus::message::{Message, Peer};
use salus_primitives::block::Block;
use salus_primitives::certificate::{Certificate, Statement, VerifiedCertificate};
use salus_primitives::ids::{BlockId, Height};
use std::sync::Arc;

/// How many peers are asked at once for something small.
const ASKED_AT_ONCE: usize = 2;
/// Most bodies remembered as asked for.
const ASKED_MAX: usize = 1_024;

/// Why a range of blocks is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum RangeError {
    #[error("a range is empty or does not start at the height after the last final one")]
    Start,
    #[error("the block at height {0} does not follow the one before it, or its body is another")]
    Broken(Height),
    #[error("the certificate does not finalise the last block of the range")]
    Certificate,
}

impl Replica {
    /// Asks peers in turn: another one each time, so that a silent peer costs one delta.
    pub(super) fn fetch(&mut self, request: Request, effects: &mut Vec<Effect>) {
        if let Request::Body(id) = request {
            if self.asked.len() >= ASKED_MAX {
                self.asked.clear();
            }
            self.asked.insert(id);
        }
        let count = match request {
            Request::Range { .. } => 1,
            Request::Body(_)
            | Request::Certificates { .. }
            | Request::Finalization(_)
            | Request::Diagnosis => ASKED_AT_ONCE,
        };
        for _ in 0..count.min(self.peers.len()) {
            self.next_peer = (self.next_peer + 1) % self.peers.len();
            let Some(peer) = self.peers.get(self.next_peer).copied() else {
                return;
            };
            if matches!(request, Request::Range { .. }) {
                self.ranges_asked.insert(peer);
            }
            effects.push(Effect::Send(peer, Frame::Request(request)));
        }
    }

    pub(super) fn on_response(
        &mut self,
        now: Now,
        from: Peer,
        response: Response,
        effects: &mut Vec<Effect>,
    ) {
        if let Response::Diagnosis(account) = response {
            if account.is_bounded() {
                self.acquaintances.answers(now, from, account);
            } else {
                self.fault(now, from, &"an account longer than any honest one", effects);
            }
            return;
        }
        if self.is_suspended() {
            return;
        }
        match response {
            Response::Diagnosis(_) => {}
            Response::Body(block) => self.on_body(now, from, *block, effects),
            Response::Certificates(certificates) => {
                self.on_message(now, from, Message::Certificates(certificates), effects);
            }
            Response::Range {
                blocks,
                finalization,
            } => {
                if !self.ranges_asked.remove(&from) {
                    // megabytes to hash that nobody asked for
                    return;
                }
                let first = blocks.first().map(|block| block.header.height);
                if first.is_none_or(|first| first != self.engine.final_height().next()) {
                    // an answer that came late; not a fault
                    return;
                }
                match self.check_range(&blocks, finalization) {
                    Ok(certificate) => {
                        let bodies = blocks.into_iter().map(Arc::new).collect();
                        self.drive(now, EngineInput::Bodies(bodies), effects);
                        let certificates = vec![certificate];
                        self.drive(now, EngineInput::Certificates(certificates), effects);
                    }
                    Err(error) => self.fault(now, from, &error, effects),
                }
            }
        }
    }

    fn on_body(&mut self, now: Now, from: Peer, block: Block, effects: &mut Vec<Effect>) {
        let id = block.id();
        if !self.asked.contains(&id) {
            return;
        }
        if block.body_matches() {
            self.asked.remove(&id);
            self.drive(now, EngineInput::Bodies(vec![Arc::new(block)]), effects);
        } else {
            // still asked for: else the first to answer, with a false body, would shut out the others
            let error = RangeError::Broken(block.header.height);
            self.fault(now, from, &error, effects);
        }
    }

    /// Rule 10: consecutive blocks from the last final one on, ended by a finalisation.
    fn check_range(
        &self,
        blocks: &[Block],
        finalization: Certificate,
    ) -> Result<VerifiedCertificate, RangeError> {
        let mut height = self.engine.final_height().next();
        let mut parent = self.engine.final_id();
        if blocks.is_empty() {
            return Err(RangeError::Start);
        }
        let mut last: Option<BlockId> = None;
        for block in blocks {
            let header = &block.header;
            if header.height != height || header.parent != parent {
                return Err(RangeError::Broken(header.height));
            }
            parent = block.id();
            last = Some(parent);
            height = height.next();
        }
        match finalization.statement {
            Statement::Finalize { block, .. } if Some(block) == last => {}
            _ => return Err(RangeError::Certificate),
        }
        let certificate = finalization
            .verified(self.proposer.genesis, &self.proposer.validators)
            .map_err(|_| RangeError::Certificate)?;
        // the dearest last: from here on a quorum vouches for the headers
        match blocks.iter().find(|block| !block.body_matches()) {
            Some(block) => Err(RangeError::Broken(block.header.height)),
            None => Ok(certificate),
        }
    }
}
