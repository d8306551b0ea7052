//! The block configuration solver against brute force that shares no code with it.

use proptest::prelude::*;
use salus_contracts::native::blockcfg::solver::{
    BigUint, Candidate, Decimal, Method, Outcome, Problem, ProblemError, Ratio, TRANSACTIONS_MAX,
    VERIFIERS_MAX, Weights, evaluate, solve, trace,
};

type Rational = Ratio<BigUint>;

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a number")
}

/// Reads what `Decimal` shows: another way to its value than its own.
fn ratio(number: Decimal) -> Rational {
    let text = number.to_string();
    let (coefficient, exponent) = text.split_once('e').expect("an exponent");
    let coefficient: BigUint = coefficient.parse().expect("digits");
    let exponent: i32 = exponent.parse().expect("an exponent");
    let power = BigUint::from(10u8).pow(exponent.unsigned_abs());
    if exponent < 0 {
        Ratio::new(coefficient, power)
    } else {
        Ratio::from_integer(coefficient * power)
    }
}

fn whole(number: u64) -> Rational {
    Ratio::from_integer(number.into())
}

fn zero() -> Rational {
    whole(0)
}

/// The paper's (1) to (3) with the readings of the design, letter by letter.
fn utility(problem: &Problem, chosen: &[usize], theta: u64) -> Rational {
    let x = |i: usize| ratio(problem.verifiers[i].capacity);
    let price = |i: usize| ratio(problem.verifiers[i].price) * x(i);
    let bits = ratio(problem.transaction_bits);
    let latency = |slowest: Rational, m: u64, theta: u64| {
        whole(theta) * &bits / ratio(problem.downlink_bps)
            + ratio(problem.verification_work) / slowest
            + ratio(problem.broadcast_seconds_per_bit) * whole(theta) * &bits * whole(m)
            + ratio(problem.feedback_bits) / ratio(problem.uplink_bps)
    };
    let all = 0..problem.verifiers.len();
    let slowest_of_all = all.clone().map(x).min().expect("candidates");
    let latency_max = latency(
        slowest_of_all,
        problem.max_verifiers,
        problem.max_transactions,
    );
    let mut prices: Vec<Rational> = all.map(price).collect();
    prices.sort();
    let dearest: Rational = prices
        .into_iter()
        .rev()
        .take(problem.max_verifiers as usize)
        .sum();
    let cost_max = dearest / whole(problem.min_transactions);
    let m = chosen.len() as u64;
    let slowest = chosen.iter().map(|i| x(*i)).min().expect("somebody");
    let cost = chosen.iter().map(|i| price(*i)).sum::<Rational>() / whole(theta);
    let share = |part: Rational, of: Rational| if of == zero() { zero() } else { part / of };
    let q = problem.security_exponent as i32;
    let security = (whole(problem.min_verifiers) / whole(m)).pow(q);
    ratio(problem.weights.latency) * share(latency(slowest, m, theta), latency_max)
        + ratio(problem.weights.security) * security
        + ratio(problem.weights.cost) * share(cost, cost_max)
}

type Answer = (Rational, usize, u64, Vec<usize>);

/// Every subset, or only the fastest of each size; every theta. Ordered as ties are broken.
fn brute_force(problem: &Problem, only_fastest: bool) -> Answer {
    let count = problem.verifiers.len();
    let bounds = problem.min_verifiers as usize..=problem.max_verifiers as usize;
    let mut by_speed: Vec<usize> = (0..count).collect();
    by_speed.sort_by_key(|i| (std::cmp::Reverse(ratio(problem.verifiers[*i].capacity)), *i));
    let subsets: Vec<Vec<usize>> = if only_fastest {
        bounds
            .map(|m| {
                let mut chosen = by_speed[..m].to_vec();
                chosen.sort_unstable();
                chosen
            })
            .collect()
    } else {
        (1u32..1 << count)
            .map(|bits| (0..count).filter(|i| bits >> i & 1 == 1).collect())
            .filter(|chosen: &Vec<usize>| bounds.contains(&chosen.len()))
            .collect()
    };
    subsets
        .into_iter()
        .flat_map(|chosen| {
            (problem.min_transactions..=problem.max_transactions)
                .map(move |theta| (chosen.clone(), theta))
        })
        .map(|(chosen, theta)| {
            (
                utility(problem, &chosen, theta),
                chosen.len(),
                theta,
                chosen,
            )
        })
        .min()
        .expect("a choice")
}

fn answer(outcome: &Outcome) -> Option<Answer> {
    outcome.solution.as_ref().map(|solution| {
        (
            solution.utility.clone(),
            solution.verifiers.len(),
            solution.transaction_count,
            solution.verifiers.clone(),
        )
    })
}

/// Numbers of few values, so that there are ties, and of values far apart.
fn number() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        4 => (0u64..4).prop_map(Decimal::whole),
        2 => (1u64..1_000_000_000).prop_map(Decimal::billionths),
        1 => Just(decimal("1e9")),
        1 => Just(decimal("1e-9")),
    ]
}

fn positive() -> impl Strategy<Value = Decimal> {
    number().prop_map(|number| {
        if number.is_zero() {
            Decimal::whole(5)
        } else {
            number
        }
    })
}

fn candidate() -> impl Strategy<Value = Candidate> {
    (positive(), number()).prop_map(|(capacity, price)| Candidate { capacity, price })
}

fn problem() -> impl Strategy<Value = Problem> {
    let verifiers = prop::collection::vec(candidate(), 1..6);
    let weights = (number(), number(), number());
    let theta = (1u64..7, 0u64..9);
    let numbers = (
        number(),
        number(),
        positive(),
        positive(),
        number(),
        number(),
    );
    (
        verifiers,
        weights,
        theta,
        numbers,
        0u64..6,
        0u64..6,
        2u64..5,
    )
        .prop_map(
            |(verifiers, (latency, security, cost), (t, more), numbers, a, b, q)| {
                let count = verifiers.len() as u64;
                let (a, b) = (1 + a % count, 1 + b % count);
                Problem {
                    weights: Weights {
                        latency,
                        security,
                        cost,
                    },
                    verifiers,
                    min_verifiers: a.min(b),
                    max_verifiers: a.max(b),
                    min_transactions: t,
                    max_transactions: t + more,
                    transaction_bits: numbers.0,
                    feedback_bits: numbers.1,
                    downlink_bps: numbers.2,
                    uplink_bps: numbers.3,
                    verification_work: numbers.4,
                    broadcast_seconds_per_bit: numbers.5,
                    security_scale: Decimal::whole(1),
                    security_exponent: q,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Zero weights, equal candidates, v = M and t = N are among these.
    #[test]
    fn exact_is_the_best_of_all_subsets(problem in problem()) {
        let outcome = solve(&problem, Method::Exact).expect("in bounds");

        prop_assert_eq!(answer(&outcome), Some(brute_force(&problem, false)));
    }

    #[test]
    fn fastest_and_exhaustive_are_the_best_of_the_fastest(problem in problem()) {
        let best = Some(brute_force(&problem, true));

        for method in [Method::Fastest, Method::Exhaustive] {
            let outcome = solve(&problem, method).expect("in bounds");
            prop_assert_eq!(answer(&outcome), best.clone(), "{:?}", method);
        }
    }

    /// The paper's own scans answer within the bounds, never better than the best, and mended always.
    #[test]
    fn the_papers_scans_are_never_better(problem in problem()) {
        let best = brute_force(&problem, true);
        let repaired = answer(&solve(&problem, Method::Repaired).expect("in bounds"));
        let printed = answer(&solve(&problem, Method::Paper).expect("in bounds"));

        prop_assert!(repaired.is_some_and(|repaired| repaired.0 >= best.0));
        prop_assert!(printed.is_none_or(|printed| printed.0 >= best.0));
    }

    /// What is tried is counted, and the least of it is the answer of those that look at all they try.
    #[test]
    fn a_trace_holds_what_was_tried(problem in problem()) {
        for method in Method::ALL {
            let outcome = solve(&problem, method).expect("in bounds");
            let tried = trace(&problem, method).expect("in bounds");

            prop_assert_eq!(tried.len() as u64, outcome.evaluations);
            if method != Method::Paper {
                prop_assert_eq!(tried.into_iter().min(), outcome.solution.map(|it| it.utility));
            }
        }
    }

    /// The numbers beside the answer are those of the answer.
    #[test]
    fn an_answer_is_worth_what_it_says(problem in problem()) {
        for method in Method::ALL {
            let Some(solution) = solve(&problem, method).expect("in bounds").solution else {
                continue;
            };
            let worth = evaluate(&problem, &solution.verifiers, solution.transaction_count);

            prop_assert_eq!(&solution.utility, &utility(&problem, &solution.verifiers, solution.transaction_count));
            prop_assert_eq!(worth, Ok(solution));
        }
    }
}

/// The paper's Table II, with verifiers of its kind.
fn table_two() -> Problem {
    Problem {
        weights: Weights {
            latency: decimal("0.8"),
            security: decimal("0.1"),
            cost: decimal("0.1"),
        },
        verifiers: (1..=10)
            .map(|n| Candidate {
                capacity: Decimal::whole(11 - n),
                price: decimal("0.1"),
            })
            .collect(),
        min_verifiers: 2,
        max_verifiers: 10,
        min_transactions: 2,
        max_transactions: 20,
        transaction_bits: decimal("1e3"),
        feedback_bits: decimal("0.5e6"),
        downlink_bps: decimal("1.2e6"),
        uplink_bps: decimal("1.3e6"),
        verification_work: Decimal::whole(1),
        broadcast_seconds_per_bit: decimal("1e-6"),
        security_scale: Decimal::whole(1),
        security_exponent: 2,
    }
}

/// What urgency changes: few verifiers where latency counts, many where security does.
#[test]
fn the_configuration_follows_the_weights() {
    let urgent = solve(&table_two(), Method::Exact).expect("in bounds");
    let mut bulk = table_two();
    (bulk.weights.latency, bulk.weights.security) = (decimal("0.1"), decimal("0.8"));
    let bulk = solve(&bulk, Method::Exact).expect("in bounds");

    let m = |outcome: &Outcome| outcome.solution.as_ref().map_or(0, |it| it.verifiers.len());
    assert!(m(&urgent) + 4 <= m(&bulk), "{urgent:?} {bulk:?}");
}

/// As printed the algorithm gives no answer where U falls all the way to M.
#[test]
fn the_printed_algorithm_gives_no_answer_where_u_keeps_falling() {
    let mut problem = table_two();
    problem.weights.latency = Decimal::ZERO;

    let printed = solve(&problem, Method::Paper).expect("in bounds");
    let repaired = solve(&problem, Method::Repaired).expect("in bounds");
    let fastest = solve(&problem, Method::Fastest).expect("in bounds");

    assert_eq!(printed.solution, None);
    assert_eq!(repaired.solution, fastest.solution);
}

/// Bounds at their ends and ratios of 10^9 and more neither overflow nor end the search.
#[test]
fn extreme_numbers_are_solved() {
    let mut problem = table_two();
    problem.max_transactions = TRANSACTIONS_MAX;
    problem.verifiers = (0..64u64)
        .map(|n| Candidate {
            capacity: decimal(if n % 2 == 0 { "1e64" } else { "1e-64" }),
            price: decimal(if n % 3 == 0 { "1e64" } else { "1e-64" }),
        })
        .collect();
    problem.max_verifiers = 64;
    problem.security_exponent = 64;

    for weights in [
        ("1e64", "1e-64", "1"),
        ("1e-64", "1", "1e64"),
        ("0", "0", "0"),
    ] {
        problem.weights = Weights {
            latency: decimal(weights.0),
            security: decimal(weights.1),
            cost: decimal(weights.2),
        };
        let exact = solve(&problem, Method::Exact)
            .expect("in bounds")
            .solution
            .expect("an answer");
        let fastest = solve(&problem, Method::Fastest)
            .expect("in bounds")
            .solution
            .expect("an answer");

        assert!(exact.utility <= fastest.utility, "{weights:?}");
    }
    // the last weights: everything is equal, and the first choice in the order of ties wins
    let nothing = solve(&problem, Method::Exact)
        .expect("in bounds")
        .solution
        .expect("an answer");
    assert_eq!(
        (nothing.verifiers, nothing.transaction_count),
        (vec![0, 1], 2)
    );
}

#[test]
fn one_verifier_and_one_transaction_are_a_problem_too() {
    let mut problem = table_two();
    problem.verifiers.truncate(1);
    (problem.min_verifiers, problem.max_verifiers) = (1, 1);
    (problem.min_transactions, problem.max_transactions) = (1, 1);

    for method in [
        Method::Exact,
        Method::Fastest,
        Method::Repaired,
        Method::Exhaustive,
    ] {
        let solution = solve(&problem, method)
            .expect("in bounds")
            .solution
            .expect("an answer");
        assert_eq!(
            (solution.verifiers, solution.transaction_count),
            (vec![0], 1)
        );
        // the only choice is the dearest and slowest: every share is whole
        assert_eq!(solution.utility, whole(1));
    }
}

#[test]
fn numbers_out_of_bounds_are_named() {
    type Change = fn(&mut Problem);
    let refused: [(&str, Change); 12] = [
        ("min_verifiers", |p| p.min_verifiers = 0),
        ("min_verifiers", |p| p.min_verifiers = 11),
        ("max_verifiers", |p| p.max_verifiers = 11),
        ("min_transactions", |p| p.min_transactions = 0),
        ("min_transactions", |p| p.min_transactions = 21),
        ("max_transactions", |p| {
            p.max_transactions = TRANSACTIONS_MAX + 1
        }),
        ("security_exponent", |p| p.security_exponent = 1),
        ("security_exponent", |p| p.security_exponent = 65),
        ("downlink_bps", |p| p.downlink_bps = Decimal::ZERO),
        ("uplink_bps", |p| p.uplink_bps = Decimal::ZERO),
        ("security_scale", |p| p.security_scale = Decimal::ZERO),
        ("verifier 3", |p| p.verifiers[3].capacity = Decimal::ZERO),
    ];
    for (field, change) in refused {
        let mut problem = table_two();
        change(&mut problem);

        let error = solve(&problem, Method::Exact).expect_err(field);
        assert!(error.to_string().contains(field), "{error}");
    }
    let mut crowd = table_two();
    crowd.verifiers = vec![crowd.verifiers[0]; VERIFIERS_MAX + 1];
    assert!(solve(&crowd, Method::Exact).is_err());
    assert_eq!(
        evaluate(&table_two(), &[1, 1], 5),
        Err(ProblemError::Verifiers)
    );
    assert_eq!(
        evaluate(&table_two(), &[10], 5),
        Err(ProblemError::Verifiers)
    );
    assert_eq!(
        evaluate(&table_two(), &[1], 0),
        Err(ProblemError::TransactionCount)
    );
}
