//! `salus status`: how a node stands.

use super::{Failure, Outcome};
use crate::client::ApiClient;
use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    node: Node,
    /// The node's answer as it is, one JSON object.
    #[arg(long)]
    json: bool,
}

/// Which node to ask.
#[derive(Debug, Args)]
pub(super) struct Node {
    /// The node's API.
    #[arg(long = "api", value_name = "URL", default_value_t = format!("http://{}", crate::config::API))]
    pub(super) url: String,
}

impl Node {
    pub(super) fn client(&self) -> Result<ApiClient, Failure> {
        ApiClient::new(&self.url).map_err(Failure::usage)
    }
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    let status = arguments
        .node
        .client()?
        .status_json()
        .map_err(Failure::failed)?;
    if arguments.json {
        println!("{status}");
    } else {
        print!("{}", lines(&status));
    }
    Ok(ExitCode::SUCCESS)
}

/// One line a field; fields of nested objects carry their path.
fn lines(status: &serde_json::Value) -> String {
    let mut rows = Vec::new();
    flatten(String::new(), status, &mut rows);
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{name:<width$}  {value}\n"))
        .collect()
}

fn flatten(name: String, value: &serde_json::Value, rows: &mut Vec<(String, String)>) {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() {
                    field.clone()
                } else {
                    format!("{name}.{field}")
                };
                flatten(name, value, rows);
            }
        }
        Value::Array(values) if values.iter().any(|value| value.is_object()) => {
            for (index, value) in values.iter().enumerate() {
                flatten(format!("{name}.{index}"), value, rows);
            }
        }
        Value::String(text) => rows.push((name, text.clone())),
        Value::Null => rows.push((name, "-".to_owned())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => rows.push((name, value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_line_whatever_its_depth() {
        let status = serde_json::json!({
            "final_height": 7,
            "halted": null,
            "mempool": {"routine": 2},
            "peers": [{"entity": "pharmacy", "connected": true}],
        });

        let text = lines(&status);

        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows,
            [
                ["final_height", "7"],
                ["halted", "-"],
                ["mempool.routine", "2"],
                ["peers.0.connected", "true"],
                ["peers.0.entity", "pharmacy"],
            ]
        );
    }
}
