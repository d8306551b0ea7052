//! Records by handle: who got a period's key fetches here what it opens.

use super::Api;
use super::error::Refused;
use super::query::{parse_id, parse_number};
use super::views::{json, octets};
use super::wait::Wait;
use crate::handle::TransactionStatus;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use salus_primitives::calls::RecordsCall;
use salus_primitives::codec;
use salus_primitives::ids::{DeviceId, Height};
use salus_primitives::reading::{Handle, ReadingId};
use salus_primitives::transaction::{SignedTransaction, TRANSACTION_MAX, TxId};
use salus_storage::ledger::TransactionPosition;
use serde::{Deserialize, Serialize};

/// Which part of a handle's records.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordsQuery {
    from: Option<String>,
    count: Option<usize>,
}

#[derive(Serialize)]
struct RecordsView {
    handle: Handle,
    records: Vec<RecordView>,
    /// What to ask for `from` next; null if there is no more for now.
    next: Option<String>,
}

#[derive(Serialize)]
struct RecordView {
    id: TxId,
    height: Height,
    index: u32,
    device: DeviceId,
    reading: ReadingId,
    /// The canonical bytes of the [`SealedReading`](salus_primitives::reading::SealedReading).
    sealed: String,
}

impl RecordView {
    /// None for a transaction that submits no reading, which none with such an event is.
    fn new(position: TransactionPosition, transaction: &SignedTransaction) -> Option<Self> {
        let body = &transaction.body;
        let payload = body.call.payload.as_slice();
        let RecordsCall::Submit(sealed) = codec::decode(payload, TRANSACTION_MAX).ok()?;
        Some(Self {
            id: body.id(),
            height: position.height,
            index: position.index,
            device: sealed.device,
            reading: sealed.reading,
            sealed: hex::encode(codec::encode(&sealed)),
        })
    }
}

/// `GET /v1/records/{handle}?from=HEIGHT.INDEX&count=N`: what was recorded under a handle, in the order of the chain. A handle that
/// nobody used has no records, like any other.
pub(super) async fn by_handle(
    State(api): State<Api>,
    handle: Result<Path<Handle>, PathRejection>,
    query: Result<Query<RecordsQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Path(handle) = handle.map_err(|_| Refused::bad_path("a handle, 64 hexadecimal digits"))?;
    let refused =
        || Refused::bad_query("from, as HEIGHT or HEIGHT.INDEX, and count, a number from 1 on");
    let Query(query) = query.map_err(|_| refused())?;
    let from = match query.from.as_deref() {
        Some(text) => parse_position(text).ok_or_else(refused)?,
        None => TransactionPosition::start_of(Height::ZERO),
    };
    let count = match query.count {
        Some(0) => return Err(refused()),
        Some(count) => count.min(RECORDS_MAX),
        None => RECORDS_MAX,
    };
    let page = api
        .read(move |ledger| ledger.records(&handle, from, count, PAGE_BYTES_MAX))
        .await?;
    let records = page
        .records
        .iter()
        .filter_map(|(position, transaction)| RecordView::new(*position, transaction))
        .collect();
    let next = page
        .next
        .map(|next| format!("{}.{}", next.height, next.index));
    Ok(json(
        StatusCode::OK,
        &RecordsView {
            handle,
            records,
            next,
        },
    ))
}

/// `GET /v1/transactions/{id}/record`: the canonical bytes of a [`RecordProof`](salus_primitives::records::RecordProof).
pub(super) async fn proof(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let id = parse_id(id)?;
    let wait = Wait::begin(&api, 0)?;
    match wait.transaction(&id).await? {
        TransactionStatus::Unknown => return Err(Refused::unknown_transaction()),
        TransactionStatus::Pending => {
            return Err(Refused::not_yet("the transaction is not final yet"));
        }
        TransactionStatus::Final { .. } => {}
    }
    let proof = api.read(move |ledger| ledger.record_proof(&id)).await?;
    proof
        .map(|proof| octets(codec::encode(&proof)))
        .ok_or_else(|| Refused::not_yet(super::proof::NOT_PROVABLE))
}

/// A place in the chain: a height, or a height and an index.
fn parse_position(text: &str) -> Option<TransactionPosition> {
    let (height, index) = text.split_once('.').unwrap_or((text, "0"));
    Some(TransactionPosition {
        height: Height::new(parse_number(height)?),
        index: u32::try_from(parse_number(index)?).ok()?,
    })
}

/// Most records of an answer.
const RECORDS_MAX: usize = 256;
/// Most bytes of transactions of an answer; hexadecimal doubles them.
const PAGE_BYTES_MAX: usize = 512 * 1024;
