//! `salus lanes`: how blocks of each lane are configured, and who attests them, as a node has it.

use super::views::{Reading, cell, items, name, row, table};
use super::{Failure, Outcome};
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Lanes {
    /// The epoch; the present one and the next if it is not given.
    #[arg(long, value_name = "N")]
    epoch: Option<u64>,
    #[command(flatten)]
    reading: Reading,
}

impl Lanes {
    pub(super) fn run(&self) -> Outcome {
        let of = |path: &str| match self.epoch {
            Some(epoch) => format!("{path}?epoch={epoch}"),
            None => path.to_owned(),
        };
        let client = self.reading.node.client()?;
        let ask = |path: &str| client.json(&of(path)).map_err(Failure::failed);
        let lanes: Value = ask("/v1/lanes")?;
        if self.reading.json {
            println!("{lanes}");
        } else {
            print!("{}", show(&lanes, &ask("/v1/validators")?));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The lanes of an epoch and of the next, with the names of their verifiers. The node's two answers can be of different epochs, if one
/// ended between them: then seats are shown by number.
fn show(lanes: &Value, validators: &Value) -> String {
    let mut text = epoch(lanes, validators);
    if lanes["next"].is_object() {
        text.push_str("\nnext: ");
        text.push_str(&epoch(&lanes["next"], &validators["next"]));
    }
    text
}

fn epoch(lanes: &Value, validators: &Value) -> String {
    let known = (lanes["epoch"] == validators["epoch"]).then_some(validators);
    let mut rows = vec![row(&[
        "lane",
        "policy",
        "m",
        "theta",
        "quota",
        "longest wait",
        "reserved",
        "verifiers",
    ])];
    for lane in items(&lanes["lanes"]) {
        let said = &lane["parameters"];
        let (count, verifiers) = verifiers(&lane["verifiers"], known);
        rows.push(vec![
            cell(&said["lane"]),
            cell(&said["policy"]),
            count,
            cell(&lane["transaction_limit"]),
            match said["quota"].as_u64() {
                Some(0) => "none".to_owned(),
                _ => cell(&said["quota"]),
            },
            format!("{} ms", cell(&said["wait_max_ms"])),
            format!("{} %", cell(&said["reserved_percent"])),
            verifiers,
        ]);
    }
    format!(
        "epoch {}, at most {} bytes of transactions in a block\n{}",
        cell(&lanes["epoch"]),
        cell(&lanes["block_bytes"]),
        table(&rows)
    )
}

/// How many, and who: by name if the epoch's validators are known.
fn verifiers(verifiers: &Value, validators: Option<&Value>) -> (String, String) {
    let Some(chosen) = verifiers["chosen"].as_array() else {
        return (cell(&verifiers["rotating"]), "by turns".to_owned());
    };
    let who = |seat: &Value| {
        let mut seats = items(validators.map_or(&Value::Null, |known| &known["validators"]));
        match seats.find(|validator| &validator["seat"] == seat) {
            Some(validator) => name(validator),
            None => format!("seat {seat}"),
        }
    };
    let names: Vec<String> = chosen.iter().map(who).collect();
    (chosen.len().to_string(), names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lane(name: &str, verifiers: Value, quota: u64) -> Value {
        json!({
            "parameters": {
                "lane": name, "policy": "exact", "quota": quota, "wait_max_ms": 1000, "reserved_percent": 5,
            },
            "verifiers": verifiers,
            "transaction_limit": 64,
        })
    }

    #[test]
    fn lanes_are_shown_with_the_names_of_their_verifiers() {
        let lanes = json!({
            "epoch": 3, "block_bytes": 1000,
            "lanes": [lane("emergency", json!({"chosen": [0, 2]}), 50), lane("bulk", json!({"rotating": 4}), 0)],
            "next": {"epoch": 4, "block_bytes": 900, "lanes": [lane("emergency", json!({"chosen": [1]}), 50)]},
        });
        let seat = |seat: u16, name: &str| json!({"seat": seat, "entity": "00", "name": name});
        let validators = json!({
            "epoch": 3,
            "validators": [seat(0, "st-mary"), seat(1, "clinic"), seat(2, "lab")],
            "next": {"epoch": 5, "validators": [seat(1, "clinic")]},
        });

        let text = show(&lanes, &validators);

        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "epoch 3, at most 1000 bytes of transactions in a block"
        );
        assert_eq!(
            lines[2],
            "emergency  exact   2  64     50     1000 ms       5 %       st-mary lab"
        );
        assert!(
            lines[3].ends_with("4  64     none   1000 ms       5 %       by turns"),
            "{}",
            lines[3]
        );
        assert_eq!(
            lines[5],
            "next: epoch 4, at most 900 bytes of transactions in a block"
        );
        // the validators are of another epoch: the one before ended in between
        assert!(lines[7].ends_with("seat 1"), "{}", lines[7]);
    }
}
