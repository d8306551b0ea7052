//! A custodian's key service over HTTP.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use salus_primitives::codec;
use salus_primitives::custody::{
    CUSTODY_MESSAGE_MAX, Deposit, DepositReceipt, Prekey, PrekeyRequest, RELEASE_MAX,
};
use salus_primitives::ids::EntityId;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::TxId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Answer, HttpError, NodeApi};
use crate::deposit::{CallError, Custody, KeyServices};

impl NodeApi {
    /// Asks the node's key service for the keys that a request opens: an encoded, signed `Release`, unchecked.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn release(&self, request: &TxId) -> Result<Vec<u8>, HttpError> {
        let body = serde_json::json!({ "request": request }).to_string();
        let limit = u64::try_from(RELEASE_MAX).unwrap_or(u64::MAX);
        self.post(
            "/v1/keys/release",
            "application/json",
            body.as_bytes(),
            limit,
        )
    }

    fn key_service<Q: Serialize, A: Serialize + DeserializeOwned>(
        &self,
        path: &str,
        message: &Q,
    ) -> Result<A, CallError> {
        let limit = u64::try_from(CUSTODY_MESSAGE_MAX).unwrap_or(u64::MAX);
        let bytes = self
            .post(
                path,
                "application/octet-stream",
                &codec::encode(message),
                // an error is told in JSON, which is longer
                limit.max(ERROR_BYTES_MAX),
            )
            .map_err(|error| match error {
                HttpError::Refused { code, .. } if code == "erased" => CallError::Erased,
                HttpError::Refused { code, .. } => CallError::Refused(code),
                other => CallError::Away(other.to_string()),
            })?;
        codec::decode(&bytes, CUSTODY_MESSAGE_MAX)
            .map_err(|error| CallError::Wrong(error.to_string()))
    }

    fn post(
        &self,
        path: &str,
        media_type: &str,
        body: &[u8],
        limit: u64,
    ) -> Result<Vec<u8>, HttpError> {
        let response = self
            .agent
            .post(format!("{}{path}", self.base))
            .config()
            .timeout_global(Some(self.call_limit))
            .build()
            .content_type(media_type)
            .send(body)?;
        Answer::read(response, limit)?.expect_success()
    }
}

/// The key services of a custody file, over HTTP.
#[derive(Debug)]
pub struct HttpKeyServices<'a> {
    custody: &'a Custody,
    call_limit: Duration,
    nodes: Mutex<BTreeMap<EntityId, NodeApi>>,
}

impl<'a> HttpKeyServices<'a> {
    /// Those that `custody` names; a call may take `call_limit`.
    #[must_use]
    pub const fn new(custody: &'a Custody, call_limit: Duration) -> Self {
        Self {
            custody,
            call_limit,
            nodes: Mutex::new(BTreeMap::new()),
        }
    }

    fn node(&self, custodian: &EntityId) -> Result<NodeApi, CallError> {
        let described = self
            .custody
            .custodian(custodian)
            .ok_or_else(|| CallError::Refused("it is not described".into()))?;
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let node = nodes
            .entry(*custodian)
            .or_insert_with(|| NodeApi::new(described.url.clone(), self.call_limit));
        Ok(node.clone())
    }
}

impl KeyServices for HttpKeyServices<'_> {
    fn prekey(
        &self,
        custodian: &EntityId,
        asked: &Signed<PrekeyRequest>,
    ) -> Result<Signed<Prekey>, CallError> {
        self.node(custodian)?.key_service("/v1/keys/prekeys", asked)
    }

    fn deposit(
        &self,
        custodian: &EntityId,
        deposit: &Signed<Deposit>,
    ) -> Result<Signed<DepositReceipt>, CallError> {
        self.node(custodian)?
            .key_service("/v1/keys/deposits", deposit)
    }
}

const ERROR_BYTES_MAX: u64 = 4 * 1024;
