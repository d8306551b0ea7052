//! An operator's side of the API: what the command line asks of a node that runs.
//!
//! Plain HTTP on purpose, see [`crate::config::API`]. Every call has a time limit, every answer a size limit.

mod views;

use crate::diagnosis::Explanation;
use salus_primitives::attestation::{ATTESTATION_MAX, Attestation};
use salus_primitives::audit::AUDIT_EXPORT_MAX;
use salus_primitives::codec;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{ContractId, EntityId, Epoch, GenesisHash, Height};
use salus_primitives::lanes::EpochLanes;
use salus_primitives::proof::{ANCHOR_MAX, GenesisAnchor};
use salus_primitives::reading::Pseudonym;
use salus_primitives::transaction::TxId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;

pub use views::{
    ChangeView, HeaderView, MemberView, MembersView, ProposalView, ProposalsView, StatusView,
    TransactionView, ValidatorView, ValidatorsView, WeightView,
};

/// One node's API.
#[derive(Clone, Debug)]
pub struct ApiClient {
    agent: ureq::Agent,
    base: String,
}

/// Why a call gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an address of an API.
    #[error("{0:?} is not the address of an API; write it as http://127.0.0.1:7070")]
    Address(String),
    /// No connection, or no whole answer in time.
    #[error("no answer from {base}: {problem}")]
    NoAnswer {
        /// Whose API.
        base: String,
        /// What happened instead.
        problem: String,
    },
    /// The node refuses, and says why.
    #[error("{base} refuses (HTTP {status}, {code}): {message}")]
    Refused {
        /// Whose API.
        base: String,
        /// The HTTP status.
        status: u16,
        /// The stable code of the reason.
        code: String,
        /// The reason in words.
        message: String,
    },
    /// The answer is not what the API promises.
    #[error("{base} answers {path} with something else: {problem}")]
    Malformed {
        /// Whose API.
        base: String,
        /// What was asked.
        path: String,
        /// What was not understood.
        problem: String,
    },
}

/// What can be proven, as the API names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofPath {
    /// What became of a transaction.
    Receipt(TxId),
    /// The record that a transaction made.
    Record(TxId),
    /// What the authenticated state holds under a key, after a block or in the newest state that can be proven.
    State {
        /// Whose state.
        contract: ContractId,
        /// The contract's own key.
        key: Vec<u8>,
        /// After which block.
        height: Option<Height>,
    },
}

impl fmt::Display for ProofPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receipt(id) => write!(f, "/v1/transactions/{id}/proof"),
            Self::Record(id) => write!(f, "/v1/transactions/{id}/record"),
            Self::State {
                contract,
                key,
                height,
            } => {
                write!(f, "/v1/state/{contract}/{}/proof", hex::encode(key))?;
                match height {
                    Some(height) => write!(f, "?height={height}"),
                    None => Ok(()),
                }
            }
        }
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
struct SubmittedBody {
    id: TxId,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorReason,
}

#[derive(Deserialize)]
struct ErrorReason {
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct KeyBody {
    entity: EntityId,
}

impl ApiClient {
    /// The API at `base`, as in `http://127.0.0.1:7070`.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub fn new(base: &str) -> Result<Self, ClientError> {
        let refused = || ClientError::Address(base.to_owned());
        let uri: ureq::http::Uri = base.parse().map_err(|_| refused())?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
            return Err(refused());
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT_LIMIT))
            .user_agent(concat!("salus/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// The node's address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Everything `/status` says.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn status_json(&self) -> Result<serde_json::Value, ClientError> {
        self.get_json("/status")
    }

    /// Whatever the API answers to a path that it answers in JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.get_json(path)
    }

    /// The part of `/status` that commands need.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn status(&self) -> Result<StatusView, ClientError> {
        self.get_json("/status")
    }

    /// Why nothing is final, as the node and its peers see it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn explain(&self) -> Result<Explanation, ClientError> {
        self.get_json("/v1/explain")
    }

    /// The metrics, in Prometheus' text form.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn metrics(&self) -> Result<String, ClientError> {
        let path = "/metrics";
        let body = self.get(path, Duration::ZERO)?;
        String::from_utf8(body).map_err(|error| self.malformed(path, &error))
    }

    /// Whether the node takes part: it is there and does not catch up.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready().is_ok()
    }

    /// That the node takes part.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the reason why it does not, or another.
    pub fn ready(&self) -> Result<(), ClientError> {
        self.get("/readyz", Duration::ZERO).map(drop)
    }

    /// The highest final height.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn head(&self) -> Result<Height, ClientError> {
        self.get_json::<HeadBody>("/v1/head")
            .map(|body| Height::new(body.height))
    }

    /// How many blocks a transaction may be valid for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn window_blocks(&self) -> Result<u64, ClientError> {
        self.get_json::<ParametersBody>("/v1/parameters")
            .map(|body| body.window_blocks)
    }

    /// The validators of the present epoch and the next, or of another.
    ///
    /// # Errors
    /// [`ClientError`]; refused with `unknown_epoch` for one that is not elected.
    pub fn validators(&self, epoch: Option<Epoch>) -> Result<ValidatorsView, ClientError> {
        match epoch {
            Some(epoch) => self.get_json(&format!("/v1/validators?epoch={epoch}")),
            None => self.get_json("/v1/validators"),
        }
    }

    /// The members.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn members(&self) -> Result<MembersView, ClientError> {
        self.get_json("/v1/members")
    }

    /// The entity that answers for a key: what a transaction that it signs must name.
    ///
    /// # Errors
    /// [`ClientError`]; refused with `unknown_key` for one that nobody has or had.
    pub fn entity_of(&self, key: &PublicKey) -> Result<EntityId, ClientError> {
        self.get_json::<KeyBody>(&format!("/v1/keys/{key}"))
            .map(|body| body.entity)
    }

    /// The proposals that can be signed.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn proposals(&self) -> Result<ProposalsView, ClientError> {
        self.get_json("/v1/proposals")
    }

    /// The chain this node claims to be on.
    ///
    /// # Errors
    /// [`ClientError`], also for an anchor that contradicts itself.
    pub fn genesis_hash(&self) -> Result<GenesisHash, ClientError> {
        let path = "/v1/genesis";
        let bytes = self.get(path, Duration::ZERO)?;
        codec::decode::<GenesisAnchor>(&bytes, ANCHOR_MAX)
            .map_err(|error| self.malformed(path, &error))?
            .check()
            .map_err(|error| self.malformed(path, &error))
    }

    /// How blocks are configured in the present epoch.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn lanes(&self) -> Result<EpochLanes, ClientError> {
        self.get_json("/v1/lanes")
    }

    /// A final block's header.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn header(&self, height: Height) -> Result<HeaderView, ClientError> {
        self.get_json(&format!("/v1/headers/{height}"))
    }

    /// Hands in an encoded transaction. Handing it in again changes nothing.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the node's reason, or another.
    pub fn submit(&self, transaction: &[u8]) -> Result<TxId, ClientError> {
        let path = "/v1/transactions";
        let response = self
            .agent
            .post(format!("{}{path}", self.base))
            .config()
            .timeout_global(Some(CALL_LIMIT))
            .build()
            .content_type("application/octet-stream")
            .send(transaction);
        let body = self.answer(response)?;
        serde_json::from_slice::<SubmittedBody>(&body)
            .map(|body| body.id)
            .map_err(|error| self.malformed(path, &error))
    }

    /// How a transaction stands; waits until it is final for at most `wait`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn transaction(&self, id: &TxId, wait: Duration) -> Result<TransactionView, ClientError> {
        let mut path = format!("/v1/transactions/{id}");
        if !wait.is_zero() {
            path.push_str(&format!("?wait=final&timeout_ms={}", wait.as_millis()));
        }
        match self.get(&path, wait) {
            Ok(body) => {
                serde_json::from_slice(&body).map_err(|error| self.malformed(&path, &error))
            }
            Err(ClientError::Refused { status: 404, .. }) => Ok(TransactionView {
                status: "unknown".to_owned(),
                height: None,
                outcome: None,
            }),
            Err(error) => Err(error),
        }
    }

    /// Whether all of the committee of a transaction's block have voted for it; waits for that for at most `wait`. It need not be final
    /// then, and may be final long before.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn is_attested(&self, id: &TxId, wait: Duration) -> Result<bool, ClientError> {
        let path = format!(
            "/v1/transactions/{id}/attestation?timeout_ms={}",
            wait.as_millis()
        );
        match self.get(&path, wait) {
            Ok(body) => {
                let attestation: Attestation = codec::decode(&body, ATTESTATION_MAX)
                    .map_err(|error| self.malformed(&path, &error))?;
                let verifiers = attestation.header.config.committee.len();
                Ok(attestation.votes.len() == verifiers)
            }
            Err(ClientError::Refused { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The encoded audit export of a person, unchecked.
    ///
    /// # Errors
    /// [`ClientError`]; refused with `unknown_person` also for a wrong salt.
    pub fn audit(&self, person: &Pseudonym, salt: &Digest) -> Result<Vec<u8>, ClientError> {
        let body = serde_json::json!({"person": person, "salt": salt}).to_string();
        let response = self
            .agent
            .post(format!("{}/v1/audit", self.base))
            .config()
            .timeout_global(Some(EXPORT_LIMIT))
            .build()
            .content_type("application/json")
            .send(body.as_bytes());
        self.answer_within(response, AUDIT_EXPORT_MAX as u64)
    }

    /// Whatever the API answers in JSON to a question in JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &serde_json::Value,
    ) -> Result<T, ClientError> {
        let response = self
            .agent
            .post(format!("{}{path}", self.base))
            .config()
            .timeout_global(Some(CALL_LIMIT))
            .build()
            .content_type("application/json")
            .send(question.to_string().as_bytes());
        let body = self.answer(response)?;
        serde_json::from_slice(&body).map_err(|error| self.malformed(path, &error))
    }

    /// The encoded proof of what becomes of a transaction, of the record it makes, or of a key of the state, by its path in the API. It
    /// is for who checks it.
    ///
    /// # Errors
    /// [`ClientError`]; refused with `not_yet` and `pruned` where there is no proof yet, or no more.
    pub fn proof(&self, path: &ProofPath) -> Result<Vec<u8>, ClientError> {
        self.get(&path.to_string(), Duration::ZERO)
    }

    fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let body = self.get(path, Duration::ZERO)?;
        serde_json::from_slice(&body).map_err(|error| self.malformed(path, &error))
    }

    fn get(&self, path: &str, wait: Duration) -> Result<Vec<u8>, ClientError> {
        let response = self
            .agent
            .get(format!("{}{path}", self.base))
            .config()
            .timeout_global(Some(wait.saturating_add(CALL_LIMIT)))
            .build()
            .call();
        self.answer(response)
    }

    fn answer(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Vec<u8>, ClientError> {
        self.answer_within(response, ANSWER_BYTES_MAX)
    }

    fn answer_within(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
        limit: u64,
    ) -> Result<Vec<u8>, ClientError> {
        let no_answer = |error: ureq::Error| ClientError::NoAnswer {
            base: self.base.clone(),
            problem: error.to_string(),
        };
        let mut response = response.map_err(no_answer)?;
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(limit)
            .read_to_vec()
            .map_err(no_answer)?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let reason = serde_json::from_slice::<ErrorBody>(&body).map_or_else(
            |_| ErrorReason {
                code: "unspecified".to_owned(),
                message: String::from_utf8_lossy(&body).chars().take(200).collect(),
            },
            |body| body.error,
        );
        Err(ClientError::Refused {
            base: self.base.clone(),
            status,
            code: reason.code,
            message: reason.message,
        })
    }

    fn malformed(&self, path: &str, problem: &dyn std::error::Error) -> ClientError {
        ClientError::Malformed {
            base: self.base.clone(),
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }
}

const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// What a call may take that does not wait for the chain.
const CALL_LIMIT: Duration = Duration::from_secs(5);

const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What the making of an export may take.
const EXPORT_LIMIT: Duration = Duration::from_secs(45);
