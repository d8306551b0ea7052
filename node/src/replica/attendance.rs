//! What this node saw of every validator in an epoch: whether it voted, view by view. Each epoch's validators say that of one
//! another on chain, and who missed too many votes is set inactive by it (contract `staking`).
//!
//! A vote counts when it comes over its author's own authenticated connection, however late and whatever it decides. No signature
//! is checked for it: who would lie that it voted could as well vote.

use super::timing::{Speed, Timing};
use salus_consensus::message::{LIST_MAX, Message, Peer};
use salus_consensus::vote::Vote;
use salus_primitives::calls::{Observed, ObservedSeat};
use salus_primitives::ids::{Epoch, Seat, View};
use salus_primitives::validators::ValidatorSet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Counts in how many views of an epoch each seat voted, as far as this node saw.
#[derive(Debug)]
pub(super) struct Attendance {
    validators: Arc<ValidatorSet>,
    /// Its own seat, which is taken to have voted in every view.
    own: Option<Seat>,
    /// Whose votes were seen in the latest views.
    open: BTreeMap<View, BTreeSet<Seat>>,
    /// The views up to this one are counted.
    closed: View,
    /// How many of them were observed: the votes of a quorum were seen in them.
    views: u32,
    /// In how many of those each seat voted.
    votes: BTreeMap<Seat, u32>,
}

/// How many views behind the present one votes are waited for.
const BEHIND: u64 = 256;
/// How many views ahead of the present one votes are noted.
const AHEAD: u64 = 64;

impl Attendance {
    /// Nothing was seen yet of the epoch of these validators. `own` is this node's seat among them.
    pub(super) const fn new(validators: Arc<ValidatorSet>, own: Option<Seat>) -> Self {
        Self {
            validators,
            own,
            open: BTreeMap::new(),
            closed: View::ZERO,
            views: 0,
            votes: BTreeMap::new(),
        }
    }

    /// The epoch.
    pub(super) fn epoch(&self) -> Epoch {
        self.validators.epoch()
    }

    /// Notes a vote that came from a peer while this node was in view `present`. Whether it is of this epoch and came over its
    /// author's own connection.
    pub(super) fn note(&mut self, from: Peer, vote: &Vote, present: View) -> bool {
        let closed = View::new(present.get().saturating_sub(BEHIND));
        if closed > self.closed {
            self.close(closed);
        }
        let view = vote.statement.view();
        let authentic = vote.statement.epoch() == self.epoch()
            && self
                .validators
                .validator(vote.seat)
                .is_some_and(|validator| validator.network_key == from);
        let within = view > self.closed && view <= present.plus(AHEAD);
        if authentic && within {
            self.open.entry(view).or_default().insert(vote.seat);
        }
        authentic
    }

    /// What was seen and measured, when the epoch is over and nothing more is waited for.
    pub(super) fn into_observed(mut self, timing: &Timing) -> Observed {
        self.close(View::new(u64::MAX));
        let votes = |seat: &Seat| self.votes.get(seat).copied().unwrap_or(0);
        Observed {
            epoch: self.epoch(),
            views: self.views,
            seats: self
                .validators
                .seats()
                .map(|seat| {
                    let Speed {
                        response_us,
                        rate_kbps,
                    } = timing.speed(seat);
                    ObservedSeat {
                        votes: votes(&seat),
                        response_us,
                        rate_kbps,
                    }
                })
                .collect(),
        }
    }

    /// Counts the views up to this one. Those in which less than a quorum was seen say nothing: this node was away, or the
    /// view was given up before most were in it.
    fn close(&mut self, up_to: View) {
        let rest = self.open.split_off(&up_to.next());
        for (_, mut seen) in std::mem::replace(&mut self.open, rest) {
            seen.extend(self.own);
            let weight: u64 = seen.iter().map(|seat| self.validators.weight(*seat)).sum();
            if weight >= self.validators.quorum_weight() {
                self.views = self.views.saturating_add(1);
                for seat in seen {
                    let votes = self.votes.entry(seat).or_default();
                    *votes = votes.saturating_add(1);
                }
            }
        }
        self.closed = up_to;
    }
}

/// The votes of its sender that a message carries. None of a list longer than it may be.
pub(super) fn votes_of(message: &Message) -> &[Vote] {
    match message {
        Message::Proposal(proposal) => std::slice::from_ref(&proposal.vote),
        Message::Vote { vote, .. } => std::slice::from_ref(vote),
        Message::Certificates(_) => &[],
        Message::Status(status) if status.votes.len() > LIST_MAX => &[],
        Message::Status(status) => &status.votes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::certificate::Statement;
    use salus_primitives::crypto::sign::{PublicKey, Signature};
    use salus_primitives::ids::EntityId;
    use salus_primitives::validators::Validator;

    const EPOCH: Epoch = Epoch::new(3);

    fn peer(seat: u8) -> PublicKey {
        PublicKey([seat + 100; 32])
    }

    /// Four equal seats; this node holds the last.
    fn attendance() -> Attendance {
        let validators = (0..4)
            .map(|n| Validator {
                entity: EntityId([n; 32]),
                key: PublicKey([n; 32]),
                network_key: peer(n),
                weight: 1,
            })
            .collect();
        let validators = ValidatorSet::new(EPOCH, validators).expect("legal");
        Attendance::new(Arc::new(validators), Some(Seat::new(3)))
    }

    fn vote(seat: u8, epoch: Epoch, view: u64) -> Vote {
        Vote {
            seat: Seat::new(seat.into()),
            statement: Statement::Nullify {
                epoch,
                view: View::new(view),
            },
            signature: Signature([0; 64]),
        }
    }

    fn note(attendance: &mut Attendance, seat: u8, view: u64) {
        attendance.note(peer(seat), &vote(seat, EPOCH, view), View::new(view));
    }

    fn counts(attendance: Attendance) -> (u32, Vec<u32>) {
        let observed = attendance.into_observed(&Timing::default());
        (
            observed.views,
            observed.seats.iter().map(|seat| seat.votes).collect(),
        )
    }

    /// Of four, three are a quorum, this node among them.
    #[test]
    fn only_views_with_the_votes_of_a_quorum_count() {
        let mut attendance = attendance();
        for (view, seats) in [
            (1, vec![0, 1, 2]),
            (2, vec![0, 1]),
            (3, vec![0]),
            (4, vec![]),
        ] {
            for seat in seats {
                note(&mut attendance, seat, view);
                note(&mut attendance, seat, view);
            }
        }

        assert_eq!(counts(attendance), (2, vec![2, 2, 1, 2]));
    }

    /// Late by so many views, but over its author's connection: it counts. Over another's, of another epoch, too late or far
    /// ahead: it does not.
    #[test]
    fn a_late_vote_counts_and_another_peers_word_does_not() {
        let mut attendance = attendance();
        for view in 1..=300 {
            note(&mut attendance, 0, view);
            note(&mut attendance, 1, view);
        }
        let at = View::new(300);

        attendance.note(peer(2), &vote(2, EPOCH, 45), at);
        for (from, vote) in [
            (0, vote(2, EPOCH, 46)),
            (2, vote(2, EPOCH.next(), 47)),
            (2, vote(2, EPOCH, 44)),
            (2, vote(2, EPOCH, 365)),
            (2, vote(9, EPOCH, 48)),
        ] {
            attendance.note(peer(from), &vote, at);
        }

        assert_eq!(counts(attendance), (300, vec![300, 300, 1, 300]));
    }

    /// A peer that claims votes in every view there could be.
    #[test]
    fn claims_of_any_views_take_bounded_memory() {
        let mut attendance = attendance();
        for present in (0..100_000).step_by(1_000) {
            for view in (0..2_000).map(|n| n * 61) {
                attendance.note(peer(1), &vote(1, EPOCH, view), View::new(present));
            }
            for view in present..present + 2_000 {
                attendance.note(peer(1), &vote(1, EPOCH, view), View::new(present));
            }
            assert!(attendance.open.len() <= 320);
        }

        assert_eq!(counts(attendance), (0, vec![0; 4]));
    }
}
