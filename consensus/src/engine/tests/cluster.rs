//! A cluster of engines under a seed: messages are delayed, lost, repeated and reordered, links are cut, nodes crash in the
//! middle of carrying out effects and come back from what they had persisted. Time is virtual and follows `wakeup`.

use crate::clock::{Monotonic, Now};
use crate::config::{Base, Timing};
use crate::effect::Effect;
use crate::engine::Engine;
use crate::engine::tests_support::{
    GENESIS, base, child, config, keys, peer, roots_after, set, transaction,
};
use crate::input::Input;
use crate::journal::JournalEntry;
use crate::message::Message;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use salus_primitives::block::Block;
use salus_primitives::certificate::{Statement, VerifiedCertificate};
use salus_primitives::crypto::sign::Signer;
use salus_primitives::ids::{BlockId, Height, Seat};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use salus_primitives::validators::ValidatorSet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod network;

use network::{Event, Question};

/// What the network does to messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) delay_ms: (u64, u64),
    pub(super) lost_percent: u64,
    pub(super) repeated_percent: u64,
}

pub(super) const CALM: Weather = Weather {
    delay_ms: (2, 20),
    lost_percent: 0,
    repeated_percent: 0,
};

pub(super) const STORM: Weather = Weather {
    delay_ms: (5, 250),
    lost_percent: 20,
    repeated_percent: 10,
};

/// Takes the time, sender, receiver and message.
pub(super) type Loses = Box<dyn FnMut(u64, usize, usize, &Message) -> bool>;

pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) weather: Weather,
    /// Nodes that hear only one another.
    pub(super) apart: BTreeSet<usize>,
    /// Which messages are lost, whatever the weather.
    pub(super) loses: Option<Loses>,
    pub(super) now: u64,
    /// Messages sent so far.
    pub(super) sent: u64,
    pub(super) last_sent_at: u64,
    /// What each seat has signed, in order.
    signed: BTreeMap<Seat, Vec<Statement>>,
    /// A seat whose key two nodes share: its votes contradict one another.
    pub(super) twins: Option<u16>,
    chain: BTreeMap<Height, BlockId>,
    set: Arc<ValidatorSet>,
    keys: Vec<Signer>,
    timing: Timing,
    rng: ChaCha8Rng,
    queue: BTreeMap<(u64, u64), Event>,
    events: u64,
}

pub(super) struct Node {
    pub(super) engine: Option<Engine>,
    pub(super) seat: u16,
    /// Blocks in the order they became final, each range's last with its certificate.
    pub(super) ledger: Vec<(BlockId, Arc<Block>, Option<VerifiedCertificate>)>,
    pub(super) nullified: u64,
    journal: Vec<JournalEntry>,
    pool: BTreeSet<u64>,
    incarnation: u64,
    wakeup: Option<u64>,
    /// Effects left to carry out before this node crashes.
    crash_after: Option<u64>,
}

impl Cluster {
    pub(super) fn new(seed: u64, weights: &[u64], timing: Timing) -> Self {
        let (set, keys) = (
            Arc::new(set(weights)),
            keys(u8::try_from(weights.len()).expect("few")),
        );
        let mut cluster = Self {
            nodes: Vec::new(),
            weather: CALM,
            apart: BTreeSet::new(),
            loses: None,
            now: 1_000,
            sent: 0,
            last_sent_at: 0,
            signed: BTreeMap::new(),
            twins: None,
            chain: BTreeMap::new(),
            set,
            keys,
            timing,
            rng: ChaCha8Rng::seed_from_u64(seed),
            queue: BTreeMap::new(),
            events: 0,
        };
        for seat in 0..u16::try_from(weights.len()).expect("few") {
            cluster.add(seat);
        }
        cluster
    }

    /// Adds a second node with the key of `seat`: together they do what a Byzantine member can do by equivocating.
    pub(super) fn add_twin(&mut self, seat: u16) {
        self.twins = Some(seat);
        self.add(seat);
    }

    fn add(&mut self, seat: u16) {
        self.nodes.push(Node {
            engine: None,
            seat,
            ledger: Vec::new(),
            nullified: 0,
            journal: Vec::new(),
            pool: BTreeSet::new(),
            incarnation: 0,
            wakeup: None,
            crash_after: None,
        });
        self.start(self.nodes.len() - 1);
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn clock(&self) -> Now {
        Now {
            monotonic: Monotonic::from_millis(self.now),
            wall: Timestamp::from_millis(self.now),
        }
    }

    /// A transaction reaches every node that runs.
    pub(super) fn submit(&mut self, number: u64) {
        for index in 0..self.nodes.len() {
            self.nodes[index].pool.insert(number);
            self.input(index, Input::Pending(true));
        }
    }

    /// Starts a node from its ledger and journal.
    pub(super) fn start(&mut self, index: usize) {
        let now = self.clock();
        let node = &mut self.nodes[index];
        if node.engine.is_some() {
            return;
        }
        let last = node.ledger.last();
        let certificate = last.and_then(|(_, _, certificate)| certificate.clone());
        let base = match (last, &certificate) {
            (Some((id, block, _)), Some(certificate)) => Base {
                id: *id,
                header: block.header.clone(),
                view: certificate.view(),
                roots: roots_after(&block.header),
            },
            _ => base(),
        };
        let config = config(node.seat, &self.set, &self.keys, self.timing, base);
        let mut effects = Vec::new();
        let journal = node.journal.clone();
        node.engine = Some(Engine::restore(
            config,
            certificate,
            journal,
            now,
            &mut effects,
        ));
        node.incarnation += 1;
        self.carry_out(index, effects);
        if !self.nodes[index].pool.is_empty() {
            self.input(index, Input::Pending(true));
        }
        for other in self.running() {
            if other != index {
                self.input(other, Input::Connected(peer_of(index)));
                self.input(index, Input::Connected(peer_of(other)));
            }
        }
    }

    /// Crashes a node after so many more effects, so that it stops in the middle of a list of them.
    pub(super) fn crash(&mut self, index: usize, after: u64) {
        self.nodes[index].crash_after = Some(after);
        if after == 0 {
            self.stop(index);
        }
    }

    /// Takes back a crash that has not happened yet.
    pub(super) fn crash_off(&mut self, index: usize) {
        self.nodes[index].crash_after = None;
    }

    fn stop(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.engine = None;
        node.crash_after = None;
        node.wakeup = None;
    }

    pub(super) fn running(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|index| self.nodes[*index].engine.is_some())
            .collect()
    }

    /// Runs until a point in virtual time.
    pub(super) fn run_until(&mut self, end: u64) {
        loop {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let wakeup = self.nodes.iter().filter_map(|node| node.wakeup).min();
            let Some(at) = [event, wakeup].into_iter().flatten().min() else {
                break;
            };
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            if event == Some(at) {
                let (_, event) = self.queue.pop_first().expect("there is one");
                self.dispatch(event);
            } else if let Some(index) = self.nodes.iter().position(|n| n.wakeup == Some(at)) {
                self.input(index, Input::Tick);
            }
        }
        self.now = end;
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Deliver { to, from, message } => {
                let Some(engine) = &self.nodes[to].engine else {
                    return;
                };
                let message = message
                    .verify(GENESIS, &self.set, |statement| engine.knows(statement))
                    .expect("engines send what verifies");
                let from = peer_of(from);
                self.input(to, Input::Message { from, message });
            }
            Event::Answer {
                to,
                incarnation,
                input,
            } => {
                let input = match input {
                    Input::Pending(_) => Input::Pending(!self.nodes[to].pool.is_empty()),
                    other => other,
                };
                if self.nodes[to].incarnation == incarnation {
                    self.input(to, input);
                }
            }
            Event::Ask { to, from, question } => self.answer(to, from, question),
        }
    }

    fn input(&mut self, index: usize, input: Input) {
        let now = self.clock();
        let mut effects = Vec::new();
        let Some(engine) = &mut self.nodes[index].engine else {
            return;
        };
        engine.handle(now, input, &mut effects);
        self.carry_out(index, effects);
    }

    fn carry_out(&mut self, index: usize, effects: Vec<Effect>) {
        for effect in effects {
            if let Some(left) = self.nodes[index].crash_after {
                if left == 0 {
                    self.stop(index);
                    return;
                }
                self.nodes[index].crash_after = Some(left - 1);
            }
            self.perform(index, effect);
        }
        let now = self.clock();
        let node = &mut self.nodes[index];
        let Some(engine) = &node.engine else {
            return;
        };
        node.wakeup = engine.wakeup(now).map(Monotonic::as_millis);
        assert!(node.wakeup.is_none_or(|at| at > self.now), "busy loop");
        if node.journal.len() > 200 {
            node.journal = engine.live_entries();
        }
    }

    fn perform(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Persist(entry) => {
                match &entry {
                    JournalEntry::Vote(vote) => self.note(vote.seat, vote.statement),
                    JournalEntry::Proposal(proposal) => {
                        self.note(proposal.vote.seat, proposal.vote.statement);
                    }
                    JournalEntry::Entry(_) | JournalEntry::Body(_) | JournalEntry::Floor { .. } => {
                    }
                }
                self.nodes[index].journal.push(entry);
            }
            Effect::Broadcast(message) => {
                for to in 0..self.nodes.len() {
                    if to != index {
                        self.send(index, to, &message);
                    }
                }
            }
            Effect::Send(to, message) => self.send(index, index_of(to.0[0]), &message),
            Effect::Build(request) => {
                let engine = self.nodes[index].engine.as_ref().expect("running");
                let branch: BTreeSet<TxId> = engine
                    .branch(&request.parent)
                    .unwrap_or_default()
                    .iter()
                    .flat_map(|(_, block)| block.transactions.iter().map(|t| t.body.id()))
                    .collect();
                let fresh = self.nodes[index]
                    .pool
                    .iter()
                    .map(|number| transaction(*number))
                    .find(|transaction| !branch.contains(&transaction.body.id()));
                let block = child(
                    &request.parent_header,
                    request.view.get(),
                    request.manager,
                    request.time,
                    fresh.into_iter().collect(),
                );
                let view = request.view;
                self.soon(index, Input::Built { view, block });
            }
            Effect::Check { id, .. } => {
                let (block, valid) = (id, true);
                self.soon(index, Input::Checked { block, valid });
            }
            Effect::Execute { id, block } => {
                let roots = roots_after(&block.header);
                self.soon(index, Input::Executed { block: id, roots });
            }
            Effect::FetchBody(id) => self.ask(index, &Question::Body(id)),
            Effect::FetchCertificates { from } => self.ask(index, &Question::Certificates(from)),
            Effect::FetchRange { from } => self.ask(index, &Question::Range(from)),
            Effect::Finalized {
                blocks,
                certificate,
            } => self.commit(index, blocks, &certificate),
            Effect::Notarized(_) => {}
            Effect::Nullified { cause, .. } => {
                self.nodes[index].nullified += u64::from(cause.is_none());
            }
            Effect::Equivocation { first, .. } => {
                assert_eq!(Some(first.seat.get()), self.twins, "{first:?}");
            }
            Effect::Diverged(divergence) => panic!("diverged: {divergence:?}"),
        }
    }

    /// No two final blocks of one height, and no gaps.
    fn commit(
        &mut self,
        index: usize,
        blocks: Vec<(BlockId, Arc<Block>)>,
        certificate: &VerifiedCertificate,
    ) {
        for (id, block) in blocks {
            let node = &mut self.nodes[index];
            let height = block.header.height;
            assert_eq!(height.get(), node.ledger.len() as u64 + 1, "a gap");
            let agreed = *self.chain.entry(height).or_insert(id);
            assert_eq!(agreed, id, "a fork at {height}");
            for transaction in &block.transactions {
                let number: [u8; 8] = transaction.body.nonce[..8].try_into().expect("eight");
                node.pool.remove(&u64::from_le_bytes(number));
            }
            let last = certificate.statement().block() == Some(id);
            let certificate = last.then(|| certificate.clone());
            node.ledger.push((id, block, certificate));
        }
        self.soon(index, Input::Pending(false));
    }

    /// No seat signs what contradicts what it signed before, whatever it has lived through (rules 3 and 6).
    fn note(&mut self, seat: Seat, statement: Statement) {
        if self.twins == Some(seat.get()) {
            return;
        }
        let timing = self.timing;
        let before = self.signed.entry(seat).or_default();
        if before.contains(&statement) {
            return;
        }
        let view = statement.view();
        let same_term = |other: &Statement| timing.term(other.view()) == timing.term(view);
        let conflict = before.iter().find(|earlier| match (statement, **earlier) {
            (Statement::Notarize { .. }, Statement::Notarize { view: other, .. })
            | (Statement::Notarize { .. }, Statement::Nullify { view: other, .. })
            | (Statement::Finalize { .. }, Statement::Finalize { view: other, .. }) => {
                other == view
            }
            (Statement::Finalize { .. }, Statement::Nullify { view: other, .. }) => {
                same_term(earlier) && other <= view
            }
            (Statement::Nullify { .. }, Statement::Finalize { view: other, .. }) => {
                same_term(earlier) && view <= other
            }
            _ => false,
        });
        assert_eq!(conflict, None, "seat {seat} also signed {statement:?}");
        before.push(statement);
    }

    /// The height that every running node holds final, if it is the same one everywhere.
    pub(super) fn common_height(&self) -> Option<u64> {
        let heights: BTreeSet<usize> = self
            .running()
            .into_iter()
            .map(|index| self.nodes[index].ledger.len())
            .collect();
        let single = heights.len() == 1;
        heights
            .first()
            .filter(|_| single)
            .map(|height| *height as u64)
    }

    /// The highest final height anywhere.
    pub(super) fn height(&self) -> u64 {
        self.chain.len() as u64
    }

    /// Transactions that some node still holds.
    pub(super) fn waiting(&self) -> usize {
        self.running()
            .into_iter()
            .map(|index| self.nodes[index].pool.len())
            .sum()
    }

    /// Where the nodes stand, for a failure's message.
    pub(super) fn report(&self) -> String {
        self.nodes
            .iter()
            .map(|node| match &node.engine {
                Some(engine) => format!(
                    "[seat {} view {} final view {} height {} pool {} wakeup {:?}]",
                    node.seat,
                    engine.view(),
                    engine.final_view(),
                    node.ledger.len(),
                    node.pool.len(),
                    node.wakeup,
                ),
                None => format!("[seat {} down]", node.seat),
            })
            .collect()
    }
}

fn peer_of(index: usize) -> salus_primitives::crypto::sign::PublicKey {
    peer(u16::try_from(index).expect("few"))
}

fn index_of(first_byte: u8) -> usize {
    usize::from(first_byte - 100)
}
