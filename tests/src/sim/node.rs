//! One simulated node: the production replica, execution and ledger, on disks that forget.

use super::check::Checks;
use crate::keys::MemberKeys;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use salus_consensus::clock::Now;
use salus_consensus::config::{Base, Config, Roots, Timing, Voter};
use salus_consensus::journal::{JOURNAL_ENTRY_MAX, JournalEntry};
use salus_genesis::block::GenesisBlock;
use salus_node::execution::Execution;
use salus_node::mempool::{Mempool, MempoolLimits, Source};
use salus_node::proposer::Proposer;
use salus_node::replica::{Effect, Input, Origin, Replica};
use salus_node::serve::answer;
use salus_node::verify::verify_transactions;
use salus_node::wire::Frame;
use salus_primitives::codec;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, EntityId, Height, Seat};
use salus_primitives::receipt::receipt_root;
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
    journal: MemoryJournal,
    running: Option<Running>,
    life: u32,
    wakeup: Option<u64>,
    rewrites: u64,
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
        roots: Roots,
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
const JOURNAL_REWRITE_BYTES: u64 = 64 * 1024;

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
            journal,
            running: None,
            life: 0,
            wakeup: None,
            rewrites: 0,
        }
    }

    pub(super) fn start(&mut self, now: Now, seed: u64, checks: &mut Checks) -> Vec<Outgoing> {
        self.life += 1;
        self.wakeup = None;
        let genesis = &self.genesis;
        let ledger = Ledger::open(
            Arc::<MemoryStore>::clone(&self.store),
            &genesis.block,
            &genesis.writes,
            Retention::default(),
        )
        .expect("the store opens");
        let ledger = Arc::new(ledger);
        let (journal, replay) = self
            .journal
            .open(identity(genesis, &self.keys))
            .expect("the journal opens");
        self.journal = journal;
        let entries: Vec<JournalEntry> = replay
            .entries
            .iter()
            .map(|bytes| codec::decode(bytes, JOURNAL_ENTRY_MAX).expect("own records decode"))
            .collect();
        let head = ledger.head();
        let header = ledger.header(head.height).expect("reads").expect("a head");
        let receipts = ledger
            .receipts(head.height)
            .expect("reads")
            .unwrap_or_default();
        let validators = Arc::new(genesis.validators.clone());
        let certificate = ledger.finalization(head.height).expect("reads").map(|c| {
            c.verified(genesis.hash, &validators)
                .expect("checked before")
        });
        let config = Config {
            genesis: genesis.hash,
            validators: Arc::clone(&validators),
            voter: Some(Voter {
                seat: self.seat,
                signer: self.keys.validator.signer(),
            }),
            timing: Timing::from(&genesis.parameters),
            base: Base {
                id: head.id,
                view: certificate.as_ref().map_or(header.view, |c| c.view()),
                header,
                roots: Roots {
                    state: head.state_root,
                    receipts: receipt_root(&receipts),
                },
            },
            boundary: Height::new(u64::MAX),
        };
        let window = genesis.parameters.window_blocks;
        let mempool = Mempool::new(
            genesis.hash,
            window,
            MempoolLimits::default(),
            head.height,
            ledger.recent_transactions(window).expect("reads"),
        );
        let proposer = Proposer {
            genesis: genesis.hash,
            validators,
            parameters: genesis.parameters.clone(),
        };
        let entropy = ChaCha20Rng::seed_from_u64(
            seed ^ (u64::from(self.life) << 32) ^ u64::from(self.seat.get()),
        );
        let mut effects = Vec::new();
        let origin = Origin {
            config,
            certificate,
            journal: entries,
            mempool,
            proposer,
            entropy: entropy.clone(),
        };
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
            if !records.is_empty() {
                let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
                self.journal.append(&slices).expect("no faults planned");
                self.journal.sync().expect("no faults planned");
            }
            let mut next = Vec::new();
            for effect in queue {
                self.carry_out_one(now, effect, checks, &mut outgoing, &mut next);
            }
            queue = next;
        }
        self.compact_journal();
        outgoing
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
            Effect::Persist(_) | Effect::Admitted { .. } | Effect::Expired(_) | Effect::Note(_) => {
            }
            Effect::Send(peer, frame) => {
                checks.on_sent(self.seat, &frame);
                let to = Target::One(peer);
                let bytes = codec::encode(&frame);
                outgoing.push(Outgoing::Frame { to, bytes });
            }
            Effect::Broadcast(frame) => {
                checks.on_sent(self.seat, &frame);
                let to = Target::All;
                let bytes = codec::encode(&frame);
                outgoing.push(Outgoing::Frame { to, bytes });
            }
            Effect::Execute { id, block } => {
                let roots = running.execution.execute(id, &block).expect("executes");
                outgoing.push(Outgoing::Executed { id, roots });
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
                    checks.on_final(&self.keys.name, block.header.height, id, root);
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
            Effect::Diverged(divergence) => panic!("{} diverged: {divergence:?}", self.keys.name),
        }
    }

    fn compact_journal(&mut self) {
        let Some(running) = &self.running else {
            return;
        };
        if self.journal.size_bytes() <= JOURNAL_REWRITE_BYTES {
            return;
        }
        running.ledger.sync().expect("no faults planned");
        let live: Vec<Vec<u8>> = running
            .replica
            .engine()
            .live_entries()
            .iter()
            .map(codec::encode)
            .collect();
        let slices: Vec<&[u8]> = live.iter().map(Vec::as_slice).collect();
        self.journal.rewrite(&slices).expect("no faults planned");
        self.rewrites += 1;
    }

    pub(super) fn crash(&mut self, fate: u64) {
        self.running = None;
        self.life += 1;
        self.wakeup = None;
        let fate = match fate {
            0 => UnsyncedFate::Lost,
            1 => UnsyncedFate::Torn,
            _ => UnsyncedFate::Kept,
        };
        self.journal.crash(fate);
        self.store.crash();
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
