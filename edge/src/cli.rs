//! Options as written, and one file for each subcommand.

mod access;
mod device;
mod open;
mod person;
mod quiet;
mod replay;
mod signing;
mod unlock;
mod verify;

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The device side of Salus: standardises, seals, signs and submits readings, and proves what became of them.
#[derive(Debug, Parser)]
#[command(name = "salus-edge", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make and show device files.
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// The keys of patients, guardians and practitioners, and who may act for whom.
    #[command(subcommand)]
    Person(Box<person::PersonCommand>),
    /// Say who may see whose data, ask to see some, and watch over it.
    Access(Box<access::AccessOptions>),
    /// Replay a file or a simulated ward, until everything is proven.
    Replay(Box<replay::ReplayOptions>),
    /// Open records with keys that a custodian released, and print what is in them.
    Open(Box<open::OpenOptions>),
    /// Check a receipt proof from files alone.
    Verify(Box<verify::VerifyOptions>),
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(self) -> ExitCode {
        quiet::when_the_reader_is_gone(|| match self.command {
            Command::Device(command) => command.run(),
            Command::Person(command) => command.run(),
            Command::Access(options) => options.run(),
            Command::Replay(options) => options.run(),
            Command::Open(options) => options.run(),
            Command::Verify(options) => options.run(),
        })
    }
}

/// The call was wrong: a missing or unusable file, or options that do not go together.
fn usage_error(error: &dyn Error) -> ExitCode {
    eprintln!("error: {}", with_sources(error));
    ExitCode::from(2)
}

/// It was tried, and failed.
fn failure(error: &dyn Error) -> ExitCode {
    eprintln!("error: {}", with_sources(error));
    ExitCode::FAILURE
}

fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.ends_with(&reason) {
            text = format!("{text}: {reason}");
        }
        source = error.source();
    }
    text
}

/// A file that an option names cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{option} {path}")]
struct FileError {
    option: &'static str,
    path: std::path::PathBuf,
    source: std::io::Error,
}

/// What is longer than any such file is read no further: files come from others too.
fn read_file(option: &'static str, path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    let limit = limit as u64;
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .and_then(|length| match length as u64 {
            length if length > limit => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("longer than {limit} bytes"),
            )),
            _ => Ok(()),
        })
        .map_err(|source| FileError {
            option,
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file without an end costs no more memory than the longest one that may be read.
    #[test]
    fn a_file_that_is_too_long_is_not_read_to_its_end() {
        let error = read_file("--proof", Path::new("/dev/zero"), 1_000).expect_err("endless");

        assert_eq!(error.source.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(
            with_sources(&error),
            "--proof /dev/zero: longer than 1000 bytes"
        );
    }
}
