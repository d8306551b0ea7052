//! `salus custody`: the key service of a custodian.

use super::{Failure, Outcome};
use crate::custody::home::{KeyServiceError, UnlockFile, write_new_key};
use crate::custody::speaker::entropy;
use crate::custody::{self, VaultError};
use crate::home::{Home, read_genesis};
use clap::{Args, Subcommand};
use salus_primitives::crypto::strongbox::PassphraseCost;
use salus_primitives::ids::EntityId;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes a key service in a node's home, and prints the public key that the entity sets on the chain.
    Init(Init),
    /// Prints the public key of a key service.
    Show(Show),
    /// Locks a key service with another key file or passphrase. What opened it before opens it no more, but for copies that were made of it.
    Relock(Relock),
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The node's home.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    #[command(flatten)]
    lock: Lock,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The node's home. The node must not run.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    #[command(flatten)]
    lock: Lock,
}

/// What opens it.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Lock {
    /// The file of a key (mode 600). `init` makes it if there is none. Keep it on another disk than the home.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// A file (mode 600) with a passphrase as its first line.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Relock {
    /// The node's home. The node must not run.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    #[command(flatten)]
    lock: Lock,
    /// The file of another key. Made if there is none.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "new_passphrase_file",
        conflicts_with = "new_passphrase_file"
    )]
    new_key_file: Option<PathBuf>,
    /// A file with another passphrase.
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

pub(super) fn run(command: Command) -> Outcome {
    match command {
        Command::Init(init) => init.run()?,
        Command::Show(show) => show.run()?,
        Command::Relock(relock) => relock.run()?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Init {
    fn run(self) -> Result<(), Failure> {
        let home = Home::new(self.home);
        let unlock = self.lock.file();
        make_key_if_missing(&unlock)?;
        let key = custody::create(
            &home.custody_folder(),
            &unlock.read()?,
            PassphraseCost::RECOMMENDED,
            &mut entropy().map_err(Failure::failed)?,
        )?;
        println!("{key}");
        Ok(())
    }
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let home = Home::new(self.home);
        let _held = home.hold()?;
        let genesis = read_genesis(&home.genesis_file())?.hash;
        // whose it is does not matter for its key
        let nobody = EntityId([0; 32]);
        let unlock = self.lock.file();
        let service = custody::home::open(&home.custody_folder(), &unlock, genesis, nobody)?;
        println!("{}", service.public_key());
        Ok(())
    }
}

impl Relock {
    fn run(self) -> Result<(), Failure> {
        let home = Home::new(self.home);
        let _held = home.hold()?;
        let new = Lock {
            key_file: self.new_key_file,
            passphrase_file: self.new_passphrase_file,
        }
        .file();
        let old = self.lock.file().read()?;
        make_key_if_missing(&new)?;
        custody::relock(
            &home.custody_folder(),
            &old,
            &new.read()?,
            PassphraseCost::RECOMMENDED,
            &mut entropy().map_err(Failure::failed)?,
        )?;
        Ok(())
    }
}

impl Lock {
    fn file(self) -> UnlockFile {
        match (self.key_file, self.passphrase_file) {
            (Some(path), _) => UnlockFile::Key(path),
            // one of the two is required
            (None, path) => UnlockFile::Passphrase(path.unwrap_or_default()),
        }
    }
}

fn make_key_if_missing(unlock: &UnlockFile) -> Result<(), Failure> {
    match unlock {
        UnlockFile::Key(path) if !path.exists() => Ok(write_new_key(path)?),
        UnlockFile::Key(_) | UnlockFile::Passphrase(_) => Ok(()),
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Exists { .. } | VaultError::Missing { .. } | VaultError::Closed { .. } => {
                Self::usage(error)
            }
            VaultError::Full | VaultError::Disk { .. } => Self::failed(error),
        }
    }
}

impl From<KeyServiceError> for Failure {
    fn from(error: KeyServiceError) -> Self {
        match error {
            KeyServiceError::Unlock(error) => error.into(),
            KeyServiceError::Vault(error) => error.into(),
        }
    }
}
