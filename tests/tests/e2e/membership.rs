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

/// A network in which nobody is set inactive: members are stopped here for whole epochs, and four are needed for a legal set.
fn lenient() -> Network {
    let network = Network::four_with_epochs(EPOCH).started();
    pass(&network, &[0, 1, 2], &["set-participation", "0"]);
    network
}

/// The key with which a member has its seat in the present epoch: the only one whose votes count.
fn seat_key(network: &Network, member: &str) -> String {
    let api = network.nodes()[0].client();
    let answer = salus_ok(&["validators", "--api", api.base(), "--json"]);
    let set: serde_json::Value = serde_json::from_str(&answer).expect("one object");
    let seats = set["validators"].as_array().expect("seats");
    let seat = seats.iter().find(|seat| seat["name"] == member);
    let key = seat.expect("a seat")["key"].as_str();
    key.expect("a key").to_owned()
}

/// A fifth member is admitted and votes; a validator's keys rotate without a restart of its process; the fifth member retires.
#[test]
fn members_come_rotate_their_keys_and_go_while_transactions_are_final() {
    let _machine = machine();
    let mut network = lenient();
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
    let old_key = seat_key(&network, "pharmacy");
    let new_keys = salus_ok(&["keys", "rotate", "--home", &home, "--network"]);
    // a node that runs would not learn of it, and would stay with a key that is gone
    let adopted = salus(&["keys", "adopt", "--home", &home]);
    assert_eq!(adopted.status.code(), Some(2), "{adopted:?}");
    pass(
        &network,
        &[pharmacy, hospital, ministry, clinic],
        &["rotate-keys"],
    );
    let next = network.nodes()[pharmacy].home().join("keys.next");
    eventually("the pharmacy goes on with its new keys", || !next.exists());
    wait_standing(&network.nodes()[pharmacy], "votes");
    network.wait_ready();
    let key = seat_key(&network, "pharmacy");
    assert_ne!(key, old_key);
    assert!(new_keys.contains(&key), "{new_keys} against {key}");
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

    // the journal of the first key says nothing of what the present one has voted
    network.node(pharmacy).kill();
    let journals = network.nodes()[pharmacy].home().join("data");
    for entry in std::fs::read_dir(journals).expect("the data") {
        let path = entry.expect("a file").path();
        if text(path.clone()).contains("/journal-") {
            std::fs::remove_file(path).expect("lost");
        }
    }
    network.node(pharmacy).start();
    wait_standing(&network.nodes()[pharmacy], "no_journal");
}

/// A node whose data are gone may have voted and forgotten it: it follows, and votes again once governance has rotated its key.
#[test]
fn a_wiped_node_observes_until_governance_rotates_its_key() {
    let _machine = machine();
    let mut network = lenient();
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

/// What a member decides about its weight is what it reads back, and a refusal comes with the contract's name for it.
#[test]
fn a_member_decides_about_its_weight_and_reads_it_back() {
    let _machine = machine();
    let network = Network::running();
    let institute = &network.nodes()[3];
    let api = institute.client();
    let members = || salus_ok(&["members", "--api", api.base()]);
    let line = |name: &str| {
        let text = members();
        let line = text.lines().find(|line| line.starts_with(name));
        line.expect("its line").to_owned()
    };
    assert!(line("institute").contains("institute=1"));

    institute.tx(&["delegate", "--to", "pharmacy"]);
    assert!(line("institute").contains("pharmacy=1"));
    institute.tx(&["delegate", "--part", "ministry=1"]);
    assert!(line("institute").contains("ministry=1"));
    institute.tx(&["withdraw"]);
    institute.tx(&["step-down"]);
    assert!(line("institute").ends_with("does not stand"));
    institute.tx(&["stand"]);
    assert!(line("institute").ends_with("stands"));

    let home = text(institute.home().to_owned());
    let refused = salus(&[
        "tx",
        "return",
        "--home",
        &home,
        "--api",
        api.base(),
        "--wait",
    ]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(said.contains("failed: not_inactive"), "{said}");

    let proposals = || salus_ok(&["proposals", "--api", api.base()]);
    assert_eq!(proposals(), "no proposal is open\n");
    let id = institute.tx(&["propose", "set-participation", "40"]);
    assert!(proposals().contains(&id));
    assert!(proposals().contains("set_participation, percent 40"));
    network.nodes()[0].tx(&["sign", &id]);
    network.nodes()[1].tx(&["sign", &id]);
    eventually("the proposal has passed on every node", || {
        proposals() == "no proposal is open\n"
    });
}

/// Governance changes a lane, a member names its price, and validators find out how fast the others are: all of it shows in the lanes of
/// later epochs, on real clocks and links.
#[test]
fn a_changed_lane_a_price_and_what_was_measured_are_read_back() {
    let _machine = machine();
    let network = Network::four_with_epochs(EPOCH).started();
    let traffic = Traffic::start(&network);
    let institute = &network.nodes()[3];
    let api = institute.client();
    let lanes = || -> serde_json::Value {
        let answer = salus_ok(&["lanes", "--api", api.base(), "--json"]);
        serde_json::from_str(&answer).expect("one object")
    };
    let shown = salus_ok(&["lanes", "--api", api.base()]);
    assert!(shown.contains("emergency   exact     4"), "{shown}");

    institute.tx(&["price", "7"]);
    pass(
        &network,
        &[0, 1, 2],
        &[
            "set-lane",
            "bulk",
            "--policy",
            "fixed",
            "--min-verifiers",
            "3",
            "--max-verifiers",
            "3",
        ],
    );
    let proposed = &lanes()["policy"]["lanes"][3];
    assert_eq!(proposed["max_verifiers"], 3);
    assert_eq!(
        proposed["max_transactions"],
        lanes()["lanes"][3]["parameters"]["max_transactions"]
    );
    eventually("an epoch of the changed lane has begun", || {
        lanes()["lanes"][3]["verifiers"] == serde_json::json!({"rotating": 3})
    });
    let members = || -> serde_json::Value {
        let answer = salus_ok(&["members", "--api", api.base(), "--json"]);
        serde_json::from_str(&answer).expect("one object")
    };
    eventually("somebody's answers were measured by a quorum", || {
        let members = members();
        let mut members = members["members"].as_array().expect("members").iter();
        members.any(|member| member["measured"]["response_us"].is_u64())
    });

    let members = members();
    let mut members = members["members"].as_array().expect("members").iter();
    let own = members.find(|member| member["name"] == "institute");
    assert_eq!(own.expect("a member")["price"], 7);
    let ids = traffic.finish();
    assert_all_final(network.nodes(), &ids);
}
