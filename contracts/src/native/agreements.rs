//! Agreements of entities to exchange data, on which grants can rest.
//!
//! A party proposes an [`Agreement`] and signs it by that; the others sign the proposing transaction's id, which covers the text. It is active when all have
//! signed, within its time, until a party ends it: a grant that rests on it opens nothing before and after (`docs/identity.md`, "Agreements").
//!
//! Decided here:
//! - Any party ends it alone, whether it has signed or not. Nobody can be held in an agreement by somebody who is away.
//! - All parties are registered entities when it is proposed. One that is revoked later can ask for nothing, and the agreement of the others stands.
//! - Somebody of a role that receives is among the parties: an agreement under which nobody could receive is a mistake.
//! - An entity has at most [`OPEN_MAX`] agreements that it proposed and that may still be active. Those that ended or ran out are removed when it
//!   proposes again, and only the events tell of them then. What others propose takes no room of a party's, so nobody can use another's up.

mod event;
mod state;

pub use event::{ACCEPTED, AgreementsEvent, ENDED, PROPOSED};
pub use state::{Ended, SignedAgreement, agreement, agreement_key};

use crate::caller::Caller;
use crate::context::Context;
use crate::contract::Contract;
use crate::error::{ContractError, Halt, stable_errors};
use crate::native::identity;
use salus_primitives::access::{AgreementId, Purpose};
use salus_primitives::calls::{AGREEMENT_PARTIES_MAX, AGREEMENTS, Agreement, AgreementsCall};
use salus_primitives::ids::{ContractId, EntityId};
use state::{agreement_slot, open_slot};

/// The contract, see the module.
#[derive(Debug)]
pub enum Agreements {}

/// Most agreements that an entity has proposed and that may still be active.
pub const OPEN_MAX: usize = 256;

stable_errors! {
    /// Why a call about an agreement is refused.
    pub enum AgreementsError {
        /// Another than an entity called.
        NotAnEntity = 1, "not_an_entity", "only entities agree, by their operators' keys";
        /// Fewer than 2 or more than [`AGREEMENT_PARTIES_MAX`].
        PartiesOutOfBounds = 2, "parties_out_of_bounds", "an agreement has 2 to 16 parties";
        /// Not ascending, or one twice.
        PartiesOutOfOrder = 3, "parties_out_of_order", "parties ascend, each once";
        /// The proposer, or who would sign or end it, is not named.
        NotAParty = 4, "not_a_party", "the caller is no party of the agreement";
        /// A party is not registered, or revoked.
        UnknownParty = 5, "unknown_party", "a party is no registered entity";
        /// There are none, they do not ascend, or no party is of one of them.
        BadReceivers = 6, "bad_receivers", "receivers are roles of parties, ascending, at least one";
        /// There are none, or some that this release does not know.
        BadCategories = 7, "bad_categories", "categories are missing or unknown";
        /// There are none, some that this release does not know, or break-glass, which nobody agrees on.
        BadPurposes = 8, "bad_purposes", "purposes are missing or unknown, or break-glass is among them";
        /// It would end before it begins, or has ended.
        BadPeriod = 9, "bad_period", "the period is empty or has ended";
        /// See [`OPEN_MAX`].
        TooManyAgreements = 10, "too_many_agreements", "the entity has proposed too many agreements that may be active";
        /// There is no such agreement, or it was removed after its end.
        UnknownAgreement = 11, "unknown_agreement", "there is no such agreement";
        /// The party signed it before.
        AlreadyAccepted = 12, "already_accepted", "the party has signed this agreement already";
        /// A party ended it, or its time is over.
        AgreementEnded = 13, "agreement_ended", "the agreement has ended";
    }
}

type Outcome = Result<(), ContractError<AgreementsError>>;

impl Contract for Agreements {
    type Call = AgreementsCall;
    type Error = AgreementsError;

    const ID: ContractId = AGREEMENTS;
    const NAME: &'static str = "agreements";

    fn admit(caller: &Caller, call: &AgreementsCall) -> Result<(), AgreementsError> {
        if !caller.principal.is_entity() {
            return Err(AgreementsError::NotAnEntity);
        }
        match call {
            AgreementsCall::Propose(agreement) => check_form(&caller.principal.entity(), agreement),
            AgreementsCall::Accept(_) | AgreementsCall::End(_) => Ok(()),
        }
    }

    fn execute(context: &mut Context<'_>, call: AgreementsCall) -> Outcome {
        match call {
            AgreementsCall::Propose(agreement) => propose(context, agreement),
            AgreementsCall::Accept(id) => accept(context, id),
            AgreementsCall::End(id) => end(context, id),
        }
    }
}

/// What can be said of an agreement without state.
fn check_form(proposer: &EntityId, agreement: &Agreement) -> Result<(), AgreementsError> {
    let Agreement {
        parties,
        receivers,
        categories,
        purposes,
        mode: _,
        from,
        until,
    } = agreement;
    if !(2..=AGREEMENT_PARTIES_MAX).contains(&parties.len()) {
        return Err(AgreementsError::PartiesOutOfBounds);
    }
    if !parties.is_sorted_by(|one, next| one < next) {
        return Err(AgreementsError::PartiesOutOfOrder);
    }
    if !parties.contains(proposer) {
        return Err(AgreementsError::NotAParty);
    }
    if receivers.is_empty() || !receivers.is_sorted_by(|one, next| one < next) {
        return Err(AgreementsError::BadReceivers);
    }
    if categories.is_empty() || !categories.is_known() {
        return Err(AgreementsError::BadCategories);
    }
    if purposes.is_empty() || !purposes.is_known() || purposes.contains(Purpose::BreakGlass) {
        return Err(AgreementsError::BadPurposes);
    }
    if from >= until {
        return Err(AgreementsError::BadPeriod);
    }
    Ok(())
}

fn propose(context: &mut Context<'_>, agreement: Agreement) -> Outcome {
    let now = context.time();
    if agreement.until <= now {
        return Err(AgreementsError::BadPeriod.into());
    }
    let mut roles = Vec::new();
    for party in &agreement.parties {
        let entity = identity::entity_of(context, party)?
            .filter(|entity| entity.revoked_at.is_none())
            .ok_or(AgreementsError::UnknownParty)?;
        roles.push(entity.role);
    }
    if agreement.receivers.iter().any(|role| !roles.contains(role)) {
        return Err(AgreementsError::BadReceivers.into());
    }
    let by = context.caller().principal.entity();
    let mut open = still_open(context, &by)?;
    if open.len() >= OPEN_MAX {
        return Err(AgreementsError::TooManyAgreements.into());
    }
    let id = AgreementId::from(context.transaction());
    open.push(id);
    context.store(&open_slot(&by), &open)?;
    let signed = SignedAgreement {
        agreement: agreement.clone(),
        accepted: vec![by],
        ended: None,
    };
    context.store(&agreement_slot(&id), &signed)?;
    context.emit(&AgreementsEvent::Proposed {
        agreement: id,
        by,
        text: agreement,
    })?;
    Ok(())
}

fn accept(context: &mut Context<'_>, id: AgreementId) -> Outcome {
    let (mut signed, by) = of_a_party(context, &id)?;
    if signed.is_over(context.time()) {
        return Err(AgreementsError::AgreementEnded.into());
    }
    if signed.accepted.contains(&by) {
        return Err(AgreementsError::AlreadyAccepted.into());
    }
    signed.accepted.push(by);
    signed.accepted.sort_unstable();
    context.store(&agreement_slot(&id), &signed)?;
    context.emit(&AgreementsEvent::Accepted {
        agreement: id,
        by,
        missing: signed.missing(),
    })?;
    Ok(())
}

fn end(context: &mut Context<'_>, id: AgreementId) -> Outcome {
    let (mut signed, by) = of_a_party(context, &id)?;
    if signed.is_over(context.time()) {
        return Err(AgreementsError::AgreementEnded.into());
    }
    signed.ended = Some(Ended {
        by,
        at: context.height(),
    });
    context.store(&agreement_slot(&id), &signed)?;
    context.emit(&AgreementsEvent::Ended { agreement: id, by })?;
    Ok(())
}

/// An agreement that the caller is a party of.
fn of_a_party(
    context: &mut Context<'_>,
    id: &AgreementId,
) -> Result<(SignedAgreement, EntityId), ContractError<AgreementsError>> {
    let signed = context
        .load(&agreement_slot(id))?
        .ok_or(AgreementsError::UnknownAgreement)?;
    let by = context.caller().principal.entity();
    if !signed.agreement.parties.contains(&by) {
        return Err(AgreementsError::NotAParty.into());
    }
    Ok((signed, by))
}

/// Those of an entity's proposals that may still be active; the others are removed.
fn still_open(context: &mut Context<'_>, by: &EntityId) -> Result<Vec<AgreementId>, Halt> {
    let now = context.time();
    let mut open = Vec::new();
    for id in context.load(&open_slot(by))?.unwrap_or_default() {
        let slot = agreement_slot(&id);
        match context.load(&slot)? {
            Some(signed) if !signed.is_over(now) => open.push(id),
            Some(_) => context.remove(&slot)?,
            None => {}
        }
    }
    Ok(open)
}
