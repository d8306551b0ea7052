//! `salus blockcfg`: the block configuration problem outside of a chain: solved, compared, drawn.

mod compare;
mod file;
mod instances;
mod plot;

use super::{Failure, Outcome};
use clap::{Args, Subcommand, ValueEnum};
use salus_contracts::native::blockcfg::solver::{self, BigUint, Method, Ratio};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Solves one problem.
    Solve(Solve),
    /// Runs all methods over random problems and shows how often, and by how much, each misses the best.
    Compare(compare::Arguments),
    /// Draws the paper's figures 3 and 4 for the numbers of its Table II.
    Plot(plot::Arguments),
}

#[derive(Debug, Args)]
pub(super) struct Solve {
    /// The problem, TOML or JSON. `docs/block-configuration.md` lists its fields.
    #[arg(long, value_name = "FILE")]
    params: PathBuf,
    /// How to look for the answer.
    #[arg(long, value_enum, default_value_t = MethodName::Exact)]
    method: MethodName,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// A method's name on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MethodName {
    /// The best of all subsets of verifiers.
    Exact,
    /// The best m and theta for the m fastest verifiers.
    Fastest,
    /// The paper's Algorithm 1 as printed.
    Paper,
    /// The paper's Algorithm 1 with its bookkeeping mended.
    Repaired,
    /// Every m and theta for the m fastest verifiers.
    Exhaustive,
}

impl From<MethodName> for Method {
    fn from(name: MethodName) -> Self {
        match name {
            MethodName::Exact => Self::Exact,
            MethodName::Fastest => Self::Fastest,
            MethodName::Paper => Self::Paper,
            MethodName::Repaired => Self::Repaired,
            MethodName::Exhaustive => Self::Exhaustive,
        }
    }
}

pub(super) fn run(command: Command) -> Outcome {
    match command {
        Command::Solve(arguments) => solve(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Plot(arguments) => plot::run(&arguments),
    }
}

fn solve(arguments: &Solve) -> Outcome {
    let problem = file::read(&arguments.params).map_err(Failure::usage)?;
    let method = Method::from(arguments.method);
    let outcome = solver::solve(&problem, method)
        .map_err(|error| Failure::usage(format!("{}: {error}", arguments.params.display())))?;
    let report = report(method, &outcome);
    if arguments.json {
        println!("{report}");
        return Ok(ExitCode::SUCCESS);
    }
    let Some(fields) = report.as_object() else {
        return Ok(ExitCode::SUCCESS);
    };
    for (name, value) in fields {
        let value = match value {
            Value::Null => "none: the algorithm as printed never sets m* or theta* here".into(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        println!("{name:<12}{value}");
    }
    Ok(ExitCode::SUCCESS)
}

fn report(method: Method, outcome: &solver::Outcome) -> Value {
    match &outcome.solution {
        None => json!({
            "method": method.name(),
            "answer": null,
            "evaluations": outcome.evaluations,
        }),
        Some(solution) => json!({
            "method": method.name(),
            "verifiers": solution.verifiers,
            "m": solution.verifiers.len(),
            "theta": solution.transaction_count,
            "utility": float(&solution.utility),
            "latency_s": float(&solution.latency_seconds),
            "security": float(&solution.security),
            "cost": float(&solution.cost),
            "evaluations": outcome.evaluations,
        }),
    }
}

/// The nearest double: for people and plots; nothing is decided by it.
fn float(ratio: &Ratio<BigUint>) -> f64 {
    use num_traits::ToPrimitive as _;
    ratio.to_f64().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_shown_as_the_nearest_double() {
        let third = Ratio::new(BigUint::from(1u8), BigUint::from(3u8));
        let tiny = Ratio::new(BigUint::from(1u8), BigUint::from(10u8).pow(200));

        assert_eq!(float(&third).to_bits(), (1.0f64 / 3.0).to_bits());
        assert_eq!(float(&tiny).to_bits(), 1e-200f64.to_bits());
    }

    /// The files beside `docs/block-configuration.md` show each fault of the printed algorithm as that page says.
    #[test]
    fn the_documented_examples_give_the_documented_answers() {
        type Answer = Option<(usize, u64, &'static str)>;
        let documented: [(&str, [Answer; 3]); 5] = [
            (
                "no-answer",
                [None, Some((1, 4, "0.2082")), Some((1, 4, "0.2082"))],
            ),
            (
                "stale-theta",
                [
                    Some((2, 7, "0.1908")),
                    Some((2, 20, "0.1461")),
                    Some((2, 20, "0.1461")),
                ],
            ),
            (
                "last-tried",
                [
                    Some((2, 4, "0.4549")),
                    Some((3, 4, "0.4499")),
                    Some((3, 4, "0.4499")),
                ],
            ),
            (
                "first-rise",
                [None, Some((1, 8, "0.4181")), Some((3, 8, "0.3833"))],
            ),
            ("table-two", [Some((5, 8, "0.4581")); 3]),
        ];
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/block-configuration");
        for (name, answers) in documented {
            let problem = file::read(&folder.join(name).with_extension("toml")).expect("a problem");
            for (method, documented) in [Method::Paper, Method::Repaired, Method::Fastest]
                .into_iter()
                .zip(answers)
            {
                let answer = solver::solve(&problem, method)
                    .expect("in bounds")
                    .solution
                    .map(|it| {
                        let utility = format!("{:.4}", float(&it.utility));
                        (it.verifiers.len(), it.transaction_count, utility)
                    });

                let documented = documented.map(|(m, theta, utility)| (m, theta, utility.into()));
                assert_eq!(answer, documented, "{name}, {}", method.name());
            }
        }
        let table_two = file::read(&folder.join("table-two.toml")).expect("a problem");
        assert_eq!(table_two.check(), Ok(()));
        let drawn = solver::solve(&instances::table_two(), Method::Exact);
        assert_eq!(solver::solve(&table_two, Method::Exact), drawn);
    }

    /// `answer` is named only where there is none.
    #[test]
    fn a_report_has_the_fields_of_its_format() {
        let problem = instances::table_two();
        let names = |method| -> Vec<String> {
            let outcome = solver::solve(&problem, method).expect("in bounds");
            let report = report(method, &outcome);
            report
                .as_object()
                .expect("an object")
                .keys()
                .cloned()
                .collect()
        };

        let full = [
            "cost",
            "evaluations",
            "latency_s",
            "m",
            "method",
            "security",
            "theta",
            "utility",
            "verifiers",
        ];
        assert_eq!(names(Method::Exact), full);
        let none = solver::Outcome {
            solution: None,
            evaluations: 7,
        };
        assert_eq!(
            report(Method::Paper, &none),
            json!({"method": "paper", "answer": null, "evaluations": 7})
        );
    }
}
