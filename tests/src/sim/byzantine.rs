//! Members that do what they like with their own keys.
//!
//! A Byzantine member's node is the production replica, so it has real views, real votes and real certificates. What it
//! would say passes through an adversary, which holds it back, changes it, adds to it and signs it anew. It has the keys
//! of its member and no others. Two nodes of one member, each in its own half of the network, are *twins*: both are honest
//! replicas, and together they contradict each other.

mod forge;
mod memory;
mod noise;
mod proposals;
mod reports;
mod votes;

use super::Counts;
use super::node::Node;
use super::scenario::Dice;
use memory::Memory;
use proposals::{Fault, Fork};
use salus_consensus::config::Voter;
use salus_consensus::message::Message;
use salus_consensus::vote::{VerifiedVote, Vote};
use salus_contracts::native::blockcfg::quota::Demotions;
use salus_genesis::block::GenesisBlock;
use salus_node::wire::Frame;
use salus_primitives::certificate::Statement;
use salus_primitives::crypto::sign::Signer;
use salus_primitives::ids::{EntityId, Epoch, Height, View};
use salus_primitives::lanes::EpochLanes;
use salus_primitives::transaction::{SignedTransaction, TxId};
use salus_primitives::validators::ValidatorSet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A way to be faulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behaviour {
    /// Says nothing, for a while, again and again.
    Silent,
    /// As a manager signs two proposals, and gives one to some and the other to the others.
    Equivocating,
    /// Signs what its votes exclude: another block, or nullify beside finalise.
    DoubleVoting,
    /// Gives its votes and certificates to some only, or late, so that the honest are split.
    Selective,
    /// As a manager proposes what is not valid, in every way there is.
    InvalidProposals,
    /// Says again what was said long ago, by itself and by others.
    Replaying,
    /// Gives up views that nobody is in.
    NullifySpam,
    /// Sends bytes that are no frames, frames beyond their bounds, positions that are none.
    Garbage,
    /// Makes certificates of what it has: too few signatures, one twice, one under another statement.
    ForgedCertificates,
    /// Answers with other blocks, broken ranges, other certificates.
    FalseAnswers,
    /// Passes on transactions that are expired, final, badly signed or too many.
    BadTransactions,
    /// Signs with a key that it had before, or is to have.
    OtherKeys,
    /// Says something else of the other validators than what its node saw.
    FalseReports,
    /// Runs a second node under its keys, in another part of the network.
    Twin,
}

impl Behaviour {
    /// All behaviours.
    pub const ALL: [Self; 14] = [
        Self::Silent,
        Self::Equivocating,
        Self::DoubleVoting,
        Self::Selective,
        Self::InvalidProposals,
        Self::Replaying,
        Self::NullifySpam,
        Self::Garbage,
        Self::ForgedCertificates,
        Self::FalseAnswers,
        Self::BadTransactions,
        Self::OtherKeys,
        Self::FalseReports,
        Self::Twin,
    ];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "byzantine_silent",
            Self::Equivocating => "byzantine_equivocating",
            Self::DoubleVoting => "byzantine_double_voting",
            Self::Selective => "byzantine_selective",
            Self::InvalidProposals => "byzantine_invalid_proposals",
            Self::Replaying => "byzantine_replaying",
            Self::NullifySpam => "byzantine_nullify_spam",
            Self::Garbage => "byzantine_garbage",
            Self::ForgedCertificates => "byzantine_forged_certificates",
            Self::FalseAnswers => "byzantine_false_answers",
            Self::BadTransactions => "byzantine_bad_transactions",
            Self::OtherKeys => "byzantine_other_keys",
            Self::FalseReports => "byzantine_false_reports",
            Self::Twin => "byzantine_twin",
        }
    }

    /// One to five of them. A manager's lies are rare, as its turns are, so that they are drawn more often.
    pub(super) fn draw(dice: &mut Dice) -> Vec<Self> {
        let mut drawn: Vec<Self> = (0..dice.between(1, 4))
            .map(|_| *dice.pick(&Self::ALL))
            .collect();
        if dice.percent(50) {
            drawn.push(*dice.pick(&[Self::Equivocating, Self::InvalidProposals]));
        }
        drawn.sort_unstable();
        drawn.dedup();
        drawn
    }
}

/// What a manager announces of a block's configuration in place of what follows from the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FalseConfiguration {
    /// Another number of verifiers, the paper's `m`.
    VerifierCount,
    /// Another most transactions, the paper's `theta`.
    TransactionLimit,
    /// Another lane than its transactions'.
    Lane,
    /// Others as verifiers.
    Committee,
    /// The lane that was asked for, for what is over its entity's quota there.
    OverQuota,
}

/// Where the adversary's node stands.
pub(super) struct Stand {
    genesis: Arc<GenesisBlock>,
    validators: Arc<ValidatorSet>,
    lanes: Arc<EpochLanes>,
    /// In which lanes the transactions of the block count that it builds or builds on.
    demotions: Option<Arc<Demotions>>,
    voter: Option<Voter>,
    epoch: Epoch,
    view: View,
    final_height: Height,
    now_ms: u64,
}

impl Stand {
    pub(super) fn new(genesis: &Arc<GenesisBlock>, node: &Node, now_ms: u64) -> Self {
        let engine = node.replica().map(salus_node::replica::Replica::engine);
        Self {
            genesis: Arc::clone(genesis),
            validators: Arc::clone(node.validators()),
            lanes: Arc::clone(node.lanes()),
            demotions: node
                .replica()
                .map(|replica| Arc::clone(replica.mempool().demotions())),
            voter: node.voter(),
            epoch: node.epoch(),
            view: engine.map_or(View::ZERO, |engine| engine.view()),
            final_height: node.final_height(),
            now_ms,
        }
    }

    /// Signs whatever it is told to.
    fn sign(&self, statement: Statement) -> Option<Vote> {
        let voter = self.voter.as_ref()?;
        Some(self.sign_with(statement, voter, &voter.signer))
    }

    fn sign_with(&self, statement: Statement, voter: &Voter, signer: &Signer) -> Vote {
        *VerifiedVote::sign(statement, voter.seat, self.genesis.hash, signer).vote()
    }

    fn tenure(&self) -> u64 {
        self.genesis.parameters.tenure
    }
}

/// Something the adversary sends.
pub(super) struct Letter {
    pub(super) to: usize,
    pub(super) after_ms: u64,
    pub(super) content: Lie,
}

/// What it sends.
pub(super) enum Lie {
    Frame(Frame),
    Bytes(Vec<u8>),
}

impl Letter {
    const fn now(to: usize, frame: Frame) -> Self {
        Self {
            to,
            after_ms: 0,
            content: Lie::Frame(frame),
        }
    }
}

/// The hands that a faulty node's frames go through.
pub(super) struct Adversary {
    dice: Dice,
    behaviours: Vec<Behaviour>,
    entity: EntityId,
    operator: Signer,
    /// All its voting keys, past and future ones.
    signers: Vec<Signer>,
    memory: Memory,
    forks: BTreeMap<(Epoch, View), Fork>,
    /// The one way in which it spoils all of its proposals, if it has one.
    always: Option<Fault>,
    /// What it said in the place of its node's reports, and of what it said.
    misreported: BTreeMap<TxId, SignedTransaction>,
    /// Who gets what it says in a view.
    favoured: BTreeMap<(Epoch, View), BTreeSet<usize>>,
    /// Not a word until then.
    silent_until_ms: u64,
    counts: Counts,
}

/// Views whose tricks are remembered.
const VIEWS_KEPT: usize = 16;

impl Adversary {
    pub(super) fn new(
        behaviours: Vec<Behaviour>,
        dice: Dice,
        entity: EntityId,
        operator: Signer,
        signers: Vec<Signer>,
    ) -> Self {
        Self {
            dice,
            behaviours,
            entity,
            operator,
            signers,
            memory: Memory::default(),
            forks: BTreeMap::new(),
            always: None,
            misreported: BTreeMap::new(),
            favoured: BTreeMap::new(),
            silent_until_ms: 0,
            counts: Counts::new(),
        }
    }

    /// From here on it spoils all of its proposals, in this way.
    pub(super) fn announce(&mut self, configuration: FalseConfiguration) {
        self.behaviours = vec![Behaviour::InvalidProposals];
        self.always = Some(match configuration {
            FalseConfiguration::VerifierCount => Fault::VerifierCount,
            FalseConfiguration::TransactionLimit => Fault::TransactionLimit,
            FalseConfiguration::Lane => Fault::OtherLane,
            FalseConfiguration::Committee => Fault::Committee,
            FalseConfiguration::OverQuota => Fault::OverQuota,
        });
    }

    /// Says nothing from here on.
    pub(super) const fn fall_silent(&mut self) {
        self.silent_until_ms = u64::MAX;
    }

    /// What it did, counted.
    pub(super) const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// A frame reaches its node.
    pub(super) fn hears(&mut self, frame: &Frame) {
        self.memory.keep(frame);
    }

    /// Its node would send a frame to these; what it sends instead.
    pub(super) fn sends(&mut self, stand: &Stand, to: &[usize], frame: Frame) -> Vec<Letter> {
        self.memory.keep(&frame);
        if stand.now_ms < self.silent_until_ms {
            self.count("frames_withheld", to.len() as u64);
            return Vec::new();
        }
        let mut letters: Vec<Letter> = to
            .iter()
            .map(|to| Letter::now(*to, frame.clone()))
            .collect();
        for behaviour in self.behaviours.clone() {
            match behaviour {
                Behaviour::Silent => {
                    if self.dice.percent(5) {
                        let pause = self.dice.between(100, 10_000);
                        self.silent_until_ms = stand.now_ms.saturating_add(pause);
                    }
                }
                Behaviour::Equivocating => self.equivocate(stand, to, &frame, &mut letters),
                Behaviour::DoubleVoting => self.vote_twice(stand, &frame, &mut letters),
                Behaviour::Selective => self.favour(stand, to, &mut letters),
                Behaviour::InvalidProposals => self.spoil(stand, &frame, &mut letters),
                Behaviour::Replaying => self.replay(to, &mut letters),
                Behaviour::NullifySpam => self.nullify_ahead(stand, to, &mut letters),
                Behaviour::Garbage => self.babble(stand, to, &frame, &mut letters),
                Behaviour::ForgedCertificates => self.send_forged(stand, to, &mut letters),
                Behaviour::FalseAnswers => self.answer_falsely(stand, &mut letters),
                Behaviour::BadTransactions => self.send_transactions(stand, to, &mut letters),
                Behaviour::OtherKeys => self.use_other_keys(stand, &mut letters),
                Behaviour::FalseReports => self.misreport(stand, &mut letters),
                Behaviour::Twin => {}
            }
        }
        while self.forks.len() > VIEWS_KEPT {
            self.forks.pop_first();
        }
        while self.favoured.len() > VIEWS_KEPT {
            self.favoured.pop_first();
        }
        letters
    }

    /// What it says in a view reaches some at once; the others late or never.
    fn favour(&mut self, stand: &Stand, to: &[usize], letters: &mut Vec<Letter>) {
        let dice = &mut self.dice;
        let favoured = self
            .favoured
            .entry((stand.epoch, stand.view))
            .or_insert_with(|| {
                let percent = dice.between(10, 90);
                let some = to.iter().filter(|_| dice.percent(percent));
                some.copied().collect()
            });
        let (mut withheld, mut delayed) = (0, 0);
        letters.retain_mut(|letter| {
            let consensus = matches!(
                letter.content,
                Lie::Frame(Frame::Consensus(_)) | Lie::Frame(Frame::Response(_))
            );
            if !consensus || favoured.contains(&letter.to) {
                return true;
            }
            if dice.percent(50) {
                withheld += 1;
                return false;
            }
            delayed += 1;
            letter.after_ms += dice.between(50, 2_500);
            true
        });
        self.count("frames_withheld", withheld);
        self.count("frames_delayed_on_purpose", delayed);
    }

    /// Says again what was said before.
    fn replay(&mut self, to: &[usize], letters: &mut Vec<Letter>) {
        if !self.dice.percent(20) {
            return;
        }
        if let (Some(frame), false) = (self.memory.any_frame(&mut self.dice), to.is_empty()) {
            let to = *self.dice.pick(to);
            let mut letter = Letter::now(to, frame);
            letter.after_ms = self.dice.between(0, 20_000);
            letters.push(letter);
            self.count("frames_replayed", 1);
        }
    }

    fn count(&mut self, what: &'static str, times: u64) {
        if times > 0 {
            *self.counts.entry(what).or_default() += times;
        }
    }
}

/// A vote as it travels.
const fn vote_frame(vote: Vote) -> Frame {
    Frame::Consensus(Message::Vote { vote, entry: None })
}
