//! One fixed value of every kind that is hashed, stored or sent. The golden vectors pin what they encode to.
//!
//! Nothing here depends on presets or on what a node would make: a changed default is no changed encoding.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use salus_consensus::message::Status;
use salus_consensus::proposal::Proposal;
use salus_consensus::vote::{VerifiedVote, Vote};
use salus_node::wire::{Account, Condition, Halt, RootAt};
use salus_primitives::attestation::Attestation;
use salus_primitives::block::{Block, BlockConfig, Header, transaction_root};
use salus_primitives::calls::{RECORDS, RecordsCall, Role, ValidatorKeys};
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::codec::Blob;
use salus_primitives::crypto::exchange::{ExchangeSecret, Wrapped};
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::epoch::{EpochChange, EpochConfig};
use salus_primitives::evidence::Evidence;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{
    BlockId, ContractId, DeviceId, EntityId, Epoch, GenesisHash, Height, Seat, View,
};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::{
    BlockModel, BlockPolicy, EpochLanes, LaneConfig, LaneParameters, LaneWeights, Policy, Verifiers,
};
use salus_primitives::merkle::{MerkleProof, MerkleTree};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::proof::{FinalityProof, GenesisAnchor, ReceiptProof};
use salus_primitives::reading::{
    Category, Observation, PeriodKey, Pseudonym, Reading, SealedReading,
};
use salus_primitives::receipt::{Event, Outcome, Receipt, receipt_root};
use salus_primitives::signed::Signed;
use salus_primitives::state::{StateKey, StateRoot};
use salus_primitives::state_tree::{self, StateProof};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, SignedTransaction, Transaction};
use salus_primitives::validators::{Validator, ValidatorSet};

/// The `n`th signing key.
#[must_use]
pub fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

/// The secret that [`wrapped`] is for.
#[must_use]
pub fn exchange_secret() -> ExchangeSecret {
    ExchangeSecret::from_bytes([0x42; 32])
}

/// The first period key.
#[must_use]
pub fn period_key() -> PeriodKey {
    PeriodKey([0x51; 32])
}

/// A monitor.
#[must_use]
pub fn device() -> DeviceId {
    DeviceId::derive(b"monitor-7", b"registration-3")
}

/// Five validators of unequal weight, in epoch 1: W = 9, f = 2, Q = 7.
///
/// # Panics
/// Never: the set is legal.
#[must_use]
pub fn validators() -> ValidatorSet {
    let validators = [2, 2, 2, 2, 1]
        .into_iter()
        .zip(0u8..)
        .map(|(weight, n)| Validator {
            entity: EntityId::of_name(&format!("hospital-{n}")),
            key: key(n).public(),
            network_key: key(n + 100).public(),
            weight,
        })
        .collect();
    ValidatorSet::new(Epoch::new(1), validators).expect("no seat holds a third")
}

/// Block 0's header.
#[must_use]
pub fn genesis_header() -> Header {
    Header {
        height: Height::ZERO,
        epoch: Epoch::ZERO,
        view: View::ZERO,
        parent: BlockId::default(),
        time: Timestamp::from_millis(29_000_000_000_000),
        manager: Seat::new(0),
        lane: Lane::Routine,
        config: BlockConfig::default(),
        transaction_count: 0,
        transaction_root: transaction_root(&[]),
        parent_state_root: state_root(),
        parent_receipt_root: receipt_root(&[]),
        next_epoch: Some(epoch_config().digest()),
    }
}

/// What light clients start from.
#[must_use]
pub fn anchor() -> GenesisAnchor {
    GenesisAnchor {
        header: genesis_header(),
        first: epoch_config(),
    }
}

/// The chain all of this is on.
#[must_use]
pub fn genesis() -> GenesisHash {
    GenesisHash(genesis_header().id().0)
}

/// One reading of a monitor.
#[must_use]
pub fn reading() -> Reading {
    Reading {
        subject: Pseudonym([0x61; 32]),
        category: Category::VitalSigns,
        taken_at: Timestamp::from_millis(29_246_229_145_000),
        observations: vec![observation(), {
            Observation {
                code: "8310-5".into(),
                unit: "Cel".into(),
                milli: -1_250,
            }
        }],
    }
}

/// A heart rate.
#[must_use]
pub fn observation() -> Observation {
    Observation {
        code: "8867-4".into(),
        unit: "/min".into(),
        milli: 61_100,
    }
}

/// [`reading`] as it appears on chain.
///
/// # Panics
/// Never: it fits.
#[must_use]
pub fn sealed() -> SealedReading {
    SealedReading::seal(genesis(), device(), &period_key(), &reading(), [0x71; 16])
        .expect("a small reading fits")
}

/// What [`wrapped`] is bound to.
pub const WRAP_CONTEXT: &[u8] = b"device and handle";

/// The period key, wrapped for [`exchange_secret`].
///
/// # Panics
/// Never: the recipient's key is usable.
#[must_use]
pub fn wrapped() -> Wrapped {
    exchange_secret()
        .public()
        .wrap(
            &period_key().0,
            WRAP_CONTEXT,
            &mut ChaCha20Rng::seed_from_u64(0x81),
        )
        .expect("a usable key")
}

/// A transaction of the `n`th sender. The 0th submits [`sealed`].
#[must_use]
pub fn transaction(n: u8) -> Transaction {
    Transaction {
        genesis: genesis(),
        sender: key(n + 10).public(),
        entity: EntityId([n + 1; 32]),
        lane: Lane::Emergency,
        valid_until: Height::new(1_000 + u64::from(n)),
        nonce: [n; 16],
        call: if n == 0 {
            Call::new(RECORDS, &RecordsCall::Submit(sealed()))
        } else {
            Call {
                contract: ContractId::new(n.into()),
                payload: Blob(vec![n; 5]),
            }
        },
    }
}

/// [`transaction`], signed.
#[must_use]
pub fn signed(n: u8) -> SignedTransaction {
    Signed::sign(transaction(n), genesis(), &key(n + 10).signer()).into_signed()
}

/// The transactions of block 1.
#[must_use]
pub fn transactions() -> Vec<SignedTransaction> {
    (1..4).map(signed).collect()
}

/// The receipts of block 1.
#[must_use]
pub fn receipts() -> Vec<Receipt> {
    let outcomes = [
        Outcome::Ok,
        Outcome::Failed {
            contract: RECORDS,
            code: 4,
        },
        Outcome::Ok,
    ];
    (0..)
        .zip(transactions())
        .zip(outcomes)
        .map(|((index, transaction), outcome)| Receipt {
            transaction: transaction.body.id(),
            index,
            lane: Lane::Emergency,
            outcome,
            events: if outcome == Outcome::Ok {
                vec![event()]
            } else {
                vec![]
            },
        })
        .collect()
}

/// What a contract made known.
#[must_use]
pub fn event() -> Event {
    Event {
        contract: RECORDS,
        topic: 2,
        data: Blob(vec![9, 8, 7]),
    }
}

/// Verifiers and limits of block 1.
#[must_use]
pub fn block_config() -> BlockConfig {
    BlockConfig {
        verifier_count: 2,
        transaction_limit: 64,
        committee: vec![Seat::new(1), Seat::new(3)],
    }
}

/// Block 1.
#[must_use]
pub fn block() -> Block {
    let transactions = transactions();
    Block {
        header: Header {
            height: Height::new(1),
            epoch: Epoch::new(1),
            view: View::new(3),
            parent: genesis_header().id(),
            time: Timestamp::from_millis(29_000_000_000_250),
            manager: Seat::new(2),
            lane: Lane::Emergency,
            config: block_config(),
            transaction_count: 3,
            transaction_root: transaction_root(&transactions),
            next_epoch: None,
            ..genesis_header()
        },
        transactions,
    }
}

/// Block 2, empty, which commits to the receipts of block 1.
#[must_use]
pub fn next_block() -> Block {
    let parent = block().header;
    Block {
        header: Header {
            height: parent.height.next(),
            view: parent.view.next(),
            parent: parent.id(),
            time: parent.time.plus_millis(5),
            lane: Lane::Routine,
            transaction_count: 0,
            transaction_root: transaction_root(&[]),
            parent_receipt_root: receipt_root(&receipts()),
            ..parent
        },
        transactions: vec![],
    }
}

/// What validators say of a block: notarised, final.
#[must_use]
pub fn statements(header: &Header) -> (Statement, Statement) {
    let (epoch, view, block) = (header.epoch, header.view, header.id());
    (
        Statement::Notarize { epoch, view, block },
        Statement::Finalize { epoch, view, block },
    )
}

/// Giving up on a view.
#[must_use]
pub fn nullify() -> Statement {
    Statement::Nullify {
        epoch: Epoch::new(1),
        view: View::new(2),
    }
}

/// A vote of `seat`.
///
/// # Panics
/// If there is no such seat.
#[must_use]
pub fn vote(statement: Statement, seat: u16) -> Vote {
    let seat = Seat::new(seat);
    let public = validators().validator(seat).expect("a seat").key;
    let secret = (0..5)
        .map(key)
        .find(|secret| secret.public() == public)
        .expect("the keys of the set are these");
    *VerifiedVote::sign(statement, seat, genesis(), &secret.signer()).vote()
}

/// Seat 2 finalised in a view after one of the term that it gave up.
///
/// # Panics
/// Never: the seat exists.
#[must_use]
pub fn evidence() -> Evidence {
    let finalize = Statement::Finalize {
        epoch: Epoch::new(1),
        view: View::new(3),
        block: BlockId([3; 32]),
    };
    let [one, other] = [finalize, nullify()].map(|statement| {
        let Vote {
            statement,
            signature,
            ..
        } = vote(statement, 2);
        Signed {
            body: statement,
            signature,
        }
    });
    Evidence::new(Seat::new(2), one, other)
}

/// What a validator acts with.
#[must_use]
pub fn validator_keys() -> ValidatorKeys {
    ValidatorKeys {
        validator_key: key(1).public(),
        network_key: key(2).public(),
    }
}

/// A quorum under a statement: all seats.
#[must_use]
pub fn certificate(statement: Statement) -> Certificate {
    Certificate {
        statement,
        votes: (0..5)
            .map(|seat| (Seat::new(seat), vote(statement, seat).signature))
            .collect(),
    }
}

/// Block 1 as its manager proposes it in view 3.
#[must_use]
pub fn proposal() -> Proposal {
    let (notarize, _) = statements(&block().header);
    Proposal {
        vote: vote(notarize, 2),
        block: block(),
        justification: vec![certificate(nullify())],
    }
}

/// A node's position.
#[must_use]
pub fn status() -> Status {
    let (notarize, finalize) = statements(&block().header);
    Status {
        epoch: Epoch::new(1),
        view: View::new(4),
        final_view: View::ZERO,
        final_height: Height::ZERO,
        votes: vec![vote(notarize, 1), vote(finalize, 1)],
        entry: Some(certificate(notarize)),
    }
}

/// What a node says that holds another root than a quorum.
#[must_use]
pub fn halt() -> Halt {
    Halt {
        block: next_block().id(),
        height: Height::new(2),
        own: StateRoot([0x71; 32]),
        certified: StateRoot([0x72; 32]),
    }
}

/// What a node says of itself when it is asked.
#[must_use]
pub fn account() -> Account {
    Account {
        epoch: Epoch::new(1),
        view: View::new(4),
        final_height: Height::new(1),
        final_age_ms: 1_500,
        work_ms: Some(1_000),
        condition: Condition::DiskFull { for_ms: 900 },
        roots: vec![RootAt {
            height: Height::new(1),
            root: StateRoot([0x73; 32]),
        }],
        connected: vec![key(7).public()],
        clock: Timestamp::from_millis(1_700_000_000_000),
    }
}

/// The path of the second receipt.
///
/// # Panics
/// Never: there are three.
#[must_use]
pub fn receipt_path() -> MerkleProof {
    MerkleTree::new(receipts().iter().map(Receipt::leaf).collect())
        .proof(1)
        .expect("the second of three")
}

/// The header after block 1 names the next validators; the shape is what counts here.
#[must_use]
pub fn epoch_change() -> EpochChange {
    let finality = finality_proof();
    EpochChange {
        header: next_block().header,
        certificate: finality.certificate,
        next: epoch_config(),
    }
}

/// Shows that blocks 1 and 2 are final.
#[must_use]
pub fn finality_proof() -> FinalityProof {
    let next = next_block().header;
    FinalityProof {
        certificate: certificate(statements(&next).1),
        headers: vec![block().header, next],
    }
}

/// Shows that the committee of block 1 has attested its second transaction.
///
/// # Panics
/// Never: there are three.
#[must_use]
pub fn attestation() -> Attestation {
    let header = block().header;
    let (notarize, _) = statements(&header);
    let proof = receipt_proof();
    let committee = header.config.committee.iter();
    Attestation {
        transaction: transactions()[1].body.id(),
        signature: proof.signature,
        transaction_path: proof.transaction_path,
        view: header.view,
        votes: committee
            .map(|seat| (*seat, vote(notarize, seat.get()).signature))
            .collect(),
        header,
    }
}

/// Shows what became of the second transaction of block 1.
///
/// # Panics
/// Never: there are three.
#[must_use]
pub fn receipt_proof() -> ReceiptProof {
    let leaves = transactions()
        .iter()
        .map(SignedTransaction::leaf)
        .collect::<Vec<Digest>>();
    ReceiptProof {
        receipt: receipts()[1].clone(),
        receipt_path: receipt_path(),
        signature: transactions()[1].signature,
        transaction_path: MerkleTree::new(leaves)
            .proof(1)
            .expect("the second of three"),
        finality: finality_proof(),
    }
}

/// The two values of the state.
#[must_use]
pub fn state() -> [(StateKey, Vec<u8>); 2] {
    [
        (StateKey::tree(ContractId::new(1), *b"entity"), vec![1, 2]),
        (StateKey::tree(ContractId::new(2), *b"lanes"), vec![3]),
    ]
}

/// The root of [`state`].
#[must_use]
pub fn state_root() -> StateRoot {
    state_tree::root_of(state().iter().map(|(key, value)| (key, value.as_slice())))
}

/// A key that [`state`] does not have.
#[must_use]
pub fn absent_key() -> StateKey {
    StateKey::tree(ContractId::new(3), *b"nobody")
}

/// The proof of `key`, present or absent, in [`state`].
#[must_use]
pub fn state_proof(key: &StateKey) -> StateProof {
    let path = state_tree::key_hash(key);
    let mut leaves: Vec<Leaf> = state()
        .iter()
        .map(|(key, value)| (state_tree::key_hash(key), state_tree::value_hash(value)))
        .collect();
    let mut siblings = Vec::new();
    while leaves.len() > 1 {
        let depth = siblings.len();
        let (on, beside): (Vec<Leaf>, Vec<Leaf>) = leaves
            .into_iter()
            .partition(|leaf| bit(&leaf.0, depth) == bit(&path, depth));
        siblings.push(Digest(subtree(&beside, depth + 1)));
        leaves = on;
    }
    siblings.reverse();
    StateProof {
        leaf: leaves.first().copied(),
        siblings,
    }
}

/// Hash of a key and of its value.
type Leaf = ([u8; 32], [u8; 32]);

fn bit(path: &[u8; 32], depth: usize) -> bool {
    path[depth / 8] & (0x80 >> (depth % 8)) != 0
}

fn subtree(leaves: &[Leaf], depth: usize) -> [u8; 32] {
    match leaves {
        [] => state_tree::PLACEHOLDER,
        [(key, value)] => state_tree::leaf_hash(key, value),
        _ => {
            let (right, left): (Vec<Leaf>, Vec<Leaf>) =
                leaves.iter().partition(|leaf| bit(&leaf.0, depth));
            state_tree::node_hash(&subtree(&left, depth + 1), &subtree(&right, depth + 1))
        }
    }
}

/// Parameters with every lane.
#[must_use]
pub fn parameters() -> ChainParameters {
    ChainParameters {
        tenure: 8,
        delta_ms: 250,
        delta_max_ms: 8_000,
        skip_after: 3,
        heartbeat_ms: 60_000,
        window_blocks: 1_024,
        block_bytes: 1_048_576,
        epoch_blocks: 10_000,
        seats: 7,
        proposal_blocks: 5_000,
    }
}

/// What governance says of every lane.
#[must_use]
pub fn block_policy() -> BlockPolicy {
    let policies = [
        Policy::Exact,
        Policy::Fastest,
        Policy::Rotating,
        Policy::Fixed,
    ];
    BlockPolicy {
        model: BlockModel {
            security_scale: 3,
            security_exponent: 2,
            broadcast_ps_per_bit: 1_000,
            vote_bytes: 170,
            hold_max_ms: 100,
            response_us: 5_000,
            rate_kbps: 100_000,
        },
        lanes: (1u8..)
            .zip(Lane::ALL)
            .zip(policies)
            .map(|((n, lane), policy)| LaneParameters {
                lane,
                policy,
                weights: LaneWeights {
                    latency: 8,
                    security: n.into(),
                    cost: 1,
                },
                min_verifiers: 1,
                max_verifiers: n.into(),
                min_transactions: 10,
                max_transactions: 100 * u32::from(n),
                transaction_bytes: 512,
                roles: Role::ALL[..usize::from(n)].to_vec(),
                quota: if n < 3 { 1_000 } else { 0 },
                wait_max_ms: 500,
                reserved_percent: n,
            })
            .collect(),
    }
}

/// The lanes of an epoch: verifiers that take turns in the lower two, and chosen ones in the others.
#[must_use]
pub fn epoch_lanes() -> EpochLanes {
    let lanes = block_policy().lanes.into_iter().map(|parameters| {
        let verifiers = match parameters.policy {
            Policy::Exact | Policy::Fastest => Verifiers::Chosen(block_config().committee),
            Policy::Rotating | Policy::Fixed => Verifiers::Rotating(3),
        };
        LaneConfig {
            verifiers,
            transaction_limit: 64,
            parameters,
        }
    });
    EpochLanes {
        epoch: validators().epoch(),
        epoch_blocks: 10,
        block_bytes: 1_000_000,
        security_scale: 1,
        security_exponent: 2,
        lanes: lanes.collect(),
    }
}

/// An epoch.
#[must_use]
pub fn epoch_config() -> EpochConfig {
    EpochConfig {
        validators: validators(),
        lanes: epoch_lanes(),
    }
}
