//! Whole runs drawn from seeds: faults, Byzantine members, epochs and keys that change; and the program that runs them.

use salus_tests::sim::Counts;
use salus_tests::sim::byzantine::Behaviour;
use salus_tests::sim::run::{Report, run, run_scenario, run_twice};
use salus_tests::sim::scenario::{Options, Part, Scenario, ScenarioError};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

fn drawn(seed: u64) -> Options {
    Options {
        seed,
        validators: None,
        byzantine: None,
        views: None,
    }
}

/// Runs these seeds on all cores, and adds up what happened.
fn sweep(seeds: std::ops::Range<u64>, run: impl Fn(u64) -> Report + Sync) -> Counts {
    let next = AtomicU64::new(seeds.start);
    let sum = Mutex::new(Counts::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let report = run(seed);
                    assert!(report.violations.is_empty(), "{}", report.complaint());
                    let mut sum = sum.lock().expect("no panic while it is held");
                    for (what, count) in report.faults {
                        *sum.entry(what).or_default() += count;
                    }
                }
            });
        }
    });
    sum.into_inner().expect("no panic while it was held")
}

/// The seeds hold, and between them everything happens that a seed can draw.
#[test]
fn the_first_seeds_hold_and_reach_every_fault() {
    let counts = sweep(0..240, |seed| run(drawn(seed)).expect("within the model"));

    for what in [
        "frames_lost",
        "frames_repeated",
        "frames_cut",
        "partitions",
        "partitions_one_way",
        "crashes_at_an_effect",
        "crashes_losing_unsynced",
        "crashes_tearing_a_record",
        "crashes_keeping_all",
        "power_cuts",
        "write_errors_planned",
        "clock_jumps",
        "wiped",
        "members_an_hour_off",
        "views_of_lost_votes",
        "votes_lost_at_once",
        "key_rotations_proposed",
        "weights_proposed",
        "delegations",
        "transactions_about_to_expire",
        "transactions_sent_again",
        "twins_parted",
    ] {
        assert!(counts.contains_key(what), "no {what} in {counts:?}");
    }
    for behaviour in Behaviour::ALL {
        assert!(counts.contains_key(behaviour.name()), "{behaviour:?}");
    }
}

/// Each way to be faulty, alone, by as many members as may be, on a network without other faults.
#[test]
fn every_behaviour_alone_harms_nobody() {
    let did = [
        (Behaviour::Silent, "frames_withheld"),
        (Behaviour::Equivocating, "proposals_forked"),
        (Behaviour::DoubleVoting, "votes_doubled"),
        (Behaviour::Selective, "frames_delayed_on_purpose"),
        (Behaviour::InvalidProposals, "proposals_spoilt"),
        (Behaviour::Replaying, "frames_replayed"),
        (Behaviour::NullifySpam, "views_nullified_in_spam"),
        (Behaviour::Garbage, "garbage_sent"),
        (Behaviour::ForgedCertificates, "certificates_forged"),
        (Behaviour::FalseAnswers, "answers_falsified"),
        (Behaviour::BadTransactions, "bad_transactions_sent"),
        (Behaviour::OtherKeys, "votes_under_other_keys"),
        (Behaviour::FalseReports, "reports_falsified"),
        (Behaviour::Twin, "twins_parted"),
    ];
    let each = did.len() as u64;
    assert_eq!(did.map(|(behaviour, _)| behaviour), Behaviour::ALL);

    let counts = sweep(0..each * 3, |seed| {
        let asked = Options {
            byzantine: Some(1),
            validators: Some([4, 7][(seed / each) as usize % 2]),
            ..drawn(9_000 + seed)
        };
        let mut scenario = Scenario::draw(asked).expect("within the model");
        let (behaviour, _) = did[(seed % each) as usize];
        for part in &mut scenario.parts {
            if let Part::Byzantine(behaviours) = part {
                *behaviours = vec![behaviour];
            }
        }
        run_scenario(&scenario)
    });

    for (behaviour, what) in did {
        assert!(counts.contains_key(what), "{behaviour:?}: {counts:?}");
    }
}

#[test]
fn one_seed_is_one_run_and_another_seed_another() {
    let one = run_twice(drawn(3)).expect("within the model");
    let other = run(drawn(4)).expect("within the model");

    assert_eq!(one.violations, []);
    assert_ne!(one.trace, other.trace);
}

/// Of four equal members one may be faulty; of none but four to sixty-four is there a chain.
#[test]
fn what_the_protocol_promises_nothing_for_is_refused() {
    let asked = |validators, byzantine| {
        let asked = Options {
            validators: Some(validators),
            byzantine: Some(byzantine),
            ..drawn(1)
        };
        Scenario::draw(asked).map(|scenario| scenario.byzantine())
    };

    assert_eq!(asked(7, 2), Ok(2));
    assert_eq!(asked(4, 0), Ok(0));
    assert!(matches!(
        asked(4, 2),
        Err(ScenarioError::TooManyByzantine { count: 2, .. })
    ));
    assert_eq!(asked(3, 0), Err(ScenarioError::Validators { found: 3 }));
}

/// One object and nothing else on standard output, with what was asked for.
#[test]
fn the_program_prints_exactly_one_object() {
    let arguments = "--seed 7 --validators 7 --byzantine 2 --views 40 --json";

    let output = Command::new(env!("CARGO_BIN_EXE_salus-sim"))
        .args(arguments.split(' '))
        .output()
        .expect("it runs");

    let object: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    let fields: Vec<&String> = object.as_object().expect("an object").keys().collect();
    let mut expected = [
        "seed",
        "validators",
        "byzantine",
        "faults",
        "final_height",
        "transactions_final",
        "virtual_seconds",
        "trace",
        "violations",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    assert_eq!(
        (&object["seed"], &object["byzantine"]),
        (&7.into(), &2.into())
    );
    assert_eq!(object["violations"], serde_json::json!([]));
    assert!(output.status.success());
}

/// More liars than may be: an error that says what would do, and no run.
#[test]
fn the_program_refuses_too_many_byzantine_members() {
    let output = Command::new(env!("CARGO_BIN_EXE_salus-sim"))
        .args(["--validators", "4", "--byzantine", "2"])
        .output()
        .expect("it runs");

    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("choose fewer, or more validators"),
        "{error}"
    );
    assert!(!output.status.success() && output.stdout.is_empty());
}
