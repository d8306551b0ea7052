//! Who takes part changes by governance, while transactions go on being final.

use salus_tests::processes::{
    Network, Node, Traffic, assert_all_final, eventually, machine, salus, salus_ok,
};

/// Blocks in an epoch: some seconds, with [`Traffic`].
const EPOCH: u64 = 20;

fn text(path: std::path::PathBuf) -> String {
    path.display().to_string()
}

/// The first of these members proposes, the others sign, the last with the signature that makes it pass.
fn pass(network: &Network, members: &[usize], proposal: &[&str]) {
    let arguments: Vec<&str> = ["propose"].iter().chain(proposal).copied().collect();
    let (first, others) = members.split_first().expect("a proposer");
    let id = network.nodes()[*first].tx(&arguments);
    for member in others {
        network.nodes()[*member].tx(&["sign", &id]);
    }
}

fn wait_standing(node: &Node, standing: &str) {
    eventually(&format!("{} is said to be {standing}", node.name()), || {
        node.standing() == standing
    });
}

/// Waits until so many more blocks are final on the hospital's node.
fn wait_blocks(network: &Network, count: u64) {
    let head = || network.nodes()[0].client().head().expect("a head");
    let before = head();
    eventually(&format!("{count} more blocks are final"), || {
        head() >= before.plus(count)
    });
}

/// Stops the node of one member, so that nothing is final without every other, and expects that things become final.
fn assert_finality_without(network: &mut Network, index: usize) {
    network.node(index).kill();
    wait_blocks(network, EPOCH);
    network.node(index).start();
    network.wait_ready();
}

/// A fifth member is admitted and votes; a validator's keys rotate without a restart of its process; the fifth member retires.
#[test]
fn members_come_rotate_their_keys_and_go_while_transactions_are_final() {
    let _machine = machine();
    let mut network = Network::four_with_epochs(EPOCH).started();
    let traffic = Traffic::start(&network);

    // its node runs before anybody knows it: it is refused, and says so
    network.add_newcomer("clinic", "hospital").start();
    wait_standing(&network.nodes()[4], "not_admitted");
    let entry = text(network.path("clinic.toml"));
    let keys: toml::Table = std::fs::read_to_string(&entry)
        .expect("an entry")
        .parse()
        .expect("toml");
    let key = |name: &str| keys["members"][0][name].as_str().expect("a key").to_owned();
    let [hospital, pharmacy, ministry, institute, clinic] = [0, 1, 2, 3, 4];
    network.nodes()[ministry].tx(&[
        "register-entity",
        "--name",
        "clinic",
        "--role",
        "hospital",
        "--operator-key",
        &key("operator_key"),
        "--exchange-key",
        &key("exchange_key"),
    ]);
    pass(
        &network,
        &[hospital, pharmacy, ministry],
        &["admit", "--entry", &entry],
    );
    wait_standing(&network.nodes()[clinic], "votes");
    network.wait_ready();
    // 4 of 5 decide: without the institute, the clinic's vote is needed
    assert_finality_without(&mut network, institute);

    let home = text(network.nodes()[pharmacy].home().to_owned());
    let process = network.nodes()[pharmacy].pid();
    salus_ok(&["keys", "rotate", "--home", &home, "--network"]);
    pass(
        &network,
        &[pharmacy, hospital, ministry, clinic],
        &["rotate-keys"],
    );
    let next = network.nodes()[pharmacy].home().join("keys.next");
    eventually("the pharmacy goes on with its new keys", || !next.exists());
    wait_standing(&network.nodes()[pharmacy], "votes");
    network.wait_ready();
    assert_eq!(network.nodes()[pharmacy].pid(), process);
    assert!(network.node(pharmacy).is_running());
    assert_finality_without(&mut network, institute);

    pass(
        &network,
        &[hospital, pharmacy, ministry, institute],
        &["retire", "clinic"],
    );
    wait_standing(&network.nodes()[clinic], "retired");
    let retired = network.take_last();
    assert!(retired.log().contains("governance has retired this member"));
    eventually("nobody lets the clinic in", || {
        network.nodes().iter().all(|node| {
            let status = node.client().status_json().unwrap_or_default();
            let peers = status["peers"].as_array().cloned().unwrap_or_default();
            peers.len() == 3 && node.metric("salus_peers") <= 3.0
        })
    });
    wait_blocks(&network, EPOCH);

    let ids = traffic.finish();
    assert!(ids.len() > 20, "only {} transactions", ids.len());
    assert_all_final(network.nodes(), &ids);
    let agreed = network.wait_agreement();
    network.assert_one_chain((1..=agreed.final_height).step_by(7));
}

/// A node whose data are gone may have voted and forgotten it: it follows, and votes again once governance has rotated its key.
#[test]
fn a_wiped_node_observes_until_governance_rotates_its_key() {
    let _machine = machine();
    let mut network = Network::four_with_epochs(EPOCH).started();
    let traffic = Traffic::start(&network);
    wait_blocks(&network, 2 * EPOCH);

    network.node(3).kill();
    let home = text(network.nodes()[3].home().to_owned());
    std::fs::remove_dir_all(network.nodes()[3].home().join("data")).expect("wiped");
    network.node(3).start();
    network.wait_ready();
    wait_standing(&network.nodes()[3], "no_journal");
    let genesis = text(network.path("genesis.toml"));
    let again = salus(&["init", "--home", &home, "--genesis", &genesis]);
    assert_eq!(again.status.code(), Some(2));

    salus_ok(&["keys", "rotate", "--home", &home]);
    let twice = salus(&["keys", "rotate", "--home", &home]);
    assert_eq!(twice.status.code(), Some(2), "one rotation at a time");
    pass(&network, &[3, 0, 1], &["rotate-keys"]);
    wait_standing(&network.nodes()[3], "votes");
    network.wait_ready();
    // 3 of 4 decide: without the pharmacy, its vote is needed
    assert_finality_without(&mut network, 1);

    let ids = traffic.finish();
    assert_all_final(network.nodes(), &ids);
    let agreed = network.wait_agreement();
    network.assert_one_chain((1..=agreed.final_height).step_by(7));
}
