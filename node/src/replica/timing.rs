//! How long validators take to answer this node's own proposals, and how fast they take in large ones. Each validator says that of
//! the others on chain, once an epoch; the lanes of later epochs follow from it (contract `blockcfg`).
//!
//! An answer is a seat's first notarise vote for the proposed block over the seat's own connection. What lies between proposal and
//! answer is all that the next block will wait for: the way there, receiving, checking, storing and voting, and the way back. This
//! node's own writing of the proposal to its journal lies in it too, alike for every seat.
//!
//! Small proposals give the response. Large ones give the rate: their bytes over the time beyond the response, which is taken to be at
//! least half of the time. Proposals between the
//! two say too little of either. Where all of a node's proposals of an epoch were large, it knows no response, and says nothing.
//!
//! Who is slower than a quorum votes late (`docs/protocol.md`, rule 4), and that is how slow it is. A small proposal that others answered and a
//! seat did not counts as answered as late as can be: who is dead never votes, and may look neither as fast as its few quick answers nor as
//! what was assumed.
//!
//! So a seat cannot look faster than the way to it and back, as its vote names the block. Nor has it reason to look slower than it is: it
//! can be slow.

use salus_consensus::clock::Monotonic;
use salus_consensus::proposal::Proposal;
use salus_consensus::vote::Vote;
use salus_primitives::certificate::Statement;
use salus_primitives::codec;
use salus_primitives::ids::{BlockId, Seat};
use salus_primitives::lanes::{RATE_KBPS_MAX, RESPONSE_US_MAX};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What this node measured of each seat in an epoch.
#[derive(Debug, Default)]
pub(super) struct Timing {
    /// Its latest proposals, oldest first.
    proposed: VecDeque<Proposed>,
    answers: BTreeMap<Seat, Answers>,
}

#[derive(Debug)]
struct Proposed {
    block: BlockId,
    at: Monotonic,
    bytes: usize,
    answered: BTreeSet<Seat>,
}

/// The latest answers of a seat.
#[derive(Debug, Default)]
struct Answers {
    /// Microseconds to small proposals.
    small: VecDeque<u64>,
    /// Bytes of large proposals, and microseconds to them.
    large: VecDeque<(u64, u64)>,
}

/// What this node measured of a seat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Speed {
    /// The median response in microseconds.
    pub(super) response_us: Option<u32>,
    /// The median rate in kilobits a second.
    pub(super) rate_kbps: Option<u32>,
}

/// Proposals of at most so many bytes give a response.
const SMALL_BYTES: usize = 8 * 1024;
/// Proposals of at least so many bytes give a rate.
const LARGE_BYTES: usize = 32 * 1024;
/// How many of its latest proposals a node waits for answers to.
const PROPOSED_KEPT: usize = 64;
/// How many answers of a seat are kept of either kind: the latest say most of the epochs to come.
const ANSWERS_KEPT: usize = 64;

impl Timing {
    /// This node sends a proposal. Only the first time counts: who has it already answers sooner.
    pub(super) fn propose(&mut self, now: Monotonic, proposal: &Proposal) {
        let Statement::Notarize { block, .. } = proposal.vote.statement else {
            return;
        };
        if self.proposed.iter().any(|earlier| earlier.block == block) {
            return;
        }
        let bytes = codec::encode(&proposal.block).len();
        self.note(now, block, bytes);
    }

    fn note(&mut self, at: Monotonic, block: BlockId, bytes: usize) {
        keep(
            &mut self.proposed,
            PROPOSED_KEPT,
            Proposed {
                block,
                at,
                bytes,
                answered: BTreeSet::new(),
            },
        );
    }

    /// A seat's vote came over its own connection.
    pub(super) fn answer(&mut self, now: Monotonic, vote: &Vote) {
        let Statement::Notarize { block, .. } = vote.statement else {
            return;
        };
        let mut proposed = self.proposed.iter_mut();
        let Some(proposed) = proposed.find(|proposed| proposed.block == block) else {
            return;
        };
        if !proposed.answered.insert(vote.seat) {
            return;
        }
        let elapsed = now.micros_since(proposed.at).max(1);
        let answers = self.answers.entry(vote.seat).or_default();
        if proposed.bytes <= SMALL_BYTES {
            keep(&mut answers.small, ANSWERS_KEPT, elapsed);
        } else if proposed.bytes >= LARGE_BYTES {
            let bytes = u64::try_from(proposed.bytes).unwrap_or(u64::MAX);
            keep(&mut answers.large, ANSWERS_KEPT, (bytes, elapsed));
        }
    }

    /// What is to be said of a seat.
    pub(super) fn speed(&self, seat: Seat) -> Speed {
        let none = Answers::default();
        let answers = self.answers.get(&seat).unwrap_or(&none);
        let missed = self.proposed.iter().filter(|proposed| {
            let by_others = !proposed.answered.is_empty();
            proposed.bytes <= SMALL_BYTES && by_others && !proposed.answered.contains(&seat)
        });
        let missed = missed.map(|_| u64::from(RESPONSE_US_MAX));
        let response = median(answers.small.iter().copied().chain(missed));
        let rate = response.and_then(|response| {
            median(answers.large.iter().map(|(bytes, elapsed)| {
                // bits in a microsecond are megabits in a second
                let kilobits = bytes.saturating_mul(8_000);
                // under load the response holds waits that this proposal did not have
                let beyond = elapsed.saturating_sub(response.min(elapsed / 2));
                kilobits / beyond.max(1)
            }))
        });
        Speed {
            response_us: response.map(|us| within(us, RESPONSE_US_MAX)),
            rate_kbps: rate.map(|kbps| within(kbps, RATE_KBPS_MAX)),
        }
    }
}

fn keep<T>(kept: &mut VecDeque<T>, most: usize, latest: T) {
    if kept.len() == most {
        kept.pop_front();
    }
    kept.push_back(latest);
}

/// The lower of the middle ones.
fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

fn within(value: u64, most: u32) -> u32 {
    u32::try_from(value).unwrap_or(most).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::crypto::sign::Signature;
    use salus_primitives::ids::{Epoch, View};

    const NEAR: Seat = Seat::new(1);
    const FAR: Seat = Seat::new(2);

    fn at(us: u64) -> Monotonic {
        Monotonic::from_micros(us)
    }

    fn block(n: u64) -> BlockId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_le_bytes());
        BlockId(id)
    }

    fn vote(seat: Seat, n: u64) -> Vote {
        Vote {
            seat,
            statement: Statement::Notarize {
                epoch: Epoch::new(1),
                view: View::new(n),
                block: block(n),
            },
            signature: Signature([0; 64]),
        }
    }

    /// Proposal `n` goes out at `n` seconds, and these answer so many microseconds later.
    fn proposal(timing: &mut Timing, n: u64, bytes: usize, answers: &[(Seat, u64)]) {
        let sent = n * 1_000_000;
        timing.note(at(sent), block(n), bytes);
        for (seat, after) in answers {
            timing.answer(at(sent + after), &vote(*seat, n));
        }
    }

    #[test]
    fn the_response_is_the_median_of_answers_to_small_proposals() {
        let mut timing = Timing::default();
        for (n, near, far) in [(1, 500, 90_000), (2, 700, 80_000), (3, 90_000, 85_000)] {
            proposal(&mut timing, n, 900, &[(NEAR, near), (FAR, far)]);
        }
        // neither small nor large
        proposal(&mut timing, 4, 9_000, &[(NEAR, 1), (FAR, 1)]);

        assert_eq!(timing.speed(NEAR).response_us, Some(700));
        assert_eq!(timing.speed(FAR).response_us, Some(85_000));
        assert_eq!(timing.speed(FAR).rate_kbps, None);
    }

    /// A node whose votes are lost, or that gives up most views, answers only now and then; one that is dead never votes.
    #[test]
    fn who_mostly_does_not_answer_is_taken_to_be_as_slow_as_can_be() {
        let mut timing = Timing::default();
        proposal(&mut timing, 1, 900, &[(NEAR, 500), (FAR, 600)]);
        proposal(&mut timing, 2, 900, &[(NEAR, 500), (FAR, 600)]);
        for n in 3..=5 {
            proposal(&mut timing, n, 900, &[(NEAR, 500)]);
        }
        // nobody answered: it may not have reached anyone
        for n in 6..=30 {
            proposal(&mut timing, n, 900, &[]);
        }

        assert_eq!(timing.speed(NEAR).response_us, Some(500));
        for seat in [FAR, Seat::new(3)] {
            assert_eq!(timing.speed(seat).response_us, Some(RESPONSE_US_MAX));
        }
    }

    /// 100 kB in 20 ms beyond the response are 40 Mbit/s.
    #[test]
    fn the_rate_is_bytes_over_the_time_beyond_the_response() {
        let mut timing = Timing::default();
        proposal(&mut timing, 1, 100_000, &[(NEAR, 25_000), (FAR, 25_000)]);
        assert_eq!(timing.speed(NEAR).rate_kbps, None, "no response is known");
        proposal(&mut timing, 2, 900, &[(NEAR, 5_000), (FAR, 30_000)]);

        assert_eq!(timing.speed(NEAR).rate_kbps, Some(40_000));
        // it was faster than its own response, which held a wait: half of its time was the way
        assert_eq!(timing.speed(FAR).rate_kbps, Some(64_000));
    }

    /// Votes are sent again, for other blocks, and long after.
    #[test]
    fn only_the_first_vote_for_an_own_proposal_is_an_answer() {
        let mut timing = Timing::default();
        proposal(&mut timing, 1, 900, &[(NEAR, 400), (NEAR, 250_000)]);
        timing.answer(at(5), &vote(NEAR, 77));

        assert_eq!(timing.answers[&NEAR].small, [400]);
        for n in 2..=65 {
            proposal(&mut timing, n, 900, &[]);
        }
        timing.answer(at(70_000_000), &vote(FAR, 1));
        assert_eq!(timing.speed(FAR), Speed::default(), "given up");
        timing.answer(at(70_000_000), &vote(FAR, 2));
        assert_eq!(timing.speed(FAR).response_us, Some(RESPONSE_US_MAX));
    }

    /// An epoch of any length takes no more than the latest of it.
    #[test]
    fn the_latest_answers_are_kept_and_no_more() {
        let mut timing = Timing::default();
        for n in 1..=1_000 {
            proposal(&mut timing, n, 900, &[(NEAR, n)]);
            proposal(&mut timing, n + 1_000, 40_000, &[(NEAR, n)]);
        }

        assert_eq!(timing.proposed.len(), PROPOSED_KEPT);
        let answers = &timing.answers[&NEAR];
        assert_eq!((answers.small.len(), answers.large.len()), (64, 64));
        assert_eq!(timing.speed(NEAR).response_us, Some(937 + 31));
    }
}
