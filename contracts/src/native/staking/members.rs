//! What the staking contract offers to others: who is a member, and governance's changes of that.
//!
//! A change takes a [`Roll`] that [`Roll::with`] or [`Roll::without`] made from the one in the state, and is legal by that. Whether the
//! change is meant is the caller's to know.

use super::Staking;
use super::event::StakingEvent;
use super::roll::Roll;
use super::state::{Member, member_slot, participation_slot, roll_slot};
use crate::context::Context;
use crate::error::Halt;
use salus_primitives::calls::{Delegation, Part, ValidatorKeys};
use salus_primitives::ids::EntityId;

/// The member of this id.
pub(crate) fn member_of(context: &mut Context<'_>, id: &EntityId) -> Result<Option<Member>, Halt> {
    context.within::<Staking, _>(|context| context.load(&member_slot(id)))
}

/// All members' weights.
pub(crate) fn roll_of(context: &mut Context<'_>) -> Result<Roll, Halt> {
    context.within::<Staking, _>(load_roll)
}

/// Gives a member its weight in `roll`. What it delegates whole follows; parts that no longer fit shrink in proportion.
pub(crate) fn set_weight(
    context: &mut Context<'_>,
    id: EntityId,
    mut member: Member,
    roll: &Roll,
) -> Result<(), Halt> {
    context.within::<Staking, _>(|context| {
        let weight = roll.weight(&id).unwrap_or(0);
        if let Some(Delegation::Parts(parts)) = &member.delegation {
            member.delegation = shrunk(parts, weight);
            context.store(&member_slot(&id), &member)?;
        }
        context.store(&roll_slot(), roll)?;
        context.emit(&StakingEvent::WeightSet { member: id, weight })
    })
}

/// Makes an entity a member, with its weight in `roll`.
pub(crate) fn admit(
    context: &mut Context<'_>,
    id: EntityId,
    keys: Option<ValidatorKeys>,
    roll: &Roll,
) -> Result<(), Halt> {
    context.within::<Staking, _>(|context| {
        let member = Member::new(id, keys, context.height());
        context.store(&member_slot(&id), &member)?;
        context.store(&roll_slot(), roll)?;
        context.emit(&StakingEvent::Admitted {
            member: id,
            keys,
            weight: roll.weight(&id).unwrap_or(0),
        })
    })
}

/// Makes an entity, absent from `roll`, no member any more. What others delegated to it counts for nobody, also if it is
/// admitted again.
pub(crate) fn retire(context: &mut Context<'_>, id: EntityId, roll: &Roll) -> Result<(), Halt> {
    context.within::<Staking, _>(|context| {
        context.remove(&member_slot(&id))?;
        context.store(&roll_slot(), roll)?;
        context.emit(&StakingEvent::Retired { member: id })
    })
}

/// Gives a member other keys, in the sets that are elected from now on.
pub(crate) fn rotate_keys(
    context: &mut Context<'_>,
    id: EntityId,
    mut member: Member,
    keys: ValidatorKeys,
) -> Result<(), Halt> {
    context.within::<Staking, _>(|context| {
        member.keys = Some(keys);
        context.store(&member_slot(&id), &member)?;
        context.emit(&StakingEvent::KeysRotated { member: id, keys })
    })
}

/// Lets a jailed member be elected again. Its offences up to this epoch are answered: who released it has seen them or could have.
pub(crate) fn release(
    context: &mut Context<'_>,
    id: EntityId,
    mut member: Member,
) -> Result<(), Halt> {
    context.within::<Staking, _>(|context| {
        member.jailed = None;
        member.answered = Some(context.parameters().epoch_at(context.height()));
        context.store(&member_slot(&id), &member)?;
        context.emit(&StakingEvent::Released { member: id })
    })
}

/// The share of votes that is asked of members, in percent.
pub(crate) fn participation_of(context: &mut Context<'_>) -> Result<u8, Halt> {
    context.within::<Staking, _>(|context| {
        Ok(context.load(&participation_slot())?.unwrap_or_default())
    })
}

/// Asks another share of votes of members.
pub(crate) fn set_participation(context: &mut Context<'_>, percent: u8) -> Result<(), Halt> {
    context.within::<Staking, _>(|context| {
        context.store(&participation_slot(), &percent)?;
        context.emit(&StakingEvent::ParticipationSet { percent })
    })
}

/// All members' weights, in the contract itself.
pub(super) fn load_roll(context: &mut Context<'_>) -> Result<Roll, Halt> {
    Ok(context.load(&roll_slot())?.unwrap_or_default())
}

/// Parts that together are at most `weight`, in proportion and rounded down. `None` if nothing is left of them.
fn shrunk(parts: &[Part], weight: u64) -> Option<Delegation> {
    let sum = parts
        .iter()
        .fold(0u64, |sum, part| sum.saturating_add(part.weight));
    let scaled = |part: u64| {
        let part = u128::from(part)
            .saturating_mul(weight.min(sum).into())
            .checked_div(sum.into());
        u64::try_from(part.unwrap_or(0)).unwrap_or(0)
    };
    let parts: Vec<Part> = parts
        .iter()
        .map(|part| Part {
            weight: scaled(part.weight),
            ..*part
        })
        .filter(|part| part.weight > 0)
        .collect();
    (!parts.is_empty()).then_some(Delegation::Parts(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Parts that fit stay; others shrink to at most the weight, each to its share rounded down, and never grow.
        #[test]
        fn parts_shrink_in_proportion(
            weights in proptest::collection::vec(1u64..(1 << 40), 1..8),
            weight in 0u64..(1 << 43),
        ) {
            let parts: Vec<Part> = (0u8..)
                .zip(&weights)
                .map(|(n, weight)| Part { candidate: EntityId([n; 32]), weight: *weight })
                .collect();
            let sum: u64 = weights.iter().sum();

            let after = match shrunk(&parts, weight) {
                Some(Delegation::Parts(after)) => after,
                Some(Delegation::Whole(_)) => return Err(TestCaseError::fail("parts stay parts")),
                None => vec![],
            };

            if weight >= sum {
                prop_assert_eq!(after, parts);
                return Ok(());
            }
            let total: u64 = after.iter().map(|part| part.weight).sum();
            prop_assert!(total <= weight);
            prop_assert!(total + u64::try_from(parts.len()).expect("few") > weight);
            for part in &parts {
                let share = u128::from(part.weight) * u128::from(weight) / u128::from(sum);
                let kept = after
                    .iter()
                    .find(|after| after.candidate == part.candidate)
                    .map_or(0, |after| after.weight);
                prop_assert_eq!(u128::from(kept), share);
            }
        }
    }
}
