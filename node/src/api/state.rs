//! Proofs of the state, for whoever trusts no node.

use super::error::Refused;
use super::query::parse_number;
use super::views::octets;
use super::{Api, StateError};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use salus_primitives::codec;
use salus_primitives::ids::{ContractId, Height};
use salus_primitives::proof::{STATE_KEY_MAX, StateValueProof};
use salus_primitives::state::StateKey;
use salus_storage::ledger::LedgerError;
use serde::Deserialize;

/// Of which time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateQuery {
    height: Option<u64>,
}

/// What became of the question.
enum Found {
    Proof(Box<StateValueProof>),
    NotYet { head: Height },
    Pruned { oldest: Height },
}

/// `GET /v1/state/{contract}/{key}/proof?height=H`: the canonical bytes of a [`StateValueProof`], of the state after the block of height
/// H, or of the newest state that can be proven.
pub(super) async fn proof(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<StateQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let key = parse_key(path)?;
    let height = match query {
        Ok(Query(query)) => query.height.map(Height::new),
        Err(_) => return Err(Refused::bad_query("height, a number")),
    };
    let found = api
        .in_turn(move |ledger| -> Result<Found, StateError> {
            match ledger.state_value_proof(&key, height) {
                Ok(Some(proof)) => Ok(Found::Proof(Box::new(proof))),
                Ok(None) => Ok(Found::NotYet {
                    head: ledger.head().height,
                }),
                Err(LedgerError::Future { head, .. }) => Ok(Found::NotYet { head }),
                Err(LedgerError::Pruned { oldest, .. }) => Ok(Found::Pruned { oldest }),
                Err(error) => Err(error.into()),
            }
        })
        .await?;
    match found {
        Found::Proof(proof) => Ok(octets(codec::encode(&*proof))),
        Found::NotYet { head } => Err(Refused::state_not_yet(head)),
        Found::Pruned { oldest } => Err(Refused::state_pruned(oldest)),
    }
}

fn parse_key(path: Result<Path<(String, String)>, PathRejection>) -> Result<StateKey, Refused> {
    let refused =
        || Refused::bad_path("a contract's number, and a key of the state in hexadecimal");
    let Path((contract, key)) = path.map_err(|_| refused())?;
    let contract = parse_number(&contract)
        .and_then(|number| u16::try_from(number).ok())
        .ok_or_else(refused)?;
    let key = hex::decode(key).map_err(|_| refused())?;
    if key.len() > STATE_KEY_MAX {
        return Err(refused());
    }
    Ok(StateKey::tree(ContractId::new(contract), key))
}
