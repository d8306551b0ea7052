//! The decision against the reference model, on policies that are drawn.

use super::dice::Dice;
use super::draw;
use super::model::{Answer, Counts};
use salus_contracts::native::access::decide::{RELEASE_MS, decide};
use salus_primitives::access::{Basis, Decision};
use salus_primitives::time::Timestamp;

/// How many policies are drawn.
const POLICIES: u64 = 10_000;

/// How often every party asks for something under each.
const ASKS: usize = 4;

/// Ten thousand policies, all parties of a small world, and every condition of every rule alone decisive often.
#[test]
fn decisions_are_those_of_the_reference_model() {
    let mut counts = Counts::new();
    for seed in 0..POLICIES {
        let mut dice = Dice::new(seed);
        let world = draw::world(&mut dice);
        let everybody = draw::everybody().into_iter().cycle();
        for who in everybody.take(draw::everybody().len() * ASKS) {
            let ask = draw::ask(&mut dice, &world, who);

            let answer = world.answer(&ask, &mut counts);
            let decision = decide(
                draw::patient(&world, ask.now).as_ref(),
                &draw::party(&world, who),
                &draw::request(&ask),
                draw::time(ask.now),
            );

            assert_eq!(
                decision,
                expected(answer, ask.now, world.glass_ticks),
                "seed {seed}, {ask:?}, {answer:?}, {world:#?}"
            );
        }
    }
    for name in DECISIVE {
        let count = counts.get(name).copied().unwrap_or_default();
        assert!(
            count >= 50,
            "{name} decided only {count} times: {counts:#?}"
        );
    }
    let unnamed: Vec<_> = counts
        .keys()
        .filter(|name| !DECISIVE.contains(name))
        .collect();
    assert!(unnamed.is_empty(), "counted and not asked for: {unnamed:?}");
}

fn expected(answer: Answer, now: u64, glass_ticks: u64) -> Decision {
    let in_a_day = Timestamp::from_millis(draw::time(now).as_millis() + RELEASE_MS);
    let (basis, until) = match answer {
        Answer::Denied(_) => return Decision::Denied,
        Answer::Side(None) => (Basis::PatientsSide, in_a_day),
        Answer::Side(Some(end)) => (Basis::PatientsSide, in_a_day.min(draw::time(end))),
        Answer::Relation => (Basis::Relation, in_a_day),
        Answer::Grant(file, rule, end) => (Basis::Grant(draw::grant(file, rule)), draw::time(end)),
        Answer::Glass => (Basis::BrokenGlass, draw::time(now + glass_ticks)),
    };
    Decision::Allowed { basis, until }
}

/// What must have decided often: each basis, each way to be denied, and each condition that alone stood in the way.
const DECISIVE: &[&str] = &[
    "allowed: broken glass",
    "allowed: forbidden, but the patient's side",
    "allowed: grant",
    "allowed: grant of the merged",
    "allowed: grant under an agreement",
    "allowed: partly erased",
    "allowed: passed on",
    "allowed: patient's side",
    "allowed: relation",
    "allowed: research",
    "denied: by a rule",
    "denied: by a rule of the merged",
    "denied: by a rule, the glass",
    "denied: erased",
    "denied: no basis",
    "denied: unregistered",
    "deny misses: category",
    "deny misses: extent",
    "deny misses: grantee",
    "deny misses: not begun",
    "deny misses: not excludable",
    "deny misses: over",
    "deny misses: purpose",
    "deny misses: revoked",
    "deny misses: sensitivity",
    "no glass: excluded",
    "no glass: none in the jurisdiction",
    "no glass: overdue",
    "no glass: profession",
    "no glass: purpose",
    "no glass: role",
    "no grant: agreement ended",
    "no grant: agreement not begun",
    "no grant: agreement over",
    "no grant: agreement unsigned",
    "no grant: agreement's categories",
    "no grant: agreement's purposes",
    "no grant: break-glass",
    "no grant: category",
    "no grant: expired",
    "no grant: extent",
    "no grant: first expired",
    "no grant: first not begun",
    "no grant: first revoked",
    "no grant: grantee",
    "no grant: no receiver",
    "no grant: not begun",
    "no grant: period has not ended",
    "no grant: purpose",
    "no grant: relation no party",
    "no grant: requester no party",
    "no grant: research without agreement",
    "no grant: revoked",
    "no grant: sensitivity",
    "no relation: other entity",
    "no relation: profession",
    "no relation: purpose",
    "no relation: sensitivity",
    "no side: ended",
];
