//! Notices when a seat contradicts itself, from the votes that were seen of it: its own, and those in certificates.
//!
//! Two votes that no honest validator signs both are evidence
//! ([`salus_primitives::evidence`]): two notarise or two finalise votes in one view, and a finalise vote in a view that was given up by a
//! nullify vote in it or before it in its term (rule 6). A second proposal is its manager's second notarise vote.

use crate::config::Timing;
use crate::vote::{VerifiedVote, Vote};
use salus_primitives::certificate::Statement;
use salus_primitives::ids::{Seat, Term, View};
use std::collections::{BTreeMap, BTreeSet};

/// Each seat's first vote of each kind in the views that are remembered.
#[derive(Clone, Debug)]
pub struct Witness {
    timing: Timing,
    said: BTreeMap<View, BTreeMap<Seat, Said>>,
    /// Of whom, and of which term, a contradiction has been told.
    told: BTreeSet<(Term, Seat)>,
}

/// What a seat said first in a view.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    notarize: Option<Vote>,
    finalize: Option<Vote>,
    nullify: Option<Vote>,
}

/// Two votes of one seat that exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The one that was seen first.
    pub first: Vote,
    /// The other.
    pub second: Vote,
}

impl Witness {
    /// Remembers nothing yet. What contradicts what depends on the tenure.
    #[must_use]
    pub const fn new(timing: Timing) -> Self {
        Self {
            timing,
            said: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    /// Whether a seat's statement would be news of a contradiction, if it is the seat's: its signature is worth checking.
    #[must_use]
    pub fn is_news(&self, seat: Seat, statement: &Statement) -> bool {
        let term = self.timing.term(statement.view());
        !self.told.contains(&(term, seat)) && self.against(seat, statement).is_some()
    }

    /// Takes in a vote. Tells of the first contradiction of its author in its term, and of no other: one is enough, and its
    /// author may say it again as often as it likes.
    pub fn see(&mut self, vote: &VerifiedVote) -> Option<Contradiction> {
        let (seat, statement) = (vote.seat(), vote.statement());
        let against = self.against(seat, statement);
        let said = self.said.entry(statement.view()).or_default();
        let said = said.entry(seat).or_default();
        let kind = match statement {
            Statement::Notarize { .. } => &mut said.notarize,
            Statement::Finalize { .. } => &mut said.finalize,
            Statement::Nullify { .. } => &mut said.nullify,
        };
        kind.get_or_insert(*vote.vote());
        let first = against?;
        let term = self.timing.term(statement.view());
        self.told.insert((term, seat)).then_some(Contradiction {
            first,
            second: *vote.vote(),
        })
    }

    /// A vote of the seat that was seen and excludes the statement.
    fn against(&self, seat: Seat, statement: &Statement) -> Option<Vote> {
        let view = statement.view();
        let term = self.timing.term(view);
        let of = |said: &BTreeMap<Seat, Said>| said.get(&seat).copied();
        match statement {
            Statement::Notarize { .. } => {
                let said = self.said.get(&view).and_then(of)?;
                said.notarize.filter(|vote| vote.statement != *statement)
            }
            Statement::Finalize { .. } => {
                let twice = self
                    .said
                    .get(&view)
                    .and_then(of)
                    .and_then(|said| said.finalize)
                    .filter(|vote| vote.statement != *statement);
                let given_up = || {
                    // a vote of view 0, which there is none of, comes from a liar
                    let first = self.timing.first_view(term).min(view);
                    let mut before = self.said.range(first..=view);
                    before.find_map(|(_, said)| of(said)?.nullify)
                };
                twice.or_else(given_up)
            }
            Statement::Nullify { .. } => {
                let next = self.timing.first_view(term.next());
                let mut after = self.said.range(view..next.max(view));
                after.find_map(|(_, said)| of(said)?.finalize)
            }
        }
    }

    /// Forgets the views before this one.
    pub fn forget_before(&mut self, view: View) {
        self.said = self.said.split_off(&view);
        self.told = self.told.split_off(&(self.timing.term(view), Seat::new(0)));
    }

    /// How many views are remembered.
    #[must_use]
    pub fn views(&self) -> usize {
        self.said.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests_support::{
        GENESIS, TIMING, finalizes, keys, notarizes, nullifies, set, signed,
    };
    use rand_chacha::ChaCha20Rng;
    use rand_core::{Rng, SeedableRng};
    use salus_primitives::evidence::{Evidence, OffenceKind};
    use salus_primitives::ids::BlockId;
    use salus_primitives::signed::Signed;

    const A: BlockId = BlockId([1; 32]);
    const B: BlockId = BlockId([2; 32]);

    fn evidence(contradiction: &Contradiction) -> Evidence {
        let [one, other] = [contradiction.first, contradiction.second].map(|vote| Signed {
            body: vote.statement,
            signature: vote.signature,
        });
        Evidence::new(contradiction.first.seat, one, other)
    }

    /// Terms of four views: 1 to 4, 5 to 8. Whichever of two votes comes first.
    #[test]
    fn every_contradiction_is_noticed_and_nothing_else() {
        use OffenceKind::{DoubleFinalize, DoubleNotarize, FinalizeAndNullify};
        for (one, other, expected) in [
            (notarizes(3, A), notarizes(3, B), Some(DoubleNotarize)),
            (notarizes(3, A), notarizes(3, A), None),
            (notarizes(3, A), notarizes(4, B), None),
            (finalizes(3, A), finalizes(3, B), Some(DoubleFinalize)),
            (finalizes(3, A), finalizes(4, B), None),
            (finalizes(3, A), notarizes(3, B), None),
            (finalizes(3, A), nullifies(3), Some(FinalizeAndNullify)),
            (finalizes(4, A), nullifies(1), Some(FinalizeAndNullify)),
            (finalizes(3, A), nullifies(4), None),
            (finalizes(5, A), nullifies(4), None),
            (finalizes(5, A), nullifies(8), None),
            (finalizes(8, A), nullifies(5), Some(FinalizeAndNullify)),
            (notarizes(3, A), nullifies(3), None),
            (nullifies(3), nullifies(4), None),
            // there is no view 0, but a liar can name it
            (finalizes(0, A), notarizes(1, A), None),
        ] {
            for (first, second) in [(one, other), (other, one)] {
                let keys = keys(4);
                let (first, second) = (signed(1, first, &keys), signed(1, second, &keys));
                let mut witness = Witness::new(TIMING);
                assert_eq!(witness.see(&first), None);
                let news = witness.is_news(Seat::new(1), second.statement());
                // others say what they like
                assert!(!witness.is_news(Seat::new(2), second.statement()));

                let found = witness.see(&second);

                assert_eq!(news, expected.is_some(), "{first:?} {second:?}");
                let kind = found.map(|found| {
                    let offence = evidence(&found).verify(GENESIS, &set(&[1; 4]), TIMING.tenure);
                    offence.expect("evidence holds").kind
                });
                assert_eq!(kind, expected, "{first:?} {second:?}");
            }
        }
    }

    /// Once a term: its author may go on as long as it likes. Another term is another report.
    #[test]
    fn a_contradiction_is_told_once_for_each_seat_and_term() {
        let keys = keys(4);
        let mut witness = Witness::new(TIMING);
        let mut told = 0;
        for view in 1..=8 {
            for block in 0..20 {
                let vote = signed(1, notarizes(view, BlockId([block; 32])), &keys);
                told += u32::from(witness.see(&vote).is_some());
            }
        }

        assert_eq!(told, 2);
        assert!(!witness.is_news(Seat::new(1), &notarizes(8, BlockId([99; 32]))));
    }

    #[test]
    fn what_is_forgotten_contradicts_nothing() {
        let keys = keys(4);
        let mut witness = Witness::new(TIMING);
        witness.see(&signed(1, nullifies(2), &keys));
        witness.see(&signed(1, nullifies(6), &keys));

        witness.forget_before(View::new(3));

        assert_eq!(witness.views(), 1);
        assert_eq!(witness.see(&signed(1, finalizes(3, A), &keys)), None);
        assert!(witness.see(&signed(1, finalizes(7, A), &keys)).is_some());
    }

    /// Against every pair of votes, judged as a contract would: told if and only if there is a contradiction in the term.
    #[test]
    fn noticed_is_what_any_two_votes_prove() {
        let keys = keys(4);
        for seed in 0..300 {
            let mut random = ChaCha20Rng::seed_from_u64(seed);
            let mut below = |bound: u64| random.next_u64() % bound;
            let votes: Vec<_> = (0..below(25))
                .map(|_| {
                    let (view, block) = (1 + below(12), BlockId([below(3) as u8; 32]));
                    let statement = match below(3) {
                        0 => notarizes(view, block),
                        1 => finalizes(view, block),
                        _ => nullifies(view),
                    };
                    signed(1, statement, &keys)
                })
                .collect();
            let mut witness = Witness::new(TIMING);
            let mut told = BTreeSet::new();
            for vote in &votes {
                if let Some(found) = witness.see(vote) {
                    assert!(evidence(&found).conflict(TIMING.tenure).is_ok(), "{seed}");
                    let term = TIMING.term(vote.statement().view());
                    assert!(told.insert(term), "seed {seed}");
                }
            }
            let mut proven = BTreeSet::new();
            for (one, other) in votes
                .iter()
                .flat_map(|one| votes.iter().map(move |other| (one, other)))
            {
                let pair = Contradiction {
                    first: *one.vote(),
                    second: *other.vote(),
                };
                if evidence(&pair).conflict(TIMING.tenure).is_ok() {
                    proven.insert(TIMING.term(one.statement().view()));
                }
            }
            assert_eq!(told, proven, "seed {seed}");
        }
    }
}
