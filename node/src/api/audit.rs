//! What happened to a person's data, for who knows the person's salt.

use super::error::Refused;
use super::views::octets;
use super::{Api, BODY_TIME_MAX};
use crate::audit::{self, ExportError};
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::response::Response;
use salus_contracts::native::identity::{self, Registered};
use salus_primitives::codec;
use salus_primitives::hash::Digest;
use salus_primitives::reading::Pseudonym;
use salus_primitives::state::{StateRead, StateReadError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Who is asked about. The salt stands for the right to ask: it is told to the person, who acts for it, the relation and the custodians.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonBody {
    person: Pseudonym,
    salt: Digest,
}

/// `POST /v1/audit`: the canonical bytes of an [`AuditExport`](salus_primitives::audit::AuditExport).
pub(super) async fn export(State(api): State<Api>, request: Request) -> Result<Response, Refused> {
    let _turn = api
        .limits
        .exports
        .try_acquire()
        .map_err(|_| Refused::busy())?;
    let body: PersonBody = read_body(
        request,
        "an object with `person` and `salt`, each of 64 hexadecimal digits",
    )
    .await?;
    let anchor = api.node.genesis().anchor.clone();
    let result = api
        .in_turn(move |ledger| {
            Ok::<_, std::convert::Infallible>(audit::export(
                ledger,
                &anchor,
                &body.person,
                &body.salt.0,
            ))
        })
        .await?;
    match result {
        Ok(export) => Ok(octets(codec::encode(&export))),
        Err(ExportError::UnknownPerson) => Err(Refused::unknown_person()),
        Err(ExportError::NotYet) => Err(Refused::not_yet("the last blocks are not provable yet")),
        Err(error @ ExportError::TooLong { .. }) => Err(Refused::too_long(&error)),
        Err(error @ (ExportError::Ledger(_) | ExportError::State(_))) => {
            Err(Refused::unreadable(&error))
        }
    }
}

/// The registered person of this pseudonym, if the salt is the person's.
pub(super) fn person_of(
    state: &dyn StateRead,
    id: &Pseudonym,
    salt: &[u8; 32],
) -> Result<Option<Registered>, StateReadError> {
    Ok(identity::person(state, id)?.filter(|person| person.salt == *salt))
}

/// Reads a body of JSON.
pub(super) async fn read_body<T: DeserializeOwned>(
    request: Request,
    expected: &'static str,
) -> Result<T, Refused> {
    let body = match tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, &())).await {
        Err(_) => return Err(Refused::body_too_slow()),
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err(Refused::body_unread()),
    };
    serde_json::from_slice(&body).map_err(|_| Refused::bad_body(expected))
}
