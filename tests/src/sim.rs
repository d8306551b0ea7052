//! A cluster of production replicas under one seed: virtual time, no threads, no sleeping.
//!
//! Each node is the real [`Replica`](salus_node::replica::Replica), the real execution and ledger on the memory backend, and the
//! memory journal. The network between them loses, delays, duplicates and reorders frames as the [`Plan`] says; every choice
//! comes from the seed, so a run repeats to the byte ([`Sim::trace`]).

pub mod check;
mod event;
pub mod node;
pub mod plan;

use check::Checks;
use event::{Event, Scheduled};
use node::{Node, Outgoing, Target};
use plan::{Filter, Plan};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use salus_consensus::clock::{Monotonic, Now};
use salus_genesis::block::GenesisBlock;
use salus_node::mempool::Source;
use salus_node::replica::Input;
use salus_node::wire::Frame;
use salus_primitives::calls::{IDENTITY, IdentityCall};
use salus_primitives::codec;
use salus_primitives::crypto::sign::{PublicKey, SecretKey};
use salus_primitives::ids::{DeviceId, Height};
use salus_primitives::lane::Lane;
use salus_primitives::signed::Signed;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, Transaction, TxId};
use salus_storage::journal::UnsyncedFate;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use crate::keys::{MemberKeys, chain};

/// The cluster.
pub struct Sim {
    seed: u64,
    now_ms: u64,
    sequence: u64,
    random: ChaCha20Rng,
    plan: Plan,
    genesis: Arc<GenesisBlock>,
    keys: Vec<MemberKeys>,
    nodes: Vec<Node>,
    queue: BinaryHeap<Reverse<Scheduled>>,
    /// Pairs that cannot reach one another.
    cut: BTreeSet<(usize, usize)>,
    submitted: BTreeSet<TxId>,
    checks: Checks,
    trace: blake3::Hasher,
    frames_sent: u64,
    nonce: u64,
    filter: Option<Filter>,
}

/// When virtual time starts, on the wall: after the genesis of [`chain`].
const WALL_START_MS: u64 = 2_000_000;

impl Sim {
    /// A cluster of members with these weights under `plan`. Delta is 100 ms, the heartbeat 10 s.
    #[must_use]
    pub fn new(seed: u64, weights: &[u64], plan: Plan) -> Self {
        Self::with_epochs(seed, weights, plan, 1_000_000)
    }

    /// A cluster whose epochs have so many blocks.
    #[must_use]
    pub fn with_epochs(seed: u64, weights: &[u64], plan: Plan, epoch_blocks: u64) -> Self {
        let (genesis, keys) = chain(weights, |consensus| {
            consensus.delta_ms = 100;
            consensus.delta_max_ms = 2_000;
            consensus.heartbeat_ms = 10_000;
            consensus.tenure = 4;
            consensus.epoch_blocks = epoch_blocks;
        });
        let genesis = Arc::new(genesis);
        let nodes = keys
            .iter()
            .map(|keys| Node::new(Arc::clone(&genesis), keys.clone()))
            .collect();
        let mut sim = Self {
            seed,
            now_ms: 0,
            sequence: 0,
            random: ChaCha20Rng::seed_from_u64(seed),
            plan,
            genesis,
            keys,
            nodes,
            queue: BinaryHeap::new(),
            cut: BTreeSet::new(),
            submitted: BTreeSet::new(),
            checks: Checks::default(),
            trace: blake3::Hasher::new(),
            frames_sent: 0,
            nonce: 0,
            filter: None,
        };
        for node in 0..sim.nodes.len() {
            sim.start(node);
        }
        sim
    }

    /// Runs until virtual time `at_ms`.
    ///
    /// # Panics
    /// If a property is violated; the message names the seed.
    pub fn run_until(&mut self, at_ms: u64) {
        while self
            .queue
            .peek()
            .is_some_and(|Reverse(next)| next.at_ms <= at_ms)
        {
            self.step();
        }
        self.now_ms = self.now_ms.max(at_ms);
    }

    /// Runs for so many virtual milliseconds more.
    pub fn run_for(&mut self, ms: u64) {
        self.run_until(self.now_ms.saturating_add(ms));
    }

    /// Runs until every transaction submitted so far is final on every running node, at most `limit_ms` more; says
    /// whether that came to pass.
    pub fn run_until_final(&mut self, limit_ms: u64) -> bool {
        let end = self.now_ms.saturating_add(limit_ms);
        while !self.all_final() {
            match self.queue.peek() {
                Some(Reverse(next)) if next.at_ms <= end => self.step(),
                _ => return false,
            }
        }
        true
    }

    fn step(&mut self) {
        let Some(Reverse(next)) = self.queue.pop() else {
            return;
        };
        self.now_ms = self.now_ms.max(next.at_ms);
        self.trace.update(&next.at_ms.to_le_bytes());
        match next.event {
            Event::Deliver { to, from, bytes } => {
                self.trace.update(&bytes);
                if self.nodes[to].is_running() && self.nodes[from].is_running() {
                    let frame = Frame::decode(&bytes).expect("our own frames decode");
                    let from = self.network_key(from);
                    self.input(to, Input::Frame { from, frame });
                }
            }
            Event::Executed {
                node,
                life,
                id,
                executed,
            } => {
                if self.nodes[node].life() == life {
                    let block = id;
                    self.input(node, Input::Executed { block, executed });
                }
            }
            Event::Wake { node, life } => {
                if self.nodes[node].life() == life {
                    self.nodes[node].woken(self.now_ms);
                    self.input(node, Input::Tick);
                }
            }
        }
    }

    fn input(&mut self, node: usize, input: Input) {
        let now = self.now();
        let outgoing = self.nodes[node].handle(now, input, &mut self.checks);
        self.dispatch(node, outgoing);
        if self.nodes[node].is_dying() {
            self.crash(node);
        }
    }

    fn dispatch(&mut self, node: usize, outgoing: Vec<Outgoing>) {
        for item in outgoing {
            match item {
                Outgoing::Frame { to, bytes } => self.send(node, to, &bytes),
                Outgoing::Executed { id, executed } => {
                    let life = self.nodes[node].life();
                    let delay = self.below(self.plan.execution_ms_max + 1);
                    self.schedule(
                        delay,
                        Event::Executed {
                            node,
                            life,
                            id,
                            executed,
                        },
                    );
                }
            }
        }
        let now = self.now();
        if let Some(at) = self.nodes[node].wants_wakeup(now) {
            let life = self.nodes[node].life();
            let delay = at.saturating_sub(self.now_ms);
            self.schedule(delay, Event::Wake { node, life });
        }
        let seed = self.seed;
        if let Some(violation) = self.checks.violation() {
            panic!("seed {seed}, {} ms: {violation}", self.now_ms);
        }
    }

    fn send(&mut self, from: usize, to: Target, bytes: &[u8]) {
        let receivers: Vec<usize> = match to {
            Target::All => (0..self.nodes.len()).filter(|to| *to != from).collect(),
            Target::One(key) => (0..self.nodes.len())
                .filter(|to| self.network_key(*to) == key)
                .collect(),
        };
        for to in receivers {
            self.frames_sent += 1;
            let mut changed = Vec::new();
            let bytes = match &mut self.filter {
                None => bytes,
                Some(filter) => {
                    let frame = Frame::decode(bytes).expect("our own frames decode");
                    let Some(frame) = filter(from, to, frame) else {
                        continue;
                    };
                    changed.extend(codec::encode(&frame));
                    &changed
                }
            };
            if self.cut.contains(&(from, to)) || self.below(100) < self.plan.loss_percent {
                continue;
            }
            let copies = 1 + u64::from(self.below(100) < self.plan.duplicate_percent);
            for _ in 0..copies {
                let span = self
                    .plan
                    .delay_ms_max
                    .saturating_sub(self.plan.delay_ms_min)
                    + 1;
                let delay = self.plan.delay_ms_min + self.below(span);
                let bytes = bytes.to_vec();
                self.schedule(delay, Event::Deliver { to, from, bytes });
            }
        }
    }

    fn schedule(&mut self, delay_ms: u64, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse(Scheduled {
            at_ms: self.now_ms + delay_ms,
            sequence: self.sequence,
            event,
        }));
    }

    /// Starts a node, or starts it again from what it has on disk.
    pub fn start(&mut self, node: usize) {
        let now = self.now();
        let outgoing = self.nodes[node].start(now, self.seed, &mut self.checks);
        self.dispatch(node, outgoing);
        for other in 0..self.nodes.len() {
            if other != node && self.nodes[node].is_running() && self.nodes[other].is_running() {
                let (key, other_key) = (self.network_key(node), self.network_key(other));
                self.input(node, Input::Connected(other_key));
                self.input(other, Input::Connected(key));
            }
        }
    }

    /// Lets a node die in the middle of what it does, after at most `steps` more: between two sends, between writing and
    /// syncing, between saying and having said. What was not synced meets its fate as in [`Sim::crash`].
    pub fn crash_within(&mut self, node: usize, steps: u64) {
        let steps = 1 + self.below(steps);
        self.nodes[node].die_in(steps);
    }

    /// Ends a node at once. What was not synced is lost, torn or kept, as the seed says: the process may have been killed,
    /// or the machine have lost its power.
    pub fn crash(&mut self, node: usize) {
        let fate = match self.below(3) {
            0 => UnsyncedFate::Lost,
            1 => UnsyncedFate::Torn,
            _ => UnsyncedFate::Kept,
        };
        let commits = self.nodes[node].unsynced_commits() as u64;
        let kept = match self.below(3) {
            0 => 0,
            1 => self.below(commits + 1),
            _ => commits,
        };
        self.end(node, fate, usize::try_from(kept).unwrap_or(usize::MAX));
    }

    /// All nodes lose their power at one moment, and with it everything that was not synced.
    pub fn cut_power(&mut self) {
        for node in 0..self.nodes.len() {
            self.end(node, UnsyncedFate::Lost, 0);
        }
    }

    fn end(&mut self, node: usize, fate: UnsyncedFate, kept: usize) {
        self.nodes[node].crash(fate, kept);
        let key = self.network_key(node);
        for other in 0..self.nodes.len() {
            if self.nodes[other].is_running() {
                self.input(other, Input::Disconnected(key));
            }
        }
    }

    /// Starts a node that was stopped again with empty disks: its machine was replaced.
    pub fn start_wiped(&mut self, node: usize) {
        self.nodes[node].wipe();
        self.start(node);
    }

    /// Gives a node a frame as if `from` had sent it: what no honest node sends.
    pub fn inject(&mut self, node: usize, from: usize, frame: Frame) {
        let from = self.network_key(from);
        self.input(node, Input::Frame { from, frame });
    }

    /// Changes frames under way, or drops them: a validator that lies in what it is not signing.
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = Some(filter);
    }

    /// Cuts all links between two groups, in both directions.
    pub fn partition(&mut self, one: &[usize], other: &[usize]) {
        for a in one {
            for b in other {
                self.cut.insert((*a, *b));
                self.cut.insert((*b, *a));
            }
        }
    }

    /// Restores all links; connected nodes greet one another again, as after a reconnect.
    pub fn heal(&mut self) {
        let cut = std::mem::take(&mut self.cut);
        for (a, b) in cut {
            if self.nodes[a].is_running() && self.nodes[b].is_running() {
                let key = self.network_key(b);
                self.input(a, Input::Connected(key));
            }
        }
    }

    /// Replaces the faults from here on.
    pub fn set_plan(&mut self, plan: Plan) {
        self.plan = plan;
    }

    /// Gives a node a client's transaction that registers a fresh device.
    pub fn submit(&mut self, node: usize, lane: Lane) -> TxId {
        let number = (self.nonce + 1).to_le_bytes();
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&number);
        let call = IdentityCall::RegisterDevice {
            device: DeviceId::derive(&number, b"sim"),
            key: SecretKey::from_seed(seed).public(),
        };
        self.submit_call(node, 0, lane, Call::new(IDENTITY, &call))
    }

    /// Gives a node a client's transaction: a call by the operator of member `by`.
    pub fn submit_call(&mut self, node: usize, by: usize, lane: Lane, call: Call) -> TxId {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_le_bytes());
        let signer = self.keys[by].operator.signer();
        let final_height = self.nodes[node].final_height();
        let body = Transaction {
            genesis: self.genesis.hash,
            sender: signer.public(),
            lane,
            valid_until: final_height.plus(self.genesis.parameters.window_blocks / 2),
            nonce,
            call,
        };
        let transaction = Signed::sign(body, self.genesis.hash, &signer);
        let id = transaction.id();
        self.submitted.insert(id);
        let input = Input::Transactions {
            transactions: vec![transaction],
            source: Source::Client,
        };
        self.input(node, input);
        id
    }

    fn now(&self) -> Now {
        Now {
            monotonic: Monotonic::from_millis(self.now_ms),
            wall: Timestamp::from_millis(WALL_START_MS + self.now_ms),
        }
    }

    fn network_key(&self, node: usize) -> PublicKey {
        self.keys[node].network.public()
    }

    /// A number below `bound`, from the seed.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound.max(1)
    }

    /// Whether every submitted transaction is final on every running node.
    #[must_use]
    pub fn all_final(&self) -> bool {
        self.nodes
            .iter()
            .filter(|node| node.is_running())
            .all(|node| self.submitted.iter().all(|id| node.has_final(id)))
    }

    /// Final heights of all nodes.
    #[must_use]
    pub fn final_heights(&self) -> Vec<Height> {
        self.nodes.iter().map(Node::final_height).collect()
    }

    /// The state roots at the greatest height final on all nodes.
    #[must_use]
    pub fn common_roots(&self) -> BTreeMap<usize, String> {
        let height = self.final_heights().into_iter().min().unwrap_or_default();
        (0..)
            .zip(&self.nodes)
            .map(|(index, node)| (index, node.state_root(height)))
            .collect()
    }

    /// How many votes a node has sent since it started last; repetitions count.
    #[must_use]
    pub fn votes_since_start(&self, node: usize) -> u64 {
        self.nodes[node].votes_sent()
    }

    /// The chain.
    #[must_use]
    pub fn genesis(&self) -> &GenesisBlock {
        &self.genesis
    }

    /// Frames sent so far, lost ones included.
    #[must_use]
    pub const fn frames_sent(&self) -> u64 {
        self.frames_sent
    }

    /// Virtual time in milliseconds.
    #[must_use]
    pub const fn time_ms(&self) -> u64 {
        self.now_ms
    }

    /// A hash over every event so far: two runs of one seed have the same.
    #[must_use]
    pub fn trace(&self) -> String {
        self.trace.finalize().to_hex().to_string()
    }

    /// A node, for looking inside.
    #[must_use]
    pub fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}
