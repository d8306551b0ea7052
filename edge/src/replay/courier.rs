//! Takes items from the outbox and follows each until it is proven.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use getrandom::SysRng;
use rand_core::TryRng;
use salus_primitives::lane::Lane;
use salus_primitives::proof::Proven;
use salus_primitives::receipt::{Outcome, Receipt};
use salus_primitives::transaction::SignedTransaction;

use super::shared::Shared;
use super::{Replay, ReplayError};
use crate::device::Device;
use crate::follow::Follower;
use crate::outbox::Dispatch;
use crate::submit::{Delivery, Nodes, sign};

pub(super) fn run(
    replay: &Replay,
    shared: &Shared,
    nodes: &Nodes,
    least: Lane,
) -> Result<(), ReplayError> {
    while let Some(item) = next_item(shared, least) {
        let result = work_on(replay, shared, nodes, &item);
        let mut queue = shared.queue();
        queue.in_progress = queue.in_progress.saturating_sub(1);
        drop(queue);
        shared.space.notify_one();
        result?;
    }
    Ok(())
}

/// The next item that is due; `None` when the run is over.
fn next_item(shared: &Shared, least: Lane) -> Option<Dispatch> {
    let mut queue = shared.queue();
    while !shared.stop.is_stopped() {
        // after two histories were seen, nothing is handed in; what is measured is queued, and alarmed about
        let goes_on = |client: &Follower| client.forked().is_none();
        if shared.client.get().is_some_and(goes_on)
            && let Some(item) = queue.outbox.poll_send(shared.now_ms(), least)
        {
            queue.in_progress = queue.in_progress.saturating_add(1);
            return Some(item);
        }
        let news = if least == Lane::Emergency {
            &shared.urgent
        } else {
            &shared.work
        };
        let wait = news.wait_timeout(queue, WORK_WAIT);
        queue = wait.unwrap_or_else(PoisonError::into_inner).0;
    }
    None
}

fn work_on(
    replay: &Replay,
    shared: &Shared,
    nodes: &Nodes,
    item: &Dispatch,
) -> Result<(), ReplayError> {
    let Some(client) = shared.client.get() else {
        return Ok(());
    };
    let Some(device) = replay
        .devices
        .iter()
        .find(|device| device.id() == item.sealed.device)
    else {
        refuse(shared, item, "device_not_given");
        return Ok(());
    };
    let mut signed = item.signed.clone();
    for _ in 0..SIGNATURES_MAX {
        let transaction = match signed.take() {
            Some(transaction) => transaction,
            None => match sign_durably(shared, nodes, client, device, item)? {
                Some(transaction) => transaction,
                None => return Ok(()),
            },
        };
        let first_sent = *shared
            .queue()
            .first_sent
            .entry(item.id)
            .or_insert_with(Instant::now);
        let when_final = || {
            let mut tally = shared.tally();
            tally.finals = tally.finals.saturating_add(1);
            tally
                .lanes
                .entry(item.lane)
                .or_default()
                .record(first_sent.elapsed());
        };
        match nodes.deliver(&transaction, client, &shared.stop, when_final) {
            Delivery::Proven {
                receipt,
                proof,
                attested,
            } => {
                if let Some(attestation) = &attested {
                    let after = attestation.at.saturating_duration_since(first_sent);
                    let mut tally = shared.tally();
                    tally.attested.entry(item.lane).or_default().record(after);
                }
                let attestation = attested.map(|attestation| attestation.bytes);
                return complete(
                    replay,
                    shared,
                    item,
                    &receipt,
                    &proof,
                    attestation.as_deref(),
                );
            }
            Delivery::Later(wait) => {
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                shared
                    .queue()
                    .outbox
                    .retry(item.id, shared.now_ms().saturating_add(wait_ms));
                return Ok(());
            }
            Delivery::Refused { code } => {
                shared.queue().outbox.unsign(item.id)?;
                refuse(shared, item, &code);
                return Ok(());
            }
            Delivery::Stopped => return Ok(()),
            // it stays queued, for whoever finds out which history is the true one
            Delivery::Forked(_) => {
                shared.notify_all();
                return Ok(());
            }
            Delivery::Expired => {
                nodes.forget_head();
                shared.queue().outbox.unsign(item.id)?;
                let mut tally = shared.tally();
                tally.signed_again = tally.signed_again.saturating_add(1);
            }
        }
    }
    refuse(shared, item, "expired_repeatedly");
    Ok(())
}

/// Signs an item, and returns when the signature is durable. `None` when stopped before.
fn sign_durably(
    shared: &Shared,
    nodes: &Nodes,
    client: &Follower,
    device: &Device,
    item: &Dispatch,
) -> Result<Option<Arc<SignedTransaction>>, ReplayError> {
    let Some(valid_until) = nodes.valid_until(&shared.stop) else {
        return Ok(None);
    };
    let mut nonce = [0; 16];
    SysRng
        .try_fill_bytes(&mut nonce)
        .map_err(|_| ReplayError::Entropy)?;
    let transaction = Arc::new(sign(
        client.genesis(),
        device,
        item.lane,
        &item.sealed,
        valid_until,
        nonce,
    ));
    let point = shared
        .queue()
        .outbox
        .sign(item.id, Arc::clone(&transaction))?;
    shared.syncer.wait(point)?;
    Ok(Some(transaction))
}

/// An item is final and proven; whether its call succeeded is in the receipt.
fn complete(
    replay: &Replay,
    shared: &Shared,
    item: &Dispatch,
    receipt: &Proven<Receipt>,
    proof: &[u8],
    attestation: Option<&[u8]>,
) -> Result<(), ReplayError> {
    match receipt.value().outcome {
        Outcome::Ok => {
            if let Some(folder) = &replay.save_proofs {
                let keep = |kind: &str, bytes: &[u8]| {
                    let path = folder.join(format!("{}.{kind}", receipt.value().transaction));
                    std::fs::write(&path, bytes)
                        .map_err(|source| ReplayError::File { path, source })
                };
                keep("proof", proof)?;
                attestation.map_or(Ok(()), |bytes| keep("attestation", bytes))?;
            }
            let mut queue = shared.queue();
            queue.first_sent.remove(&item.id);
            queue.outbox.ack(item.id)?;
            drop(queue);
            let mut tally = shared.tally();
            tally.proven = tally.proven.saturating_add(1);
        }
        Outcome::Failed { contract, code } => {
            shared.queue().outbox.unsign(item.id)?;
            refuse(shared, item, &format!("contract_{contract}_code_{code}"));
        }
    }
    Ok(())
}

/// An item gets no further in this run. It stays in the outbox: the next run tries it again.
fn refuse(shared: &Shared, item: &Dispatch, code: &str) {
    shared.queue().outbox.park(item.id);
    let mut tally = shared.tally();
    tally.rejected = tally.rejected.saturating_add(1);
    let known = tally.refusals.contains_key(code);
    if known || tally.refusals.len() < REFUSAL_CODES_MAX {
        let count = tally.refusals.entry(code.to_owned()).or_default();
        *count = count.saturating_add(1);
    }
    drop(tally);
    if !known {
        eprintln!(
            "reading {} of device {} is refused: {code}",
            item.sealed.reading, item.sealed.device
        );
    }
}

/// How often one item is signed in one run.
const SIGNATURES_MAX: usize = 5;
const REFUSAL_CODES_MAX: usize = 64;
const WORK_WAIT: Duration = Duration::from_millis(20);
