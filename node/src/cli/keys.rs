//! `salus keys`: a node's keys.

use super::files::make_folder;
use super::{Failure, Outcome};
use crate::home::{Home, HomeError, read_genesis};
use crate::keys::{KeysError, NodeKeys, PublicKeys, Rotation};
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
    /// Makes the keys that a validator goes on with once governance has rotated to them, and their own empty vote journal.
    Rotate(Rotate),
    /// Makes the secret from which the pseudonyms of an entity's patients and practitioners derive. Back it up: without it nobody finds
    /// the pseudonym of a patient again.
    Relation(Relation),
    /// Puts rotated keys in the place of the old ones. A running node does that by itself when they are in force; this is for one
    /// that was stopped for so long that its old network key is not let in any more.
    Adopt(Adopt),
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// The node's home, as `salus init` made it. The node may run.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Also makes another network key.
    #[arg(long)]
    network: bool,
}

#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// The node's home. The node must not run.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Relation {
    /// Where to write it (mode 600; an existing file is not overwritten).
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
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
    match command {
        Command::New(New { place, member }) => {
            if let Some(home) = &place.home {
                make_folder(home)?;
            }
            let keys = NodeKeys::generate()?;
            keys.write_new(&place.file())?;
            print!("{}", member.entry(&keys.public()));
        }
        Command::Show(Show { place, member }) => {
            let public = NodeKeys::read(&place.file())?.public();
            print!("{}", member.entry(&public));
        }
        Command::Rotate(rotate) => rotate.run()?,
        Command::Relation(Relation { out }) => crate::relation::write_new(&out)?,
        Command::Adopt(adopt) => adopt.run()?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Rotate {
    fn run(&self) -> Result<(), Failure> {
        let home = Home::new(&self.home);
        let genesis = read_genesis(&home.genesis_file())?;
        let which = match self.network {
            true => Rotation::ValidatorAndNetwork,
            false => Rotation::Validator,
        };
        let next = NodeKeys::read(&home.keys_file())?.rotated(which)?;
        make_folder(&home.data_folder())?;
        home.add_next_keys(&next, genesis.hash)
            .map_err(|error| match error {
                HomeError::Keys(KeysError::Exists { path }) => Failure::usage(format!(
                    "{} waits to be rotated to already; propose it, or delete it if it was never proposed",
                    path.display()
                )),
                error => error.into(),
            })?;
        let validator = next.public().validator;
        println!("validator_key = \"{validator}\"");
        println!("network_key = \"{}\"", next.public().network);
        eprintln!(
            "next: salus tx propose rotate-keys --home {}; the node goes on with these keys from the first view of the epoch whose \
             validators have them",
            home.root().display()
        );
        Ok(())
    }
}

impl Adopt {
    fn run(&self) -> Result<(), Failure> {
        let home = Home::new(&self.home);
        let next = read_next_keys(&home)?.public();
        // A node that runs would never learn of it.
        let _held = home.hold()?;
        home.adopt_next_keys()?;
        println!(
            "{} acts with the validator key {} from its next start on; the old one is gone",
            home.root().display(),
            next.validator
        );
        Ok(())
    }
}

/// The keys that `salus keys rotate` made in a home.
pub(super) fn read_next_keys(home: &Home) -> Result<NodeKeys, Failure> {
    NodeKeys::read(&home.next_keys_file()).map_err(|error| match error {
        KeysError::Missing { path } => Failure::usage(format!(
            "there are no keys at {}; make them with `salus keys rotate --home {}`",
            path.display(),
            home.root().display()
        )),
        error => error.into(),
    })
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
