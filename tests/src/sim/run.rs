//! One seed from beginning to end, and what came of it.

use super::director::Director;
use super::property::{Property, Violation};
use super::scenario::{Options, Scenario, ScenarioError};
use super::{Counts, Sim};
use salus_primitives::crypto::sign::remembering_verdicts;
use serde::Serialize;
use std::any::Any;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How many members.
    pub validators: usize,
    /// How many of them were Byzantine.
    pub byzantine: usize,
    /// What was drawn (`drawn_`, `members_`, `byzantine_`), and how often each thing happened.
    pub faults: Counts,
    /// The greatest height that was final for an honest node.
    pub final_height: u64,
    /// How many transactions were.
    pub transactions_final: usize,
    /// How long it took, in virtual seconds.
    pub virtual_seconds: f64,
    /// A hash over all events.
    pub trace: String,
    /// What did not hold; the run ended at the first.
    pub violations: Vec<Violation>,
    /// The last views, as lines, if something did not hold.
    #[serde(skip)]
    pub log: String,
}

/// How many views the log of a violation shows.
const LOG_VIEWS: usize = 8;

/// Runs what a seed draws. A panic of what runs in it is a violation too.
///
/// # Errors
/// [`ScenarioError`] if there is no such scenario.
pub fn run(options: Options) -> Result<Report, ScenarioError> {
    Ok(run_scenario(&Scenario::draw(options)?))
}

/// Runs a scenario as it is, drawn or changed after that.
#[must_use]
pub fn run_scenario(scenario: &Scenario) -> Report {
    // seven in ten instructions would check signatures that another node has checked
    remembering_verdicts(|| {
        let mut sim = scenario.cluster();
        let ended = catch_unwind(AssertUnwindSafe(|| carry_out(scenario, &mut sim)));
        if let Err(panic) = ended {
            sim.violate(Property::NoFailure, format!("panic: {}", message(&*panic)));
        }
        report(scenario, &sim)
    })
}

/// Runs a scenario twice, and holds it against itself.
///
/// # Errors
/// As [`run`].
pub fn run_twice(options: Options) -> Result<Report, ScenarioError> {
    let mut first = run(options)?;
    let second = run(options)?;
    if first.trace != second.trace {
        first.violations.push(Violation {
            property: Property::SameTrace,
            at_ms: 0,
            message: format!("traces {} and {}", first.trace, second.trace),
        });
    }
    Ok(first)
}

fn carry_out(scenario: &Scenario, sim: &mut Sim) {
    let mut director = Director::start(scenario, sim);
    director.rough_phase(sim);
    if sim.goes_on() {
        director.end_faults(sim);
        sim.judge();
    }
}

fn report(scenario: &Scenario, sim: &Sim) -> Report {
    let mut faults = sim.counts().clone();
    scenario.describe(&mut faults);
    for adversary in sim.adversaries() {
        for (what, count) in adversary.counts() {
            *faults.entry(what).or_default() += count;
        }
    }
    faults.insert("transactions_demoted", sim.checks().transactions_demoted());
    let violations = sim.violations().to_vec();
    let log = if violations.is_empty() {
        String::new()
    } else {
        sim.checks().history().last_views(LOG_VIEWS)
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of a run of minutes"
    )]
    let virtual_seconds = sim.time_ms() as f64 / 1_000.0;
    Report {
        seed: scenario.options.seed,
        validators: scenario.weights.len(),
        byzantine: scenario.byzantine(),
        faults,
        final_height: sim.checks().final_height().get(),
        transactions_final: sim.checks().transactions_final(),
        virtual_seconds,
        trace: sim.trace(),
        violations,
        log,
    }
}

impl Report {
    /// For people.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = String::new();
        // writing to a string does not fail
        let _ = writeln!(
            text,
            "seed {}: {} validators, {} Byzantine; height {}, {} transactions final in {:.1} virtual seconds",
            self.seed,
            self.validators,
            self.byzantine,
            self.final_height,
            self.transactions_final,
            self.virtual_seconds
        );
        for (what, count) in &self.faults {
            let _ = writeln!(text, "  {count:>7}  {}", what.replace('_', " "));
        }
        let _ = writeln!(text, "  trace {}", self.trace);
        text
    }

    /// What did not hold, in the form that other tools read, then for people.
    #[must_use]
    pub fn complaint(&self) -> String {
        let mut text = String::new();
        for violation in &self.violations {
            let _ = writeln!(
                text,
                "violation: seed={} property={}",
                self.seed, violation.property
            );
            let _ = writeln!(text, "  at {} ms: {}", violation.at_ms, violation.message);
        }
        let _ = writeln!(text, "the last views of seed {}:", self.seed);
        text.push_str(&self.log);
        text
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}
