//! What operators do and see.

use salus_network::{
    AdmittedPeer, Network as Libp2p, NetworkConfig, NetworkId, NetworkSecret, PeerKey,
};
use salus_primitives::crypto::sign::SecretKey;
use salus_tests::processes::{Network, eventually, machine, salus};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// SIGTERM stops a node in time and in order; started again, it goes on where it was.
#[test]
fn sigterm_stops_a_node_and_it_goes_on_later() {
    let _machine = machine();
    let mut network = Network::running();
    network.registered_device(1);
    let before = network.wait_agreement();

    for index in 0..4 {
        let status = network.node(index).stop();
        assert!(
            status.success(),
            "{status}: {}",
            network.nodes()[index].log()
        );
    }
    for index in 0..4 {
        network.node(index).start();
    }
    network.wait_ready();
    network.registered_device(2);

    let after = network.wait_agreement();
    assert!(after.final_height > before.final_height);
    network.assert_one_chain(1..=after.final_height);
}

/// A node that lost its journal may have voted: it only observes, and `init` does not give it another.
#[test]
fn a_validator_without_its_journal_only_observes() {
    let _machine = machine();
    let mut network = Network::running();
    network.node(3).stop();
    std::fs::remove_file(network.nodes()[3].home().join("data/journal")).expect("removed");
    let home = network.nodes()[3].home().display().to_string();
    let genesis = network.path("genesis.toml").display().to_string();

    let again = salus(&["init", "--home", &home, "--genesis", &genesis]);
    network.node(3).start();

    assert_eq!(again.status.code(), Some(2));
    eventually("the node says that it observes", || {
        network.nodes()[3]
            .client()
            .status_json()
            .is_ok_and(|status| status["role"] == "observer")
    });
    network.registered_device(1);
    network.wait_agreement();
}

/// Somebody with a valid key that is not in genesis gets no connection, and is counted.
#[test]
fn a_stranger_cannot_connect() {
    let _machine = machine();
    let network = Network::running();
    let node = &network.nodes()[0];
    let genesis = std::fs::read_to_string(node.home().join("genesis.toml")).expect("a file");
    let genesis: salus_genesis::spec::GenesisSpec = genesis.parse().expect("a genesis");
    let member = genesis
        .members
        .iter()
        .find(|member| member.name == node.name())
        .expect("a member");
    let target = PeerKey::new(member.network_key.0);
    // The lower key dials.
    let secret = (0..=u8::MAX)
        .map(|seed| SecretKey::from_seed([seed; 32]))
        .find(|secret| secret.public() < member.network_key)
        .expect("one of 256 keys is lower");
    let refused = || node.metric("salus_network_connections_refused_total{reason=\"stranger\"}");
    let before = refused();

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let connected = runtime.block_on(async {
        let config = NetworkConfig::new(
            NetworkId::new(network.genesis().0),
            vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")],
        );
        let peer = AdmittedPeer {
            key: target,
            addresses: vec![node.listen().parse().expect("an address")],
        };
        let (stranger, _inbound) =
            Libp2p::start(config, &NetworkSecret::new(*secret.seed()), vec![peer])
                .await
                .expect("started");
        let started = std::time::Instant::now();
        let mut connected = false;
        while refused() < before + 2.0 && started.elapsed().as_secs() < 60 {
            connected |= !stranger.peers().is_empty();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stranger.shutdown().await;
        connected
    });

    assert!(!connected, "the stranger's channels opened");
    assert!(refused() >= before + 2.0, "the refusals are not counted");
    eventually("the three members are connected, and nobody else", || {
        node.metric("salus_peers") == 3.0
    });
}

/// promtool finds nothing to say about the metrics.
#[test]
fn promtool_is_content_with_the_metrics() {
    if Command::new("promtool").arg("--version").output().is_err() {
        println!("SKIPPED: promtool is not installed; `make setup` does that");
        return;
    }
    let _machine = machine();
    let network = Network::running();
    network.registered_device(1);
    let text = network.nodes()[0].client().metrics().expect("metrics");

    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    promtool
        .stdin
        .take()
        .expect("a pipe")
        .write_all(text.as_bytes())
        .expect("written");
    let output = promtool.wait_with_output().expect("ended");

    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");
    assert_eq!(said.trim(), "");
}
