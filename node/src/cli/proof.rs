//! `salus proof`: fetches a proof from a node and writes it to a file, for whoever checks it (`docs/light-client.md`). It is not checked here: who runs this may be
//! whom the verifier does not trust.

use super::{Failure, Outcome};
use crate::client::{ApiClient, ProofPath};
use clap::{Args, Subcommand};
use salus_contracts::registry::contract_by_name;
use salus_primitives::ids::{ContractId, Height};
use salus_primitives::transaction::TxId;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What the authenticated state holds under a key, or that it holds nothing there.
    State {
        /// Whose state: a contract's name or number.
        #[arg(long, value_name = "NAME")]
        contract: Contract,
        /// The contract's own key, in hexadecimal.
        #[arg(long, value_name = "HEX")]
        key: Key,
        /// After the block of which height; without it, of the newest state that can be proven.
        #[arg(long, value_name = "N")]
        height: Option<u64>,
        #[command(flatten)]
        place: Place,
    },
    /// That a sealed reading is recorded.
    Record {
        /// The transaction that submitted it.
        id: TxId,
        #[command(flatten)]
        place: Place,
    },
    /// What became of a transaction.
    Receipt {
        /// The transaction.
        id: TxId,
        #[command(flatten)]
        place: Place,
    },
}

/// From where and to where.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The node to ask.
    #[arg(long, visible_alias = "api", value_name = "URL", default_value_t = format!("http://{}", crate::config::API))]
    node: String,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// A contract by name or number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contract(ContractId);

/// The bytes of a key.
#[derive(Clone, Debug)]
pub(super) struct Key(Vec<u8>);

impl std::str::FromStr for Contract {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse().ok().map(ContractId::new);
        number
            .or_else(|| contract_by_name(text))
            .map(Self)
            .ok_or("there is no such contract")
    }
}

impl std::str::FromStr for Key {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::decode(text).map(Self)
    }
}

pub(super) fn run(command: Command) -> Outcome {
    let (path, place) = match command {
        Command::State {
            contract: Contract(contract),
            key: Key(key),
            height,
            place,
        } => {
            let height = height.map(Height::new);
            let path = ProofPath::State {
                contract,
                key,
                height,
            };
            (path, place)
        }
        Command::Record { id, place } => (ProofPath::Record(id), place),
        Command::Receipt { id, place } => (ProofPath::Receipt(id), place),
    };
    let client = ApiClient::new(&place.node).map_err(Failure::usage)?;
    let proof = client.proof(&path).map_err(Failure::failed)?;
    std::fs::write(&place.out, &proof)
        .map_err(|error| Failure::failed(format!("{}: {error}", place.out.display())))?;
    println!("{}: {} bytes", place.out.display(), proof.len());
    Ok(ExitCode::SUCCESS)
}
