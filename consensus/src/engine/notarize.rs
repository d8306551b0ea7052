//! Rules 3 to 6: judging proposals, and signing.

use super::{Engine, Wanted};
use crate::clock::Now;
use crate::config::CLOCK_LEAD_MS;
use crate::effect::{Effect, NullifyCause};
use crate::journal::JournalEntry;
use crate::message::Message;
use crate::view::Verdict;
use crate::vote::VerifiedVote;
use salus_primitives::block::Header;
use salus_primitives::certificate::Statement;
use salus_primitives::ids::{BlockId, View};

/// What stands between a proposal and a verdict.
pub(super) enum Judgement {
    Wait,
    Invalid,
    Check(Box<Header>),
    /// The epoch's last block, proposed once more: a quorum has checked its content.
    Again,
}

impl Engine {
    /// Rule 3: judges the proposal of the present view as far as what it depends on is here.
    pub(super) fn consider_proposal(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.config.voter.is_none() || self.diverged {
            return;
        }
        let view = self.view;
        let Some(state) = self.views.get(&view) else {
            return;
        };
        let Some(candidate) = &state.proposal else {
            return;
        };
        if candidate.verdict != Verdict::Undecided
            || state.own.notarize.is_some()
            || state.own.nullify.is_some()
        {
            return;
        }
        let (id, block) = (candidate.proposal.id, candidate.proposal.block.clone());
        let verdict = match self.judge(now, view, &id, &block.header) {
            Judgement::Wait => return,
            Judgement::Invalid => Verdict::Invalid,
            Judgement::Check(parent) => {
                effects.push(Effect::Check {
                    id,
                    block,
                    parent: *parent,
                });
                Verdict::Checking
            }
            Judgement::Again => Verdict::Valid,
        };
        self.set_verdict(view, verdict);
        if verdict == Verdict::Valid {
            self.notarize(view, id, effects);
        }
    }

    fn set_verdict(&mut self, view: View, verdict: Verdict) {
        if let Some(candidate) = &mut self.state(view).proposal {
            candidate.verdict = verdict;
        }
    }

    /// Rule 3 but for the content, and E3.
    fn judge(&mut self, now: Now, view: View, id: &BlockId, header: &Header) -> Judgement {
        // E3: the epoch's last block may be named again in a later view, justified as a child of it would be
        let again = header.height == self.config.boundary && header.view < view;
        if !self.is_of_epoch(header) || !again && !self.is_of_view(header, view) {
            return Judgement::Invalid;
        }
        let parent = if again { id } else { &header.parent };
        match self.is_justified(view, parent) {
            Justified::Yes => {
                self.wanted.remove(&Wanted::Certificates);
            }
            Justified::Never => return Judgement::Invalid,
            Justified::NotYet(from) => {
                self.want_certificates(from, now.monotonic.plus_millis(self.delta() / 4));
                return Judgement::Wait;
            }
        }
        if again {
            return match self.header(id) {
                Some(_) => Judgement::Again,
                None => Judgement::Wait,
            };
        }
        self.judge_on_parent(now, header)
    }

    /// Rule 3, 1: a header of this epoch, which names the next one if it is the last, and only then.
    pub(super) fn is_of_epoch(&self, header: &Header) -> bool {
        header.epoch == self.epoch()
            && header.height <= self.config.boundary
            && header.next_epoch.is_some() == (header.height == self.config.boundary)
    }

    /// Rule 3, 1: a header of this view and its manager.
    pub(super) fn is_of_view(&self, header: &Header, view: View) -> bool {
        header.view == view && header.manager == self.manager_of(view)
    }

    /// Rule 3, 1 and 3: what the parent and this node's roots after it say of a header.
    pub(super) fn judge_on_parent(&self, now: Now, header: &Header) -> Judgement {
        let (Some(parent), Some(roots)) = (self.header(&header.parent), self.roots(&header.parent))
        else {
            return Judgement::Wait;
        };
        let follows = header.height == parent.height.next()
            && header.time > parent.time
            && header.parent_state_root == roots.state
            && header.parent_receipt_root == roots.receipts;
        if !follows {
            return Judgement::Invalid;
        }
        if header.time > now.wall.plus_millis(CLOCK_LEAD_MS) {
            return Judgement::Wait;
        }
        Judgement::Check(Box::new(parent.clone()))
    }

    /// Rule 3: the content has been checked; notarise the block if it is valid and this node is still free to.
    pub(super) fn on_checked(&mut self, id: BlockId, valid: bool, effects: &mut Vec<Effect>) {
        let view = self.view;
        let state = self.state(view);
        let is_current = state
            .proposal
            .as_ref()
            .is_some_and(|c| c.proposal.id == id && c.verdict == Verdict::Checking);
        if !is_current {
            self.on_checked_late(id, valid, effects);
            return;
        }
        if !valid {
            self.set_verdict(view, Verdict::Invalid);
            return;
        }
        self.set_verdict(view, Verdict::Valid);
        self.notarize(view, id, effects);
    }

    /// Rule 3: signs the notarise vote of the present view, if this node is still free to.
    fn notarize(&mut self, view: View, id: BlockId, effects: &mut Vec<Effect>) {
        let state = self.state(view);
        let free = state.own.notarize.is_none() && state.own.nullify.is_none();
        let body = self.blocks.get_mut(&id).map(|block| {
            block.trusted = true;
            block.body.as_ref().clone()
        });
        if let (true, false, Some(body)) = (free, self.diverged, body) {
            let epoch = self.epoch();
            let statement = Statement::Notarize {
                epoch,
                view,
                block: id,
            };
            self.persist_entry(effects);
            effects.push(Effect::Persist(JournalEntry::Body(body)));
            self.sign_and_send(statement, effects);
        }
    }

    /// Rule 4: finalises every notarised view that rule 6 allows, once its block and the roots before it are known.
    pub(super) fn vote_finalize(&mut self, effects: &mut Vec<Effect>) {
        if self.config.voter.is_none() || self.diverged {
            return;
        }
        let ready: Vec<(View, BlockId)> = self
            .views
            .iter()
            .filter(|(_, state)| state.own.finalize.is_none())
            .filter_map(|(view, state)| {
                Some((*view, state.notarization.as_ref()?.statement().block()?))
            })
            .filter(|(view, block)| {
                let known = self
                    .header(block)
                    .is_some_and(|header| self.roots(&header.parent).is_some());
                known && self.has_not_given_up(*view)
            })
            .collect();
        for (view, block) in ready {
            self.persist_notarization(view, effects);
            let epoch = self.epoch();
            self.sign_and_send(Statement::Finalize { epoch, view, block }, effects);
        }
    }

    /// Rule 8: who finalised a view may not nullify it (rule 6), so it must not forget how to leave it.
    pub(super) fn persist_notarization(&mut self, view: View, effects: &mut Vec<Effect>) {
        let notarization = self
            .views
            .get(&view)
            .and_then(|state| state.notarization.as_ref());
        if notarization == self.entry.as_ref() {
            self.persist_entry(effects);
        } else if let Some(notarization) = notarization {
            let entry = JournalEntry::Entry(notarization.certificate().clone());
            effects.push(Effect::Persist(entry));
        }
    }

    /// Rules 4 and 6: whether this node has nullified neither this view nor an earlier one of its term.
    pub(super) fn has_not_given_up(&self, view: View) -> bool {
        self.own_nullify
            .get(&self.timing().term(view))
            .is_none_or(|nullified| nullified.statement.view() > view)
    }

    /// Rule 6: not after finalising this view or a later one of its term.
    pub(super) fn may_nullify(&self, view: View) -> bool {
        let next_term = self.timing().first_view(self.timing().term(view).next());
        !self
            .views
            .range(view..next_term)
            .any(|(_, state)| state.own.finalize.is_some())
    }

    /// Rule 5: gives up the present view.
    pub(super) fn nullify(&mut self, cause: NullifyCause, effects: &mut Vec<Effect>) {
        let view = self.view;
        if self.config.voter.is_none()
            || self.diverged
            || self.state(view).own.nullify.is_some()
            || !self.may_nullify(view)
        {
            return;
        }
        effects.push(Effect::Nullified {
            view,
            manager: self.manager_of(view),
            cause: Some(cause),
        });
        self.persist_entry(effects);
        let epoch = self.epoch();
        self.sign_and_send(Statement::Nullify { epoch, view }, effects);
    }

    /// Rule 8: the entry certificate is durable before the first vote in a view leaves.
    pub(super) fn persist_entry(&mut self, effects: &mut Vec<Effect>) {
        if let (Some(entry), false) = (&self.entry, self.entry_persisted) {
            effects.push(Effect::Persist(JournalEntry::Entry(
                entry.certificate().clone(),
            )));
            self.entry_persisted = true;
        }
    }

    /// Signs, remembers, persists, then sends (rule 8), and counts the own vote.
    pub(super) fn sign_and_send(&mut self, statement: Statement, effects: &mut Vec<Effect>) {
        let Some(voter) = &self.config.voter else {
            return;
        };
        let vote = VerifiedVote::sign(statement, voter.seat, self.config.genesis, &voter.signer);
        self.remember(&vote);
        effects.push(Effect::Persist(JournalEntry::Vote(*vote.vote())));
        let entry = match statement {
            Statement::Nullify { .. } => {
                self.entry.as_ref().map(|entry| entry.certificate().clone())
            }
            Statement::Notarize { .. } | Statement::Finalize { .. } => None,
        };
        effects.push(Effect::Broadcast(Message::Vote {
            vote: *vote.vote(),
            entry,
        }));
        self.absorb_vote(&vote, effects);
    }

    /// Notes an own vote, newly signed or from the journal.
    pub(super) fn remember(&mut self, vote: &VerifiedVote) {
        let view = vote.statement().view();
        let own = &mut self.state(view).own;
        match vote.statement() {
            Statement::Notarize { .. } => own.notarize = Some(*vote.vote()),
            Statement::Finalize { .. } => own.finalize = Some(*vote.vote()),
            Statement::Nullify { .. } => {
                own.nullify = Some(*vote.vote());
                let term = self.timing().term(view);
                let first = self.own_nullify.entry(term).or_insert(*vote.vote());
                if first.statement.view() > view {
                    *first = *vote.vote();
                }
            }
        }
    }

    /// Rule 2, seen by a voter: whether `parent` is what a proposal in `view` must be built on.
    pub(super) fn is_justified(&self, view: View, parent: &BlockId) -> Justified {
        let Some(previous) = view.previous() else {
            return Justified::Never;
        };
        if !self.timing().starts_term(view) {
            return match self.block_of(previous) {
                Some(block) if block == *parent => Justified::Yes,
                Some(_) => Justified::Never,
                None => Justified::NotYet(previous),
            };
        }
        let notarized = (*parent == self.last_final.id).then_some(self.last_final.view);
        let latest = self
            .views
            .range(..view)
            .rev()
            .find(|(_, state)| {
                state
                    .notarization
                    .as_ref()
                    .is_some_and(|c| c.statement().block() == Some(*parent))
            })
            .map(|(view, _)| *view)
            .or(notarized);
        let Some(latest) = latest else {
            return Justified::NotYet(self.last_final.view.next());
        };
        match self.first_uncovered(latest.next(), view) {
            None => Justified::Yes,
            Some(uncovered) => Justified::NotYet(uncovered),
        }
    }

    /// Rule 2: the first view from `from` up to, not including, `to` that no nullification covers.
    pub(super) fn first_uncovered(&self, from: View, to: View) -> Option<View> {
        let mut next = from;
        while next < to {
            let term = self.timing().term(next);
            match self.nullifications.get(&term) {
                Some(nullification) if nullification.view() <= next => {
                    next = self.timing().first_view(term.next());
                }
                _ => return Some(next),
            }
        }
        None
    }

    /// Rule 2: the block notarised in a view, as far as certificates tell; a finalised one was notarised.
    fn block_of(&self, view: View) -> Option<BlockId> {
        if view == self.last_final.view {
            return Some(self.last_final.id);
        }
        self.views
            .get(&view)
            .and_then(|state| state.notarization.as_ref())
            .or_else(|| self.finalizations.get(&view))
            .and_then(|certificate| certificate.statement().block())
    }
}

/// Whether certificates at hand justify a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Justified {
    Yes,
    /// Certificates from this view on may justify it.
    NotYet(View),
    Never,
}
