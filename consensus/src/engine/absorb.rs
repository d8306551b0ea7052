//! Taking in messages, votes and certificates: bookkeeping before any rule acts on it.

use super::{
    BlockState, Engine, FINALIZATIONS_MAX, LOOKAHEAD, PROPOSALS_AHEAD, RangeEnd, Silence,
    WATCHED_PAST, Wanted,
};
use crate::clock::Now;
use crate::config::Roots;
use crate::effect::Effect;
use crate::message::{Message, Peer, VerifiedMessage};
use crate::proposal::VerifiedProposal;
use crate::tally::Counted;
use crate::view::{Candidate, Verdict};
use crate::vote::{VerifiedVote, Vote};
use crate::witness::Contradiction;
use salus_primitives::block::Block;
use salus_primitives::certificate::{Statement, VerifiedCertificate};
use salus_primitives::ids::{BlockId, Seat, View};
use std::sync::Arc;

impl Engine {
    pub(super) fn absorb_message(
        &mut self,
        now: Now,
        from: Peer,
        message: VerifiedMessage,
        effects: &mut Vec<Effect>,
    ) {
        match message {
            VerifiedMessage::Proposal(proposal) => self.absorb_proposal(proposal, effects),
            VerifiedMessage::Vote { vote, entry } => {
                if let Some(entry) = entry {
                    self.absorb_certificate(entry, false, effects);
                }
                self.absorb_vote(&vote, effects);
            }
            VerifiedMessage::Certificates(certificates) => {
                for certificate in certificates {
                    self.absorb_certificate(certificate, false, effects);
                }
            }
            VerifiedMessage::Status {
                position,
                votes,
                entry,
            } => {
                if let Some(entry) = entry {
                    self.absorb_certificate(entry, false, effects);
                }
                for vote in &votes {
                    self.absorb_vote(vote, effects);
                }
                self.help(now, from, position, effects);
            }
        }
    }

    /// Rule 3: keeps the first proposal of a view's manager. A second one is evidence, and its block is dropped.
    fn absorb_proposal(&mut self, proposal: VerifiedProposal, effects: &mut Vec<Effect>) {
        for certificate in &proposal.justification {
            self.absorb_certificate(certificate.clone(), false, effects);
        }
        let view = proposal.view();
        if !self.within_reach(view) || proposal.manager() != self.manager_of(view) {
            return;
        }
        self.absorb_vote(&proposal.vote, effects);
        if view > self.view.plus(PROPOSALS_AHEAD) {
            return;
        }
        let named = self.views.get(&view).is_some_and(|state| {
            state
                .notarization
                .as_ref()
                .is_some_and(|c| c.statement().block() == Some(proposal.id))
        });
        let state = self.state(view);
        let first = state.proposal.is_none();
        if first || named {
            let body = Arc::clone(&proposal.block);
            let id = proposal.id;
            if first {
                state.proposal = Some(Candidate {
                    proposal,
                    verdict: Verdict::Undecided,
                });
            }
            // a false view is an invalid proposal, and would keep the body here beyond its view's finality
            if body.header.view == view {
                self.keep_body(id, body, named);
            }
        }
    }

    /// Counts a vote: the one that completes a quorum makes a certificate (rules 4, 5, 7), and a manager's second notarise vote
    /// is a cause to give its view up (rule 5).
    pub(super) fn absorb_vote(&mut self, vote: &VerifiedVote, effects: &mut Vec<Effect>) {
        let statement = *vote.statement();
        let view = statement.view();
        self.watch(vote, effects);
        if !self.within_reach(view) {
            return;
        }
        self.heard(vote.seat(), view);
        let validators = Arc::clone(&self.config.validators);
        let manager = self.manager_of(view);
        let state = self.state(view);
        let tally = match statement {
            Statement::Notarize { .. } => &mut state.notarize,
            Statement::Finalize { .. } => &mut state.finalize,
            Statement::Nullify { .. } => &mut state.nullify,
        };
        let is_first = !tally.votes().contains_key(&vote.seat());
        let counted = tally.count(vote, &validators);
        if is_first && matches!(statement, Statement::Notarize { .. }) {
            effects.push(Effect::Notarized(*vote));
        }
        match counted {
            Counted::Pending => {}
            Counted::Quorum(certificate) => self.absorb_certificate(certificate, true, effects),
            Counted::Conflict { .. } => {
                if vote.seat() == manager && matches!(statement, Statement::Notarize { .. }) {
                    state.equivocated = true;
                }
            }
        }
    }

    /// Looks at a vote for what its author said before, also where it decides nothing any more: a contradiction is evidence.
    fn watch(&mut self, vote: &VerifiedVote, effects: &mut Vec<Effect>) {
        if self.is_watched(vote.statement().view())
            && let Some(Contradiction { first, second }) = self.witness.see(vote)
        {
            effects.push(Effect::Equivocation { first, second });
        }
    }

    /// Whether a vote, if it is genuine, tells of a contradiction that was not told before, though it may decide nothing.
    #[must_use]
    pub fn is_evidence(&self, vote: &Vote) -> bool {
        vote.statement.epoch() == self.epoch()
            && self.is_watched(vote.statement.view())
            && self.witness.is_news(vote.seat, &vote.statement)
    }

    /// Views whose votes are remembered: up to [`WATCHED_PAST`] behind the last final one.
    fn is_watched(&self, view: View) -> bool {
        view >= self.watched_from() && view <= self.view.plus(LOOKAHEAD)
    }

    pub(super) fn watched_from(&self) -> View {
        View::new(self.last_final.view.get().saturating_sub(WATCHED_PAST))
    }

    /// Keeps a certificate and, if this node's own tally made it, tells everyone (rules 4, 5, 7).
    pub(super) fn absorb_certificate(
        &mut self,
        certificate: VerifiedCertificate,
        formed: bool,
        effects: &mut Vec<Effect>,
    ) {
        if self.knows(certificate.statement()) {
            return;
        }
        let view = certificate.view();
        if !formed {
            // a double voter shows different nodes different votes: the other one may stand in a certificate only
            for vote in VerifiedVote::of_certificate(&certificate) {
                self.watch(&vote, effects);
                if matches!(certificate.statement(), Statement::Notarize { .. }) {
                    effects.push(Effect::Notarized(vote));
                }
            }
        }
        let signers: Vec<Seat> = certificate
            .certificate()
            .votes
            .iter()
            .map(|(seat, _)| *seat)
            .collect();
        let mut announced = vec![certificate.certificate().clone()];
        match certificate.statement() {
            Statement::Notarize { .. } => {
                if let Some(block) = certificate
                    .statement()
                    .block()
                    .and_then(|id| self.blocks.get_mut(&id))
                {
                    block.trusted = true;
                }
                self.state(view).notarization = Some(certificate);
            }
            Statement::Finalize { .. } => {
                if self.finalizations.len() >= FINALIZATIONS_MAX {
                    // the highest moves the view on and the lowest is what can be applied first
                    let middle = self
                        .finalizations
                        .keys()
                        .nth(FINALIZATIONS_MAX / 2)
                        .copied();
                    if let Some(middle) = middle {
                        self.finalizations.remove(&middle);
                    }
                }
                self.finalizations.insert(view, certificate);
            }
            Statement::Nullify { .. } => {
                // what its signers entered the view by goes along, so that who learns of it can justify a proposal
                if let Some(notarization) = view
                    .previous()
                    .and_then(|previous| self.views.get(&previous))
                    .and_then(|state| state.notarization.as_ref())
                {
                    announced.insert(0, notarization.certificate().clone());
                }
                self.on_nullification(certificate, effects);
            }
        }
        // who signed it is not silent: where certificates are faster than votes, nobody would be heard at all, and every
        // manager passed over (rule 5)
        for seat in signers {
            self.heard(seat, view);
        }
        if formed {
            effects.push(Effect::Broadcast(Message::Certificates(announced)));
        }
    }

    /// Rule 5: a term has failed. Delta grows (rule 1), and a manager that was silent in it is one turn nearer to being passed over.
    fn on_nullification(&mut self, certificate: VerifiedCertificate, effects: &mut Vec<Effect>) {
        let view = certificate.view();
        let term = self.timing().term(view);
        let manager = self.manager_of(view);
        if self.nullifications.insert(term, certificate).is_none() {
            self.failed_terms = self.failed_terms.saturating_add(1);
            let first = self.timing().first_view(term);
            let next = self.timing().first_view(term.next());
            let silent = !self.views.range(first..next).any(|(_, state)| {
                state.proposal.is_some() || state.notarize.votes().contains_key(&manager)
            });
            // of a term that this node did not wait in itself, it cannot say who was silent
            if silent && self.own_nullify.contains_key(&term) {
                let terms = self.silences.get(&manager).map_or(0, |it| it.terms);
                let terms = terms.saturating_add(1);
                self.silences.insert(manager, Silence { terms, last: term });
            }
        }
        let cause = None;
        effects.push(Effect::Nullified {
            view,
            manager,
            cause,
        });
    }

    /// Rule 5: a seat signed something since it was silent last, or in that very term, however late it comes: it is there. What it
    /// signed before that says nothing.
    fn heard(&mut self, seat: Seat, view: View) {
        let term = self.timing().term(view);
        if self
            .silences
            .get(&seat)
            .is_some_and(|silence| term >= silence.last)
        {
            self.silences.remove(&seat);
        }
    }

    /// Views that matter: above the last final one, and not further ahead than what rule 9 makes good.
    fn within_reach(&self, view: View) -> bool {
        view > self.last_final.view && view <= self.view.plus(LOOKAHEAD)
    }

    /// Bodies that were asked for. The node has checked that they belong to ids that were asked for.
    pub(super) fn on_bodies(&mut self, bodies: Vec<Arc<Block>>) {
        for body in bodies {
            let id = body.id();
            self.keep_body(id, body, true);
        }
        self.wanted.remove(&Wanted::Range);
    }

    /// Rule 10: the node has checked that these blocks are final.
    pub(super) fn on_range(
        &mut self,
        blocks: Vec<Arc<Block>>,
        finalization: VerifiedCertificate,
        effects: &mut Vec<Effect>,
    ) {
        let ids: Vec<BlockId> = blocks.iter().map(|block| block.id()).collect();
        let last = ids.last().copied();
        let news: Vec<BlockId> = ids
            .into_iter()
            .filter(|id| !self.blocks.contains_key(id))
            .collect();
        self.on_bodies(blocks);
        for id in news {
            if let Some(block) = self.blocks.get_mut(&id) {
                block.ranged = true;
            }
        }
        self.range_end = last
            .filter(|last| finalization.statement().block() != Some(*last))
            .map(|block| RangeEnd {
                block,
                finalization: finalization.clone(),
            });
        self.absorb_certificate(finalization, false, effects);
    }

    pub(super) fn keep_body(&mut self, id: BlockId, body: Arc<Block>, trusted: bool) {
        if body.header.height <= self.last_final.header.height {
            return;
        }
        self.wanted.remove(&Wanted::Body(id));
        let block = self.blocks.entry(id).or_insert(BlockState {
            body,
            trusted: false,
            ranged: false,
            execution_requested: false,
            roots: None,
        });
        block.trusted |= trusted;
    }

    pub(super) fn on_executed(&mut self, id: BlockId, roots: Roots) {
        if let Some(block) = self.blocks.get_mut(&id) {
            block.roots = Some(roots);
        }
    }
}
