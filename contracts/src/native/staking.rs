//! Delegated proof of stake: members, whom they delegate their weight to, and who is elected by that.
//!
//! A member's weight comes from genesis and changes by governance alone. Members stand as candidates and delegate their weight to
//! candidates; at the end of each epoch the validators of the epoch after the next are elected ([`election`], [`close_epoch`]). Who broke
//! the protocol is jailed by whoever shows two of its contradicting votes, and is elected no more until governance releases it; its
//! weight and its delegations stay.
//!
//! Decided here:
//! - An epoch's offences of one member are one offence: it jails once. Else whoever signed in a hundred views could be jailed a hundred
//!   times for one stolen key.
//! - A release answers the offences of all epochs up to its own, reported or not; later ones jail again.
//! - Jailed members keep their say in governance: weight speaks there, not conduct.
//! - A delegation to a candidate that steps down, is jailed or inactive is kept and counts again when it is back. One to a
//!   member that retires is lost for good.
//! - Who is set inactive at an epoch's end is found in the state, with its share of votes ([`Absence`]), and in no receipt: receipts are
//!   of transactions, and no transaction does it.
//! - What a validator says by itself, [`StakingCall::Report`] and [`StakingCall::Observe`], its node signs with the key it votes with,
//!   and may say nothing else with it.
//! - Delegations are summed at elections, not kept as sums: there is no second number that could disagree.

mod attendance;
mod election;
mod epoch;
mod event;
mod members;
mod reports;
mod roll;
mod state;

pub use attendance::{Absence, PARTICIPATION_MAX};
pub use election::{Standing, elect, election, eligible, genesis_election, standings};
pub use epoch::{close_epoch, record_set};
pub use event::{
    ADMITTED, DELEGATED, JAILED, KEYS_ROTATED, OBSERVED, PARTICIPATION_SET, RELEASED, RETIRED,
    RETURNED, STEPPED_DOWN, STOOD, StakingEvent, WEIGHT_SET, WITHDRAWN,
};
pub use roll::{MEMBERS_MAX, Roll, RollError};
pub use state::{
    Member, SETS_KEPT, member, member_key, offences, participation, participation_key, roll,
    roll_key, set, set_key,
};

pub(crate) use epoch::{first_sets, genesis};
pub(crate) use members::{
    admit, member_of, participation_of, release, retire, roll_of, rotate_keys, set_participation,
    set_weight,
};
pub(crate) use reports::Reports;
pub(crate) use state::votes_with;

use crate::caller::{Caller, Principal};
use crate::context::Context;
use crate::contract::Contract;
use crate::error::{ContractError, stable_errors};
use members::load_roll;
use salus_primitives::calls::{
    BLOCKCFG, Delegation, GOVERNANCE, IDENTITY, Part, STAKING, StakingCall,
};
use salus_primitives::evidence::{Evidence, EvidenceError};
use salus_primitives::ids::{ContractId, EntityId};
use state::{member_slot, offences_slot, set_slot};

/// The contract, see the module.
#[derive(Debug)]
pub enum Staking {}

/// Most parts of a delegation.
pub const PARTS_MAX: usize = 32;

stable_errors! {
    /// Why a staking call is refused.
    pub enum StakingError {
        /// A device or a validator called what is a member's to do.
        NotAnEntity = 1, "not_an_entity", "only entities can be members, not devices or validators";
        /// The caller is no member.
        NotAMember = 2, "not_a_member", "the caller is no member";
        /// The member stands already.
        AlreadyStanding = 3, "already_standing", "the member is a candidate already";
        /// The member does not stand.
        NotStanding = 4, "not_standing", "the member is no candidate";
        /// Parts are 1 to [`PARTS_MAX`], each above 0, strictly ascending by candidate.
        MalformedParts = 5, "malformed_parts", "parts are 1 to 32, each above 0, ascending by candidate";
        /// The parts are more than the member has.
        NotEnoughWeight = 6, "not_enough_weight", "the parts are more than the member's weight";
        /// Nobody of this id stands.
        NotACandidate = 7, "not_a_candidate", "weight goes to members that stand";
        /// There is nothing to withdraw.
        NothingDelegated = 8, "nothing_delegated", "the member delegates nothing";
        /// The member was not set inactive.
        NotInactive = 9, "not_inactive", "the member is not inactive";
        /// See [`EvidenceError::EpochsDiffer`].
        EvidenceOfTwoEpochs = 10, "evidence_of_two_epochs", "the votes are of two epochs";
        /// See [`EvidenceError::Order`].
        EvidenceOutOfOrder = 11, "evidence_out_of_order", "the statements are not in strictly ascending order";
        /// See [`EvidenceError::NoConflict`].
        NoConflict = 12, "no_conflict", "the votes do not contradict each other";
        /// The epoch is too old or too far ahead, see [`SETS_KEPT`].
        UnknownEpoch = 13, "unknown_epoch", "the validators of this epoch are not known, or no longer";
        /// See [`EvidenceError::UnknownSeat`].
        UnknownSeat = 14, "unknown_seat", "there is no such seat";
        /// See [`EvidenceError::BadSignature`].
        BadVoteSignature = 15, "bad_vote_signature", "a vote's signature does not match the seat's key";
        /// The member's offence in this epoch was reported before.
        OffenceKnown = 16, "offence_known", "the offence is known";
        /// The member was released since.
        OffenceAnswered = 17, "offence_answered", "governance has released the member since";
        /// The offender is a member no longer.
        OffenderRetired = 18, "offender_retired", "the offender is a member no longer";
        /// An entity or a device called what only a validator's own key says.
        NotAValidator = 19, "not_a_validator", "only a validator says what it saw, by the key it votes with";
        /// The caller did not validate in the epoch it speaks of.
        NoSeat = 20, "no_seat", "the validator had no seat in this epoch";
        /// Only the epoch before the present one is observed: what is older has been judged, what is newer goes on.
        NotTheEpochBefore = 21, "not_the_epoch_before", "validators say what they saw in the epoch before the present one";
        /// Not one entry for each seat, more votes than views, or a response or rate of 0 or beyond reason.
        MalformedObservation = 22, "malformed_observation", "each seat has an entry, at most as many votes as there are views, and a response and rate within their bounds";
        /// The validator saw too little to say anything, see [`attendance`](self::Absence).
        TooFewViews = 23, "too_few_views", "the validator observed fewer views than half the epoch's blocks";
        /// Each validator says it once.
        AlreadyObserved = 24, "already_observed", "the validator has said what it saw already";
    }
}

type Outcome = Result<(), ContractError<StakingError>>;

impl Contract for Staking {
    type Call = StakingCall;
    type Error = StakingError;

    const ID: ContractId = STAKING;
    const NAME: &'static str = "staking";
    const OPENS_TO: &'static [ContractId] = &[IDENTITY, GOVERNANCE, BLOCKCFG];

    fn admit(caller: &Caller, call: &StakingCall) -> Result<(), StakingError> {
        match (call, caller.principal) {
            (StakingCall::Report(_), _) => Ok(()),
            (StakingCall::Observe(observed), Principal::Validator { .. }) => {
                attendance::check_form(observed)
            }
            (StakingCall::Observe(_), _) => Err(StakingError::NotAValidator),
            (
                _,
                Principal::Device { .. }
                | Principal::Validator { .. }
                | Principal::Practitioner { .. }
                | Principal::Person { .. }
                | Principal::Custodian { .. },
            ) => Err(StakingError::NotAnEntity),
            (StakingCall::Delegate(Delegation::Parts(parts)), _) => check_parts(parts),
            (
                StakingCall::Stand
                | StakingCall::StepDown
                | StakingCall::Delegate(Delegation::Whole(_))
                | StakingCall::Withdraw
                | StakingCall::Return,
                Principal::Entity { .. },
            ) => Ok(()),
        }
    }

    fn execute(context: &mut Context<'_>, call: StakingCall) -> Outcome {
        match call {
            StakingCall::Stand => stand(context, true),
            StakingCall::StepDown => stand(context, false),
            StakingCall::Delegate(delegation) => delegate(context, delegation),
            StakingCall::Withdraw => withdraw(context),
            StakingCall::Return => return_to_duty(context),
            StakingCall::Report(evidence) => report(context, &evidence),
            StakingCall::Observe(observed) => attendance::observe(context, &observed),
        }
    }
}

fn stand(context: &mut Context<'_>, candidate: bool) -> Outcome {
    let (id, mut member) = caller(context)?;
    if member.candidate == candidate {
        return Err(match candidate {
            true => StakingError::AlreadyStanding.into(),
            false => StakingError::NotStanding.into(),
        });
    }
    member.candidate = candidate;
    context.store(&member_slot(&id), &member)?;
    context.emit(&match candidate {
        true => StakingEvent::Stood { member: id },
        false => StakingEvent::SteppedDown { member: id },
    })?;
    Ok(())
}

fn delegate(context: &mut Context<'_>, delegation: Delegation) -> Outcome {
    let (id, mut member) = caller(context)?;
    match &delegation {
        Delegation::Whole(candidate) => check_candidate(context, candidate)?,
        Delegation::Parts(parts) => {
            let sum = parts
                .iter()
                .fold(0u64, |sum, part| sum.saturating_add(part.weight));
            if sum > load_roll(context)?.weight(&id).unwrap_or(0) {
                return Err(StakingError::NotEnoughWeight.into());
            }
            for part in parts {
                check_candidate(context, &part.candidate)?;
            }
        }
    }
    member.delegation = Some(delegation.clone());
    member.delegated_at = context.height();
    context.store(&member_slot(&id), &member)?;
    context.emit(&StakingEvent::Delegated {
        member: id,
        delegation,
    })?;
    Ok(())
}

fn withdraw(context: &mut Context<'_>) -> Outcome {
    let (id, mut member) = caller(context)?;
    if member.delegation.take().is_none() {
        return Err(StakingError::NothingDelegated.into());
    }
    context.store(&member_slot(&id), &member)?;
    context.emit(&StakingEvent::Withdrawn { member: id })?;
    Ok(())
}

fn return_to_duty(context: &mut Context<'_>) -> Outcome {
    let (id, mut member) = caller(context)?;
    if member.inactive.take().is_none() {
        return Err(StakingError::NotInactive.into());
    }
    member.returned = Some(context.parameters().epoch_at(context.height()));
    context.store(&member_slot(&id), &member)?;
    context.emit(&StakingEvent::Returned { member: id })?;
    Ok(())
}

fn report(context: &mut Context<'_>, evidence: &Evidence) -> Outcome {
    let tenure = context.parameters().tenure;
    evidence.conflict(tenure).map_err(StakingError::from)?;
    let epoch = evidence.epoch();
    let set = context
        .load(&set_slot(epoch))?
        .ok_or(StakingError::UnknownEpoch)?;
    let offender = set
        .validator(evidence.seat)
        .ok_or(StakingError::UnknownSeat)?
        .entity;
    // before the signatures: what is known costs no more than this
    let mut known = context.load(&offences_slot(epoch))?.unwrap_or_default();
    let Err(at) = known.binary_search_by_key(&offender, |offence| offence.entity) else {
        return Err(StakingError::OffenceKnown.into());
    };
    let slot = member_slot(&offender);
    let mut member = context.load(&slot)?.ok_or(StakingError::OffenderRetired)?;
    if member.answered.is_some_and(|answered| epoch <= answered) {
        return Err(StakingError::OffenceAnswered.into());
    }
    let offence = evidence
        .verify(context.genesis(), &set, tenure)
        .map_err(StakingError::from)?;
    known.insert(at, offence);
    context.store(&offences_slot(epoch), &known)?;
    member.jailed.get_or_insert(offence);
    context.store(&slot, &member)?;
    let by = context.caller().principal.entity();
    context.emit(&StakingEvent::Jailed { offence, by })?;
    Ok(())
}

/// The member that calls.
fn caller(context: &mut Context<'_>) -> Result<(EntityId, Member), ContractError<StakingError>> {
    let id = context.caller().principal.entity();
    let member = context
        .load(&member_slot(&id))?
        .ok_or(StakingError::NotAMember)?;
    Ok((id, member))
}

fn check_candidate(context: &mut Context<'_>, id: &EntityId) -> Outcome {
    match context.load(&member_slot(id))? {
        Some(member) if member.candidate => Ok(()),
        Some(_) | None => Err(StakingError::NotACandidate.into()),
    }
}

fn check_parts(parts: &[Part]) -> Result<(), StakingError> {
    let counted = (1..=PARTS_MAX).contains(&parts.len());
    let ascending = parts.is_sorted_by(|a, b| a.candidate < b.candidate);
    if counted && ascending && parts.iter().all(|part| part.weight > 0) {
        Ok(())
    } else {
        Err(StakingError::MalformedParts)
    }
}

impl From<EvidenceError> for StakingError {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::EpochsDiffer { .. } => Self::EvidenceOfTwoEpochs,
            EvidenceError::Order => Self::EvidenceOutOfOrder,
            EvidenceError::NoConflict => Self::NoConflict,
            // the set was read by the evidence's own epoch
            EvidenceError::Epoch { .. } => Self::UnknownEpoch,
            EvidenceError::UnknownSeat(_) => Self::UnknownSeat,
            EvidenceError::BadSignature(_) => Self::BadVoteSignature,
        }
    }
}
