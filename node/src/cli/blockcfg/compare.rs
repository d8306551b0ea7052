//! `salus blockcfg compare`: how often, and by how much, each method misses the best.

use super::instances::Instances;
use super::{Failure, Outcome, float};
use clap::Args;
use salus_contracts::native::blockcfg::solver::{
    BigUint, Method, ProblemError, Ratio, TRANSACTIONS_MAX, VERIFIERS_MAX, solve,
};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// How many random problems.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    instances: u64,
    /// Which ones: equal seeds give equal problems.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Most candidates of a problem.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=VERIFIERS_MAX as u64))]
    verifiers: u64,
    /// Most transactions a block of a problem.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=TRANSACTIONS_MAX))]
    transactions: u64,
    /// One JSON array.
    #[arg(long)]
    json: bool,
}

/// What a method did over all problems.
#[derive(Debug)]
struct Record {
    method: Method,
    unanswered: u64,
    evaluations: u64,
    /// Against the best of all subsets.
    of_all: Misses,
    /// Against the best of the m fastest, which is what the paper looks for.
    of_fastest: Misses,
}

/// By how much answers lay above the best, as `U / best - 1`: of the misses only, ascending.
#[derive(Debug, Default)]
struct Misses(Vec<f64>);

impl Misses {
    fn count(&mut self, utility: &Ratio<BigUint>, best: &Ratio<BigUint>) {
        if utility <= best {
            return;
        }
        let excess = float(&(utility / best)) - 1.0;
        let at = self.0.partition_point(|other| *other < excess);
        self.0.insert(at, excess);
    }

    /// The excess that so many percent of the misses do not exceed.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let records = compare(arguments).map_err(Failure::failed)?;
    if arguments.json {
        println!("{}", report(&records));
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} random problems, seed {}: up to {} verifiers, up to {} transactions\n",
        arguments.instances, arguments.seed, arguments.verifiers, arguments.transactions
    );
    println!(
        "{:<11}{:>10}{:>13}   misses of the best of all      of the best of the fastest",
        "method", "no answer", "evaluations"
    );
    for record in &records {
        println!(
            "{:<11}{:>10}{:>13.1}   {}    {}",
            record.method.name(),
            record.unanswered,
            record.evaluations as f64 / arguments.instances as f64,
            cell(&record.of_all),
            cell(&record.of_fastest)
        );
    }
    println!(
        "\nmisses: how many, the median of how much U lay above the best, and the 90th percentile. evaluations: a problem, on average"
    );
    Ok(ExitCode::SUCCESS)
}

fn cell(misses: &Misses) -> String {
    format!(
        "{:>6} {:>7.1} % {:>7.1} %",
        misses.0.len(),
        100.0 * misses.percentile(50),
        100.0 * misses.percentile(90)
    )
}

fn compare(arguments: &Arguments) -> Result<Vec<Record>, ProblemError> {
    let mut records = Method::ALL.map(|method| Record {
        method,
        unanswered: 0,
        evaluations: 0,
        of_all: Misses::default(),
        of_fastest: Misses::default(),
    });
    let count = usize::try_from(arguments.instances).unwrap_or(usize::MAX);
    let instances = Instances::new(arguments.seed, arguments.verifiers, arguments.transactions);
    for problem in instances.take(count) {
        let best = |method| Ok(solve(&problem, method)?.solution.map(|it| it.utility));
        let (of_all, of_fastest) = (best(Method::Exact)?, best(Method::Fastest)?);
        for record in &mut records {
            let outcome = solve(&problem, record.method)?;
            record.evaluations += outcome.evaluations;
            match (&outcome.solution, &of_all, &of_fastest) {
                (Some(solution), Some(of_all), Some(of_fastest)) => {
                    record.of_all.count(&solution.utility, of_all);
                    record.of_fastest.count(&solution.utility, of_fastest);
                }
                _ => record.unanswered += 1,
            }
        }
    }
    Ok(records.into())
}

fn report(records: &[Record]) -> serde_json::Value {
    let misses = |misses: &Misses| {
        json!({
            "count": misses.0.len(),
            "excess_p50": misses.percentile(50),
            "excess_p90": misses.percentile(90),
            "excess_max": misses.percentile(100),
        })
    };
    records
        .iter()
        .map(|record| {
            json!({
                "method": record.method.name(),
                "no_answer": record.unanswered,
                "evaluations": record.evaluations,
                "misses_of_all": misses(&record.of_all),
                "misses_of_fastest": misses(&record.of_fastest),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the methods promise, over problems of all kinds.
    #[test]
    fn exact_misses_nothing_and_the_printed_algorithm_much() {
        let records = compare(&Arguments {
            instances: 200,
            seed: 3,
            verifiers: 8,
            transactions: 12,
            json: false,
        })
        .expect("legal problems");

        for record in &records {
            let (all, fastest) = (record.of_all.0.len(), record.of_fastest.0.len());
            match record.method {
                Method::Exact => assert_eq!((all, fastest, record.unanswered), (0, 0, 0)),
                Method::Fastest | Method::Exhaustive => {
                    assert_eq!((fastest, record.unanswered), (0, 0));
                    assert!(all > 0, "the fastest are not always the best");
                }
                Method::Repaired => assert_eq!(record.unanswered, 0),
                Method::Paper => assert!(record.unanswered > 0 && fastest > 0, "{record:?}"),
            }
        }
    }
}
