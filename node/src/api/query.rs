//! What is known of transactions, blocks and the chain.

use super::Api;
use super::error::Refused;
use super::views::{
    BlockView, FinalityView, GenesisView, HeadView, HeaderView, TransactionView, json, octets,
};
use super::wait::Wait;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use salus_primitives::codec;
use salus_primitives::ids::{BlockId, Height};
use salus_primitives::proof::FinalityProof;
use salus_primitives::transaction::TxId;
use salus_storage::ledger::{Ledger, LedgerError};
use serde::Deserialize;

/// How long a call may wait, and for what.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitQuery {
    wait: Option<WaitFor>,
    timeout_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WaitFor {
    Final,
}

impl WaitQuery {
    /// The timeout asked for, else `default`. No `wait` is needed where there is one thing to wait for.
    pub(super) fn timeout_ms(
        query: Result<Query<Self>, QueryRejection>,
        default: u64,
    ) -> Result<u64, Refused> {
        Ok(Self::checked(query)?.timeout_ms.unwrap_or(default))
    }

    fn checked(query: Result<Query<Self>, QueryRejection>) -> Result<Self, Refused> {
        match query {
            Ok(Query(query)) => Ok(query),
            Err(_) => Err(Refused::bad_query(
                "wait=final and timeout_ms, a number of milliseconds",
            )),
        }
    }
}

/// Whether a header comes with the proof that it is final.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderQuery {
    certificate: Option<String>,
}

impl HeaderQuery {
    fn wants_certificate(query: Result<Query<Self>, QueryRejection>) -> Result<bool, Refused> {
        let refused = || Refused::bad_query("certificate, certificate=true or certificate=false");
        let Query(query) = query.map_err(|_| refused())?;
        match query.certificate.as_deref() {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(_) => Err(refused()),
        }
    }
}

/// How a path names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockName {
    Latest,
    Height(Height),
    Id(BlockId),
}

impl BlockName {
    pub(super) fn parse(path: Result<Path<String>, PathRejection>) -> Result<Self, Refused> {
        let refused = || Refused::bad_path("a height, `latest`, or 64 hexadecimal digits");
        let Path(text) = path.map_err(|_| refused())?;
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let Some(height) = parse_number(&text) {
            return Ok(Self::Height(Height::new(height)));
        }
        text.parse().map(Self::Id).map_err(|_| refused())
    }

    fn height(self, ledger: &Ledger) -> Result<Option<Height>, LedgerError> {
        match self {
            Self::Latest => Ok(Some(ledger.head().height)),
            Self::Height(height) => Ok(Some(height)),
            Self::Id(id) => ledger.height_of(&id),
        }
    }
}

/// A number in a path, in digits alone: `+1` is no second name of 1.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

pub(super) fn parse_id(path: Result<Path<String>, PathRejection>) -> Result<TxId, Refused> {
    path.ok()
        .and_then(|Path(text)| text.parse().ok())
        .ok_or_else(|| Refused::bad_path("a transaction's id, 64 hexadecimal digits"))
}

/// `GET /v1/transactions/{id}`, with `?wait=final&timeout_ms=N` once it is final or the time is over.
pub(super) async fn transaction(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let id = parse_id(id)?;
    let query = WaitQuery::checked(query)?;
    let timeout_ms = match query.wait {
        Some(WaitFor::Final) => query.timeout_ms.unwrap_or(u64::MAX),
        None => 0,
    };
    let wait = Wait::begin(&api, timeout_ms)?;
    let progress = wait.progress(&id).await?;
    Ok(json(StatusCode::OK, &TransactionView::new(id, progress)))
}

/// `GET /v1/blocks/{block}`.
pub(super) async fn block(
    State(api): State<Api>,
    block: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let name = BlockName::parse(block)?;
    let view = api
        .read(move |ledger| {
            let Some(height) = name.height(ledger)? else {
                return Ok(None);
            };
            let Some(block) = ledger.block(height)? else {
                return Ok(None);
            };
            let receipts = ledger.receipts(height)?.unwrap_or_default();
            Ok(Some(BlockView::new(&block, &receipts)))
        })
        .await?
        .ok_or_else(Refused::unknown_block)?;
    Ok(json(StatusCode::OK, &view))
}

/// `GET /v1/blocks/{block}/raw`: the canonical bytes of a [`Block`](salus_primitives::block::Block).
pub(super) async fn raw_block(
    State(api): State<Api>,
    block: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let name = BlockName::parse(block)?;
    let bytes = api
        .read(move |ledger| {
            let Some(height) = name.height(ledger)? else {
                return Ok(None);
            };
            Ok(ledger.block(height)?.map(|block| codec::encode(&block)))
        })
        .await?
        .ok_or_else(Refused::unknown_block)?;
    Ok(octets(bytes))
}

/// `GET /v1/headers/{block}`, with `?certificate` and the proof of its finality.
pub(super) async fn header(
    State(api): State<Api>,
    block: Result<Path<String>, PathRejection>,
    query: Result<Query<HeaderQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let name = BlockName::parse(block)?;
    if HeaderQuery::wants_certificate(query)? {
        let proof = finality_of(&api, name).await?;
        let view = FinalityView::new(&proof).ok_or_else(Refused::unknown_block)?;
        return Ok(json(StatusCode::OK, &view));
    }
    let header = api
        .read(move |ledger| match name.height(ledger)? {
            Some(height) => ledger.header(height),
            None => Ok(None),
        })
        .await?
        .ok_or_else(Refused::unknown_block)?;
    Ok(json(StatusCode::OK, &HeaderView::new(&header)))
}

/// The proof that a block is final.
pub(super) async fn finality_of(api: &Api, name: BlockName) -> Result<FinalityProof, Refused> {
    let (known, proof) = api
        .read(move |ledger| match name.height(ledger)? {
            Some(height) => Ok((height <= ledger.head().height, ledger.finality_at(height)?)),
            None => Ok((false, None)),
        })
        .await?;
    proof.ok_or_else(|| {
        if known {
            Refused::not_yet("no certificate is stored near this block; block 0 is final by itself")
        } else {
            Refused::unknown_block()
        }
    })
}

/// `GET /v1/head`: the highest final block.
pub(super) async fn head(State(api): State<Api>) -> Result<Response, Refused> {
    let (head, header) = api
        .read(|ledger| {
            let head = ledger.head();
            Ok((head, ledger.header(head.height)?))
        })
        .await?;
    let header = header.ok_or_else(Refused::unknown_block)?;
    Ok(json(StatusCode::OK, &HeadView::new(&head, &header)))
}

/// `GET /v1/genesis`: the canonical bytes of the [`GenesisAnchor`](salus_primitives::proof::GenesisAnchor).
pub(super) async fn genesis(State(api): State<Api>) -> Response {
    octets(codec::encode(&api.node.genesis().anchor))
}

/// `GET /v1/genesis.json`: the same for people.
pub(super) async fn genesis_json(State(api): State<Api>) -> Response {
    json(StatusCode::OK, &GenesisView::new(api.node.genesis()))
}
