//! The HTTP API: for devices, light clients and operators. `docs/api.md` describes every call.
//!
//! Nothing here is trusted by those who check proofs, and nothing a client sends is trusted here. Every resource has a
//! bound: connections, bytes of a head and of a body, time to send one, calls that wait for the chain, calls that read the
//! ledger. Beyond a bound a client is told to come back; nothing queues without end.

mod access;
mod audit;
mod connection;
mod epochs;
mod error;
mod health;
mod keys;
mod members;
mod proof;
mod query;
mod records;
mod server;
mod state;
mod submit;
mod tiers;
mod views;
mod wait;

#[cfg(test)]
mod tests;

use crate::handle::NodeHandle;
use crate::telemetry::metrics::Metrics;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use error::Refused;
use salus_primitives::state::StateReadError;
use salus_primitives::transaction::TRANSACTION_MAX;
use salus_storage::ledger::{Ledger, LedgerError, Snapshot};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

pub use server::{ApiError, serve};

/// What every handler holds.
#[derive(Clone)]
struct Api {
    node: NodeHandle,
    metrics: Arc<Metrics>,
    limits: Arc<Limits>,
    /// Turns true when the node stops: who waits for the chain is answered at once.
    stopping: watch::Receiver<bool>,
}

/// What may go on at a time.
struct Limits {
    submissions: Semaphore,
    waiters: Semaphore,
    reads: Semaphore,
    explanations: Semaphore,
    exports: Semaphore,
    key_calls: Semaphore,
    streams: Arc<Semaphore>,
}

/// To whom a listener answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever may know all that is on the chain, and how the node is.
    Operators,
    /// Devices, persons and practitioners, who are told what they name by an id, and what is the same for all (`docs/privacy.md`).
    Clients,
}

/// What tells nobody of others: what the chain is, and what one can only ask for who knows its id.
fn for_clients() -> Router<Api> {
    Router::new()
        .route("/v1/transactions", post(submit::submit))
        .route("/v1/transactions/{id}", get(query::transaction))
        .route("/v1/transactions/{id}/receipt", get(proof::receipt))
        .route("/v1/transactions/{id}/proof", get(proof::proof))
        .route("/v1/transactions/{id}/record", get(records::proof))
        .route("/v1/transactions/{id}/attestation", get(tiers::attestation))
        .route("/v1/transactions/{id}/events", get(tiers::events))
        .route("/v1/headers/{block}", get(query::header))
        .route("/v1/headers/{block}/finality", get(proof::finality))
        .route("/v1/records/{handle}", get(records::by_handle))
        .route("/v1/state/{contract}/{key}/proof", get(state::proof))
        .route("/v1/head", get(query::head))
        .route("/v1/epochs", get(epochs::changes))
        .route("/v1/epochs/{epoch}", get(epochs::change))
        .route("/v1/epochs.json", get(epochs::overview))
        .route("/v1/validators", get(epochs::validators))
        .route("/v1/lanes", get(epochs::lanes))
        .route("/v1/parameters", get(epochs::parameters))
        .route("/v1/members", get(members::members))
        .route("/v1/proposals", get(members::proposals))
        .route("/v1/keys/{key}", get(members::key))
        .route("/v1/audit", post(audit::export))
        .route("/v1/access/explain", post(access::explain))
        .route("/v1/keys/prekeys", post(keys::prekey))
        .route("/v1/keys/deposits", post(keys::deposit))
        .route("/v1/keys/release", post(keys::release))
        .route("/v1/genesis", get(query::genesis))
        .route("/v1/genesis.json", get(query::genesis_json))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
}

/// Everybody's transactions, and how this node is.
fn for_operators() -> Router<Api> {
    Router::new()
        .route("/v1/blocks/{block}", get(query::block))
        .route("/v1/blocks/{block}/raw", get(query::raw_block))
        .route("/v1/access/reach", post(access::reaches))
        .route("/v1/explain", get(health::explain))
        .route("/status", get(health::status))
        .route("/metrics", get(health::metrics))
        .route("/metrics/libp2p", get(health::libp2p_metrics))
}

impl Api {
    fn new(node: NodeHandle, metrics: Arc<Metrics>, stopping: watch::Receiver<bool>) -> Self {
        Self {
            node,
            metrics,
            limits: Arc::new(Limits {
                submissions: Semaphore::new(SUBMISSIONS_MAX),
                waiters: Semaphore::new(WAITERS_MAX),
                reads: Semaphore::new(READS_MAX),
                explanations: Semaphore::new(EXPLANATIONS_MAX),
                key_calls: Semaphore::new(KEY_CALLS_MAX),
                exports: Semaphore::new(EXPORTS_MAX),
                streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            }),
            stopping,
        }
    }

    fn router(self, audience: Audience) -> Router {
        let paths = match audience {
            Audience::Clients => for_clients(),
            Audience::Operators => for_clients().merge(for_operators()),
        };
        paths
            .fallback(async || Refused::no_such_path())
            .method_not_allowed_fallback(async || Refused::method())
            .layer(middleware::from_fn_with_state(self.clone(), supervise))
            .layer(DefaultBodyLimit::max(TRANSACTION_MAX))
            .with_state(self)
    }

    /// Reads the ledger where the disk may block, with a bounded number of others.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Refused> {
        self.in_turn(read).await
    }

    /// Reads the state of one moment, in the same way.
    async fn read_state<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Ledger, &Snapshot<'_>) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, Refused> {
        self.in_turn(move |ledger| read(ledger, &ledger.snapshot()?))
            .await
    }

    async fn in_turn<T: Send + 'static, E: std::error::Error + Send + 'static>(
        &self,
        read: impl FnOnce(&Ledger) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Refused> {
        // never closed
        let _turn = self.limits.reads.acquire().await;
        let ledger = Arc::clone(self.node.ledger());
        match tokio::task::spawn_blocking(move || read(&ledger)).await {
            Ok(result) => result.map_err(|error| Refused::unreadable(&error)),
            Err(error) => Err(Refused::unreadable(&error)),
        }
    }
}

/// The state cannot be read.
#[derive(Debug, thiserror::Error)]
enum StateError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    State(#[from] StateReadError),
}

/// Bounds the time of every call and counts its answer.
async fn supervise(State(api): State<Api>, request: Request, next: Next) -> Response {
    let response = match tokio::time::timeout(CALL_TIME_MAX, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::too_slow().into_response(),
    };
    api.metrics.api_response(response.status().as_u16());
    response
}

/// Transactions that are received and checked at a time: at most this times [`TRANSACTION_MAX`] bytes.
const SUBMISSIONS_MAX: usize = 512;
/// Calls that wait for the chain at a time.
const WAITERS_MAX: usize = 768;
/// Calls that read the ledger at a time; each takes a thread for as long.
const READS_MAX: usize = 16;
/// Calls that ask why nothing is final at a time; each asks all peers, at most four times a second together.
const EXPLANATIONS_MAX: usize = 4;
/// Audit exports made at a time; each may read thousands of receipts and hold [`AUDIT_EXPORT_MAX`](salus_primitives::audit::AUDIT_EXPORT_MAX) bytes.
const EXPORTS_MAX: usize = 2;
/// Calls of the key service at a time; they wait for one another, each for a few synced writes.
const KEY_CALLS_MAX: usize = 32;
/// Clients that follow a transaction's events at a time.
const STREAMS_MAX: usize = 256;
/// How long one may.
const STREAM_TIME_MAX: Duration = Duration::from_secs(120);
/// How long a call may wait for the chain.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a client may take to send a body.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// How long any call may take, waiting included.
const CALL_TIME_MAX: Duration = Duration::from_secs(45);
