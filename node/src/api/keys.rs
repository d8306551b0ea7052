//! The key service: one-time keys and deposits for devices, keys for who was allowed.

use super::error::Refused;
use super::views::octets;
use super::{Api, BODY_TIME_MAX};
use crate::custody::chain::FinalChain;
use crate::custody::speaker::{Running, clock, entropy};
use crate::custody::{KeyService, Refusal};
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use salus_primitives::codec;
use salus_primitives::custody::{CUSTODY_MESSAGE_MAX, Deposit, PrekeyRequest};
use salus_primitives::signed::Signed;
use salus_primitives::transaction::TxId;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {
    request: TxId,
}

/// `POST /v1/keys/prekeys`: a signed [`PrekeyRequest`], answered with a signed `Prekey`.
pub(super) async fn prekey(State(api): State<Api>, request: Request) -> Result<Response, Refused> {
    let running = running(&api)?;
    let asked: Signed<PrekeyRequest> = decode(&octets_of(request).await?)?;
    answer(&api, running, move |service, chain| {
        let mut entropy = entropy().map_err(|_| Refusal::Broken)?;
        let now = chain.clock;
        let prekey = service.prekey(asked, now, |asked| chain.deposit(asked), &mut entropy)?;
        Ok(codec::encode(&prekey))
    })
    .await
}

/// `POST /v1/keys/deposits`: a signed [`Deposit`], answered with a signed `DepositReceipt`.
pub(super) async fn deposit(State(api): State<Api>, request: Request) -> Result<Response, Refused> {
    let running = running(&api)?;
    let deposit: Signed<Deposit> = decode(&octets_of(request).await?)?;
    answer(&api, running, move |service, chain| {
        let mut entropy = entropy().map_err(|_| Refusal::Broken)?;
        let receipt = service.deposit(deposit, |asked| chain.deposit(asked), &mut entropy)?;
        Ok(codec::encode(&receipt))
    })
    .await
}

/// `POST /v1/keys/release`: the id of a request's transaction in JSON, answered with a signed `Release`.
pub(super) async fn release(State(api): State<Api>, request: Request) -> Result<Response, Refused> {
    let running = running(&api)?;
    let body = body_of(request, "application/json").await?;
    let ReleaseBody { request } = serde_json::from_slice(&body)
        .map_err(|_| Refused::bad_message("the body is {\"request\": the id of a transaction}"))?;
    answer(&api, running, move |service, chain| {
        let mut entropy = entropy().map_err(|_| Refusal::Broken)?;
        service.release(request, |request| chain.release(request), &mut entropy)
    })
    .await
}

fn running(api: &Api) -> Result<Running, Refused> {
    api.node
        .key_service()
        .cloned()
        .ok_or_else(Refused::no_key_service)
}

/// Does the work where the disk may block, with a bounded number of others.
async fn answer(
    api: &Api,
    Running { service, entity }: Running,
    work: impl FnOnce(&KeyService, &FinalChain<'_>) -> Result<Vec<u8>, Refusal> + Send + 'static,
) -> Result<Response, Refused> {
    let _turn = api
        .limits
        .key_calls
        .try_acquire()
        .map_err(|_| Refused::busy())?;
    let ledger = Arc::clone(api.node.ledger());
    let done = tokio::task::spawn_blocking(move || {
        let chain = FinalChain {
            ledger: &ledger,
            entity,
            clock: clock(),
        };
        work(&service, &chain)
    });
    match done.await {
        Ok(Ok(bytes)) => Ok(octets(bytes)),
        Ok(Err(refusal)) => Err(Refused::from(&refusal)),
        Err(error) => Err(Refused::unreadable(&error)),
    }
}

async fn octets_of(request: Request) -> Result<Bytes, Refused> {
    body_of(request, "application/octet-stream").await
}

async fn body_of(request: Request, media_type: &'static str) -> Result<Bytes, Refused> {
    check_media_type(request.headers(), media_type)?;
    let body = tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, &())).await;
    let body = match body {
        Err(_) => return Err(Refused::body_too_slow()),
        Ok(Err(_)) => return Err(Refused::body_unread()),
        Ok(Ok(body)) => body,
    };
    if body.len() > CUSTODY_MESSAGE_MAX {
        return Err(Refused::body_too_large(CUSTODY_MESSAGE_MAX));
    }
    Ok(body)
}

fn check_media_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Refused> {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next())
        .map(str::trim);
    if media_type.is_some_and(|it| it.eq_ignore_ascii_case(expected)) {
        Ok(())
    } else {
        Err(Refused::other_content_type(expected))
    }
}

fn decode<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    codec::decode(bytes, CUSTODY_MESSAGE_MAX)
        .map_err(|_| Refused::bad_message("the body is no such message in canonical encoding"))
}
