//! The API's own wire types: what its JSON looks like. Ids, keys and roots are lower-case hexadecimal, times milliseconds
//! since the Unix epoch.

use crate::handle::{NodeRole, NodeStatus, TransactionProgress, TransactionStatus};
use crate::tiers::Tier;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use salus_contracts::registry::reason_name;
use salus_genesis::block::GenesisBlock;
use salus_primitives::attestation::Attestation;
use salus_primitives::block::{Block, Header};
use salus_primitives::calls::Role;
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::codec;
use salus_primitives::crypto::sign::{PublicKey, Signature};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{
    BlockId, ContractId, EntityId, Epoch, GenesisHash, Height, Seat, View,
};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::BlockPolicy;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::proof::{FinalityProof, ReceiptProof};
use salus_primitives::receipt::{Event, Outcome, Receipt};
use salus_primitives::state::StateRoot;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use salus_primitives::validators::ValidatorSet;
use salus_storage::ledger::Head;
use serde::Serialize;
use std::collections::BTreeMap;
use std::convert::Infallible;

/// An answer in JSON.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    (status, axum::Json(value)).into_response()
}

/// An answer in canonical bytes.
pub(super) fn octets(bytes: Vec<u8>) -> Response {
    let kind = HeaderValue::from_static("application/octet-stream");
    ([(header::CONTENT_TYPE, kind)], bytes).into_response()
}

#[derive(Serialize)]
pub(super) struct TransactionView {
    id: TxId,
    status: &'static str,
    height: Option<Height>,
    index: Option<u32>,
    lane: Option<Lane>,
    outcome: Option<OutcomeView>,
    tier: Option<&'static str>,
    attesting: Option<AttestingView>,
}

/// How many of the committee's members have voted.
#[derive(Serialize)]
pub(super) struct AttestingView {
    height: Height,
    lane: Lane,
    votes: usize,
    verifiers: usize,
}

impl TransactionView {
    /// Handed in just now: it waits in this lane.
    pub(super) fn pending(id: TxId, lane: Lane) -> Self {
        let progress = TransactionProgress {
            status: TransactionStatus::Pending,
            tier: Some(Tier::Pending),
            attesting: None,
        };
        Self {
            lane: Some(lane),
            ..Self::new(id, progress)
        }
    }

    pub(super) fn new(id: TxId, progress: TransactionProgress) -> Self {
        let tier = progress.tier.map(Tier::name);
        let attesting = progress.attesting.map(|it| AttestingView {
            height: it.height,
            lane: it.lane,
            votes: it.votes,
            verifiers: it.verifiers,
        });
        let without_block = |status| Self {
            id,
            status,
            height: None,
            index: None,
            lane: None,
            outcome: None,
            tier,
            attesting: None,
        };
        let view = match progress.status {
            TransactionStatus::Unknown => without_block("unknown"),
            TransactionStatus::Pending => without_block("pending"),
            TransactionStatus::Final {
                height,
                index,
                receipt,
            } => Self {
                height: Some(height),
                index: Some(index),
                lane: Some(receipt.lane),
                outcome: Some(OutcomeView::new(receipt.outcome)),
                ..without_block("final")
            },
        };
        Self { attesting, ..view }
    }
}

/// `"ok"`, or who refused and why.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum OutcomeView {
    Ok(&'static str),
    Failed {
        contract: ContractId,
        code: u16,
        reason: &'static str,
    },
}

impl OutcomeView {
    fn new(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Ok("ok"),
            Outcome::Failed { contract, code } => Self::Failed {
                contract,
                code,
                reason: reason_name(contract, code).unwrap_or("unknown"),
            },
        }
    }
}

#[derive(Serialize)]
pub(super) struct ReceiptView<'a> {
    id: TxId,
    height: Height,
    block: Option<BlockId>,
    index: u32,
    lane: Lane,
    outcome: OutcomeView,
    events: &'a [Event],
    /// The canonical bytes of the receipt proof; absent until the next block is final.
    proof: Option<String>,
    /// Those of the attestation of its block, with the votes of its committee; absent if no vote is kept here.
    attestation: Option<String>,
}

impl<'a> ReceiptView<'a> {
    pub(super) fn new(
        height: Height,
        block: Option<BlockId>,
        receipt: &'a Receipt,
        proof: Option<&ReceiptProof>,
        attestation: Option<&Attestation>,
    ) -> Self {
        Self {
            id: receipt.transaction,
            height,
            block,
            index: receipt.index,
            lane: receipt.lane,
            outcome: OutcomeView::new(receipt.outcome),
            events: &receipt.events,
            proof: proof.map(|proof| hex::encode(codec::encode(proof))),
            attestation: attestation.map(|it| hex::encode(codec::encode(it))),
        }
    }
}

#[derive(Serialize)]
pub(super) struct HeaderView {
    id: BlockId,
    height: Height,
    epoch: Epoch,
    view: View,
    parent: BlockId,
    time_ms: Timestamp,
    manager: Seat,
    lane: Lane,
    verifier_count: u16,
    transaction_limit: u32,
    committee: Vec<Seat>,
    transaction_count: u32,
    transaction_root: Digest,
    parent_state_root: StateRoot,
    parent_receipt_root: Digest,
    next_epoch: Option<Digest>,
}

impl HeaderView {
    pub(super) fn new(header: &Header) -> Self {
        Self {
            id: header.id(),
            height: header.height,
            epoch: header.epoch,
            view: header.view,
            parent: header.parent,
            time_ms: header.time,
            manager: header.manager,
            lane: header.lane,
            verifier_count: header.config.verifier_count,
            transaction_limit: header.config.transaction_limit,
            committee: header.config.committee.clone(),
            transaction_count: header.transaction_count,
            transaction_root: header.transaction_root,
            parent_state_root: header.parent_state_root,
            parent_receipt_root: header.parent_receipt_root,
            next_epoch: header.next_epoch,
        }
    }
}

/// A header with why it is final.
#[derive(Serialize)]
pub(super) struct FinalityView {
    #[serde(flatten)]
    header: HeaderView,
    finality: CertifiedView,
}

#[derive(Serialize)]
struct CertifiedView {
    /// From the next header up to the one that the certificate finalises.
    descendants: Vec<HeaderView>,
    certificate: CertificateView,
}

#[derive(Serialize)]
struct CertificateView {
    kind: &'static str,
    epoch: Epoch,
    view: View,
    block: Option<BlockId>,
    votes: Vec<VoteView>,
}

#[derive(Serialize)]
struct VoteView {
    seat: Seat,
    signature: Signature,
}

impl FinalityView {
    /// `None` for a proof without a header, which the ledger never makes.
    pub(super) fn new(proof: &FinalityProof) -> Option<Self> {
        let (first, descendants) = proof.headers.split_first()?;
        Some(Self {
            header: HeaderView::new(first),
            finality: CertifiedView {
                descendants: descendants.iter().map(HeaderView::new).collect(),
                certificate: CertificateView::new(&proof.certificate),
            },
        })
    }
}

impl CertificateView {
    fn new(certificate: &Certificate) -> Self {
        let statement = &certificate.statement;
        Self {
            kind: match statement {
                Statement::Notarize { .. } => "notarize",
                Statement::Finalize { .. } => "finalize",
                Statement::Nullify { .. } => "nullify",
            },
            epoch: statement.epoch(),
            view: statement.view(),
            block: statement.block(),
            votes: certificate
                .votes
                .iter()
                .map(|(seat, signature)| VoteView {
                    seat: *seat,
                    signature: *signature,
                })
                .collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct BlockView {
    header: HeaderView,
    transactions: Vec<IncludedView>,
}

/// A transaction in a block, without its payload: sealed readings are large, and of use only to who can open them.
#[derive(Serialize)]
struct IncludedView {
    id: TxId,
    sender: PublicKey,
    entity: EntityId,
    lane: Lane,
    valid_until: Height,
    contract: ContractId,
    payload_bytes: usize,
    outcome: Option<OutcomeView>,
}

impl BlockView {
    pub(super) fn new(block: &Block, receipts: &[Receipt]) -> Self {
        let mut receipts = receipts.iter();
        let transactions = block
            .transactions
            .iter()
            .map(|transaction| IncludedView {
                id: transaction.body.id(),
                sender: transaction.body.sender,
                entity: transaction.body.entity,
                lane: transaction.body.lane,
                valid_until: transaction.body.valid_until,
                contract: transaction.body.call.contract,
                payload_bytes: transaction.body.call.payload.len(),
                outcome: receipts
                    .next()
                    .map(|receipt| OutcomeView::new(receipt.outcome)),
            })
            .collect();
        Self {
            header: HeaderView::new(&block.header),
            transactions,
        }
    }
}

#[derive(Serialize)]
pub(super) struct HeadView {
    height: Height,
    id: BlockId,
    time_ms: Timestamp,
    /// After this block.
    state_root: StateRoot,
}

impl HeadView {
    pub(super) fn new(head: &Head, header: &Header) -> Self {
        Self {
            height: head.height,
            id: head.id,
            time_ms: header.time,
            state_root: head.state_root,
        }
    }
}

#[derive(Serialize)]
pub(super) struct ValidatorsView {
    epoch: Epoch,
    total_weight: u64,
    quorum_weight: u64,
    validators: Vec<ValidatorView>,
}

#[derive(Serialize)]
struct ValidatorView {
    seat: Seat,
    entity: EntityId,
    name: Option<String>,
    role: Option<Role>,
    key: PublicKey,
    network_key: PublicKey,
    weight: u64,
}

impl ValidatorsView {
    /// `name` knows an entity's name and role.
    pub(super) fn new<E>(
        set: &ValidatorSet,
        name: impl Fn(&EntityId) -> Result<Option<(String, Role)>, E>,
    ) -> Result<Self, E> {
        let validators = set
            .seats()
            .zip(set.validators())
            .map(|(seat, validator)| {
                let (name, role) = name(&validator.entity)?.unzip();
                Ok(ValidatorView {
                    seat,
                    entity: validator.entity,
                    name,
                    role,
                    key: validator.key,
                    network_key: validator.network_key,
                    weight: validator.weight,
                })
            })
            .collect::<Result<_, E>>()?;
        Ok(Self {
            epoch: set.epoch(),
            total_weight: set.total_weight(),
            quorum_weight: set.quorum_weight(),
            validators,
        })
    }
}

#[derive(Serialize)]
pub(super) struct GenesisView<'a> {
    chain: &'a str,
    genesis_hash: GenesisHash,
    header: HeaderView,
    validators: ValidatorsView,
    parameters: &'a ChainParameters,
    policy: &'a BlockPolicy,
}

impl<'a> GenesisView<'a> {
    pub(super) fn new(genesis: &'a GenesisBlock) -> Self {
        let founder = |entity: &EntityId| {
            let founder = genesis.members.iter().find(|it| it.entity == *entity);
            Ok::<_, Infallible>(founder.map(|it| (it.name.clone(), it.role)))
        };
        let Ok(validators) = ValidatorsView::new(&genesis.first.validators, founder);
        Self {
            chain: &genesis.chain,
            genesis_hash: genesis.hash,
            header: HeaderView::new(&genesis.block.header),
            validators,
            parameters: &genesis.parameters,
            policy: &genesis.policy,
        }
    }
}

#[derive(Serialize)]
pub(super) struct StatusView<'a> {
    chain: &'a str,
    genesis_hash: GenesisHash,
    version: &'static str,
    role: &'static str,
    standing: &'static str,
    /// What that means, and what can be done.
    standing_means: String,
    ready: bool,
    catching_up: bool,
    halted: Option<&'a str>,
    disk: DiskView,
    final_height: Height,
    final_time_ms: Timestamp,
    state_root: StateRoot,
    head_height: Height,
    epoch: Epoch,
    view: View,
    /// The name of the member whose node manages the view.
    manager: Option<String>,
    is_manager: bool,
    peers: Vec<PeerView>,
    lanes: BTreeMap<&'static str, LaneView>,
}

#[derive(Serialize)]
struct DiskView {
    free_bytes: u64,
    reserve_bytes: u64,
    /// For how long there has been too little; null if there is enough.
    full_ms: Option<u64>,
}

#[derive(Serialize)]
struct PeerView {
    name: String,
    entity: EntityId,
    connected: bool,
}

#[derive(Serialize)]
struct LaneView {
    /// Transactions that wait.
    mempool: usize,
    /// Transactions that became final since the node started.
    r#final: u64,
}

impl<'a> StatusView<'a> {
    pub(super) fn new(
        genesis: &'a GenesisBlock,
        names: &BTreeMap<EntityId, String>,
        status: &'a NodeStatus,
    ) -> Self {
        let name = |entity: &EntityId| {
            names
                .get(entity)
                .cloned()
                .unwrap_or_else(|| entity.to_string())
        };
        let lanes = Lane::ALL
            .into_iter()
            .map(|lane| {
                let view = LaneView {
                    mempool: status.mempool[lane.index()],
                    r#final: status.final_transactions[lane.index()],
                };
                (lane.name(), view)
            })
            .collect();
        Self {
            chain: &genesis.chain,
            genesis_hash: genesis.hash,
            version: env!("CARGO_PKG_VERSION"),
            standing: status.standing.name(),
            standing_means: status.standing.explanation(),
            role: match status.standing.role() {
                NodeRole::Validator => "validator",
                NodeRole::Observer => "observer",
            },
            ready: status.ready,
            catching_up: status.catching_up,
            halted: status.halted.as_deref(),
            disk: DiskView {
                free_bytes: status.disk.free_bytes,
                reserve_bytes: status.disk.reserve_bytes,
                full_ms: status
                    .disk
                    .full_for
                    .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            },
            final_height: status.final_height,
            final_time_ms: status.final_time,
            state_root: status.state_root,
            head_height: status.head_height,
            epoch: status.epoch,
            view: status.view,
            manager: status.manager.as_ref().map(name),
            is_manager: status.is_manager,
            peers: status
                .peers
                .iter()
                .map(|peer| PeerView {
                    name: name(&peer.entity),
                    entity: peer.entity,
                    connected: peer.connected,
                })
                .collect(),
            lanes,
        }
    }
}
