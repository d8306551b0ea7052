//! One simulated node: the production replica, execution and ledger, on disks that forget and fail.

use super::check::{Checks, Identity};
use super::durable::Durable;
use super::grounds::lacking;
use super::history::Moment;
use super::property::Property;
use crate::keys::MemberKeys;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use salus_consensus::clock::Now;
use salus_consensus::config::Timing;
use salus_consensus::journal::{JOURNAL_ENTRY_MAX, JournalEntry};
use salus_genesis::block::GenesisBlock;
use salus_node::execution::{Executed, Execution};
use salus_node::mempool::{MempoolLimits, Source};
use salus_node::origin;
use salus_node::replica::{Effect, Input, Member, Note, Replica};
use salus_node::serve::answer;
use salus_node::tiers::{CommitteeVote, Tiers};
use salus_node::verify::verify_transactions;
use salus_node::wire::Frame;
use salus_primitives::block::Block;
use salus_primitives::codec;
use salus_primitives::crypto::sign::{PublicKey, Signer};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, EntityId, Height};
use salus_primitives::lanes::EpochLanes;
use salus_primitives::time::Timestamp;
use salus_primitives::validators::ValidatorSet;
use salus_storage::journal::{JournalFaults, JournalIdentity, MemoryJournal, VoteJournal};
use salus_storage::ledger::{Ledger, Retention};
use salus_storage::memory::{FaultPlan, MemoryStore};
use std::sync::Arc;

mod chain;
mod disks;
mod look;

/// A node and its disks.
pub struct Node {
    genesis: Arc<GenesisBlock>,
    keys: MemberKeys,
    identity: Identity,
    /// Distinguishes two nodes of one member.
    index: u64,
    /// The keys it may vote with, past and future ones.
    signers: Vec<Signer>,
    store: Arc<MemoryStore>,
    /// None once it was lost: the node only observes.
    journal: Option<MemoryJournal>,
    /// The height that its store must reach for the journal to be whole beside it: until then it observes.
    behind: Option<Height>,
    /// What its journal says that it signed.
    durable: Durable,
    /// After how many more steps of carrying out effects the node dies in the middle of them.
    dies_in: Option<u64>,
    /// Whether its disks were told to fail.
    disk_fails: bool,
    /// How far its wall clock is off, in milliseconds.
    clock_offset_ms: i64,
    faults: u64,
    signatures_checked: u64,
    votes_sent: u64,
    running: Option<Running>,
    life: u32,
    wakeup: Option<u64>,
    rewrites: u64,
    /// Size at which its journal is rewritten.
    journal_max: u64,
    validators: Arc<ValidatorSet>,
    lanes: Arc<EpochLanes>,
}

struct Running {
    replica: Replica,
    execution: Execution,
    ledger: Arc<Ledger>,
    tiers: Tiers,
    entropy: ChaCha20Rng,
}

impl Running {
    /// A block that may become final, or is.
    fn block(&self, id: &BlockId) -> Option<Arc<Block>> {
        let live = self.replica.engine().body(id).cloned();
        live.or_else(|| {
            let height = self.ledger.height_of(id).expect("reads")?;
            self.ledger.block(height).expect("reads").map(Arc::new)
        })
    }
}

/// Something that leaves a node.
pub enum Outgoing {
    /// A frame.
    Frame {
        /// To whom.
        to: Target,
        /// What.
        frame: Frame,
    },
    /// To its clients: all of a block's committee have voted for it.
    Attested(BlockId),
    /// The answer of the execution thread, on its way back.
    Executed {
        /// Which block.
        id: BlockId,
        /// The roots after it.
        executed: Executed,
    },
}

/// Whom a frame is for.
pub enum Target {
    /// Every peer.
    All,
    /// One.
    One(PublicKey),
}

/// Journal size at which it is rewritten: small, so that runs cross it.
const JOURNAL_REWRITE_BYTES: u64 = 16 * 1024;
/// How many keys a member has in the end: the first, and those it rotates to.
pub(super) const GENERATIONS: u8 = 4;
/// Blocks that may be executed beside those of the views since the last final one.
const BODIES_SPARE: u64 = 160;
/// Records of one view: certificates, bodies, votes, a proposal.
const RECORDS_MAX_BYTES: u64 = 256 * 1024;

impl Node {
    pub(crate) fn new(genesis: Arc<GenesisBlock>, keys: MemberKeys, index: u64) -> Self {
        let identity = Identity {
            name: keys.name.clone(),
            entity: EntityId::of_name(&keys.name),
            obeys: true,
        };
        let journal = MemoryJournal::create(journal_identity(&genesis, &keys));
        let timing = Timing::from(&genesis.parameters);
        let signers = (0..GENERATIONS)
            .map(|generation| keys.validator_of(generation).signer())
            .collect();
        Self {
            validators: Arc::new(genesis.first.validators.clone()),
            lanes: Arc::new(genesis.first.lanes.clone()),
            genesis,
            keys,
            identity,
            index,
            signers,
            store: Arc::new(MemoryStore::new()),
            journal: Some(journal),
            behind: None,
            durable: Durable::new(timing),
            dies_in: None,
            disk_fails: false,
            clock_offset_ms: 0,
            faults: 0,
            signatures_checked: 0,
            votes_sent: 0,
            running: None,
            life: 0,
            wakeup: None,
            rewrites: 0,
            journal_max: JOURNAL_REWRITE_BYTES,
        }
    }

    /// The same with a journal that is rewritten beyond so many bytes.
    pub(crate) const fn with_journal_of(mut self, bytes: u64) -> Self {
        self.journal_max = bytes;
        self
    }

    pub(crate) fn start(&mut self, now: Now, seed: u64, checks: &mut Checks) -> Vec<Outgoing> {
        self.life += 1;
        self.wakeup = None;
        self.votes_sent = 0;
        self.disk_fails = false;
        self.store.set_faults(FaultPlan::default());
        let now = self.own_time(now);
        let genesis = &self.genesis;
        let ledger = Ledger::open(
            Arc::<MemoryStore>::clone(&self.store),
            &salus_node::origin::first_block(genesis),
            Retention::default(),
        )
        .expect("the store opens");
        let ledger = Arc::new(ledger);
        let mut entries: Vec<JournalEntry> = Vec::new();
        if let Some(journal) = &mut self.journal {
            // an operator makes room before the start
            journal.set_full(false);
            journal.set_faults(JournalFaults::default());
            let identity = journal_identity(genesis, &self.keys);
            let (opened, replay) = journal.open(identity).expect("the journal opens");
            *journal = opened;
            entries.extend(replay.entries.iter().map(|bytes| {
                codec::decode::<JournalEntry>(bytes, JOURNAL_ENTRY_MAX).expect("own records decode")
            }));
        }
        self.behind = origin::behind(&ledger, &entries);
        self.durable = Durable::of(Timing::from(&self.genesis.parameters), &entries);
        let entropy = ChaCha20Rng::seed_from_u64(
            seed ^ (u64::from(self.life) << 32) ^ self.index.rotate_right(8),
        );
        let member = Member {
            entity: self.identity.entity,
            signers: match self.journal {
                Some(_) => self.signers.clone(),
                None => Vec::new(),
            },
        };
        let origin = origin::read(
            genesis,
            &ledger,
            member,
            entries,
            MempoolLimits::default(),
            entropy.clone(),
        )
        .expect("the ledger tells where to start");
        self.validators = Arc::clone(&origin.proposer.validators);
        self.lanes = Arc::clone(&origin.proposer.lanes);
        if self.identity.obeys {
            let next = Arc::clone(&origin.proposer.next);
            let height = ledger.head().height;
            if height > checks.final_height() {
                // written by a commit that failed after it: no node has said so yet
                self.say_final(&ledger, checks);
            }
            checks.on_epoch(&self.identity, &self.validators, &self.lanes, &next, height);
        }
        if self.identity.obeys {
            self.tell_unsaid(&ledger, checks);
        }
        let mut effects = Vec::new();
        let replica = Replica::restore(origin, now, &mut effects);
        let engine = replica.engine();
        self.durable.stands_in(engine.epoch(), engine.view());
        self.running = Some(Running {
            replica,
            execution: Execution::new(Arc::clone(&ledger)),
            ledger,
            tiers: Tiers::default(),
            entropy,
        });
        self.carry_out(now, effects, checks)
    }

    pub(crate) fn handle(&mut self, now: Now, input: Input, checks: &mut Checks) -> Vec<Outgoing> {
        let now = self.own_time(now);
        let mut effects = Vec::new();
        if let Some(running) = &mut self.running {
            running.replica.handle(now, input, &mut effects);
        }
        self.carry_out(now, effects, checks)
    }

    /// The time as this node's clocks show it.
    fn own_time(&self, now: Now) -> Now {
        let wall = now
            .wall
            .as_millis()
            .saturating_add_signed(self.clock_offset_ms);
        Now {
            wall: Timestamp::from_millis(wall),
            ..now
        }
    }

    /// What the runtime does, without threads: persist and sync first, then the rest in order.
    fn carry_out(&mut self, now: Now, effects: Vec<Effect>, checks: &mut Checks) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        let mut queue = effects;
        while !queue.is_empty() {
            let records: Vec<Vec<u8>> = queue
                .iter()
                .filter_map(|effect| match effect {
                    Effect::Persist(entry) => Some(codec::encode(entry)),
                    _ => None,
                })
                .collect();
            if !self.persist(&records, checks) {
                return outgoing;
            }
            let mut next = Vec::new();
            for effect in queue {
                if self.dies_now() {
                    return outgoing;
                }
                self.carry_out_one(now, effect, checks, &mut outgoing, &mut next);
            }
            queue = next;
        }
        self.compact_journal(checks);
        outgoing
    }

    /// False if the node died at it.
    fn persist(&mut self, records: &[Vec<u8>], checks: &mut Checks) -> bool {
        let Some(mut journal) = self.open_journal().filter(|_| !records.is_empty()) else {
            return true;
        };
        if self.dies_now() {
            return false;
        }
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        if let Err(error) = journal.append(&slices) {
            self.fail(&error, checks);
            return false;
        }
        if self.dies_now() {
            return false;
        }
        if let Err(error) = journal.sync() {
            self.fail(&error, checks);
            return false;
        }
        true
    }

    /// A write failed: the process ends, as the production runtime does. Nothing fails on a disk that was not told to.
    fn fail(&mut self, error: &dyn std::fmt::Display, checks: &mut Checks) {
        if self.disk_fails {
            checks.note(Moment::Fault(format!(
                "{} stops: {error}",
                self.identity.name
            )));
        } else {
            let message = format!("{}: {error}", self.identity.name);
            checks.violate(Property::NoFailure, message);
        }
        self.dies_in = Some(0);
    }

    /// Counts down to a planned death. From then on nothing more is carried out.
    const fn dies_now(&mut self) -> bool {
        match &mut self.dies_in {
            Some(0) => true,
            Some(steps) => {
                *steps -= 1;
                false
            }
            None => false,
        }
    }

    fn carry_out_one(
        &mut self,
        now: Now,
        effect: Effect,
        checks: &mut Checks,
        outgoing: &mut Vec<Outgoing>,
        next: &mut Vec<Effect>,
    ) {
        let Some(running) = &mut self.running else {
            return;
        };
        match effect {
            Effect::Persist(entry) => {
                if let Some(statement) = self.durable.add(&entry) {
                    let proposes = matches!(entry, JournalEntry::Proposal(_));
                    checks.note(Moment::Signed {
                        name: self.identity.name.clone(),
                        statement,
                        proposes,
                    });
                    if self.identity.obeys {
                        let timing = Timing::from(&self.genesis.parameters);
                        let lacking = lacking(running.replica.engine(), timing, &statement);
                        checks.on_signed(&self.identity, &self.durable, &statement, lacking);
                    }
                }
            }
            Effect::Admitted { .. } | Effect::Left(_) => {}
            Effect::Note(note) => self.note(note, checks),
            Effect::Send(peer, frame) => {
                self.votes_sent += said(&self.identity, &self.durable, checks, &frame);
                let to = Target::One(peer);
                outgoing.push(Outgoing::Frame { to, frame });
            }
            Effect::Broadcast(frame) => {
                self.votes_sent += said(&self.identity, &self.durable, checks, &frame);
                let to = Target::All;
                outgoing.push(Outgoing::Frame { to, frame });
            }
            Effect::Attested {
                block,
                view,
                vote: (seat, signature),
                votes,
                verifiers,
                ..
            } => {
                if votes == verifiers {
                    outgoing.push(Outgoing::Attested(block));
                }
                let vote = CommitteeVote {
                    block,
                    view,
                    seat,
                    signature,
                };
                running.tiers.attest(vote);
                if self.identity.obeys
                    && let Some(block) = running.block(&block)
                {
                    let Running { tiers, ledger, .. } = running;
                    checks.on_attested(&self.identity, vote, &block, tiers, ledger);
                }
            }
            Effect::Execute { id, block, ids } => {
                running.tiers.learn(id, &block, &ids, Vec::new());
                match running.execution.execute(id, &block) {
                    Ok(executed) => outgoing.push(Outgoing::Executed { id, executed }),
                    Err(error) => self.fail(&error, checks),
                }
            }
            Effect::Commit {
                blocks,
                certificate,
            } => self.commit(&blocks, certificate.certificate(), checks),
            Effect::Serve(peer, request) => match answer(&running.ledger, request) {
                Ok(Some(response)) => {
                    let frame = Frame::Response(response);
                    said(&self.identity, &self.durable, checks, &frame);
                    let to = Target::One(peer);
                    outgoing.push(Outgoing::Frame { to, frame });
                }
                Ok(None) => {}
                Err(error) => self.fail(&error, checks),
            },
            Effect::Verify(transactions) => {
                self.signatures_checked += transactions.len() as u64;
                let transactions =
                    verify_transactions(transactions, self.genesis.hash, &mut running.entropy)
                        .into_iter()
                        .flatten()
                        .collect();
                let source = Source::Peer;
                let input = Input::Transactions {
                    transactions,
                    source,
                };
                running.replica.handle(now, input, next);
            }
            Effect::EpochBegun {
                validators,
                lanes,
                next: following,
            } => {
                if self.identity.obeys {
                    let height = running.ledger.head().height;
                    checks.on_epoch(&self.identity, &validators, &lanes, &following, height);
                }
                self.validators = validators;
                self.lanes = lanes;
            }
            Effect::Diverged(divergence) => {
                if self.identity.obeys {
                    let message = format!("{} diverged: {divergence:?}", self.identity.name);
                    checks.violate(Property::EqualRoots, message);
                }
            }
        }
    }

    fn note(&mut self, note: Note, checks: &mut Checks) {
        match note {
            Note::PeerFault { peer, reason, .. } => {
                self.faults += 1;
                if self.identity.obeys {
                    checks.on_fault(&self.identity, &peer, &reason);
                }
            }
            Note::InvalidProposal { manager, reason } => {
                if self.identity.obeys {
                    checks.on_rejected(&self.identity, &self.validators, manager, &reason);
                }
            }
            Note::Equivocation { seat, .. } => {
                if self.identity.obeys {
                    checks.on_accused(&self.identity, &self.validators, seat);
                }
            }
            Note::Nullified { cause, .. } => {
                if let Some(cause) = cause {
                    checks.note(Moment::GaveUp {
                        name: self.identity.name.clone(),
                        cause: cause.name(),
                    });
                }
            }
        }
    }
}

/// Hands what a node says to the checks, unless it may say anything. Says how many votes are in it.
fn said(identity: &Identity, durable: &Durable, checks: &mut Checks, frame: &Frame) -> u64 {
    if identity.obeys {
        checks.on_sent(identity, durable, frame)
    } else {
        0
    }
}

fn journal_identity(genesis: &GenesisBlock, keys: &MemberKeys) -> JournalIdentity {
    JournalIdentity {
        genesis: genesis.hash,
        validator: Digest(keys.validator.public().0),
    }
}
