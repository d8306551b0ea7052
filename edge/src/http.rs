//! The client side of a node's HTTP API, and the posting of alarms: the one file that names HTTP.
//!
//! Plain HTTP/1.1 without TLS: signatures, proofs and envelopes protect what matters, whoever carries it. Every call has a time limit,
//! every answer a size limit.

mod keys;

pub use keys::HttpKeyServices;

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::str::FromStr;
use std::time::Duration;

use salus_primitives::attestation::ATTESTATION_MAX;
use salus_primitives::epoch::EPOCH_PAGE_MAX;
use salus_primitives::ids::{Epoch, Height};
use salus_primitives::transaction::TxId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::http::Response;

/// An address that starts with `http://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl(String);

/// Why text is no usable address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("an address starts with http:// (TLS is not built in)")]
    Scheme,
    /// No host, or characters that no address has.
    #[error("the address has no valid host")]
    Host,
}

impl FromStr for HttpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let rest = text.strip_prefix("http://").ok_or(UrlError::Scheme)?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let uri: ureq::http::Uri = text.parse().map_err(|_| UrlError::Host)?;
        if host.is_empty() || host.contains('@') || uri.host().is_none_or(str::is_empty) {
            return Err(UrlError::Host);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HttpUrl {
    /// Posts `value` as JSON and expects a 2xx answer within `limit`.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn post_json<T: Serialize>(&self, value: &T, limit: Duration) -> Result<(), HttpError> {
        let body =
            serde_json::to_vec(value).map_err(|_| HttpError::Malformed { what: "request" })?;
        let response = agent()
            .post(&self.0)
            .config()
            .timeout_global(Some(limit))
            .build()
            .content_type("application/json")
            .send(&body[..])?;
        Answer::read(response, JSON_BYTES_MAX)?
            .expect_success()
            .map(|_| ())
    }
}

/// Why a call gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection, no answer in time, or not HTTP.
    #[error("no answer: {0}")]
    NoAnswer(Box<ureq::Error>),
    /// The answer is longer than any honest one.
    #[error("answer exceeds {limit} bytes")]
    TooLong {
        /// Bytes allowed.
        limit: u64,
    },
    /// The answer is not what the API promises.
    #[error("{what} is malformed")]
    Malformed {
        /// Which part.
        what: &'static str,
    },
    /// The node is there but cannot serve now (5xx, or 408): it is busy, catches up, or stops.
    #[error("node is unavailable (HTTP {status})")]
    Unavailable {
        /// The HTTP status.
        status: u16,
        /// How long it asks to wait, if it does.
        retry_after: Option<Duration>,
    },
    /// The lane is full: pressure reaches the device.
    #[error("lane is full, retry after {retry_after:?}")]
    LaneFull {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The node refuses for a reason of its own.
    #[error("refused (HTTP {status}): {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code of the reason.
        code: String,
    },
}

impl From<ureq::Error> for HttpError {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::BodyExceedsLimit(limit) => Self::TooLong { limit },
            other => Self::NoAnswer(Box::new(other)),
        }
    }
}

/// What a node knows of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Admitted, not yet in a final block.
    Pending,
    /// In a final block.
    Final,
    /// It will never be in a block.
    Rejected,
    /// The node has never heard of it, or forgot it.
    Unknown,
}

/// One node's API.
#[derive(Clone, Debug)]
pub struct NodeApi {
    agent: Agent,
    base: HttpUrl,
    call_limit: Duration,
}

/// How far a node says that a transaction has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Step {
    /// Whether it waits or is final.
    pub status: Progress,
    /// How much of its block's committee has attested it, if somebody has.
    #[serde(default)]
    pub attesting: Option<Attesting>,
}

/// How much of a committee has voted, as a node says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Attesting {
    /// How many members have.
    pub votes: u32,
    /// How many there are.
    pub verifiers: u32,
}

impl Attesting {
    /// Whether all have.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.votes >= self.verifiers
    }
}

#[derive(Deserialize)]
struct HeadBody {
    height: u64,
}

#[derive(Deserialize)]
struct ParametersBody {
    window_blocks: u64,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorReason,
}

#[derive(Deserialize)]
struct ErrorReason {
    code: String,
    retry_after_ms: Option<u64>,
}

impl NodeApi {
    /// The API at `base`; a call that does not wait for the chain may take `call_limit`.
    #[must_use]
    pub fn new(base: HttpUrl, call_limit: Duration) -> Self {
        Self {
            agent: agent(),
            base,
            call_limit,
        }
    }

    /// The node's address.
    #[must_use]
    pub fn base(&self) -> &HttpUrl {
        &self.base
    }

    /// Hands in a transaction. Handing it in again changes nothing.
    ///
    /// # Errors
    /// [`HttpError::LaneFull`] asks to wait; [`HttpError::Refused`] is final for these bytes.
    pub fn submit(&self, transaction: &[u8]) -> Result<(), HttpError> {
        let response = self
            .agent
            .post(format!("{}/v1/transactions", self.base))
            .config()
            .timeout_global(Some(self.call_limit))
            .build()
            .content_type("application/octet-stream")
            .send(transaction)?;
        Answer::read(response, JSON_BYTES_MAX)?
            .expect_success()
            .map(|_| ())
    }

    /// Waits until `id` is final or rejected, for at most `wait`, and says how it stands.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn wait_final(&self, id: &TxId, wait: Duration) -> Result<Step, HttpError> {
        let path = format!(
            "/v1/transactions/{id}?wait=final&timeout_ms={}",
            wait.as_millis()
        );
        match self.get(&path, wait, JSON_BYTES_MAX)?.expect_success() {
            Ok(body) => json(&body, "status"),
            Err(HttpError::Refused { status: 404, .. }) => Ok(Step {
                status: Progress::Unknown,
                attesting: None,
            }),
            Err(error) => Err(error),
        }
    }

    /// Follows a transaction at the node for at most `limit`: each step that the node tells goes to `take`, until that returns false or the
    /// node has nothing more to tell.
    ///
    /// # Errors
    /// [`HttpError`] if the node does not begin, or tells something else. A connection that ends early is an end.
    pub fn steps(
        &self,
        id: &TxId,
        limit: Duration,
        mut take: impl FnMut(Step) -> bool,
    ) -> Result<(), HttpError> {
        let mut response = self
            .agent
            .get(format!("{}/v1/transactions/{id}/events", self.base))
            .config()
            .timeout_global(Some(limit.saturating_add(self.call_limit)))
            .build()
            .call()?;
        if response.status().as_u16() != 200 {
            let answer = Answer::read(response, JSON_BYTES_MAX)?;
            return answer.expect_success().map(|_| ());
        }
        let body = response.body_mut().with_config().limit(EVENTS_BYTES_MAX);
        for line in BufReader::new(body.reader()).lines() {
            let Ok(line) = line else {
                return Ok(());
            };
            if let Some(data) = line.strip_prefix("data:")
                && !take(json::<Step>(data.trim().as_bytes(), "event")?)
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What shows how much of its block's committee has attested a transaction, unchecked; `None` if the node has nothing to show.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn attestation(&self, id: &TxId) -> Result<Option<Vec<u8>>, HttpError> {
        let path = format!("/v1/transactions/{id}/attestation");
        let limit = u64::try_from(ATTESTATION_MAX).unwrap_or(u64::MAX);
        match self.get(&path, Duration::ZERO, limit)?.expect_success() {
            Ok(body) => Ok(Some(body)),
            Err(HttpError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The receipt proof of a final transaction, waiting for it at most `wait`; `None` while it cannot be proven.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn proof(&self, id: &TxId, wait: Duration) -> Result<Option<Vec<u8>>, HttpError> {
        let path = format!(
            "/v1/transactions/{id}/proof?timeout_ms={}",
            wait.as_millis()
        );
        match self.get(&path, wait, PROOF_BYTES_MAX)?.expect_success() {
            Ok(body) => Ok(Some(body)),
            Err(HttpError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The genesis anchor, unchecked.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn genesis(&self) -> Result<Vec<u8>, HttpError> {
        self.get("/v1/genesis", Duration::ZERO, PROOF_BYTES_MAX)?
            .expect_success()
    }

    /// A page of changes of validators from the end of epoch `from` on, in frames, unchecked; empty beyond the last.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn epochs(&self, from: Epoch) -> Result<Vec<u8>, HttpError> {
        let path = format!("/v1/epochs?from={from}");
        let limit = u64::try_from(EPOCH_PAGE_MAX).unwrap_or(u64::MAX);
        self.get(&path, Duration::ZERO, limit)?.expect_success()
    }

    /// The highest final height this node knows.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn head(&self) -> Result<Height, HttpError> {
        let body = self
            .get("/v1/head", Duration::ZERO, JSON_BYTES_MAX)?
            .expect_success()?;
        Ok(Height::new(json::<HeadBody>(&body, "head")?.height))
    }

    /// How many blocks a transaction may be valid for.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn window_blocks(&self) -> Result<u64, HttpError> {
        let body = self
            .get("/v1/parameters", Duration::ZERO, JSON_BYTES_MAX)?
            .expect_success()?;
        Ok(json::<ParametersBody>(&body, "parameters")?.window_blocks)
    }

    fn get(&self, path: &str, wait: Duration, limit: u64) -> Result<Answer, HttpError> {
        let response = self
            .agent
            .get(format!("{}{path}", self.base))
            .config()
            .timeout_global(Some(wait.saturating_add(self.call_limit)))
            .build()
            .call()?;
        Answer::read(response, limit)
    }
}

/// An answer read within its limit.
struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Answer {
    fn read(mut response: Response<ureq::Body>, limit: u64) -> Result<Self, HttpError> {
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(limit)
            .read_to_vec()?;
        Ok(Self {
            status,
            retry_after,
            body,
        })
    }

    fn expect_success(self) -> Result<Vec<u8>, HttpError> {
        let reason = serde_json::from_slice::<ErrorBody>(&self.body)
            .ok()
            .map(|body| body.error);
        let precise = reason
            .as_ref()
            .and_then(|reason| reason.retry_after_ms)
            .map(Duration::from_millis);
        let retry_after = precise
            .or(self.retry_after)
            .map(|wait| wait.min(RETRY_AFTER_MAX));
        match self.status {
            200..=299 => Ok(self.body),
            429 => Err(HttpError::LaneFull {
                retry_after: retry_after.unwrap_or(RETRY_AFTER_DEFAULT),
            }),
            400..=407 | 409..=499 => Err(HttpError::Refused {
                status: self.status,
                code: reason.map_or_else(
                    || "unspecified".to_owned(),
                    |reason| printable(&reason.code),
                ),
            }),
            status => Err(HttpError::Unavailable {
                status,
                retry_after,
            }),
        }
    }
}

/// A node's text, fit for a terminal and a log.
fn printable(text: &str) -> String {
    text.chars()
        .take(60)
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .collect()
}

fn json<T: DeserializeOwned>(body: &[u8], what: &'static str) -> Result<T, HttpError> {
    serde_json::from_slice(body).map_err(|_| HttpError::Malformed { what })
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(CONNECT_LIMIT))
        .max_response_header_size(HEADER_BYTES_MAX)
        .input_buffer_size(BUFFER_BYTES)
        .output_buffer_size(BUFFER_BYTES)
        .max_idle_connections(IDLE_CONNECTIONS)
        .max_idle_connections_per_host(IDLE_CONNECTIONS)
        .user_agent(concat!("salus-edge/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const RETRY_AFTER_DEFAULT: Duration = Duration::from_millis(500);
/// A node may slow a device down, not silence it.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// A hundred steps of a committee of hundreds are fewer.
const EVENTS_BYTES_MAX: u64 = 1024 * 1024;
const JSON_BYTES_MAX: u64 = 64 * 1024;
const PROOF_BYTES_MAX: u64 = 1024 * 1024;
const HEADER_BYTES_MAX: usize = 16 * 1024;
const BUFFER_BYTES: usize = 16 * 1024;
const IDLE_CONNECTIONS: usize = 512;

#[cfg(test)]
mod tests;
