//! The story of a delegation: five members, four seats. The institute's weight goes to the fifth member, which is elected by that and
//! takes the institute's seat two epochs later; then the weight goes back. All the while transactions are final.

use super::children::Interrupt;
use super::homes::{Homes, Shape};
use super::load::{Load, Sample};
use super::report::compare_roots;
use super::validators::Validators;
use super::{Console, LocalnetError, READY_LIMIT, SETTLE_LIMIT};
use crate::cli::tx::signed_call;
use crate::cli::{Failure, Outcome};
use crate::keys::NodeKeys;
use salus_primitives::calls::{Delegation, STAKING, StakingCall};
use salus_primitives::ids::EntityId;
use salus_primitives::transaction::Call;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The members' weights: with four seats, the last has none at first.
const WEIGHTS: [u64; 5] = [12, 11, 10, 9, 8];
const SEATS: u16 = 4;
/// Who gives its weight away, and to whom, by their place among the members.
const GIVER: usize = 3;
const TAKER: usize = 4;
/// Blocks in an epoch: a few seconds under the story's load.
const EPOCH_BLOCKS: u64 = 60;
/// For how long each act may last.
const ACT_LIMIT: Duration = Duration::from_secs(120);
const POLL_EVERY: Duration = Duration::from_millis(100);

/// The validators of an epoch: names and weights in the order of their seats.
type Seats = Vec<(String, u64)>;

#[derive(Deserialize)]
struct SetBody {
    epoch: u64,
    validators: Vec<SeatBody>,
}

#[derive(Deserialize)]
struct SeatBody {
    name: Option<String>,
    weight: u64,
}

/// A network under load, and what was seen of its epochs.
struct Story<'a> {
    console: Console,
    homes: &'a Homes,
    validators: &'a mut Validators,
    interrupt: &'a Interrupt,
    epochs: BTreeMap<u64, Seats>,
}

/// Runs the story to its end, and tells whether all went as it should.
pub(super) fn run(
    console: Console,
    epoch_blocks: Option<u64>,
    keep: Option<&Path>,
    json: bool,
) -> Outcome {
    let interrupt = Interrupt::listen().map_err(Failure::failed)?;
    let shape = Shape {
        weights: WEIGHTS.to_vec(),
        seats: Some(SEATS),
        epoch_blocks: Some(epoch_blocks.unwrap_or(EPOCH_BLOCKS)),
    };
    let homes = Homes::make(&shape, keep)?;
    console.say(&format!(
        "chain {} of {} members with {SEATS} seats in {}",
        homes.genesis().hash,
        WEIGHTS.len(),
        homes.root().display()
    ));
    let mut validators = Validators::start(&homes)?;
    validators.wait_ready(READY_LIMIT, &interrupt)?;
    let load = Load::start(&homes, &validators)?;

    let mut story = Story {
        console,
        homes: &homes,
        validators: &mut validators,
        interrupt: &interrupt,
        epochs: BTreeMap::new(),
    };
    let epochs = story.tell()?;
    let samples = load.finish();

    let limit = Instant::now() + SETTLE_LIMIT;
    let lost = count_lost(&validators, &samples, limit)?;
    let (final_height, roots_agree) = compare_roots(&validators, limit, &interrupt)?;
    validators.stop();
    let rows = rows(&homes, &epochs, &samples);
    console.say(&table(&rows));
    let success = lost == 0 && roots_agree && samples.iter().all(|sample| sample.height.is_some());
    console.say(&format!(
        "submitted {}, final on every node {}, state roots {} at height {final_height}",
        samples.len(),
        samples.len() - lost,
        if roots_agree { "agree" } else { "DIFFER" },
    ));
    if keep.is_some() {
        console.say(&homes.instructions());
    }
    if json {
        let epochs: Vec<_> = rows.iter().map(Row::json).collect();
        println!(
            "{}",
            json!({
                "story": "delegation",
                "epochs": epochs,
                "submitted": samples.len(),
                "final": samples.len() - lost,
                "final_height": final_height,
                "state_roots_agree": roots_agree,
                "genesis_hash": homes.genesis().hash,
            })
        );
    }
    Ok(if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Story<'_> {
    fn tell(&mut self) -> Result<BTreeMap<u64, Seats>, LocalnetError> {
        let names = self.homes.validators();
        let (giver, taker) = (names[GIVER].name.clone(), names[TAKER].name.clone());
        self.until("the first epoch ends", |epoch, _| epoch >= 2)?;
        self.console
            .say(&format!("        {giver} delegates its weight to {taker}"));
        self.delegate(&taker)?;
        self.until("the delegation takes effect", |_, seats| {
            has(seats, &taker) && !has(seats, &giver)
        })?;
        self.console.say(&format!(
            "        {giver} delegates its weight to itself again"
        ));
        self.delegate(&giver)?;
        self.until("the weight is back", |_, seats| {
            has(seats, &giver) && !has(seats, &taker)
        })?;
        let last = self.epochs.keys().next_back().copied().unwrap_or(0);
        self.until("one more epoch ends", |epoch, _| epoch > last)?;
        Ok(std::mem::take(&mut self.epochs))
    }

    /// Follows the epochs until something holds of the present one.
    fn until(
        &mut self,
        what: &str,
        holds: impl Fn(u64, &Seats) -> bool,
    ) -> Result<(), LocalnetError> {
        let end = Instant::now() + ACT_LIMIT;
        loop {
            self.interrupt.check()?;
            self.validators.check_running()?;
            let client = self.validators.hospital().client();
            let set: SetBody = client.json("/v1/validators")?;
            let seats: Seats = set
                .validators
                .into_iter()
                .map(|seat| (seat.name.unwrap_or_default(), seat.weight))
                .collect();
            if self.epochs.insert(set.epoch, seats.clone()).is_none() {
                self.console
                    .say(&format!("epoch {:>3}  {}", set.epoch, shown(&seats)));
            }
            if holds(set.epoch, &seats) {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(LocalnetError::Story {
                    what: what.to_owned(),
                    waited: ACT_LIMIT,
                });
            }
            std::thread::sleep(POLL_EVERY);
        }
    }

    /// The giver delegates its whole weight, over its own node.
    fn delegate(&self, to: &str) -> Result<(), LocalnetError> {
        let giver = &self.homes.validators()[GIVER];
        let keys = NodeKeys::read(&giver.home.keys_file())?;
        let client = giver.client()?;
        let call = StakingCall::Delegate(Delegation::Whole(EntityId::of_name(to)));
        let call = Call::new(STAKING, &call);
        let transaction = signed_call(&client, &keys, self.homes.genesis().hash, call)?;
        let id = client.submit(&transaction)?;
        let view = client.transaction(&id, ACT_LIMIT.min(Duration::from_secs(30)))?;
        if view.is_ok() {
            return Ok(());
        }
        Err(LocalnetError::Delegation {
            state: match view.outcome {
                Some(outcome) => format!("{} with outcome {outcome}", view.status),
                None => view.status,
            },
        })
    }
}

/// How many of the transactions are not final on every node.
fn count_lost(
    validators: &Validators,
    samples: &[Sample],
    end: Instant,
) -> Result<usize, LocalnetError> {
    let mut lost = 0;
    for sample in samples {
        let mut everywhere = true;
        for validator in validators.iter() {
            let left = end.saturating_duration_since(Instant::now());
            everywhere &= validator.client().transaction(&sample.id, left)?.is_ok();
        }
        lost += usize::from(!everywhere);
    }
    Ok(lost)
}

/// One epoch in the table.
struct Row {
    epoch: u64,
    seats: Seats,
    /// Milliseconds from submission to finality of the transactions that became final in it, ascending.
    latencies: Vec<f64>,
}

fn rows(homes: &Homes, epochs: &BTreeMap<u64, Seats>, samples: &[Sample]) -> Vec<Row> {
    let parameters = &homes.genesis().parameters;
    let mut latencies: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for sample in samples {
        if let Some(height) = sample.height {
            let epoch = parameters.epoch_at(height).get();
            latencies.entry(epoch).or_default().push(sample.latency_ms);
        }
    }
    epochs
        .iter()
        .map(|(epoch, seats)| {
            let mut latencies = latencies.remove(epoch).unwrap_or_default();
            latencies.sort_by(f64::total_cmp);
            Row {
                epoch: *epoch,
                seats: seats.clone(),
                latencies,
            }
        })
        .collect()
}

impl Row {
    fn median(&self) -> Option<f64> {
        self.latencies.get(self.latencies.len() / 2).copied()
    }

    fn json(&self) -> serde_json::Value {
        let validators: Vec<_> = self
            .seats
            .iter()
            .map(|(name, weight)| json!({"name": name, "weight": weight}))
            .collect();
        json!({
            "epoch": self.epoch,
            "validators": validators,
            "final": self.latencies.len(),
            "latency_ms": {"p50": self.median(), "max": self.latencies.last()},
        })
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "\n{:>5} {:>7} {:>9} {:>9}  validators\n",
        "epoch", "final", "p50 ms", "max ms"
    );
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
    for row in rows {
        text.push_str(&format!(
            "{:>5} {:>7} {:>9} {:>9}  {}\n",
            row.epoch,
            row.latencies.len(),
            number(row.median()),
            number(row.latencies.last().copied()),
            shown(&row.seats)
        ));
    }
    text
}

fn has(seats: &Seats, name: &str) -> bool {
    seats.iter().any(|(seat, _)| seat == name)
}

/// The heaviest first.
fn shown(seats: &Seats) -> String {
    let mut seats = seats.clone();
    seats.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let seats: Vec<String> = seats
        .iter()
        .map(|(name, weight)| format!("{name} {weight}"))
        .collect();
    seats.join(", ")
}
