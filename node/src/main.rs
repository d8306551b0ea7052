//! `salus`: the validator's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    salus_node::cli::main()
}
