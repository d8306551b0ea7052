//! Who may see whose data: grants, denials, requests, broken glasses and erasure (`docs/access.md`, rules R1 to R10).
//!
//! The patient's side lays down rules in a [`Dossier`]; somebody asks; [`decide`](decide()) says whether keys may be released. What becomes of keys is off chain: a
//! custodian looks at the final state ([`releasable`]) and says here what it did.
//!
//! Decided here (`docs/adr/0020`):
//! - A denial is one event that follows from the request alone, with the same success, for a patient who is not registered as for one who forbids.
//!   Nothing is written for who is not registered. Calls of the patient's side are refused to others with one code, whether there is such a patient or not.
//! - Every event about a patient extends the audit trail that identity keeps.
//! - All rules of a patient stand in one row: one proof shows them all.
//! - Who was granted loses it by block time at the very block; nothing happens by itself.

pub mod decide;
pub mod dossier;
mod erasures;
pub mod explain;
pub mod facts;
mod form;
mod governed;
mod requests;
mod rules;
mod state;

pub use decide::decide;
pub use dossier::Dossier;
pub use state::{
    AllowedRequest, ClosedReview, Erasure, OpenReview, Review, allowed_request, break_glass_key,
    break_glass_rules, dossier, dossier_key, erasure, erasure_key, generation, is_erased,
    jurisdiction, jurisdiction_key, open_reviews, releasable, request_key,
};

pub(crate) use governed::{assign_jurisdiction, set_break_glass};

use crate::caller::{Caller, Principal};
use crate::context::{Context, ContractEvent};
use crate::contract::Contract;
use crate::error::{ContractError, stable_errors};
use crate::native::identity::{self, Registered};
use dossier::Effect;
use salus_primitives::access::AccessEvent;
use salus_primitives::calls::{ACCESS, AccessCall, GOVERNANCE};
use salus_primitives::ids::ContractId;

/// The contract, see the module.
#[derive(Debug)]
pub enum Access {}

stable_errors! {
    /// Why an access call is refused. A request that is denied is not refused: its call succeeds.
    pub enum AccessError {
        /// Rules are laid down by persons.
        NotAPerson = 1, "not_a_person", "only persons lay down rules about their data";
        /// The caller is not on the patient's side, or there is no such patient.
        NotThePatientsSide = 2, "not_the_patients_side", "the caller is not on the side of such a patient";
        /// There are none, or some that this release does not know.
        BadCategories = 3, "bad_categories", "categories are missing or unknown";
        /// There are none, some that this release does not know, or a grant for break-glass.
        BadPurposes = 4, "bad_purposes", "purposes are missing or unknown, or a grant is for break-glass";
        /// The last day is before the first, there are too many days, or a request for all there is.
        BadExtent = 5, "bad_extent", "the days are none, too many, or not said";
        /// It is empty, over, or longer than that of the grant passed on.
        BadWindow = 6, "bad_window", "the time is empty, over, or not within the grant's";
        /// Only a denial can be to everybody.
        GrantToEverybody = 7, "grant_to_everybody", "a grant says to whom";
        /// What can be passed on, and whom to, is by name.
        NotByName = 8, "not_by_name", "who passes on, and who is passed something on, is a practitioner, a person or an entity";
        /// An agreement is of entities.
        AgreementForAPerson = 9, "agreement_for_a_person", "a grant to a person rests on no agreement";
        /// Research needs the hospital's assent too.
        ResearchNeedsAgreement = 10, "research_needs_agreement", "a grant for research rests on an agreement";
        /// A denial is not passed on and rests on no agreement.
        DenialRestsOnNothing = 11, "denial_rests_on_nothing", "a denial is not passed on and rests on no agreement";
        /// There is none that has not ended and has the relation among its parties.
        UnknownAgreement = 12, "unknown_agreement", "there is no such agreement of the patient's relation";
        /// The dossier is full of rules that have not ended.
        TooManyRules = 13, "too_many_rules", "too many rules, or agreements under them, have not ended";
        /// The dossier has no such rule, or it was removed after its end.
        UnknownRule = 14, "unknown_rule", "there is no such rule";
        /// The rule does not hold any more, or not yet.
        AlreadyEnded = 15, "rule_not_live", "the rule has ended, or not begun";
        /// The grant does not name the caller, or there is no such grant or patient.
        NotYours = 16, "not_yours", "no such grant names the caller";
        /// The grant was not to be passed on, or was itself.
        NotToBePassedOn = 17, "not_to_be_passed_on", "the grant may not be passed on";
        /// Once is once.
        AlreadyPassedOn = 18, "already_passed_on", "the grant was passed on before";
        /// Devices, validators and key services ask for nothing.
        NobodyWhoAsks = 19, "nobody_who_asks", "only entities, practitioners and persons ask for data";
        /// Break-glass is asked for by breaking the glass, and nothing else is.
        WrongPurpose = 20, "wrong_purpose", "break-glass is a call of its own, and the purpose of no other";
        /// Only practitioners break glasses.
        NotAPractitioner = 21, "not_a_practitioner", "only practitioners break the glass";
        /// The caller's kind reviews nothing.
        NotAReviewer = 22, "not_a_reviewer", "physicians and privacy officers of the entity, and ministries, review";
        /// There is none, or it is another entity's.
        UnknownReview = 23, "unknown_review", "there is no such review for the caller";
        /// Another person closes it.
        OwnReview = 24, "own_review", "who broke the glass does not close the review";
        /// It was closed before.
        ReviewClosed = 25, "review_closed", "the review is closed already";
        /// See [`BreakGlassRules::excludable`](salus_primitives::calls::BreakGlassRules::excludable).
        NotExcludable = 26, "break_glass_not_excludable", "the patient's jurisdiction does not let break-glass be excluded";
        /// Another calls than a custodian of the patient whom the request or order is about, or there is no such request or order.
        NotACustodian = 27, "not_a_custodian", "the caller is no custodian of what it names";
        /// The custodian has said so before.
        AlreadySaid = 28, "already_said", "the custodian has said so already";
        /// See [`Erasure`]: up to the present day.
        ErasesTheFuture = 29, "erases_the_future", "only days up to the present one can be erased";
        /// See [`ERASED_MAX`](dossier::ERASED_MAX).
        TooManyErasures = 30, "too_many_erasures", "too many separate stretches of days would be erased";
        /// All is so already.
        NothingChanges = 31, "nothing_changes", "the call changes nothing";
    }
}

type Outcome = Result<(), ContractError<AccessError>>;

impl Contract for Access {
    type Call = AccessCall;
    type Error = AccessError;

    const ID: ContractId = ACCESS;
    const NAME: &'static str = "access";
    const OPENS_TO: &'static [ContractId] = &[GOVERNANCE];

    fn admit(caller: &Caller, call: &AccessCall) -> Result<(), AccessError> {
        let principal = &caller.principal;
        match call {
            AccessCall::Grant(terms) => {
                check_person(principal)?;
                form::check_terms(Effect::Permits, terms)
            }
            AccessCall::Deny(terms) => {
                check_person(principal)?;
                form::check_terms(Effect::Forbids, terms)
            }
            AccessCall::Revoke { .. } | AccessCall::ExcludeBreakGlass { .. } => {
                check_person(principal)
            }
            AccessCall::Erase {
                first_day,
                last_day,
                ..
            } => {
                check_person(principal)?;
                form::check_days(*first_day, *last_day)
            }
            AccessCall::PassOn { to, .. } => {
                facts::requester_of(principal).ok_or(AccessError::NotYours)?;
                rules::check_recipient(to)
            }
            AccessCall::Request(asked) => {
                facts::requester_of(principal).ok_or(AccessError::NobodyWhoAsks)?;
                form::check_request(asked, false)
            }
            AccessCall::BreakGlass { request, .. } => {
                if !matches!(principal, Principal::Practitioner { .. }) {
                    return Err(AccessError::NotAPractitioner);
                }
                form::check_request(request, true)
            }
            AccessCall::CloseReview { .. } => requests::check_reviewer(principal),
            AccessCall::Released { .. } | AccessCall::Erased { .. } => match principal {
                Principal::Custodian { .. } => Ok(()),
                Principal::Entity { .. }
                | Principal::Device { .. }
                | Principal::Validator { .. }
                | Principal::Practitioner { .. }
                | Principal::Person { .. } => Err(AccessError::NotACustodian),
            },
        }
    }

    fn execute(context: &mut Context<'_>, call: AccessCall) -> Outcome {
        match call {
            AccessCall::Grant(terms) => rules::lay_down(context, Effect::Permits, terms),
            AccessCall::Deny(terms) => rules::lay_down(context, Effect::Forbids, terms),
            AccessCall::Revoke { subject, grant } => rules::revoke(context, subject, grant),
            AccessCall::PassOn {
                subject,
                grant,
                to,
                until,
            } => rules::pass_on(context, subject, grant, to, until),
            AccessCall::Request(asked) => requests::request(context, asked, None),
            AccessCall::BreakGlass { request, reason } => {
                requests::request(context, request, Some(reason))
            }
            AccessCall::CloseReview { request, verdict } => {
                requests::close_review(context, request, verdict)
            }
            AccessCall::ExcludeBreakGlass { subject, excluded } => {
                rules::exclude_break_glass(context, subject, excluded)
            }
            AccessCall::Released { request } => requests::released(context, request),
            AccessCall::Erase {
                subject,
                category,
                first_day,
                last_day,
            } => erasures::order(context, subject, category, first_day, last_day),
            AccessCall::Erased { order } => erasures::erased(context, order),
        }
    }
}

const fn check_person(principal: &Principal) -> Result<(), AccessError> {
    match principal {
        Principal::Person { .. } => Ok(()),
        Principal::Entity { .. }
        | Principal::Device { .. }
        | Principal::Validator { .. }
        | Principal::Practitioner { .. }
        | Principal::Custodian { .. } => Err(AccessError::NotAPerson),
    }
}

/// Makes an event known, and extends the trail of the patient it is about, if there is one.
fn tell(context: &mut Context<'_>, about: Option<&Registered>, event: &AccessEvent) -> Outcome {
    let event = context.publish(event)?;
    if let Some(registered) = about {
        identity::extend_trail(context, registered, &event)?;
    }
    Ok(())
}

impl ContractEvent for AccessEvent {
    fn topic(&self) -> u16 {
        Self::topic(self)
    }
}
