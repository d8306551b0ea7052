//! What a validator does not take: each with a reason of its own, counted, and the node stays up.

use salus_node::client::ClientError;
use salus_node::keys::NodeKeys;
use salus_primitives::calls::{IDENTITY, IdentityCall, RECORDS, RecordsCall};
use salus_primitives::codec;
use salus_primitives::crypto::sign::{SecretKey, Signer};
use salus_primitives::ids::{DeviceId, EntityId, GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::reading::{Category, PeriodKey, Pseudonym, Reading, SealedReading};
use salus_primitives::signed::Signed;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, TRANSACTION_MAX, Transaction};
use salus_tests::processes::{Network, Node, machine};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

fn signed(transaction: Transaction, signer: &Signer) -> Vec<u8> {
    let genesis = transaction.genesis;
    codec::encode(Signed::sign(transaction, genesis, signer).signed())
}

fn registration(
    genesis: GenesisHash,
    signer: &Signer,
    valid_until: Height,
    nonce: u8,
) -> Transaction {
    let device = IdentityCall::register_device(
        DeviceId([nonce; 32]),
        SecretKey::from_seed([nonce; 32]).public(),
    );
    Transaction {
        genesis,
        sender: signer.public(),
        entity: EntityId::of_name("hospital"),
        lane: Lane::Routine,
        valid_until,
        nonce: [nonce; 16],
        call: Call::new(IDENTITY, &device),
    }
}

/// Submits, and returns the code of the refusal.
fn refusal(node: &Node, bytes: &[u8]) -> String {
    match node.client().submit(bytes) {
        Err(ClientError::Refused { code, .. }) => code,
        other => panic!("not refused: {other:?}"),
    }
}

/// The count of a reason, over all lanes.
fn counted(node: &Node, reason: &str) -> f64 {
    ["emergency", "monitoring", "routine", "bulk", "none"]
        .into_iter()
        .map(|lane| {
            node.metric(&format!(
                "salus_transactions_rejected_total{{lane=\"{lane}\",reason=\"{reason}\"}}"
            ))
        })
        .sum()
}

#[test]
fn each_bad_transaction_is_refused_with_its_own_reason_and_counted() {
    let _machine = machine();
    let network = Network::running();
    let node = &network.nodes()[0];
    let keys = NodeKeys::read(&node.home().join("keys")).expect("the keys");
    let hospital = keys.operator.signer();
    let stranger = SecretKey::from_seed([7; 32]).signer();
    let genesis = network.genesis();
    let soon = node.client().head().expect("a head").plus(100);
    let window = node.client().window_blocks().expect("parameters");
    let good = signed(registration(genesis, &hospital, soon, 1), &hospital);

    let id = node.client().submit(&good).expect("taken");
    let view = node
        .client()
        .transaction(&id, Duration::from_secs(30))
        .expect("an answer");
    assert!(view.is_ok(), "{view:?}");

    let mut flipped = signed(registration(genesis, &hospital, soon, 2), &hospital);
    let last = flipped.len() - 1;
    flipped[last - 40] ^= 1;
    let foreign = GenesisHash([9; 32]);
    let mut reading = registration(genesis, &stranger, soon, 3);
    reading.call = unregistered_reading(genesis);
    let mut trailing = good.clone();
    trailing.push(0);
    let cases = [
        ("bad_signature", flipped),
        (
            "expired",
            signed(registration(genesis, &hospital, Height::ZERO, 5), &hospital),
        ),
        (
            "window_too_far",
            signed(
                registration(genesis, &hospital, soon.plus(2 * window), 6),
                &hospital,
            ),
        ),
        ("malformed", trailing),
        ("too_large", vec![0; TRANSACTION_MAX + 1]),
        ("unknown_sender", signed(reading, &stranger)),
        (
            "wrong_chain",
            signed(registration(foreign, &hospital, soon, 4), &hospital),
        ),
    ];
    for (reason, bytes) in &cases {
        let before = counted(node, reason);

        assert_eq!(refusal(node, bytes), *reason);

        assert_eq!(counted(node, reason), before + 1.0, "{reason}");
    }

    // A replayed id is answered with how it stands, changes nothing, and is counted.
    let before = counted(node, "already_final");
    let head = network.wait_agreement();
    assert_eq!(node.client().submit(&good).expect("known"), id);
    let again = node
        .client()
        .transaction(&id, Duration::ZERO)
        .expect("an answer");
    assert_eq!(again.height, view.height);
    assert_eq!(counted(node, "already_final"), before + 1.0);
    assert!(network.wait_agreement().final_height <= head.final_height + 2);

    assert!(node.client().is_ready());
}

/// A reading that would be taken, were its device registered.
fn unregistered_reading(genesis: GenesisHash) -> Call {
    let reading = Reading {
        subject: Pseudonym([1; 32]),
        category: Category::VitalSigns,
        taken_at: Timestamp::from_millis(1),
        observations: Vec::new(),
    };
    let period = PeriodKey([2; 32]);
    let sealed = SealedReading::seal(genesis, DeviceId([3; 32]), &period, &reading, [4; 16]);
    Call::new(RECORDS, &RecordsCall::Submit(sealed.expect("it fits")))
}

/// Garbage on the validators' port and endless bodies on the API's are cut off; the node stays up.
#[test]
fn floods_of_garbage_do_not_stop_a_node() {
    let _machine = machine();
    let mut network = Network::running();
    let (listen, api) = {
        let node = &network.nodes()[0];
        let port = node.listen().rsplit('/').next().expect("a port").to_owned();
        let api = node
            .client()
            .base()
            .trim_start_matches("http://")
            .to_owned();
        (format!("127.0.0.1:{port}"), api)
    };

    let mut peer = TcpStream::connect(listen).expect("connected");
    peer.set_write_timeout(Some(Duration::from_secs(5)))
        .expect("set");
    let garbage = vec![0xff; 64 * 1024];
    let mut sent = 0;
    // It may be cut off at any point; that is what is asked for.
    while sent < MUCH && peer.write_all(&garbage).is_ok() {
        sent += garbage.len();
    }
    let mut client = TcpStream::connect(api).expect("connected");
    client
        .set_write_timeout(Some(Duration::from_secs(5)))
        .expect("set");
    client
        .write_all(
            b"POST /v1/transactions HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\ncontent-length: 1099511627776\r\n\r\n",
        )
        .expect("sent");
    let mut posted = 0;
    while posted < MUCH && client.write_all(&garbage).is_ok() {
        posted += garbage.len();
    }

    assert!(sent < MUCH, "garbage was taken for ever");
    assert!(posted < MUCH, "a body was taken for ever");
    assert!(network.node(0).is_running());
    network.registered_device(1);
}

/// More than sockets buffer, and more than any honest peer sends before it is answered.
const MUCH: usize = 64 * 1024 * 1024;
