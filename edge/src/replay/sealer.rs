//! Seals panels and puts them into the outbox, most urgent first.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use getrandom::SysRng;
use rand_core::{TryRng, UnwrapErr};
use salus_primitives::access::Sensitivity;
use salus_primitives::ids::GenesisHash;
use salus_primitives::lane::Lane;
use salus_primitives::reading::SealedReading;

use super::sampler::Classified;
use super::shared::Shared;
use super::{Replay, ReplayError, clock};
use crate::deposit::lock;
use crate::keystore::Keystore;
use crate::light::LightClient;
use crate::outbox::Pushed;
use crate::seal::{DayData, pseudonym, reading};
use crate::submit::Nodes;

pub(super) fn run(
    replay: &Replay,
    shared: &Shared,
    nodes: &Nodes,
    keystores: &[Mutex<Keystore>],
    panels: &Receiver<Classified>,
) -> Result<(), ReplayError> {
    // The envelope is bound to the chain, so its name has to be known; panels wait, and were alarmed about already.
    let Some(genesis) = connect(replay, shared, nodes)? else {
        return Ok(());
    };
    let mut waiting = Waiting::default();
    let mut sources_left = true;
    while sources_left || !waiting.is_empty() {
        if shared.stop.is_stopped() {
            return Ok(());
        }
        sources_left = sources_left && waiting.fill(panels);
        if shared.feeding_ended.load(Ordering::Acquire) {
            // Time is up: what was not queued yet was not submitted.
            return Ok(());
        }
        let Some(classified) = waiting.most_urgent() else {
            continue;
        };
        if is_room(replay, shared, classified.lane) {
            let sealed = seal(replay, genesis, keystores, classified)?;
            push(shared, classified.lane, sealed)?;
            waiting.done();
        }
    }
    Ok(())
}

/// Panels that were taken from the queue and are not in the outbox yet.
#[derive(Default)]
struct Waiting {
    lanes: [VecDeque<Classified>; Lane::ALL.len()],
    count: usize,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes what is there, so that an emergency overtakes routine panels that find no room. `false` at the end.
    fn fill(&mut self, panels: &Receiver<Classified>) -> bool {
        let mut patience = if self.is_empty() {
            PANEL_WAIT
        } else {
            Duration::ZERO
        };
        while self.count < WAITING_MAX {
            match panels.recv_timeout(patience) {
                Ok(classified) => {
                    if let Some(lane) = self.lanes.get_mut(classified.lane.index()) {
                        lane.push_back(classified);
                        self.count = self.count.saturating_add(1);
                    }
                    patience = Duration::ZERO;
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    fn most_urgent(&self) -> Option<&Classified> {
        self.lanes.iter().find_map(VecDeque::front)
    }

    /// The most urgent panel is queued.
    fn done(&mut self) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| !lane.is_empty()) {
            lane.pop_front();
            self.count = self.count.saturating_sub(1);
        }
    }
}

/// Learns the chain: as pinned, or from the first node that answers. `None` when stopped before.
fn connect(
    replay: &Replay,
    shared: &Shared,
    nodes: &Nodes,
) -> Result<Option<GenesisHash>, ReplayError> {
    if let Some(client) = shared.client.get() {
        return Ok(Some(client.genesis()));
    }
    let answer = nodes.anchor(&shared.stop, |anchor| {
        LightClient::new(anchor, replay.genesis)
    });
    let Some(answer) = answer else {
        return Ok(None);
    };
    let (client, anchor) = answer?;
    if replay.genesis.is_none() {
        eprintln!(
            "chain {} taken from the first node that answered; pin it with --genesis-hash",
            client.genesis()
        );
    }
    replay.remember_anchor(&anchor)?;
    let genesis = client.genesis();
    let _ = shared.client.set(replay.follower(client)?);
    shared.notify_all();
    Ok(Some(genesis))
}

fn seal(
    replay: &Replay,
    genesis: GenesisHash,
    keystores: &[Mutex<Keystore>],
    classified: &Classified,
) -> Result<SealedReading, ReplayError> {
    let (Some(device), Some(keystore)) = (
        replay.devices.get(classified.device),
        keystores.get(classified.device),
    ) else {
        return Err(ReplayError::NoDevice);
    };
    let bed = classified.panel.bed;
    let (subject, sensitivity) = match replay.custody.at_bed(bed) {
        Some(patient) => (patient.person, patient.sensitivity),
        None => (pseudonym(device.secret(), bed), Sensitivity::Normal),
    };
    let reading = reading(&classified.panel, subject);
    // Asked before `UnwrapErr` relies on it: a system without randomness is an error, not a panic.
    let mut nonce = [0; 16];
    SysRng
        .try_fill_bytes(&mut nonce)
        .map_err(|_| ReplayError::Entropy)?;
    let (_, key) = lock(keystore).period_key(
        DayData::of(&reading, sensitivity),
        clock(),
        replay.hospital_key.as_ref(),
        &mut UnwrapErr(SysRng),
    )?;
    Ok(SealedReading::seal(
        genesis,
        device.id(),
        &key,
        &reading,
        nonce,
    )?)
}

/// Whether a reading of `lane` finds room; waits a while for it. Asked before sealing, which is the dearer part.
fn is_room(replay: &Replay, shared: &Shared, lane: Lane) -> bool {
    let queue = shared.queue();
    // A replay without pace would fill the outbox with hours of readings that nobody waits for.
    let ahead = replay.interval.is_zero()
        && lane != Lane::Emergency
        && queue.outbox.waiting() >= replay.in_flight.saturating_mul(2).max(AHEAD_MIN);
    if !ahead && queue.outbox.check_room(lane).is_ok() {
        return true;
    }
    let wait = shared.space.wait_timeout(queue, SPACE_WAIT);
    drop(wait.unwrap_or_else(PoisonError::into_inner));
    false
}

/// Queues a sealed reading, for which there is room: nobody else queues.
fn push(shared: &Shared, lane: Lane, sealed: SealedReading) -> Result<(), ReplayError> {
    let pushed = shared.queue().outbox.push(lane, sealed)?;
    shared.work.notify_one();
    if lane == Lane::Emergency {
        shared.urgent.notify_one();
    }
    let mut tally = shared.tally();
    match pushed {
        Pushed::Queued(_) => tally.submitted = tally.submitted.saturating_add(1),
        Pushed::Done => tally.already_proven = tally.already_proven.saturating_add(1),
        // Resumed items were counted when the outbox was opened.
        Pushed::Known => {}
    }
    Ok(())
}

/// Panels that may overtake one another.
const WAITING_MAX: usize = 256;
const AHEAD_MIN: usize = 16;
const PANEL_WAIT: Duration = Duration::from_millis(20);
const SPACE_WAIT: Duration = Duration::from_millis(20);
