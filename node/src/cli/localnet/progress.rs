//! One line a second: where the chain is, and what the device got done.

use super::Console;
use super::device::EdgeProgress;
use super::validators::Validators;
use salus_primitives::lane::Lane;
use std::time::Duration;

/// Prints lines of progress.
#[derive(Debug)]
pub(super) struct Progress {
    console: Console,
    before: Finality,
}

/// What the first validator's metrics say about final transactions.
#[derive(Clone, Copy, Debug, Default)]
struct Finality {
    by_lane: [f64; 4],
    latency_sum_seconds: f64,
    latency_count: f64,
}

impl Progress {
    pub(super) fn new(console: Console) -> Self {
        Self {
            console,
            before: Finality::default(),
        }
    }

    /// Asks the first validator, and prints. One that does not answer in time costs the line, not the run.
    pub(super) fn line(&mut self, elapsed: Duration, validators: &Validators, edge: &EdgeProgress) {
        let client = validators.hospital().client();
        let (Ok(status), Ok(metrics)) = (client.status(), client.metrics()) else {
            return;
        };
        let now = Finality::read(&metrics);
        let lanes: Vec<String> = Lane::ALL
            .into_iter()
            .map(|lane| format!("{lane} {}", now.by_lane[lane.index()]))
            .collect();
        let latency = match now.latency_since(&self.before) {
            Some(milliseconds) => format!("{milliseconds:.1} ms"),
            None => "-".to_owned(),
        };
        self.before = now;
        self.console.say(&format!(
            "{:>4} s  height {:<6} manager {:<12} {}  latency {latency}  proven {} of {}",
            elapsed.as_secs(),
            status.final_height,
            status.manager.as_deref().unwrap_or("-"),
            lanes.join(" "),
            edge.proven,
            edge.submitted,
        ));
    }
}

/// How many transactions of a lane are final, by a validator's metrics.
pub(super) fn final_of_lane(metrics: &str, lane: Lane) -> f64 {
    Finality::read(metrics).by_lane[lane.index()]
}

impl Finality {
    fn read(metrics: &str) -> Self {
        let mut finality = Self::default();
        for line in metrics.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let Ok(value) = value.parse::<f64>() else {
                continue;
            };
            match name {
                "salus_transactions_final_total" => {
                    let lane = Lane::ALL
                        .into_iter()
                        .find(|lane| labels.contains(&format!("lane=\"{lane}\"")));
                    if let Some(lane) = lane {
                        finality.by_lane[lane.index()] += value;
                    }
                }
                "salus_final_latency_seconds_sum" => finality.latency_sum_seconds += value,
                "salus_final_latency_seconds_count" => finality.latency_count += value,
                _ => {}
            }
        }
        finality
    }

    /// Mean milliseconds from a transaction's arrival to its finality, of those that became final since.
    fn latency_since(&self, before: &Self) -> Option<f64> {
        let count = self.latency_count - before.latency_count;
        (count > 0.0)
            .then(|| (self.latency_sum_seconds - before.latency_sum_seconds) * 1_000.0 / count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_latency_come_from_the_metrics_text() {
        let text = "\
# TYPE salus_transactions_final_total counter
salus_transactions_final_total{lane=\"emergency\"} 3
salus_transactions_final_total{lane=\"routine\"} 40
salus_final_latency_seconds_bucket{lane=\"routine\",le=\"0.01\"} 40
salus_final_latency_seconds_sum{lane=\"routine\"} 0.4
salus_final_latency_seconds_count{lane=\"routine\"} 40
";

        let finality = Finality::read(text);

        assert_eq!(finality.by_lane, [3.0, 0.0, 40.0, 0.0]);
        let latency = finality.latency_since(&Finality::default()).expect("some");
        assert!((latency - 10.0).abs() < 1e-9);
        assert_eq!(finality.latency_since(&finality), None);
    }
}
