//! Rule 4: notarise votes that are given after the quorum.
//!
//! A validator that hears of a notarisation before it has checked the block goes on to the next view. Finality does not need its vote any
//! more; the block's committee, whose members attest by these votes, does. So it checks the block all the same, as soon as it can, and
//! votes for it late: once, and for nothing else in that view.
//!
//! The certificate stands for the justification only (rule 3, 2): the votes that first were a quorum were not late, and an honest seat
//! among them found the parent justified. All else the signer finds itself.

use super::notarize::Judgement;
use super::{BlockState, Engine};
use crate::clock::Now;
use crate::effect::Effect;
use crate::journal::JournalEntry;
use crate::view::Late;
use salus_primitives::certificate::Statement;
use salus_primitives::ids::{BlockId, View};

impl Engine {
    /// Rule 4: has those blocks checked that were notarised without this node's vote and may still get it.
    pub(super) fn consider_late(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let candidates: Vec<(View, BlockId)> = self
            .views
            .range(..self.view)
            .filter(|(_, state)| state.late == Late::Open)
            .filter_map(|(view, _)| Some((*view, self.may_notarize_late(*view)?)))
            .collect();
        for (view, id) in candidates {
            let Some(BlockState { body, ranged, .. }) = self.blocks.get(&id) else {
                continue;
            };
            let body = body.clone();
            let header = &body.header;
            // the last block of an epoch, named again, was checked and attested in its own view (E3)
            let judgement = if !*ranged && self.is_of_epoch(header) && self.is_of_view(header, view)
            {
                self.judge_on_parent(now, header)
            } else {
                Judgement::Invalid
            };
            self.state(view).late = match judgement {
                Judgement::Wait => continue,
                Judgement::Invalid | Judgement::Again => Late::Closed,
                Judgement::Check(parent) => {
                    effects.push(Effect::Check {
                        id,
                        block: body,
                        parent: *parent,
                    });
                    Late::Checking
                }
            };
        }
    }

    /// Rule 4: the content of a block that was notarised without this node's vote has been checked.
    pub(super) fn on_checked_late(&mut self, id: BlockId, valid: bool, effects: &mut Vec<Effect>) {
        let asked = self.views.iter().find(|(_, state)| {
            let notarized = state.notarization.as_ref();
            state.late == Late::Checking
                && notarized.is_some_and(|it| it.statement().block() == Some(id))
        });
        let Some(view) = asked.map(|(view, _)| *view) else {
            return;
        };
        self.state(view).late = Late::Closed;
        if valid && self.may_notarize_late(view) == Some(id) {
            self.notarize_late(view, id, effects);
        }
    }

    /// Whether the answer to a late check is still to come: finality, which would forget the view, waits for it.
    pub(super) fn is_checking_late(&self) -> bool {
        let mut views = self.views.values();
        views.any(|state| state.late == Late::Checking)
    }

    /// Rule 4: the block notarised in a view above the last final one, if this node left the view, signed no notarise vote in it, and gave up
    /// neither it nor an earlier one of its term.
    fn may_notarize_late(&self, view: View) -> Option<BlockId> {
        let state = self.views.get(&view)?;
        let free = self.config.voter.is_some()
            && !self.diverged
            && view < self.view
            && state.own.notarize.is_none()
            && self.has_not_given_up(view);
        let notarization = state.notarization.as_ref().filter(|_| free)?;
        notarization.statement().block()
    }

    /// Rule 8: body, notarisation and vote are durable before the vote leaves.
    fn notarize_late(&mut self, view: View, id: BlockId, effects: &mut Vec<Effect>) {
        let Some(body) = self.blocks.get(&id).map(|block| block.body.clone()) else {
            return;
        };
        effects.push(Effect::Persist(JournalEntry::Body(body.as_ref().clone())));
        self.persist_notarization(view, effects);
        let epoch = self.epoch();
        let statement = Statement::Notarize {
            epoch,
            view,
            block: id,
        };
        self.sign_and_send(statement, effects);
    }
}
