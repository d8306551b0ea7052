//! Following the chain's validators: the light client with what it takes to fetch and to keep the changes between epochs.
//!
//! A proof names its epoch. If that is newer than what is known, the changes up to it are fetched from the node that gave the proof: it
//! has them, if it is honest. Nothing of that is trusted; a node that has no proof for what it claims costs one page and is left. Time and
//! memory of a walk are bounded, and what was followed is kept when it is given up.
//!
//! What was proven is remembered for a while. If another final block of one height is shown, at any time and by whatever node, more than a
//! third of the validators' weight has broken the protocol: nothing more is accepted, and the evidence is kept.

mod watch;

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use salus_primitives::conflict::{Conflict, Forked};
use salus_primitives::epoch::{EpochChange, FrameError, Frames, frame_length};
use salus_primitives::ids::{Epoch, GenesisHash};
use salus_primitives::proof::{AtHeight, FinalityProof, ProofError, Proven};
use salus_primitives::receipt::Receipt;
use salus_primitives::records::Record;
use salus_primitives::state::StateKey;
use salus_primitives::transaction::TxId;

use crate::files;
use crate::http::{HttpError, NodeApi};
use crate::light::{
    CHECKPOINT_MAX, LightClient, LightError, Pin, Sightings, decode_change, decode_receipt,
    decode_record, decode_state,
};
use crate::submit::Stop;
use watch::Watch;

/// A light client that several threads share.
#[derive(Debug)]
pub struct Follower {
    newest: Mutex<Arc<LightClient>>,
    /// For proofs older than the newest client remembers.
    elder: Mutex<Option<Arc<LightClient>>>,
    /// Held by who walks: the others wait for what he finds.
    walking: Mutex<()>,
    keep: Mutex<Keep>,
    watch: Mutex<Watch>,
}

/// Where to keep what was followed.
#[derive(Debug, Default)]
struct Keep {
    checkpoint: Option<PathBuf>,
    changes: Option<File>,
}

/// Why a proof is not accepted from a node.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// It, or a change of validators, does not hold.
    #[error(transparent)]
    Light(#[from] LightError),
    /// A page of changes is none.
    #[error(transparent)]
    Frames(#[from] FrameError),
    /// The node gives no changes beyond an epoch, though its proof is of a later one.
    #[error(
        "the proof is of epoch {need}, but there are no changes of validators beyond epoch {have}"
    )]
    NoChanges {
        /// The last epoch that is known.
        have: Epoch,
        /// The epoch of the proof.
        need: Epoch,
    },
    /// The node does not answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It takes too long; what was followed is kept.
    #[error("following the validators took more than {WALK_LIMIT:?}")]
    TooSlow,
    /// Waiting was ended.
    #[error("stopped")]
    Stopped,
    /// Two final blocks of one height were seen, by this proof or before. Nothing of this chain is to be believed.
    #[error("{}", told(.0))]
    Forked(Forked),
}

fn told(forked: &Forked) -> String {
    format!(
        "two final blocks of height {} were seen, {} and {}: more than a third of the validators broke the protocol, and nothing more is accepted",
        forked.height, forked.first, forked.second
    )
}

/// Why a file of changes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// The disk refuses.
    #[error(transparent)]
    Disk(#[from] std::io::Error),
    /// It holds something else, or its end is missing.
    #[error(transparent)]
    Frames(#[from] FrameError),
}

impl Follower {
    /// Follows from where `client` is, and keeps nothing.
    #[must_use]
    pub fn new(client: LightClient) -> Self {
        Self {
            newest: Mutex::new(Arc::new(client)),
            elder: Mutex::default(),
            walking: Mutex::default(),
            keep: Mutex::default(),
            watch: Mutex::default(),
        }
    }

    /// Follows from where an earlier run was. With `changes`, a file that holds every change since genesis, and goes on to;
    /// otherwise from `checkpoint`, which is written in both cases. What is damaged is dropped with a message, and followed again.
    ///
    /// A conflict is kept in a file `conflict` beside the checkpoint. While it is there, nothing is accepted.
    ///
    /// # Errors
    /// When the disk refuses, or the file of the conflict holds something else.
    pub fn open(
        mut client: LightClient,
        checkpoint: PathBuf,
        changes: Option<PathBuf>,
    ) -> Result<Self, std::io::Error> {
        let mut seen = Sightings::default();
        let changes = match changes {
            Some(path) => {
                let mut file = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(false)
                    .mode(0o600)
                    .open(&path)?;
                let (followed, whole) = read_changes(client, &file)?;
                client = followed;
                if whole < file.metadata()?.len() {
                    eprintln!(
                        "{}: damaged after {whole} bytes; the validators are followed again from epoch {}",
                        path.display(),
                        client.epoch()
                    );
                    file.set_len(whole)?;
                }
                file.seek(SeekFrom::Start(whole))?;
                Some(file)
            }
            None => {
                let limit = u64::try_from(CHECKPOINT_MAX).unwrap_or(u64::MAX);
                let resumed = match files::read(&checkpoint, limit) {
                    Ok(Some(bytes)) => client.resumed(&bytes).map_err(|error| error.to_string()),
                    Ok(None) => Ok((client.clone(), Sightings::default())),
                    Err(error) => Err(error.to_string()),
                };
                match resumed {
                    Ok(resumed) => (client, seen) = resumed,
                    Err(error) => eprintln!(
                        "{}: {error}; the validators are followed again from genesis",
                        checkpoint.display()
                    ),
                }
                None
            }
        };
        let follower = Self::new(client);
        *lock(&follower.watch) = Watch::open(seen, &checkpoint.with_file_name(CONFLICT_FILE))?;
        *lock(&follower.keep) = Keep {
            checkpoint: Some(checkpoint),
            changes,
        };
        Ok(follower)
    }

    /// The chain.
    #[must_use]
    pub fn genesis(&self) -> GenesisHash {
        self.client().genesis()
    }

    /// The client as far as it has followed.
    #[must_use]
    pub fn client(&self) -> Arc<LightClient> {
        Arc::clone(&lock(&self.newest))
    }

    /// The conflict that was seen, if one was: nothing is accepted then.
    #[must_use]
    pub fn forked(&self) -> Option<Forked> {
        lock(&self.watch).forked()
    }

    /// Checks a proof of transaction `expected`, and follows to its epoch first where that is needed.
    ///
    /// # Errors
    /// [`FollowError`]; the proof may hold if another node gives it, or later. Not after [`FollowError::Forked`].
    pub fn receipt(
        &self,
        node: &NodeApi,
        proof: &[u8],
        expected: &TxId,
        stop: &Stop,
    ) -> Result<Proven<Receipt>, FollowError> {
        let proof = decode_receipt(proof)?;
        self.check(node, &proof.finality, stop, |client| {
            client.check_receipt(&proof, expected)
        })
    }

    /// Checks a proof of what the state holds under a key, in the same way.
    ///
    /// # Errors
    /// As [`Follower::receipt`].
    pub fn state(
        &self,
        node: &NodeApi,
        proof: &[u8],
        expected: &StateKey,
        at: AtHeight,
        stop: &Stop,
    ) -> Result<Proven<Option<Vec<u8>>>, FollowError> {
        let proof = decode_state(proof)?;
        self.check(node, &proof.finality, stop, |client| {
            client.check_state(&proof, expected, at)
        })
    }

    /// Checks a proof of a record, in the same way.
    ///
    /// # Errors
    /// As [`Follower::receipt`].
    pub fn record(
        &self,
        node: &NodeApi,
        proof: &[u8],
        stop: &Stop,
    ) -> Result<Proven<Record>, FollowError> {
        let proof = decode_record(proof)?;
        self.check(node, &proof.receipt.finality, stop, |client| {
            client.check_record(&proof)
        })
    }

    /// Checks what rests on a proof of finality, and remembers that if it holds.
    fn check<T>(
        &self,
        node: &NodeApi,
        finality: &FinalityProof,
        stop: &Stop,
        check: impl Fn(&LightClient) -> Result<T, LightError>,
    ) -> Result<T, FollowError> {
        self.goes_on()?;
        let result = self.check_following(node, stop, check);
        match &result {
            Ok(_) => {
                let conflict = lock(&self.watch).note(finality);
                self.stop_at(conflict, node, stop)?;
            }
            // not signed by the validators that are known: a lie, or of another history with other validators
            Err(FollowError::Light(LightError::Proof(ProofError::Certificate(_)))) => {
                self.compare(node, stop)?;
            }
            Err(_) => {}
        }
        // another thread may have seen it meanwhile
        self.goes_on()?;
        result
    }

    fn check_following<T>(
        &self,
        node: &NodeApi,
        stop: &Stop,
        check: impl Fn(&LightClient) -> Result<T, LightError>,
    ) -> Result<T, FollowError> {
        let need = match check(&self.client()) {
            Err(LightError::UnknownEpoch { need, .. }) => {
                self.walk(node, need, stop)?;
                match check(&self.client()) {
                    Err(LightError::ForgottenEpoch { need, .. }) => need,
                    result => return Ok(result?),
                }
            }
            Err(LightError::ForgottenEpoch { need, .. }) if need >= self.client().start().epoch => {
                need
            }
            result => return Ok(result?),
        };
        Ok(check(self.elder(node, need, stop)?.as_ref())?)
    }

    fn goes_on(&self) -> Result<(), FollowError> {
        self.forked()
            .map_or(Ok(()), |forked| Err(FollowError::Forked(forked)))
    }

    /// Keeps the evidence of a conflict, with the changes of validators that lead to it, as far as the node has them.
    fn stop_at(
        &self,
        conflict: Option<Box<Conflict>>,
        node: &NodeApi,
        stop: &Stop,
    ) -> Result<(), FollowError> {
        let Some(conflict) = conflict else {
            return Ok(());
        };
        let need = conflict.first.certificate.statement.epoch();
        let need = need.max(conflict.second.certificate.statement.epoch());
        let mut changes = Vec::new();
        let mut client = self.client().restarted();
        let collected = fetch(
            node,
            &mut client,
            need,
            &Deadline::new(stop),
            |change| {
                changes.push(change.clone());
                Ok(())
            },
            |_, _| {},
        );
        if let Err(error) = collected {
            eprintln!("the changes of validators are not all with the evidence: {error}");
        }
        lock(&self.watch).keep(*conflict, changes);
        self.goes_on()
    }

    /// Compares the last blocks of the remembered epochs with those that a node has. One that this client's validators signed as well
    /// is a conflict; everything else is only a node that lies.
    fn compare(&self, node: &NodeApi, stop: &Stop) -> Result<(), FollowError> {
        let client = self.client();
        let Ok(page) = node.epochs(client.oldest()) else {
            return Ok(());
        };
        for change in Frames::new(&page) {
            let Ok(change) = change
                .map_err(FollowError::from)
                .and_then(|change| Ok(decode_change(change)?))
            else {
                return Ok(());
            };
            let Some(validators) = client.validators(change.header.epoch) else {
                return Ok(());
            };
            if change.clone().verify(client.genesis(), validators).is_err() {
                return Ok(());
            }
            let conflict = lock(&self.watch).note_change(&change);
            self.stop_at(conflict, node, stop)?;
        }
        Ok(())
    }

    /// Follows until `need` is known.
    fn walk(&self, node: &NodeApi, need: Epoch, stop: &Stop) -> Result<(), FollowError> {
        let deadline = Deadline::new(stop);
        let is_known = || self.client().epoch() >= need;
        let Some(_turn) = self.turn(&deadline, is_known)? else {
            return Ok(());
        };
        let mut client = self.client().as_ref().clone();
        let before = client.epoch();
        let mut conflict = None;
        let result = fetch(
            node,
            &mut client,
            need,
            &deadline,
            |change| self.saw(change, &mut conflict),
            |client, changes| {
                *lock(&self.newest) = Arc::new(client.clone());
                self.keep_changes(changes);
            },
        );
        self.stop_at(conflict, node, stop)?;
        if self.client().epoch() > before {
            self.keep_checkpoint();
        }
        result
    }

    /// A client that remembers `need`, which the newest one has forgotten.
    fn elder(
        &self,
        node: &NodeApi,
        need: Epoch,
        stop: &Stop,
    ) -> Result<Arc<LightClient>, FollowError> {
        let known = || lock(&self.elder).clone();
        let remembers = |elder: &Arc<LightClient>| elder.validators(need).is_some();
        let deadline = Deadline::new(stop);
        let is_known = || known().as_ref().is_some_and(remembers);
        if let Some(_turn) = self.turn(&deadline, is_known)? {
            let mut client = known()
                .filter(|elder| elder.epoch() < need)
                .map_or_else(|| self.client().restarted(), |elder| (*elder).clone());
            let mut conflict = None;
            let result = fetch(
                node,
                &mut client,
                need,
                &deadline,
                |change| self.saw(change, &mut conflict),
                |client, _| *lock(&self.elder) = Some(Arc::new(client.clone())),
            );
            self.stop_at(conflict, node, stop)?;
            result?;
            return Ok(Arc::new(client));
        }
        known().filter(remembers).ok_or(FollowError::TooSlow)
    }

    /// Remembers a change that held. The first conflict ends the walk; who walks keeps it.
    fn saw(
        &self,
        change: &EpochChange,
        conflict: &mut Option<Box<Conflict>>,
    ) -> Result<(), FollowError> {
        let mut watch = lock(&self.watch);
        *conflict = watch.note_change(change);
        match watch.forked() {
            Some(forked) => Err(FollowError::Forked(forked)),
            None => Ok(()),
        }
    }

    /// Waits for the turn to walk; `None` if nothing is to be done any more.
    fn turn(
        &self,
        deadline: &Deadline<'_>,
        is_known: impl Fn() -> bool,
    ) -> Result<Option<MutexGuard<'_, ()>>, FollowError> {
        loop {
            let turn = match self.walking.try_lock() {
                Ok(turn) => Some(turn),
                Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            // looked at with the turn in hand: who had it before may have found it
            if is_known() {
                return Ok(None);
            }
            if turn.is_some() {
                return Ok(turn);
            }
            deadline.check()?;
            deadline.stop.sleep(TURN_POLL);
        }
    }

    /// Adds changes to the file, if there is one. A disk that refuses costs the file, not the run.
    fn keep_changes(&self, changes: &[u8]) {
        let mut keep = lock(&self.keep);
        if let Some(file) = &mut keep.changes
            && let Err(error) = file.write_all(changes)
        {
            eprintln!("the changes of validators are kept no further: {error}");
            keep.changes = None;
        }
    }

    fn keep_checkpoint(&self) {
        let mut keep = lock(&self.keep);
        if let Some(path) = &keep.checkpoint
            && let Err(error) =
                files::replace(path, &self.client().checkpoint(&lock(&self.watch).seen))
        {
            eprintln!("{}: {error}; the next run follows again", path.display());
            keep.checkpoint = None;
        }
    }
}

/// When a walk ends at the latest.
struct Deadline<'a> {
    started: Instant,
    stop: &'a Stop,
}

impl<'a> Deadline<'a> {
    fn new(stop: &'a Stop) -> Self {
        Self {
            started: Instant::now(),
            stop,
        }
    }

    fn check(&self) -> Result<(), FollowError> {
        if self.stop.is_stopped() {
            return Err(FollowError::Stopped);
        }
        if self.started.elapsed() >= WALK_LIMIT {
            return Err(FollowError::TooSlow);
        }
        Ok(())
    }
}

/// Follows a node's changes until `need` is known, and no further: `client` is to remember it. Ends in bounded time whatever the
/// node answers.
///
/// # Errors
/// [`FollowError`]; the client knows what was followed before.
pub fn follow(
    node: &NodeApi,
    client: &mut LightClient,
    need: Epoch,
    stop: &Stop,
) -> Result<(), FollowError> {
    fetch(
        node,
        client,
        need,
        &Deadline::new(stop),
        |_| Ok(()),
        |_, _| {},
    )
}

/// A client of the same chain that starts at a pinned epoch, with the change that leads to it from a node. The node is not trusted.
///
/// # Errors
/// [`FollowError`].
pub fn start_at(
    node: &NodeApi,
    client: &LightClient,
    pin: Pin,
) -> Result<LightClient, FollowError> {
    let before = pin.epoch.previous().unwrap_or_default();
    if before == Epoch::ZERO {
        return at_genesis(client, pin);
    }
    let page = node.epochs(before)?;
    let change = Frames::new(&page).next().ok_or(FollowError::NoChanges {
        have: before,
        need: pin.epoch,
    })??;
    Ok(client.pinned(pin, change)?)
}

/// The same with the change from a file of changes, which may begin earlier.
///
/// # Errors
/// [`FollowFileError`].
pub fn start_at_file(
    changes: impl Read,
    client: &LightClient,
    pin: Pin,
) -> Result<LightClient, FollowFileError> {
    let before = pin.epoch.previous().unwrap_or_default();
    if before == Epoch::ZERO {
        return at_genesis(client, pin);
    }
    let mut changes = BufReader::new(changes);
    while let Some(change) = read_frame(&mut changes)? {
        if decode_change(&change)?.header.epoch == before {
            return Ok(client.pinned(pin, &change)?);
        }
    }
    Err(LightError::OtherPin(pin).into())
}

/// Whoever pins the first epoch pins what the anchor says.
fn at_genesis<E: From<LightError>>(client: &LightClient, pin: Pin) -> Result<LightClient, E> {
    if client.start() == pin {
        return Ok(client.restarted());
    }
    Err(LightError::OtherPin(pin).into())
}

/// [`follow`], calling `followed` with each change that held, and `page_followed` after each page with its frames.
fn fetch(
    node: &NodeApi,
    client: &mut LightClient,
    need: Epoch,
    deadline: &Deadline<'_>,
    mut followed: impl FnMut(&EpochChange) -> Result<(), FollowError>,
    mut page_followed: impl FnMut(&LightClient, &[u8]),
) -> Result<(), FollowError> {
    while client.epoch() < need {
        deadline.check()?;
        let before = client.epoch();
        let page = node.epochs(before)?;
        let mut held = 0usize;
        let mut result = Ok(());
        for frame in Frames::new(&page) {
            result = frame.map_err(FollowError::from).and_then(|bytes| {
                let change = decode_change(bytes)?;
                client.advance_by(change.clone())?;
                held = held.saturating_add(FRONT_BYTES).saturating_add(bytes.len());
                followed(&change)
            });
            if result.is_err() || client.epoch() >= need {
                break;
            }
        }
        if client.epoch() > before {
            page_followed(client, page.get(..held).unwrap_or_default());
        }
        result?;
        if client.epoch() == before {
            return Err(FollowError::NoChanges { have: before, need });
        }
    }
    Ok(())
}

/// Follows a file of changes until `need` is known, its end comes or a change does not hold.
///
/// # Errors
/// [`ChangesError`] or what [`LightClient::advance`] says.
pub fn follow_file(
    changes: impl Read,
    client: &mut LightClient,
    need: Epoch,
) -> Result<(), FollowFileError> {
    let mut changes = BufReader::new(changes);
    while client.epoch() < need {
        let Some(change) = read_frame(&mut changes)? else {
            return Ok(());
        };
        let change = decode_change(&change)?;
        // what led to a pinned epoch
        if change.header.epoch < client.start().epoch {
            continue;
        }
        client.advance_by(change)?;
    }
    Ok(())
}

/// Why a file of changes is not followed to its end.
#[derive(Debug, thiserror::Error)]
pub enum FollowFileError {
    /// It cannot be read.
    #[error(transparent)]
    Changes(#[from] ChangesError),
    /// A change in it does not hold.
    #[error(transparent)]
    Light(#[from] LightError),
}

/// Follows a file from genesis as far as it is whole; returns how many bytes that are.
fn read_changes(
    mut client: LightClient,
    file: &File,
) -> Result<(LightClient, u64), std::io::Error> {
    let mut reader = BufReader::new(file);
    let mut whole = 0u64;
    loop {
        match read_frame(&mut reader) {
            Ok(Some(change)) if client.advance(&change).is_ok() => {
                let length = change.len().saturating_add(FRONT_BYTES);
                whole = whole.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            }
            Err(ChangesError::Disk(error)) => return Err(error),
            Ok(_) | Err(ChangesError::Frames(_)) => return Ok((client, whole)),
        }
    }
}

/// The next change in a file; `None` at its end.
fn read_frame(reader: &mut impl Read) -> Result<Option<Vec<u8>>, ChangesError> {
    let mut front = Vec::new();
    let wanted = u64::try_from(FRONT_BYTES).unwrap_or(u64::MAX);
    reader.by_ref().take(wanted).read_to_end(&mut front)?;
    if front.is_empty() {
        return Ok(None);
    }
    let front = front.try_into().map_err(|_| FrameError::CutShort)?;
    let length = frame_length(front)?;
    let mut change = Vec::with_capacity(length);
    let wanted = u64::try_from(length).unwrap_or(u64::MAX);
    reader.by_ref().take(wanted).read_to_end(&mut change)?;
    if change.len() < length {
        return Err(FrameError::CutShort.into());
    }
    Ok(Some(change))
}

/// No code panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a walk may take before other nodes get their turn; a call more may be under way then.
const WALK_LIMIT: Duration = Duration::from_secs(20);
const TURN_POLL: Duration = Duration::from_millis(20);
/// Beside the checkpoint.
const CONFLICT_FILE: &str = "conflict";
/// The length in front of a change.
const FRONT_BYTES: usize = 8;
