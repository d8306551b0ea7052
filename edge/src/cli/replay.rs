//! `salus-edge replay`: options as written become a [`Replay`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use salus_edge::alarm::HookKind;
use salus_edge::deposit::{Custody, CustodyFileError};
use salus_edge::device::{Device, DeviceError};
use salus_edge::http::HttpUrl;
use salus_edge::replay::{Input, Replay, ReplayError};
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::ids::GenesisHash;
use salus_primitives::proof::ANCHOR_MAX;

use super::unlock::{UnlockError, UnlockOptions};
use super::{FileError, failure, read_file, usage_error};

#[derive(Args, Debug)]
pub(crate) struct ReplayOptions {
    /// The file to replay; not needed for the simulated ward.
    #[arg(long, required_if_eq("format", "icu-csv"))]
    input: Option<PathBuf>,
    /// What the input is.
    #[arg(long, value_enum)]
    format: Format,
    /// A node's address, such as http://127.0.0.1:8080; give several and any of them will do.
    #[arg(long = "node", required = true, value_name = "URL", num_args = 1..)]
    nodes: Vec<HttpUrl>,
    /// A device file; bed i is at device i, in turn.
    #[arg(long = "device", value_name = "FILE", num_args = 1..)]
    devices: Vec<PathBuf>,
    /// The chain's genesis hash. Without it and --anchor, the first node that answers is believed.
    #[arg(long, value_name = "HEX")]
    genesis_hash: Option<GenesisHash>,
    /// The chain's anchor (block 0 and first validators) as a file.
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
    /// The hospital's exchange key, for which period keys are wrapped. Without it they stay in the key store.
    #[arg(long, value_name = "HEX")]
    hospital_key: Option<ExchangePublic>,
    /// Which patient is at which bed, and who holds the keys of their records (JSON; see docs/keys.md). Without it, keys stay in the key store.
    #[arg(long, value_name = "FILE")]
    custody: Option<PathBuf>,
    #[command(flatten)]
    unlock: UnlockOptions,
    /// Where outbox and key store live; what is in them survives.
    #[arg(long, value_name = "DIR", default_value = "salus-edge-data")]
    data_dir: PathBuf,
    /// Read no more samples after this many seconds; what is under way may then end.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// How many transactions are under way at once.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: u16,
    /// Milliseconds from one row to the next; 0 is as fast as possible.
    #[arg(long, value_name = "N", default_value_t = 0)]
    interval_ms: u64,
    /// Leave the input after this many rows.
    #[arg(long, value_name = "N")]
    rows: Option<u64>,
    /// Seed of the simulated ward.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Beds of the simulated ward; as many as devices, if not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    patients: Option<u32>,
    /// Run this with `sh -c` for each emergency; SALUS_DEVICE and SALUS_SCORE are in its environment.
    #[arg(long, value_name = "CMD")]
    alarm_command: Vec<String>,
    /// Post each emergency as JSON to this address.
    #[arg(long, value_name = "URL")]
    alarm_webhook: Vec<HttpUrl>,
    /// Keep the proofs, the anchor and the changes of validators in this folder, for `salus-edge verify`.
    #[arg(long, value_name = "DIR")]
    save_proofs: Option<PathBuf>,
    /// End with one JSON object alone on the last line.
    #[arg(long)]
    json: bool,
    /// Print a line of progress as JSON on standard error each second.
    #[arg(long)]
    progress: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Bedside monitor numerics, one row a minute.
    IcuCsv,
    /// A ward of virtual patients.
    Simulated,
}

#[derive(Debug, thiserror::Error)]
enum OptionError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("--custody {path}")]
    Custody {
        path: PathBuf,
        source: CustodyFileError,
    },
    #[error(transparent)]
    Unlock(#[from] UnlockError),
}

impl ReplayOptions {
    pub(crate) fn run(self) -> ExitCode {
        let json = self.json;
        let replay = match self.checked() {
            Ok(replay) => replay,
            Err(error) => return usage_error(&error),
        };
        let summary = match replay.run() {
            Ok(summary) => summary,
            Err(error @ (ReplayError::NoDevice | ReplayError::Input { .. })) => {
                return usage_error(&error);
            }
            Err(error) => return failure(&error),
        };
        println!("{summary}");
        if json {
            println!("{}", summary.to_json());
        }
        if summary.is_success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn checked(self) -> Result<Replay, OptionError> {
        let devices = self
            .devices
            .iter()
            .map(|path| Device::load(path))
            .collect::<Result<Vec<_>, _>>()?;
        let beds = u32::try_from(devices.len()).unwrap_or(u32::MAX).max(1);
        let input = match (self.format, self.input) {
            (Format::IcuCsv, input) => Input::IcuCsv(input.unwrap_or_default()),
            (Format::Simulated, _) => Input::Simulated {
                seed: self.seed,
                patients: self.patients.unwrap_or(beds),
            },
        };
        let hooks = self
            .alarm_command
            .into_iter()
            .map(HookKind::Command)
            .chain(self.alarm_webhook.into_iter().map(HookKind::Webhook))
            .collect();
        Ok(Replay {
            input,
            nodes: self.nodes,
            devices,
            hospital_key: self.hospital_key,
            custody: match &self.custody {
                None => Custody::default(),
                Some(path) => Custody::read(path).map_err(|source| OptionError::Custody {
                    path: path.clone(),
                    source,
                })?,
            },
            unlock: self.unlock.read()?,
            anchor: self
                .anchor
                .as_deref()
                .map(|path| read_file("--anchor", path, ANCHOR_MAX))
                .transpose()?,
            genesis: self.genesis_hash,
            data_dir: self.data_dir,
            feed_limit: self.seconds.map(Duration::from_secs),
            drain_limit: DRAIN_LIMIT,
            in_flight: usize::from(self.in_flight),
            interval: Duration::from_millis(self.interval_ms),
            rows: self.rows,
            save_proofs: self.save_proofs,
            hooks,
            progress: self.progress,
        })
    }
}

/// How long what is under way may take once reading has ended.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
