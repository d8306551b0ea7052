//! The bedside device: made, registered, and run by its own binary.

use super::LocalnetError;
use super::children::{Interrupt, Process};
use super::homes::Homes;
use super::validators::{Validators, tail};
use crate::cli::tx::signed_call;
use salus_primitives::calls::{IDENTITY, IdentityCall};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::DeviceId;
use salus_primitives::transaction::Call;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A device file and what an operator registers of it.
#[derive(Debug)]
pub(super) struct DeviceFile {
    path: PathBuf,
    card: DeviceCard,
}

impl DeviceFile {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What `salus-edge device new` prints.
#[derive(Debug, Deserialize)]
struct DeviceCard {
    device_id: DeviceId,
    public_key: PublicKey,
}

/// The device's binary: beside this one.
pub(super) fn binary() -> Result<PathBuf, LocalnetError> {
    let own = std::env::current_exe().map_err(|source| LocalnetError::Spawn {
        what: "salus-edge".to_owned(),
        source,
    })?;
    let path = own.with_file_name("salus-edge");
    if path.is_file() {
        Ok(path)
    } else {
        Err(LocalnetError::NoEdge { path })
    }
}

/// Makes `count` device files.
pub(super) fn make(
    edge: &Path,
    homes: &Homes,
    count: usize,
) -> Result<Vec<DeviceFile>, LocalnetError> {
    let folder = homes.edge_folder();
    std::fs::create_dir_all(&folder).map_err(|source| LocalnetError::File {
        action: "make",
        path: folder.clone(),
        source,
    })?;
    (1..=count)
        .map(|number| {
            let path = folder.join(format!("device-{number}"));
            let output = Command::new(edge)
                .args(["device", "new"])
                .args(["--hardware-id", &format!("localnet-monitor-{number}")])
                .args(["--registration-id", &format!("bed-{number}")])
                .args(["--owner", homes.hospital_name()])
                .arg("--out")
                .arg(&path)
                .stdin(Stdio::null())
                .output()
                .map_err(|source| LocalnetError::Spawn {
                    what: edge.display().to_string(),
                    source,
                })?;
            if !output.status.success() {
                let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(LocalnetError::Device(reason));
            }
            let card = serde_json::from_slice(&output.stdout)
                .map_err(|error| LocalnetError::Device(error.to_string()))?;
            Ok(DeviceFile { path, card })
        })
        .collect()
}

/// Registers the devices with the hospital, and waits until every validator knows it.
pub(super) fn register(
    homes: &Homes,
    validators: &Validators,
    devices: &[DeviceFile],
    limit: Duration,
    interrupt: &Interrupt,
) -> Result<(), LocalnetError> {
    let hospital = validators.hospital().client();
    let mut ids = Vec::new();
    for DeviceFile { card, .. } in devices {
        let call = IdentityCall::register_device(card.device_id, card.public_key);
        let call = Call::new(IDENTITY, &call);
        let transaction = signed_call(hospital, homes.hospital(), homes.genesis().hash, call)?;
        ids.push(hospital.submit(&transaction)?);
    }
    let end = Instant::now() + limit;
    for validator in validators.iter() {
        for (number, id) in (1..).zip(&ids) {
            interrupt.check()?;
            let left = end.saturating_duration_since(Instant::now());
            let view = validator.client().transaction(id, left)?;
            if !view.is_ok() {
                return Err(LocalnetError::Registration {
                    number,
                    state: match view.outcome {
                        Some(outcome) => format!("{} with outcome {outcome}", view.status),
                        None => format!("{} on {}", view.status, validator.name()),
                    },
                });
            }
        }
    }
    Ok(())
}

/// What `salus-edge replay` says each second.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct EdgeProgress {
    pub(super) submitted: u64,
    pub(super) proven: u64,
}

/// What `salus-edge replay` says at its end; the fields this command reports.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct EdgeSummary {
    pub(super) submitted: u64,
    pub(super) r#final: u64,
    pub(super) rejected: u64,
    pub(super) proven: u64,
    pub(super) lanes: serde_json::Map<String, serde_json::Value>,
    pub(super) absent_samples: u64,
    pub(super) absent_rows: u64,
    pub(super) alarms: u64,
    pub(super) alarm_ms_max: serde_json::Number,
    pub(super) input_ended: bool,
    pub(super) elapsed_ms: f64,
}

/// The device's running process.
#[derive(Debug)]
pub(super) struct EdgeRun {
    process: Process,
    log: PathBuf,
    latest: Arc<Mutex<EdgeProgress>>,
    output: Option<JoinHandle<String>>,
    errors: Option<JoinHandle<()>>,
}

impl EdgeRun {
    pub(super) fn start(
        edge: &Path,
        homes: &Homes,
        validators: &Validators,
        devices: &[DeviceFile],
        input: Option<&Path>,
        seconds: u64,
    ) -> Result<Self, LocalnetError> {
        let mut command = Command::new(edge);
        command.arg("replay");
        match input {
            Some(input) => command.args(["--format", "icu-csv", "--input"]).arg(input),
            None => command.args(["--format", "simulated"]),
        };
        for validator in validators.iter() {
            command.args(["--node", validator.client().base()]);
        }
        for device in devices {
            command.arg("--device").arg(&device.path);
        }
        command
            .arg("--anchor")
            .arg(homes.anchor_file())
            .args(["--genesis-hash", &homes.genesis().hash.to_string()])
            .arg("--data-dir")
            .arg(homes.edge_folder().join("data"))
            .args(["--seconds", &seconds.to_string()])
            .args([
                "--hospital-key",
                &homes.hospital().public().exchange.to_string(),
            ])
            .arg("--save-proofs")
            .arg(homes.proofs_folder())
            .args(["--json", "--progress"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let log = homes.edge_folder().join("log");
        let log_file = File::create(&log).map_err(|source| LocalnetError::File {
            action: "create",
            path: log.clone(),
            source,
        })?;
        let mut process = Process::spawn("salus-edge", &mut command)?;
        let latest = Arc::new(Mutex::new(EdgeProgress::default()));
        let output = process.child().stdout.take().map(read_output);
        let errors = process
            .child()
            .stderr
            .take()
            .map(|stderr| follow(stderr, log_file, latest.clone()));
        Ok(Self {
            process,
            log,
            latest,
            output,
            errors,
        })
    }

    /// Whether the process has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// Its last progress.
    pub(super) fn latest(&self) -> EdgeProgress {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it says at its end, on the last line of its stdout.
    pub(super) fn summary(mut self) -> Result<EdgeSummary, LocalnetError> {
        if let Some(errors) = self.errors.take() {
            let _ = errors.join();
        }
        let output = self.output.take().and_then(|output| output.join().ok());
        output
            .as_deref()
            .and_then(|output| output.lines().last())
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or_else(|| LocalnetError::NoSummary {
                status: match self.process.ended() {
                    Some(status) => status.to_string(),
                    None => "still running".to_owned(),
                },
                log: tail(&self.log),
            })
    }
}

/// Reads stdout to its end, so that the process never waits for a reader.
fn read_output(mut stdout: ChildStdout) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut output = Vec::new();
        let _ = stdout.read_to_end(&mut output);
        String::from_utf8_lossy(&output).into_owned()
    })
}

/// Keeps progress lines for the display, and all others in the log.
fn follow(stderr: ChildStderr, mut log: File, latest: Arc<Mutex<EdgeProgress>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n') {
            let Ok(line) = line else { return };
            match serde_json::from_slice::<EdgeProgress>(&line) {
                Ok(progress) => *latest.lock().unwrap_or_else(PoisonError::into_inner) = progress,
                // A full disk costs the log, not the run.
                Err(_) => drop(log.write_all(&line).and_then(|()| log.write_all(b"\n"))),
            }
        }
    })
}
