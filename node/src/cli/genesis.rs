//! `salus genesis`: from the members' public keys to the file that all of them hold.

use super::files::write_new;
use super::{Failure, Outcome};
use crate::home::read_genesis;
use clap::Args;
use salus_genesis::block::GenesisBlock;
use salus_genesis::instant::Instant;
use salus_genesis::presets;
use salus_genesis::spec::{GenesisSpec, MemberSpec};
use salus_primitives::codec;
use salus_primitives::time::Timestamp;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files with members' entries, as `salus keys new` prints them.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        required_unless_present = "check",
        requires_all = ["chain", "out"]
    )]
    members: Vec<PathBuf>,
    /// The chain's name: lower-case letters and digits, with . _ - inside.
    #[arg(long, value_name = "NAME")]
    chain: Option<String>,
    /// The time of block 0, as in 2026-11-20T08:00:00Z; now if it is not given.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    time: Option<Instant>,
    /// Blocks in an epoch, after which elected validators take over; the preset's if it is not given.
    #[arg(long, value_name = "N")]
    epoch_blocks: Option<u64>,
    /// The genesis file to write.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Checks a genesis file that exists instead of writing one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["members", "chain", "time", "epoch_blocks", "out"])]
    check: Option<PathBuf>,
    /// Also writes what light clients start from: block 0 and the first validators, encoded.
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
}

/// A file with members' entries.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersFile {
    members: Vec<MemberSpec>,
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    let file = match (&arguments.check, &arguments.out, &arguments.chain) {
        (Some(file), _, _) => file,
        (None, Some(file), Some(chain)) => {
            let mut members = Vec::new();
            for path in &arguments.members {
                members.extend(read_members(path)?);
            }
            let time = match arguments.time {
                Some(time) => time,
                None => now()?,
            };
            let spec = new_spec(chain, time, arguments.epoch_blocks, members);
            spec.check().map_err(Failure::usage)?;
            write_new(file, spec.to_toml().as_bytes())?;
            file
        }
        (None, _, _) => unreachable!("clap asks for --members, and with it for --chain and --out"),
    };
    let genesis = read_genesis(file)?;
    if let Some(path) = &arguments.anchor {
        write_new(path, &codec::encode(&genesis.anchor))?;
    }
    describe(&genesis);
    println!("{}", genesis.hash);
    Ok(ExitCode::SUCCESS)
}

/// A genesis with the parameters to begin with, and another length of epochs if one is given.
pub(super) fn new_spec(
    chain: &str,
    time: Instant,
    epoch_blocks: Option<u64>,
    members: Vec<MemberSpec>,
) -> GenesisSpec {
    let mut preset = presets::local();
    if let Some(epoch_blocks) = epoch_blocks {
        preset.consensus.epoch_blocks = epoch_blocks;
    }
    GenesisSpec {
        chain: chain.to_owned(),
        genesis_time: time,
        consensus: preset.consensus,
        model: preset.model,
        lanes: preset.lanes,
        members,
    }
}

pub(super) fn read_members(path: &Path) -> Result<Vec<MemberSpec>, Failure> {
    let text = crate::bounded::read_text(path).map_err(|source| {
        Failure::usage(format!(
            "cannot read the members' entries in {}: {source}",
            path.display()
        ))
    })?;
    let file: MembersFile = toml::from_str(&text)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(file.members)
}

/// For people, on stderr; stdout carries the hash alone.
fn describe(genesis: &GenesisBlock) {
    let total: u64 = genesis.members.iter().map(|member| member.weight).sum();
    eprintln!(
        "chain {}, {} members:",
        genesis.chain,
        genesis.members.len()
    );
    for member in &genesis.members {
        eprintln!(
            "  {:<20} {:<10} weight {} of {total}",
            member.name,
            member.role.name(),
            member.weight
        );
    }
}

/// This machine's time in whole seconds, so that the file is easy to read and to compare.
pub(super) fn now() -> Result<Instant, Failure> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Failure::failed("this machine's clock is before 1970; set it"))?;
    Ok(Instant(Timestamp::from_millis(since.as_secs() * 1000)))
}

fn parse_time(text: &str) -> Result<Instant, String> {
    #[derive(Deserialize)]
    struct Time {
        time: Instant,
    }
    toml::from_str::<Time>(&format!("time = {}", toml::Value::from(text)))
        .map(|parsed| parsed.time)
        .map_err(|error| error.message().to_owned())
}
