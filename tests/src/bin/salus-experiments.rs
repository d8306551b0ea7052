//! `salus-experiments`: what adaptation is worth, measured in virtual time, as CSV and figures.

use anyhow::Context as _;
use clap::Parser;
use salus_tests::experiment::Experiment;
use salus_tests::experiment::founding::POLICIES;
use salus_tests::experiment::load::Load;
use salus_tests::experiment::plot::Figure;
use salus_tests::experiment::report::{Row, csv};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Runs every policy under every load, and writes `experiments.csv` and the figures. The same seed gives the same bytes.
#[derive(Debug, Parser)]
#[command(name = "salus-experiments", version)]
struct Arguments {
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = "docs/figures")]
    out: PathBuf,
    /// Draws who submits what when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sizes of the network.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 20, 50], value_parser = clap::value_parser!(u64).range(4..=100))]
    validators: Vec<u64>,
    /// How long transactions are submitted that count, in virtual seconds; three times as long under light load, where there are fewer.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How many runs at once; all cores by default.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut experiments = Vec::new();
    for validators in &arguments.validators {
        for load in Load::ALL {
            for policy in POLICIES {
                experiments.push(Experiment {
                    seed: arguments.seed,
                    validators: usize::try_from(*validators)?,
                    load,
                    policy,
                    seconds: match load {
                        Load::Light => 3 * arguments.seconds,
                        Load::Saturating => arguments.seconds,
                    },
                });
            }
        }
    }
    let rows = run_all(&arguments, &experiments)?;
    let write = |name: &str, content: &str| {
        let path = arguments.out.join(name);
        std::fs::write(&path, content)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
        anyhow::Ok(())
    };
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot make {}", arguments.out.display()))?;
    write("experiments.csv", &csv(&rows))?;
    for figure in Figure::ALL {
        write(&format!("{}.svg", figure.name()), &figure.draw(&rows)?)?;
    }
    Ok(())
}

/// The largest first, so that no core is left with one at the end; the rows in the order asked for.
fn run_all(arguments: &Arguments, experiments: &[Experiment]) -> anyhow::Result<Vec<Row>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.map_or(cores, usize::from);
    let mut order: Vec<usize> = (0..experiments.len()).collect();
    order.sort_by_key(|n| std::cmp::Reverse(experiments[*n].validators));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(vec![None; experiments.len()]);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(n) = order.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                    let experiment = &experiments[n];
                    let started = Instant::now();
                    let outcome = experiment.run();
                    eprintln!(
                        "{} validators, {}, {}: {:.1} s",
                        experiment.validators,
                        experiment.load.name(),
                        experiment.policy.name(),
                        started.elapsed().as_secs_f64()
                    );
                    done.lock().expect("nothing panics with it")[n] = Some(outcome);
                }
            });
        }
    });
    let mut rows = Vec::new();
    for (experiment, outcome) in experiments.iter().zip(done.into_inner()?) {
        let outcome = outcome.context("a run did not end")?;
        rows.extend(outcome.with_context(|| format!("{experiment:?}"))?);
    }
    Ok(rows)
}
