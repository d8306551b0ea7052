//! Rule 2: a manager's proposal, and when to make one.

use super::Engine;
use crate::clock::Now;
use crate::effect::{BuildRequest, Effect};
use crate::journal::JournalEntry;
use crate::message::Message;
use crate::proposal::{JUSTIFICATION_MAX, Proposal, VerifiedProposal};
use crate::view::{Candidate, Verdict};
use crate::vote::VerifiedVote;
use salus_primitives::block::Block;
use salus_primitives::certificate::{Certificate, Statement, VerifiedCertificate};
use salus_primitives::codec;
use salus_primitives::ids::{BlockId, View};
use std::sync::Arc;

impl Engine {
    /// Rule 2: asks for a block if it is this node's turn, it may still propose, and there is a reason to.
    pub(super) fn try_propose(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let view = self.view;
        let is_manager = self
            .config
            .voter
            .as_ref()
            .is_some_and(|voter| voter.seat == self.manager_of(view));
        if !is_manager || self.diverged || self.building == Some(view) {
            return;
        }
        let state = self.state(view);
        if state.own.notarize.is_some() || state.own.nullify.is_some() {
            return;
        }
        let parent = match self.choose_parent(view) {
            Ok(parent) => parent,
            Err(from) => {
                self.want_certificates(from, now.monotonic);
                return;
            }
        };
        let (Some(header), Some(roots)) = (self.header(&parent).cloned(), self.roots(&parent))
        else {
            return;
        };
        // the pacing of empty blocks: receipts to prove, what a failed term left unfinalised, a heartbeat. Without a
        // failure the parent's finalise votes are on their way; with tenure 1 an idle chain would never fall silent.
        let finish = self.failed_terms > 0
            && self.timing().starts_term(view)
            && parent != self.last_final.id;
        if header.height == self.config.boundary {
            // E3: no block may follow in this epoch: the last one is named again until it is final
            let body = self
                .blocks
                .get(&parent)
                .map(|block| Arc::clone(&block.body));
            if let (true, Some(body)) = (finish, body) {
                self.announce(view, body, &parent, effects);
            }
            return;
        }
        if !(self.pending || header.transaction_count > 0 || finish || self.heartbeat_due(now)) {
            return;
        }
        self.building = Some(view);
        effects.push(Effect::Build(BuildRequest {
            view,
            manager: self.manager_of(view),
            parent,
            time: now.wall.max(header.time.plus_millis(1)),
            parent_header: header,
            roots,
        }));
    }

    /// The parent rule 2 asks for.
    ///
    /// # Errors
    /// The first view that no certificate at hand accounts for.
    fn choose_parent(&self, view: View) -> Result<BlockId, View> {
        let starts = self.timing().starts_term(view);
        let mut missing = None;
        let notarized = self.views.range(..view).rev().filter_map(|(view, state)| {
            Some((state.notarization.as_ref()?.statement().block()?, *view))
        });
        for (block, notarized) in notarized
            .chain([(self.last_final.id, self.last_final.view)])
            .take(if starts { usize::MAX } else { 1 })
        {
            match self.first_uncovered(notarized.next(), view) {
                None => return Ok(block),
                Some(uncovered) => missing = missing.or(Some(uncovered)),
            }
        }
        Err(missing.unwrap_or(view))
    }

    /// Rule 2: the block is made; it is proposed if nothing has come between.
    pub(super) fn on_built(&mut self, view: View, block: Arc<Block>, effects: &mut Vec<Effect>) {
        let expected = self.building == Some(view) && view == self.view && !self.diverged;
        if expected {
            self.building = None;
            let parent = block.header.parent;
            self.announce(view, block, &parent, effects);
        }
    }

    /// Proposes a block: sign, persist, send (rules 2 and 8). It is the manager's notarise vote (rule 3). `parent` is what certificates
    /// justify: the block's parent, or the block itself where it is named again (E3).
    fn announce(
        &mut self,
        view: View,
        block: Arc<Block>,
        parent: &BlockId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(voter) = self.config.voter.clone() else {
            return;
        };
        let state = self.state(view);
        if state.own.notarize.is_some() || state.own.nullify.is_some() {
            return;
        }
        let id = block.id();
        let epoch = self.epoch();
        let statement = Statement::Notarize {
            epoch,
            view,
            block: id,
        };
        let vote = VerifiedVote::sign(statement, voter.seat, self.config.genesis, &voter.signer);
        let proposal = Box::new(Proposal {
            vote: *vote.vote(),
            block: block.as_ref().clone(),
            justification: self.justification(view, parent),
        });
        self.remember(&vote);
        let state = self.state(view);
        state.own.proposal = Some(proposal.clone());
        state.proposal = Some(Candidate {
            proposal: VerifiedProposal {
                vote,
                id,
                block: Arc::clone(&block),
                justification: Vec::new(),
            },
            verdict: Verdict::Valid,
        });
        self.keep_body(id, block, true);
        self.persist_entry(effects);
        effects.push(Effect::Persist(JournalEntry::Proposal(proposal.clone())));
        effects.push(Effect::Broadcast(Message::Proposal(proposal)));
        self.absorb_vote(&vote, effects);
    }

    /// Rule 2: the parent's notarisation and the nullifications between, newest first, up to [`JUSTIFICATION_MAX`].
    fn justification(&self, view: View, parent: &BlockId) -> Vec<Certificate> {
        let notarized = self.views.range(..view).rev().find_map(|(_, state)| {
            state
                .notarization
                .as_ref()
                .filter(|c| c.statement().block() == Some(*parent))
        });
        let from = notarized.map_or(self.last_final.view, VerifiedCertificate::view);
        let first_term = self.timing().term(from.next());
        let between = self
            .nullifications
            .range(first_term..)
            .rev()
            .map(|(_, certificate)| certificate)
            .filter(|certificate| certificate.view() < view);
        let mut room = JUSTIFICATION_MAX;
        notarized
            .or(self.last_final.certificate.as_ref())
            .into_iter()
            .chain(between)
            .map(|certificate| certificate.certificate().clone())
            .take_while(
                |certificate| match room.checked_sub(codec::encode(certificate).len()) {
                    Some(left) => {
                        room = left;
                        true
                    }
                    None => false,
                },
            )
            .collect()
    }
}
