//! `salus audit`: who has seen what of a person's data, with proofs that need nothing but the genesis hash.

use super::files::write_new;
use super::status::Node;
use super::{Failure, Outcome};
use crate::fhir::audit::{Place, audit_event, provenance};
use clap::{Args, Subcommand, ValueEnum};
use salus_contracts::native::identity::IdentityEvent;
use salus_primitives::access::AccessEvent;
use salus_primitives::audit::{AUDIT_EXPORT_MAX, AuditExport, Audited, AuditedEvent};
use salus_primitives::calls::{ACCESS, IDENTITY};
use salus_primitives::codec;
use salus_primitives::hash::Digest;
use salus_primitives::ids::GenesisHash;
use salus_primitives::reading::Pseudonym;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Fetches everything that was made known about a person, with its proofs, into a file.
    Export(Export),
    /// Checks an export from the genesis hash alone, and shows what it holds.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// Whose.
    #[arg(long, value_name = "HEX")]
    person: Pseudonym,
    /// The person's salt, as `salus tx people register` printed it.
    #[arg(long, value_name = "HEX")]
    salt: Digest,
    /// Where to write it; an existing file is not overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    node: Node,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The export.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The chain's genesis hash.
    #[arg(long, value_name = "HEX")]
    genesis_hash: GenesisHash,
    /// Whose trail it must be; whoever's it is, if it is not given.
    #[arg(long, value_name = "HEX")]
    person: Option<Pseudonym>,
    /// In which form it is shown.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    form: Form,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// A line an event.
    Text,
    /// A JSON object an event, one a line.
    Json,
    /// A FHIR R4 Bundle of AuditEvent and Provenance.
    Fhir,
}

pub(super) fn run(command: Command) -> Outcome {
    match command {
        Command::Export(export) => export.run(),
        Command::Verify(verify) => verify.run(),
    }
}

impl Export {
    fn run(&self) -> Outcome {
        let client = self.node.client()?;
        let bytes = client
            .audit(&self.person, &self.salt)
            .map_err(Failure::failed)?;
        write_new(&self.out, &bytes)?;
        println!("{} bytes in {}", bytes.len(), self.out.display());
        Ok(ExitCode::SUCCESS)
    }
}

impl Verify {
    fn run(&self) -> Outcome {
        let limit = AUDIT_EXPORT_MAX as u64;
        let bytes = crate::bounded::read(&self.file, limit).map_err(|source| {
            Failure::usage(format!("cannot read {}: {source}", self.file.display()))
        })?;
        let export: AuditExport = codec::decode(&bytes, AUDIT_EXPORT_MAX)
            .map_err(|error| Failure::failed(format!("this is no audit export: {error}")))?;
        let audited = export
            .verify(self.genesis_hash)
            .map_err(|error| Failure::failed(format!("the export does not hold: {error}")))?;
        if let Some(expected) = self.person
            && expected != audited.person
        {
            return Err(Failure::failed(format!(
                "the export is of person {}, not {expected}",
                audited.person
            )));
        }
        match self.form {
            Form::Text => print_text(&audited),
            Form::Json => audited
                .events
                .iter()
                .for_each(|event| println!("{}", json_of(event))),
            Form::Fhir => println!("{:#}", bundle_of(&audited)),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// An event in its own type.
enum Known {
    Access(AccessEvent),
    Identity(IdentityEvent),
    Other,
}

fn known(event: &AuditedEvent) -> Known {
    let data = event.event.data.as_slice();
    let contract = event.event.contract;
    if contract == ACCESS
        && let Ok(event) = codec::decode(data, data.len())
    {
        return Known::Access(event);
    }
    if contract == IDENTITY
        && let Ok(event) = codec::decode(data, data.len())
    {
        return Known::Identity(event);
    }
    Known::Other
}

fn value_of(event: &AuditedEvent) -> Value {
    match known(event) {
        Known::Access(event) => json!(event),
        Known::Identity(event) => json!(event),
        Known::Other => json!({"contract": event.event.contract, "topic": event.event.topic}),
    }
}

fn json_of(event: &AuditedEvent) -> Value {
    json!({
        "height": event.height,
        "time_ms": event.time,
        "transaction": event.transaction,
        "event": value_of(event),
    })
}

fn print_text(audited: &Audited) {
    println!(
        "person {}: {} events, complete up to block {}, proven from {}",
        audited.person,
        audited.events.len(),
        audited.through,
        audited.genesis
    );
    for event in &audited.events {
        println!(
            "{:>8} {:>14}  {}",
            event.height,
            event.time.as_millis(),
            value_of(event)
        );
    }
}

fn bundle_of(audited: &Audited) -> Value {
    let mut resources = Vec::new();
    for event in &audited.events {
        let Known::Access(known) = known(event) else {
            continue;
        };
        let place = Place {
            chain: audited.genesis,
            height: event.height,
            time: event.time,
            transaction: event.transaction,
            event: event.index,
        };
        resources.push(audit_event(&known, &place));
        resources.extend(provenance(&known, &place));
    }
    let entries: Vec<_> = resources
        .into_iter()
        .map(|resource| json!({"resource": resource}))
        .collect();
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries})
}
