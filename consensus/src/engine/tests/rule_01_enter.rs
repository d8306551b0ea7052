//! Rule 1: which view a node is in, and when its timers run.

use crate::engine::tests_support::{
    Bench, TIMING, causes, finalizes, notarizes, nullifies, statuses, votes,
};
use crate::input::Input;
use salus_primitives::certificate::Statement;
use salus_primitives::ids::BlockId;

const BLOCK: BlockId = BlockId([7; 32]);

/// Certificates in the order they arrive, and the view after each. The tenure is 4.
#[test]
fn certificates_lead_forward_to_the_latest_view() {
    let cases: [(&str, Vec<(Statement, u64)>); 7] = [
        ("a notarisation", vec![(notarizes(1, BLOCK), 2)]),
        ("a nullification ends the term", vec![(nullifies(2), 5)]),
        ("a finalisation", vec![(finalizes(3, BLOCK), 4)]),
        ("any distance", vec![(notarizes(900, BLOCK), 901)]),
        (
            "never back",
            vec![
                (nullifies(5), 9),
                (notarizes(1, BLOCK), 9),
                (nullifies(1), 9),
            ],
        ),
        (
            "the later of two",
            vec![(notarizes(2, BLOCK), 3), (nullifies(2), 5)],
        ),
        (
            "at the end of a term both lead to one view",
            vec![(notarizes(4, BLOCK), 5), (nullifies(4), 5)],
        ),
    ];
    for (name, steps) in cases {
        let mut bench = Bench::verifier();
        for (statement, view) in steps {
            bench.receive_certificate(statement);
            assert_eq!(bench.engine.view().get(), view, "{name}: {statement:?}");
        }
    }
}

/// Trap: certificates splitting the honest nodes between views. A node that nullified a view follows its notarisation.
#[test]
fn trap_who_nullified_a_view_still_follows_its_notarisation() {
    let mut bench = Bench::verifier();
    bench.input(Input::Pending(true));
    assert!(votes(&bench.run(250)).contains(&nullifies(1)));

    bench.receive_certificate(notarizes(1, BLOCK));
    assert_eq!(bench.engine.view().get(), 2);

    // and gives that one up too if nothing comes, with the certificate it was entered by
    let effects = bench.run(350);
    assert!(votes(&effects).contains(&nullifies(2)));
    let (_, entry) = statuses(&effects).pop().expect("said again");
    let entry = entry.map(|entry| entry.statement);
    assert_eq!(entry, Some(notarizes(1, BLOCK)));
}

/// What makes the timers run, and what does not.
#[test]
fn timers_run_only_while_there_is_something_to_do() {
    type Arrange = fn(&mut Bench);
    let cases: [(&str, bool, Arrange); 6] = [
        ("nothing", false, |_| {}),
        ("a pending transaction", true, |bench| {
            bench.input(Input::Pending(true));
        }),
        ("a transaction that went away", false, |bench| {
            bench.input(Input::Pending(true));
            bench.input(Input::Pending(false));
        }),
        ("an unfinalised block", true, |bench| {
            let genesis = bench.config.base.header.clone();
            bench.notarized(1, &genesis);
        }),
        ("a final empty block", false, |bench| {
            let genesis = bench.config.base.header.clone();
            let (block, _) = bench.notarized(1, &genesis);
            bench.receive_certificate(finalizes(1, block.id()));
        }),
        ("receipts that no header commits to", true, |bench| {
            let block = bench.block(1, &bench.config.base.header.clone(), 1);
            bench.receive(bench.proposal(1, &block, Vec::new()));
            bench.receive_certificate(finalizes(1, block.id()));
        }),
    ];
    for (name, busy, arrange) in cases {
        let mut bench = Bench::verifier();
        arrange(&mut bench);

        let effects = bench.run(5_000);

        assert_eq!(!causes(&effects).is_empty(), busy, "{name}");
        assert_eq!(!effects.is_empty(), busy, "{name}: silence");
    }
}

/// The heartbeat is something to do, on every node.
#[test]
fn a_due_heartbeat_starts_the_timers() {
    let mut bench = Bench::verifier();

    assert!(bench.run(TIMING.heartbeat_ms - 1).is_empty());
    assert!(!causes(&bench.run(500)).is_empty());
}
