//! What a replay did, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use salus_primitives::lane::Lane;
use serde::Serialize;
use serde_json::{Number, Value, json};

use super::histogram::Histogram;
use crate::alarm::AlarmCounts;
use crate::standardize::Counts;

/// Counts of one replay.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Readings queued in this run or taken over from an earlier one: all that had to be proven.
    pub submitted: u64,
    /// Of these, taken over from an earlier run.
    pub resumed: u64,
    /// Transactions a node said are final.
    pub r#final: u64,
    /// Readings whose submission nodes refused, or whose call failed on chain.
    pub rejected: u64,
    /// Readings whose receipt, of success, was proven.
    pub proven: u64,
    /// Rows whose reading was proven before they were read, as of an earlier run; they were not submitted again.
    pub already_proven: u64,
    /// Transactions signed again because they had expired.
    pub signed_again: u64,
    /// Latency from first send to hearing that the whole committee of its block has attested it, of those whose attestation was
    /// checked; some have none, or none in time.
    pub attested: BTreeMap<Lane, Histogram>,
    /// Latency from first send to knowing that it is final.
    pub lanes: BTreeMap<Lane, Histogram>,
    /// Refusals by their code.
    pub refusals: BTreeMap<String, u64>,
    /// Rows that were malformed.
    pub invalid_rows: u64,
    /// What was found in the rows that were not.
    pub rows: Counts,
    /// What happened to alarms.
    pub alarms: AlarmCounts,
    /// Calls that failed for a node's reasons.
    pub node_failures: u64,
    /// Proofs that did not hold.
    pub bad_proofs: u64,
    /// Whether the source was read to its end.
    pub input_ended: bool,
    /// How long it took.
    pub elapsed: Duration,
}

impl Summary {
    /// Whether everything that was submitted is proven.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.proven == self.submitted && self.rejected == 0
    }

    /// One object for programs; latencies in milliseconds.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let lanes: BTreeMap<&str, Value> = self
            .lanes
            .iter()
            .map(|(lane, histogram)| {
                let attested = self.attested.get(lane);
                let values = json!({
                    "final": histogram.count(),
                    "latency_ms": percentiles(histogram),
                    "attested": attested.map_or(0, Histogram::count),
                    "attested_ms": attested.map(percentiles),
                });
                (lane.name(), values)
            })
            .collect();
        json!({
            "submitted": self.submitted,
            "final": self.r#final,
            "rejected": self.rejected,
            "proven": self.proven,
            "lanes": lanes,
            "absent_samples": self.rows.absent_samples,
            "absent_rows": self.rows.absent_rows,
            "implausible_samples": self.rows.implausible_samples,
            "artefact_samples": self.rows.artefact_samples,
            "duplicate_rows": self.rows.duplicate_rows,
            "invalid_rows": self.invalid_rows,
            "rows": self.rows.rows,
            "alarms": self.alarms.raised,
            "alarm_ms_max": milliseconds(self.alarms.delay_max),
            "alarm_hook_failures": self.alarms.hook_failures,
            "resumed": self.resumed,
            "already_proven": self.already_proven,
            "signed_again": self.signed_again,
            "refusals": self.refusals,
            "node_failures": self.node_failures,
            "bad_proofs": self.bad_proofs,
            "input_ended": self.input_ended,
            "elapsed_ms": milliseconds(self.elapsed),
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<12} {:>9} {:>10} {:>10} {:>8} {:>10} {:>10} {:>10}",
            "lane", "attested", "p50 ms", "p99 ms", "final", "p50 ms", "p99 ms", "max ms"
        )?;
        for (lane, histogram) in &self.lanes {
            let attested = self.attested.get(lane);
            let of_attested = |percent| {
                attested.map_or_else(
                    || "-".to_owned(),
                    |attested| milliseconds(attested.percentile(percent)).to_string(),
                )
            };
            writeln!(
                f,
                "{:<12} {:>9} {:>10} {:>10} {:>8} {:>10} {:>10} {:>10}",
                lane.name(),
                attested.map_or(0, Histogram::count),
                of_attested(50),
                of_attested(99),
                histogram.count(),
                milliseconds(histogram.percentile(50)).to_string(),
                milliseconds(histogram.percentile(99)).to_string(),
                milliseconds(histogram.max()).to_string(),
            )?;
        }
        writeln!(
            f,
            "submitted {} (resumed {}), final {}, proven {}, rejected {}, in {:.1?}",
            self.submitted, self.resumed, self.r#final, self.proven, self.rejected, self.elapsed
        )?;
        writeln!(
            f,
            "rows {}, without data {}, absent samples {}, implausible {}, duplicates {}, malformed {}",
            self.rows.rows,
            self.rows.absent_rows,
            self.rows.absent_samples,
            self.rows.implausible_samples,
            self.rows.duplicate_rows,
            self.invalid_rows
        )?;
        write!(
            f,
            "alarms {}, slowest after {} ms, failed hooks {}",
            self.alarms.raised,
            milliseconds(self.alarms.delay_max),
            self.alarms.hook_failures
        )?;
        for (code, count) in &self.refusals {
            write!(f, "\nrefused {count} times: {code}")?;
        }
        Ok(())
    }
}

/// A line of progress.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ProgressLine {
    /// Whole milliseconds since the start.
    pub elapsed_ms: u64,
    /// As in [`Summary`].
    pub submitted: u64,
    /// As in [`Summary`].
    pub r#final: u64,
    /// As in [`Summary`].
    pub proven: u64,
    /// As in [`Summary`].
    pub rejected: u64,
    /// Items in the outbox.
    pub queued: u64,
}

/// In milliseconds.
fn percentiles(histogram: &Histogram) -> Value {
    json!({
        "p50": milliseconds(histogram.percentile(50)),
        "p99": milliseconds(histogram.percentile(99)),
        "max": milliseconds(histogram.max()),
    })
}

/// Milliseconds with three decimals.
fn milliseconds(duration: Duration) -> Number {
    // Durations here are far below 2^53 microseconds, which a float holds exactly.
    let milliseconds = duration.as_micros() as f64 / 1_000.0;
    Number::from_f64(milliseconds).unwrap_or_else(|| Number::from(0))
}
