//! The clocks of this machine.

use salus_consensus::clock::{Monotonic, Now};
use salus_primitives::time::Timestamp;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Reads both clocks. The monotonic one starts at the node's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            monotonic: Monotonic::from_micros(micros(self.start.elapsed())),
            wall: Timestamp::from_millis(millis(wall)),
        }
    }

    /// The instant at which the monotonic clock reads `at`.
    pub(crate) fn instant(&self, at: Monotonic) -> Instant {
        self.start + std::time::Duration::from_micros(at.as_micros())
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
