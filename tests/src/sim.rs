//! A cluster of production replicas under one seed: virtual time, no threads, no sleeping.
//!
//! Each node is the real [`Replica`](salus_node::replica::Replica), the real execution and ledger on the memory backend, and the
//! memory journal. The network between them loses, delays, duplicates and reorders frames as the [`Plan`] says; every choice
//! comes from the seed, so a run repeats to the byte ([`Sim::trace`]).
//!
//! [`Sim`] is the cluster and its clock. A [`scenario`] is drawn from one seed and [`run`] carries it out: faults first,
//! [`byzantine`] members all the while, then a quiet phase in which liveness is judged. What must hold is a [`property`].

pub mod byzantine;
pub mod check;
mod client;
mod director;
pub mod durable;
mod event;
mod grounds;
pub mod history;
mod judge;
mod look;
mod network;
pub mod node;
pub mod plan;
mod power;
pub mod property;
pub mod run;
pub mod scenario;

use byzantine::Adversary;
use check::Checks;
use event::{Content, Event, Parcel};
use network::Links;
use node::{Node, Outgoing};
use plan::Plan;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use salus_consensus::clock::{Monotonic, Now};
use salus_genesis::block::GenesisBlock;
use salus_genesis::spec::{ConsensusSpec, LanesSpec};
use salus_node::replica::Input;
use salus_node::wire::Frame;
use salus_primitives::crypto::sign::{PublicKey, Signer};
use salus_primitives::ids::{EntityId, Epoch, View};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::agenda::Agenda;
use crate::keys::{MemberKeys, chain_with};

/// The cluster.
pub struct Sim {
    seed: u64,
    now_ms: u64,
    random: ChaCha20Rng,
    plan: Plan,
    genesis: Arc<GenesisBlock>,
    keys: Vec<MemberKeys>,
    /// Of the members, in the order of `keys`.
    operators: Vec<Signer>,
    /// The member each node belongs to. The first nodes are the members', in order; twins follow.
    members: Vec<usize>,
    network_keys: Vec<PublicKey>,
    nodes: Vec<Node>,
    adversaries: BTreeMap<usize, Adversary>,
    agenda: Agenda<Event>,
    links: Links,
    /// How long each block takes nodes that are slow at executing, in milliseconds.
    executes_in_ms: BTreeMap<usize, u64>,
    submitted: BTreeSet<TxId>,
    checks: Checks,
    /// Whether a violation is a panic.
    is_strict: bool,
    trace: blake3::Hasher,
    frames_sent: u64,
    last_frame_ms: u64,
    /// The latest view of each epoch that an honest node was in.
    views: BTreeMap<Epoch, View>,
    nonce: u64,
    counts: Counts,
}

/// How often each thing happened.
pub type Counts = BTreeMap<&'static str, u64>;

/// When virtual time starts, on the wall: after the genesis of [`chain_with`].
const WALL_START_MS: u64 = 10_000_000;
/// How far the wall clock of an honest node is off at most, in milliseconds. Two of them differ by less than a voter tolerates.
pub const SKEW_MAX_MS: u64 = 950;

impl Sim {
    /// A cluster of members with these weights under `plan`. Delta is 100 ms, the heartbeat 10 s.
    ///
    /// # Panics
    /// From here on, if a property is violated; the message names the seed.
    #[must_use]
    pub fn new(seed: u64, weights: &[u64], plan: Plan) -> Self {
        Self::with_epochs(seed, weights, plan, 1_000_000)
    }

    /// A cluster whose epochs have so many blocks.
    ///
    /// # Panics
    /// As [`Sim::new`].
    #[must_use]
    pub fn with_epochs(seed: u64, weights: &[u64], plan: Plan, epoch_blocks: u64) -> Self {
        Self::adjusted(seed, weights, plan, |consensus, _| {
            consensus.epoch_blocks = epoch_blocks;
        })
    }

    /// A cluster with other consensus parameters and lanes than those of [`Sim::new`].
    ///
    /// # Panics
    /// As [`Sim::new`].
    #[must_use]
    pub fn adjusted(
        seed: u64,
        weights: &[u64],
        plan: Plan,
        adjust: impl Fn(&mut ConsensusSpec, &mut LanesSpec),
    ) -> Self {
        let mut sim = Self::build(seed, weights, plan, adjust);
        sim.is_strict = true;
        for node in 0..sim.nodes.len() {
            sim.start(node);
        }
        sim
    }

    /// A cluster of which no node runs yet, and whose violations are values.
    pub(crate) fn build(
        seed: u64,
        weights: &[u64],
        plan: Plan,
        adjust: impl Fn(&mut ConsensusSpec, &mut LanesSpec),
    ) -> Self {
        let (genesis, keys) = chain_with(weights, |consensus, lanes| {
            consensus.delta_ms = 100;
            consensus.delta_max_ms = 2_000;
            consensus.heartbeat_ms = 10_000;
            consensus.tenure = 4;
            adjust(consensus, lanes);
        });
        let genesis = Arc::new(genesis);
        let nodes: Vec<Node> = (0..)
            .zip(&keys)
            .map(|(index, keys)| Node::new(Arc::clone(&genesis), keys.clone(), index))
            .collect();
        let peers = keys
            .iter()
            .map(|keys| (keys.network.public(), EntityId::of_name(&keys.name)))
            .collect();
        Self {
            seed,
            now_ms: 0,
            random: ChaCha20Rng::seed_from_u64(seed),
            plan,
            checks: Checks::new(Arc::clone(&genesis), peers),
            genesis,
            operators: keys.iter().map(|keys| keys.operator.signer()).collect(),
            members: (0..keys.len()).collect(),
            network_keys: keys.iter().map(|keys| keys.network.public()).collect(),
            keys,
            nodes,
            adversaries: BTreeMap::new(),
            agenda: Agenda::new(),
            links: Links::default(),
            executes_in_ms: BTreeMap::new(),
            submitted: BTreeSet::new(),
            is_strict: false,
            trace: blake3::Hasher::new(),
            frames_sent: 0,
            last_frame_ms: 0,
            views: BTreeMap::new(),
            nonce: 0,
            counts: Counts::new(),
        }
    }

    /// Runs until virtual time `at_ms`, or until something does not hold.
    ///
    /// # Panics
    /// See [`Sim::new`].
    pub fn run_until(&mut self, at_ms: u64) {
        while self.agenda.next_at().is_some_and(|next| next <= at_ms) && self.goes_on() {
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
            match self.agenda.next_at() {
                Some(next) if next <= end => self.step(),
                _ => return false,
            }
        }
        true
    }

    /// Whether everything held so far.
    fn goes_on(&self) -> bool {
        self.checks.violations().is_empty()
    }

    fn step(&mut self) {
        let Some((at_ms, event)) = self.agenda.pop() else {
            return;
        };
        self.now_ms = self.now_ms.max(at_ms);
        self.trace.update(&at_ms.to_le_bytes());
        match event {
            Event::Deliver { to, from, parcel } => {
                self.trace.update(parcel.digest.as_bytes());
                if self.nodes[to].is_running() && self.nodes[from].is_running() {
                    self.deliver(to, from, &parcel);
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
                    self.clock_checks();
                    self.nodes[node].check_bounds(&mut self.checks);
                }
            }
        }
    }

    fn deliver(&mut self, to: usize, from: usize, parcel: &Parcel) {
        let key = self.network_key(from);
        let frame = match &parcel.content {
            Content::Frame(frame) => frame.clone(),
            // what a peer says that is not listened to is not even decoded
            Content::Bytes(_) if !self.nodes[to].hears(self.now_ms, &key) => return,
            Content::Bytes(bytes) => match Frame::decode(bytes) {
                Ok(frame) => frame,
                Err(error) => return self.input(to, Input::Malformed { from: key, error }),
            },
        };
        if let Some(adversary) = self.adversaries.get_mut(&to) {
            adversary.hears(&frame);
        }
        self.input(to, Input::Frame { from: key, frame });
    }

    fn input(&mut self, node: usize, input: Input) {
        let now = self.now();
        self.clock_checks();
        let outgoing = self.nodes[node].handle(now, input, &mut self.checks);
        self.dispatch(node, outgoing);
        if self.nodes[node].is_dying() {
            self.crash(node);
        } else if self.nodes[node].runs_anew() {
            self.run_anew(node);
        }
    }

    fn dispatch(&mut self, node: usize, outgoing: Vec<Outgoing>) {
        self.note_view(node);
        for item in outgoing {
            match item {
                Outgoing::Frame { to, frame } => {
                    if self.adversaries.contains_key(&node) {
                        self.send_by_adversary(node, &to, frame);
                    } else {
                        self.send(node, &to, &frame);
                    }
                }
                Outgoing::Attested(_) => {}
                Outgoing::Executed { id, executed } => {
                    let life = self.nodes[node].life();
                    let slow = self.executes_in_ms.get(&node).copied().unwrap_or(0);
                    let delay = slow + self.below(self.plan.execution_ms_max + 1);
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
        if let (true, Some(violation)) = (self.is_strict, self.checks.violations().first()) {
            panic!("seed {}: {violation}", self.seed);
        }
    }

    /// What a Byzantine member's node would say goes through the hands of the adversary.
    fn send_by_adversary(&mut self, node: usize, to: &node::Target, frame: Frame) {
        let receivers = self.receivers(node, to);
        let stand = self.stand_of(node);
        let Some(adversary) = self.adversaries.get_mut(&node) else {
            return;
        };
        let letters = adversary.sends(&stand, &receivers, frame);
        self.post_letters(node, letters);
    }

    fn post_letters(&mut self, node: usize, letters: Vec<byzantine::Letter>) {
        for letter in letters {
            let parcel = Rc::new(match letter.content {
                byzantine::Lie::Frame(frame) => Parcel::of_lie(&frame),
                byzantine::Lie::Bytes(bytes) => Parcel::of_bytes(bytes),
            });
            self.post(node, letter.to, letter.after_ms, parcel);
        }
    }

    /// From here on a node announces false configurations whenever it is manager.
    pub fn announce_falsely(&mut self, node: usize, what: byzantine::FalseConfiguration) {
        self.corrupt(node, &[]);
        if let Some(adversary) = self.adversaries.get_mut(&node) {
            adversary.announce(what);
        }
    }

    /// From here on a node's frames go through the hands of an adversary.
    pub fn corrupt(&mut self, node: usize, behaviours: &[byzantine::Behaviour]) {
        let entity = self.nodes[node].identity().entity;
        self.checks.declare_byzantine(entity);
        let member = self.members[node];
        let keys = &self.keys[member];
        let signers = (0..node::GENERATIONS).map(|n| keys.validator_of(n).signer());
        let dice = scenario::Dice::new(self.seed, 1_000 + node as u64);
        let adversary = Adversary::new(
            behaviours.to_vec(),
            dice,
            EntityId::of_name(&keys.name),
            self.operators[member].clone(),
            signers.collect(),
        );
        self.adversaries.insert(node, adversary);
        self.nodes[node].release();
    }

    /// A second node of a member, on disks of its own.
    fn add_twin(&mut self, member: usize) -> usize {
        let index = self.nodes.len();
        let keys = self.keys[member].clone();
        let twin = Node::new(Arc::clone(&self.genesis), keys, index as u64);
        self.nodes.push(twin);
        self.members.push(member);
        index
    }

    fn stand_of(&self, node: usize) -> byzantine::Stand {
        let own = &self.nodes[node];
        byzantine::Stand::new(&self.genesis, own, self.now_ms)
    }

    fn note_view(&mut self, node: usize) {
        let node = &self.nodes[node];
        if let Some(replica) = node.replica().filter(|_| node.identity().obeys) {
            let engine = replica.engine();
            let latest = self.views.entry(engine.epoch()).or_default();
            *latest = (*latest).max(engine.view());
        }
    }

    fn schedule(&mut self, delay_ms: u64, event: Event) {
        self.agenda.plan(self.now_ms + delay_ms, event);
    }

    /// Gives a node a frame as if `from` had sent it: what no honest node sends, so that `from` may be blamed.
    pub fn inject(&mut self, node: usize, from: usize, frame: Frame) {
        let entity = self.nodes[from].identity().entity;
        self.checks.declare_byzantine(entity);
        let from = self.network_key(from);
        self.input(node, Input::Frame { from, frame });
    }

    /// Replaces the faults from here on.
    pub fn set_plan(&mut self, plan: Plan) {
        self.plan = plan;
    }

    fn now(&self) -> Now {
        Now {
            monotonic: Monotonic::from_millis(self.now_ms),
            wall: Timestamp::from_millis(WALL_START_MS + self.now_ms),
        }
    }

    fn clock_checks(&mut self) {
        self.checks.at(self.now_ms, WALL_START_MS + self.now_ms);
    }

    /// The key by which the others know a node.
    #[must_use]
    pub fn network_key(&self, node: usize) -> PublicKey {
        self.network_keys[self.members[node]]
    }
}
