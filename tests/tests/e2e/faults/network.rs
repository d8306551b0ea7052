//! Networks that come apart and together again.

use super::{check_after, finds, is_away};
use salus_node::diagnosis::{Finding, Verdict};
use salus_tests::processes::{Load, Namespaces, Network, Switch, eventually, machine};

/// Each node in a network namespace of its own: one is cut off, then two and two cannot reach each other, then everything is slow.
#[test]
fn a_partition_is_explained_on_both_sides_and_heals() {
    let _machine = machine();
    // a thread of its own, because it does not come back from the namespace
    let done = std::thread::spawn(|| {
        let spaces = match Namespaces::enter(4) {
            Ok(spaces) => spaces,
            Err(reason) => {
                println!("SKIPPED: no network namespaces can be made here: {reason}");
                return;
            }
        };
        let mut network = Network::four();
        spaces.start(&mut network);

        let load = Load::start(&network);
        load.wait_for(5);
        one_is_cut_off(&network, &spaces, &load);
        two_and_two(&network, &spaces);
        for node in [2, 3] {
            spaces.plug(node, Switch::First);
        }
        check_after(&network, load);
        slow_links(&network, &spaces);
    });
    if let Err(panic) = done.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The three others go on; seen from the one, all others are away.
fn one_is_cut_off(network: &Network, spaces: &Namespaces, load: &Load) {
    let names: Vec<&str> = network.nodes().iter().map(|node| node.name()).collect();

    spaces.plug(3, Switch::Second);
    finds(&network.nodes()[0], "who is cut off", |it| {
        is_away(it, names[3])
    });
    load.wait_for(10);
    let explanation = network.nodes()[0].explain();
    assert_eq!(explanation.verdict, Verdict::Progressing, "{explanation:?}");
    spaces.at_node(3, || {
        for name in &names[..3] {
            finds(&network.nodes()[3], name, |it| is_away(it, name));
        }
    });
}

/// Another one goes over to the one that is cut off. Neither side has a quorum, and each names the other.
fn two_and_two(network: &Network, spaces: &Namespaces) {
    let names: Vec<&str> = network.nodes().iter().map(|node| node.name()).collect();
    let check = |asked: usize, away: [usize; 2]| {
        let node = &network.nodes()[asked];
        eventually("the chain is stuck", || {
            node.explain().verdict == Verdict::Stuck
        });
        for other in away {
            finds(node, names[other], |it| is_away(it, names[other]));
        }
        finds(
            node,
            "too few voters",
            |it| matches!(it, Finding::TooFewVoters { missing, .. } if missing.len() == 2),
        );
    };

    spaces.plug(2, Switch::Second);
    check(0, [2, 3]);
    spaces.at_node(3, || check(3, [0, 1]));
}

/// A fifth of a second each way: slow is not broken.
fn slow_links(network: &Network, spaces: &Namespaces) {
    for node in 0..network.nodes().len() {
        if let Err(reason) = spaces.delay(node, 100) {
            println!("SKIPPED slow links: this kernel delays nothing: {reason}");
            return;
        }
    }
    let load = Load::start(network);
    load.wait_for(10);
    let explanation = network.nodes()[0].explain();
    assert_eq!(explanation.verdict, Verdict::Progressing, "{explanation:?}");
    check_after(network, load);
}
