//! What a run came to, as numbers and as CSV.

use super::Experiment;
use super::cluster::Cluster;
use super::founding::lane_of;
use super::load::Load;
use salus_primitives::lane::Lane;
use salus_primitives::lanes::Policy;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One kind of transaction in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// How many validators.
    pub validators: usize,
    /// What clients asked for.
    pub load: Load,
    /// How blocks were configured.
    pub policy: Policy,
    /// The lane that such transactions belong to; under [`Policy::Fixed`] all are in one.
    pub lane: Lane,
    /// m in force.
    pub verifier_count: u16,
    /// theta in force.
    pub transaction_limit: u32,
    /// How many transactions counted.
    pub transactions: usize,
    /// Of them, how many were never seen attested or final.
    pub unattested: usize,
    /// See [`Row::unattested`].
    pub unfinished: usize,
    /// How many such transactions became final in a second, while clients submitted.
    pub per_second: f64,
    /// From submission to attestation.
    pub attested: Latency,
    /// From submission to finality.
    pub finality: Latency,
    /// The paper's C of a block with such transactions in it, as if it had one transaction: the sum of its verifiers' prices. Mean.
    pub cost_block: f64,
    /// The same, divided by the transactions that were in the block. Mean over the transactions.
    pub cost_transaction: f64,
}

/// In milliseconds; nothing where there is nothing to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latency {
    /// The median.
    pub median_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
}

/// Names of the columns.
const COLUMNS: &str = "validators,load,policy,lane,m,theta,transactions,unattested,unfinished,per_second,attested_median_ms,attested_p99_ms,final_median_ms,final_p99_ms,cost_block,cost_transaction";

/// One row a lane.
#[expect(clippy::cast_precision_loss, reason = "counts of a run of seconds")]
pub(super) fn rows(experiment: &Experiment, cluster: &Cluster) -> Vec<Row> {
    let record = &cluster.record;
    let mut costs: BTreeMap<Lane, Costs> = BTreeMap::new();
    for block in record.finals() {
        let price = cluster.price(&block.committee);
        let mut kinds: BTreeMap<Lane, u64> = BTreeMap::new();
        for kind in block.transactions.iter().filter_map(|id| record.kind(id)) {
            *kinds.entry(kind).or_default() += 1;
        }
        for (kind, count) in kinds {
            let costs = costs.entry(kind).or_default();
            costs.blocks += 1;
            costs.transactions += count;
            if block.at_us <= cluster.demand_ends_us {
                costs.in_time += count;
            }
            costs.of_blocks += price;
            costs.of_transactions += price * count as f64 / block.transactions.len() as f64;
        }
    }
    Lane::ALL
        .into_iter()
        .map(|lane| {
            let of_lane = || record.samples().filter(move |sample| sample.kind == lane);
            let attested: Vec<u64> = of_lane().filter_map(|it| it.attested_after_us()).collect();
            let finality: Vec<u64> = of_lane().filter_map(|it| it.final_after_us()).collect();
            let transactions = of_lane().count();
            let config = cluster.lane(lane_of(experiment.policy, lane));
            let costs = costs.remove(&lane).unwrap_or_default();
            Row {
                validators: experiment.validators,
                load: experiment.load,
                policy: experiment.policy,
                lane,
                verifier_count: u16::try_from(config.verifiers.count()).unwrap_or(u16::MAX),
                transaction_limit: config.transaction_limit,
                transactions,
                unattested: transactions - attested.len(),
                unfinished: transactions - finality.len(),
                per_second: costs.in_time as f64 / experiment.seconds as f64,
                attested: Latency::of(attested),
                finality: Latency::of(finality),
                cost_block: costs.of_blocks / costs.blocks.max(1) as f64,
                cost_transaction: costs.of_transactions / costs.transactions.max(1) as f64,
            }
        })
        .collect()
}

#[derive(Debug, Default)]
struct Costs {
    blocks: u64,
    transactions: u64,
    in_time: u64,
    of_blocks: f64,
    of_transactions: f64,
}

impl Latency {
    fn of(mut us: Vec<u64>) -> Self {
        us.sort_unstable();
        let percentile = |percent: usize| {
            let rank = (us.len() * percent).div_ceil(100);
            us.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds of a run of seconds"
        )]
        let ms = |percent| percentile(percent) as f64 / 1_000.0;
        Self {
            median_ms: ms(50),
            p99_ms: ms(99),
        }
    }
}

/// All rows with a header.
#[must_use]
pub fn csv(rows: &[Row]) -> String {
    let mut csv = format!("{COLUMNS}\n");
    for row in rows {
        // writing to a string does not fail
        let _ = writeln!(
            csv,
            "{},{},{},{},{},{},{},{},{},{:.1},{:.1},{:.1},{:.1},{:.1},{:.3},{:.4}",
            row.validators,
            row.load.name(),
            row.policy.name(),
            row.lane,
            row.verifier_count,
            row.transaction_limit,
            row.transactions,
            row.unattested,
            row.unfinished,
            row.per_second,
            row.attested.median_ms,
            row.attested.p99_ms,
            row.finality.median_ms,
            row.finality.p99_ms,
            row.cost_block,
            row.cost_transaction,
        );
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nearest ranks: the 99th percentile of a hundred is the second greatest.
    #[test]
    fn percentiles_are_values_that_occurred() {
        let latency = Latency::of((1..=100).rev().map(|ms| ms * 1_000).collect());

        assert_eq!((latency.median_ms, latency.p99_ms), (50.0, 99.0));
        assert_eq!(Latency::of(vec![7_000]).p99_ms, 7.0);
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }
}
