//! `salus-edge person`: the keys of a patient, a guardian, a practitioner.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use getrandom::SysRng;
use rand_core::{TryRng, UnwrapErr};
use salus_edge::files::KeyFileError;
use salus_edge::wallet::{Wallet, WalletError};
use salus_primitives::ids::EntityId;

use super::{failure, usage_error};

#[derive(Debug, Subcommand)]
pub(crate) enum PersonCommand {
    /// Make somebody's keys, and print what the entity registers.
    New(NewOptions),
    /// Print what the entity registers for an existing wallet.
    Show {
        /// The wallet.
        #[arg(long)]
        wallet: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct NewOptions {
    /// The name of the entity that will register them, as the chain knows it: the hospital of a patient or guardian, the employer of a practitioner.
    #[arg(long)]
    entity: String,
    /// Where to write the wallet (mode 600; an existing file is not overwritten).
    #[arg(long)]
    out: PathBuf,
}

impl PersonCommand {
    pub(crate) fn run(self) -> ExitCode {
        let wallet = match self {
            Self::New(options) => options.make(),
            Self::Show { wallet } => Wallet::load(&wallet),
        };
        let wallet = match wallet {
            Ok(wallet) => wallet,
            Err(error) => return usage_error(&error),
        };
        match serde_json::to_string(&wallet.card()) {
            Ok(card) => {
                println!("{card}");
                ExitCode::SUCCESS
            }
            Err(error) => failure(&error),
        }
    }
}

impl NewOptions {
    fn make(&self) -> Result<Wallet, WalletError> {
        let no_entropy = |_| KeyFileError::Disk {
            path: self.out.clone(),
            source: std::io::Error::other("no randomness from the system"),
        };
        SysRng.try_next_u32().map_err(no_entropy)?;
        let entity = EntityId::of_name(&self.entity);
        let wallet = Wallet::generate(entity, &mut UnwrapErr(SysRng));
        wallet.store(&self.out)?;
        Ok(wallet)
    }
}
