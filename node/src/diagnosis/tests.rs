//! One table row for each finding: the facts, and what follows from them.

use super::*;
use crate::handle::Standing;
use crate::wire::{Account, Condition, Halt, RootAt};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{BlockId, Epoch, Height, View};
use salus_primitives::state::StateRoot;
use salus_primitives::time::Timestamp;

const NAMES: [&str; 4] = ["hospital", "pharmacy", "ministry", "institute"];
const WORK: Option<u64> = Some(60_000);

fn account(height: u64) -> Account {
    Account {
        epoch: Epoch::new(1),
        view: View::new(9),
        final_height: Height::new(height),
        final_age_ms: 200,
        work_ms: Some(100),
        condition: Condition::Votes,
        roots: vec![root(height, 1)],
        connected: (0..4).map(|n| PublicKey([n; 32])).collect(),
        clock: Timestamp::from_millis(0),
    }
}

fn root(height: u64, root: u8) -> RootAt {
    RootAt {
        height: Height::new(height),
        root: StateRoot([root; 32]),
    }
}

/// Four equal validators that work: hospital is asked, all answer.
pub(crate) fn well() -> Facts {
    let seats = (0u8..)
        .zip(NAMES)
        .map(|(n, name)| SeatFacts {
            name: name.to_owned(),
            weight: 1,
            network_key: PublicKey([n; 32]),
            link: match n {
                0 => Link::Own,
                _ => Link::Connected { for_ms: 90_000 },
            },
            heard_ms: (n > 0).then_some(20),
            is_muted: false,
            position: None,
            account: (n > 0).then(|| account(30)),
            clock_ahead_ms: 0,
        })
        .collect();
    Facts {
        own: "hospital".to_owned(),
        account: account(30),
        seats,
        quorum_weight: 3,
        total_weight: 4,
        fault_weight: 1,
        view: ViewFacts {
            view: View::new(9),
            manager: 1,
            next: vec![(View::new(17), 2), (View::new(25), 3)],
            ..ViewFacts::default()
        },
        delta_ms: 250,
        no_legal_set: None,
    }
}

/// The same, and nothing has become final for a minute.
pub(crate) fn stuck() -> Facts {
    let mut facts = well();
    for account in facts
        .seats
        .iter_mut()
        .filter_map(|seat| seat.account.as_mut())
        .chain([&mut facts.account])
    {
        account.final_age_ms = 60_000;
        account.work_ms = WORK;
    }
    facts
}

fn gone(facts: &mut Facts, seat: usize) {
    facts.seats[seat].link = Link::Lost { for_ms: 5_000 };
    facts.seats[seat].account = None;
}

fn set_condition(facts: &mut Facts, seat: usize, condition: Condition) {
    match facts.seats[seat].account.as_mut() {
        Some(account) => account.condition = condition,
        None => facts.account.condition = condition,
    }
}

fn found(facts: &Facts) -> Vec<Finding> {
    Explanation::of(facts)
        .findings
        .into_iter()
        .map(|told| told.finding)
        .collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_chain_that_works_has_no_findings() {
    let explanation = Explanation::of(&well());

    assert_eq!(explanation.verdict, Verdict::Progressing);
    assert_eq!(explanation.findings, []);
    assert!(explanation.summary.contains("all is well"));
}

#[test]
fn without_work_it_is_idle_however_old_the_last_block_is() {
    let mut facts = stuck();
    facts.account.work_ms = None;
    for seat in &mut facts.seats {
        seat.account.iter_mut().for_each(|it| it.work_ms = None);
    }

    assert_eq!(Explanation::of(&facts).verdict, Verdict::Idle);
}

/// A heartbeat falls due after ten idle seconds: that the last block is older than the limit then says nothing.
#[test]
fn work_that_has_just_begun_is_no_standstill() {
    let mut facts = stuck();
    facts.account.work_ms = Some(10);

    assert_eq!(Explanation::of(&facts).verdict, Verdict::Progressing);
}

/// This node stands still, and others of more than the faulty weight go on.
#[test]
fn finality_elsewhere_is_progress_if_one_of_those_who_say_so_is_honest() {
    let mut facts = stuck();
    for seat in [1, 2] {
        assert_eq!(Explanation::of(&facts).verdict, Verdict::Stuck, "{seat}");
        let account = facts.seats[seat].account.as_mut().expect("answered");
        account.final_age_ms = 30;
    }

    assert_eq!(Explanation::of(&facts).verdict, Verdict::Progressing);
}

/// One liar cannot make an idle chain look stuck.
#[test]
fn one_peer_alone_does_not_make_work() {
    let mut facts = stuck();
    facts.account.work_ms = None;
    for seat in [2, 3] {
        facts.seats[seat]
            .account
            .as_mut()
            .expect("answered")
            .work_ms = None;
    }

    assert_eq!(Explanation::of(&facts).verdict, Verdict::Idle);
}

/// Two of four are gone: who, since when, by how much the quorum is missed, whose turn it is.
#[test]
fn a_missing_quorum_is_explained_down_to_the_names() {
    let mut facts = stuck();
    gone(&mut facts, 1);
    gone(&mut facts, 2);
    facts.view.nullify = vec![0, 3];

    let found = found(&facts);

    let lost = |who: &str| Finding::Unreachable {
        who: who.to_owned(),
        for_ms: Some(5_000),
        reached_by: names(&["institute"]),
    };
    let missing = |vote, weight, missing: &[&str]| Finding::QuorumMissing {
        vote,
        view: 9,
        weight,
        quorum: 3,
        short_by: 3 - weight,
        missing: names(missing),
    };
    let turn = |view, manager: &str, is_able| Turn {
        view,
        manager: manager.to_owned(),
        is_able,
    };
    assert_eq!(
        found,
        [
            lost("pharmacy"),
            lost("ministry"),
            Finding::TooFewVoters {
                weight: 2,
                quorum: 3,
                short_by: 1,
                missing: names(&["pharmacy", "ministry"]),
            },
            missing(VoteKind::Notarize, 0, &NAMES),
            missing(VoteKind::Nullify, 2, &["pharmacy", "ministry"]),
            Finding::Turns {
                present: turn(9, "pharmacy", false),
                proposed: false,
                next: vec![turn(17, "ministry", false), turn(25, "institute", true)],
            },
        ]
    );
}

#[test]
fn finalise_votes_are_counted_where_a_block_is_notarised() {
    let mut facts = stuck();
    facts.view.finalize = Some((View::new(8), vec![0, 1]));
    facts.view.notarize = vec![0, 1, 2];

    let kinds: Vec<(VoteKind, u64)> = found(&facts)
        .into_iter()
        .filter_map(|finding| match finding {
            Finding::QuorumMissing { vote, short_by, .. } => Some((vote, short_by)),
            _ => None,
        })
        .collect();

    assert_eq!(kinds, [(VoteKind::Nullify, 3), (VoteKind::Finalize, 1)]);
}

/// Each single cause, with the one finding that names it first, and whether that is a claim.
#[test]
fn each_cause_is_named() {
    let halt = Halt {
        block: BlockId([5; 32]),
        height: Height::new(31),
        own: StateRoot([1; 32]),
        certified: StateRoot([2; 32]),
    };
    type Change = Box<dyn Fn(&mut Facts)>;
    let who = |name: &str| name.to_owned();
    let cases: Vec<(Change, Finding, bool)> = vec![
        (
            Box::new(move |facts| set_condition(facts, 3, Condition::Halted(halt))),
            Finding::Halted {
                who: who("institute"),
                height: 31,
                own_root: halt.own.to_string(),
                certified_root: halt.certified.to_string(),
            },
            true,
        ),
        (
            Box::new(move |facts| set_condition(facts, 0, Condition::Halted(halt))),
            Finding::Halted {
                who: who("hospital"),
                height: 31,
                own_root: halt.own.to_string(),
                certified_root: halt.certified.to_string(),
            },
            false,
        ),
        (
            Box::new(|facts| {
                let account = facts.seats[2].account.as_mut().expect("answered");
                account.roots = vec![root(29, 1), root(30, 7)];
            }),
            Finding::OtherRoots {
                height: 30,
                opinions: vec![
                    Opinion {
                        root: StateRoot([1; 32]).to_string(),
                        who: names(&["hospital", "pharmacy", "institute"]),
                    },
                    Opinion {
                        root: StateRoot([7; 32]).to_string(),
                        who: names(&["ministry"]),
                    },
                ],
            },
            true,
        ),
        (
            Box::new(|facts| set_condition(facts, 2, Condition::DiskFull { for_ms: 700 })),
            Finding::DiskFull {
                who: who("ministry"),
                for_ms: 700,
            },
            true,
        ),
        (
            Box::new(|facts| set_condition(facts, 0, Condition::DiskFull { for_ms: 700 })),
            Finding::DiskFull {
                who: who("hospital"),
                for_ms: 700,
            },
            false,
        ),
        (
            Box::new(|facts| {
                facts.seats[3].link = Link::Never;
                facts.seats[3].account = None;
                for seat in &mut facts.seats {
                    let account = seat.account.iter_mut();
                    account.for_each(|it| it.connected = vec![PublicKey([0; 32])]);
                }
            }),
            Finding::Unreachable {
                who: who("institute"),
                for_ms: None,
                reached_by: Vec::new(),
            },
            false,
        ),
        (
            Box::new(|facts| {
                facts.seats[1].account = None;
                facts.seats[1].heard_ms = Some(4_000);
            }),
            Finding::Silent {
                who: who("pharmacy"),
                for_ms: Some(4_000),
            },
            false,
        ),
        (
            Box::new(|facts| facts.seats[1].is_muted = true),
            Finding::NotHeard {
                who: who("pharmacy"),
            },
            false,
        ),
        (
            Box::new(|facts| set_condition(facts, 1, Condition::Observes)),
            Finding::Observes {
                who: who("pharmacy"),
            },
            true,
        ),
        (
            Box::new(|facts| {
                let account = facts.seats[1].account.as_mut().expect("answered");
                account.final_height = Height::new(5);
                account.condition = Condition::CatchesUp;
            }),
            Finding::Behind {
                who: who("pharmacy"),
                height: 5,
                by: 25,
            },
            true,
        ),
        (
            Box::new(|facts| facts.account.final_height = Height::new(4)),
            Finding::Behind {
                who: who("hospital"),
                height: 4,
                by: 26,
            },
            false,
        ),
        (
            Box::new(|facts| facts.seats[1].clock_ahead_ms = -3_600_000),
            Finding::Clock {
                who: who("pharmacy"),
                ahead_ms: -3_600_000,
            },
            true,
        ),
        (
            Box::new(|facts| {
                for seat in &mut facts.seats {
                    seat.clock_ahead_ms = 9_000;
                }
            }),
            Finding::Clock {
                who: who("hospital"),
                ahead_ms: -9_000,
            },
            true,
        ),
    ];
    for (change, expected, is_claim) in cases {
        let mut facts = well();
        change(&mut facts);

        let explanation = Explanation::of(&facts);

        let first = explanation.findings.first().expect("a finding");
        assert_eq!(first.finding, expected);
        assert_eq!(first.is_claim, is_claim, "{expected:?}");
        let text = explanation.text();
        assert!(text.contains(&first.what) && text.contains(&first.advice));
        assert!(!first.advice.is_empty());
        assert_eq!(text.contains("by its own account"), is_claim);
    }
}

/// Who was heard a moment ago and has not answered yet is slow, not silent.
#[test]
fn a_slow_answer_is_no_silence() {
    let mut facts = well();
    facts.seats[1].account = None;

    assert!(
        !found(&facts)
            .iter()
            .any(|it| matches!(it, Finding::Silent { .. }))
    );
}

/// A few blocks are on their way at any time.
#[test]
fn a_few_blocks_are_not_behind() {
    let mut facts = well();
    facts.seats[1]
        .account
        .as_mut()
        .expect("answered")
        .final_height = Height::new(22);

    assert_eq!(found(&facts), []);
}

/// A single peer that claims a great height does not put all others behind.
#[test]
fn one_claim_of_a_great_height_is_not_believed() {
    let mut facts = well();
    facts.seats[1]
        .account
        .as_mut()
        .expect("answered")
        .final_height = Height::new(1_000_000);

    assert_eq!(found(&facts), []);
}

/// What a program reads is what was found: the JSON carries every field, under the finding's stable name.
#[test]
fn the_json_reads_back() {
    let mut facts = stuck();
    gone(&mut facts, 1);
    set_condition(&mut facts, 2, Condition::DiskFull { for_ms: 7 });
    let explanation = Explanation::of(&facts);

    let json = serde_json::to_value(&explanation).expect("encodes");

    assert_eq!(json["verdict"], "stuck");
    assert_eq!(json["findings"][0]["kind"], "disk_full");
    assert_eq!(json["findings"][0]["who"], "ministry");
    let back: Explanation = serde_json::from_value(json).expect("decodes");
    assert_eq!(back, explanation);
}

/// One of four is jailed, or stepped down: the chain goes on with it, and an operator is to know that nobody can take its seat.
#[test]
fn a_set_that_goes_on_without_an_election_is_told_while_the_chain_goes_on() {
    let mut facts = well();
    facts.no_legal_set = Some(NoLegalSet {
        eligible: names(&["hospital", "pharmacy", "ministry"]),
        kept: names(&["institute"]),
    });

    let explanation = Explanation::of(&facts);

    assert_eq!(explanation.verdict, Verdict::Progressing);
    assert!(!explanation.summary.contains("all is well"));
    let [told] = explanation.findings.as_slice() else {
        panic!("{:?}", explanation.findings);
    };
    assert!(!told.is_claim);
    assert!(told.what.contains("3 of the 4") && told.what.contains("institute"));
    assert!(told.advice.contains("salus tx stand"));
}

/// Who is not admitted is told so before that nobody answers it, and not to look at the others' machines first.
#[test]
fn a_node_that_is_not_admitted_is_told_so_first() {
    let mut facts = well();
    facts.account.condition = Condition::Observes;
    for seat in &mut facts.seats[1..] {
        seat.link = Link::Never;
        seat.account = None;
    }
    let explanation = Explanation::of(&facts);
    assert!(explanation.findings.len() > 3);

    let told = explanation.clone().standing(Standing::NotAdmitted);

    assert_eq!(told.findings.len(), explanation.findings.len());
    assert_eq!(
        told.findings[0].finding,
        Finding::Observes {
            who: facts.own.clone()
        }
    );
    assert!(told.findings[0].what.contains("not_admitted"));
    assert!(
        told.findings[0]
            .advice
            .contains("until governance admits it")
    );
    assert_eq!(told.findings[1], explanation.findings[0]);
}
