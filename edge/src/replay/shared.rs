//! What the threads of a replay share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use salus_primitives::conflict::Forked;
use salus_primitives::lane::Lane;

use super::ReplayError;
use super::histogram::Histogram;
use crate::follow::Follower;
use crate::outbox::{ItemId, Outbox, Syncer};
use crate::submit::Stop;

/// What the threads share.
pub(super) struct Shared {
    pub(super) started: Instant,
    pub(super) stop: Stop,
    /// Time is up: nothing more is read or queued.
    pub(super) feeding_ended: AtomicBool,
    pub(super) sealing_ended: AtomicBool,
    pub(super) queue: Mutex<QueueState>,
    /// Something was queued.
    pub(super) work: Condvar,
    /// An emergency was queued.
    pub(super) urgent: Condvar,
    /// Something left the outbox.
    pub(super) space: Condvar,
    pub(super) syncer: Arc<Syncer>,
    pub(super) tally: Mutex<Tally>,
    pub(super) client: OnceLock<Follower>,
    pub(super) failure: Mutex<Option<ReplayError>>,
}

pub(super) struct QueueState {
    pub(super) outbox: Outbox,
    pub(super) in_progress: usize,
    pub(super) first_sent: BTreeMap<ItemId, Instant>,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) submitted: u64,
    pub(super) resumed: u64,
    pub(super) finals: u64,
    pub(super) rejected: u64,
    pub(super) proven: u64,
    pub(super) already_proven: u64,
    pub(super) signed_again: u64,
    pub(super) attested: BTreeMap<Lane, Histogram>,
    pub(super) lanes: BTreeMap<Lane, Histogram>,
    pub(super) refusals: BTreeMap<String, u64>,
}

impl Shared {
    /// The state before anything was read: `resumed` items of an earlier run wait in `outbox`.
    pub(super) fn new(outbox: Outbox, resumed: u64) -> Self {
        Self {
            started: Instant::now(),
            stop: Stop::default(),
            feeding_ended: AtomicBool::new(false),
            sealing_ended: AtomicBool::new(false),
            syncer: outbox.syncer(),
            queue: Mutex::new(QueueState {
                outbox,
                in_progress: 0,
                first_sent: BTreeMap::new(),
            }),
            work: Condvar::new(),
            urgent: Condvar::new(),
            space: Condvar::new(),
            tally: Mutex::new(Tally {
                submitted: resumed,
                resumed,
                ..Tally::default()
            }),
            client: OnceLock::new(),
            failure: Mutex::new(None),
        }
    }

    /// The first failure, if there was one.
    pub(super) fn take_failure(&self) -> Option<ReplayError> {
        lock(&self.failure).take()
    }

    /// Monotonic milliseconds, the outbox's clock.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, QueueState> {
        lock(&self.queue)
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    /// A failure of disk or system ends the run; the first one is reported.
    pub(super) fn fail(&self, error: ReplayError) {
        lock(&self.failure).get_or_insert(error);
        self.stop.stop();
        self.notify_all();
    }

    pub(super) fn notify_all(&self) {
        self.work.notify_all();
        self.urgent.notify_all();
        self.space.notify_all();
    }

    /// Whether no reading will come any more, and none is left that could still be proven.
    pub(super) fn is_finished(&self) -> bool {
        if !self.sealing_ended.load(Ordering::Acquire) {
            return false;
        }
        let is_forked = self.forked().is_some();
        let queue = self.queue();
        queue.in_progress == 0 && (is_forked || queue.outbox.waiting() == 0)
    }

    /// Whether the chain has two histories, as far as was seen.
    pub(super) fn forked(&self) -> Option<Forked> {
        self.client.get()?.forked()
    }
}

/// No code panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
