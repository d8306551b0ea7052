//! The weighted validators of one epoch, and the arithmetic of quorums.

use crate::codec;
use crate::crypto::sign::PublicKey;
use crate::hash::Digest;
use crate::ids::{EntityId, Epoch, Seat};
use crate::namespace::Domain;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One seat of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validator {
    /// Whose seat.
    pub entity: EntityId,
    /// The key its votes are signed with in this epoch.
    pub key: PublicKey,
    /// The key its connections are authenticated with.
    pub network_key: PublicKey,
    /// Its consensus weight.
    pub weight: u64,
}

/// The validators of one epoch, in the order of their entity ids: a [`Seat`] is an index into this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Claimed", into = "Claimed")]
pub struct ValidatorSet {
    epoch: Epoch,
    validators: Vec<Validator>,
    total_weight: u64,
}

/// Why a list of validators is no legal set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// Byzantine agreement needs at least four.
    #[error("a set needs {SEATS_MIN} to {SEATS_MAX} validators, found {found}")]
    Size {
        /// How many there are.
        found: usize,
    },
    /// Not strictly ascending by entity id.
    #[error("validators are not in strictly ascending order of their entity ids at {0}")]
    Order(EntityId),
    /// Two seats share a key.
    #[error("validator {0} shares a key with another")]
    SharedKey(EntityId),
    /// A seat without weight.
    #[error("validator {0} has no weight")]
    NoWeight(EntityId),
    /// A seat that alone could block or fake a quorum.
    #[error("validator {entity} has weight {weight} of {total}: a third or more")]
    TooHeavy {
        /// Whose seat.
        entity: EntityId,
        /// Its weight.
        weight: u64,
        /// The whole weight.
        total: u64,
    },
    /// The sum does not fit.
    #[error("the weights add up to more than {WEIGHT_MAX}")]
    Overflow,
}

/// Fewest seats of a legal set.
pub const SEATS_MIN: usize = 4;
/// Most seats of a legal set.
pub const SEATS_MAX: usize = 512;
/// Largest total weight, so that sums and products of weights stay far from overflow.
pub const WEIGHT_MAX: u64 = 1 << 48;

impl ValidatorSet {
    /// Checks and orders the validators of an epoch.
    ///
    /// # Errors
    /// [`SetError`] if they are no legal set.
    pub fn new(epoch: Epoch, mut validators: Vec<Validator>) -> Result<Self, SetError> {
        validators.sort_by_key(|validator| validator.entity);
        Self::from_ordered(epoch, validators)
    }

    fn from_ordered(epoch: Epoch, validators: Vec<Validator>) -> Result<Self, SetError> {
        if !(SEATS_MIN..=SEATS_MAX).contains(&validators.len()) {
            return Err(SetError::Size {
                found: validators.len(),
            });
        }
        let mut total_weight = 0u64;
        let mut keys = alloc::collections::BTreeSet::new();
        let mut last: Option<EntityId> = None;
        for validator in &validators {
            if last.is_some_and(|last| last >= validator.entity) {
                return Err(SetError::Order(validator.entity));
            }
            last = Some(validator.entity);
            if !keys.insert(validator.key) || !keys.insert(validator.network_key) {
                return Err(SetError::SharedKey(validator.entity));
            }
            if validator.weight == 0 {
                return Err(SetError::NoWeight(validator.entity));
            }
            total_weight = total_weight
                .checked_add(validator.weight)
                .filter(|total| *total <= WEIGHT_MAX)
                .ok_or(SetError::Overflow)?;
        }
        for validator in &validators {
            if validator.weight.saturating_mul(3) >= total_weight {
                return Err(SetError::TooHeavy {
                    entity: validator.entity,
                    weight: validator.weight,
                    total: total_weight,
                });
            }
        }
        Ok(Self {
            epoch,
            validators,
            total_weight,
        })
    }

    /// The epoch these validators vote in.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The validators in seat order.
    #[must_use]
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// How many seats there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// Never true: a legal set has at least four seats.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.validators.is_empty()
    }

    /// All seats in order.
    pub fn seats(&self) -> impl Iterator<Item = Seat> {
        (0u16..).map(Seat::new).take(self.validators.len())
    }

    /// Who holds a seat.
    #[must_use]
    pub fn validator(&self, seat: Seat) -> Option<&Validator> {
        self.validators.get(seat.index())
    }

    /// The weight of a seat; zero for a seat that does not exist.
    #[must_use]
    pub fn weight(&self, seat: Seat) -> u64 {
        self.validator(seat).map_or(0, |validator| validator.weight)
    }

    /// The seat of an entity.
    #[must_use]
    pub fn seat_of(&self, entity: &EntityId) -> Option<Seat> {
        let index = self
            .validators
            .binary_search_by_key(entity, |validator| validator.entity)
            .ok()?;
        u16::try_from(index).ok().map(Seat::new)
    }

    /// The seat that votes with `key`.
    #[must_use]
    pub fn seat_of_key(&self, key: &PublicKey) -> Option<Seat> {
        self.seats()
            .find(|seat| self.validator(*seat).is_some_and(|v| v.key == *key))
    }

    /// The seat that connects with `network_key`.
    #[must_use]
    pub fn seat_of_network_key(&self, network_key: &PublicKey) -> Option<Seat> {
        self.seats().find(|seat| {
            self.validator(*seat)
                .is_some_and(|v| v.network_key == *network_key)
        })
    }

    /// The whole weight, W.
    #[must_use]
    pub const fn total_weight(&self) -> u64 {
        self.total_weight
    }

    /// The most weight that may be faulty: `f = (W - 1) / 3`, rounded down.
    #[must_use]
    pub const fn fault_weight(&self) -> u64 {
        self.total_weight.saturating_sub(1) / 3
    }

    /// The weight of a quorum: `Q = W - f`. Two quorums share more than `f`.
    #[must_use]
    pub const fn quorum_weight(&self) -> u64 {
        self.total_weight.saturating_sub(self.fault_weight())
    }

    /// What a header names this set by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Domain::ValidatorSet.hash(&[&codec::encode(self)])
    }
}

/// A set as it stands on the wire, before it is checked.
#[derive(Serialize, Deserialize)]
struct Claimed {
    epoch: Epoch,
    validators: Vec<Validator>,
}

impl TryFrom<Claimed> for ValidatorSet {
    type Error = SetError;

    fn try_from(claimed: Claimed) -> Result<Self, SetError> {
        Self::from_ordered(claimed.epoch, claimed.validators)
    }
}

impl From<ValidatorSet> for Claimed {
    fn from(set: ValidatorSet) -> Self {
        Self {
            epoch: set.epoch,
            validators: set.validators,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(weights: &[u64]) -> Result<ValidatorSet, SetError> {
        let validators = (0u8..)
            .zip(weights)
            .map(|(n, weight)| Validator {
                entity: EntityId([n; 32]),
                key: PublicKey([n; 32]),
                network_key: PublicKey([n.wrapping_add(100); 32]),
                weight: *weight,
            })
            .collect();
        ValidatorSet::new(Epoch::new(1), validators)
    }

    #[test]
    fn quorum_of_four_equal_seats_is_three() {
        let set = set(&[1; 4]).expect("legal");

        assert_eq!((set.fault_weight(), set.quorum_weight()), (1, 3));
    }

    #[test]
    fn illegal_sets_are_refused_with_their_reason() {
        assert_eq!(set(&[1; 3]), Err(SetError::Size { found: 3 }));
        assert!(matches!(set(&[1, 1, 1, 0]), Err(SetError::NoWeight(_))));
        assert!(set(&[2, 1, 1, 1, 2]).is_ok());
        assert!(matches!(
            set(&[2, 1, 1, 1, 1]),
            Err(SetError::TooHeavy { .. })
        ));
        assert_eq!(set(&[WEIGHT_MAX; 4]), Err(SetError::Overflow));
    }

    fn seats(count: u16, weight: u64) -> Vec<Validator> {
        (0..count)
            .map(|n| {
                let mut bytes = [0; 32];
                bytes[..2].copy_from_slice(&n.to_be_bytes());
                let mut network = bytes;
                network[31] = 1;
                Validator {
                    entity: EntityId(bytes),
                    key: PublicKey(bytes),
                    network_key: PublicKey(network),
                    weight,
                }
            })
            .collect()
    }

    #[test]
    fn sizes_and_weights_at_their_bounds_are_legal_and_one_beyond_is_not() {
        let new = |validators| ValidatorSet::new(Epoch::new(1), validators);

        assert!(new(seats(4, WEIGHT_MAX / 4)).is_ok());
        assert_eq!(new(seats(4, WEIGHT_MAX / 4 + 1)), Err(SetError::Overflow));
        assert_eq!(new(seats(4, u64::MAX)), Err(SetError::Overflow));
        assert!(new(seats(512, 1)).is_ok());
        assert_eq!(new(seats(513, 1)), Err(SetError::Size { found: 513 }));
        assert_eq!(new(vec![]), Err(SetError::Size { found: 0 }));
    }

    /// No key has two seats or two uses, not even of one seat: a vote is no handshake.
    #[test]
    fn shared_keys_are_refused_in_every_combination() {
        let changes: [fn(&mut [Validator]); 4] = [
            |v| v[1].key = v[3].key,
            |v| v[1].network_key = v[3].network_key,
            |v| v[1].key = v[3].network_key,
            |v| v[1].network_key = v[1].key,
        ];
        for change in changes {
            let mut validators = seats(4, 1);
            change(&mut validators);

            let error = ValidatorSet::new(Epoch::new(1), validators);

            assert!(matches!(error, Err(SetError::SharedKey(_))), "{error:?}");
        }
        let mut twice = seats(4, 1);
        twice[1].entity = twice[0].entity;
        assert!(matches!(
            ValidatorSet::new(Epoch::new(1), twice),
            Err(SetError::Order(_))
        ));
    }

    #[test]
    fn a_seat_is_found_by_entity_and_by_either_key() {
        let set = ValidatorSet::new(Epoch::new(1), seats(300, 1)).expect("legal");
        for seat in set.seats() {
            let validator = set.validator(seat).expect("exists");

            assert_eq!(set.seat_of(&validator.entity), Some(seat));
            assert_eq!(set.seat_of_key(&validator.key), Some(seat));
            assert_eq!(set.seat_of_network_key(&validator.network_key), Some(seat));
            assert_eq!(set.seat_of_key(&validator.network_key), None);
        }
        assert_eq!(set.seats().count(), 300);
        assert_eq!(set.validator(Seat::new(300)), None);
        assert_eq!(set.weight(Seat::new(300)), 0);
    }

    /// What a set is made from may be in any order; the set, its seats and its digest are the same.
    #[test]
    fn the_order_given_does_not_matter_and_every_field_counts() {
        let new = |validators| ValidatorSet::new(Epoch::new(1), validators).expect("legal");
        let set = new(seats(5, 2));
        let mut reversed = seats(5, 2);
        reversed.reverse();

        assert_eq!(new(reversed).digest(), set.digest());
        let changes: [fn(&mut Validator); 4] = [
            |v| v.entity.0[31] = 9,
            |v| v.key.0[31] = 9,
            |v| v.network_key.0[31] = 9,
            |v| v.weight = 1,
        ];
        for change in changes {
            let mut changed = seats(5, 2);
            change(&mut changed[4]);

            assert_ne!(new(changed).digest(), set.digest());
        }
        let later = ValidatorSet::new(Epoch::new(2), seats(5, 2)).expect("legal");
        assert_ne!(later.digest(), set.digest());
    }

    /// A set on the wire is checked like one that is made.
    #[test]
    fn an_illegal_set_does_not_decode() {
        let changes: [fn(&mut Vec<Validator>); 4] = [
            |v| v.truncate(3),
            |v| v[1].weight = 0,
            |v| v[1].weight = 100,
            |v| v[1].key = v[2].key,
        ];
        for change in changes {
            let mut claimed = Claimed {
                epoch: Epoch::new(1),
                validators: seats(4, 1),
            };
            assert!(codec::decode::<ValidatorSet>(&codec::encode(&claimed), 4096).is_ok());
            change(&mut claimed.validators);

            assert!(codec::decode::<ValidatorSet>(&codec::encode(&claimed), 4096).is_err());
        }
    }

    #[test]
    fn an_unordered_set_does_not_decode() {
        let mut claimed = Claimed::from(set(&[1; 4]).expect("legal"));
        claimed.validators.swap(0, 1);

        let decoded = codec::decode::<ValidatorSet>(&codec::encode(&claimed), 4096);

        assert!(decoded.is_err());
    }

    proptest! {
        /// Two quorums always share more than the faulty weight, and the honest weight alone is a quorum.
        #[test]
        fn quorums_intersect_in_honest_weight(weights in proptest::collection::vec(1u64..1_000_000, 4..20)) {
            if let Ok(set) = set(&weights) {
                let (w, f, q) = (set.total_weight(), set.fault_weight(), set.quorum_weight());
                prop_assert!(2 * q - w > f);
                prop_assert!(w - f >= q);
                prop_assert!(3 * f < w);
            }
        }
    }
}
