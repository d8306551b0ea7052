//! `salus-edge person`: the keys of a patient, a guardian, a practitioner, and what a person says of itself.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use getrandom::SysRng;
use rand_core::{TryRng, UnwrapErr};
use salus_edge::files::KeyFileError;
use salus_edge::wallet::{Wallet, WalletError};
use salus_primitives::calls::{IDENTITY, IdentityCall};
use salus_primitives::ids::EntityId;
use salus_primitives::reading::Pseudonym;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::Call;

use super::signing::Signing;
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
    /// Change a person's keys: to those of another wallet.
    SetKeys {
        /// Whose.
        #[arg(long, value_name = "HEX")]
        person: Pseudonym,
        /// The wallet with the new keys.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        signing: Signing,
    },
    /// Let others hold the keys of periods that begin from now on.
    SetCustodians {
        /// Whose.
        #[arg(long, value_name = "HEX")]
        person: Pseudonym,
        /// The custodians by name; two at least.
        #[arg(long, value_name = "NAME", value_delimiter = ',', required = true)]
        custodians: Vec<String>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Let another person act for one.
    AppointDelegate {
        /// For whom.
        #[arg(long, value_name = "HEX")]
        person: Pseudonym,
        /// Who: a registered person with keys.
        #[arg(long, value_name = "HEX")]
        delegate: Pseudonym,
        /// When that ends: milliseconds since 1 January 1970.
        #[arg(long, value_name = "MS")]
        until_ms: u64,
        #[command(flatten)]
        signing: Signing,
    },
    /// End that somebody acts for a person.
    EndRepresentation {
        /// For whom.
        #[arg(long, value_name = "HEX")]
        person: Pseudonym,
        /// Who acts no more.
        #[arg(long, value_name = "HEX")]
        representative: Pseudonym,
        #[command(flatten)]
        signing: Signing,
    },
    /// Agree that two pseudonyms are one patient.
    Merge {
        /// The pseudonym that is given up for new data.
        #[arg(long, value_name = "HEX")]
        person: Pseudonym,
        /// The one that stays.
        #[arg(long, value_name = "HEX")]
        into: Pseudonym,
        #[command(flatten)]
        signing: Signing,
    },
    /// Say that a pseudonym that was merged is another patient after all.
    Split {
        /// The pseudonym that was given up.
        #[arg(long, value_name = "HEX")]
        person: Pseudonym,
        #[command(flatten)]
        signing: Signing,
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
        match self {
            Self::New(options) => print_card(options.make()),
            Self::Show { wallet } => print_card(Wallet::load(&wallet)),
            Self::SetKeys {
                person,
                to,
                signing,
            } => match Wallet::load(&to) {
                Ok(wallet) => said(
                    &signing,
                    IdentityCall::SetPersonKeys {
                        person,
                        keys: wallet.keys(),
                    },
                ),
                Err(error) => usage_error(&error),
            },
            Self::SetCustodians {
                person,
                custodians,
                signing,
            } => {
                let mut custodians: Vec<EntityId> = custodians
                    .iter()
                    .map(|name| EntityId::of_name(name))
                    .collect();
                custodians.sort_unstable();
                said(&signing, IdentityCall::SetCustodians { person, custodians })
            }
            Self::AppointDelegate {
                person,
                delegate,
                until_ms,
                signing,
            } => said(
                &signing,
                IdentityCall::AppointDelegate {
                    person,
                    delegate,
                    until: Timestamp::from_millis(until_ms),
                },
            ),
            Self::EndRepresentation {
                person,
                representative,
                signing,
            } => said(
                &signing,
                IdentityCall::EndRepresentation {
                    person,
                    representative,
                },
            ),
            Self::Merge {
                person,
                into,
                signing,
            } => said(&signing, IdentityCall::Merge { person, into }),
            Self::Split { person, signing } => said(&signing, IdentityCall::Split { person }),
        }
    }
}

fn said(signing: &Signing, call: IdentityCall) -> ExitCode {
    signing.run(|| Call::new(IDENTITY, &call))
}

fn print_card(wallet: Result<Wallet, WalletError>) -> ExitCode {
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
