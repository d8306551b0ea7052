//! How the API says no: an HTTP status, and a body that programs can read.

use crate::custody::Refusal;
use crate::handle::AdmitError;
use crate::mempool::PoolError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use salus_primitives::ids::Height;
use serde::Serialize;
use std::time::Duration;

/// A call that is not answered with what it asked for. The code is stable; the message is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: Reason<'a>,
}

#[derive(Serialize)]
struct Reason<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Refused {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    fn after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_such_path",
            "there is nothing at this path",
        )
    }

    pub(super) fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path does not take this method",
        )
    }

    /// What was asked for is none of what the path takes. The client's text is not repeated.
    pub(super) fn bad_path(expected: &'static str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad_path",
            format!("the path needs {expected}"),
        )
    }

    pub(super) fn bad_query(expected: &'static str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad_query",
            format!("the query may hold {expected}"),
        )
    }

    /// A body of another form. The client's text is not repeated.
    pub(super) fn bad_body(expected: &'static str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad_body",
            format!("the body needs {expected}"),
        )
    }

    pub(super) fn content_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "a transaction is sent as application/octet-stream",
        )
    }

    pub(super) fn other_content_type(expected: &'static str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!("this is sent as {expected}"),
        )
    }

    pub(super) fn bad_message(expected: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", expected)
    }

    pub(super) fn no_key_service() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_key_service",
            "this node is no custodian",
        )
    }

    pub(super) fn body_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body exceeds {limit} bytes"),
        )
    }

    pub(super) fn body_unread() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "body_unread",
            "the body could not be read",
        )
    }

    pub(super) fn body_too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "the body did not arrive in time",
        )
    }

    pub(super) fn unknown_transaction() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_transaction",
            "this node knows no such transaction",
        )
    }

    pub(super) fn unknown_block() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_block",
            "there is no such final block here",
        )
    }

    pub(super) fn unknown_epoch(what: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_epoch", what)
    }

    /// Not registered, or not with this salt: the answer does not tell which.
    pub(super) fn unknown_person() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_person",
            "no person of this pseudonym and salt is registered",
        )
    }

    pub(super) fn too_long(error: &dyn std::error::Error) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too_long",
            error.to_string(),
        )
    }

    pub(super) fn unknown_key() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_key",
            "no entity, device or validator has or had this key",
        )
    }

    /// It may exist later.
    pub(super) fn not_yet(what: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_yet", what)
    }

    /// A state that no final block commits to yet.
    pub(super) fn state_not_yet(head: Height) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_yet",
            format!(
                "the state after a block can be proven once the next block is final; the highest final block is {head}"
            ),
        )
    }

    /// A state that was kept once.
    pub(super) fn state_pruned(oldest: Height) -> Self {
        Self::new(
            StatusCode::GONE,
            "pruned",
            format!("this node proves the state after heights from {oldest} on"),
        )
    }

    /// It is not here, and will not be.
    pub(super) fn not_kept(what: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_kept", what)
    }

    /// Too many others do the same at this moment.
    pub(super) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "too many such calls at a time, try again or elsewhere",
        )
        .after(BUSY_RETRY_AFTER)
    }

    pub(super) fn too_slow() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "the call took too long",
        )
    }

    pub(super) fn not_ready(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    /// The ledger failed. The reason is for the operator, not for the client.
    pub(super) fn unreadable(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "the API cannot read the ledger");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the node failed to read its own data",
        )
    }
}

/// The client's bytes are wrong: 400. The chain does not take this now: 409. A contract would refuse it: 422. Too much at
/// a time: 429. This node does not take any: 503.
impl From<&AdmitError> for Refused {
    fn from(error: &AdmitError) -> Self {
        let (status, retry_after) = match error {
            AdmitError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, None),
            AdmitError::Malformed(_) | AdmitError::BadSignature(_) => {
                (StatusCode::BAD_REQUEST, None)
            }
            AdmitError::Pool(pool) => match pool {
                PoolError::LaneFull { retry_after, .. } => {
                    (StatusCode::TOO_MANY_REQUESTS, Some(*retry_after))
                }
                PoolError::WrongChain { .. }
                | PoolError::Expired { .. }
                | PoolError::WindowTooFar { .. }
                | PoolError::AlreadyFinal { .. }
                | PoolError::AlreadyPending { .. } => (StatusCode::CONFLICT, None),
            },
            AdmitError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, None),
            AdmitError::Busy { retry_after } => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(*retry_after))
            }
            AdmitError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, None),
        };
        Self {
            status,
            code: error.reason(),
            message: error.to_string(),
            retry_after,
        }
    }
}

/// Who is not entitled: 403. It is not there, or not yet: 404. It contradicts what is there: 409. It is gone for good: 410. Too much: 413 or 429. The
/// service is not ready: 503.
impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        let status = match refusal {
            Refusal::NotEntitled | Refusal::NotAllowed => StatusCode::FORBIDDEN,
            Refusal::UnknownPrekey | Refusal::Nothing => StatusCode::NOT_FOUND,
            Refusal::PrekeyUsed => StatusCode::CONFLICT,
            Refusal::Erased | Refusal::NotKept => StatusCode::GONE,
            Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Refusal::NotRegistered => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Chain(_) | Refusal::Vault(_) | Refusal::Broken => {
                return Self::unreadable(refusal);
            }
        };
        let refused = Self::new(status, refusal.reason(), refusal.to_string());
        match refusal {
            Refusal::TooMany => refused.after(TOO_MANY_RETRY_AFTER),
            _ => refused,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let message: String = self.message.chars().take(MESSAGE_MAX).collect();
        let body = Body {
            error: Reason {
                code: self.code,
                message: &message,
                retry_after_ms: self
                    .retry_after
                    .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            },
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(after) = self.retry_after {
            // whole seconds, never too early
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

const TOO_MANY_RETRY_AFTER: Duration = Duration::from_secs(60);
const BUSY_RETRY_AFTER: Duration = Duration::from_millis(250);
/// Most characters of a message.
const MESSAGE_MAX: usize = 300;
