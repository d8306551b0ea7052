//! `salus`: the validator's command line.

fn main() {}
