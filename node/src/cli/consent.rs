//! `salus consent`: a FHIR R4 Consent as calls for the patient's side to sign.

use super::files::write_new;
use super::{Failure, Outcome};
use crate::fhir::consent::{Directory, Effect, Imported, import};
use clap::Args;
use salus_contracts::native::identity::name_is_valid;
use salus_primitives::access::Grantee;
use salus_primitives::calls::AccessCall;
use salus_primitives::codec;
use salus_primitives::ids::{EntityId, PractitionerId};
use salus_primitives::reading::Pseudonym;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The consent: one FHIR R4 Consent in JSON.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What its references mean here: a TOML file with the tables `patients` (reference = pseudonym), `practitioners` (reference = id) and
    /// `organizations` (reference = name).
    #[arg(long, value_name = "FILE")]
    directory: PathBuf,
    /// The organization, by name, that a permission without a recipient is for. Without it such a consent is refused.
    #[arg(long, value_name = "NAME")]
    recipient: Option<String>,
    /// Where to write the calls, for `salus-edge access import` to sign; an existing file is not overwritten.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The directory as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectoryFile {
    #[serde(default)]
    patients: BTreeMap<String, Pseudonym>,
    #[serde(default)]
    practitioners: BTreeMap<String, PractitionerId>,
    #[serde(default)]
    organizations: BTreeMap<String, String>,
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    let directory = arguments.read_directory()?;
    let consent = read(&arguments.file)?;
    let imported = import(&consent, &directory)
        .map_err(|refusal| Failure::failed(format!("{}: {refusal}", arguments.file.display())))?;
    for remark in &imported.remarks {
        eprintln!("note: {remark}");
    }
    for rule in &imported.rules {
        let effect = match rule.effect {
            Effect::Permit => "permit",
            Effect::Deny => "deny",
        };
        println!("{}", json!({"effect": effect, "terms": rule.terms}));
    }
    if let Some(out) = &arguments.out {
        write_new(out, &codec::encode(&calls(&imported)))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn read_directory(&self) -> Result<Directory, Failure> {
        let bad = |problem: &dyn std::fmt::Display| {
            Failure::usage(format!("{}: {problem}", self.directory.display()))
        };
        let text = String::from_utf8(read(&self.directory)?).map_err(|error| bad(&error))?;
        let file: DirectoryFile = toml::from_str(&text).map_err(|error| bad(&error))?;
        let entity = |name: &str| match name_is_valid(name) {
            true => Ok(Grantee::Entity(EntityId::of_name(name))),
            false => Err(bad(&format!("{name:?} is no name of an entity"))),
        };
        let practitioners = file.practitioners.into_iter();
        let mut grantees: BTreeMap<String, Grantee> = practitioners
            .map(|(reference, id)| (reference, Grantee::Practitioner(id)))
            .collect();
        for (reference, name) in file.organizations {
            grantees.insert(reference, entity(&name)?);
        }
        Ok(Directory {
            patients: file.patients,
            grantees,
            recipient: self.recipient.as_deref().map(entity).transpose()?,
        })
    }
}

/// What the patient's side is to sign.
fn calls(imported: &Imported) -> Vec<AccessCall> {
    let rules = imported.rules.iter();
    rules
        .map(|rule| match rule.effect {
            Effect::Permit => AccessCall::Grant(rule.terms),
            Effect::Deny => AccessCall::Deny(rule.terms),
        })
        .collect()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    crate::bounded::read(path, FILE_BYTES_MAX)
        .map_err(|source| Failure::usage(format!("cannot read {}: {source}", path.display())))
}

const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
