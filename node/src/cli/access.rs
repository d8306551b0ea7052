//! `salus access`: who could open something of a person, and what somebody could open.

use super::status::Node;
use super::{Failure, Outcome};
use clap::{Args, Subcommand};
use salus_primitives::access::Sensitivity;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{EntityId, PractitionerId};
use salus_primitives::reading::Pseudonym;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Every party that could open something of a person now, why, and by which grant.
    Explain(Explain),
    /// Everything that somebody could open now, person by person. Asks a node's API for operators.
    Reach(Reach),
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// Whose data.
    #[arg(long, value_name = "HEX")]
    person: Pseudonym,
    /// The person's salt.
    #[arg(long, value_name = "HEX")]
    salt: Digest,
    /// Which kind, such as `vital_signs`.
    #[arg(long)]
    category: String,
    /// N, R or V.
    #[arg(long, default_value = "N", value_parser = parse_sensitivity)]
    sensitivity: Sensitivity,
    /// The first day: whole days since 1 January 1970.
    #[arg(long)]
    first_day: u32,
    /// The last day.
    #[arg(long)]
    last_day: u32,
    #[command(flatten)]
    node: Node,
}

#[derive(Debug, Args)]
pub(super) struct Reach {
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    node: Node,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// A practitioner.
    #[arg(long, value_name = "HEX")]
    practitioner: Option<PractitionerId>,
    /// A person.
    #[arg(long, value_name = "HEX")]
    person: Option<Pseudonym>,
    /// An entity, by name.
    #[arg(long, value_name = "NAME")]
    entity: Option<String>,
}

pub(super) fn run(command: Command) -> Outcome {
    match command {
        Command::Explain(explain) => explain.run(),
        Command::Reach(reach) => reach.run(),
    }
}

impl Explain {
    fn run(&self) -> Outcome {
        let body = json!({
            "person": self.person,
            "salt": self.salt,
            "category": self.category,
            "sensitivity": self.sensitivity,
            "first_day": self.first_day,
            "last_day": self.last_day,
        });
        let answer: Value = self
            .node
            .client()?
            .post_json("/v1/access/explain", &body)
            .map_err(Failure::failed)?;
        for opening in answer["openings"].as_array().into_iter().flatten() {
            println!("{opening}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Reach {
    fn run(&self) -> Outcome {
        let who = match (&self.who.practitioner, &self.who.person, &self.who.entity) {
            (Some(id), _, _) => json!({"practitioner": id}),
            (None, Some(id), _) => json!({"person": id}),
            (None, None, Some(name)) => json!({"entity": EntityId::of_name(name)}),
            (None, None, None) => unreachable!("clap asks for one of the three"),
        };
        let client = self.node.client()?;
        let mut after = Value::Null;
        loop {
            let body = json!({"who": who, "after": after});
            let answer: Value = client
                .post_json("/v1/access/reach", &body)
                .map_err(Failure::failed)?;
            for reach in answer["reaches"].as_array().into_iter().flatten() {
                println!("{reach}");
            }
            after = answer["after"].clone();
            if after.is_null() {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

fn parse_sensitivity(text: &str) -> Result<Sensitivity, String> {
    Sensitivity::ALL
        .into_iter()
        .find(|sensitivity| sensitivity.code() == text)
        .ok_or_else(|| "one of N, R, V".to_owned())
}
