//! Explanations against the decision, on worlds that are drawn: what they list is allowed, and what is allowed they list.

use super::dice::Dice;
use super::draw;
use salus_contracts::native::access::decide::decide;
use salus_contracts::native::access::explain::{Directory, Matter, openings, reach_of};
use salus_primitives::access::{AccessRequest, Basis, Decision, Purpose};

/// How many policies are drawn for records, and how many for parties.
const POLICIES: (u64, u64) = (10_000, 3_000);

/// For a record: all parties and all purposes.
#[test]
fn a_party_is_listed_for_a_record_exactly_if_it_could_open_it() {
    let (mut listed, mut excepted) = (0, 0);
    for seed in 0..POLICIES.0 {
        let mut dice = Dice::new(seed);
        let world = draw::world(&mut dice);
        let ask = draw::ask(&mut dice, &world, draw::everybody()[0]);
        let Some(patient) = draw::patient(&world, ask.now) else {
            continue;
        };
        let now = draw::time(ask.now);
        let asked = draw::request(&ask);
        let matter = Matter {
            subject: asked.subject,
            category: asked.category,
            sensitivity: asked.sensitivity,
            extent: asked.extent,
        };
        let parties: Vec<_> = draw::everybody()
            .into_iter()
            .map(|who| draw::party(&world, who))
            .collect();
        let directory = Directory(parties.iter().map(|party| (party.who, *party)).collect());

        let openings = openings(&patient, &matter, &directory, now);

        for party in &parties {
            for purpose in Purpose::ALL {
                let by: Vec<_> = openings
                    .iter()
                    .filter(|opening| opening.admits(party, purpose))
                    .collect();
                let decision = decide(
                    Some(&patient),
                    party,
                    &AccessRequest { purpose, ..asked },
                    now,
                );
                match decision {
                    // nobody can ask so: break-glass is a practitioner's call
                    Decision::Allowed {
                        basis: Basis::PatientsSide,
                        ..
                    } if purpose == Purpose::BreakGlass => assert!(by.is_empty()),
                    Decision::Allowed { basis, until } => {
                        let first = by.first().unwrap_or_else(|| {
                            panic!("seed {seed}: {party:?} for {purpose:?} is not listed: {decision:?}, {openings:#?}")
                        });
                        assert_eq!(first.basis, basis, "seed {seed}");
                        if let Basis::Grant(_) = basis {
                            assert_eq!(first.until, Some(until), "seed {seed}");
                        }
                        listed += 1;
                    }
                    Decision::Denied => assert!(
                        by.is_empty(),
                        "seed {seed}: {party:?} for {purpose:?} is listed: {by:#?}"
                    ),
                }
            }
        }
        excepted += openings
            .iter()
            .flat_map(|opening| &opening.except)
            .filter(|exception| exception.rule.is_some())
            .count();
    }
    assert!(listed > 10_000, "{listed} were listed");
    assert!(excepted > 100, "{excepted} denials were exceptions");
}

/// For a party: whatever it may ask for.
#[test]
fn a_partys_reach_holds_exactly_what_it_could_open() {
    let (mut within, mut beyond, mut limited) = (0, 0, 0);
    for seed in 0..POLICIES.1 {
        let mut dice = Dice::new(seed);
        let world = draw::world(&mut dice);
        for who in draw::everybody() {
            let ask = draw::ask(&mut dice, &world, who);
            let Some(patient) = draw::patient(&world, ask.now) else {
                continue;
            };
            let now = draw::time(ask.now);
            let party = draw::party(&world, who);

            let reaches = reach_of(&patient, &draw::pseudonym(0), &party, now);

            limited += reaches
                .iter()
                .map(|reach| reach.except.len())
                .sum::<usize>();
            for _ in 0..8 {
                let other = draw::ask(&mut dice, &world, who);
                let asked = draw::request(&other);
                let admitted = reaches.iter().any(|reach| reach.admits(&asked));
                let decision = decide(Some(&patient), &party, &asked, now);
                let side_breaks_glass = matches!(
                    decision,
                    Decision::Allowed {
                        basis: Basis::PatientsSide,
                        ..
                    }
                ) && asked.purpose == Purpose::BreakGlass;
                let allowed = decision != Decision::Denied && !side_breaks_glass;
                assert_eq!(
                    admitted, allowed,
                    "seed {seed}, {party:?}, {asked:?}, {decision:?}, {reaches:#?}"
                );
                if admitted { within += 1 } else { beyond += 1 }
            }
        }
    }
    assert!(within > 10_000, "{within} were within reach");
    assert!(beyond > 10_000, "{beyond} were beyond reach");
    assert!(limited > 500, "{limited} denials were limits");
}
