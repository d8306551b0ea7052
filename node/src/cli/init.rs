//! `salus init`: a home for a new validator.

use super::files::{make_folder, write_new};
use super::{Failure, Outcome};
use crate::bounded::TEXT_BYTES_MAX;
use crate::config::{self, NewConfig, PeerEntry};
use crate::home::{
    Home, NodeMember, check_founding_keys, journal_identity, member_of, read_genesis,
};
use crate::keys::NodeKeys;
use clap::Args;
use salus_genesis::block::GenesisBlock;
use salus_storage::journal::FileJournal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The node's home; its keys must be there.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// The chain's genesis file; it is copied into the home.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The name of the member, for one that genesis does not know: it is registered and admitted later.
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
    /// Where to listen for the other validators.
    #[arg(long, value_name = "MULTIADDR", default_value = config::LISTEN)]
    listen: String,
    /// Where to serve the API.
    #[arg(long, value_name = "IP:PORT", default_value = config::API)]
    api: String,
    /// Where another member's node is, as in pharmacy=/ip4/10.0.0.7/tcp/4001. May be given many times.
    #[arg(long = "peer", value_name = "NAME=MULTIADDR", value_parser = parse_peer)]
    peers: Vec<PeerEntry>,
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    let home = Home::new(&arguments.home);
    let place = NodePlace {
        listen: arguments.listen,
        api: arguments.api,
        peers: arguments.peers,
    };
    let member = arguments.member.as_deref();
    let (genesis, member) = prepare(&home, &arguments.genesis, member, place)?;
    println!(
        "{} is ready to validate {} as {}",
        home.root().display(),
        genesis.chain,
        member.name
    );
    println!("genesis hash {}", genesis.hash);
    if !member.founder {
        println!(
            "genesis does not know {}: its entity is to be registered by a ministry (`salus tx register-entity`) and admitted by \
             the members (`salus tx propose admit`); until then the other nodes refuse it",
            member.name
        );
    }
    println!("next: salus start --home {}", home.root().display());
    Ok(ExitCode::SUCCESS)
}

/// Where a node is and where the others are.
#[derive(Debug)]
pub(super) struct NodePlace {
    pub(super) listen: String,
    pub(super) api: String,
    pub(super) peers: Vec<PeerEntry>,
}

/// Makes a home from its keys: configuration, copy of the genesis file, empty vote journal. Returns the chain and whose home it is.
///
/// # Errors
/// A usage failure for a home that was initialised before, and for files that do not fit one another.
pub(super) fn prepare(
    home: &Home,
    genesis_file: &Path,
    name: Option<&str>,
    place: NodePlace,
) -> Result<(GenesisBlock, NodeMember), Failure> {
    refuse_used(home)?;
    let public = NodeKeys::read(&home.keys_file())?.public();
    let genesis = read_genesis(genesis_file)?;
    let member = member_of(&genesis, &public, name)?;
    check_founding_keys(&genesis, &public)?;
    let NodePlace { listen, api, peers } = place;
    let config = NewConfig {
        member: member.name.clone(),
        listen,
        api,
        peers,
    };
    for name in config.check()?.unknown_to(&genesis.members) {
        eprintln!(
            "note: genesis has no member {name:?}; it is dialed once governance has admitted it"
        );
    }

    copy_genesis(genesis_file, &home.genesis_file())?;
    write_new(&home.config_file(), config.text().as_bytes())?;
    make_folder(&home.data_folder())?;
    // The marker is first: a crash between the two leaves a validator that cannot vote, not one that may get a second
    // journal.
    let mark = format!("chain {}\nvalidator {}\n", genesis.hash, public.validator);
    write_new(&home.initialized_file(), mark.as_bytes())?;
    FileJournal::create(
        &home.journal_file(),
        journal_identity(genesis.hash, &public.validator),
    )
    .map_err(Failure::failed)?;
    Ok((genesis, member))
}

/// A second journal would forget what the first one says this validator has voted.
fn refuse_used(home: &Home) -> Result<(), Failure> {
    for file in [home.initialized_file(), home.journal_file()] {
        if file.exists() {
            return Err(Failure::usage(format!(
                "this home was initialised before ({} exists); start it, or make new keys in another home. A validator \
                 that has lost its journal must not get a new one: it could vote twice",
                file.display()
            )));
        }
    }
    Ok(())
}

fn copy_genesis(from: &Path, to: &Path) -> Result<(), Failure> {
    let content = crate::bounded::read(from, TEXT_BYTES_MAX)
        .map_err(|source| Failure::usage(format!("cannot read {}: {source}", from.display())))?;
    match crate::bounded::read(to, TEXT_BYTES_MAX) {
        Ok(present) if present == content => Ok(()),
        _ => write_new(to, &content),
    }
}

fn parse_peer(text: &str) -> Result<PeerEntry, String> {
    let (entity, address) = text.split_once('=').ok_or("write it as NAME=MULTIADDR")?;
    Ok(PeerEntry {
        entity: entity.to_owned(),
        address: address.to_owned(),
    })
}
