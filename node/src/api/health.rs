//! What operators and their tools ask: does it live, does it take part, where does it stand, what did it count.

use super::Api;
use super::error::Refused;
use super::views::{StatusView, json};
use crate::handle::ExplainError;
use crate::handle::NodeStatus;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use salus_contracts::native::identity;
use salus_primitives::ids::EntityId;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Good {
    status: &'static str,
}

/// `GET /livez`: 200 as long as there is anybody to answer. A node that catches up or has stopped voting lives: a restart
/// would not help it.
pub(super) async fn live() -> Response {
    json(StatusCode::OK, &Good { status: "ok" })
}

/// `GET /readyz`: 503 with the reason while clients are better off elsewhere.
pub(super) async fn ready(State(api): State<Api>) -> Result<Response, Refused> {
    let status = api.node.status();
    if *api.stopping.borrow() {
        return Err(Refused::not_ready("stopping", "the node is stopping"));
    }
    if status.halted.is_some() {
        return Err(Refused::not_ready(
            "halted",
            "the node has stopped taking part, see /status",
        ));
    }
    if status.disk.full_for.is_some() {
        return Err(Refused::not_ready(
            "disk_full",
            "there is no room on the node's disk: it votes again when there is",
        ));
    }
    if status.catching_up {
        return Err(Refused::not_ready(
            "catching_up",
            "the node fetches blocks that are final elsewhere",
        ));
    }
    if !status.ready {
        return Err(Refused::not_ready(
            "no_quorum",
            "the node has not heard from enough others to know where the chain stands",
        ));
    }
    Ok(json(StatusCode::OK, &Good { status: "ok" }))
}

/// `GET /status`.
pub(super) async fn status(State(api): State<Api>) -> Response {
    let status = api.node.status();
    let names = names(&api, &status).await;
    json(
        StatusCode::OK,
        &StatusView::new(api.node.genesis(), &names, &status),
    )
}

/// The founders' names from genesis, so that the status says them whatever the disk does; those of later members from the
/// state. Where that cannot be read, which ends the node elsewhere, ids stand for names.
async fn names(api: &Api, status: &NodeStatus) -> BTreeMap<EntityId, String> {
    let founders = &api.node.genesis().members;
    let mut names: BTreeMap<EntityId, String> = founders
        .iter()
        .map(|founder| (founder.entity, founder.name.clone()))
        .collect();
    let peers = status.peers.iter().map(|peer| peer.entity);
    let later: Vec<EntityId> = peers
        .chain(status.manager)
        .filter(|entity| !names.contains_key(entity))
        .collect();
    if later.is_empty() {
        return names;
    }
    let read = api.read_state(move |_, snapshot| {
        let mut known = Vec::new();
        for id in later {
            if let Some(entity) = identity::entity(&snapshot.state(), &id)? {
                known.push((id, entity.name));
            }
        }
        Ok(known)
    });
    names.extend(read.await.unwrap_or_default());
    names
}

/// `GET /v1/explain`: why nothing is final, as this node and, by their own accounts, its peers see it.
pub(super) async fn explain(State(api): State<Api>) -> Result<Response, Refused> {
    let _turn = api
        .limits
        .explanations
        .try_acquire()
        .map_err(|_| Refused::busy())?;
    match api.node.explain().await {
        Ok(explanation) => Ok(json(StatusCode::OK, &explanation)),
        Err(ExplainError::Busy) => Err(Refused::busy()),
        Err(error @ ExplainError::Stalled) => Err(Refused::not_ready("stalled", error.to_string())),
    }
}

/// `GET /metrics`, for Prometheus.
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    text(
        "text/plain; version=0.0.4; charset=utf-8",
        api.metrics.encode(),
    )
}

/// `GET /metrics/libp2p`: libp2p's own, which it gives in OpenMetrics.
pub(super) async fn libp2p_metrics(State(api): State<Api>) -> Response {
    text(
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        api.node.openmetrics(),
    )
}

fn text(kind: &'static str, text: String) -> Response {
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static(kind))],
        text,
    )
        .into_response()
}
