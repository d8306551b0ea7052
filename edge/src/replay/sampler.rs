//! Reads, standardises, classifies and alarms. Waits for nothing but the queue of panels.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

use salus_primitives::lane::Lane;

use super::Replay;
use super::shared::Shared;
use crate::alarm::{Alarm, AlarmCounts, Alarms};
use crate::classify::assess;
use crate::source::{Source, SourceError};
use crate::standardize::{Counts, Panel, Standardized, Standardizer};

/// A panel on its way to be sealed.
pub(super) struct Classified {
    pub(super) panel: Panel,
    pub(super) lane: Lane,
    /// Index of the device at its bed.
    pub(super) device: usize,
}

/// What the sampler saw.
pub(super) struct Sampled {
    pub(super) rows: Counts,
    pub(super) invalid_rows: u64,
    pub(super) alarms: AlarmCounts,
    pub(super) input_ended: bool,
}

pub(super) fn run<W: std::io::Write>(
    replay: &Replay,
    shared: &Shared,
    mut source: Box<dyn Source + Send>,
    mut alarms: Alarms<W>,
    panels: &SyncSender<Classified>,
) -> Sampled {
    let mut standardizer = Standardizer::default();
    let mut invalid_rows: u64 = 0;
    let mut input_ended = false;
    let mut read: u64 = 0;
    let is_ended = || shared.feeding_ended.load(Ordering::Acquire) || shared.stop.is_stopped();
    while !is_ended() {
        if replay.rows.is_some_and(|rows| read >= rows) {
            input_ended = true;
            break;
        }
        pace(replay, shared, read);
        let Some(row) = source.next() else {
            input_ended = true;
            break;
        };
        read = read.saturating_add(1);
        let sampled = Instant::now();
        let raw = match row {
            Ok(raw) => raw,
            Err(error) => {
                report(&error, invalid_rows);
                invalid_rows = invalid_rows.saturating_add(1);
                continue;
            }
        };
        let Standardized::Panel(panel) = standardizer.accept(raw) else {
            continue;
        };
        let assessment = assess(&panel);
        let bed = usize::try_from(panel.bed).unwrap_or(0);
        let index = bed.checked_rem(replay.devices.len()).unwrap_or(0);
        if assessment.lane == Lane::Emergency
            && let Some(device) = replay.devices.get(index)
        {
            alarms.raise(Alarm::new(device.id(), assessment), sampled);
        }
        let classified = Classified {
            panel,
            lane: assessment.lane,
            device: index,
        };
        if !hand_on(classified, panels, is_ended) {
            break;
        }
    }
    Sampled {
        rows: standardizer.counts(),
        invalid_rows,
        alarms: alarms.finish(HOOKS_LIMIT),
        input_ended,
    }
}

/// Waits until the next row is due.
fn pace(replay: &Replay, shared: &Shared, read: u64) {
    if replay.interval.is_zero() {
        return;
    }
    let due = replay
        .interval
        .saturating_mul(u32::try_from(read).unwrap_or(u32::MAX));
    while let Some(wait) = due.checked_sub(shared.started.elapsed()) {
        if wait.is_zero() || shared.feeding_ended.load(Ordering::Acquire) {
            return;
        }
        shared.stop.sleep(wait.min(PACE_POLL));
        if shared.stop.is_stopped() {
            return;
        }
    }
}

/// Puts the panel into the queue, waiting for room: pressure on the source. `false` if there is no one to take it.
fn hand_on(
    mut classified: Classified,
    panels: &SyncSender<Classified>,
    is_ended: impl Fn() -> bool,
) -> bool {
    loop {
        match panels.try_send(classified) {
            Ok(()) => return true,
            Err(TrySendError::Full(_)) if is_ended() => return false,
            Err(TrySendError::Full(back)) => {
                classified = back;
                std::thread::sleep(ROOM_POLL);
            }
            Err(TrySendError::Disconnected(_)) => return false,
        }
    }
}

/// The first malformed rows are worth a line each; a file that is all malformed is not worth a million.
fn report(error: &SourceError, reported: u64) {
    if reported < REPORTED_MAX {
        eprintln!("skipped: {error}");
    } else if reported == REPORTED_MAX {
        eprintln!("skipped: further malformed rows are counted only");
    }
}

const REPORTED_MAX: u64 = 20;
const HOOKS_LIMIT: Duration = Duration::from_secs(6);
const PACE_POLL: Duration = Duration::from_millis(100);
const ROOM_POLL: Duration = Duration::from_millis(1);
