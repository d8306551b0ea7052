//! `salus keys`: a node's keys.

use super::Outcome;
use super::files::make_folder;
use crate::home::Home;
use crate::keys::{NodeKeys, PublicKeys};
use clap::{Args, Subcommand};
use salus_primitives::calls::Role;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes new keys, and prints their public part as a member's entry for a genesis file.
    New(New),
    /// Prints the public part of keys that exist.
    Show(Show),
}

#[derive(Debug, Args)]
pub(super) struct New {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    member: Member,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    member: Member,
}

/// Where the key file is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// A node's home; the keys are in its file `keys`. Made if it is missing.
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The key file itself.
    #[arg(long, visible_alias = "file", value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What stands beside the keys in a member's entry.
#[derive(Debug, Args)]
struct Member {
    /// The member's name: lower-case letters and digits, with . _ - inside. Its id derives from it.
    #[arg(long)]
    name: String,
    /// hospital, pharmacy, insurer, institute or ministry.
    #[arg(long, value_parser = parse_role)]
    role: Role,
    /// Its weight in consensus.
    #[arg(long, default_value_t = 1)]
    weight: u64,
}

pub(super) fn run(command: Command) -> Outcome {
    let (public, member) = match command {
        Command::New(New { place, member }) => {
            if let Some(home) = &place.home {
                make_folder(home)?;
            }
            let keys = NodeKeys::generate()?;
            keys.write_new(&place.file())?;
            (keys.public(), member)
        }
        Command::Show(Show { place, member }) => (NodeKeys::read(&place.file())?.public(), member),
    };
    print!("{}", member.entry(&public));
    Ok(ExitCode::SUCCESS)
}

impl Place {
    fn file(&self) -> PathBuf {
        match (&self.home, &self.out) {
            (Some(home), _) => Home::new(home).keys_file(),
            (None, Some(file)) => file.clone(),
            (None, None) => unreachable!("clap asks for one of the two"),
        }
    }
}

impl Member {
    fn entry(&self, public: &PublicKeys) -> String {
        format!(
            "\
[[members]]
name = {name}
role = \"{role}\"
weight = {weight}
operator_key = \"{operator}\"
validator_key = \"{validator}\"
network_key = \"{network}\"
exchange_key = \"{exchange}\"
",
            name = toml::Value::from(self.name.as_str()),
            role = self.role,
            weight = self.weight,
            operator = public.operator,
            validator = public.validator,
            network = public.network,
            exchange = public.exchange,
        )
    }
}

/// A role by its name in files.
pub(super) fn parse_role(text: &str) -> Result<Role, String> {
    Role::ALL
        .into_iter()
        .find(|role| role.name() == text)
        .ok_or_else(|| {
            let names: Vec<&str> = Role::ALL.into_iter().map(Role::name).collect();
            format!("the roles are {}", names.join(", "))
        })
}
