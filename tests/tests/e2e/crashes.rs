//! Validators that are killed in the middle, and come back.

use salus_primitives::ids::Height;
use salus_tests::processes::{Network, eventually, machine};
use std::time::Duration;

/// One of four is killed while readings come in, and started again some epochs later: nothing is lost, it follows epoch by epoch,
/// all agree.
#[test]
fn a_killed_validator_comes_back_and_nothing_is_lost() {
    let _machine = machine();
    let mut network = Network::four_with_epochs(20);
    for index in 0..network.nodes().len() {
        network.node(index).start();
    }
    network.wait_ready();
    let device = network.registered_device(1);
    let edge = network.start_edge(&device, 8);
    let height = || network.nodes()[0].client().head().expect("a head").get();
    eventually("readings are being finalised", || height() >= 10);

    network.node(1).kill();
    let at_kill = network.nodes()[0].client().head().expect("a head");
    eventually("the three others go on for two epochs", || {
        network.nodes()[0].client().head().expect("a head") > at_kill.plus(40)
    });
    network.node(1).start();
    let (status, summary) = edge.finish();

    assert!(status.success(), "{summary}");
    assert!(summary["proven"].as_u64() > Some(0));
    assert_eq!(summary["proven"], summary["submitted"]);
    network.wait_ready();
    let agreed = network.wait_agreement();
    network.assert_one_chain(1..=agreed.final_height);
    // nodes report on one another after each epoch, so the chain may go on meanwhile
    eventually("all are in one epoch", || {
        let epoch = |index: usize| {
            let client = network.nodes()[index].client();
            client.validators(None).expect("an answer").epoch
        };
        let first = epoch(0);
        first > agreed.final_height / 20 && (1..4).all(|index| epoch(index) == first)
    });
    let proven = network.proven();
    assert_eq!(Some(proven.len() as u64), summary["proven"].as_u64());
    for node in network.nodes() {
        for id in &proven {
            let view = node
                .client()
                .transaction(id, Duration::ZERO)
                .expect("an answer");
            assert!(view.is_ok(), "{} lacks {id}", node.name());
        }
    }
}

/// Every validator is killed once while readings come in, one after another, the managers among them.
#[test]
fn each_validator_may_be_killed_in_turn() {
    let _machine = machine();
    let mut network = Network::running();
    let device = network.registered_device(1);
    let edge = network.start_edge(&device, 12);

    for index in 0..4 {
        let other = (index + 1) % 4;
        let head = |network: &Network| network.nodes()[other].client().head().expect("a head");
        let before = head(&network);
        network.node(index).kill();
        eventually("the others go on", || head(&network) > before.plus(5));
        network.node(index).start();
        network.wait_ready();
    }
    let (status, summary) = edge.finish();

    assert!(status.success(), "{summary}");
    assert_eq!(summary["proven"], summary["submitted"]);
    let agreed = network.wait_agreement();
    network.assert_one_chain(1..=agreed.final_height);
}

/// All four are killed at once, as when the power fails: the chain goes on where it was.
#[test]
fn all_killed_at_once_go_on_where_they_were() {
    let _machine = machine();
    let mut network = Network::running();
    let device = network.registered_device(1);
    let edge = network.start_edge(&device, 6);
    let height = |network: &Network| network.nodes()[0].client().head().expect("a head").get();
    eventually("readings are being finalised", || height(&network) >= 10);

    let before = height(&network);
    for index in 0..4 {
        network.node(index).kill();
    }
    for index in 0..4 {
        network.node(index).start();
    }
    network.wait_ready();
    let (status, summary) = edge.finish();

    assert!(status.success(), "{summary}");
    assert_eq!(summary["proven"], summary["submitted"]);
    let agreed = network.wait_agreement();
    assert!(agreed.final_height > before);
    network.assert_one_chain(1..=agreed.final_height);
}

/// Two of four are killed: no new block is final and nothing forks. When they are back, the chain goes on.
#[test]
fn without_a_quorum_nothing_is_final_and_with_it_the_chain_goes_on() {
    let _machine = machine();
    let mut network = Network::running();
    let device = network.registered_device(1);
    let first = network.start_edge(&device, 1).finish();
    assert!(first.0.success(), "{}", first.1);
    let before = network.wait_agreement();

    network.node(2).kill();
    network.node(3).kill();
    // Registration of another device: handed in to a node that is there, it waits.
    let card = network.new_device(&network.path("device-2"), 2);
    let home = network.nodes()[0].home().display().to_string();
    let submitted = salus_tests::processes::salus_ok(&[
        "tx",
        "register-device",
        "--home",
        &home,
        "--device-id",
        card["device_id"].as_str().expect("an id"),
        "--device-key",
        card["public_key"].as_str().expect("a key"),
        "--api",
        network.nodes()[0].client().base(),
    ]);
    let id = submitted
        .split_whitespace()
        .next()
        .and_then(|id| id.parse().ok())
        .expect("an id");
    let waited = network.nodes()[0]
        .client()
        .transaction(&id, Duration::from_secs(5))
        .expect("an answer");

    assert_eq!(waited.status, "pending");
    for node in &network.nodes()[..2] {
        let height = node.client().head().expect("a head").get();
        // What was under way at the kill may have become final, nothing else.
        assert!(height <= before.final_height + 1, "height {height}");
    }

    network.node(2).start();
    network.node(3).start();
    eventually("the waiting transaction is final everywhere", || {
        network.nodes().iter().all(|node| {
            node.client()
                .transaction(&id, Duration::ZERO)
                .is_ok_and(|view| view.is_ok())
        })
    });
    let after = network.wait_agreement();
    assert!(after.final_height > before.final_height);
    network.assert_one_chain(1..=after.final_height);
    assert!(
        network.nodes()[0]
            .client()
            .header(Height::new(after.final_height))
            .is_ok()
    );
}
