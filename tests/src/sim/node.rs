//! One simulated node: the production replica, execution and ledger, on disks that forget and fail.

use super::check::{Checks, Finality, Identity};
use super::durable::Durable;
use super::grounds::lacking;
use super::history::Moment;
use super::property::Property;
use crate::keys::MemberKeys;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use salus_consensus::clock::{Monotonic, Now};
use salus_consensus::config::{Timing, Voter};
use salus_consensus::journal::{JOURNAL_ENTRY_MAX, JournalEntry};
use salus_genesis::block::GenesisBlock;
use salus_node::execution::{Executed, Execution, epoch_config};
use salus_node::mempool::{MempoolLimits, Source};
use salus_node::origin;
use salus_node::replica::{Effect, Input, Member, Note, Replica};
use salus_node::serve::answer;
use salus_node::tiers::{CommitteeVote, Tiers};
use salus_node::verify::verify_transactions;
use salus_node::wire::Frame;
use salus_primitives::block::Block;
use salus_primitives::certificate::Certificate;
use salus_primitives::codec;
use salus_primitives::crypto::sign::{PublicKey, Signer};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, EntityId, Epoch, Height};
use salus_primitives::lanes::EpochLanes;
use salus_primitives::receipt::receipt_root;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use salus_primitives::validators::ValidatorSet;
use salus_storage::journal::{
    JournalFaults, JournalIdentity, MemoryJournal, UnsyncedFate, VoteJournal,
};
use salus_storage::ledger::{Ledger, Retention};
use salus_storage::memory::{FaultPlan, MemoryStore};
use std::sync::Arc;

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

    /// A commit can be on the disk although the node died, or was told of a failure, before it could say so.
    fn tell_unsaid(&self, ledger: &Ledger, checks: &mut Checks) {
        let head = ledger.head();
        while checks.final_height() < head.height {
            let height = checks.final_height().next();
            let block = ledger.block(height).expect("reads").expect("committed");
            let root = match ledger.header(height.next()).expect("reads") {
                Some(next) => next.parent_state_root,
                None => head.state_root,
            };
            let receipts = ledger.receipts(height).expect("reads").unwrap_or_default();
            let ended = self.genesis.parameters.epoch_ending_at(height);
            let elected = ended.and_then(|ended| {
                epoch_config(&ledger.state(), ended.next().next()).expect("reads")
            });
            let finality = Finality {
                id: block.id(),
                block: &block,
                root,
                receipts: receipt_root(&receipts),
                elected,
            };
            checks.on_final(&self.identity, finality);
        }
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
            Effect::Admitted { .. } | Effect::Expired(_) => {}
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
                ..
            } => {
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

    fn commit(
        &mut self,
        blocks: &[(BlockId, Arc<Block>)],
        certificate: &Certificate,
        checks: &mut Checks,
    ) {
        let last = blocks.last().map(|(id, _)| *id);
        if let (Some(running), Some((_, block))) = (&self.running, blocks.last()) {
            let ids: Vec<BlockId> = blocks.iter().map(|(id, _)| *id).collect();
            running.tiers.finalize(&ids, block.header.height);
        }
        if self.identity.obeys {
            checks.on_finalization(&self.identity, last, certificate);
        }
        for (id, _) in blocks {
            let Some(running) = &mut self.running else {
                return;
            };
            let own = (certificate.statement.block() == Some(*id)).then_some(certificate);
            if let Err(error) = running.execution.commit(*id, own) {
                self.fail(&error, checks);
                return;
            }
            if !self.identity.obeys {
                continue;
            }
            let ledger = Arc::clone(&running.ledger);
            self.say_final(&ledger, checks);
        }
    }

    /// Tells of the ledger's head, which is final.
    fn say_final(&self, ledger: &Ledger, checks: &mut Checks) {
        let head = ledger.head();
        let block = ledger.block(head.height).expect("reads").expect("is there");
        let receipts = ledger.receipts(head.height).expect("reads");
        let ended = self.genesis.parameters.epoch_ending_at(head.height);
        let elected = ended
            .and_then(|ended| epoch_config(&ledger.state(), ended.next().next()).expect("reads"));
        if let Some(config) = &elected {
            checks.on_members(&self.identity, &config.validators, &ledger.state());
        }
        let finality = Finality {
            id: head.id,
            block: &block,
            root: head.state_root,
            receipts: receipt_root(&receipts.unwrap_or_default()),
            elected,
        };
        checks.on_final(&self.identity, finality);
    }

    fn compact_journal(&mut self, checks: &mut Checks) {
        let (Some(running), Some(journal)) = (&self.running, self.open_journal()) else {
            return;
        };
        if journal.size_bytes() <= self.journal_max || running.replica.is_suspended() {
            return;
        }
        if let Err(error) = running.ledger.sync() {
            self.fail(&error, checks);
            return;
        }
        let live: Vec<Vec<u8>> = running
            .replica
            .live_entries()
            .iter()
            .map(codec::encode)
            .collect();
        let mut journal = journal;
        if self.dies_now() {
            return;
        }
        let slices: Vec<&[u8]> = live.iter().map(Vec::as_slice).collect();
        if let Err(error) = journal.rewrite(&slices) {
            self.fail(&error, checks);
            return;
        }
        self.rewrites += 1;
    }

    /// What a node keeps is bounded by how far its view is ahead of the last final one.
    pub(super) fn check_bounds(&self, checks: &mut Checks) {
        let Some(running) = self.running.as_ref().filter(|_| self.identity.obeys) else {
            return;
        };
        let engine = running.replica.engine();
        let limits = MempoolLimits::default();
        let waiting = running.replica.mempool().counts();
        // each view has a proposal, and may have another block notarised; a range brings 64 more
        let blocks_max = 2 * engine.lag() + BODIES_SPARE;
        let journal_bytes = self.journal.as_ref().map_or(0, |j| j.size_bytes());
        // rewritten beyond its limit, unless what counts takes more
        let journal_max = self.journal_max + RECORDS_MAX_BYTES * (engine.lag() + 2);
        let problem = [
            (
                waiting.iter().any(|count| *count > limits.lane_count_max),
                "more transactions than its lanes hold",
            ),
            (
                !engine.kept().is_within(&engine.kept_max()),
                "more of the views that are not final than it may",
            ),
            (
                running.execution.pending() as u64 > blocks_max,
                "more executed blocks than views that are not final",
            ),
            (
                journal_bytes > journal_max,
                "a journal that is never shortened",
            ),
        ]
        .into_iter()
        .find_map(|(holds, problem)| holds.then_some(problem));
        if let Some(problem) = problem {
            let message = format!(
                "{} keeps {problem}: {:?} of {:?}",
                self.identity.name,
                engine.kept(),
                engine.kept_max()
            );
            checks.violate(Property::Bounded, message);
        }
    }

    /// Fills its journal's disk, or makes room on it.
    pub(super) fn set_disk_full(&mut self, full: bool) {
        if let Some(journal) = &self.journal {
            journal.set_full(full);
        }
    }

    /// Lets its disks fail: the journal after so many more appends or syncs, the ledger after so many more writes.
    pub(super) fn let_disks_fail(&mut self, journal: JournalFaults, store: FaultPlan) {
        self.disk_fails = true;
        if let Some(own) = &self.journal {
            own.set_faults(journal);
        }
        self.store.set_faults(store);
    }

    /// Sets how far its wall clock is off.
    pub(super) const fn set_clock(&mut self, offset_ms: i64) {
        self.clock_offset_ms = offset_ms;
    }

    /// It does what it likes from here on, and is held to nothing.
    pub(super) const fn release(&mut self) {
        self.identity.obeys = false;
    }

    /// Lets the node die in the middle of what it does, after so many more steps.
    pub(super) const fn die_in(&mut self, steps: u64) {
        self.dies_in = Some(steps);
    }

    /// Takes back a planned death, and lets its disks work.
    pub(super) fn live_on(&mut self) {
        self.dies_in = None;
        self.store.set_faults(FaultPlan::default());
        if let Some(journal) = &self.journal {
            journal.set_faults(JournalFaults::default());
        }
    }

    /// Whether a planned death has come.
    pub(super) fn is_dying(&self) -> bool {
        self.dies_in == Some(0)
    }

    /// Ends the process. What was not synced meets its `fate`; of the commits that were not, the oldest `batches` are kept.
    pub(super) fn crash(&mut self, fate: UnsyncedFate, batches: usize) {
        self.running = None;
        self.life += 1;
        self.wakeup = None;
        self.dies_in = None;
        if let Some(journal) = &self.journal {
            journal.crash(fate);
        }
        self.store.crash_keeping(batches);
    }

    /// Replaces the disks of a node that does not run by empty ones. Without its journal it only observes.
    pub(super) fn wipe(&mut self) {
        self.store = Arc::new(MemoryStore::new());
        self.journal = None;
    }

    /// Replaces the store of a node that does not run by an empty one; the journal stays.
    pub(super) fn lose_store(&mut self) {
        self.store = Arc::new(MemoryStore::new());
    }

    /// The journal, unless nothing may be written to it.
    fn open_journal(&self) -> Option<MemoryJournal> {
        self.journal.clone().filter(|_| self.behind.is_none())
    }

    /// Whether its store has caught up with its journal, so that the process runs anew.
    pub(super) fn runs_anew(&self) -> bool {
        self.behind.is_some_and(|height| {
            self.running
                .as_ref()
                .is_some_and(|running| running.ledger.head().height >= height)
        })
    }

    /// Gives a wiped node a new journal, to vote with keys that never voted: those from this generation on.
    pub(super) fn renew(&mut self, generation: u8) {
        self.signers = (generation..GENERATIONS)
            .map(|generation| self.keys.validator_of(generation).signer())
            .collect();
        let identity = journal_identity(&self.genesis, &self.keys);
        self.journal = Some(MemoryJournal::create(identity));
    }

    /// The seat and key with which it votes in the present epoch.
    pub(super) fn voter(&self) -> Option<Voter> {
        let member = Member {
            entity: self.identity.entity,
            signers: self.signers.clone(),
        };
        member.voter(&self.validators)
    }

    /// Whether frames of this peer would be looked at.
    pub(super) fn hears(&self, now_ms: u64, peer: &PublicKey) -> bool {
        let now = Now {
            monotonic: Monotonic::from_millis(now_ms),
            ..Now::default()
        };
        self.running
            .as_ref()
            .is_some_and(|running| running.replica.hears(now, peer))
    }

    /// The member whose node it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How blocks of the epoch it is in are configured.
    #[must_use]
    pub const fn lanes(&self) -> &Arc<EpochLanes> {
        &self.lanes
    }

    /// The validators of the epoch it is in.
    #[must_use]
    pub const fn validators(&self) -> &Arc<ValidatorSet> {
        &self.validators
    }

    /// Commits that a loss of power would take.
    pub(super) fn unsynced_commits(&self) -> usize {
        self.store.unsynced_batches()
    }

    /// When the node wants to be woken, if that is news.
    pub(crate) fn wants_wakeup(&mut self, now: Now) -> Option<u64> {
        let at = self.running.as_ref()?.replica.wakeup(now)?.as_millis();
        if self.wakeup.is_some_and(|planned| planned <= at) {
            return None;
        }
        self.wakeup = Some(at);
        Some(at)
    }

    pub(crate) fn woken(&mut self, now_ms: u64) {
        if self.wakeup.is_some_and(|planned| planned <= now_ms) {
            self.wakeup = None;
        }
    }

    pub(super) const fn life(&self) -> u32 {
        self.life
    }

    /// The epoch it last began.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.validators.epoch()
    }

    /// Whether it runs.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Its last final height; zero while it does not run.
    #[must_use]
    pub fn final_height(&self) -> Height {
        self.running
            .as_ref()
            .map_or(Height::ZERO, |running| running.ledger.head().height)
    }

    /// The state root after a final height, as its successor's header or the head says.
    #[must_use]
    pub fn state_root(&self, height: Height) -> String {
        let Some(running) = &self.running else {
            return "not running".into();
        };
        let head = running.ledger.head();
        if head.height == height {
            return head.state_root.to_string();
        }
        running
            .ledger
            .header(height.next())
            .expect("reads")
            .map_or_else(
                || "unknown".into(),
                |header| header.parent_state_root.to_string(),
            )
    }

    /// Whether a transaction is final here.
    #[must_use]
    pub fn has_final(&self, id: &TxId) -> bool {
        self.position(id).is_some()
    }

    /// The height at which a transaction is final here.
    #[must_use]
    pub fn position(&self, id: &TxId) -> Option<Height> {
        let position = self.running.as_ref()?.ledger.transaction_position(id);
        Some(position.expect("reads")?.height)
    }

    /// Its replica, while it runs.
    #[must_use]
    pub fn replica(&self) -> Option<&Replica> {
        self.running.as_ref().map(|running| &running.replica)
    }

    /// What it keeps of attestations, while it runs.
    #[must_use]
    pub fn tiers(&self) -> Option<&Tiers> {
        self.running.as_ref().map(|running| &running.tiers)
    }

    /// Its ledger, while it runs.
    #[must_use]
    pub fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.running.as_ref().map(|running| &running.ledger)
    }

    /// How often it found a peer at fault.
    #[must_use]
    pub const fn faults(&self) -> u64 {
        self.faults
    }

    /// How many signatures of peers' transactions it checked.
    #[must_use]
    pub const fn signatures_checked(&self) -> u64 {
        self.signatures_checked
    }

    /// How many votes it has sent since it started last.
    #[must_use]
    pub const fn votes_sent(&self) -> u64 {
        self.votes_sent
    }

    /// How often its journal was rewritten.
    #[must_use]
    pub const fn journal_rewrites(&self) -> u64 {
        self.rewrites
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
