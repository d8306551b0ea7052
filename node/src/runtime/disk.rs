//! The room on the disk that holds store and journal. A node that has little left stops voting and committing before the
//! store fails, because a store that failed in the middle of a write needs a restart; and goes on when there is room.

use crate::telemetry::metrics::Metrics;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Watches one disk. Shared by the threads that write.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    reserve_bytes: u64,
    metrics: Arc<Metrics>,
    room: Mutex<Room>,
}

#[derive(Debug)]
struct Room {
    free_bytes: u64,
    /// Since when there is too little; `None` while there is enough.
    full_since: Option<Instant>,
    looked_at: Option<Instant>,
    /// A write failed for want of room: not tried again before then, whatever the system says is free.
    retry_at: Option<Instant>,
}

/// What is known of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStatus {
    /// Bytes that this process may still use.
    pub free_bytes: u64,
    /// Bytes to be kept free.
    pub reserve_bytes: u64,
    /// For how long there has been too little room to go on; `None` if there is enough.
    pub full_for: Option<Duration>,
}

/// How often the system is asked at most, while there is work.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often a thread that has nothing to do looks, and one that waits for room.
pub(crate) const IDLE_LOOK: Duration = Duration::from_secs(1);
/// How long after a failed write the next one is tried at the earliest.
const RETRY_AFTER: Duration = Duration::from_secs(2);

impl Disk {
    /// The disk of `folder`, on which `reserve_bytes` are to be kept free.
    pub(crate) fn new(folder: PathBuf, reserve_bytes: u64, metrics: Arc<Metrics>) -> Self {
        let disk = Self {
            folder,
            reserve_bytes,
            metrics,
            room: Mutex::new(Room {
                free_bytes: 0,
                full_since: None,
                looked_at: None,
                retry_at: None,
            }),
        };
        disk.has_room();
        disk
    }

    /// Whether there is room to go on. Asks the system, unless it was asked a moment ago.
    pub(crate) fn has_room(&self) -> bool {
        let now = Instant::now();
        let mut room = self.locked();
        let recently = room
            .looked_at
            .is_some_and(|at| now.duration_since(at) < LOOK_EVERY);
        if !recently {
            room.looked_at = Some(now);
            match rustix::fs::statvfs(&self.folder) {
                Ok(disk) => {
                    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                    self.judge(&mut room, now, free);
                }
                // what cannot be asked is no reason to stop; a write will tell
                Err(error) => {
                    tracing::debug!(%error, "the disk's room is not known");
                }
            }
        }
        room.full_since.is_none()
    }

    /// A write failed because there was no room, whatever the system said before.
    pub(crate) fn write_failed(&self) {
        let now = Instant::now();
        let mut room = self.locked();
        room.retry_at = Some(now + RETRY_AFTER);
        self.set_full(&mut room, now);
    }

    pub(crate) fn status(&self) -> DiskStatus {
        let room = self.locked();
        DiskStatus {
            free_bytes: room.free_bytes,
            reserve_bytes: self.reserve_bytes,
            full_for: room.full_since.map(|since| since.elapsed()),
        }
    }

    fn judge(&self, room: &mut Room, now: Instant, free_bytes: u64) {
        room.free_bytes = free_bytes;
        self.metrics.disk(free_bytes, room.full_since.is_some());
        if free_bytes < self.reserve_bytes {
            self.set_full(room, now);
            return;
        }
        // a quarter more than what it stops at: else it would stop and go on with every file that comes and goes
        let enough = self.reserve_bytes.saturating_add(self.reserve_bytes / 4);
        let tried = room.retry_at.is_none_or(|at| now >= at);
        if room.full_since.is_some() && free_bytes >= enough && tried {
            tracing::info!(
                free_bytes,
                "there is room on the disk again: the node goes on"
            );
            room.full_since = None;
            room.retry_at = None;
            self.metrics.disk(free_bytes, false);
        }
    }

    fn set_full(&self, room: &mut Room, now: Instant) {
        if room.full_since.is_none() {
            tracing::error!(
                free_bytes = room.free_bytes,
                reserve_bytes = self.reserve_bytes,
                folder = %self.folder.display(),
                "the disk is full: the node votes and commits no more until there is room. Make room; it goes on by itself"
            );
            room.full_since = Some(now);
        }
        self.metrics.disk(room.free_bytes, true);
    }

    fn locked(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(reserve_bytes: u64) -> Disk {
        let folder = std::env::temp_dir();
        Disk::new(folder, reserve_bytes, Arc::new(Metrics::new()))
    }

    fn look(disk: &Disk, free_bytes: u64, at: Instant) -> bool {
        let mut room = disk.locked();
        disk.judge(&mut room, at, free_bytes);
        room.full_since.is_none()
    }

    /// Below the reserve it stops; it goes on only with a quarter more than that.
    #[test]
    fn a_disk_near_its_reserve_does_not_flap() {
        let disk = disk(0);
        let disk = Disk {
            reserve_bytes: 100,
            ..disk
        };
        let now = Instant::now();

        let room: Vec<bool> = [100, 99, 100, 124, 125, 100]
            .map(|free| look(&disk, free, now))
            .to_vec();

        assert_eq!(room, [true, false, false, false, true, true]);
    }

    /// Where a quota ends before the disk does, the system's figure is no reason to try again at once.
    #[test]
    fn after_a_failed_write_the_next_waits_whatever_is_free() {
        let disk = disk(0);
        disk.write_failed();
        let now = Instant::now();

        assert!(!look(&disk, u64::MAX, now));
        assert!(disk.status().full_for.is_some());
        assert!(look(&disk, u64::MAX, now + RETRY_AFTER));
        assert!(disk.status().full_for.is_none());
    }

    /// A reserve that no disk has is a full disk, in status and metrics.
    #[test]
    fn too_little_room_is_shown() {
        let disk = disk(u64::MAX);

        assert!(!disk.has_room());

        let text = disk.metrics.encode();
        assert!(text.contains("salus_disk_full 1"), "{text}");
        assert!(disk.status().free_bytes > 0);
    }
}
