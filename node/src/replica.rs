//! The replica: mempool, proposer and engine behind one `handle(now, input, &mut effects)`. Pure.
//!
//! It decides; it does not act. Execution, storage and sending are asked for by effect and answered by input, so that
//! they can overlap with voting, and so that the simulator runs this very type.

use crate::mempool::Mempool;
use crate::proposer::Proposer;
use crate::verify::verify_transactions;
use crate::wire::{Frame, Request};
use account::Memory;
use attestation::Attestations;
use duties::Duties;
use epochs::Epochs;
use peers::Peers;
use rand_chacha::ChaCha20Rng;
use ranges::Ranges;
use salus_consensus::clock::{Monotonic, Now};
use salus_consensus::config::Config;
use salus_consensus::effect::Effect as EngineEffect;
use salus_consensus::engine::Engine;
use salus_consensus::input::Input as EngineInput;
use salus_consensus::journal::JournalEntry;
use salus_consensus::message::{Message, Peer};
use salus_contracts::native::blockcfg::quota::Demotions;
use salus_primitives::block::Block;
use salus_primitives::certificate::VerifiedCertificate;
use salus_primitives::ids::{BlockId, Height};
use salus_primitives::transaction::{SignedTransaction, TxId};
use standing::Standings;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use suspension::Suspension;
use waiting::Waiting;

mod account;
mod attendance;
mod attestation;
mod duties;
mod effect;
mod epochs;
mod fetch;
mod input;
mod peers;
mod ranges;
mod receive;
mod serve;
mod standing;
mod suspension;
mod timing;
mod waiting;

pub use effect::{Effect, FaultKind, Note};
pub use epochs::Member;
pub use input::Input;
pub use peers::{Acquaintance, Claim};

/// One node's decisions.
pub struct Replica {
    engine: Engine,
    mempool: Mempool,
    proposer: Proposer,
    /// In which lanes the transactions of a block on each executed block count, and of one on the last final block.
    demotions: BTreeMap<BlockId, Arc<Demotions>>,
    /// Transaction ids of blocks above the last final one.
    block_ids: BTreeMap<BlockId, Arc<Vec<TxId>>>,
    peers: Vec<Peer>,
    acquaintances: Peers,
    memory: Memory,
    /// Which peer is asked next.
    next_peer: usize,
    /// Bodies that were asked for.
    asked: BTreeSet<BlockId>,
    ranges: Ranges,
    epochs: Epochs,
    duties: Duties,
    attestations: Attestations,
    standings: Standings,
    suspension: Suspension,
    /// Whether something waited, when that was looked at last.
    waiting: Option<Waiting>,
    forward_at: Monotonic,
    /// The height of the tip, and since when it is that, or since when it was told what waits.
    stands: (Height, Monotonic),
    entropy: ChaCha20Rng,
}

/// What a replica starts from.
pub struct Origin {
    /// Epoch, seat, last final block.
    pub config: Config,
    /// Finalises that block.
    pub certificate: Option<VerifiedCertificate>,
    /// What the journal kept, in order.
    pub journal: Vec<JournalEntry>,
    /// Empty, with the ids of the window.
    pub mempool: Mempool,
    /// Lanes and bounds.
    pub proposer: Proposer,
    /// Whose node it is, and with which keys it may vote; none for a node that only observes.
    pub member: Member,
    /// Unpredictable to peers: batches of signatures are checked with it.
    pub entropy: ChaCha20Rng,
}

impl Replica {
    /// A replica from the last final block, what the journal kept, and the mempool's window.
    #[must_use]
    pub fn restore(origin: Origin, now: Now, effects: &mut Vec<Effect>) -> Self {
        let Origin {
            config,
            certificate,
            journal,
            mempool,
            proposer,
            member,
            entropy,
        } = origin;
        let mut pending = Vec::new();
        let epoch = config.validators.epoch();
        let (journal, ahead) = journal
            .into_iter()
            .partition(|entry: &JournalEntry| entry.epoch() <= epoch);
        let duties = Duties::new(Arc::clone(&config.validators), config.voter.clone());
        let demotions = BTreeMap::from([(config.base.id, Arc::clone(mempool.demotions()))]);
        let attestations = Attestations::new(Arc::clone(&config.validators));
        let engine = Engine::restore(config, certificate, journal, now, &mut pending);
        let mut replica = Self {
            engine,
            mempool,
            proposer,
            demotions,
            block_ids: BTreeMap::new(),
            peers: Vec::new(),
            acquaintances: Peers::default(),
            memory: Memory::new(now.monotonic),
            next_peer: 0,
            asked: BTreeSet::new(),
            ranges: Ranges::default(),
            epochs: Epochs::new(member, ahead),
            duties,
            attestations,
            standings: Standings::default(),
            suspension: Suspension::default(),
            waiting: None,
            forward_at: now.monotonic,
            stands: (Height::ZERO, now.monotonic),
            entropy,
        };
        replica.carry_out(now, pending, effects);
        replica
    }

    /// Takes in one input and appends what must be done, in order.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Frame { from, frame } => self.on_frame(now, from, frame, effects),
            Input::Malformed { from, error } => {
                self.fault_of(now, from, FaultKind::MalformedFrame, &error, effects);
            }
            Input::Transactions {
                transactions,
                source,
            } => self.on_transactions(now, transactions, source, effects),
            Input::Connected(peer) => {
                if !self.peers.contains(&peer) {
                    self.peers.push(peer);
                }
                self.acquaintances.connected(now.monotonic, peer);
                self.drive(now, EngineInput::Connected(peer), effects);
            }
            Input::Disconnected(peer) => {
                self.peers.retain(|other| *other != peer);
                self.acquaintances.disconnected(now.monotonic, peer);
                self.ranges.forget(&peer);
            }
            Input::Executed { block, executed } => {
                let roots = executed.roots;
                if let Some(elected) = executed.elected {
                    self.epochs.elected(block, elected);
                }
                self.duties.executed(block, executed.offences);
                self.mempool.recount(&executed.demotions);
                self.demotions.insert(block, executed.demotions);
                self.drive(now, EngineInput::Executed { block, roots }, effects);
            }
            Input::Explain => self.ask_for_accounts(now, effects),
            Input::DiskFull => self.suspend(now.monotonic),
            Input::DiskFree => self.resume(now, effects),
            Input::Tick => {
                self.forward(now, effects);
                self.do_duties(now, effects);
                self.tell_what_waits(now, effects);
                self.drive(now, EngineInput::Tick, effects);
            }
        }
    }

    /// Hands one input to the engine, and on to what it asks of mempool and proposer.
    fn drive(&mut self, now: Now, input: EngineInput, effects: &mut Vec<Effect>) {
        if self.is_suspended() {
            self.keep(input);
            return;
        }
        let mut pending = Vec::new();
        self.engine.handle(now, input, &mut pending);
        self.carry_out(now, pending, effects);
    }

    fn carry_out(&mut self, now: Now, asked: Vec<EngineEffect>, effects: &mut Vec<Effect>) {
        let mut answers = self.translate(now, asked, effects);
        answers.push(EngineInput::Pending(self.waits()));
        // an answer can lead to further questions; each round moves the view, a vote or finality on
        while !answers.is_empty() {
            let mut asked = Vec::new();
            for answer in answers {
                self.engine.handle(now, answer, &mut asked);
            }
            if asked.is_empty() {
                break;
            }
            answers = self.translate(now, asked, effects);
            if !answers.is_empty() {
                answers.push(EngineInput::Pending(self.waits()));
            }
        }
        if self.engine.is_finished() {
            self.begin_epoch(now, effects);
        }
        self.memory.works(now.monotonic, self.engine.has_work());
    }

    /// Carries out what concerns mempool and proposer, passes on the rest, and collects the answers for the engine.
    fn translate(
        &mut self,
        now: Now,
        asked: Vec<EngineEffect>,
        effects: &mut Vec<Effect>,
    ) -> Vec<EngineInput> {
        let mut answers = Vec::new();
        self.attestations.enter(self.engine.view());
        for effect in asked {
            match effect {
                EngineEffect::Persist(entry) => effects.push(Effect::Persist(entry)),
                EngineEffect::Broadcast(message) => {
                    if let Message::Proposal(proposal) = &message {
                        self.duties.propose(now, proposal);
                    }
                    effects.push(Effect::Broadcast(Frame::Consensus(message)));
                }
                EngineEffect::Send(peer, message) => {
                    effects.push(Effect::Send(peer, Frame::Consensus(message)));
                }
                EngineEffect::Build(request) => {
                    let demotions = self.demotions_after(&request.parent);
                    self.mempool.recount(&demotions);
                    let branch = self.branch(&request.parent);
                    let block =
                        self.proposer
                            .build(now.monotonic, &request, &self.mempool, &branch);
                    answers.push(EngineInput::Built {
                        view: request.view,
                        block: Arc::new(block),
                    });
                }
                EngineEffect::Check { id, block, .. } => {
                    let result = self.check(&id, &block);
                    if let Err(error) = &result {
                        effects.push(Effect::Note(Note::InvalidProposal {
                            manager: block.header.manager,
                            reason: error.to_string(),
                        }));
                    }
                    answers.push(EngineInput::Checked {
                        block: id,
                        valid: result.is_ok(),
                    });
                }
                EngineEffect::Execute { id, block } => {
                    let ids = self.transaction_ids(&id, &block);
                    effects.push(Effect::Execute {
                        id,
                        block: Arc::clone(&block),
                        ids,
                    });
                    self.attestations.learn(id, &block.header, effects);
                }
                EngineEffect::Notarized(vote) => self.attestations.count(&vote, effects),
                EngineEffect::Finalized {
                    blocks,
                    certificate,
                } => {
                    self.memory.finalized(now.monotonic, &blocks);
                    self.on_finalized(now, blocks, certificate, effects);
                    self.follow_range(now, effects);
                }
                EngineEffect::FetchBody(id) => self.fetch(Request::Body(id), effects),
                EngineEffect::FetchCertificates { from } => {
                    self.fetch(Request::Certificates { from }, effects);
                }
                EngineEffect::FetchRange { .. } => self.ask_for_range(now, effects),
                EngineEffect::Nullified {
                    view,
                    manager,
                    cause,
                } => effects.push(Effect::Note(Note::Nullified {
                    view,
                    manager,
                    cause,
                })),
                EngineEffect::Equivocation { first, second } => {
                    self.accuse(now, &first, &second);
                    effects.push(Effect::Note(Note::Equivocation {
                        seat: first.seat,
                        first: first.statement,
                        second: second.statement,
                    }));
                }
                EngineEffect::Diverged(divergence) => {
                    self.memory.diverged(&divergence);
                    effects.push(Effect::Diverged(divergence));
                }
            }
        }
        answers
    }

    /// Rule 3: the content of a proposal, and the signatures that admission has not checked already.
    fn check(&mut self, id: &BlockId, block: &Block) -> Result<(), crate::proposer::ContentError> {
        let ids = self.transaction_ids(id, block);
        let branch = self.branch(&block.header.parent);
        let demotions = self.demotions_after(&block.header.parent);
        self.proposer
            .check(block, &ids, &self.mempool, &branch, &demotions)?;
        let unchecked: Vec<SignedTransaction> = block
            .transactions
            .iter()
            .zip(ids.iter())
            .filter(|(transaction, id)| !self.mempool.has_checked(id, transaction))
            .map(|(transaction, _)| transaction.clone())
            .collect();
        let unchecked_ids: Vec<TxId> = unchecked.iter().map(|tx| tx.body.id()).collect();
        let verdicts = verify_transactions(unchecked, self.proposer.genesis, &mut self.entropy);
        match verdicts
            .iter()
            .zip(unchecked_ids)
            .find(|(verdict, _)| verdict.is_err())
        {
            Some((_, id)) => Err(crate::proposer::ContentError::Signature(id)),
            None => Ok(()),
        }
    }

    fn on_finalized(
        &mut self,
        now: Now,
        blocks: Vec<(BlockId, Arc<Block>)>,
        certificate: VerifiedCertificate,
        effects: &mut Vec<Effect>,
    ) {
        let mut expired = Vec::new();
        for (id, block) in &blocks {
            let ids = self.transaction_ids(id, block);
            expired.extend(
                self.mempool
                    .on_final(block.header.height, ids.as_ref().clone()),
            );
            self.proposer
                .on_final(now.monotonic, &block.header, &self.mempool);
        }
        self.settle_duties(&blocks, &expired);
        // the engine may have gone on to a later final block already
        let last = self.engine.final_id();
        self.demotions
            .retain(|id, _| *id == last || self.engine.body(id).is_some());
        // what the engine forgot, whatever height it claimed
        self.block_ids
            .retain(|id, _| self.engine.body(id).is_some());
        effects.push(Effect::Commit {
            blocks,
            certificate,
        });
        if !expired.is_empty() {
            effects.push(Effect::Left(expired));
        }
    }

    /// When [`Input::Tick`] is wanted next.
    #[must_use]
    pub fn wakeup(&self, now: Now) -> Option<Monotonic> {
        let engine = (!self.is_suspended())
            .then(|| self.engine.wakeup(now))
            .flatten();
        let forward = self
            .mempool
            .forward_at()
            .map(|due| due.max(self.forward_at).max(now.monotonic.plus_millis(1)));
        let duties = self
            .duties
            .wakeup()
            .map(|due| due.max(now.monotonic.plus_millis(1)));
        [engine, forward, duties].into_iter().flatten().min()
    }

    /// What a shorter journal must hold to be as good as the whole one.
    #[must_use]
    pub fn live_entries(&self) -> Vec<JournalEntry> {
        let mut entries = self.engine.live_entries();
        entries.extend(self.epochs.ahead().iter().cloned());
        entries
    }

    /// The engine, for reading.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The chain's delta, as long as no term fails.
    #[must_use]
    pub const fn delta_ms(&self) -> u64 {
        self.proposer.parameters.delta_ms
    }

    /// The mempool, for reading.
    #[must_use]
    pub const fn mempool(&self) -> &Mempool {
        &self.mempool
    }
}
