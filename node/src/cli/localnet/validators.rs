//! The validators' processes.

use super::LocalnetError;
use super::children::{Interrupt, Process, STOP_LIMIT};
use super::homes::{Homes, LocalHome};
use crate::client::ApiClient;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One running validator.
#[derive(Debug)]
pub(super) struct Validator {
    name: String,
    client: ApiClient,
    log: PathBuf,
    process: Process,
}

/// All of them; stopped when dropped.
#[derive(Debug)]
pub(super) struct Validators(Vec<Validator>);

impl Validators {
    pub(super) fn start(homes: &Homes) -> Result<Self, LocalnetError> {
        let binary = std::env::current_exe().map_err(|source| LocalnetError::Spawn {
            what: "the validators".to_owned(),
            source,
        })?;
        homes
            .validators()
            .iter()
            .map(|home| Validator::start(&binary, home))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Validator> {
        self.0.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The validator that belongs to the devices' owner.
    pub(super) fn hospital(&self) -> &Validator {
        &self.0[0]
    }

    /// Waits until all take part.
    pub(super) fn wait_ready(
        &mut self,
        limit: Duration,
        interrupt: &Interrupt,
    ) -> Result<(), LocalnetError> {
        let started = Instant::now();
        loop {
            interrupt.check()?;
            self.check_running()?;
            let waiting: Vec<&Validator> = self.iter().filter(|v| !v.client.is_ready()).collect();
            let Some(first) = waiting.first() else {
                return Ok(());
            };
            if started.elapsed() >= limit {
                let names: Vec<&str> = waiting.iter().map(|v| v.name()).collect();
                return Err(LocalnetError::NotReady {
                    waited: limit,
                    names: names.join(", "),
                    log: tail(&first.log),
                });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// # Errors
    /// [`LocalnetError::ValidatorEnded`] for the first that ended by itself.
    pub(super) fn check_running(&mut self) -> Result<(), LocalnetError> {
        for validator in &mut self.0 {
            if let Some(status) = validator.process.ended() {
                return Err(LocalnetError::ValidatorEnded {
                    name: validator.name.clone(),
                    status: status.to_string(),
                    log: tail(&validator.log),
                });
            }
        }
        Ok(())
    }

    /// Stops all at once; those that do not stop within 10 s are ended by force.
    pub(super) fn stop(&mut self) {
        for validator in &mut self.0 {
            validator.process.terminate();
        }
        let started = Instant::now();
        for validator in &mut self.0 {
            validator
                .process
                .finish(STOP_LIMIT.saturating_sub(started.elapsed()));
        }
    }
}

impl Drop for Validators {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Validator {
    fn start(binary: &Path, local: &LocalHome) -> Result<Self, LocalnetError> {
        let log = local.log_file();
        let output = File::create(&log).map_err(|source| LocalnetError::File {
            action: "create",
            path: log.clone(),
            source,
        })?;
        let process = Process::spawn(
            &format!("the validator {}", local.name),
            Command::new(binary)
                .arg("start")
                .arg("--home")
                .arg(local.home.root())
                .arg("--with-parent")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(output),
        )?;
        Ok(Self {
            name: local.name.clone(),
            client: local.client()?,
            log,
            process,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn client(&self) -> &ApiClient {
        &self.client
    }
}

/// The last lines of a log.
pub(super) fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines[from..].join("\n")
}

const TAIL_LINES: usize = 12;
