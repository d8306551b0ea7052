//! The engine: one epoch, `handle(now, input, &mut effects)`, no I/O.
//!
//! [`Engine::handle`] takes in one input and then steps until nothing more follows from it: enter views, vote,
//! finalise, propose, run timers. The submodules hold one group of rules each.

use crate::clock::{Monotonic, Now};
use crate::config::{Config, Roots, Timing};
use crate::effect::Effect;
use crate::input::Input;
use crate::message::{Message, Peer, Position, Status};
use crate::schedule::Schedule;
use crate::view::ViewState;
use crate::vote::Vote;
use crate::witness::Witness;
use salus_primitives::block::{Block, Header};
use salus_primitives::certificate::{Certificate, Statement, VerifiedCertificate};
use salus_primitives::ids::{BlockId, Epoch, Height, Seat, Term, View};
use std::collections::BTreeMap;
use std::sync::Arc;

mod absorb;
mod finalize;
mod kept;
mod late;
mod notarize;
mod propose;
mod restore;
mod standing;
mod timers;

pub use kept::Kept;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tests_support;

/// The protocol state of one node in one epoch.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    schedule: Schedule,
    /// The view this node is in.
    view: View,
    /// How it entered that view; `None` in the first view of the epoch and right after a restart on a final block.
    entry: Option<VerifiedCertificate>,
    /// Whether the entry certificate is in the journal.
    entry_persisted: bool,
    /// The view a block was asked for and has not come yet.
    building: Option<View>,
    views: BTreeMap<View, ViewState>,
    /// The nullification of each term that covers most of it.
    nullifications: BTreeMap<Term, VerifiedCertificate>,
    /// This node's first nullify vote of each term (rule 6).
    own_nullify: BTreeMap<Term, Vote>,
    /// Blocks above the last final one whose bodies are here.
    blocks: BTreeMap<BlockId, BlockState>,
    /// The last final block.
    last_final: FinalBlock,
    /// Finalisations whose blocks are not all here and executed, by view.
    finalizations: BTreeMap<View, VerifiedCertificate>,
    /// The end of a range whose last block has no finalisation of its own, until it is executed (rule 10).
    range_end: Option<RangeEnd>,
    failed_terms: u32,
    /// Managers that were silent in their last terms (rule 5).
    silences: BTreeMap<Seat, Silence>,
    pending: bool,
    /// Since when there is something to do.
    work_since: Option<Monotonic>,
    /// Since when the tip is what it is, for the heartbeat.
    tip_since: Monotonic,
    tip: BlockId,
    resent_at: Monotonic,
    helped: BTreeMap<Peer, Monotonic>,
    /// What was asked of peers, and when to ask (again).
    wanted: BTreeMap<Wanted, Monotonic>,
    /// The first view certificates are wanted for.
    certificates_from: View,
    /// When certificates were last asked for, and from which view on.
    certificates_asked: Option<(Monotonic, View)>,
    diverged: bool,
    /// The votes of the views around the last final one, for evidence.
    witness: Witness,
}

/// A block above the last final one.
#[derive(Clone, Debug)]
struct BlockState {
    body: Arc<Block>,
    /// Whether it may be executed: found valid, notarised, or an ancestor of such.
    trusted: bool,
    /// Whether it came as one of a range (rule 10): then this node was far behind, and nobody waits for its vote.
    ranged: bool,
    execution_requested: bool,
    roots: Option<Roots>,
}

/// Terms in a row in which a manager was silent, and the last of them.
#[derive(Clone, Copy, Debug)]
struct Silence {
    terms: u64,
    last: Term,
}

#[derive(Clone, Debug)]
struct FinalBlock {
    id: BlockId,
    header: Header,
    view: View,
    roots: Roots,
    certificate: Option<VerifiedCertificate>,
}

/// A final block, and what finalises a descendant of it.
#[derive(Clone, Debug)]
struct RangeEnd {
    block: BlockId,
    finalization: VerifiedCertificate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Body(BlockId),
    Certificates,
    Range,
}

/// How many views ahead of its own a node keeps votes and proposals for. Beyond it relies on rule 9.
const LOOKAHEAD: u64 = 64;
/// How many views ahead it keeps proposals for: bodies are large, and a manager sends them again every delta.
const PROPOSALS_AHEAD: u64 = 8;
/// How many views behind the last final one votes are still looked at for contradictions: a double voter's other vote may come late.
const WATCHED_PAST: u64 = 16;
/// How many finalisations wait for their blocks at most.
const FINALIZATIONS_MAX: usize = 16;
/// Most peers remembered for limiting help.
const HELPED_MAX: usize = 4_096;

impl Engine {
    /// Takes in one input and appends what must be done, in order.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Message { from, message } => self.absorb_message(now, from, message, effects),
            Input::Connected(peer) => effects.push(Effect::Send(peer, self.status())),
            Input::Tick => {}
            Input::Pending(pending) => self.pending = pending,
            Input::Built { view, block } => self.on_built(view, block, effects),
            Input::Checked { block, valid } => self.on_checked(block, valid, effects),
            Input::Executed { block, roots } => self.on_executed(block, roots),
            Input::Bodies(bodies) => self.on_bodies(bodies),
            Input::Range {
                blocks,
                finalization,
            } => self.on_range(blocks, finalization, effects),
        }
        self.step(now, effects);
    }

    /// What follows from the present state, until nothing does.
    fn step(&mut self, now: Now, effects: &mut Vec<Effect>) {
        loop {
            let before = (self.view, self.last_final.id);
            self.advance(now);
            self.request_bodies(now);
            self.request_executions(effects);
            self.check_divergence(effects);
            self.consider_late(now, effects);
            self.vote_finalize(effects);
            self.apply_finalizations(now, effects);
            self.consider_proposal(now, effects);
            self.update_work(now);
            if before != (self.view, self.last_final.id) {
                continue;
            }
            if self.is_finished() {
                return;
            }
            self.request_executions(effects);
            self.try_propose(now, effects);
            self.run_timers(now, effects);
            if before == (self.view, self.last_final.id) {
                break;
            }
        }
    }

    /// Rule 1: enters the latest view that a certificate leads to, always forward.
    fn advance(&mut self, now: Now) {
        let notarized = self
            .views
            .iter()
            .rev()
            .find_map(|(view, state)| Some((view.next(), state.notarization.clone()?)));
        let nullified = self
            .nullifications
            .last_key_value()
            .map(|(term, certificate)| {
                (self.timing().first_view(term.next()), certificate.clone())
            });
        let finalized = self
            .finalizations
            .last_key_value()
            .map(|(view, certificate)| (view.next(), certificate.clone()));
        let best = [notarized, nullified, finalized]
            .into_iter()
            .flatten()
            .max_by_key(|(view, _)| *view);
        match best {
            Some((view, certificate)) if view > self.view => {
                self.enter(now, view, Some(certificate));
            }
            _ => {}
        }
        if self.last_final.view >= self.view {
            let entry = self.last_final.certificate.clone();
            self.enter(now, self.last_final.view.next(), entry);
        }
    }

    /// Rule 1: `entry` is the certificate that led here.
    fn enter(&mut self, now: Now, view: View, entry: Option<VerifiedCertificate>) {
        if self.work_since.is_none() {
            // nothing was due in the view that is left: its age says nothing about finality (rule 5)
            self.state(self.view).entered_at = Some(now.monotonic);
        }
        self.view = view;
        self.entry = entry;
        self.entry_persisted = false;
        self.building = None;
        self.wanted.remove(&Wanted::Certificates);
        self.resent_at = now.monotonic;
        if self.work_since.is_some() {
            self.work_since = Some(now.monotonic);
        }
        self.state(view).entered_at = Some(now.monotonic);
    }

    /// Whether there is something to do (rule 1), and since when.
    fn update_work(&mut self, now: Now) {
        let tip = self.tip();
        if tip != self.tip {
            self.tip = tip;
            self.tip_since = now.monotonic;
        }
        let voted = self
            .views
            .get(&self.view)
            .is_some_and(|state| state.own.notarize.is_some() || state.proposal.is_some());
        let work = !self.is_finished()
            && (self.pending
                || voted
                || self.tip != self.last_final.id
                || self.receipts_unproven()
                || self.heartbeat_due(now));
        self.work_since = match (work, self.work_since) {
            (false, _) => None,
            (true, None) => {
                self.state(self.view).entered_at = Some(now.monotonic);
                self.resent_at = now.monotonic;
                Some(now.monotonic)
            }
            (true, since) => since,
        };
    }

    /// Rule 1: the highest notarised block: the block of the latest notarised view above the last final block, or that block.
    fn tip(&self) -> BlockId {
        self.views
            .values()
            .rev()
            .find_map(|state| state.notarization.as_ref()?.statement().block())
            .unwrap_or(self.last_final.id)
    }

    /// Rule 1: whether the tip has transactions whose receipts no header commits to yet.
    fn receipts_unproven(&self) -> bool {
        self.header(&self.tip)
            .is_some_and(|header| header.transaction_count > 0)
    }

    /// Rule 1.
    fn heartbeat_due(&self, now: Now) -> bool {
        now.monotonic.millis_since(self.tip_since) >= self.timing().heartbeat_ms
    }

    fn state(&mut self, view: View) -> &mut ViewState {
        self.views.entry(view).or_default()
    }

    const fn timing(&self) -> Timing {
        self.config.timing
    }

    fn delta(&self) -> u64 {
        self.timing().delta(self.failed_terms)
    }

    /// The header of a block above the last final one, or of that.
    fn header(&self, id: &BlockId) -> Option<&Header> {
        if *id == self.last_final.id {
            return Some(&self.last_final.header);
        }
        self.blocks.get(id).map(|block| &block.body.header)
    }

    /// The roots after a block, if it has been executed.
    fn roots(&self, id: &BlockId) -> Option<Roots> {
        if *id == self.last_final.id {
            return Some(self.last_final.roots);
        }
        self.blocks.get(id).and_then(|block| block.roots)
    }

    /// The last final block as the next epoch's base: there, views count anew (E4).
    #[must_use]
    pub fn next_base(&self) -> crate::config::Base {
        crate::config::Base {
            id: self.last_final.id,
            header: self.last_final.header.clone(),
            view: View::ZERO,
            roots: self.last_final.roots,
        }
    }

    /// Whether the epoch's last block is final: this engine has nothing left to decide (E4).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.last_final.header.height >= self.config.boundary
    }

    /// The manager of a view.
    #[must_use]
    pub fn manager_of(&self, view: View) -> Seat {
        self.schedule.manager(self.timing().term(view))
    }

    /// The view this node is in.
    #[must_use]
    pub const fn view(&self) -> View {
        self.view
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.config.validators.epoch()
    }

    /// The height of the last final block.
    #[must_use]
    pub const fn final_height(&self) -> Height {
        self.last_final.header.height
    }

    /// The height of the highest notarised block whose body is here.
    #[must_use]
    pub fn head_height(&self) -> Height {
        self.header(&self.tip)
            .map_or(self.last_final.header.height, |header| header.height)
    }

    /// The time of that block.
    #[must_use]
    pub fn head_time(&self) -> salus_primitives::time::Timestamp {
        self.header(&self.tip)
            .map_or(self.last_final.header.time, |header| header.time)
    }

    /// Whether blocks are final that this node does not have yet.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.finalizations
            .values()
            .filter_map(|certificate| certificate.statement().block())
            .any(|block| !self.blocks.contains_key(&block))
            || self.wanted.contains_key(&Wanted::Range)
    }

    /// Whether this node has stopped voting because a quorum holds other roots (rule 11).
    #[must_use]
    pub const fn has_diverged(&self) -> bool {
        self.diverged
    }

    /// The body of a block that is not final yet, for peers that miss it (rule 3).
    #[must_use]
    pub fn body(&self, id: &BlockId) -> Option<&Arc<Block>> {
        self.blocks.get(id).map(|block| &block.body)
    }

    /// The transactions' blocks from the last final block's child to `tip`, ascending; `None` if one is missing.
    #[must_use]
    pub fn branch(&self, tip: &BlockId) -> Option<Vec<(BlockId, Arc<Block>)>> {
        let mut branch = Vec::new();
        let mut id = *tip;
        while id != self.last_final.id {
            let block = &self.blocks.get(&id)?.body;
            if block.header.height <= self.last_final.header.height {
                return None;
            }
            branch.push((id, Arc::clone(block)));
            id = block.header.parent;
        }
        branch.reverse();
        Some(branch)
    }

    /// Blocks on their way to finality: the tip, and the present view's proposal unless it is invalid.
    #[must_use]
    pub fn live_tips(&self) -> Vec<BlockId> {
        let proposed = self
            .views
            .get(&self.view)
            .filter(|state| state.own.nullify.is_none())
            .and_then(|state| state.proposal.as_ref())
            .filter(|candidate| candidate.verdict != crate::view::Verdict::Invalid)
            .map(|candidate| candidate.proposal.id);
        let mut tips = vec![self.tip()];
        tips.extend(proposed);
        tips
    }

    /// The id of the last final block.
    #[must_use]
    pub const fn final_id(&self) -> BlockId {
        self.last_final.id
    }

    /// Whether a certificate with this statement would tell nothing new, so that its signatures need not be checked.
    #[must_use]
    pub fn knows(&self, statement: &Statement) -> bool {
        if statement.view() <= self.last_final.view {
            return true;
        }
        match statement {
            Statement::Notarize { view, .. } => self
                .views
                .get(view)
                .is_some_and(|state| state.notarization.is_some()),
            Statement::Finalize { view, .. } => self.finalizations.contains_key(view),
            Statement::Nullify { view, .. } => self
                .nullifications
                .get(&self.timing().term(*view))
                .is_some_and(|known| known.view() <= *view),
        }
    }

    /// Rule 9: what a peer needs to account for the views after `from`: finalisations, then nullifications and notarisations in
    /// the order of their views, so that a peer that asks again from its first gap comes to an end.
    #[must_use]
    pub fn certificates_from(&self, from: View) -> Vec<Certificate> {
        let term = self.timing().term(from);
        let mut steps: Vec<&VerifiedCertificate> = self
            .nullifications
            .range(term..)
            .map(|(_, nullification)| nullification)
            .chain(
                self.views
                    .range(from..)
                    .filter_map(|(_, state)| state.notarization.as_ref()),
            )
            .collect();
        steps.sort_by_key(|certificate| certificate.view());
        self.last_final
            .certificate
            .iter()
            .chain(self.finalizations.values())
            .chain(steps)
            .take(crate::message::LIST_MAX)
            .map(|certificate| certificate.certificate().clone())
            .collect()
    }

    /// Rule 9: position, own votes that may still count, entry certificate.
    #[must_use]
    pub fn status(&self) -> Message {
        let current = self.views.get(&self.view).map(|state| &state.own);
        let votes = current
            .into_iter()
            .flat_map(|own| own.notarize.iter().chain(&own.nullify))
            .chain(
                self.views
                    .values()
                    .rev()
                    .filter_map(|state| state.own.finalize.as_ref())
                    .take(8),
            )
            .copied()
            .collect();
        Message::Status(Status {
            epoch: self.epoch(),
            view: self.view,
            final_view: self.last_final.view,
            final_height: self.last_final.header.height,
            votes,
            entry: self.entry.as_ref().map(|entry| entry.certificate().clone()),
        })
    }

    /// Sends a peer that is behind what moves it on (rule 9), at most once in half a delta.
    fn help(&mut self, now: Now, peer: Peer, position: Position, effects: &mut Vec<Effect>) {
        let behind = position.final_view < self.last_final.view || position.view < self.view;
        let recently = self
            .helped
            .get(&peer)
            .is_some_and(|at| now.monotonic.millis_since(*at) < self.timing().delta_ms / 2);
        if !behind || recently {
            return;
        }
        if self.helped.len() >= HELPED_MAX {
            self.helped.clear();
        }
        self.helped.insert(peer, now.monotonic);
        let mut certificates = Vec::new();
        if position.final_view < self.last_final.view {
            certificates.extend(self.last_final.certificate.as_ref());
        }
        if position.view < self.view {
            certificates.extend(self.entry.as_ref());
        }
        certificates.dedup();
        let certificates: Vec<Certificate> = certificates
            .into_iter()
            .map(|certificate| certificate.certificate().clone())
            .collect();
        if !certificates.is_empty() {
            effects.push(Effect::Send(peer, Message::Certificates(certificates)));
        }
    }
}
