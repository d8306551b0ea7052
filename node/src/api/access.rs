//! Who may see what, and why.

use super::audit::{person_of, read_body};
use super::error::Refused;
use super::views::json;
use super::{Api, StateError};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use salus_contracts::native::access::explain::{
    Exception, Limit, Matter, Opening, Parties, Reach, reach, record,
};
use salus_contracts::native::identity;
use salus_primitives::access::{
    Basis, Categories, Extent, GrantId, Grantee, Purposes, Requester, Sensitivity,
};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{EntityId, Height, PractitionerId};
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::state::Space;
use salus_primitives::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What is asked about a person, by who knows the salt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MatterBody {
    person: Pseudonym,
    salt: Digest,
    category: String,
    sensitivity: Sensitivity,
    first_day: u32,
    last_day: u32,
}

#[derive(Serialize)]
struct ExplanationView {
    height: Height,
    time_ms: Timestamp,
    openings: Vec<OpeningView>,
}

#[derive(Serialize)]
struct OpeningView {
    parties: PartiesView,
    purposes: Vec<&'static str>,
    #[serde(flatten)]
    basis: BasisView,
    until_ms: Option<Timestamp>,
    except: Vec<ExceptionView>,
}

/// Who, in words and by id.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum PartiesView {
    Practitioner(PractitionerId),
    Person(Pseudonym),
    Entity(EntityId),
    Profession {
        entity: EntityId,
        profession: &'static str,
    },
    Role(&'static str),
    Everybody,
    /// Physicians and nurses of all hospitals and pharmacies.
    Clinicians,
}

#[derive(Serialize)]
struct BasisView {
    basis: &'static str,
    grant: Option<GrantId>,
}

#[derive(Serialize)]
struct ExceptionView {
    parties: PartiesView,
    purposes: Vec<&'static str>,
    rule: Option<GrantId>,
}

/// Somebody, and where to go on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReachBody {
    who: WhoBody,
    /// The last person of the page before.
    after: Option<Pseudonym>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WhoBody {
    Practitioner(PractitionerId),
    Person(Pseudonym),
    Entity(EntityId),
}

#[derive(Serialize)]
struct ReachesView {
    height: Height,
    time_ms: Timestamp,
    reaches: Vec<ReachView>,
    /// Where to go on, unless this was all.
    after: Option<Pseudonym>,
}

#[derive(Serialize)]
struct ReachView {
    subject: Pseudonym,
    #[serde(flatten)]
    basis: BasisView,
    categories: Vec<&'static str>,
    sensitivity: &'static str,
    purposes: Vec<&'static str>,
    extent: Extent,
    before_day: Option<u32>,
    until_ms: Option<Timestamp>,
    except: Vec<LimitView>,
    erased: Vec<ErasedView>,
}

#[derive(Serialize)]
struct LimitView {
    rule: GrantId,
    categories: Vec<&'static str>,
    sensitivity: &'static str,
    purposes: Vec<&'static str>,
    extent: Extent,
}

#[derive(Serialize)]
struct ErasedView {
    category: &'static str,
    first_day: u32,
    last_day: u32,
}

/// `POST /v1/access/explain`: every party that could open something of a person now, and why.
pub(super) async fn explain(State(api): State<Api>, request: Request) -> Result<Response, Refused> {
    let body: MatterBody = read_body(
        request,
        "an object with `person`, `salt`, `category`, `sensitivity`, `first_day` and `last_day`",
    )
    .await?;
    let category = Category::ALL
        .into_iter()
        .find(|category| category.name() == body.category)
        .ok_or_else(|| Refused::bad_body("a known `category`"))?;
    if body.first_day > body.last_day {
        return Err(Refused::bad_body(
            "a `first_day` that is not after `last_day`",
        ));
    }
    let matter = Matter {
        subject: body.person,
        category,
        sensitivity: body.sensitivity,
        extent: Extent::Days {
            first: body.first_day,
            last: body.last_day,
        },
    };
    let view = api
        .read_state(move |ledger, snapshot| {
            let state = snapshot.state();
            if person_of(&state, &body.person, &body.salt.0)?.is_none() {
                return Ok(None);
            }
            let (height, time_ms) = now(ledger, snapshot.head().height)?;
            let openings = record(&state, &matter, time_ms)?;
            Ok(Some(ExplanationView {
                height,
                time_ms,
                openings: openings.iter().map(OpeningView::new).collect(),
            }))
        })
        .await?;
    match view {
        Some(view) => Ok(json(StatusCode::OK, &view)),
        None => Err(Refused::unknown_person()),
    }
}

/// `POST /v1/access/reach`: everything that somebody could open now, person by person. For operators: it names pseudonyms.
pub(super) async fn reaches(State(api): State<Api>, request: Request) -> Result<Response, Refused> {
    let body: ReachBody = read_body(
        request,
        "an object with `who` ({\"practitioner\"|\"person\"|\"entity\": id}) and, to go on, `after`",
    )
    .await?;
    let _turn = api
        .limits
        .exports
        .try_acquire()
        .map_err(|_| Refused::busy())?;
    let who = match body.who {
        WhoBody::Practitioner(id) => Requester::Practitioner(id),
        WhoBody::Person(id) => Requester::Person(id),
        WhoBody::Entity(id) => Requester::Entity(id),
    };
    let view = api
        .read_state(move |ledger, snapshot| {
            let state = snapshot.state();
            let (height, time_ms) = now(ledger, snapshot.head().height)?;
            let persons = persons(ledger, body.after.as_ref())?;
            let mut reaches = Vec::new();
            for person in &persons {
                let found = reach(&state, &who, person, time_ms)?;
                reaches.extend(found.iter().map(ReachView::new));
            }
            Ok(ReachesView {
                height,
                time_ms,
                reaches,
                after: persons
                    .last()
                    .filter(|_| persons.len() == PERSONS_MAX)
                    .copied(),
            })
        })
        .await?;
    Ok(json(StatusCode::OK, &view))
}

/// The last final block and its time: what is asked now is decided by it or a later one.
fn now(
    ledger: &salus_storage::ledger::Ledger,
    height: Height,
) -> Result<(Height, Timestamp), StateError> {
    let header = ledger.header(height)?;
    Ok((
        height,
        header.map_or_else(Timestamp::default, |header| header.time),
    ))
}

/// Persons in the order of their pseudonyms.
fn persons(
    ledger: &salus_storage::ledger::Ledger,
    after: Option<&Pseudonym>,
) -> Result<Vec<Pseudonym>, StateError> {
    let (contract, prefix) = identity::PERSONS;
    let after = after.map(|person| person.as_bytes().as_slice());
    let keys = ledger.state_keys(Space::Index, contract, &[prefix], after, PERSONS_MAX)?;
    Ok(keys
        .iter()
        .filter_map(|key| key.as_slice().try_into().ok().map(Pseudonym))
        .collect())
}

impl OpeningView {
    fn new(opening: &Opening) -> Self {
        Self {
            parties: match opening.parties {
                Parties::Of(grantee) => PartiesView::of(&grantee),
                Parties::Clinicians => PartiesView::Clinicians,
            },
            purposes: codes(opening.purposes),
            basis: BasisView::of(&opening.basis),
            until_ms: opening.until,
            except: opening.except.iter().map(ExceptionView::new).collect(),
        }
    }
}

impl ExceptionView {
    fn new(exception: &Exception) -> Self {
        Self {
            parties: PartiesView::of(&exception.parties),
            purposes: codes(exception.purposes),
            rule: exception.rule,
        }
    }
}

impl PartiesView {
    const fn of(grantee: &Grantee) -> Self {
        match *grantee {
            Grantee::Practitioner(id) => Self::Practitioner(id),
            Grantee::Person(id) => Self::Person(id),
            Grantee::Entity(id) => Self::Entity(id),
            Grantee::Profession { entity, profession } => Self::Profession {
                entity,
                profession: profession.name(),
            },
            Grantee::Role(role) => Self::Role(role.name()),
            Grantee::Everybody => Self::Everybody,
        }
    }
}

impl BasisView {
    const fn of(basis: &Basis) -> Self {
        let (basis, grant) = match *basis {
            Basis::PatientsSide => ("patients_side", None),
            Basis::Relation => ("relation", None),
            Basis::Grant(id) => ("grant", Some(id)),
            Basis::BrokenGlass => ("broken_glass", None),
        };
        Self { basis, grant }
    }
}

impl ReachView {
    fn new(reach: &Reach) -> Self {
        Self {
            subject: reach.subject,
            basis: BasisView::of(&reach.basis),
            categories: names(reach.categories),
            sensitivity: reach.sensitivity.code(),
            purposes: codes(reach.purposes),
            extent: reach.extent,
            before_day: reach.before_day,
            until_ms: reach.until,
            except: reach.except.iter().map(LimitView::new).collect(),
            erased: reach
                .erased
                .iter()
                .map(|days| ErasedView {
                    category: days.category.name(),
                    first_day: days.first,
                    last_day: days.last,
                })
                .collect(),
        }
    }
}

impl LimitView {
    fn new(limit: &Limit) -> Self {
        Self {
            rule: limit.rule,
            categories: names(limit.categories),
            sensitivity: limit.sensitivity.code(),
            purposes: codes(limit.purposes),
            extent: limit.extent,
        }
    }
}

fn codes(purposes: Purposes) -> Vec<&'static str> {
    purposes.iter().map(|purpose| purpose.code()).collect()
}

fn names(categories: Categories) -> Vec<&'static str> {
    categories.iter().map(|category| category.name()).collect()
}

/// Persons looked at in one call.
const PERSONS_MAX: usize = 1_000;
