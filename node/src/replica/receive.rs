//! What peers send: cheap checks first, signatures last, and nothing at all from a peer that is at fault all the time.

use super::{Effect, FaultKind, Note, Replica};
use crate::wire::{Frame, TRANSACTIONS_MAX};
use salus_consensus::clock::Now;
use salus_consensus::input::Input as EngineInput;
use salus_consensus::message::{Message, Peer};
use salus_primitives::codec;
use salus_primitives::transaction::{SignedTransaction, TRANSACTION_MAX};
use std::collections::BTreeSet;

/// Why transactions of a peer are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum TransactionsError {
    #[error("{found} transactions in a frame of at most {TRANSACTIONS_MAX}")]
    TooMany { found: usize },
    #[error("a transaction of {found} bytes, at most {TRANSACTION_MAX} are admitted")]
    TooLarge { found: usize },
}

impl Replica {
    /// Whether frames of this peer are worth decoding: it has not been at fault too often.
    #[must_use]
    pub fn hears(&self, now: Now, peer: &Peer) -> bool {
        self.standings.is_heard(now.monotonic, peer)
    }

    pub(super) fn on_frame(
        &mut self,
        now: Now,
        from: Peer,
        frame: Frame,
        effects: &mut Vec<Effect>,
    ) {
        if !self.hears(now, &from) {
            return;
        }
        self.acquaintances.heard(now.monotonic, from);
        if let Frame::Consensus(Message::Status(status)) = &frame {
            self.acquaintances.claims(now.monotonic, from, status);
        }
        match frame {
            Frame::Consensus(message) => self.on_message(now, from, message, effects),
            Frame::Transactions(transactions) => match self.fresh(transactions) {
                Ok(fresh) if fresh.is_empty() => {}
                Ok(fresh) => effects.push(Effect::Verify(fresh)),
                Err(error) => self.fault(now, from, &error, effects),
            },
            Frame::Request(request) => {
                if self.standings.may_ask(now.monotonic, from) {
                    self.serve(now, from, request, effects);
                }
            }
            Frame::Response(response) => self.on_response(now, from, response, effects),
        }
    }

    pub(super) fn on_message(
        &mut self,
        now: Now,
        from: Peer,
        message: Message,
        effects: &mut Vec<Effect>,
    ) {
        if self.is_suspended() {
            return;
        }
        self.watch(now, from, &message, effects);
        if !self.gather_late(now, from, &message, effects) {
            return;
        }
        if !self.is_of_this_epoch(now, from, &message, effects) || self.is_stale(&message) {
            return;
        }
        let verified = self.without_settled_votes(message).verify(
            self.proposer.genesis,
            &self.proposer.validators,
            |statement| self.engine.knows(statement),
        );
        match verified {
            Ok(message) => {
                self.drive(now, EngineInput::Message { from, message }, effects);
            }
            Err(error) => self.fault(now, from, &error, effects),
        }
    }

    /// Counts something that no honest peer sends.
    pub(super) fn fault(
        &mut self,
        now: Now,
        peer: Peer,
        error: &dyn std::fmt::Display,
        effects: &mut Vec<Effect>,
    ) {
        self.fault_of(now, peer, FaultKind::InvalidMessage, error, effects);
    }

    /// Says so as long as the peer is listened to: a flood of faults is not a flood of log lines.
    pub(super) fn fault_of(
        &mut self,
        now: Now,
        peer: Peer,
        kind: FaultKind,
        error: &dyn std::fmt::Display,
        effects: &mut Vec<Effect>,
    ) {
        let reason = if self.standings.fault(now.monotonic, peer) {
            format!("{error}; it is not listened to for a while")
        } else {
            error.to_string()
        };
        effects.push(Effect::Note(Note::PeerFault { peer, kind, reason }));
    }

    /// Whether a message can tell nothing new, so that its signatures are not worth checking. Nor are those of another
    /// epoch: who is in it is not at fault.
    fn is_stale(&self, message: &Message) -> bool {
        let epoch = self.engine.epoch();
        match message {
            Message::Vote { vote, .. } => {
                vote.statement.view() <= self.engine.final_view() || vote.statement.epoch() != epoch
            }
            Message::Proposal(proposal) => {
                let statement = &proposal.vote.statement;
                statement.view() <= self.engine.final_view()
                    || statement.epoch() != epoch
                    || proposal.vote.seat != self.engine.manager_of(statement.view())
            }
            Message::Certificates(certificates) => {
                let mut statements = certificates.iter().map(|it| &it.statement);
                statements
                    .clone()
                    .all(|statement| self.engine.knows(statement))
                    || statements.any(|statement| statement.epoch() != epoch)
            }
            Message::Status(status) => status.epoch != epoch,
        }
    }

    /// A status is said again every delta, with votes of which most are settled by then.
    fn without_settled_votes(&self, message: Message) -> Message {
        let Message::Status(mut status) = message else {
            return message;
        };
        let final_view = self.engine.final_view();
        status
            .votes
            .retain(|vote| vote.statement.view() > final_view);
        Message::Status(status)
    }

    /// Those of a peer's transactions that may be new and admissible, each once: their signatures are worth checking.
    fn fresh(
        &self,
        transactions: Vec<SignedTransaction>,
    ) -> Result<Vec<SignedTransaction>, TransactionsError> {
        if transactions.len() > TRANSACTIONS_MAX {
            let found = transactions.len();
            return Err(TransactionsError::TooMany { found });
        }
        let next = self.engine.final_height().next();
        let mut seen = BTreeSet::new();
        let mut fresh = Vec::new();
        for transaction in transactions {
            // a larger one fits no block, and would wait at the head of its lane for ever
            let found = codec::encode(&transaction).len();
            if found > TRANSACTION_MAX {
                return Err(TransactionsError::TooLarge { found });
            }
            let id = transaction.body.id();
            let is_new = self.mempool.check_window(&transaction.body, next).is_ok()
                && !self.mempool.contains(&id)
                && !self.mempool.is_recent(&id)
                && seen.insert(id);
            if is_new {
                fresh.push(transaction);
            }
        }
        Ok(fresh)
    }
}
