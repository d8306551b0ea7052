//! What an attestation is worth, in numbers for people: the paper's score, and a probability (`primitives/src/attestation.rs` has the
//! mathematics). Nothing that must be equal anywhere rests on these numbers, so they are floats.

use salus_primitives::attestation::Attested;
use salus_primitives::light::LightClient;
use serde::Serialize;

/// What the votes at hand are worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Odds {
    /// The paper's `S = kappa k^q` of the members that have voted.
    pub score: f64,
    /// The same as a share of the `S` of the lane's most verifiers.
    pub security: f64,
    /// The probability that all votes are of corrupt seats, if which seats are corrupt has nothing to do with the committee of this height.
    pub all_corrupt_here: f64,
    /// A bound on the probability that they are at some height that a forger could have chosen: `min(1, h p)` of `h` heights.
    pub all_corrupt: f64,
    /// The same if the adversary chose its seats by the committee: 1, unless more have voted than can be corrupt.
    pub all_corrupt_if_chosen: f64,
}

impl Odds {
    /// Of an attestation that a client has checked.
    #[must_use]
    pub fn known(client: &LightClient, attested: &Attested) -> Option<Self> {
        let lanes = client.lanes(attested.epoch)?;
        let most = lanes.lane(attested.lane)?.parameters.max_verifiers;
        Some(Self::of(
            attested,
            most.into(),
            lanes.security_scale,
            lanes.security_exponent,
        ))
    }

    /// Of an attestation in a lane whose blocks `most_verifiers` attest at most, scored with the paper's `kappa` and `q`.
    #[must_use]
    pub fn of(attested: &Attested, most_verifiers: usize, scale: u32, exponent: u8) -> Self {
        let most = most_verifiers.min(attested.seats).max(1);
        let votes = attested.votes as f64;
        let share = votes / most as f64;
        let here = tail(
            attested.seats,
            attested.corruptible,
            attested.verifiers,
            attested.votes,
        );
        Self {
            score: f64::from(scale) * votes.powi(exponent.into()),
            security: share.powi(exponent.into()).min(1.0),
            all_corrupt_here: here,
            all_corrupt: (here * attested.heights as f64).min(1.0),
            all_corrupt_if_chosen: if attested.holds_an_honest_vote() {
                0.0
            } else {
                1.0
            },
        }
    }
}

/// The probability that at least `least` of `drawn` seats are corrupt, if `corrupt` of `seats` are and the seats are drawn without
/// putting back.
///
/// Seat by seat: `chances[j]` is the probability that `j` of those drawn so far are corrupt. All terms are positive, so nothing
/// cancels out, and each is exact up to as many roundings as there are seats drawn.
fn tail(seats: usize, corrupt: usize, drawn: usize, least: usize) -> f64 {
    let mut chances = vec![1.0];
    for before in 0..drawn.min(seats) {
        let left = seats.saturating_sub(before) as f64;
        let mut next = vec![0.0; chances.len().saturating_add(1)];
        for (found, chance) in chances.iter().enumerate() {
            let bad = corrupt.saturating_sub(found) as f64 / left;
            if let Some(more) = next.get_mut(found.saturating_add(1)) {
                *more += chance * bad;
            }
            if let Some(same) = next.get_mut(found) {
                *same += chance * (1.0 - bad).max(0.0);
            }
        }
        chances = next;
    }
    let tail: f64 = chances.iter().skip(least).sum();
    tail.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::ids::{BlockId, Epoch, Height, View};
    use salus_primitives::lane::Lane;
    use salus_primitives::transaction::TxId;

    fn attested(seats: usize, corruptible: usize, verifiers: usize, votes: usize) -> Attested {
        Attested {
            transaction: TxId([1; 32]),
            block: BlockId::default(),
            height: Height::new(1),
            epoch: Epoch::new(1),
            view: View::new(1),
            lane: Lane::Emergency,
            votes,
            verifiers,
            seats,
            corruptible,
            heights: 1,
        }
    }

    /// Pascal's triangle, in whole numbers.
    fn choose(n: u128, k: u128) -> u128 {
        (0..k).fold(1, |product, i| product * (n - i) / (i + 1))
    }

    /// By the formula, in whole numbers as long as they fit.
    fn exact(n: u128, c: u128, m: u128, k: u128) -> f64 {
        let ways: u128 = (k..=m.min(c))
            .filter(|j| m - j <= n - c)
            .map(|j| choose(c, j) * choose(n - c, m - j))
            .sum();
        ways as f64 / choose(n, m) as f64
    }

    #[test]
    fn the_probability_is_that_of_the_formula() {
        for n in 1..=24_u128 {
            for c in 0..=n / 3 {
                for m in 1..=n {
                    for k in 1..=m {
                        let [seats, corrupt, drawn, least] = [n, c, m, k].map(|it| it as usize);
                        let (found, expected) =
                            (tail(seats, corrupt, drawn, least), exact(n, c, m, k));
                        assert!(
                            (found - expected).abs() <= 1e-12 * expected.max(1e-300),
                            "n {n}, c {c}, m {m}, k {k}: {found} instead of {expected}"
                        );
                    }
                }
            }
        }
    }

    /// Four seats, of which one can be corrupt: one vote is a quarter, two are enough.
    #[test]
    fn few_seats_as_counted_by_hand() {
        let one = Odds::of(&attested(4, 1, 1, 1), 4, 3, 2);
        let two = Odds::of(&attested(4, 1, 2, 2), 4, 3, 2);
        let half = Odds::of(&attested(4, 1, 2, 1), 4, 3, 2);

        assert_eq!((one.all_corrupt, one.all_corrupt_if_chosen), (0.25, 1.0));
        assert_eq!((two.all_corrupt, two.all_corrupt_if_chosen), (0.0, 0.0));
        // either of the two may be the one that has voted
        assert!((half.all_corrupt - 0.5).abs() < 1e-15);
        assert_eq!((one.security, two.security), (0.0625, 0.25));
        assert_eq!((one.score, two.score), (3.0, 12.0));
    }

    /// Where verifiers take turns a forger may look for its committee at every height of the epoch: 16 corrupt seats of 50 are all of
    /// three with 0.029, and of a hundred heights there will be one.
    #[test]
    fn a_forger_that_may_choose_the_height_has_as_many_chances() {
        let of = |heights| {
            Odds::of(
                &Attested {
                    heights,
                    ..attested(50, 16, 3, 3)
                },
                50,
                1,
                2,
            )
        };
        let one = of(1);
        assert!((one.all_corrupt - 560.0 / 19_600.0).abs() < 1e-12);

        assert_eq!(of(10).all_corrupt_here, one.all_corrupt);
        assert!((of(10).all_corrupt - 10.0 * one.all_corrupt).abs() < 1e-12);
        assert_eq!(of(100).all_corrupt, 1.0);
        assert_eq!(
            Odds::of(
                &Attested {
                    heights: 1_000,
                    ..attested(50, 16, 17, 17)
                },
                50,
                1,
                2
            )
            .all_corrupt,
            0.0
        );
    }

    /// With hundreds of seats the numbers are small, and still numbers; all votes are worth the whole score.
    #[test]
    fn many_seats_neither_underflow_nor_exceed_one() {
        let many = Odds::of(&attested(512, 170, 170, 170), 512, 1, 2);
        assert!(many.all_corrupt > 0.0 && many.all_corrupt < 1e-100);
        assert_eq!(many.all_corrupt_if_chosen, 1.0);
        let all = Odds::of(&attested(512, 170, 512, 512), 1_000, u32::MAX, 255);
        assert_eq!((all.security, all.all_corrupt), (1.0, 0.0));
        let none = Odds::of(&attested(4, 1, 4, 1), 4, 1, 2);
        assert!((none.all_corrupt - 1.0).abs() < 1e-15);
    }
}
