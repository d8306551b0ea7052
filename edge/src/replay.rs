//! The whole way of a reading at the edge, run over a source until everything is proven or time is up.
//!
//! ```text
//! sampler: source -> standardise -> classify -> ALARM -> queue of panels
//! sealer:  queue of panels -> seal -> outbox (durable, bounded: a full one stops the sealer, then the sampler)
//! couriers: outbox -> sign -> sync -> send -> wait final -> prove -> done
//! depositor: period keys -> custodians -> receipts -> forget; only with a custody file
//! ```
//!
//! Each is a thread of its own, so that an alarm waits neither for the disk nor for a node. One courier more than asked for
//! takes emergencies only.

mod courier;
mod depositor;
pub mod histogram;
mod sampler;
mod sealer;
mod shared;
pub mod summary;

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::strongbox::{PassphraseCost, Unlock};
use salus_primitives::ids::GenesisHash;
use salus_primitives::lane::Lane;
use salus_primitives::time::Timestamp;

use crate::alarm::{Alarms, HookKind};
use crate::deposit::Custody;
use crate::device::Device;
use crate::files;
use crate::follow::{FollowError, Follower};
use crate::http::HttpUrl;
use crate::keystore::{self, Keystore, KeystoreError};
use crate::light::{LightClient, LightError};
use crate::outbox::{Limits, Outbox, OutboxError, SyncError};
use crate::source::icu_csv::IcuCsv;
use crate::source::simulated::Simulated;
use crate::source::{Source, SourceError};
use crate::submit::Nodes;
use shared::Shared;
use summary::{ProgressLine, Summary};

/// What to replay, and how.
#[derive(Debug)]
pub struct Replay {
    /// Where samples come from.
    pub input: Input,
    /// The nodes, any of which will do.
    pub nodes: Vec<HttpUrl>,
    /// The devices; bed `i` is at device `i` modulo their number.
    pub devices: Vec<Device>,
    /// For whom period keys are wrapped.
    pub hospital_key: Option<ExchangePublic>,
    /// At which bed is whom, and who holds the keys of their records; empty if keys are not given into custody.
    pub custody: Custody,
    /// What the key stores are locked with; the device's own secret if it is nothing.
    pub unlock: Option<Unlock>,
    /// An encoded anchor, if one was given beforehand.
    pub anchor: Option<Vec<u8>>,
    /// The chain, if it was given beforehand.
    pub genesis: Option<GenesisHash>,
    /// Where outbox, keys and the remembered anchor live.
    pub data_dir: PathBuf,
    /// After how long no more samples are read.
    pub feed_limit: Option<Duration>,
    /// How long may then pass until everything is proven.
    pub drain_limit: Duration,
    /// How many transactions are under way at once.
    pub in_flight: usize,
    /// Time from one row to the next; zero for as fast as possible.
    pub interval: Duration,
    /// After how many rows the source is left.
    pub rows: Option<u64>,
    /// Where to keep proofs, anchor and the changes of validators, if anywhere.
    pub save_proofs: Option<PathBuf>,
    /// What else to do for each alarm.
    pub hooks: Vec<HookKind>,
    /// Whether to print a line of progress each second, as JSON on standard error.
    pub progress: bool,
}

/// Where samples come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file of bedside monitor numerics.
    IcuCsv(PathBuf),
    /// A ward of virtual patients.
    Simulated {
        /// From which everything follows.
        seed: u64,
        /// How many beds.
        patients: u32,
    },
}

/// Why a replay ended early or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No device was given.
    #[error(
        "no device: make one with `salus-edge device new`, have it registered, and name its file"
    )]
    NoDevice,
    /// No node was given.
    #[error("no node")]
    NoNode,
    /// Another process uses the data folder.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The data folder belongs to another chain.
    #[error("{folder} belongs to another chain ({source}); name another folder for this one")]
    OtherChain {
        /// The folder.
        folder: PathBuf,
        /// Which.
        source: LightError,
    },
    /// The anchor is no anchor, or of another chain.
    #[error("anchor: {0}")]
    Anchor(#[from] LightError),
    /// A file cannot be used.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The input cannot be read.
    #[error("{path}: {source}")]
    Input {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SourceError,
    },
    /// The outbox does not work.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The outbox could not be made durable.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// A key store does not work.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// A reading does not fit into any envelope.
    #[error("a reading cannot be sealed: {0}")]
    Seal(#[from] salus_primitives::crypto::cipher::EnvelopeError),
    /// Two final blocks of one height were seen. What is queued stays queued.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The system gives no randomness.
    #[error("no randomness from the system")]
    Entropy,
    /// The system gives no thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
}

impl Replay {
    /// Runs until everything is proven, or time is up.
    ///
    /// # Errors
    /// [`ReplayError`] if it cannot begin, or disk or system fail. What nodes and inputs do wrong is counted instead.
    pub fn run(self) -> Result<Summary, ReplayError> {
        self.run_alarming(std::io::stderr())
    }

    /// As [`Replay::run`], with alarms written to `output` instead of standard error.
    ///
    /// # Errors
    /// As [`Replay::run`].
    pub fn run_alarming(mut self, output: impl Write + Send) -> Result<Summary, ReplayError> {
        if self.devices.is_empty() {
            return Err(ReplayError::NoDevice);
        }
        if self.nodes.is_empty() {
            return Err(ReplayError::NoNode);
        }
        let file_error = |path: &Path| {
            let path = path.to_owned();
            move |source| ReplayError::File { path, source }
        };
        std::fs::create_dir_all(&self.data_dir).map_err(file_error(&self.data_dir))?;
        if let Some(folder) = &self.save_proofs {
            std::fs::create_dir_all(folder).map_err(file_error(folder))?;
        }
        let _lock = lock_folder(&self.data_dir)?;
        let source = self.open_source()?;
        let keystores = self.open_keystores()?;
        let (outbox, recovered) = Outbox::open(&self.data_dir.join("outbox"), Limits::default())?;
        if recovered.damaged_bytes > 0 {
            eprintln!(
                "outbox: {} bytes belonged to no intact record",
                recovered.damaged_bytes
            );
        }
        let resumed = u64::try_from(recovered.items).unwrap_or(u64::MAX);
        let shared = Shared::new(outbox, resumed);
        if let Some(client) = self.known_client()? {
            let _ = shared.client.set(self.follower(client)?);
        }
        let nodes = Nodes::new(std::mem::take(&mut self.nodes), CALL_LIMIT);
        let alarms =
            Alarms::new(output, std::mem::take(&mut self.hooks)).map_err(ReplayError::Thread)?;
        let sampled = self.run_threads(&shared, &nodes, source, &keystores, alarms)?;
        if let Some(error) = shared.take_failure() {
            return Err(error);
        }
        if let Some(forked) = shared.forked() {
            return Err(FollowError::Forked(forked).into());
        }
        let tally = std::mem::take(&mut *shared.tally());
        Ok(Summary {
            submitted: tally.submitted,
            resumed: tally.resumed,
            r#final: tally.finals,
            rejected: tally.rejected,
            proven: tally.proven,
            already_proven: tally.already_proven,
            signed_again: tally.signed_again,
            attested: tally.attested,
            lanes: tally.lanes,
            refusals: tally.refusals,
            invalid_rows: sampled.invalid_rows,
            rows: sampled.rows,
            alarms: sampled.alarms,
            node_failures: nodes.failures(),
            bad_proofs: nodes.bad_proofs(),
            input_ended: sampled.input_ended,
            elapsed: shared.started.elapsed(),
        })
    }

    fn run_threads<W: Write + Send>(
        &self,
        shared: &Shared,
        nodes: &Nodes,
        source: Box<dyn Source + Send>,
        keystores: &[Mutex<Keystore>],
        alarms: Alarms<W>,
    ) -> Result<sampler::Sampled, ReplayError> {
        std::thread::scope(|scope| {
            let spawn = |name: &str| {
                std::thread::Builder::new()
                    .name(name.into())
                    .stack_size(STACK_BYTES)
            };
            let stop_all = |error| {
                shared.feeding_ended.store(true, Ordering::Release);
                shared.stop.stop();
                ReplayError::Thread(error)
            };
            let (panels, queued_panels) = sync_channel(PANELS_AHEAD);
            let sampler = spawn("sampler")
                .spawn_scoped(scope, move || {
                    sampler::run(self, shared, source, alarms, &panels)
                })
                .map_err(stop_all)?;
            spawn("sealer")
                .spawn_scoped(scope, move || {
                    let result = sealer::run(self, shared, nodes, keystores, &queued_panels);
                    // The sampler may wait for room in the queue of panels: that it has no reader ends its wait.
                    drop(queued_panels);
                    shared.sealing_ended.store(true, Ordering::Release);
                    if let Err(error) = result {
                        shared.fail(error);
                    }
                })
                .map_err(stop_all)?;
            if !self.custody.is_empty() {
                spawn("depositor")
                    .spawn_scoped(scope, move || {
                        if let Err(error) = depositor::run(self, shared, keystores) {
                            shared.fail(error);
                        }
                    })
                    .map_err(stop_all)?;
            }
            let lanes = std::iter::once(Lane::Emergency)
                .chain(std::iter::repeat_n(Lane::Bulk, self.in_flight.max(1)));
            for least in lanes {
                spawn("courier")
                    .spawn_scoped(scope, move || {
                        if let Err(error) = courier::run(self, shared, nodes, least) {
                            shared.fail(error);
                        }
                    })
                    .map_err(stop_all)?;
            }
            self.supervise(shared);
            Ok(sampler
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Ends feeding and draining at their times, and prints progress.
    fn supervise(&self, shared: &Shared) {
        let mut next_progress = PROGRESS_EVERY;
        let end = self
            .feed_limit
            .map(|limit| limit.saturating_add(self.drain_limit));
        while !shared.stop.is_stopped() && !shared.is_finished() {
            std::thread::sleep(SUPERVISE_EVERY);
            let elapsed = shared.started.elapsed();
            if self.feed_limit.is_some_and(|limit| elapsed >= limit) {
                shared.feeding_ended.store(true, Ordering::Release);
            }
            if end.is_some_and(|end| elapsed >= end) {
                break;
            }
            if self.progress && elapsed >= next_progress {
                next_progress = next_progress.saturating_add(PROGRESS_EVERY);
                print_progress(shared, elapsed);
            }
        }
        shared.feeding_ended.store(true, Ordering::Release);
        shared.stop.stop();
        shared.notify_all();
    }

    fn open_source(&self) -> Result<Box<dyn Source + Send>, ReplayError> {
        match &self.input {
            Input::IcuCsv(path) => {
                let input_error = |source| ReplayError::Input {
                    path: path.clone(),
                    source,
                };
                let file = File::open(path).map_err(|error| input_error(error.into()))?;
                Ok(Box::new(
                    IcuCsv::open(BufReader::new(file)).map_err(input_error)?,
                ))
            }
            Input::Simulated { seed, patients } => Ok(Box::new(Simulated::new(*seed, *patients))),
        }
    }

    fn open_keystores(&self) -> Result<Vec<Mutex<Keystore>>, ReplayError> {
        let unlocked = self
            .unlock
            .as_ref()
            .map(|unlock| keystore::unlock(&self.data_dir, unlock, PassphraseCost::RECOMMENDED))
            .transpose()?;
        self.devices
            .iter()
            .map(|device| {
                let name: String = device.id().to_string().chars().take(16).collect();
                let path = self.data_dir.join(format!("keys-{name}"));
                let keystore = match &unlocked {
                    Some(key) => Keystore::open_with(&path, device, key.clone())?,
                    None => Keystore::open(&path, device)?,
                };
                Ok(Mutex::new(keystore))
            })
            .collect()
    }

    /// The client of the chain, if it is known before any node answers: from the given anchor, or from an earlier run.
    fn known_client(&self) -> Result<Option<LightClient>, ReplayError> {
        let path = self.data_dir.join(ANCHOR_FILE);
        let remembered =
            files::read(&path, ANCHOR_BYTES_MAX).map_err(|source| ReplayError::File {
                path: path.clone(),
                source,
            })?;
        let given = self
            .anchor
            .as_deref()
            .map(|anchor| LightClient::new(anchor, self.genesis))
            .transpose()?;
        let pinned = given.as_ref().map(LightClient::genesis).or(self.genesis);
        if let Some(remembered) = remembered {
            let client = LightClient::new(&remembered, pinned).map_err(|source| {
                ReplayError::OtherChain {
                    folder: self.data_dir.clone(),
                    source,
                }
            })?;
            self.save_anchor(&remembered)?;
            return Ok(Some(client));
        }
        if let Some(anchor) = self.anchor.as_deref() {
            self.remember_anchor(anchor)?;
        }
        Ok(given)
    }

    /// The client with what an earlier run followed. Kept proofs get the changes since genesis beside them.
    fn follower(&self, client: LightClient) -> Result<Follower, ReplayError> {
        let checkpoint = self.data_dir.join(CHECKPOINT_FILE);
        let changes = self
            .save_proofs
            .as_ref()
            .map(|folder| folder.join(CHANGES_FILE));
        let path = changes.clone().unwrap_or_else(|| checkpoint.clone());
        Follower::open(client, checkpoint, changes)
            .map_err(|source| ReplayError::File { path, source })
    }

    /// Binds the data folder to the anchor's chain.
    fn remember_anchor(&self, anchor: &[u8]) -> Result<(), ReplayError> {
        let path = self.data_dir.join(ANCHOR_FILE);
        files::replace(&path, anchor).map_err(|source| ReplayError::File { path, source })?;
        self.save_anchor(anchor)
    }

    fn save_anchor(&self, anchor: &[u8]) -> Result<(), ReplayError> {
        let Some(folder) = &self.save_proofs else {
            return Ok(());
        };
        let path = folder.join(ANCHOR_FILE);
        std::fs::write(&path, anchor).map_err(|source| ReplayError::File { path, source })
    }
}

fn print_progress(shared: &Shared, elapsed: Duration) {
    let queued = shared.queue().outbox.len();
    let tally = shared.tally();
    let line = ProgressLine {
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        submitted: tally.submitted,
        r#final: tally.finals,
        proven: tally.proven,
        rejected: tally.rejected,
        queued: u64::try_from(queued).unwrap_or(u64::MAX),
    };
    drop(tally);
    if let Ok(line) = serde_json::to_string(&line) {
        eprintln!("{line}");
    }
}

/// This machine's time. Periods are by the time of readings; this is for what is over.
fn clock() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Holds the data folder for this process, until it ends in whatever way.
fn lock_folder(folder: &Path) -> Result<File, ReplayError> {
    let path = folder.join("lock");
    let error = |source| ReplayError::File {
        path: path.clone(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ReplayError::InUse(folder.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(error(source)),
    }
}

/// Panels that were alarmed about and wait to be sealed.
const PANELS_AHEAD: usize = 1_024;
const ANCHOR_FILE: &str = "anchor";
const CHECKPOINT_FILE: &str = "validators";
const CHANGES_FILE: &str = "epochs";
const ANCHOR_BYTES_MAX: u64 = 1024 * 1024;
const CALL_LIMIT: Duration = Duration::from_secs(5);
const SUPERVISE_EVERY: Duration = Duration::from_millis(10);
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
const STACK_BYTES: usize = 512 * 1024;
