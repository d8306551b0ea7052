//! `salus-sim`: runs the cluster of production replicas under seeds, and says what did not hold.

use anyhow::Context as _;
use clap::Parser;
use salus_tests::sim::run::{Report, run, run_twice};
use salus_tests::sim::scenario::{Options, ScenarioError};
use std::io::Write as _;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Simulates Salus clusters: production replicas, virtual time, faults and Byzantine members drawn from a seed.
///
/// What is not given is drawn from the seed. Exits with 1 if a property did not hold, with 2 if there is no such scenario.
#[derive(Debug, Parser)]
#[command(name = "salus-sim", version)]
struct Arguments {
    /// The seed of one run.
    #[arg(long, default_value_t = 0, conflicts_with = "seeds")]
    seed: u64,
    /// Runs these seeds, A..B without B, on all cores, up to the first violation.
    #[arg(long, value_parser = seeds)]
    seeds: Option<Range<u64>>,
    /// How many members.
    #[arg(long)]
    validators: Option<usize>,
    /// How many of them are Byzantine; together they may weigh f at most.
    #[arg(long)]
    byzantine: Option<usize>,
    /// Ends the faults when honest nodes have gone through so many views; liveness is judged after that.
    #[arg(long)]
    views: Option<u64>,
    /// Prints one JSON object a run.
    #[arg(long)]
    json: bool,
    /// Goes on after a violation.
    #[arg(long, requires = "seeds")]
    keep_going: bool,
    /// How many runs at once; all cores by default.
    #[arg(long, requires = "seeds", value_parser = clap::value_parser!(u16).range(1..=THREADS_MAX))]
    threads: Option<u16>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let held = match &arguments.seeds {
        None => one(&arguments),
        Some(seeds) => many(&arguments, seeds.clone()),
    };
    match held {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) => match error.downcast_ref::<ScenarioError>() {
            Some(mistake) => {
                eprintln!("error: {mistake}");
                Ok(ExitCode::from(2))
            }
            None => Err(error),
        },
    }
}

/// `A..B`.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text
        .split_once("..")
        .ok_or("expected A..B, as in 0..1000")?;
    let parse = |part: &str| {
        part.trim()
            .parse()
            .map_err(|error| format!("{part}: {error}"))
    };
    let range = parse(from)?..parse(to)?;
    if range.is_empty() {
        return Err(format!("{text} is empty"));
    }
    Ok(range)
}

impl Arguments {
    const fn options(&self, seed: u64) -> Options {
        Options {
            seed,
            validators: self.validators,
            byzantine: self.byzantine,
            views: self.views,
        }
    }
}

fn one(arguments: &Arguments) -> anyhow::Result<bool> {
    let report = run(arguments.options(arguments.seed))?;
    print(arguments, &report)?;
    Ok(report.violations.is_empty())
}

/// Standard output carries nothing but objects when they are asked for.
fn print(arguments: &Arguments, report: &Report) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", report.summary())?;
    }
    if !report.violations.is_empty() {
        if arguments.json {
            eprint!("{}", report.complaint());
        } else {
            write!(out, "{}", report.complaint())?;
        }
    }
    Ok(())
}

/// Every so many seeds one is run twice: one seed, one trace.
const TWICE_EVERY: u64 = 64;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Most runs at once. Each is busy all the time, so that more than cores help nobody.
const THREADS_MAX: i64 = 1_024;

fn many(arguments: &Arguments, seeds: Range<u64>) -> anyhow::Result<bool> {
    let threads = match arguments.threads {
        Some(threads) => threads.into(),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let start = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let (done, violated) = (AtomicU64::new(0), AtomicU64::new(0));
    let stop = AtomicBool::new(false);
    let told = Mutex::new(Instant::now());
    let work = || -> anyhow::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let Some(seed) = take(&next, seeds.end) else {
                break;
            };
            let options = arguments.options(seed);
            let report = if seed.is_multiple_of(TWICE_EVERY) {
                run_twice(options)
            } else {
                run(options)
            }?;
            let count = done.fetch_add(1, Ordering::Relaxed) + 1;
            if !report.violations.is_empty() {
                violated.fetch_add(1, Ordering::Relaxed);
                let goes_on = arguments.keep_going;
                if !stop.fetch_or(!goes_on, Ordering::Relaxed) {
                    print(arguments, &report)?;
                }
            } else if arguments.json {
                print(arguments, &report)?;
            }
            // progress is not worth waiting for
            if let Ok(mut told) = told.try_lock()
                && told.elapsed() >= TELL_EVERY
            {
                *told = Instant::now();
                eprintln!("seed {seed}: {count} done, {}", rate(count, start));
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            let ended = worker.join();
            stop.fetch_or(!matches!(ended, Ok(Ok(()))), Ordering::Relaxed);
            ended.unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked")))
        })
    })
    .context("the simulation could not be run")?;
    let (done, violated) = (done.into_inner(), violated.into_inner());
    eprintln!(
        "{done} seeds from {} on, {violated} with a violation, {}",
        seeds.start,
        rate(done, start)
    );
    Ok(violated == 0)
}

/// The next seed below `end`, which may be the last number there is: never counts beyond it.
fn take(next: &AtomicU64, end: u64) -> Option<u64> {
    let step = |seed: u64| seed.checked_add(1).filter(|next| *next <= end);
    next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
        .ok()
}

fn rate(count: u64, start: Instant) -> String {
    let seconds = start.elapsed().as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "a count of seeds")]
    let rate = count as f64 * 60.0 / seconds;
    format!("{rate:.0} seeds a minute, {seconds:.0} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However many workers ask on at the end, none begins again at seed 0.
    #[test]
    fn each_seed_is_taken_once_and_none_beyond_the_last() {
        let next = AtomicU64::new(u64::MAX - 2);

        let taken: Vec<Option<u64>> = (0..5).map(|_| take(&next, u64::MAX)).collect();

        let expected = [Some(u64::MAX - 2), Some(u64::MAX - 1), None, None, None];
        assert_eq!(taken, expected);
    }

    #[test]
    fn what_no_machine_can_do_is_refused_before_anything_runs() {
        for wrong in [
            &["--seeds", "0..2", "--threads", "100000"][..],
            &["--seeds", "0..2", "--threads", "0"],
            &["--seeds", "5..1"],
            &["--seed", "1", "--seeds", "1..2"],
        ] {
            let line = std::iter::once(&"salus-sim").chain(wrong);
            assert!(Arguments::try_parse_from(line).is_err(), "{wrong:?}");
        }
    }
}
