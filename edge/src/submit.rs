//! Signing, handing in, and following a transaction until it is proven (`DESIGN`, steps 5 and 13).
//!
//! Any of several nodes will do. One that fails is left alone for a while, growing with each failure; the transaction goes to
//! another, as the same bytes, which changes nothing if the first had taken it. A full lane is the caller's to wait for.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use salus_primitives::attestation::Attested;
use salus_primitives::calls::{RECORDS, RecordsCall};
use salus_primitives::codec;
use salus_primitives::conflict::Forked;
use salus_primitives::ids::{GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::proof::Proven;
use salus_primitives::reading::SealedReading;
use salus_primitives::receipt::Receipt;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, SignedTransaction, Transaction, TxId};

use crate::device::Device;
use crate::follow::{FollowError, Follower};
use crate::http::{HttpError, HttpUrl, NodeApi, Progress, Step};
use crate::wallet::Wallet;

/// Makes the transaction that submits `sealed`.
#[must_use]
pub fn sign(
    genesis: GenesisHash,
    device: &Device,
    lane: Lane,
    sealed: &SealedReading,
    valid_until: Height,
    nonce: [u8; 16],
) -> SignedTransaction {
    let call = Call::new(RECORDS, &RecordsCall::Submit(sealed.clone()));
    let body = Transaction {
        genesis,
        sender: device.signer().public(),
        entity: device.owner(),
        lane,
        valid_until,
        nonce,
        call,
    };
    Signed::sign(body, genesis, device.signer()).into_signed()
}

/// Makes the transaction of a call that somebody signs for themselves. Its lane is the routine one.
#[must_use]
pub fn sign_call(
    genesis: GenesisHash,
    wallet: &Wallet,
    call: Call,
    valid_until: Height,
    nonce: [u8; 16],
) -> SignedTransaction {
    let body = Transaction {
        genesis,
        sender: wallet.signer().public(),
        entity: wallet.entity(),
        lane: Lane::Routine,
        valid_until,
        nonce,
        call,
    };
    Signed::sign(body, genesis, wallet.signer()).into_signed()
}

/// Ends waiting everywhere.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Asks all to end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether that was asked.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Sleeps, unless stopped before or meanwhile.
    pub fn sleep(&self, time: Duration) {
        let started = Instant::now();
        while !self.is_stopped() {
            match time.checked_sub(started.elapsed()) {
                Some(left) if !left.is_zero() => std::thread::sleep(left.min(STOP_POLL)),
                _ => return,
            }
        }
    }
}

/// The attestation of the whole committee of a transaction's block, checked.
#[derive(Clone, Debug)]
pub struct Attestation {
    /// When the node told of it.
    pub at: Instant,
    /// What was checked.
    pub attested: Attested,
    /// The attestation, as the node gave it.
    pub bytes: Vec<u8>,
}

/// How the following of a transaction ended.
#[derive(Debug)]
pub enum Delivery {
    /// It is final, and its receipt is proven.
    Proven {
        /// What was proven.
        receipt: Proven<Receipt>,
        /// The proof, as the node gave it.
        proof: Vec<u8>,
        /// The attestation of the whole committee of its block, if the node told of one in time and it holds.
        attested: Option<Box<Attestation>>,
    },
    /// Its lane is full.
    Later(Duration),
    /// It will not be in a block any more; its call can be signed again.
    Expired,
    /// Nodes refuse it for what it is.
    Refused {
        /// The node's stable code.
        code: String,
    },
    /// Waiting was ended.
    Stopped,
    /// Two final blocks of one height were seen: nothing of this chain is to be believed, and nothing is handed in.
    Forked(Forked),
}

/// A receipt with its proof, as the node gave it.
type Shown = (Proven<Receipt>, Vec<u8>);

/// Several nodes that serve one chain.
#[derive(Debug)]
pub struct Nodes {
    nodes: Vec<Node>,
    turn: AtomicUsize,
    failures: AtomicU64,
    bad_proofs: AtomicU64,
    head: Mutex<Option<(Instant, Height)>>,
    window: Mutex<Option<u64>>,
}

#[derive(Debug)]
struct Node {
    index: usize,
    api: NodeApi,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    failures: u32,
    not_before: Option<Instant>,
}

impl Nodes {
    /// The nodes at `addresses`. `call_limit` bounds a call that does not wait for the chain.
    #[must_use]
    pub fn new(addresses: Vec<HttpUrl>, call_limit: Duration) -> Self {
        let nodes = addresses
            .into_iter()
            .enumerate()
            .map(|(index, address)| Node {
                index,
                api: NodeApi::new(address, call_limit),
                health: Mutex::default(),
            })
            .collect();
        Self {
            nodes,
            turn: AtomicUsize::new(0),
            failures: AtomicU64::new(0),
            bad_proofs: AtomicU64::new(0),
            head: Mutex::new(None),
            window: Mutex::new(None),
        }
    }

    /// Calls that failed for a node's reasons.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Proofs that did not hold.
    #[must_use]
    pub fn bad_proofs(&self) -> u64 {
        self.bad_proofs.load(Ordering::Relaxed)
    }

    /// The chain's anchor from the first node that has one that `accept` takes; `None` when stopped.
    pub fn anchor<T, E>(
        &self,
        stop: &Stop,
        mut accept: impl FnMut(&[u8]) -> Result<T, E>,
    ) -> Option<Result<(T, Vec<u8>), E>> {
        let mut refused = None;
        while let Some(node) = self.pick(stop) {
            match node.api.genesis() {
                Ok(anchor) => match accept(&anchor) {
                    Ok(accepted) => return Some(Ok((accepted, anchor))),
                    // Another node may serve the right chain, but one round of refusals is an answer.
                    Err(error) => {
                        self.failed(node);
                        let count = refused
                            .map_or(1_usize, |(count, _)| count)
                            .saturating_add(1);
                        if count > self.nodes.len() {
                            return Some(Err(error));
                        }
                        refused = Some((count, error));
                    }
                },
                Err(_) => self.failed(node),
            }
        }
        None
    }

    /// A height up to which a transaction signed now may be valid; `None` when stopped.
    ///
    /// Three quarters of the window, because the node that checks it may be behind the one that told the head.
    pub fn valid_until(&self, stop: &Stop) -> Option<Height> {
        let window = self.window(stop)?;
        let head = self.head(stop)?;
        Some(head.plus(window.saturating_sub(window / 4).max(1)))
    }

    /// Forgets what is known of the head, because a node disagreed.
    pub fn forget_head(&self) {
        *lock(&self.head) = None;
    }

    /// Hands in a transaction and follows it until it is proven. `when_final` is called once, when a node says that it is
    /// final.
    pub fn deliver(
        &self,
        transaction: &SignedTransaction,
        client: &Follower,
        stop: &Stop,
        when_final: impl FnOnce(),
    ) -> Delivery {
        let bytes = codec::encode(transaction);
        let id = transaction.body.id();
        let mut when_final = Some(when_final);
        let mut attested_at = None;
        let mut refusals = Refusals::default();
        while let Some(node) = self.pick(stop) {
            if refusals.by.contains(&node.index) {
                if refusals.are_an_answer(stop) {
                    return Delivery::Refused {
                        code: refusals.code,
                    };
                }
                continue;
            }
            match node.api.submit(&bytes) {
                Ok(()) => node.succeeded(),
                Err(HttpError::LaneFull { retry_after }) => return Delivery::Later(retry_after),
                Err(HttpError::Refused { code, .. }) if is_about_time(&code) => {
                    return Delivery::Expired;
                }
                Err(HttpError::Refused { code, .. }) => {
                    refusals.by.insert(node.index);
                    if refusals.by.len() >= self.nodes.len() {
                        return Delivery::Refused { code };
                    }
                    refusals.code = code;
                    continue;
                }
                Err(error) => {
                    self.note(node, &error);
                    continue;
                }
            }
            let take = |step: Step| {
                if step.attesting.is_some_and(|it| it.is_complete()) {
                    attested_at.get_or_insert_with(Instant::now);
                }
                if step.status == Progress::Final
                    && let Some(when_final) = when_final.take()
                {
                    when_final();
                }
            };
            match self.follow(node, &id, stop, take) {
                Followed::Final => match self.prove(node, &id, client, stop) {
                    Err(forked) => return Delivery::Forked(forked),
                    Ok(None) => {}
                    Ok(Some((receipt, proof))) => {
                        let attested = attested_at.and_then(|at| {
                            self.check_attestation(node, &transaction.body, client, at)
                        });
                        return Delivery::Proven {
                            receipt,
                            proof,
                            attested: attested.map(Box::new),
                        };
                    }
                },
                Followed::Rejected => return Delivery::Expired,
                Followed::Lost => {}
            }
        }
        Delivery::Stopped
    }

    /// Follows the transaction at one node until it is final there, and a little further: until it can be proven. Each step that the node
    /// tells goes to `take`.
    fn follow(&self, node: &Node, id: &TxId, stop: &Stop, mut take: impl FnMut(Step)) -> Followed {
        for _ in 0..FINAL_WAITS {
            if stop.is_stopped() {
                break;
            }
            let mut last = None;
            let mut note = |step: Step| {
                last = Some(step.status);
                take(step);
                !stop.is_stopped()
            };
            let result = match node.api.steps(id, FINAL_WAIT, &mut note) {
                // it has no such path, or too many follow theirs: asked the other way
                Err(HttpError::Refused { status: 404, .. } | HttpError::Unavailable { .. }) => {
                    node.api.wait_final(id, FINAL_WAIT).map(|step| {
                        note(step);
                    })
                }
                result => result,
            };
            match (result, last) {
                (_, Some(Progress::Final)) => return Followed::Final,
                (_, Some(Progress::Rejected)) => return Followed::Rejected,
                (Ok(()), Some(Progress::Pending)) => {}
                (Ok(()), Some(Progress::Unknown) | None) => {
                    self.failed(node);
                    return Followed::Lost;
                }
                (Err(error), _) => {
                    self.note(node, &error);
                    return Followed::Lost;
                }
            }
        }
        Followed::Lost
    }

    /// Fetches and checks the attestation that the node has told of. One that does not hold is counted, and costs the node its good name;
    /// the transaction is proven all the same.
    fn check_attestation(
        &self,
        node: &Node,
        transaction: &Transaction,
        client: &Follower,
        at: Instant,
    ) -> Option<Attestation> {
        let id = &transaction.id();
        let bytes = match node.api.attestation(id) {
            Ok(bytes) => bytes?,
            Err(error) => {
                self.note(node, &error);
                return None;
            }
        };
        match client.client().attestation(&bytes, id, transaction.lane) {
            Ok(attested) if attested.is_complete() => Some(Attestation {
                at,
                attested,
                bytes,
            }),
            // the best it had, of another view than it told of
            Ok(_) => None,
            Err(error) => {
                self.bad_proofs.fetch_add(1, Ordering::Relaxed);
                eprintln!(
                    "{}: the attestation of {id} does not hold: {error}",
                    node.api.base()
                );
                self.failed(node);
                None
            }
        }
    }

    /// Fetches and checks the receipt proof at one node; `None` if another node has to be asked, and an error if none is to be asked any more.
    fn prove(
        &self,
        node: &Node,
        id: &TxId,
        client: &Follower,
        stop: &Stop,
    ) -> Result<Option<Shown>, Forked> {
        while !stop.is_stopped() {
            match node.api.proof(id, PROOF_WAIT) {
                Ok(Some(proof)) => match client.receipt(&node.api, &proof, id, stop) {
                    Ok(receipt) => return Ok(Some((receipt, proof))),
                    Err(FollowError::Stopped) => return Ok(None),
                    Err(FollowError::Forked(forked)) => return Err(forked),
                    Err(FollowError::Http(error)) => {
                        self.note(node, &error);
                        return Ok(None);
                    }
                    Err(FollowError::TooSlow) => {
                        self.failed(node);
                        return Ok(None);
                    }
                    Err(
                        error @ (FollowError::Light(_)
                        | FollowError::Frames(_)
                        | FollowError::NoChanges { .. }),
                    ) => {
                        self.bad_proofs.fetch_add(1, Ordering::Relaxed);
                        eprintln!(
                            "{}: the proof of {id} does not hold: {error}",
                            node.api.base()
                        );
                        self.failed(node);
                        return Ok(None);
                    }
                },
                Ok(None) => stop.sleep(PROOF_PAUSE),
                Err(error) => {
                    self.note(node, &error);
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    fn head(&self, stop: &Stop) -> Option<Height> {
        let mut known = lock(&self.head);
        if let Some((when, height)) = *known
            && when.elapsed() < HEAD_AGE_MAX
        {
            return Some(height);
        }
        let height = self.ask(stop, NodeApi::head)?;
        *known = Some((Instant::now(), height));
        Some(height)
    }

    fn window(&self, stop: &Stop) -> Option<u64> {
        let mut known = lock(&self.window);
        if known.is_none() {
            *known = Some(self.ask(stop, NodeApi::window_blocks)?);
        }
        *known
    }

    fn ask<T>(&self, stop: &Stop, call: impl Fn(&NodeApi) -> Result<T, HttpError>) -> Option<T> {
        while let Some(node) = self.pick(stop) {
            match call(&node.api) {
                Ok(answer) => {
                    node.succeeded();
                    return Some(answer);
                }
                Err(error) => self.note(node, &error),
            }
        }
        None
    }

    /// A node that may be called, in turn; waits until there is one. `None` when stopped, or without any node.
    fn pick(&self, stop: &Stop) -> Option<&Node> {
        while !stop.is_stopped() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let start = turn.checked_rem(self.nodes.len())?;
            let now = Instant::now();
            let (before, after) = self.nodes.split_at_checked(start)?;
            if let Some(node) = after.iter().chain(before).find(|node| node.is_ready(now)) {
                return Some(node);
            }
            stop.sleep(STOP_POLL);
        }
        None
    }

    /// Leaves a node alone for as long as it asks, or after a failure for longer each time.
    fn note(&self, node: &Node, error: &HttpError) {
        match error {
            HttpError::Unavailable {
                retry_after: Some(wait),
                ..
            } => {
                lock(&node.health).not_before =
                    Instant::now().checked_add((*wait).min(BACKOFF_MAX));
            }
            _ => self.failed(node),
        }
    }

    fn failed(&self, node: &Node) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut health = lock(&node.health);
        let pause =
            BACKOFF_FIRST.saturating_mul(1_u32.checked_shl(health.failures).unwrap_or(u32::MAX));
        health.failures = health.failures.saturating_add(1).min(16);
        health.not_before = Instant::now().checked_add(pause.min(BACKOFF_MAX));
    }
}

impl Node {
    fn is_ready(&self, now: Instant) -> bool {
        lock(&self.health)
            .not_before
            .is_none_or(|not_before| not_before <= now)
    }

    fn succeeded(&self) {
        *lock(&self.health) = Health::default();
    }
}

/// Refusals of one transaction. A node that is behind refuses what the chain takes, so others are asked, too, for as long
/// as one that failed may be left alone.
#[derive(Default)]
struct Refusals {
    by: BTreeSet<usize>,
    code: String,
    again: u32,
}

impl Refusals {
    /// Whether nobody else answered for long, now that it is the turn of a node that refused; waits a little.
    fn are_an_answer(&mut self, stop: &Stop) -> bool {
        self.again = self.again.saturating_add(1);
        stop.sleep(STOP_POLL);
        self.again > REFUSAL_TURNS
    }
}

enum Followed {
    Final,
    Rejected,
    /// This node does not know it any more, does not answer, or has not made it final for long: another may have.
    Lost,
}

/// Whether a refusal is about the transaction's validity in time, which signing again mends.
fn is_about_time(code: &str) -> bool {
    ["expired", "window", "valid_until"]
        .iter()
        .any(|word| code.contains(word))
}

/// No code panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const FINAL_WAIT: Duration = Duration::from_secs(2);
/// A node that is cut off from the others keeps a transaction pending for ever.
const FINAL_WAITS: usize = 3;
const PROOF_WAIT: Duration = Duration::from_secs(2);
const PROOF_PAUSE: Duration = Duration::from_millis(5);
const HEAD_AGE_MAX: Duration = Duration::from_secs(1);
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// As many polls as [`BACKOFF_MAX`] has, and some.
const REFUSAL_TURNS: u32 = 200;
const STOP_POLL: Duration = Duration::from_millis(20);
