//! One simulated node: the production replica, execution and ledger, on disks that forget.

use super::check::Checks;
use crate::keys::MemberKeys;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use salus_consensus::clock::Now;
use salus_consensus::journal::{JOURNAL_ENTRY_MAX, JournalEntry};
use salus_genesis::block::GenesisBlock;
use salus_node::execution::{Executed, Execution};
use salus_node::mempool::{MempoolLimits, Source};
use salus_node::origin;
use salus_node::replica::{Effect, Input, Member, Note, Replica};
use salus_node::serve::answer;
use salus_node::verify::verify_transactions;
use salus_node::wire::Frame;
use salus_primitives::codec;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, EntityId, Epoch, Height, Seat};
use salus_primitives::transaction::TxId;
use salus_storage::journal::{JournalIdentity, MemoryJournal, UnsyncedFate, VoteJournal};
use salus_storage::ledger::{Ledger, Retention};
use salus_storage::memory::MemoryStore;
use std::sync::Arc;

/// A node and its disks.
pub struct Node {
    genesis: Arc<GenesisBlock>,
    keys: MemberKeys,
    seat: Seat,
    store: Arc<MemoryStore>,
    /// None once it was lost: the node only observes.
    journal: Option<MemoryJournal>,
    /// After how many more steps of carrying out effects the node dies in the middle of them.
    dies_in: Option<u64>,
    faults: u64,
    signatures_checked: u64,
    votes_sent: u64,
    running: Option<Running>,
    life: u32,
    wakeup: Option<u64>,
    rewrites: u64,
    epoch: Epoch,
}

struct Running {
    replica: Replica,
    execution: Execution,
    ledger: Arc<Ledger>,
    entropy: ChaCha20Rng,
}

/// Something that leaves a node.
pub enum Outgoing {
    /// A frame.
    Frame {
        /// To whom.
        to: Target,
        /// Its bytes.
        bytes: Vec<u8>,
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

impl Node {
    pub(super) fn new(genesis: Arc<GenesisBlock>, keys: MemberKeys) -> Self {
        let entity = EntityId::of_name(&keys.name);
        let seat = genesis.validators.seat_of(&entity).expect("a member");
        let journal = MemoryJournal::create(identity(&genesis, &keys));
        Self {
            genesis,
            keys,
            seat,
            store: Arc::new(MemoryStore::new()),
            journal: Some(journal),
            dies_in: None,
            faults: 0,
            signatures_checked: 0,
            votes_sent: 0,
            running: None,
            life: 0,
            wakeup: None,
            rewrites: 0,
            epoch: Epoch::new(1),
        }
    }

    pub(super) fn start(&mut self, now: Now, seed: u64, checks: &mut Checks) -> Vec<Outgoing> {
        self.life += 1;
        self.wakeup = None;
        self.votes_sent = 0;
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
            let identity = identity(genesis, &self.keys);
            let (opened, replay) = journal.open(identity).expect("the journal opens");
            *journal = opened;
            entries.extend(replay.entries.iter().map(|bytes| {
                codec::decode::<JournalEntry>(bytes, JOURNAL_ENTRY_MAX).expect("own records decode")
            }));
        }
        let entropy = ChaCha20Rng::seed_from_u64(
            seed ^ (u64::from(self.life) << 32) ^ u64::from(self.seat.get()),
        );
        let member = Member {
            entity: EntityId::of_name(&self.keys.name),
            signers: match self.journal {
                Some(_) => vec![self.keys.validator.signer()],
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
        if let Some(voter) = &origin.config.voter {
            self.seat = voter.seat;
        }
        let mut effects = Vec::new();
        let replica = Replica::restore(origin, now, &mut effects);
        self.running = Some(Running {
            replica,
            execution: Execution::new(Arc::clone(&ledger)),
            ledger,
            entropy,
        });
        self.carry_out(now, effects, checks)
    }

    pub(super) fn handle(&mut self, now: Now, input: Input, checks: &mut Checks) -> Vec<Outgoing> {
        let mut effects = Vec::new();
        if let Some(running) = &mut self.running {
            running.replica.handle(now, input, &mut effects);
        }
        self.carry_out(now, effects, checks)
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
            if !self.persist(&records) {
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
        self.compact_journal();
        outgoing
    }

    /// False if the node died at it.
    fn persist(&mut self, records: &[Vec<u8>]) -> bool {
        let Some(mut journal) = self.journal.clone().filter(|_| !records.is_empty()) else {
            return true;
        };
        if self.dies_now() {
            return false;
        }
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        journal.append(&slices).expect("no faults planned");
        if self.dies_now() {
            return false;
        }
        journal.sync().expect("no faults planned");
        true
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
            Effect::Note(Note::PeerFault { .. }) => self.faults += 1,
            Effect::Persist(_) | Effect::Admitted { .. } | Effect::Expired(_) | Effect::Note(_) => {
            }
            Effect::Send(peer, frame) => {
                self.votes_sent += checks.on_sent(self.seat, &frame);
                let to = Target::One(peer);
                let bytes = codec::encode(&frame);
                outgoing.push(Outgoing::Frame { to, bytes });
            }
            Effect::Broadcast(frame) => {
                self.votes_sent += checks.on_sent(self.seat, &frame);
                let to = Target::All;
                let bytes = codec::encode(&frame);
                outgoing.push(Outgoing::Frame { to, bytes });
            }
            Effect::Execute { id, block } => {
                let executed = running.execution.execute(id, &block).expect("executes");
                outgoing.push(Outgoing::Executed { id, executed });
            }
            Effect::Commit {
                blocks,
                certificate,
            } => {
                let last = blocks.last().map(|(id, _)| *id);
                for (id, block) in blocks {
                    let own = (Some(id) == last).then_some(certificate.certificate());
                    running.execution.commit(id, own).expect("commits");
                    let root = running.ledger.head().state_root;
                    checks.on_final(&self.keys.name, id, &block, root);
                }
            }
            Effect::Serve(peer, request) => {
                if let Some(response) = answer(&running.ledger, request).expect("reads") {
                    outgoing.push(Outgoing::Frame {
                        to: Target::One(peer),
                        bytes: codec::encode(&Frame::Response(response)),
                    });
                }
            }
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
            Effect::EpochBegun { validators, .. } => {
                self.epoch = validators.epoch();
                let entity = EntityId::of_name(&self.keys.name);
                self.seat = validators.seat_of(&entity).unwrap_or(self.seat);
            }
            Effect::Diverged(divergence) => panic!("{} diverged: {divergence:?}", self.keys.name),
        }
    }

    fn compact_journal(&mut self) {
        let (Some(running), Some(journal)) = (&self.running, &self.journal) else {
            return;
        };
        if journal.size_bytes() <= JOURNAL_REWRITE_BYTES {
            return;
        }
        running.ledger.sync().expect("no faults planned");
        let live: Vec<Vec<u8>> = running
            .replica
            .live_entries()
            .iter()
            .map(codec::encode)
            .collect();
        let mut journal = journal.clone();
        if self.dies_now() {
            return;
        }
        let slices: Vec<&[u8]> = live.iter().map(Vec::as_slice).collect();
        journal.rewrite(&slices).expect("no faults planned");
        self.rewrites += 1;
    }

    /// Lets the node die in the middle of what it does, after so many more steps.
    pub(super) const fn die_in(&mut self, steps: u64) {
        self.dies_in = Some(steps);
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

    /// Commits that a loss of power would take.
    pub(super) fn unsynced_commits(&self) -> usize {
        self.store.unsynced_batches()
    }

    /// When the node wants to be woken, if that is news.
    pub(super) fn wants_wakeup(&mut self, now: Now) -> Option<u64> {
        let at = self.running.as_ref()?.replica.wakeup(now)?.as_millis();
        if self.wakeup.is_some_and(|planned| planned <= at) {
            return None;
        }
        self.wakeup = Some(at);
        Some(at)
    }

    pub(super) fn woken(&mut self, now_ms: u64) {
        if self.wakeup.is_some_and(|planned| planned <= now_ms) {
            self.wakeup = None;
        }
    }

    pub(super) const fn life(&self) -> u32 {
        self.life
    }

    /// The epoch it last began.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
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
        self.running.as_ref().is_some_and(|running| {
            running
                .ledger
                .transaction_position(id)
                .expect("reads")
                .is_some()
        })
    }

    /// Its replica, while it runs.
    #[must_use]
    pub fn replica(&self) -> Option<&Replica> {
        self.running.as_ref().map(|running| &running.replica)
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

fn identity(genesis: &GenesisBlock, keys: &MemberKeys) -> JournalIdentity {
    JournalIdentity {
        genesis: genesis.hash,
        validator: Digest(keys.validator.public().0),
    }
}
