//! One `fsync` for all who wait: the first waiter syncs, and everything written before that counts.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A place in the log. It is durable when a sync began after it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SyncPoint(u64);

/// The log could not be made durable, now or earlier. Nothing may be sent any more.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the outbox cannot be made durable: {0}")]
pub struct SyncError(Arc<std::io::Error>);

/// Makes points of a log durable.
#[derive(Debug)]
pub struct Syncer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    file: Arc<File>,
    written: u64,
    durable: u64,
    syncing: bool,
    failed: Option<SyncError>,
}

impl Syncer {
    /// A syncer of `file`, whose content so far is durable.
    pub(super) fn new(file: File) -> Self {
        let state = State {
            file: Arc::new(file),
            written: 0,
            durable: 0,
            syncing: false,
            failed: None,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Something was appended.
    pub(super) fn wrote(&self) -> SyncPoint {
        let mut state = self.lock();
        state.written = state.written.saturating_add(1);
        SyncPoint(state.written)
    }

    /// The log goes on in `file`, which holds everything, durably.
    pub(super) fn replaced(&self, file: File) {
        let mut state = self.lock();
        state.file = Arc::new(file);
        state.durable = state.written;
        self.changed.notify_all();
    }

    /// Returns when everything up to `point` is durable.
    ///
    /// # Errors
    /// [`SyncError`] if a sync failed, now or earlier: what the disk holds is then unknown.
    pub fn wait(&self, point: SyncPoint) -> Result<(), SyncError> {
        let mut state = self.lock();
        loop {
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            if state.durable >= point.0 {
                return Ok(());
            }
            if state.syncing {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (file, written) = (Arc::clone(&state.file), state.written);
            state.syncing = true;
            drop(state);
            let result = file.sync_data();
            state = self.lock();
            state.syncing = false;
            match result {
                Ok(()) => state.durable = state.durable.max(written),
                Err(error) => state.failed = Some(SyncError(Arc::new(error))),
            }
            self.changed.notify_all();
        }
    }

    /// No code panics while it holds the lock, and every state is consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
