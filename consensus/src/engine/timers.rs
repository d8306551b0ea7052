//! Rules 5 and 9: giving up, and saying again.

use super::{Engine, Wanted};
use crate::clock::{Monotonic, Now};
use crate::effect::{Effect, NullifyCause};
use crate::message::Message;
use crate::view::Verdict;
use salus_primitives::ids::View;

/// The proposal timer, in deltas.
const PROPOSAL_DELTAS: u64 = 2;
/// The progress timer, in deltas.
const PROGRESS_DELTAS: u64 = 3;
/// How old the oldest unfinalised view of a term may be, in deltas.
const FINALITY_DELTAS: u64 = 6;
/// How soon a proposal whose time lies ahead is looked at again, in milliseconds.
const CLOCK_RETRY_MS: u64 = 50;

impl Engine {
    pub(super) fn run_timers(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.fetch(now, effects);
        let Some(start) = self.active_since() else {
            return;
        };
        if let Some(cause) = self.reason_to_nullify(now, start) {
            self.nullify(cause, effects);
            // the own vote may have completed a nullification: `step` goes on in the next term
            self.advance(now);
        }
        self.resend(now, effects);
    }

    /// Rule 1: when the timers of this view started: on entering, or when there first was something to do.
    fn active_since(&self) -> Option<Monotonic> {
        let entered = self.views.get(&self.view)?.entered_at?;
        self.work_since.map(|since| since.max(entered))
    }

    /// Rule 5.
    fn reason_to_nullify(&self, now: Now, start: Monotonic) -> Option<NullifyCause> {
        let state = self.views.get(&self.view)?;
        if state.own.nullify.is_some() {
            return None;
        }
        let delta = self.delta();
        let elapsed = now.monotonic.millis_since(start);
        let manager = self.manager_of(self.view);
        let is_own = self
            .config
            .voter
            .as_ref()
            .is_some_and(|voter| voter.seat == manager);
        let skip_after = self.timing().skip_after;
        if state.equivocated {
            return Some(NullifyCause::Equivocation);
        }
        if state.verdict() == Some(Verdict::Invalid) {
            return Some(NullifyCause::InvalidProposal);
        }
        if !is_own
            && skip_after > 0
            && state.proposal.is_none()
            && self
                .silences
                .get(&manager)
                .is_some_and(|silence| silence.terms >= skip_after)
        {
            return Some(NullifyCause::SilentManager);
        }
        if state.own.notarize.is_none() && elapsed >= delta.saturating_mul(PROPOSAL_DELTAS) {
            return Some(NullifyCause::NoProposal);
        }
        if elapsed >= delta.saturating_mul(PROGRESS_DELTAS) {
            return Some(NullifyCause::NoProgress);
        }
        let lag = self.oldest_unfinalized()?;
        (now.monotonic.millis_since(lag) >= delta.saturating_mul(FINALITY_DELTAS))
            .then_some(NullifyCause::FinalityLag)
    }

    /// When this node entered the oldest view of this term whose notarised block is not final.
    fn oldest_unfinalized(&self) -> Option<Monotonic> {
        let first = self.timing().first_view(self.timing().term(self.view));
        let first = first.max(self.last_final.view.next());
        self.views
            .range(first..self.view.max(first))
            .find_map(|(_, state)| state.entered_at)
    }

    /// Rule 9: says again what it said in this view, every delta.
    fn resend(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if now.monotonic.millis_since(self.resent_at) < self.delta() {
            return;
        }
        self.resent_at = now.monotonic;
        effects.push(Effect::Broadcast(self.status()));
        effects.extend(self.own_proposal().map(Effect::Broadcast));
    }

    /// This node's proposal of the present view, as long as it is not notarised.
    pub(super) fn own_proposal(&self) -> Option<Message> {
        let state = self.views.get(&self.view)?;
        state.own.proposal.clone().map(Message::Proposal)
    }

    /// When `Input::Tick` is wanted next; `None` while nothing can happen by itself.
    #[must_use]
    pub fn wakeup(&self, now: Now) -> Option<Monotonic> {
        let mut wakeup = self.wanted.values().min().copied();
        let mut at = |time: Monotonic| {
            wakeup = Some(wakeup.map_or(time, |earlier: Monotonic| earlier.min(time)));
        };
        let delta = self.delta();
        if self.config.voter.is_some() && !self.diverged && !self.is_finished() {
            if self.work_since.is_none() {
                at(self.tip_since.plus_millis(self.timing().heartbeat_ms));
            }
            let state = self.views.get(&self.view);
            if let (Some(start), Some(state)) = (self.active_since(), state)
                && state.own.nullify.is_none()
                && self.may_nullify(self.view)
            {
                if state.own.notarize.is_none() {
                    at(start.plus_millis(delta.saturating_mul(PROPOSAL_DELTAS)));
                }
                at(start.plus_millis(delta.saturating_mul(PROGRESS_DELTAS)));
                if let Some(lag) = self.oldest_unfinalized() {
                    at(lag.plus_millis(delta.saturating_mul(FINALITY_DELTAS)));
                }
                if state.verdict() == Some(Verdict::Undecided) {
                    at(now.monotonic.plus_millis(CLOCK_RETRY_MS));
                }
            }
        }
        if self.work_since.is_some() {
            at(self.resent_at.plus_millis(delta));
        }
        // never in the past: what is due has been done by the last `handle`, or cannot be done now
        wakeup.map(|time| time.max(now.monotonic.plus_millis(1)))
    }

    /// What the node is waiting for, for operators.
    #[must_use]
    pub fn is_waiting_for_bodies(&self) -> bool {
        self.wanted
            .keys()
            .any(|wanted| matches!(wanted, Wanted::Body(_) | Wanted::Range))
    }

    /// Whether this node manages the view it is in.
    #[must_use]
    pub fn is_manager(&self) -> bool {
        self.config
            .voter
            .as_ref()
            .is_some_and(|voter| voter.seat == self.manager_of(self.view))
    }

    /// Views since the last final one, for operators.
    #[must_use]
    pub const fn lag(&self) -> u64 {
        self.view.since(View::new(self.last_final.view.get()))
    }
}
