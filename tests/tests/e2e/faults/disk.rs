//! Disks that fill up.

use super::{check_after, finds};
use salus_node::client::ClientError;
use salus_node::diagnosis::{Finding, Verdict};
use salus_primitives::ids::Height;
use salus_tests::processes::{Load, Network, Node, SmallDisk, eventually, machine};

/// Two of four have small disks. One full disk stops one node's votes, two stop the chain; both go on by themselves when there is
/// room. A store that fails in the middle, because no reserve was kept, is found whole after a restart.
#[test]
fn a_full_disk_stops_the_votes_and_room_brings_them_back() {
    let _machine = machine();
    let mut network = Network::four();
    let mut disks = Vec::new();
    for index in [1, 2] {
        let node = &network.nodes()[index];
        match SmallDisk::under(&node.home().join("data"), DISK_MB) {
            Ok(disk) => disks.push(disk),
            Err(reason) => {
                println!("SKIPPED: no disk can be made here: {reason}");
                return;
            }
        }
        node.configure(|text| text.replace("#disk_reserve_mb = 64", "disk_reserve_mb = 16"));
    }
    for index in 0..4 {
        network.node(index).start();
    }
    network.wait_ready();
    let load = Load::start(&network);
    load.wait_for(10);
    let pids = [network.nodes()[1].pid(), network.nodes()[2].pid()];
    let names = [1, 2].map(|index| network.nodes()[index].name().to_owned());

    disks[0].fill(LEFT);
    finds(&network.nodes()[0], "the full disk", |it| {
        is_full(it, &names[0])
    });
    finds(&network.nodes()[1], "its own full disk", |it| {
        is_full(it, &names[0])
    });
    assert_eq!(not_ready(&network.nodes()[1]), "disk_full");
    let read = network.nodes()[1].client().header(Height::new(1));
    assert!(read.is_ok(), "{read:?}");
    load.wait_for(10);
    let explanation = network.nodes()[0].explain();
    assert_eq!(explanation.verdict, Verdict::Progressing, "{explanation:?}");

    disks[1].fill(LEFT);
    eventually("the chain is stuck", || {
        network.nodes()[0].explain().verdict == Verdict::Stuck
    });
    for asked in [0, 1, 3] {
        let explanation = network.nodes()[asked].explain();
        assert_eq!(explanation.verdict, Verdict::Stuck, "{explanation:?}");
        let findings = || explanation.findings.iter().map(|told| &told.finding);
        for name in &names {
            assert!(findings().any(|it| is_full(it, name)), "{explanation:?}");
        }
        assert!(
            findings().any(
                |it| matches!(it, Finding::TooFewVoters { missing, .. } if *missing == sorted(&names))
                    || matches!(it, Finding::TooFewVoters { missing, .. } if sorted(missing) == sorted(&names))
            ),
            "{explanation:?}"
        );
    }

    disks.iter().for_each(SmallDisk::empty);
    check_after(&network, load);
    assert_eq!(
        [network.nodes()[1].pid(), network.nodes()[2].pid()],
        pids,
        "they went on without a restart"
    );
    for index in [1, 2] {
        assert!(network.node(index).is_running());
    }

    without_a_reserve(&mut network, &disks[0]);
}

/// The disk is full to the last byte, and no reserve was kept: whichever write fails, nothing is lost.
fn without_a_reserve(network: &mut Network, disk: &SmallDisk) {
    assert!(network.node(1).stop().success());
    network.nodes()[1]
        .configure(|text| text.replace("disk_reserve_mb = 16", "disk_reserve_mb = 0"));
    network.node(1).start();
    network.wait_ready();
    let load = Load::start(network);
    load.wait_for(10);

    disk.fill(0);
    eventually("a write has failed", || {
        disk.fill(0);
        !network.node(1).is_running() || not_ready(&network.nodes()[1]) == "disk_full"
    });
    disk.empty();

    if network.node(1).is_running() {
        // a node whose store is whole goes on; one whose store failed after all ends, and is started again
        eventually("it goes on or ends", || {
            !network.node(1).is_running() || network.nodes()[1].client().is_ready()
        });
    }
    if !network.node(1).is_running() {
        let log = network.nodes()[1].log();
        assert!(log.contains("the disk is full"), "{log}");
        network.node(1).start();
    }
    check_after(network, load);
}

fn is_full(finding: &Finding, name: &str) -> bool {
    matches!(finding, Finding::DiskFull { who, .. } if who == name)
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names
}

/// Why a node is not ready; empty if it is, or does not answer.
fn not_ready(node: &Node) -> String {
    match node.client().ready() {
        Err(ClientError::Refused { code, .. }) => code,
        Ok(()) | Err(_) => String::new(),
    }
}

/// RocksDB lays out its log ahead: 64 MiB of it are taken at once.
const DISK_MB: u32 = 256;
/// What is left to a full disk, in bytes: below the reserve, and room for what is under way.
const LEFT: u64 = 8 << 20;
