//! `salus-edge`: the device side of Salus as a program.
//!
//! Exit code 0 means that everything asked for is done and proven, 1 that it is not, 2 that the call was wrong.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
