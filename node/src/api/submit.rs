//! Handing in a transaction.

use super::error::Refused;
use super::views::{TransactionView, json};
use super::{Api, BODY_TIME_MAX};
use crate::handle::AdmitError;
use crate::mempool::PoolError;
use axum::body::{Bytes, HttpBody as _};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use salus_primitives::transaction::{TRANSACTION_MAX, TxId};

/// `POST /v1/transactions`: 202 if it is new, 200 if it was handed in before; both say how it stands.
pub(super) async fn submit(State(api): State<Api>, request: Request) -> Result<Response, Refused> {
    check_media_type(request.headers())?;
    let too_large = || {
        api.metrics.transaction_rejected(None, "too_large");
        Refused::body_too_large(TRANSACTION_MAX)
    };
    // spares a client that announces too much the sending of it
    if request.body().size_hint().lower() > TRANSACTION_MAX as u64 {
        return Err(too_large());
    }
    let _turn = api
        .limits
        .submissions
        .try_acquire()
        .map_err(|_| Refused::busy())?;
    let body = match tokio::time::timeout(BODY_TIME_MAX, Bytes::from_request(request, &())).await {
        Err(_) => return Err(Refused::body_too_slow()),
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return Err(too_large());
        }
        Ok(Err(_)) => return Err(Refused::body_unread()),
    };
    match api.node.submit_as(body).await {
        Ok((id, lane)) => {
            let view = TransactionView::pending(id, lane);
            Ok(json(StatusCode::ACCEPTED, &view))
        }
        Err((lane, error)) => {
            api.metrics.transaction_rejected(lane, error.reason());
            match error {
                AdmitError::Pool(
                    PoolError::AlreadyFinal { id, .. } | PoolError::AlreadyPending { id },
                ) => repeated(&api, id).await,
                _ => Err(Refused::from(&error)),
            }
        }
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Refused> {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next())
        .map(str::trim);
    if !media_type.is_some_and(|it| it.eq_ignore_ascii_case("application/octet-stream")) {
        return Err(Refused::content_type());
    }
    Ok(())
}

/// Handing in the same transaction again changes nothing.
async fn repeated(api: &Api, id: TxId) -> Result<Response, Refused> {
    let node = api.node.clone();
    let progress = api.read(move |_| node.progress(&id)).await?;
    Ok(json(StatusCode::OK, &TransactionView::new(id, progress)))
}
