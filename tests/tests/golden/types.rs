//! Vectors of the types in `salus-primitives`.

use crate::vectors::{Built, one, only};
use salus_primitives::block::BlockConfig;
use salus_primitives::calls::Role;
use salus_primitives::codec::Blob;
use salus_primitives::crypto::cipher::Suite;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::{PublicKey, Signature};
use salus_primitives::evidence::OffenceKind;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{
    BlockId, ContractId, DeviceId, EntityId, Epoch, GenesisHash, Height, ModelId, PractitionerId,
    Seat, Term, View,
};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::Policy;
use salus_primitives::merkle::{MerkleTree, leaf_digest};
use salus_primitives::namespace::Domain;
use salus_primitives::reading::{Category, Handle, Pseudonym, ReadingId};
use salus_primitives::receipt::{Outcome, Receipt, receipt_root};
use salus_primitives::signed::Signable;
use salus_primitives::state::StateRoot;
use salus_primitives::state_tree::{PLACEHOLDER, StateProof, key_hash, value_hash};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use salus_tests::fixtures;

/// Eight different bytes, so that their order shows.
const NUMBER: u64 = 0x0102_0304_0506_0708;

pub(crate) fn ids() -> Vec<Built> {
    let mut vectors = vec![
        only(Height::new(NUMBER)),
        only(Epoch::new(NUMBER)),
        only(View::new(NUMBER)),
        only(Term::new(NUMBER)),
        only(Timestamp::from_millis(NUMBER)),
        only(Seat::new(0x0102)),
        only(ContractId::new(0x0102)),
        only(EntityId::of_name("hospital-0")),
        only(DeviceId::derive(b"monitor-7", b"registration-3")),
        only(PractitionerId([10; 32])),
        only(ModelId::of_name("monitor-7")),
        only(GenesisHash([1; 32])),
        only(BlockId([2; 32])),
        only(TxId([3; 32])),
        only(PublicKey([4; 32])),
        only(Signature([5; 64])),
        only(ExchangePublic([6; 32])),
        only(Pseudonym([7; 32])),
        only(Handle([8; 32])),
        only(ReadingId([9; 32])),
        one("empty", Blob(vec![])),
        one("three bytes", Blob(vec![1, 2, 3])),
    ];
    vectors.extend(Lane::ALL.map(|lane| one(lane, lane)));
    vectors.extend(Role::ALL.map(|role| one(role, role)));
    vectors
}

/// A changed context string changes every hash of its domain.
pub(crate) fn domains() -> Vec<Built> {
    Domain::ALL
        .into_iter()
        .map(|domain| one(format!("{domain:?} of salus"), domain.hash(&[b"salus"])))
        .collect()
}

pub(crate) fn transactions() -> Vec<Built> {
    let signed = fixtures::signed(0);
    let leaf = signed.leaf();
    let transaction = fixtures::transaction(0);
    let id = transaction.id();
    vec![
        only(fixtures::transaction(1).call),
        only(transaction).digest(id),
        only(signed).digest(leaf),
    ]
}

pub(crate) fn blocks() -> Vec<Built> {
    let genesis = fixtures::genesis_header();
    let header = fixtures::block().header;
    let (genesis_id, id) = (genesis.id(), header.id());
    let root = header.transaction_root;
    vec![
        one("genesis", BlockConfig::default()),
        one("emergency", fixtures::block_config()),
        one("genesis", genesis).digest(genesis_id),
        one("1", header).digest(id),
        only(fixtures::block()).digest(root),
    ]
}

pub(crate) fn certificates() -> Vec<Built> {
    let (notarize, finalize) = fixtures::statements(&fixtures::block().header);
    let nullify = fixtures::nullify();
    let evidence = fixtures::evidence();
    let set = fixtures::validators();
    let offence = evidence
        .verify(fixtures::genesis(), &set, 8)
        .expect("genuine");
    vec![
        one("notarize", notarize).digest(notarize.content()),
        one("finalize", finalize).digest(finalize.content()),
        one("nullify", nullify).digest(nullify.content()),
        only(fixtures::certificate(finalize)),
        only(evidence),
        only(offence),
        one("double notarize", OffenceKind::DoubleNotarize),
        one("double finalize", OffenceKind::DoubleFinalize),
        one("finalize and nullify", OffenceKind::FinalizeAndNullify),
    ]
}

pub(crate) fn receipts() -> Vec<Built> {
    let receipts = fixtures::receipts();
    let leaves: Vec<Digest> = receipts.iter().map(Receipt::leaf).collect();
    let path = fixtures::receipt_path();
    let root = path.root_of(leaves[1]).expect("well-formed");
    assert_eq!(root, receipt_root(&receipts), "the path leads to the root");
    vec![
        only(fixtures::event()),
        one("ok", Outcome::Ok),
        one("failed", receipts[1].outcome),
        one("ok", receipts[0].clone()).digest(leaves[0]),
        one("failed", receipts[1].clone()).digest(leaves[1]),
        only(path).digest(root),
        one("merkle leaf", leaf_digest(b"salus")),
        one("merkle root of nothing", MerkleTree::new(vec![]).root()),
        one(
            "merkle root of one",
            MerkleTree::new(leaves[..1].to_vec()).root(),
        ),
        one("merkle root of three", MerkleTree::new(leaves).root()),
        only(fixtures::finality_proof()).digest(fixtures::block().id()),
        only(fixtures::receipt_proof()).digest(fixtures::block().id()),
        only(fixtures::attestation()).digest(fixtures::block().id()),
    ]
}

pub(crate) fn state() -> Vec<Built> {
    let root = fixtures::state_root();
    let (key, value) = &fixtures::state()[0];
    vec![
        one("key hash", Digest(key_hash(key))),
        one("value hash", Digest(value_hash(value))),
        one("empty", StateRoot(PLACEHOLDER)),
        one("two values", root),
        one(
            "empty",
            StateProof {
                leaf: None,
                siblings: vec![],
            },
        )
        .digest(StateRoot(PLACEHOLDER)),
        one("present", fixtures::state_proof(key)).digest(root),
        one("absent", fixtures::state_proof(&fixtures::absent_key())).digest(root),
    ]
}

pub(crate) fn readings() -> Vec<Built> {
    let period = fixtures::period_key();
    let reading = fixtures::reading();
    let id = period.reading_id(&reading);
    let sealed = fixtures::sealed();
    let commitment = sealed.envelope.commitment;
    let categories = [
        Category::VitalSigns,
        Category::Waveform,
        Category::Laboratory,
        Category::Medication,
        Category::Claims,
        Category::Document,
    ];
    let mut vectors: Vec<Built> = categories
        .into_iter()
        .map(|category| one(format!("{category:?}"), category))
        .collect();
    vectors.extend([
        only(fixtures::observation()),
        only(reading).digest(id),
        one("of a period", period.handle()),
        one("record key", Digest(period.record_key(&id).0)),
        only(Suite::Twofish256EaxBlake3),
        only(sealed.envelope.clone()).digest(commitment),
        only(sealed).digest(id),
        one("exchange", fixtures::exchange_secret().public()),
        only(fixtures::wrapped()),
    ]);
    vectors
}

pub(crate) fn validators() -> Vec<Built> {
    let set = fixtures::validators();
    let anchor = fixtures::anchor();
    let genesis = anchor.check().expect("a block 0 with its validators");
    vec![
        only(set.validators()[0]),
        only(set.clone()).digest(set.digest()),
        only(anchor).digest(genesis),
        only(fixtures::epoch_config()).digest(fixtures::epoch_config().digest()),
        only(fixtures::epoch_change()),
    ]
}

pub(crate) fn parameters() -> Vec<Built> {
    let policy = fixtures::block_policy();
    let lanes = fixtures::epoch_lanes();
    vec![
        only(fixtures::parameters()),
        only(policy.model),
        only(policy.lanes[1].weights),
        one("exact", Policy::Exact),
        one("fastest", Policy::Fastest),
        one("rotating", Policy::Rotating),
        one("fixed", Policy::Fixed),
        only(policy.lanes[1].clone()),
        only(policy),
        one("chosen", lanes.lanes[0].verifiers.clone()),
        one("rotating", lanes.lanes[3].verifiers.clone()),
        only(lanes.lanes[1].clone()),
        only(lanes),
    ]
}
