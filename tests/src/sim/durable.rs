//! What a node has on disk of what it said, and of what that rests on: rule 8, held against what it sends.

use salus_consensus::config::Timing;
use salus_consensus::journal::JournalEntry;
use salus_primitives::certificate::Statement;
use salus_primitives::ids::{BlockId, Epoch, View};
use std::collections::BTreeSet;

/// The contents of a vote journal, as far as votes rest on them. It forgets nothing while the node runs: what a shortened
/// journal leaves out is settled.
#[derive(Debug)]
pub struct Durable {
    timing: Timing,
    statements: BTreeSet<Statement>,
    bodies: BTreeSet<BlockId>,
    /// Which blocks are notarised in which views.
    notarized: BTreeSet<(Epoch, View, BlockId)>,
    /// The views that certificates lead to.
    entered: BTreeSet<(Epoch, View)>,
}

impl Durable {
    /// Nothing yet.
    pub(super) const fn new(timing: Timing) -> Self {
        Self {
            timing,
            statements: BTreeSet::new(),
            bodies: BTreeSet::new(),
            notarized: BTreeSet::new(),
            entered: BTreeSet::new(),
        }
    }

    /// What a journal holds.
    pub(super) fn of(timing: Timing, entries: &[JournalEntry]) -> Self {
        let mut durable = Self::new(timing);
        for entry in entries {
            durable.add(entry);
        }
        durable
    }

    /// A record was written and synced. Says what it signs, if anything.
    pub(super) fn add(&mut self, entry: &JournalEntry) -> Option<Statement> {
        let statement = match entry {
            JournalEntry::Vote(vote) => vote.statement,
            JournalEntry::Proposal(proposal) => {
                self.bodies.insert(proposal.block.id());
                proposal.vote.statement
            }
            JournalEntry::Body(block) => {
                self.bodies.insert(block.id());
                return None;
            }
            // what it leaves out is settled
            JournalEntry::Floor { .. } => return None,
            JournalEntry::Entry(certificate) => {
                let (epoch, view) = (certificate.statement.epoch(), certificate.statement.view());
                let leads_to = match certificate.statement {
                    Statement::Notarize { block, .. } => {
                        self.notarized.insert((epoch, view, block));
                        view.next()
                    }
                    Statement::Finalize { .. } => view.next(),
                    Statement::Nullify { .. } => {
                        self.timing.first_view(self.timing.term(view).next())
                    }
                };
                self.stands_in(epoch, leads_to);
                return None;
            }
        };
        self.statements.insert(statement);
        Some(statement)
    }

    /// What is on disk leads the node to this view.
    pub(super) fn stands_in(&mut self, epoch: Epoch, view: View) {
        self.entered.insert((epoch, view));
    }

    /// Whether a view was given up before: nothing is notarised in it from then on (rule 3).
    pub(super) fn gave_up(&self, epoch: Epoch, view: View) -> bool {
        let nullify = Statement::Nullify { epoch, view };
        self.statements.contains(&nullify)
    }

    /// Whether a view or one before it in its term was given up before: then it gets no late vote (rule 4).
    pub(super) fn gave_up_term(&self, epoch: Epoch, view: View) -> bool {
        let first = self.timing.first_view(self.timing.term(view)).get();
        (first..=view.get()).any(|view| self.gave_up(epoch, View::new(view)))
    }

    /// Whether a vote was signed before.
    pub(super) fn has(&self, statement: &Statement) -> bool {
        self.statements.contains(statement)
    }

    /// Whether a notarise vote comes after the quorum (rule 4): the view's notarisation is on disk, so the node has left the view.
    pub(super) fn is_late(&self, statement: &Statement) -> bool {
        statement.block().is_some_and(|block| {
            let (epoch, view) = (statement.epoch(), statement.view());
            self.notarized.contains(&(epoch, view, block))
        })
    }

    /// What a vote needs on disk and has not.
    pub(super) fn missing(&self, statement: &Statement) -> Option<&'static str> {
        let (epoch, view) = (statement.epoch(), statement.view());
        let entered = view == View::ZERO.next() || self.entered.contains(&(epoch, view));
        let (rests, what) = match statement {
            Statement::Notarize { block, .. } if !self.bodies.contains(block) => {
                (false, "the block it notarises")
            }
            Statement::Notarize { .. } if self.is_late(statement) => (true, ""),
            Statement::Notarize { .. } | Statement::Nullify { .. } => {
                (entered, "the certificate by which the view was entered")
            }
            Statement::Finalize { block, .. } => (
                self.notarized.contains(&(epoch, view, *block)),
                "the notarisation it rests on",
            ),
        };
        if !self.has(statement) {
            return Some("the vote itself");
        }
        (!rests).then_some(what)
    }
}
