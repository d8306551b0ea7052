//! Faults of real processes, disks and networks, under load. After each: one chain, the same roots, nothing that a node reported
//! final is lost; and during each, `salus explain` names the cause.

mod disk;
mod network;
mod processes;

use salus_node::diagnosis::Finding;
use salus_tests::processes::{Load, Network, Node, assert_all_final, eventually};

/// Whether a finding says that a member's node cannot be talked to, and which.
fn is_away(finding: &Finding, name: &str) -> bool {
    match finding {
        Finding::Unreachable { who, .. } | Finding::Silent { who, .. } => who == name,
        _ => false,
    }
}

/// Waits until a node finds something.
fn finds(node: &Node, what: &str, is_it: impl Fn(&Finding) -> bool) {
    eventually(&format!("{} finds {what}", node.name()), || {
        node.client()
            .explain()
            .is_ok_and(|explanation| explanation.findings.iter().any(|told| is_it(&told.finding)))
    });
}

/// Ends the load, and checks what must hold after any fault.
fn check_after(network: &Network, load: Load) {
    network.wait_ready();
    load.wait_for(10);
    let acknowledged = load.finish();
    let agreed = network.wait_agreement();
    let from = agreed.final_height.saturating_sub(200).max(1);
    network.assert_one_chain(from..=agreed.final_height);
    assert_all_final(network.nodes(), &acknowledged);
    for node in network.nodes() {
        eventually(&format!("{} finds nothing any more", node.name()), || {
            node.explain().findings.is_empty()
        });
    }
}
