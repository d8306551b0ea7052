//! Processes that are killed, stopped and restarted.

use super::{check_after, finds, is_away};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use salus_node::diagnosis::{Finding, Verdict, VoteKind};
use salus_tests::processes::{Load, Network, eventually, machine, salus};
use std::time::{Duration, Instant};

/// One network, one fault after another: killed at random every second, its manager stopped, a quorum stopped, restarted in turn.
#[test]
fn kills_stops_and_restarts_lose_nothing_and_are_explained() {
    let _machine = machine();
    let mut network = Network::running();

    random_kills(&mut network);
    a_stopped_manager(&mut network);
    a_stopped_quorum(&mut network);
    a_rolling_restart(&mut network);
}

/// Every second one node is killed with SIGKILL and started again, for `SALUS_SOAK_SECONDS`. Which ones follows from
/// `SALUS_SOAK_SEED`.
fn random_kills(network: &mut Network) {
    let seconds = from_environment("SALUS_SOAK_SECONDS", 8);
    let seed = from_environment("SALUS_SOAK_SEED", 7);
    println!("kills for {seconds} s, SALUS_SOAK_SEED={seed}");
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let load = Load::start(network);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        let next = Instant::now() + Duration::from_secs(1);
        let killed = random.next_u32() as usize % 4;
        let witness = &network.nodes()[(killed + 1) % 4];
        eventually("somebody is there to see it", || {
            witness.client().is_ready()
        });

        network.node(killed).kill();

        let name = network.nodes()[killed].name().to_owned();
        let witness = &network.nodes()[(killed + 1) % 4];
        finds(witness, &format!("{name} killed"), |it| is_away(it, &name));
        network.node(killed).start();
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    check_after(network, load);
}

/// The manager of the present view is stopped, with all its connections up: the others pass over it. It goes on and catches up.
fn a_stopped_manager(network: &mut Network) {
    let load = Load::start(network);
    load.wait_for(5);
    let manager = network.nodes()[0].client().status().expect("a status");
    let manager = manager.manager.expect("a manager");
    let stopped = network
        .nodes()
        .iter()
        .position(|node| node.name() == manager)
        .expect("a validator");
    let witness = (stopped + 1) % 4;
    let height = |network: &Network| network.nodes()[witness].client().head().expect("a head");

    network.node(stopped).pause();
    let before = height(network);
    finds(&network.nodes()[witness], "a stopped manager", |it| {
        is_away(it, &manager)
    });
    eventually("the others go on", || height(network) > before.plus(20));
    let explanation = network.nodes()[witness].explain();
    assert_eq!(explanation.verdict, Verdict::Progressing, "{explanation:?}");

    network.node(stopped).resume();
    check_after(network, load);
}

/// Two of four are stopped: nothing is final, and the command line says who is missing, by how much, and with which exit code.
fn a_stopped_quorum(network: &mut Network) {
    let load = Load::start(network);
    load.wait_for(5);
    network.node(2).pause();
    network.node(3).pause();
    let missing = [network.nodes()[2].name(), network.nodes()[3].name()];
    let api = network.nodes()[0].client().base().to_owned();

    eventually("the chain is stuck", || {
        network.nodes()[0].explain().verdict == Verdict::Stuck
    });
    let told = salus(&["explain", "--node", &api, "--json"]);
    let words = salus(&["explain", "--node", &api]);

    assert_eq!(told.status.code(), Some(1));
    assert_eq!(words.status.code(), Some(1));
    let words = String::from_utf8(words.stdout).expect("text");
    assert!(missing.iter().all(|name| words.contains(name)), "{words}");
    let explanation: salus_node::diagnosis::Explanation =
        serde_json::from_slice(&told.stdout).expect("one JSON object");
    let findings = || explanation.findings.iter().map(|told| &told.finding);
    for name in missing {
        assert!(findings().any(|it| is_away(it, name)), "{explanation:?}");
    }
    let short = findings().find_map(|it| match it {
        Finding::TooFewVoters {
            weight,
            quorum,
            short_by,
            missing,
        } => Some((*weight, *quorum, *short_by, missing.clone())),
        _ => None,
    });
    let (weight, quorum, short_by, mut named) = short.expect("too few voters");
    named.sort();
    let mut expected = missing.map(str::to_owned);
    expected.sort();
    assert_eq!(named, expected);
    assert_eq!(weight + short_by, quorum);
    let nullify = findings().find_map(|it| match it {
        Finding::QuorumMissing {
            vote: VoteKind::Nullify,
            missing,
            ..
        } => Some(missing.clone()),
        _ => None,
    });
    let nullify = nullify.expect("the view cannot be given up");
    assert!(expected.iter().all(|name| nullify.contains(name)));
    assert!(findings().any(|it| matches!(it, Finding::Turns { .. })));

    network.node(2).resume();
    network.node(3).resume();
    check_after(network, load);
}

/// Each node is stopped in order and started again, while the others work. One that is not there is said to be so.
fn a_rolling_restart(network: &mut Network) {
    let load = Load::start(network);
    for index in 0..4 {
        let status = network.node(index).stop();
        assert!(status.success(), "{}", network.nodes()[index].log());
        let (node, witness) = (&network.nodes()[index], &network.nodes()[(index + 1) % 4]);
        let name = node.name().to_owned();
        finds(witness, "a node restarted", |it| is_away(it, &name));
        let gone = salus(&[
            "explain",
            "--json",
            "--home",
            &node.home().display().to_string(),
        ]);
        assert_eq!(gone.status.code(), Some(2));
        let alone: serde_json::Value = serde_json::from_slice(&gone.stdout).expect("JSON");
        let kinds: Vec<&str> = alone["findings"]
            .as_array()
            .expect("findings")
            .iter()
            .filter_map(|finding| finding["kind"].as_str())
            .collect();
        assert_eq!(kinds, ["not_listening", "not_running"]);
        network.node(index).start();
        network.wait_ready();
        load.wait_for(4);
    }
    check_after(network, load);
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is to be a number, not {value:?}"))
    })
}
