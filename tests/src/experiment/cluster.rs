//! Production replicas in a [`World`], in virtual microseconds.
//!
//! A frame waits for its sender's uplink, travels, waits for its receiver's processor, and what comes of it leaves when the work is done.
//! What is urgent on the wire is so at the processor too. Execution has a processor of its own.

use super::clients::Clients;
use super::cost;
use super::founding::{answers_per_second, found, lane_of};
use super::load::Demand;
use super::record::Record;
use super::station::{Station, Task};
use super::uplink::Parcel;
use super::world::World;
use super::{Experiment, ExperimentError};
use crate::agenda::Agenda;
use crate::sim::check::Checks;
use crate::sim::node::{Node, Outgoing, Target};
use salus_consensus::clock::{Monotonic, Now};
use salus_genesis::block::GenesisBlock;
use salus_node::replica::Input;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{EntityId, Height, Seat};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::LaneConfig;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{TRANSACTION_MAX, TxId, VerifiedTransaction};
use std::rc::Rc;
use std::sync::Arc;

/// The network, its clients, and what is counted.
pub(super) struct Cluster {
    experiment: Experiment,
    world: World,
    genesis: Arc<GenesisBlock>,
    network_keys: Vec<PublicKey>,
    /// The seat of each node.
    seats: Vec<Seat>,
    stations: Vec<Station>,
    checks: Checks,
    pub(super) record: Record,
    clients: Clients,
    /// Until when clients submit.
    pub(super) demand_ends_us: u64,
    now_us: u64,
    agenda: Agenda<Event>,
}

enum Event {
    Arrive {
        to: usize,
        task: Task,
    },
    /// The processor is done, and says what came of it.
    Done {
        node: usize,
        outgoing: Vec<Outgoing>,
    },
    /// The uplink has sent a piece.
    Sent {
        node: usize,
        complete: Option<(usize, Rc<Parcel>)>,
    },
    Wake {
        node: usize,
    },
    Submit {
        kind: Lane,
    },
}

/// When virtual time starts, on the wall: after genesis.
const WALL_START_MS: u64 = 10_000_000;
/// How long devices may take to be registered.
const READY_SECONDS: u64 = 60;
/// How long clients submit before it counts, in seconds.
const WARM_UP_SECONDS: u64 = 3;
/// How long the last transactions that count may take, in seconds.
const DRAIN_SECONDS: u64 = 60;
/// How long the last votes for them may take after that, in seconds.
const LATE_SECONDS: u64 = 2;
/// Journals are rewritten beyond so many bytes: as production does, and not at every vote as small ones would be beside large blocks.
const JOURNAL_BYTES: u64 = 16 * 1024 * 1024;

impl Cluster {
    pub(super) fn new(experiment: &Experiment, world: World) -> Self {
        let (genesis, keys) = found(&world, experiment.policy);
        let genesis = Arc::new(genesis);
        let network_keys: Vec<PublicKey> = keys.iter().map(|it| it.network.public()).collect();
        let seats = network_keys
            .iter()
            .map(|key| genesis.first.validators.seat_of_network_key(key))
            .map(|seat| seat.expect("all members of this chain have seats"))
            .collect();
        let peers = keys
            .iter()
            .map(|keys| (keys.network.public(), EntityId::of_name(&keys.name)))
            .collect();
        let stations = (0..)
            .zip(&keys)
            .map(|(index, keys)| {
                let node = Node::new(Arc::clone(&genesis), keys.clone(), index);
                Station::new(node.with_journal_of(JOURNAL_BYTES))
            })
            .collect();
        Self {
            experiment: *experiment,
            record: Record::new(),
            world,
            genesis: Arc::clone(&genesis),
            checks: Checks::new(Arc::clone(&genesis), peers),
            network_keys,
            seats,
            stations,
            clients: Clients::new(experiment.seed, genesis, &keys),
            demand_ends_us: 0,
            now_us: 0,
            agenda: Agenda::new(),
        }
    }

    /// Starts the nodes, registers a device for each, lets the clients work, and waits for the last transaction that counts.
    pub(super) fn carry_out(&mut self) -> Result<(), ExperimentError> {
        for node in 0..self.stations.len() {
            let now = self.now();
            let outgoing =
                self.stations[node]
                    .node
                    .start(now, self.experiment.seed, &mut self.checks);
            self.schedule(0, Event::Done { node, outgoing });
        }
        for node in 0..self.stations.len() {
            for other in 0..self.stations.len() {
                if other != node {
                    let key = self.network_keys[other];
                    self.input(node, Input::Connected(key), cost::INPUT_US);
                }
            }
        }
        let registrations: Vec<TxId> = (0..self.stations.len())
            .map(|node| {
                let transaction = self.clients.registration(node, Height::ZERO);
                self.arrive(node, transaction)
            })
            .collect();
        let limit_us = READY_SECONDS * 1_000_000;
        while !self.are_final(&registrations) {
            if !self.step(limit_us)? {
                return Err(ExperimentError::NotReady(READY_SECONDS));
            }
        }
        self.run_load()
    }

    fn run_load(&mut self) -> Result<(), ExperimentError> {
        let start_us = self.now_us;
        let counts_from_us = start_us + WARM_UP_SECONDS * 1_000_000;
        self.demand_ends_us = counts_from_us + self.experiment.seconds * 1_000_000;
        for kind in Lane::ALL {
            match self.experiment.load.demand(kind) {
                Demand::PerMinute(rate) => {
                    let pause = self.clients.pause_us(rate);
                    self.schedule(pause, Event::Submit { kind });
                }
                Demand::Waiting(count) => {
                    for n in 0..count {
                        self.submit(n % self.stations.len(), kind);
                    }
                }
            }
        }
        while self.now_us < counts_from_us && self.step(counts_from_us)? {}
        self.record.begin(self.now_us);
        let end_us = self.demand_ends_us;
        while self.now_us < end_us && self.step(end_us)? {}
        let limit_us = end_us + DRAIN_SECONDS * 1_000_000;
        while !self.record.is_settled() && self.step(limit_us)? {}
        // votes that no quorum waits for come after finality
        let late_us = self.now_us + LATE_SECONDS * 1_000_000;
        while self.now_us < late_us && self.step(late_us)? {}
        Ok(())
    }

    /// The next event, unless it lies behind the limit.
    fn step(&mut self, limit_us: u64) -> Result<bool, ExperimentError> {
        if let Some(violation) = self.checks.violations().first() {
            return Err(ExperimentError::Violated(violation.to_string()));
        }
        let is_due = self.agenda.next_at().is_some_and(|at| at <= limit_us);
        let Some((at_us, event)) = is_due.then(|| self.agenda.pop()).flatten() else {
            self.now_us = limit_us;
            return Ok(false);
        };
        self.now_us = at_us;
        match event {
            Event::Arrive { to, task } => {
                self.stations[to].push(task);
                self.work(to);
            }
            Event::Done { node, outgoing } => {
                self.stations[node].is_working = false;
                self.dispatch(node, outgoing);
                self.look_for_finality(node);
                self.plan_wakeup(node);
                self.work(node);
            }
            Event::Sent { node, complete } => {
                self.stations[node].uplink.is_sending = false;
                if let Some((to, parcel)) = complete {
                    let way = self.world.one_way_us(node, to);
                    let task = Task::Frame { from: node, parcel };
                    self.schedule(way, Event::Arrive { to, task });
                }
                self.send(node);
            }
            Event::Wake { node } => {
                self.stations[node].node.woken(self.now_us / 1_000);
                self.schedule(
                    0,
                    Event::Arrive {
                        to: node,
                        task: Task::Tick,
                    },
                );
            }
            Event::Submit { kind } => {
                if let Demand::PerMinute(rate) = self.experiment.load.demand(kind)
                    && self.now_us < self.demand_ends_us
                {
                    let node = self.clients.member();
                    self.submit(node, kind);
                    let pause = self.clients.pause_us(rate);
                    self.schedule(pause, Event::Submit { kind });
                }
            }
        }
        Ok(true)
    }

    /// Lets an idle processor take what waits.
    fn work(&mut self, node: usize) {
        let station = &mut self.stations[node];
        let Some(task) = station.take() else {
            return;
        };
        let (input, cost) = station.price(task, &self.network_keys);
        self.input(node, input, cost);
    }

    fn input(&mut self, node: usize, input: Input, cost: u64) {
        let now = self.now();
        self.checks
            .at(now.monotonic.as_millis(), now.wall.as_millis());
        let station = &mut self.stations[node];
        let outgoing = station.node.handle(now, input, &mut self.checks);
        station.is_working = true;
        let us = cost * self.world.slowness(node);
        self.schedule(us, Event::Done { node, outgoing });
    }

    fn dispatch(&mut self, node: usize, outgoing: Vec<Outgoing>) {
        for item in outgoing {
            match item {
                Outgoing::Frame { to, frame } => {
                    let parcel = Rc::new(Parcel::new(&frame));
                    self.record.learn(self.now_us, &parcel);
                    for to in self.receivers(node, &to) {
                        self.stations[node].uplink.push(to, Rc::clone(&parcel));
                    }
                    self.send(node);
                }
                Outgoing::Attested(id) => self.record.on_attested(self.now_us, node, id),
                Outgoing::Executed { id, executed } => {
                    let station = &mut self.stations[node];
                    let us = station.execution_cost(&id) * self.world.slowness(node);
                    let start_us = station.executes_until_us.max(self.now_us);
                    station.executes_until_us = start_us + us;
                    let delay = station.executes_until_us - self.now_us;
                    let task = Task::Executed { id, executed };
                    self.schedule(delay, Event::Arrive { to: node, task });
                }
            }
        }
    }

    fn send(&mut self, node: usize) {
        let uplink = &mut self.stations[node].uplink;
        if uplink.is_sending {
            return;
        }
        if let Some(sent) = uplink.send() {
            uplink.is_sending = true;
            let complete = sent.complete;
            self.schedule(sent.us, Event::Sent { node, complete });
        }
    }

    fn look_for_finality(&mut self, node: usize) {
        for id in self.stations[node].new_finals() {
            for own in self.record.on_final(self.now_us, node, id) {
                self.replace(node, &own);
            }
        }
    }

    /// A client whose lane is to be full submits another one.
    fn replace(&mut self, node: usize, id: &TxId) {
        let Some(kind) = self.record.kind(id) else {
            return;
        };
        let demand = self.experiment.load.demand(kind);
        if matches!(demand, Demand::Waiting(_)) && self.now_us < self.demand_ends_us {
            self.submit(node, kind);
        }
    }

    fn plan_wakeup(&mut self, node: usize) {
        let now = self.now();
        if let Some(at_ms) = self.stations[node].node.wants_wakeup(now) {
            let delay = (at_ms * 1_000).saturating_sub(self.now_us).max(1);
            self.schedule(delay, Event::Wake { node });
        }
    }

    fn schedule(&mut self, delay_us: u64, event: Event) {
        self.agenda.plan(self.now_us + delay_us, event);
    }

    fn receivers(&self, from: usize, to: &Target) -> Vec<usize> {
        let is_receiver = |node: &usize| match to {
            Target::All => *node != from,
            Target::One(key) => self.network_keys[*node] == *key,
        };
        (0..self.stations.len()).filter(is_receiver).collect()
    }

    fn now(&self) -> Now {
        let now_ms = self.now_us / 1_000;
        Now {
            monotonic: Monotonic::from_millis(now_ms),
            wall: Timestamp::from_millis(WALL_START_MS + now_ms),
        }
    }

    fn are_final(&self, ids: &[TxId]) -> bool {
        self.stations
            .iter()
            .all(|station| ids.iter().all(|id| station.node.has_final(id)))
    }

    /// A device hands its hospital's node a reading of this kind.
    fn submit(&mut self, node: usize, kind: Lane) {
        let lane = lane_of(self.experiment.policy, kind);
        let head = self.stations[node].node.final_height();
        let transaction = self.clients.reading(node, kind, lane, head);
        let id = self.arrive(node, transaction);
        self.record.submitted(self.now_us, id, kind, node);
    }

    fn arrive(&mut self, node: usize, transaction: VerifiedTransaction) -> TxId {
        let id = transaction.id();
        let task = Task::Submit(Box::new(transaction));
        self.schedule(0, Event::Arrive { to: node, task });
        id
    }

    /// How long bulk may hold up the next block beyond a round of votes, in microseconds: as long as governance says, or as long as the least
    /// block takes at the rate of a quorum.
    pub(super) fn hold_max_us(&self) -> u64 {
        let genesis = &self.genesis;
        let hold_us = u64::from(genesis.policy.model.hold_max_ms) * 1_000;
        let least_us = World::sending_us(TRANSACTION_MAX as u64) * (self.world.len() as u64 - 1);
        hold_us.max(least_us)
    }

    /// The lane as it is in the epoch of the experiment.
    pub(super) fn lane(&self, lane: Lane) -> &LaneConfig {
        let config = self.genesis.first.lanes.lane(lane);
        config.expect("an epoch has all lanes")
    }

    /// The paper's C of a block: what its verifiers do in a second, at a price of 1.
    pub(super) fn price(&self, committee: &[Seat]) -> f64 {
        (0..)
            .zip(&self.seats)
            .filter(|(_, seat)| committee.contains(seat))
            .map(|(node, _)| answers_per_second(&self.world, node))
            .sum()
    }
}
