//! Asking peers for what is missing, and taking their answers (rule 9). Ranges have their own file.

use super::{Effect, Replica};
use crate::wire::{Frame, Request, Response};
use salus_consensus::clock::Now;
use salus_consensus::input::Input as EngineInput;
use salus_consensus::message::{Message, Peer};
use salus_primitives::block::Block;
use salus_primitives::ids::Height;
use std::sync::Arc;

/// How many peers are asked at once for something small.
const ASKED_AT_ONCE: usize = 2;
/// Most bodies remembered as asked for.
const ASKED_MAX: usize = 1_024;

/// Why a body is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the transactions of the block at height {0} are not those its header names")]
struct BodyError(Height);

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
                self.ranges.asks(peer);
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
                trail,
                finalization,
            } => self.on_range(now, from, blocks, &trail, finalization, effects),
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
            let error = BodyError(block.header.height);
            self.fault(now, from, &error, effects);
        }
    }
}
