//! What the run comes to, checked on every validator.

use super::LocalnetError;
use super::children::Interrupt;
use super::device::EdgeSummary;
use super::homes::Homes;
use super::validators::Validators;
use salus_primitives::ids::{GenesisHash, Height};
use salus_primitives::lanes::EpochLanes;
use salus_primitives::transaction::TxId;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// The summary of a run.
#[derive(Debug)]
pub(super) struct Report {
    validators: usize,
    genesis_hash: GenesisHash,
    /// The highest height final on all.
    final_height: u64,
    /// The epoch of the block after that one.
    epoch: u64,
    state_roots_agree: bool,
    /// Of the proven transactions, how many each validator has in a final block, by the validator's name.
    final_on: Vec<(String, usize)>,
    /// How many distinct transactions were proven.
    transactions: usize,
    edge: EdgeSummary,
    /// How blocks were configured at the end.
    lanes: EpochLanes,
}

impl Report {
    /// Asks every validator about every transaction, and compares the validators' states.
    pub(super) fn gather(
        homes: &Homes,
        validators: &Validators,
        edge: EdgeSummary,
        limit: Duration,
        interrupt: &Interrupt,
    ) -> Result<Self, LocalnetError> {
        let end = Instant::now() + limit;
        let ids = proven_ids(&homes.proofs_folder())?;
        let mut final_on = Vec::new();
        for validator in validators.iter() {
            let mut count = 0;
            for id in &ids {
                interrupt.check()?;
                let left = end.saturating_duration_since(Instant::now());
                if validator.client().transaction(id, left)?.is_ok() {
                    count += 1;
                }
            }
            final_on.push((validator.name().to_owned(), count));
        }
        let (final_height, state_roots_agree) = compare_roots(validators, end, interrupt)?;
        let lanes = validators.hospital().client().lanes()?;
        let next = Height::new(final_height).next();
        let epoch = homes.genesis().parameters.epoch_at(next).get();
        Ok(Self {
            validators: validators.len(),
            genesis_hash: homes.genesis().hash,
            final_height,
            epoch,
            state_roots_agree,
            final_on,
            transactions: ids.len(),
            edge,
            lanes,
        })
    }

    /// Whether every submitted transaction is final on every validator, the edge proved every receipt, and the roots agree.
    pub(super) fn is_success(&self) -> bool {
        let edge = &self.edge;
        self.state_roots_agree
            && edge.rejected == 0
            && edge.proven == edge.submitted
            && u64::try_from(self.transactions) == Ok(edge.submitted)
            && self
                .final_on
                .iter()
                .all(|(_, count)| *count == self.transactions)
    }

    /// The one object for programs.
    pub(super) fn json(&self) -> serde_json::Value {
        json!({
            "validators": self.validators,
            "final_height": self.final_height,
            "epoch": self.epoch,
            "submitted": self.edge.submitted,
            "final": self.edge.r#final,
            "rejected": self.edge.rejected,
            "proven": self.edge.proven,
            "lanes": self.lanes(),
            "absent_samples": self.edge.absent_samples,
            "absent_rows": self.edge.absent_rows,
            "alarm_ms_max": self.edge.alarm_ms_max,
            "state_roots_agree": self.state_roots_agree,
            "genesis_hash": self.genesis_hash,
        })
    }

    /// What the device measured in each lane, with how many verifiers attest its blocks and how many transactions these hold at most:
    /// `m` and `theta` of the last epoch.
    fn lanes(&self) -> Map<String, Value> {
        let mut lanes = self.edge.lanes.clone();
        for (name, values) in &mut lanes {
            let lane = name.parse().ok().and_then(|lane| self.lanes.lane(lane));
            if let (Some(lane), Some(values)) = (lane, values.as_object_mut()) {
                values.insert("m".to_owned(), lane.verifiers.count().into());
                values.insert("theta".to_owned(), lane.transaction_limit.into());
            }
        }
        lanes
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let edge = &self.edge;
        let mut text = format!(
            "\n{:<12} {:>4} {:>6} {:>9} {:>10} {:>8} {:>10} {:>10} {:>10}\n",
            "lane", "m", "theta", "attested", "p50 ms", "final", "p50 ms", "p99 ms", "max ms"
        );
        for (lane, values) in self.lanes() {
            let (latency, attested) = (&values["latency_ms"], &values["attested_ms"]);
            text.push_str(&format!(
                "{lane:<12} {:>4} {:>6} {:>9} {:>10} {:>8} {:>10} {:>10} {:>10}\n",
                values["m"].to_string(),
                values["theta"].to_string(),
                values["attested"].to_string(),
                match &attested["p50"] {
                    Value::Null => "-".to_owned(),
                    median => median.to_string(),
                },
                values["final"].to_string(),
                latency["p50"].to_string(),
                latency["p99"].to_string(),
                latency["max"].to_string(),
            ));
        }
        let on_all = self.final_on.iter().map(|(_, count)| *count).min();
        text.push('\n');
        let mut row = |name: &str, value: String| {
            text.push_str(&format!("{name:<28} {value}\n"));
        };
        row("submitted", edge.submitted.to_string());
        row("final on every validator", on_all.unwrap_or(0).to_string());
        row("proven to the device", edge.proven.to_string());
        row("rejected", edge.rejected.to_string());
        row("samples absent", edge.absent_samples.to_string());
        row("rows without any sample", edge.absent_rows.to_string());
        row("alarms raised", edge.alarms.to_string());
        row("slowest alarm", format!("{} ms", edge.alarm_ms_max));
        row(
            "input",
            if edge.input_ended {
                "read to its end"
            } else {
                "cut off by the time limit"
            }
            .to_owned(),
        );
        row("replay took", format!("{:.1} s", edge.elapsed_ms / 1_000.0));
        row("height final on all", self.final_height.to_string());
        row("epoch", self.epoch.to_string());
        row(
            "state roots",
            if self.state_roots_agree {
                "agree"
            } else {
                "DIFFER"
            }
            .to_owned(),
        );
        row("genesis hash", self.genesis_hash.to_string());
        for (name, count) in &self.final_on {
            if *count != self.transactions {
                let missing = self.transactions - count;
                text.push_str(&format!("{name} does not have {missing} of them\n"));
            }
        }
        text.push_str(if self.is_success() {
            "everything is final and proven"
        } else {
            "NOT everything is final and proven"
        });
        text
    }
}

/// The device keeps each proof in a file named after its transaction.
fn proven_ids(folder: &Path) -> Result<BTreeSet<TxId>, LocalnetError> {
    let error = |source| LocalnetError::File {
        action: "read",
        path: folder.into(),
        source,
    };
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        let id: Option<TxId> = name
            .to_str()
            .and_then(|name| name.strip_suffix(".proof"))
            .and_then(|name| name.parse().ok());
        ids.extend(id);
    }
    Ok(ids)
}

/// Waits until all validators are at one height, and compares the roots of the state after it. If the chain does not rest until
/// `end`, compares the roots below the highest height that is final on all.
pub(super) fn compare_roots(
    validators: &Validators,
    end: Instant,
    interrupt: &Interrupt,
) -> Result<(u64, bool), LocalnetError> {
    loop {
        interrupt.check()?;
        let statuses = validators
            .iter()
            .map(|validator| validator.client().status())
            .collect::<Result<Vec<_>, _>>()?;
        let height = statuses
            .iter()
            .map(|status| status.final_height)
            .min()
            .unwrap_or(0);
        if statuses.iter().all(|status| status.final_height == height) {
            let roots: BTreeSet<&str> = statuses
                .iter()
                .map(|status| status.state_root.as_str())
                .collect();
            return Ok((height, roots.len() == 1));
        }
        if Instant::now() >= end {
            let headers = validators
                .iter()
                .map(|validator| validator.client().header(Height::new(height)))
                .collect::<Result<Vec<_>, _>>()?;
            let roots: BTreeSet<String> = headers
                .into_iter()
                .map(|header| header.parent_state_root)
                .collect();
            return Ok((height, roots.len() == 1));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
