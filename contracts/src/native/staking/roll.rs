//! Who the members are, with which weight, and what may become of that.

use salus_primitives::ids::EntityId;
use salus_primitives::validators::{SEATS_MAX, SEATS_MIN, WEIGHT_MAX};
use serde::{Deserialize, Serialize};

/// Every member's voting weight, ascending by id. One value, so that the whole weight costs one read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roll(Vec<(EntityId, u64)>);

/// Why members and weights may not be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RollError {
    /// Fewer than four could decide anything.
    #[error("fewer than {SEATS_MIN} members would have weight")]
    TooFew,
    /// One could block what the others decide.
    #[error("member {0} would have a third of the weight or more")]
    TooHeavy(EntityId),
    /// Sums must stay far from overflow.
    #[error("the weights would add up to more than {WEIGHT_MAX}")]
    TooMuch,
    /// The roll is one value of bounded size.
    #[error("there would be more than {MEMBERS_MAX} members")]
    TooMany,
}

/// Most members.
pub const MEMBERS_MAX: usize = SEATS_MAX;

impl Roll {
    /// The members, ascending by id, with their weights.
    pub fn iter(&self) -> impl Iterator<Item = (&EntityId, u64)> {
        self.0.iter().map(|(member, weight)| (member, *weight))
    }

    /// A member's weight; `None` for who is none.
    #[must_use]
    pub fn weight(&self, member: &EntityId) -> Option<u64> {
        let at = self.find(member).ok()?;
        self.0.get(at).map(|(_, weight)| *weight)
    }

    /// All members' weight.
    #[must_use]
    pub fn total(&self) -> u64 {
        sum(self.iter().map(|(_, weight)| weight))
    }

    /// The weight of those among `entities` that are members now.
    #[must_use]
    pub fn weight_of_all(&self, entities: &[EntityId]) -> u64 {
        sum(entities.iter().filter_map(|entity| self.weight(entity)))
    }

    /// This roll with a member of another weight, or with a new member.
    ///
    /// # Errors
    /// [`RollError`] if it may not be.
    pub fn with(&self, member: EntityId, weight: u64) -> Result<Self, RollError> {
        let mut weights = self.0.clone();
        match self.find(&member) {
            Ok(at) => {
                if let Some(entry) = weights.get_mut(at) {
                    entry.1 = weight;
                }
            }
            Err(at) => weights.insert(at, (member, weight)),
        }
        Self(weights).checked()
    }

    /// This roll without a member.
    ///
    /// # Errors
    /// [`RollError`] if it may not be.
    pub fn without(&self, member: &EntityId) -> Result<Self, RollError> {
        let mut weights = self.0.clone();
        weights.retain(|(other, _)| other != member);
        Self(weights).checked()
    }

    fn checked(self) -> Result<Self, RollError> {
        if self.0.len() > MEMBERS_MAX {
            return Err(RollError::TooMany);
        }
        let total = self.total();
        if total > WEIGHT_MAX {
            return Err(RollError::TooMuch);
        }
        if self.iter().filter(|(_, weight)| *weight > 0).count() < SEATS_MIN {
            return Err(RollError::TooFew);
        }
        let heavy = self
            .iter()
            .find(|(_, weight)| weight.saturating_mul(3) >= total)
            .map(|(member, _)| *member);
        match heavy {
            Some(member) => Err(RollError::TooHeavy(member)),
            None => Ok(self),
        }
    }

    fn find(&self, member: &EntityId) -> Result<usize, usize> {
        self.0.binary_search_by_key(member, |(other, _)| *other)
    }
}

/// Orders weights, unchecked: genesis has checked its own.
impl FromIterator<(EntityId, u64)> for Roll {
    fn from_iter<I: IntoIterator<Item = (EntityId, u64)>>(weights: I) -> Self {
        let mut weights: Vec<_> = weights.into_iter().collect();
        weights.sort_unstable();
        Self(weights)
    }
}

/// Saturates far above [`WEIGHT_MAX`], where it is refused.
fn sum(weights: impl Iterator<Item = u64>) -> u64 {
    weights.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u16) -> EntityId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        EntityId(bytes)
    }

    fn roll(weights: &[u64]) -> Roll {
        (0u16..).map(id).zip(weights.iter().copied()).collect()
    }

    #[test]
    fn a_member_is_found_by_its_id_whatever_the_order_given() {
        let roll: Roll = [(id(7), 3), (id(2), 5), (id(4), 0)].into_iter().collect();

        assert_eq!(roll.weight(&id(2)), Some(5));
        assert_eq!(roll.weight(&id(4)), Some(0));
        assert_eq!(roll.weight(&id(3)), None);
        assert_eq!(roll.total(), 8);
        assert_eq!(roll.weight_of_all(&[id(7), id(3), id(4)]), 3);
    }

    /// A third exactly is too much, one less is not; members without weight do not count towards the four.
    #[test]
    fn bounds_of_weight_are_exact() {
        let equal = roll(&[10, 10, 10, 10, 0]);

        // 20 of 60 is a third
        let heavy = roll(&[10, 10, 10, 10, 10]).with(id(0), 20);
        assert_eq!(heavy, Err(RollError::TooHeavy(id(0))));
        assert!(roll(&[10, 10, 10, 10, 10]).with(id(0), 19).is_ok());
        assert_eq!(equal.without(&id(0)), Err(RollError::TooFew));
        assert_eq!(equal.with(id(0), 0), Err(RollError::TooFew));
        assert!(equal.without(&id(4)).is_ok());
        assert_eq!(equal.with(id(5), WEIGHT_MAX), Err(RollError::TooMuch));
        assert_eq!(equal.with(id(5), u64::MAX), Err(RollError::TooMuch));
        assert_eq!(
            roll(&[WEIGHT_MAX / 4; 4]).with(id(9), 1),
            Err(RollError::TooMuch)
        );
    }

    /// Who leaves can make another too heavy.
    #[test]
    fn a_departure_that_makes_another_too_heavy_is_refused() {
        let roll = roll(&[3, 2, 2, 2, 2]);

        assert_eq!(
            roll.without(&id(1)),
            Err(RollError::TooHeavy(id(0))),
            "3 of 9"
        );
        assert!(roll.without(&id(0)).is_ok());
    }

    #[test]
    fn the_number_of_members_is_bounded() {
        let full = roll(&[1; MEMBERS_MAX]);

        assert!(full.with(id(0), 2).is_ok());
        assert_eq!(full.with(id(9999), 1), Err(RollError::TooMany));
    }
}
