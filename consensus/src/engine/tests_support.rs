//! Keys, sets, blocks and certificates for tests, and one engine on a bench.

use super::Engine;
use crate::clock::{Monotonic, Now};
use crate::config::{Base, Config, Roots, Timing, Voter};
use crate::effect::{BuildRequest, Effect, NullifyCause};
use crate::input::Input;
use crate::journal::JournalEntry;
use crate::message::Message;
use crate::proposal::Proposal;
use crate::schedule::Schedule;
use crate::vote::{VerifiedVote, Vote};
use salus_primitives::block::{Block, BlockConfig, Header, transaction_root};
use salus_primitives::calls::RECORDS;
use salus_primitives::certificate::{Certificate, Statement, VerifiedCertificate};
use salus_primitives::crypto::sign::{PublicKey, SecretKey, Signature, Signer};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, EntityId, Epoch, GenesisHash, Height, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::namespace::Domain;
use salus_primitives::signed::Signed;
use salus_primitives::state::StateRoot;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, SignedTransaction, Transaction};
use salus_primitives::validators::{Validator, ValidatorSet};
use std::sync::Arc;

pub(crate) const GENESIS: GenesisHash = GenesisHash([1; 32]);
pub(crate) const EPOCH: Epoch = Epoch::new(1);

/// Tenure 4, delta 100 ms up to 1 s, a heartbeat every 20 s.
pub(crate) const TIMING: Timing = Timing {
    tenure: 4,
    delta_ms: 100,
    delta_max_ms: 1_000,
    skip_after: 2,
    heartbeat_ms: 20_000,
};

pub(crate) fn keys(count: u8) -> Vec<Signer> {
    (0..count)
        .map(|n| SecretKey::from_seed([n + 1; 32]).signer())
        .collect()
}

pub(crate) fn peer(seat: u16) -> PublicKey {
    PublicKey([u8::try_from(seat).expect("small") + 100; 32])
}

pub(crate) fn set(weights: &[u64]) -> ValidatorSet {
    let validators = (0u8..)
        .zip(weights)
        .map(|(n, weight)| Validator {
            entity: EntityId([n; 32]),
            key: SecretKey::from_seed([n + 1; 32]).public(),
            network_key: peer(n.into()),
            weight: *weight,
        })
        .collect();
    ValidatorSet::new(EPOCH, validators).expect("legal")
}

pub(crate) fn signed(seat: u16, statement: Statement, keys: &[Signer]) -> VerifiedVote {
    VerifiedVote::sign(
        statement,
        Seat::new(seat),
        GENESIS,
        &keys[usize::from(seat)],
    )
}

pub(crate) fn nullify(seat: u16, view: u64, keys: &[Signer]) -> VerifiedVote {
    signed(seat, nullifies(view), keys)
}

pub(crate) fn notarizes(view: u64, block: BlockId) -> Statement {
    let (epoch, view) = (EPOCH, View::new(view));
    Statement::Notarize { epoch, view, block }
}

pub(crate) fn finalizes(view: u64, block: BlockId) -> Statement {
    let (epoch, view) = (EPOCH, View::new(view));
    Statement::Finalize { epoch, view, block }
}

pub(crate) fn nullifies(view: u64) -> Statement {
    let (epoch, view) = (EPOCH, View::new(view));
    Statement::Nullify { epoch, view }
}

/// The trivial application: roots are a hash of the roots before and the block's id.
pub(crate) fn roots_after(header: &Header) -> Roots {
    let digest =
        Domain::MerkleNode.hash(&[header.parent_state_root.as_bytes(), header.id().as_bytes()]);
    Roots {
        state: StateRoot(digest.0),
        receipts: Digest(digest.0),
    }
}

pub(crate) fn transaction(number: u64) -> SignedTransaction {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    Signed {
        body: Transaction {
            genesis: GENESIS,
            sender: peer(0),
            entity: EntityId([4; 32]),
            lane: Lane::Routine,
            valid_until: Height::new(1_000_000),
            nonce,
            call: Call::new(RECORDS, &number),
        },
        signature: Signature([1; 64]),
    }
}

/// The block a manager makes on `parent`.
pub(crate) fn child(
    parent: &Header,
    view: u64,
    manager: Seat,
    time: Timestamp,
    transactions: Vec<SignedTransaction>,
) -> Arc<Block> {
    let roots = roots_after(parent);
    Arc::new(Block {
        header: Header {
            height: parent.height.next(),
            epoch: EPOCH,
            view: View::new(view),
            parent: parent.id(),
            time,
            manager,
            lane: Lane::Routine,
            config: BlockConfig::default(),
            transaction_count: u32::try_from(transactions.len()).expect("few"),
            transaction_root: transaction_root(&transactions),
            parent_state_root: roots.state,
            parent_receipt_root: roots.receipts,
            next_epoch: None,
        },
        transactions,
    })
}

/// Block 0, as a base to start from.
pub(crate) fn base() -> Base {
    let header = Header {
        height: Height::ZERO,
        epoch: Epoch::ZERO,
        view: View::ZERO,
        parent: BlockId::default(),
        time: Timestamp::from_millis(0),
        manager: Seat::new(0),
        lane: Lane::Routine,
        config: BlockConfig::default(),
        transaction_count: 0,
        transaction_root: transaction_root(&[]),
        parent_state_root: StateRoot::default(),
        parent_receipt_root: Digest::default(),
        next_epoch: None,
    };
    Base {
        id: header.id(),
        view: View::ZERO,
        roots: roots_after(&header),
        header,
    }
}

pub(crate) fn config(
    seat: u16,
    set: &Arc<ValidatorSet>,
    keys: &[Signer],
    timing: Timing,
    base: Base,
) -> Config {
    Config {
        genesis: GENESIS,
        validators: Arc::clone(set),
        voter: Some(Voter {
            seat: Seat::new(seat),
            signer: keys[usize::from(seat)].clone(),
        }),
        timing,
        base,
        boundary: Height::new(u64::MAX),
    }
}

/// One engine among four equal seats, with an application that answers at once and a journal.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) config: Config,
    pub(crate) now: Now,
    pub(crate) keys: Vec<Signer>,
    pub(crate) set: Arc<ValidatorSet>,
    pub(crate) seat: u16,
    pub(crate) journal: Vec<JournalEntry>,
    /// Whether `Check` and `Execute` are answered at once (a block is always built at once).
    pub(crate) answers: bool,
}

impl Bench {
    /// A seat that does not manage the first two terms.
    pub(crate) fn verifier() -> Self {
        Self::new(TIMING, |schedule, seat| {
            (0..2).all(|term| schedule.manager(term_of(term)) != seat)
        })
    }

    /// The manager of a term.
    pub(crate) fn manager(term: u64) -> Self {
        Self::new(TIMING, |schedule, seat| {
            schedule.manager(term_of(term)) == seat
        })
    }

    pub(crate) fn new(timing: Timing, choose: impl Fn(&Schedule, Seat) -> bool) -> Self {
        let (set, keys) = (Arc::new(set(&[1; 4])), keys(4));
        let schedule = Schedule::new(GENESIS, &set);
        let seat = set
            .seats()
            .find(|seat| choose(&schedule, *seat))
            .expect("such a seat")
            .get();
        let config = config(seat, &set, &keys, timing, base());
        let now = Now {
            monotonic: Monotonic::from_millis(1_000),
            wall: Timestamp::from_millis(1_000),
        };
        Self {
            engine: Engine::restore(config.clone(), None, Vec::new(), now, &mut Vec::new()),
            config,
            now,
            keys,
            set,
            seat,
            journal: Vec::new(),
            answers: true,
        }
    }

    pub(crate) fn input(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.engine.handle(self.now, input, &mut effects);
        self.carry_out(effects)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut all = Vec::new();
        for effect in effects {
            let answer = match &effect {
                Effect::Persist(entry) => {
                    self.journal.push(entry.clone());
                    None
                }
                Effect::Build(request) => Some(Self::built(request)),
                Effect::Check { id, .. } if self.answers => Some(Input::Checked {
                    block: *id,
                    valid: true,
                }),
                Effect::Execute { id, block } if self.answers => Some(Input::Executed {
                    block: *id,
                    roots: roots_after(&block.header),
                }),
                _ => None,
            };
            all.push(effect);
            if let Some(answer) = answer {
                all.extend(self.input(answer));
            }
        }
        all
    }

    fn built(request: &BuildRequest) -> Input {
        let block = child(
            &request.parent_header,
            request.view.get(),
            request.manager,
            request.time,
            Vec::new(),
        );
        Input::Built {
            view: request.view,
            block,
        }
    }

    /// Lets a peer's message arrive.
    pub(crate) fn receive(&mut self, message: Message) -> Vec<Effect> {
        let message = message
            .verify(GENESIS, &self.set, |statement| self.engine.knows(statement))
            .expect("tests send well-formed messages");
        let from = peer(self.others()[0]);
        self.input(Input::Message { from, message })
    }

    pub(crate) fn receive_vote(&mut self, seat: u16, statement: Statement) -> Vec<Effect> {
        let vote = *signed(seat, statement, &self.keys).vote();
        self.receive(Message::Vote { vote, entry: None })
    }

    pub(crate) fn receive_certificate(&mut self, statement: Statement) -> Vec<Effect> {
        let certificate = self.certificate(statement);
        self.receive(Message::Certificates(vec![certificate]))
    }

    /// What the other three seats sign together.
    pub(crate) fn certificate(&self, statement: Statement) -> Certificate {
        self.verified(statement).certificate().clone()
    }

    pub(crate) fn verified(&self, statement: Statement) -> VerifiedCertificate {
        self.signed_by(self.others(), statement)
    }

    /// What all but one seat sign together.
    pub(crate) fn receive_certificate_without(
        &mut self,
        absent: Seat,
        statement: Statement,
    ) -> Vec<Effect> {
        let seats = (0..4).filter(|seat| *seat != absent.get()).collect();
        let certificate = self.signed_by(seats, statement).certificate().clone();
        self.receive(Message::Certificates(vec![certificate]))
    }

    fn signed_by(&self, seats: Vec<u16>, statement: Statement) -> VerifiedCertificate {
        let votes = seats
            .into_iter()
            .map(|seat| {
                let vote = signed(seat, statement, &self.keys);
                (vote.seat(), vote.vote().signature)
            })
            .collect();
        VerifiedCertificate::from_checked_votes(statement, votes, &self.set).expect("a quorum")
    }

    pub(crate) fn others(&self) -> Vec<u16> {
        (0..4).filter(|seat| *seat != self.seat).collect()
    }

    /// A block of a view's manager on `parent`, one millisecond after it.
    pub(crate) fn block(&self, view: u64, parent: &Header, transactions: u64) -> Arc<Block> {
        child(
            parent,
            view,
            self.engine.manager_of(View::new(view)),
            parent.time.plus_millis(1),
            (0..transactions)
                .map(|n| transaction(view * 100 + n))
                .collect(),
        )
    }

    pub(crate) fn proposal(
        &self,
        view: u64,
        block: &Arc<Block>,
        justification: Vec<Certificate>,
    ) -> Message {
        let manager = self.engine.manager_of(View::new(view)).get();
        Message::Proposal(Box::new(Proposal {
            vote: *signed(manager, notarizes(view, block.id()), &self.keys).vote(),
            block: block.as_ref().clone(),
            justification,
        }))
    }

    /// Makes an empty block of `view` on `parent`, and lets its proposal and its notarisation arrive.
    pub(crate) fn notarized(&mut self, view: u64, parent: &Header) -> (Arc<Block>, Vec<Effect>) {
        let block = self.block(view, parent, 0);
        let mut effects = self.receive(self.proposal(view, &block, Vec::new()));
        effects.extend(self.receive_certificate(notarizes(view, block.id())));
        (block, effects)
    }

    /// Jumps forward, with one tick at the end.
    pub(crate) fn pass(&mut self, milliseconds: u64) -> Vec<Effect> {
        self.set_time(self.now.monotonic.plus_millis(milliseconds));
        self.input(Input::Tick)
    }

    /// Follows the engine's wake-ups for so long. A busy loop fails.
    pub(crate) fn run(&mut self, milliseconds: u64) -> Vec<Effect> {
        let end = self.now.monotonic.plus_millis(milliseconds);
        let mut effects = Vec::new();
        let mut wakeups = 0u64;
        while let Some(at) = self.engine.wakeup(self.now).filter(|at| *at <= end) {
            assert!(at > self.now.monotonic, "a wake-up in the past");
            self.set_time(at);
            effects.extend(self.input(Input::Tick));
            wakeups += 1;
            assert!(wakeups <= 20 + milliseconds / 20, "a busy loop");
        }
        self.set_time(end);
        effects
    }

    fn set_time(&mut self, monotonic: Monotonic) {
        let passed = monotonic.millis_since(self.now.monotonic);
        self.now = Now {
            monotonic,
            wall: self.now.wall.plus_millis(passed),
        };
    }

    /// Stops and starts again from the journal.
    pub(crate) fn restart(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.engine = Engine::restore(
            self.config.clone(),
            None,
            self.journal.clone(),
            self.now,
            &mut effects,
        );
        self.carry_out(effects)
    }
}

fn term_of(term: u64) -> salus_primitives::ids::Term {
    salus_primitives::ids::Term::new(term)
}

/// The votes in what is broadcast for the first time, a proposal's included.
pub(crate) fn votes(effects: &[Effect]) -> Vec<Statement> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast(Message::Vote { vote, .. }) => Some(vote.statement),
            Effect::Broadcast(Message::Proposal(proposal)) => Some(proposal.vote.statement),
            _ => None,
        })
        .collect()
}

/// The votes said again in status messages.
pub(crate) fn repeated(effects: &[Effect]) -> Vec<Statement> {
    statuses(effects)
        .into_iter()
        .flat_map(|(votes, _)| votes)
        .map(|vote| vote.statement)
        .collect()
}

/// The votes and the entry certificate of every status message.
pub(crate) fn statuses(effects: &[Effect]) -> Vec<(Vec<Vote>, Option<Certificate>)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast(Message::Status(status))
            | Effect::Send(_, Message::Status(status)) => {
                Some((status.votes.clone(), status.entry.clone()))
            }
            _ => None,
        })
        .collect()
}

/// Why the node gave up views, in order.
pub(crate) fn causes(effects: &[Effect]) -> Vec<NullifyCause> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Nullified { cause, .. } => *cause,
            _ => None,
        })
        .collect()
}

/// Heights that became final, in order.
pub(crate) fn finalized(effects: &[Effect]) -> Vec<u64> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Finalized { blocks, .. } => Some(blocks),
            _ => None,
        })
        .flatten()
        .map(|(_, block)| block.header.height.get())
        .collect()
}
