//! Answering peers: what is not final from the engine, the rest from the ledger.

use super::{Effect, Replica};
use crate::wire::{Frame, Request, Response};
use salus_consensus::clock::Now;
use salus_consensus::message::Peer;

impl Replica {
    pub(super) fn serve(&self, now: Now, peer: Peer, request: Request, effects: &mut Vec<Effect>) {
        let response = match request {
            Request::Diagnosis => Some(Response::Diagnosis(Box::new(self.account(now)))),
            // what the engine holds may rest on a vote of this node's that is not durable (rule 8)
            _ if self.is_suspended() => None,
            Request::Body(id) => self
                .engine
                .body(&id)
                .map(|block| Response::Body(Box::new(block.as_ref().clone()))),
            Request::Certificates { from } => {
                let certificates = self.engine.certificates_from(from);
                (!certificates.is_empty()).then_some(Response::Certificates(certificates))
            }
            Request::Range { .. } | Request::Finalization(_) => None,
        };
        match response {
            Some(response) => effects.push(Effect::Send(peer, Frame::Response(response))),
            None => effects.push(Effect::Serve(peer, request)),
        }
    }
}
