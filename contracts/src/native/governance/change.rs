//! Whether a change is possible, and its effect.

use super::state::{open_slot, proposal_slot};
use super::{GovernanceError, Outcome};
use crate::context::Context;
use crate::error::ContractError;
use crate::native::blockcfg::policy::{self, PolicyError};
use crate::native::{access, blockcfg, identity, staking};
use salus_primitives::calls::{BreakGlassRules, Change, Jurisdiction, ValidatorKeys};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::EntityId;
use salus_primitives::lanes::{BlockModel, BlockPolicy, LaneParameters};
use staking::{Member, Roll, RollError};

/// A change that is possible by the state as it is, with what its effect needs.
pub(super) enum Possible {
    SetWeight {
        id: EntityId,
        member: Member,
        roll: Roll,
    },
    Admit {
        id: EntityId,
        keys: Option<ValidatorKeys>,
        fresh: Vec<PublicKey>,
        roll: Roll,
    },
    Retire {
        id: EntityId,
        roll: Roll,
    },
    RotateKeys {
        id: EntityId,
        member: Member,
        keys: ValidatorKeys,
        fresh: Vec<PublicKey>,
    },
    Release {
        id: EntityId,
        member: Member,
    },
    SetParticipation {
        percent: u8,
    },
    SetLane {
        policy: BlockPolicy,
        parameters: LaneParameters,
    },
    SetModel {
        policy: BlockPolicy,
        model: BlockModel,
    },
    SetBreakGlass {
        jurisdiction: Jurisdiction,
        rules: BreakGlassRules,
    },
    AssignJurisdiction {
        entity: EntityId,
        jurisdiction: Jurisdiction,
    },
}

/// What can be said of a change without state.
pub(super) fn check_form(change: &Change) -> Result<(), GovernanceError> {
    let keys = match change {
        Change::AdmitMember { keys, .. } => *keys,
        Change::RotateKeys { keys, .. } => Some(*keys),
        Change::SetWeight { .. } | Change::RetireMember { .. } | Change::Release { .. } => None,
        Change::SetParticipation { percent } if *percent > staking::PARTICIPATION_MAX => {
            return Err(GovernanceError::ParticipationOutOfBounds);
        }
        Change::SetParticipation { .. } => None,
        Change::SetLane(parameters) => {
            policy::check_lane(parameters)?;
            None
        }
        Change::SetModel(model) => {
            policy::check_model(model).map_err(PolicyError::from)?;
            None
        }
        Change::SetBreakGlass { rules, .. } if !rules.are_within_bounds() => {
            return Err(GovernanceError::BreakGlassOutOfBounds);
        }
        Change::SetBreakGlass { jurisdiction, .. }
        | Change::AssignJurisdiction { jurisdiction, .. } => {
            if !jurisdiction.is_valid() {
                return Err(GovernanceError::BadJurisdiction);
            }
            None
        }
    };
    let Some(keys) = keys else { return Ok(()) };
    if keys.validator_key == keys.network_key {
        return Err(GovernanceError::KeyInUse);
    }
    for key in [keys.validator_key, keys.network_key] {
        key.check().map_err(|_| GovernanceError::BadKey)?;
    }
    Ok(())
}

/// Whether a change is possible now.
pub(super) fn check(
    context: &mut Context<'_>,
    change: &Change,
) -> Result<Possible, ContractError<GovernanceError>> {
    match *change {
        Change::SetWeight { member: id, weight } => {
            let member = member(context, &id)?;
            let roll = staking::roll_of(context)?;
            if roll.weight(&id) == Some(weight) {
                return Err(GovernanceError::NothingChanges.into());
            }
            let roll = roll.with(id, weight).map_err(GovernanceError::from)?;
            Ok(Possible::SetWeight { id, member, roll })
        }
        Change::AdmitMember {
            entity: id,
            keys,
            weight,
        } => {
            let entity =
                identity::entity_of(context, &id)?.ok_or(GovernanceError::UnknownEntity)?;
            if entity.revoked_at.is_some() {
                return Err(GovernanceError::EntityRevoked.into());
            }
            if staking::member_of(context, &id)?.is_some() {
                return Err(GovernanceError::AlreadyAMember.into());
            }
            let fresh = fresh_keys(context, None, keys)?;
            let roll = staking::roll_of(context)?
                .with(id, weight)
                .map_err(GovernanceError::from)?;
            Ok(Possible::Admit {
                id,
                keys,
                fresh,
                roll,
            })
        }
        Change::RetireMember { member: id } => {
            member(context, &id)?;
            let roll = staking::roll_of(context)?
                .without(&id)
                .map_err(GovernanceError::from)?;
            Ok(Possible::Retire { id, roll })
        }
        Change::RotateKeys { member: id, keys } => {
            let member = member(context, &id)?;
            if member.keys == Some(keys) {
                return Err(GovernanceError::NothingChanges.into());
            }
            let fresh = fresh_keys(context, member.keys, Some(keys))?;
            Ok(Possible::RotateKeys {
                id,
                member,
                keys,
                fresh,
            })
        }
        Change::Release { member: id } => {
            let member = member(context, &id)?;
            if member.jailed.is_none() {
                return Err(GovernanceError::NotJailed.into());
            }
            Ok(Possible::Release { id, member })
        }
        Change::SetParticipation { percent } => {
            if staking::participation_of(context)? == percent {
                return Err(GovernanceError::NothingChanges.into());
            }
            Ok(Possible::SetParticipation { percent })
        }
        Change::SetLane(ref parameters) => {
            let parameters = parameters.clone();
            let policy = changed(context, |policy| {
                for lane in &mut policy.lanes {
                    if lane.lane == parameters.lane {
                        *lane = parameters.clone();
                    }
                }
            })?;
            Ok(Possible::SetLane { policy, parameters })
        }
        Change::SetModel(model) => {
            let policy = changed(context, |policy| policy.model = model)?;
            Ok(Possible::SetModel { policy, model })
        }
        Change::SetBreakGlass {
            jurisdiction,
            rules,
        } => {
            let before = context.ask(|state| access::break_glass_rules(state, &jurisdiction))?;
            if before == rules {
                return Err(GovernanceError::NothingChanges.into());
            }
            Ok(Possible::SetBreakGlass {
                jurisdiction,
                rules,
            })
        }
        Change::AssignJurisdiction {
            entity,
            jurisdiction,
        } => {
            if identity::entity_of(context, &entity)?.is_none() {
                return Err(GovernanceError::UnknownEntity.into());
            }
            if context.ask(|state| access::jurisdiction(state, &entity))? == jurisdiction {
                return Err(GovernanceError::NothingChanges.into());
            }
            Ok(Possible::AssignJurisdiction {
                entity,
                jurisdiction,
            })
        }
    }
}

/// Carries a change out.
pub(super) fn apply(context: &mut Context<'_>, change: Possible) -> Outcome {
    match change {
        Possible::SetWeight { id, member, roll } => {
            staking::set_weight(context, id, member, &roll)?;
        }
        Possible::Admit {
            id,
            keys,
            fresh,
            roll,
        } => {
            bind(context, id, &fresh)?;
            staking::admit(context, id, keys, &roll)?;
        }
        Possible::Retire { id, roll } => {
            staking::retire(context, id, &roll)?;
            blockcfg::forget(context, &id)?;
            // it could be nobody's to clean up
            let open = open_slot(&id);
            if let Some(proposals) = context.load(&open)? {
                for proposal in proposals {
                    context.remove(&proposal_slot(&proposal))?;
                }
                context.remove(&open)?;
            }
        }
        Possible::RotateKeys {
            id,
            member,
            keys,
            fresh,
        } => {
            bind(context, id, &fresh)?;
            staking::rotate_keys(context, id, member, keys)?;
        }
        Possible::Release { id, member } => staking::release(context, id, member)?,
        Possible::SetParticipation { percent } => staking::set_participation(context, percent)?,
        Possible::SetLane { policy, parameters } => {
            blockcfg::set_lane(context, &policy, parameters)?;
        }
        Possible::SetModel { policy, model } => blockcfg::set_model(context, &policy, model)?,
        Possible::SetBreakGlass {
            jurisdiction,
            rules,
        } => access::set_break_glass(context, jurisdiction, rules)?,
        Possible::AssignJurisdiction {
            entity,
            jurisdiction,
        } => access::assign_jurisdiction(context, entity, jurisdiction)?,
    }
    Ok(())
}

/// What governance says of lanes after a change, if that is within all bounds and another thing than now.
fn changed(
    context: &mut Context<'_>,
    change: impl FnOnce(&mut BlockPolicy),
) -> Result<BlockPolicy, ContractError<GovernanceError>> {
    let before = blockcfg::policy_of(context)?;
    let mut after = before.clone();
    change(&mut after);
    if after == before {
        return Err(GovernanceError::NothingChanges.into());
    }
    policy::check(&after, context.parameters()).map_err(GovernanceError::from)?;
    Ok(after)
}

fn member(
    context: &mut Context<'_>,
    id: &EntityId,
) -> Result<Member, ContractError<GovernanceError>> {
    Ok(staking::member_of(context, id)?.ok_or(GovernanceError::UnknownMember)?)
}

/// Those of `keys` that the validator does not have already, none of which was ever bound. A former key does not come back: it
/// was replaced for a reason.
fn fresh_keys(
    context: &mut Context<'_>,
    current: Option<ValidatorKeys>,
    keys: Option<ValidatorKeys>,
) -> Result<Vec<PublicKey>, ContractError<GovernanceError>> {
    let mut fresh = Vec::new();
    if let Some(keys) = keys {
        if current.map(|current| current.validator_key) != Some(keys.validator_key) {
            fresh.push(keys.validator_key);
        }
        if current.map(|current| current.network_key) != Some(keys.network_key) {
            fresh.push(keys.network_key);
        }
    }
    for key in &fresh {
        if identity::is_bound(context, key)? {
            return Err(GovernanceError::KeyInUse.into());
        }
    }
    Ok(fresh)
}

fn bind(context: &mut Context<'_>, id: EntityId, keys: &[PublicKey]) -> Outcome {
    for key in keys {
        identity::bind_to_validator(context, key, id)?;
    }
    Ok(())
}

impl From<PolicyError> for GovernanceError {
    fn from(error: PolicyError) -> Self {
        match error {
            // the lanes stay the four that genesis gave
            PolicyError::Range(_) | PolicyError::Lanes => Self::PolicyOutOfBounds,
            PolicyError::NoWeights(_) => Self::LaneWithoutWeights,
            PolicyError::NoRoles(_) => Self::LaneWithoutRoles,
            PolicyError::RoleOrder(_) => Self::RolesOutOfOrder,
            PolicyError::RolesNarrow(_) => Self::RolesNarrow,
            PolicyError::QuotaOfLowest(_) => Self::QuotaOfLowest,
            PolicyError::EpochTooShort { .. } => Self::NoRoomForReports,
        }
    }
}

impl From<RollError> for GovernanceError {
    fn from(error: RollError) -> Self {
        match error {
            RollError::TooFew => Self::TooFewMembers,
            RollError::TooHeavy(_) => Self::MemberTooHeavy,
            RollError::TooMuch => Self::TooMuchWeight,
            RollError::TooMany => Self::TooManyMembers,
        }
    }
}
