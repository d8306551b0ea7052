//! Options as written, and one file for each subcommand.

mod device;
mod replay;
mod verify;

use std::error::Error;
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
    /// Replay a file or a simulated ward, until everything is proven.
    Replay(Box<replay::ReplayOptions>),
    /// Check a receipt proof from files alone.
    Verify(verify::VerifyOptions),
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(self) -> ExitCode {
        match self.command {
            Command::Device(command) => command.run(),
            Command::Replay(options) => options.run(),
            Command::Verify(options) => options.run(),
        }
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

fn read_file(option: &'static str, path: &Path) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(|source| FileError {
        option,
        path: path.to_owned(),
        source,
    })
}
