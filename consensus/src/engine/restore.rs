//! Rule 8: a new engine from the last final block and what the journal kept.

use super::{Engine, FinalBlock};
use crate::clock::Now;
use crate::config::Config;
use crate::effect::Effect;
use crate::journal::JournalEntry;
use crate::proposal::VerifiedProposal;
use crate::schedule::Schedule;
use crate::view::{Candidate, Verdict};
use crate::vote::{VerifiedVote, Vote};
use crate::witness::Witness;
use salus_primitives::certificate::{Statement, VerifiedCertificate};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// Builds the engine of an epoch. `certificate` finalises the base; `journal` is what was persisted before the last
    /// stop, in order. Says again what it said last (rule 8).
    ///
    /// Records that do not verify were not written by this node's key and are left out: the store has checked their
    /// checksums, so this means another key's journal.
    #[must_use]
    pub fn restore(
        config: Config,
        certificate: Option<VerifiedCertificate>,
        journal: Vec<JournalEntry>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Self {
        let schedule = Schedule::new(config.genesis, &config.validators);
        let base = config.base.clone();
        let mut engine = Self {
            schedule,
            view: base.view.next(),
            entry: certificate.clone(),
            entry_persisted: true,
            building: None,
            views: BTreeMap::new(),
            nullifications: BTreeMap::new(),
            own_nullify: BTreeMap::new(),
            blocks: BTreeMap::new(),
            tip: base.id,
            last_final: FinalBlock {
                id: base.id,
                header: base.header,
                view: base.view,
                roots: base.roots,
                certificate,
            },
            finalizations: BTreeMap::new(),
            range_end: None,
            failed_terms: 0,
            silences: BTreeMap::new(),
            pending: false,
            work_since: None,
            tip_since: now.monotonic,
            resent_at: now.monotonic,
            helped: BTreeMap::new(),
            wanted: BTreeMap::new(),
            certificates_from: base.view.next(),
            certificates_asked: None,
            diverged: false,
            witness: Witness::new(config.timing),
            config,
        };
        for entry in journal {
            if engine.still_counts(&entry) {
                engine.replay(now, entry);
            }
        }
        let view = engine.view;
        engine.state(view).entered_at = Some(now.monotonic);
        engine.entry_persisted = true;
        effects.push(Effect::Broadcast(engine.status()));
        effects.extend(engine.own_proposal().map(Effect::Broadcast));
        effects.extend(engine.notarized().map(Effect::Notarized));
        engine.step(now, effects);
        engine
    }

    /// Whether a record says something the last final block has not settled. Looked at before any signature is checked:
    /// a journal holds thousands of settled records.
    fn still_counts(&self, entry: &JournalEntry) -> bool {
        let final_view = self.last_final.view;
        match entry {
            JournalEntry::Entry(certificate) => !self.knows(&certificate.statement),
            JournalEntry::Body(body) => body.header.height > self.last_final.header.height,
            JournalEntry::Proposal(proposal) => proposal.vote.statement.view() > final_view,
            JournalEntry::Vote(vote) => match vote.statement {
                Statement::Nullify { view, .. } => {
                    self.timing().term(view) >= self.timing().term(final_view)
                }
                statement => statement.view() > final_view,
            },
            // who starts this engine has looked at it
            JournalEntry::Floor { .. } => false,
        }
    }

    fn replay(&mut self, now: Now, entry: JournalEntry) {
        // nothing is sent while replaying: what is to be said again is said from the state
        let mut silent = Vec::new();
        let (genesis, validators) = (self.config.genesis, Arc::clone(&self.config.validators));
        match entry {
            JournalEntry::Floor { .. } => {}
            JournalEntry::Entry(certificate) => {
                if let Ok(certificate) = certificate.verified(genesis, &validators) {
                    self.absorb_certificate(certificate, false, &mut silent);
                    // its votes follow: they are within reach of the view it leads to
                    self.advance(now);
                }
            }
            JournalEntry::Body(body) => {
                let id = body.id();
                self.keep_body(id, Arc::new(body), true);
            }
            JournalEntry::Vote(vote) => {
                if let Some(vote) = self.own_vote(vote) {
                    self.replay_vote(&vote);
                }
            }
            JournalEntry::Proposal(proposal) => {
                let view = proposal.vote.statement.view();
                let Some(vote) = self.own_vote(proposal.vote) else {
                    return;
                };
                if view <= self.last_final.view {
                    return;
                }
                // persisted with it, and perhaps nowhere else
                for certificate in proposal.justification.iter().cloned() {
                    if let Ok(certificate) = certificate.verified(genesis, &validators) {
                        self.absorb_certificate(certificate, false, &mut silent);
                    }
                }
                let block = Arc::new(proposal.block.clone());
                let id = block.id();
                self.keep_body(id, Arc::clone(&block), true);
                let state = self.state(view);
                state.own.proposal = Some(proposal);
                state.proposal = Some(Candidate {
                    proposal: VerifiedProposal {
                        vote,
                        id,
                        block,
                        justification: Vec::new(),
                    },
                    verdict: Verdict::Valid,
                });
                self.replay_vote(&vote);
            }
        }
    }

    fn replay_vote(&mut self, vote: &VerifiedVote) {
        let view = vote.statement().view();
        let same_term = self.timing().term(view) >= self.timing().term(self.last_final.view);
        let mut silent = Vec::new();
        if view > self.last_final.view {
            self.remember(vote);
            self.absorb_vote(vote, &mut silent);
        } else if same_term && matches!(vote.statement(), Statement::Nullify { .. }) {
            // below the final view, but rule 6 still binds the rest of the term
            self.own_nullify
                .entry(self.config.timing.term(view))
                .or_insert(*vote.vote());
        }
    }

    /// The notarise votes that the journal holds, alone or in certificates.
    fn notarized(&self) -> impl Iterator<Item = VerifiedVote> + '_ {
        self.views.values().flat_map(|state| {
            let own = state.own.notarize.and_then(|vote| self.own_vote(vote));
            let certified = state.notarization.iter();
            certified.flat_map(VerifiedVote::of_certificate).chain(own)
        })
    }

    fn own_vote(&self, vote: Vote) -> Option<VerifiedVote> {
        let seat = self.config.voter.as_ref()?.seat;
        vote.verify(self.config.genesis, &self.config.validators)
            .ok()
            .filter(|vote| vote.seat() == seat)
    }

    /// What a shorter journal must hold to be as good as this one: rewritten when the file has grown.
    #[must_use]
    pub fn live_entries(&self) -> Vec<JournalEntry> {
        let mut entries = vec![JournalEntry::Floor {
            epoch: self.epoch(),
            height: self.last_final.header.height,
        }];
        let certificates = self
            .nullifications
            .values()
            .chain(self.views.values().filter_map(|s| s.notarization.as_ref()))
            .chain(self.finalizations.values())
            .chain(&self.entry);
        entries.extend(certificates.map(|c| JournalEntry::Entry(c.certificate().clone())));
        entries.extend(
            self.blocks
                .values()
                .filter(|block| block.trusted)
                .map(|block| JournalEntry::Body(block.body.as_ref().clone())),
        );
        entries.extend(self.own_nullify.values().copied().map(JournalEntry::Vote));
        for state in self.views.values() {
            entries.extend(state.own.proposal.clone().map(JournalEntry::Proposal));
            let votes = [&state.own.notarize, &state.own.nullify, &state.own.finalize];
            entries.extend(votes.into_iter().flatten().copied().map(JournalEntry::Vote));
        }
        entries
    }
}
