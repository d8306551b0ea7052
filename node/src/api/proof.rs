//! What light clients check by themselves.

use super::Api;
use super::error::Refused;
use super::query::{BlockName, WaitQuery, finality_of, parse_id};
use super::views::{ReceiptView, json, octets};
use super::wait::Wait;
use crate::handle::TransactionStatus;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use salus_primitives::codec;
use salus_primitives::ids::Height;
use salus_primitives::proof::ReceiptProof;
use salus_primitives::transaction::TxId;

/// `GET /v1/transactions/{id}/proof`: the canonical bytes of a [`ReceiptProof`].
pub(super) async fn proof(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let id = parse_id(id)?;
    let wait = Wait::begin(&api, WaitQuery::timeout_ms(query, 0)?)?;
    match wait.transaction(&id).await? {
        TransactionStatus::Unknown => Err(Refused::unknown_transaction()),
        TransactionStatus::Pending => Err(Refused::not_yet("the transaction is not final yet")),
        TransactionStatus::Final { height, .. } => {
            match proof_when_there(&api, &wait, &id, height).await? {
                Some(proof) => Ok(octets(codec::encode(&proof))),
                None => Err(Refused::not_yet(NOT_PROVABLE)),
            }
        }
    }
}

/// `GET /v1/transactions/{id}/receipt`: the receipt in JSON, with its proof where there is one already, and with the committee's votes as
/// far as this node has them.
pub(super) async fn receipt(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let id = parse_id(id)?;
    let wait = Wait::begin(&api, WaitQuery::timeout_ms(query, 0)?)?;
    match wait.transaction(&id).await? {
        TransactionStatus::Unknown => Err(Refused::unknown_transaction()),
        TransactionStatus::Pending => Err(Refused::not_yet("the transaction is not final yet")),
        TransactionStatus::Final {
            height, receipt, ..
        } => {
            let proof = proof_when_there(&api, &wait, &id, height).await?;
            let block = match &proof {
                Some(proof) => proof.finality.headers.first().map(|header| header.id()),
                None => api
                    .read(move |ledger| ledger.header(height))
                    .await?
                    .map(|header| header.id()),
            };
            let node = api.node.clone();
            let attestation = api.read(move |_| Ok(node.attestation(&id))).await?;
            // of the very block that is final: beside it stands none, but it may be committed a moment before this node knows
            let attestation = attestation.filter(|it| Some(it.header.id()) == block);
            let view = ReceiptView::new(
                height,
                block,
                &receipt,
                proof.as_ref(),
                attestation.as_ref(),
            );
            Ok(json(StatusCode::OK, &view))
        }
    }
}

/// `GET /v1/headers/{block}/finality`: the canonical bytes of a [`FinalityProof`](salus_primitives::proof::FinalityProof).
pub(super) async fn finality(
    State(api): State<Api>,
    block: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let name = BlockName::parse(block)?;
    let proof = finality_of(&api, name).await?;
    Ok(octets(codec::encode(&proof)))
}

/// A receipt is what the *next* block commits to, so its proof comes a block later than finality; and a block may be
/// committed a moment before the certificate of its descendant. So with every new final block it is tried again.
async fn proof_when_there(
    api: &Api,
    wait: &Wait<'_>,
    id: &TxId,
    height: Height,
) -> Result<Option<ReceiptProof>, Refused> {
    let mut needed = height.next();
    loop {
        let id = *id;
        let (head, proof) = api
            .read(move |ledger| {
                let head = ledger.head().height;
                Ok((head, ledger.receipt_proof(&id)?))
            })
            .await?;
        needed = needed.max(head.next());
        if proof.is_some() || !wait.height(needed).await {
            return Ok(proof);
        }
    }
}

pub(super) const NOT_PROVABLE: &str = "the block after the transaction's is not final yet";
