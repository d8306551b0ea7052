//! `salus members`, `salus validators` and `salus proposals`: who decides, as a node has it.

use super::status::Node;
use super::{Failure, Outcome};
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Members {
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Args)]
pub(super) struct Validators {
    /// The epoch; the present one and the next if it is not given.
    #[arg(long, value_name = "N")]
    epoch: Option<u64>,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Args)]
pub(super) struct Proposals {
    #[command(flatten)]
    reading: Reading,
}

/// Whom to ask, and how to show the answer.
#[derive(Debug, Args)]
pub(super) struct Reading {
    #[command(flatten)]
    pub(super) node: Node,
    /// The node's answer as it is, one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

impl Members {
    pub(super) fn run(&self) -> Outcome {
        self.reading.show("/v1/members", members)
    }
}

impl Validators {
    pub(super) fn run(&self) -> Outcome {
        let path = match self.epoch {
            Some(epoch) => format!("/v1/validators?epoch={epoch}"),
            None => "/v1/validators".to_owned(),
        };
        self.reading.show(&path, validators)
    }
}

impl Proposals {
    pub(super) fn run(&self) -> Outcome {
        self.reading.show("/v1/proposals", proposals)
    }
}

impl Reading {
    fn show(&self, path: &str, text: impl Fn(&Value) -> String) -> Outcome {
        let answer: Value = self.node.client()?.json(path).map_err(Failure::failed)?;
        if self.json {
            println!("{answer}");
        } else {
            print!("{}", text(&answer));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn members(answer: &Value) -> String {
    let mut rows = vec![row(&[
        "member",
        "role",
        "weight",
        "delegated to it",
        "delegates to",
        "response",
        "rate",
        "price",
        "state",
    ])];
    for member in items(&answer["members"]) {
        let delegates: Vec<String> = items(&member["delegates"])
            .map(|part| format!("{}={}", name(part), cell(&part["weight"])))
            .collect();
        rows.push(vec![
            name(member),
            cell(&member["role"]),
            cell(&member["weight"]),
            cell(&member["delegated_weight"]),
            or_dash(delegates.join(" ")),
            in_thousands(&member["measured"]["response_us"], "ms"),
            in_thousands(&member["measured"]["rate_kbps"], "Mbit/s"),
            cell(&member["price"]),
            state(member).to_owned(),
        ]);
    }
    format!(
        "{}{} of {} weight to pass a proposal\n",
        table(&rows),
        cell(&answer["weight_to_pass"]),
        cell(&answer["total_weight"])
    )
}

/// A number in the next larger unit, to the thousandth.
fn in_thousands(value: &Value, unit: &str) -> String {
    value.as_u64().map_or_else(
        || "-".to_owned(),
        |value| format!("{}.{:03} {unit}", value / 1_000, value % 1_000),
    )
}

/// What keeps a member from being elected, if anything does.
fn state(member: &Value) -> &'static str {
    if !member["jailed"].is_null() {
        "jailed"
    } else if !member["inactive"].is_null() {
        "inactive"
    } else if member["candidate"] == false {
        "does not stand"
    } else if member["keys"].is_null() {
        "no keys"
    } else {
        "stands"
    }
}

fn validators(answer: &Value) -> String {
    let mut text = validator_set(answer);
    if answer["next"].is_object() {
        text.push_str("\nnext: ");
        text.push_str(&validator_set(&answer["next"]));
    }
    text
}

fn validator_set(set: &Value) -> String {
    let mut rows = vec![row(&["seat", "member", "weight", "key"])];
    for validator in items(&set["validators"]) {
        rows.push(vec![
            cell(&validator["seat"]),
            name(validator),
            cell(&validator["weight"]),
            cell(&validator["key"]),
        ]);
    }
    format!(
        "epoch {}, quorum {} of {}\n{}",
        cell(&set["epoch"]),
        cell(&set["quorum_weight"]),
        cell(&set["total_weight"]),
        table(&rows)
    )
}

fn proposals(answer: &Value) -> String {
    let mut text = String::new();
    for proposal in items(&answer["proposals"]) {
        let change = &proposal["change"];
        let mut what = cell(&change["kind"]);
        if !change["entity"].is_null() {
            what.push_str(&format!(" {}", name(change)));
        }
        for (field, label) in [("weight", "weight"), ("percent", "percent")] {
            if !change[field].is_null() {
                what.push_str(&format!(", {label} {}", cell(&change[field])));
            }
        }
        for field in ["lane", "model"] {
            what.push_str(&fields(&change[field]));
        }
        if change["keys"].is_object() {
            what.push_str(&format!(
                "\n  validator key {}\n  network key   {}",
                cell(&change["keys"]["validator_key"]),
                cell(&change["keys"]["network_key"])
            ));
        }
        let signers: Vec<String> = items(&proposal["signers"]).map(name).collect();
        text.push_str(&format!(
            "{}\n  {what}\n  by {}, signed by {}; {} weight is missing; expires after height {}\n",
            cell(&proposal["id"]),
            name(&proposal["by"]),
            signers.join(", "),
            cell(&proposal["missing_weight"]),
            cell(&proposal["expires_at"]),
        ));
    }
    if text.is_empty() {
        text.push_str("no proposal is open\n");
    }
    text
}

/// Every field of an object, on lines of their own.
fn fields(object: &Value) -> String {
    let line = |(field, value): (&String, &Value)| format!("\n    {field} = {value}");
    object.as_object().into_iter().flatten().map(line).collect()
}

pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The name of an entity, or its id if it has none.
pub(super) fn name(entity: &Value) -> String {
    match &entity["name"] {
        Value::String(name) => name.clone(),
        _ => cell(&entity["entity"]),
    }
}

pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn or_dash(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

pub(super) fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|&cell| cell.to_owned()).collect()
}

/// Columns as wide as their widest cell; the last is not padded.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_shown_with_what_keeps_them_from_a_seat() {
        let member = |name: &str, jailed: Value, candidate: bool| {
            json!({
                "entity": "00", "name": name, "role": "hospital", "weight": 3, "delegated_weight": 5,
                "candidate": candidate, "inactive": null, "jailed": jailed, "keys": {},
                "delegates": [{"entity": "01", "name": "ministry", "weight": 3}],
                "measured": {"response_us": 20_150, "rate_kbps": null}, "price": 2,
            })
        };
        let answer = json!({
            "total_weight": 12, "weight_to_pass": 9,
            "members": [
                member("st-mary", Value::Null, true),
                member("clinic", json!({"epoch": 1, "kind": "double_notarize"}), true),
                member("lab", Value::Null, false),
            ],
        });

        let text = members(&answer);

        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("st-mary  hospital  3 "));
        assert!(lines[1].ends_with("ministry=3    20.150 ms  -     2      stands"));
        assert!(lines[2].ends_with("jailed"));
        assert!(lines[3].ends_with("does not stand"));
        assert_eq!(lines[4], "9 of 12 weight to pass a proposal");
    }

    #[test]
    fn a_proposal_is_shown_with_what_it_changes_and_what_it_lacks() {
        let answer = json!({"proposals": [{
            "id": "ab", "change": {"kind": "set_weight", "entity": "00", "name": "clinic", "weight": 4},
            "by": {"entity": "01", "name": "ministry"}, "expires_at": 99,
            "signers": [{"entity": "01", "name": "ministry", "weight": 1}],
            "signed_weight": 1, "missing_weight": 2,
        }]});

        assert_eq!(
            proposals(&answer),
            "ab\n  set_weight clinic, weight 4\n  by ministry, signed by ministry; 2 weight is missing; expires after height 99\n"
        );
        let lane = json!({"proposals": [{
            "id": "ab", "change": {"kind": "set_lane", "lane": {"lane": "bulk", "quota": 0}},
            "by": {"entity": "01", "name": "ministry"}, "expires_at": 99, "signers": [], "missing_weight": 2,
        }]});
        let shown = proposals(&lane);
        assert!(
            shown.starts_with("ab\n  set_lane\n    lane = \"bulk\"\n    quota = 0\n  by"),
            "{shown}"
        );
        assert_eq!(
            proposals(&json!({"proposals": []})),
            "no proposal is open\n"
        );
    }
}
