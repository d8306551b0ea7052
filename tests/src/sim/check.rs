//! Properties that are looked at after every event: what honest nodes say, certify, execute and have final.

mod attestations;
mod blame;
mod blocks;
mod certificates;
mod quotas;
mod votes;

use super::history::{History, Moment};
use super::property::{Property, Violation};
use blocks::FinalHeight;
use quotas::LaneTally;
use salus_consensus::schedule::Schedule;
use salus_genesis::block::GenesisBlock;
use salus_primitives::block::Block;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::epoch::EpochConfig;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, EntityId, Epoch, Height, Seat, View};
use salus_primitives::lanes::EpochLanes;
use salus_primitives::receipt::Receipt;
use salus_primitives::state::StateRoot;
use salus_primitives::transaction::TxId;
use salus_primitives::validators::ValidatorSet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use votes::Said;

/// What was seen of the whole cluster.
pub struct Checks {
    genesis: Arc<GenesisBlock>,
    /// Virtual time, and the wall clock that goes with it.
    now_ms: u64,
    wall_ms: u64,
    /// Whose connections are whose.
    peers: BTreeMap<PublicKey, EntityId>,
    /// Members that may do anything.
    byzantine: BTreeSet<EntityId>,
    /// Members that follow the protocol and are not counted on: without journal, or an hour off.
    absent: BTreeSet<EntityId>,
    /// Whether anyone may be blamed, because a test lies in everyone's name.
    excused: bool,
    finals: BTreeMap<Height, FinalHeight>,
    /// Where each transaction is final.
    included: BTreeMap<TxId, Height>,
    /// What each honest seat has said aloud in each view.
    said: BTreeMap<(Seat, Epoch, View), Said>,
    /// The block that each honest seat has attested in each view, as any node says.
    attested: BTreeMap<(Epoch, View, Seat), BlockId>,
    /// The set that began each epoch, with its schedule.
    sets: BTreeMap<Epoch, (Arc<ValidatorSet>, Schedule)>,
    /// The digest of the set that the chain elected for each epoch.
    elected: BTreeMap<Epoch, Digest>,
    /// The lanes of each epoch that has begun somewhere.
    lanes: BTreeMap<Epoch, Arc<EpochLanes>>,
    /// What entities have used in the epoch of the last final block.
    tally: LaneTally,
    /// Final transactions that count in a lower lane than they asked for.
    demoted: u64,
    /// Certificates that were looked at, by their digest.
    certified: BTreeSet<Digest>,
    violations: Vec<Violation>,
    history: History,
}

/// A node, as far as the checks need to know it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its name in messages.
    pub name: String,
    /// The member.
    pub entity: EntityId,
    /// Whether it follows the protocol, crashes aside.
    pub obeys: bool,
}

/// A block that a node has made final, with what its execution gave there.
#[derive(Debug)]
pub struct Finality<'a> {
    /// Its id.
    pub id: BlockId,
    /// The block.
    pub block: &'a Block,
    /// The root of the state after it.
    pub root: StateRoot,
    /// Its receipts.
    pub receipts: &'a [Receipt],
    /// The set it elects, if it ends an epoch.
    pub elected: Option<EpochConfig>,
}

/// More of one run would be noise.
const VIOLATIONS_MAX: usize = 8;
/// How far the wall clock of an honest node may be off at most, in milliseconds, plus what a voter tolerates.
const LEAD_MAX_MS: u64 = super::SKEW_MAX_MS + salus_consensus::config::CLOCK_LEAD_MS;

impl Checks {
    pub(crate) fn new(genesis: Arc<GenesisBlock>, peers: BTreeMap<PublicKey, EntityId>) -> Self {
        let mut checks = Self {
            now_ms: 0,
            wall_ms: 0,
            peers,
            byzantine: BTreeSet::new(),
            absent: BTreeSet::new(),
            excused: false,
            finals: BTreeMap::new(),
            included: BTreeMap::new(),
            said: BTreeMap::new(),
            attested: BTreeMap::new(),
            sets: BTreeMap::new(),
            elected: BTreeMap::new(),
            lanes: BTreeMap::new(),
            tally: LaneTally::default(),
            demoted: 0,
            certified: BTreeSet::new(),
            violations: Vec::new(),
            history: History::default(),
            genesis: Arc::clone(&genesis),
        };
        checks.elect_founders();
        checks
    }

    /// Sets the time that violations and moments get from here on.
    pub(crate) const fn at(&mut self, now_ms: u64, wall_ms: u64) {
        self.now_ms = now_ms;
        self.wall_ms = wall_ms;
    }

    /// A member that is not held to anything from here on.
    pub(super) fn declare_byzantine(&mut self, entity: EntityId) {
        self.byzantine.insert(entity);
    }

    /// A member that nobody counts on from here on: it follows the protocol, and cannot vote or is not believed.
    pub(super) fn declare_absent(&mut self, entity: EntityId) {
        self.absent.insert(entity);
    }

    /// Anyone may be blamed from here on.
    pub(super) const fn excuse_blame(&mut self) {
        self.excused = true;
    }

    /// What did not hold, in the order it was found.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// What happened last.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// How many final transactions count in a lower lane than they asked for.
    #[must_use]
    pub const fn transactions_demoted(&self) -> u64 {
        self.demoted
    }

    /// How many transactions are final.
    #[must_use]
    pub fn transactions_final(&self) -> usize {
        self.included.len()
    }

    /// All final transactions.
    pub(super) fn finals(&self) -> impl Iterator<Item = (&TxId, &Height)> {
        self.included.iter()
    }

    /// Whether a transaction is final for any honest node.
    #[must_use]
    pub fn is_final(&self, id: &TxId) -> bool {
        self.included.contains_key(id)
    }

    /// The greatest height that is final for any honest node.
    #[must_use]
    pub fn final_height(&self) -> Height {
        self.finals
            .last_key_value()
            .map_or(Height::ZERO, |(height, _)| *height)
    }

    /// The validators of an epoch that has begun somewhere.
    #[must_use]
    pub fn set(&self, epoch: Epoch) -> Option<&Arc<ValidatorSet>> {
        self.sets.get(&epoch).map(|(set, _)| set)
    }

    /// Who manages a view of an epoch that has begun somewhere.
    pub(super) fn manager(&self, epoch: Epoch, view: View) -> Option<EntityId> {
        let (set, schedule) = self.sets.get(&epoch)?;
        let term = view.get().saturating_sub(1) / self.tenure();
        let seat = schedule.manager(salus_primitives::ids::Term::new(term));
        set.validator(seat).map(|validator| validator.entity)
    }

    /// Whether a member counts towards f.
    pub(super) fn is_faulty(&self, entity: &EntityId) -> bool {
        self.byzantine.contains(entity) || self.absent.contains(entity)
    }

    pub(super) fn tenure(&self) -> u64 {
        self.genesis.parameters.tenure.max(1)
    }

    /// Notes a moment of the run.
    pub(super) fn note(&mut self, moment: Moment) {
        self.history.note(self.now_ms, moment);
    }

    /// A property did not hold.
    pub(super) fn violate(&mut self, property: Property, message: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation {
                property,
                at_ms: self.now_ms,
                message,
            });
        }
    }
}
