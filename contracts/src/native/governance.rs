//! Proposals by which the members change who they are, with which weight and keys, and how blocks are configured.
//!
//! A member proposes a [`Change`] and signs it by that; others sign the proposing transaction's id, which covers the change. At the
//! signature with which the signers hold more than two thirds of all members' weight, both as they are at that moment, the change takes
//! effect in the same call. If it is not possible then, that signature is refused with the reason, and the proposal stays open.
//!
//! Decided here:
//! - A change is checked when it is proposed and again when it passes: the state in between may have moved.
//! - Each member has at most [`OPEN_MAX`] open proposals. A bound for all together could be used up by a minority, to keep
//!   itself from being retired.
//! - Expired proposals are removed when their proposer proposes again; a retired member's with it.
//! - Consensus parameters do not change: engines, evidence and epochs rely on them across epochs. The share of votes that is asked
//!   of members is none: elections alone depend on it. Nor are lanes: each epoch's are fixed before it begins.

mod change;
mod event;
mod state;

pub use event::{GovernanceEvent, PASSED, PROPOSED, SIGNED};
pub use state::{Proposal, open_proposals, proposal, proposal_key};

use crate::caller::{Caller, Principal};
use crate::context::Context;
use crate::contract::Contract;
use crate::error::{ContractError, stable_errors};
use crate::native::staking;
use salus_primitives::calls::{Change, GOVERNANCE, GovernanceCall};
use salus_primitives::ids::{ContractId, EntityId};
use salus_primitives::transaction::TxId;
use staking::Roll;
use state::{open_slot, proposal_slot};

/// The contract, see the module.
#[derive(Debug)]
pub enum Governance {}

/// Most open proposals of one member.
pub const OPEN_MAX: usize = 4;

stable_errors! {
    /// Why a governance call is refused.
    pub enum GovernanceError {
        /// A device or a validator called.
        NotAnEntity = 1, "not_an_entity", "only entities can be members, not devices or validators";
        /// The caller is no member.
        NotAMember = 2, "not_a_member", "the caller is no member";
        /// No such proposal, or it passed.
        UnknownProposal = 3, "unknown_proposal", "there is no such proposal, or it passed";
        /// The proposal can be signed no more.
        ProposalExpired = 4, "proposal_expired", "the proposal has expired";
        /// The member signed it before.
        AlreadySigned = 5, "already_signed", "the member has signed this proposal already";
        /// The member has [`OPEN_MAX`] open proposals.
        TooManyProposals = 6, "too_many_proposals", "the member has too many open proposals";
        /// The change is about who is no member.
        UnknownMember = 7, "unknown_member", "there is no such member";
        /// The entity is a member.
        AlreadyAMember = 8, "already_a_member", "the entity is a member already";
        /// No such entity is registered.
        UnknownEntity = 9, "unknown_entity", "there is no such entity";
        /// The entity was revoked.
        EntityRevoked = 10, "entity_already_revoked", "the entity is revoked";
        /// See [`RollError::TooFew`](staking::RollError::TooFew).
        TooFewMembers = 11, "too_few_members", "fewer than four members would have weight";
        /// See [`RollError::TooHeavy`](staking::RollError::TooHeavy).
        MemberTooHeavy = 12, "member_too_heavy", "a member would have a third of the weight or more";
        /// See [`RollError::TooMuch`](staking::RollError::TooMuch).
        TooMuchWeight = 13, "too_much_weight", "the weights would add up to too much";
        /// See [`RollError::TooMany`](staking::RollError::TooMany).
        TooManyMembers = 14, "too_many_members", "there would be too many members";
        /// A key is or was bound, or has two uses in the change.
        KeyInUse = 15, "key_in_use", "the key is or was bound to someone";
        /// A key is no point, not canonical or of small order.
        BadKey = 16, "bad_key", "a key is no canonical point or has small order";
        /// The member is not jailed.
        NotJailed = 17, "not_jailed", "the member is not jailed";
        /// See [`PARTICIPATION_MAX`](staking::PARTICIPATION_MAX).
        ParticipationOutOfBounds = 19, "participation_out_of_bounds", "the participation asked of members is 0 to 66 percent";
        /// All is so already.
        NothingChanges = 18, "nothing_changes", "the change changes nothing";
        /// A number of a lane or of the model is out of its bounds, see [`policy`](mod@crate::native::blockcfg::policy).
        PolicyOutOfBounds = 20, "policy_out_of_bounds", "a number of the lane or the model is out of its bounds";
        /// See [`PolicyError::NoWeights`](crate::native::blockcfg::policy::PolicyError::NoWeights).
        LaneWithoutWeights = 21, "lane_without_weights", "latency, security and cost all weigh 0";
        /// See [`PolicyError::NoRoles`](crate::native::blockcfg::policy::PolicyError::NoRoles).
        LaneWithoutRoles = 22, "lane_without_roles", "no role could use the lane";
        /// See [`PolicyError::RoleOrder`](crate::native::blockcfg::policy::PolicyError::RoleOrder).
        RolesOutOfOrder = 23, "roles_out_of_order", "roles stand once each, in the order of the roles' list";
        /// See [`PolicyError::RolesNarrow`](crate::native::blockcfg::policy::PolicyError::RolesNarrow).
        RolesNarrow = 24, "roles_narrow", "a lane would lack a role of the lane above it";
        /// See [`PolicyError::QuotaOfLowest`](crate::native::blockcfg::policy::PolicyError::QuotaOfLowest).
        QuotaOfLowest = 25, "quota_of_lowest", "the lowest lane has no quota: there is no lane for what is over it";
        /// See [`PolicyError::EpochTooShort`](crate::native::blockcfg::policy::PolicyError::EpochTooShort).
        NoRoomForReports = 26, "no_room_for_reports", "epochs would be too short for what validators report";
        /// See [`BreakGlassRules::are_within_bounds`](salus_primitives::calls::BreakGlassRules::are_within_bounds).
        BreakGlassOutOfBounds = 27, "break_glass_out_of_bounds", "a glass opens for a week at most, and its review is due after 1 hour to a year";
        /// See [`Jurisdiction::of_name`](salus_primitives::calls::Jurisdiction::of_name).
        BadJurisdiction = 28, "bad_jurisdiction", "a jurisdiction is 1 to 8 upper-case letters and digits, with - inside";
    }
}

type Outcome = Result<(), ContractError<GovernanceError>>;

impl Contract for Governance {
    type Call = GovernanceCall;
    type Error = GovernanceError;

    const ID: ContractId = GOVERNANCE;
    const NAME: &'static str = "governance";

    fn admit(caller: &Caller, call: &GovernanceCall) -> Result<(), GovernanceError> {
        match (caller.principal, call) {
            (
                Principal::Device { .. }
                | Principal::Validator { .. }
                | Principal::Practitioner { .. }
                | Principal::Person { .. }
                | Principal::Custodian { .. },
                _,
            ) => Err(GovernanceError::NotAnEntity),
            (Principal::Entity { .. }, GovernanceCall::Propose(change)) => {
                change::check_form(change)
            }
            (Principal::Entity { .. }, GovernanceCall::Sign(_)) => Ok(()),
        }
    }

    fn execute(context: &mut Context<'_>, call: GovernanceCall) -> Outcome {
        let by = context.caller().principal.entity();
        let roll = staking::roll_of(context)?;
        if roll.weight(&by).is_none() {
            return Err(GovernanceError::NotAMember.into());
        }
        match call {
            GovernanceCall::Propose(change) => propose(context, by, change),
            GovernanceCall::Sign(proposal) => sign(context, by, &roll, proposal),
        }
    }
}

/// No member's weight is two thirds, so that nothing passes here.
fn propose(context: &mut Context<'_>, by: EntityId, change: Change) -> Outcome {
    change::check(context, &change)?;
    let id = context.transaction();
    let mut open = still_open(context, &by)?;
    if open.len() >= OPEN_MAX {
        return Err(GovernanceError::TooManyProposals.into());
    }
    open.push(id);
    context.store(&open_slot(&by), &open)?;
    let expires_at = context.height().plus(context.parameters().proposal_blocks);
    let proposal = Proposal {
        change: change.clone(),
        by,
        expires_at,
        signers: vec![by],
    };
    context.store(&proposal_slot(&id), &proposal)?;
    context.emit(&GovernanceEvent::Proposed {
        proposal: id,
        by,
        change,
        expires_at,
    })?;
    Ok(())
}

fn sign(context: &mut Context<'_>, by: EntityId, roll: &Roll, id: TxId) -> Outcome {
    let slot = proposal_slot(&id);
    let mut proposal = context
        .load(&slot)?
        .ok_or(GovernanceError::UnknownProposal)?;
    if context.height() > proposal.expires_at {
        return Err(GovernanceError::ProposalExpired.into());
    }
    if proposal.signers.contains(&by) {
        return Err(GovernanceError::AlreadySigned.into());
    }
    proposal.signers.push(by);
    let signed = roll.weight_of_all(&proposal.signers);
    let total = roll.total();
    context.emit(&GovernanceEvent::Signed {
        proposal: id,
        by,
        signed,
        total,
    })?;
    if !is_passed(signed, total) {
        context.store(&slot, &proposal)?;
        return Ok(());
    }
    let possible = change::check(context, &proposal.change)?;
    context.remove(&slot)?;
    forget_open(context, &proposal.by, id)?;
    context.emit(&GovernanceEvent::Passed { proposal: id })?;
    change::apply(context, possible)
}

/// The least weight that is more than two thirds of `total`. Weights are bounded far below overflow.
#[must_use]
pub const fn weight_to_pass(total: u64) -> u64 {
    (total.saturating_mul(2) / 3).saturating_add(1)
}

const fn is_passed(signed: u64, total: u64) -> bool {
    signed >= weight_to_pass(total)
}

/// Takes a proposal from its proposer's open ones.
fn forget_open(context: &mut Context<'_>, by: &EntityId, id: TxId) -> Outcome {
    let slot = open_slot(by);
    let mut open = context.load(&slot)?.unwrap_or_default();
    open.retain(|other| *other != id);
    if open.is_empty() {
        context.remove(&slot)?;
    } else {
        context.store(&slot, &open)?;
    }
    Ok(())
}

/// A member's proposals that can still be signed; the others are removed.
fn still_open(
    context: &mut Context<'_>,
    by: &EntityId,
) -> Result<Vec<TxId>, ContractError<GovernanceError>> {
    let mut open = Vec::new();
    for id in context.load(&open_slot(by))?.unwrap_or_default() {
        let slot = proposal_slot(&id);
        match context.load(&slot)? {
            Some(proposal) if context.height() <= proposal.expires_at => open.push(id),
            Some(_) => context.remove(&slot)?,
            None => {}
        }
    }
    Ok(open)
}
