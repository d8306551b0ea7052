//! What honest nodes say: with the right key, never against themselves, and never before it is on disk.

use super::{Checks, Identity};
use crate::sim::durable::Durable;
use crate::sim::property::Property;
use salus_consensus::message::Message;
use salus_consensus::vote::Vote;
use salus_node::wire::{Frame, Response};
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::ids::{BlockId, Epoch, Seat, View};

/// What a seat has said aloud in one view.
#[derive(Debug, Default)]
pub(super) struct Said {
    notarized: Option<BlockId>,
    finalized: Option<BlockId>,
    nullified: bool,
}

impl Checks {
    /// An honest node sends a frame. `durable` is what its journal holds. Says how many votes are in it.
    pub(in crate::sim) fn on_sent(
        &mut self,
        node: &Identity,
        durable: &Durable,
        frame: &Frame,
    ) -> u64 {
        let votes = votes_of(frame);
        for vote in votes {
            self.on_vote(node, vote);
            if let Some(missing) = durable.missing(&vote.statement) {
                self.violate(
                    Property::PersistedBeforeSent,
                    format!(
                        "{} sends {:?}, and its journal does not have {missing}",
                        node.name, vote.statement
                    ),
                );
            }
        }
        for certificate in certificates_of(frame) {
            self.on_certificate(node, certificate);
        }
        votes.len() as u64
    }

    /// An honest node has signed a statement and written it into its journal. `lacking` says what it should have had for that.
    pub(in crate::sim) fn on_signed(
        &mut self,
        node: &Identity,
        durable: &Durable,
        statement: &Statement,
        lacking: Option<(Property, &'static str)>,
    ) {
        let (epoch, view) = (statement.epoch(), statement.view());
        if matches!(statement, Statement::Notarize { .. }) && durable.gave_up(epoch, view) {
            self.violate(
                Property::NoContradiction,
                format!("{} gave up the view of {statement:?} before", node.name),
            );
        }
        let is_late = matches!(statement, Statement::Notarize { .. }) && durable.is_late(statement);
        if is_late && durable.gave_up_term(epoch, view) {
            self.violate(
                Property::NoContradiction,
                format!(
                    "{} gave up the view of {statement:?} or one before it in its term",
                    node.name
                ),
            );
        }
        // the quorum found the parent justified before
        let lacking =
            lacking.filter(|(property, _)| !is_late || *property != Property::JustifiedOnly);
        if let Some((property, lacking)) = lacking {
            self.violate(
                property,
                format!("{} signs {statement:?} {lacking}", node.name),
            );
        }
    }

    fn on_vote(&mut self, node: &Identity, vote: &Vote) {
        let (epoch, view) = (vote.statement.epoch(), vote.statement.view());
        let named = self
            .set(epoch)
            .and_then(|set| Some((set, set.validator(vote.seat)?)))
            .is_some_and(|(set, validator)| {
                validator.entity == node.entity && vote.verify(self.genesis.hash, set).is_ok()
            });
        if !named {
            self.violate(
                Property::NamedKeyOnly,
                format!(
                    "{} votes as seat {} of epoch {epoch}, which is not its own with the key it signs with",
                    node.name, vote.seat
                ),
            );
            return;
        }
        let said = self.said.entry((vote.seat, epoch, view)).or_default();
        let differs = |before: Option<BlockId>, block| before.is_some_and(|first| first != block);
        let conflict = match vote.statement {
            Statement::Notarize { block, .. } => differs(said.notarized.replace(block), block),
            Statement::Finalize { block, .. } => differs(said.finalized.replace(block), block),
            Statement::Nullify { .. } => {
                said.nullified = true;
                false
            }
        };
        if conflict {
            self.violate(
                Property::NoContradiction,
                format!(
                    "{} votes for two blocks in one view: {:?}",
                    node.name, vote.statement
                ),
            );
        }
        self.check_exclusion(node, vote.seat, epoch, view);
    }

    /// Rule 6 within the term of a view.
    fn check_exclusion(&mut self, node: &Identity, seat: Seat, epoch: Epoch, view: View) {
        let tenure = self.tenure();
        let term = (view.get().saturating_sub(1)) / tenure;
        let (first, last) = (term * tenure + 1, (term + 1) * tenure);
        let range = (seat, epoch, View::new(first))..=(seat, epoch, View::new(last));
        let mut nullified = None;
        let mut broken = None;
        for ((_, _, view), said) in self.said.range(range) {
            if said.nullified && nullified.is_none() {
                nullified = Some(*view);
            }
            if let (Some(nullified), Some(block)) = (nullified, said.finalized) {
                broken = Some((nullified, *view, block));
                break;
            }
        }
        if let Some((nullified, finalized, block)) = broken {
            self.violate(
                Property::NoContradiction,
                format!(
                    "{} nullified view {nullified} and finalised {block} in view {finalized} of one term, epoch {epoch}",
                    node.name
                ),
            );
        }
    }
}

/// The sender's own votes in a frame.
fn votes_of(frame: &Frame) -> &[Vote] {
    match frame {
        Frame::Consensus(Message::Vote { vote, .. }) => std::slice::from_ref(vote),
        Frame::Consensus(Message::Proposal(proposal)) => std::slice::from_ref(&proposal.vote),
        Frame::Consensus(Message::Status(status)) => &status.votes,
        Frame::Consensus(Message::Certificates(_))
        | Frame::Transactions(_)
        | Frame::Request(_)
        | Frame::Response(_) => &[],
    }
}

/// All certificates in a frame.
fn certificates_of(frame: &Frame) -> Vec<&Certificate> {
    match frame {
        Frame::Consensus(Message::Vote { entry, .. }) => entry.iter().collect(),
        Frame::Consensus(Message::Proposal(proposal)) => proposal.justification.iter().collect(),
        Frame::Consensus(Message::Status(status)) => status.entry.iter().collect(),
        Frame::Consensus(Message::Certificates(certificates))
        | Frame::Response(Response::Certificates(certificates)) => certificates.iter().collect(),
        Frame::Response(Response::Range { finalization, .. }) => vec![finalization],
        Frame::Response(Response::Body(_) | Response::Diagnosis(_))
        | Frame::Transactions(_)
        | Frame::Request(_) => Vec::new(),
    }
}
