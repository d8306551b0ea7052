//! The command line of `salus`. One file a subcommand.
//!
//! Exit code 0 is success, 1 a failure, 2 a mistake in the command, in a file it names or in the configuration: nothing was started.

mod access;
mod audit;
mod blockcfg;
mod consent;
mod custody;
mod explain;
mod files;
mod genesis;
mod init;
mod keys;
mod lanes;
mod localnet;
mod proof;
mod quiet;
mod start;
mod status;
mod tx;
mod views;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

/// A validator of a permissioned blockchain for medical data.
#[derive(Debug, Parser)]
#[command(name = "salus", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a node's keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Builds the genesis file from the members' public keys, or checks one, and prints the chain's hash.
    Genesis(genesis::Arguments),
    /// Prepares a home for a new validator.
    Init(init::Arguments),
    /// Runs the node until SIGTERM or Ctrl-C.
    Start(start::Arguments),
    /// Shows how a node stands.
    Status(status::Arguments),
    /// Says why nothing is final, and what to do; asks the node and, through it, its peers.
    Explain(explain::Arguments),
    /// Shows the members, their weight and to whom they delegate it.
    Members(views::Members),
    /// Shows the validators of an epoch.
    Validators(views::Validators),
    /// Shows how blocks of each lane are configured, and who attests them.
    Lanes(lanes::Lanes),
    /// Shows the proposals that members can sign.
    Proposals(views::Proposals),
    /// Fetches proofs into files, for those who trust no node: `salus-edge verify` checks them.
    #[command(subcommand)]
    Proof(proof::Command),
    /// Makes, submits and follows transactions.
    #[command(subcommand)]
    Tx(tx::Command),
    /// Shows who could see what of a person's data, and why.
    #[command(subcommand)]
    Access(access::Command),
    /// Shows who has seen what of a person's data, with proofs.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Makes the key service of a custodian, and shows and locks it.
    #[command(subcommand)]
    Custody(custody::Command),
    /// Reads a FHIR Consent as rules for the patient's side to sign.
    Consent(consent::Arguments),
    /// Solves, compares and draws block configuration problems: how many verifiers, how many transactions.
    #[command(subcommand)]
    Blockcfg(blockcfg::Command),
    /// Runs a whole network on this machine, with a bedside device that uses it.
    Localnet(localnet::Arguments),
}

/// Parses the process's arguments, does what they say, and reports on stderr what went wrong.
pub fn main() -> ExitCode {
    quiet::when_the_reader_is_gone(|| run(Cli::parse()))
}

fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Keys(command) => keys::run(command),
        Command::Custody(command) => custody::run(command),
        Command::Genesis(arguments) => genesis::run(arguments),
        Command::Init(arguments) => init::run(arguments),
        Command::Start(arguments) => start::run(arguments),
        Command::Localnet(arguments) => localnet::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Members(members) => members.run(),
        Command::Validators(validators) => validators.run(),
        Command::Lanes(lanes) => lanes.run(),
        Command::Proposals(proposals) => proposals.run(),
        Command::Proof(command) => proof::run(command),
        Command::Tx(command) => tx::run(command),
        Command::Access(command) => access::run(command),
        Command::Audit(command) => audit::run(command),
        Command::Consent(arguments) => consent::run(arguments),
        Command::Blockcfg(command) => blockcfg::run(command),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("salus: {}", failure.chain());
            ExitCode::from(failure.code)
        }
    }
}

/// Why a command did not succeed, and the exit code that says so.
#[derive(Debug)]
struct Failure {
    code: u8,
    error: Box<dyn Error + Send + Sync>,
}

/// What a subcommand comes to.
type Outcome = Result<ExitCode, Failure>;

impl Failure {
    /// Something went wrong while doing what was asked: exit code 1.
    fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            code: 1,
            error: error.into(),
        }
    }

    /// What was asked cannot be done as asked: exit code 2.
    fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            code: 2,
            error: error.into(),
        }
    }

    /// The error and what caused it, unless the error says it already.
    fn chain(&self) -> String {
        let mut text = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            let message = error.to_string();
            if !text.contains(&message) {
                let _ = write!(text, ": {message}");
            }
            cause = error.source();
        }
        text
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<crate::keys::KeysError> for Failure {
    fn from(error: crate::keys::KeysError) -> Self {
        Self::usage(error)
    }
}

impl From<crate::home::HomeError> for Failure {
    fn from(error: crate::home::HomeError) -> Self {
        Self::usage(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every command line in the operators' handbook is one: options are spelt as they are here.
    #[test]
    fn the_commands_of_the_handbook_are_commands() {
        let handbook = include_str!("../../docs/operations.md");
        let id = "0".repeat(64);
        let lines = handbook
            .split("```sh\n")
            .skip(1)
            .flat_map(|block| block.split("```").next().unwrap_or_default().lines());
        let mut count = 0;
        for line in lines {
            let command = line.split(['#', '>']).next().unwrap_or_default();
            let words = command.replace("$ID", &id).replace("$KEY", &id);

            let parsed = Cli::try_parse_from(words.split_whitespace());

            assert!(parsed.is_ok(), "{line}: {}", parsed.expect_err("refused"));
            count += 1;
        }
        assert!(count > 25, "only {count} lines were found");
    }

    #[test]
    fn causes_are_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot open door: {source}")]
        struct Outer {
            source: Inner,
        }
        #[derive(Debug, thiserror::Error)]
        #[error("key is missing")]
        struct Inner(#[source] std::fmt::Error);

        let failure = Failure::failed(Outer {
            source: Inner(std::fmt::Error),
        });

        let text = failure.chain();
        assert_eq!(text.matches("key is missing").count(), 1);
        assert!(text.ends_with(&std::fmt::Error.to_string()));
    }
}
