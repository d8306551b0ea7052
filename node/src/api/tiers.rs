//! What comes before finality: attestations, and how a transaction gets from one tier to the next.

use super::error::Refused;
use super::query::{WaitQuery, parse_id};
use super::views::{TransactionView, octets};
use super::wait::Wait;
use super::{Api, STREAM_TIME_MAX};
use crate::handle::{Changes, TransactionProgress, TransactionStatus};
use crate::telemetry::metrics::GaugeGuard;
use crate::tiers::Tier;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use salus_primitives::codec;
use salus_primitives::transaction::TxId;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// `GET /v1/transactions/{id}/attestation`: the canonical bytes of an
/// [`Attestation`](salus_primitives::attestation::Attestation), with as many votes as there are. With `?timeout_ms=N` once the whole
/// committee has voted, or the time is over.
pub(super) async fn attestation(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let id = parse_id(id)?;
    let wait = Wait::begin(&api, WaitQuery::timeout_ms(query, 0)?)?;
    wait.attestation(&id).await;
    let node = api.node.clone();
    let (attestation, progress) = api
        .read(move |_| match node.attestation(&id) {
            Some(attestation) => Ok((Some(attestation), None)),
            None => Ok((None, Some(node.progress(&id)?))),
        })
        .await?;
    if let Some(attestation) = attestation {
        return Ok(octets(codec::encode(&attestation)));
    }
    let status = progress.map_or(TransactionStatus::Unknown, |progress| progress.status);
    Err(match status {
        TransactionStatus::Unknown => Refused::unknown_transaction(),
        TransactionStatus::Pending => Refused::not_yet("nobody has attested the transaction yet"),
        TransactionStatus::Final { .. } => Refused::not_kept(
            "no attestation of it is kept here; it is final, which is more: ask for its proof",
        ),
    })
}

/// `GET /v1/transactions/{id}/events`: server-sent events, one for what is known now and one for each change, until what became of
/// the transaction can be proven, this node does not know it any more, or the time is over.
pub(super) async fn events(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let id = parse_id(id)?;
    let turn = Arc::clone(&api.limits.streams)
        .try_acquire_owned()
        .map_err(|_| Refused::busy())?;
    let mut changes = api.node.changes();
    changes.seen();
    let node = api.node.clone();
    let progress = api.read(move |_| node.progress(&id)).await?;
    if progress.tier.is_none() {
        return Err(Refused::unknown_transaction());
    }
    let counted = api.metrics.api_waiter();
    let following = Following {
        api,
        id,
        changes,
        progress,
        told: None,
        end: Instant::now() + STREAM_TIME_MAX,
        _turn: turn,
        _counted: counted,
    };
    // an event is made when the connection takes it: a slow reader misses steps between, and keeps nothing waiting
    let events = stream::unfold(following, |mut following| async {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    let heartbeat = KeepAlive::new().interval(HEARTBEAT);
    Ok(Sse::new(events).keep_alive(heartbeat).into_response())
}

/// One client that follows one transaction.
struct Following {
    api: Api,
    id: TxId,
    changes: Changes,
    progress: TransactionProgress,
    /// What the client was told last.
    told: Option<TransactionProgress>,
    end: Instant,
    _turn: OwnedSemaphorePermit,
    _counted: GaugeGuard,
}

impl Following {
    /// The next event; none when there is nothing more to tell.
    async fn next(&mut self) -> Option<Event> {
        let is_over = |told: &TransactionProgress| matches!(told.tier, None | Some(Tier::Proven));
        if self.told.as_ref().is_some_and(is_over) {
            return None;
        }
        while self.told.as_ref() == Some(&self.progress) {
            self.wait_for_change().await?;
        }
        self.told = Some(self.progress.clone());
        let view = TransactionView::new(self.id, self.progress.clone());
        Event::default().event("progress").json_data(view).ok()
    }

    /// Looks again when something has changed; none when the time is over, or the node stops or fails.
    async fn wait_for_change(&mut self) -> Option<()> {
        let mut stopping = self.api.stopping.clone();
        tokio::select! {
            changed = self.changes.next() => changed.then_some(())?,
            () = tokio::time::sleep_until(self.end) => return None,
            _ = stopping.wait_for(|stopping| *stopping) => return None,
        }
        let (node, id) = (self.api.node.clone(), self.id);
        if self.changes.seen() {
            self.progress = self.api.read(move |_| node.progress(&id)).await.ok()?;
        } else {
            // a vote somewhere: the ledger is as it was
            self.progress.attested(node.attesting(&id));
        }
        Some(())
    }
}

/// How often a comment tells that the connection is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);
