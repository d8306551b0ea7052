//! Members that do what they like with their own keys.
//!
//! A Byzantine member's node is the production replica, so it has real views, real votes and real certificates. What it
//! would say passes through an [`Adversary`], which holds it back, changes it, adds to it and signs it anew, and which
//! also speaks up by itself. It has the keys of its member and no others.

#![allow(dead_code, reason = "the other behaviours follow")]

use super::node::Node;
use super::scenario::Dice;
use salus_consensus::config::Voter;
use salus_genesis::block::GenesisBlock;
use salus_node::wire::Frame;
use salus_primitives::ids::{Epoch, Height, View};
use salus_primitives::validators::ValidatorSet;
use std::sync::Arc;

/// A way to be faulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behaviour {
    /// Says nothing, for a while or for good.
    Silent,
}

impl Behaviour {
    /// All behaviours.
    pub const ALL: [Self; 1] = [Self::Silent];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "byzantine_silent",
        }
    }

    /// One to three of them.
    pub(super) fn draw(dice: &mut Dice) -> Vec<Self> {
        let mut drawn: Vec<Self> = (0..dice.between(1, 3))
            .map(|_| *dice.pick(&Self::ALL))
            .collect();
        drawn.sort_unstable();
        drawn.dedup();
        drawn
    }
}

/// Where the adversary's node stands.
pub(super) struct Stand {
    pub(super) genesis: Arc<GenesisBlock>,
    pub(super) validators: Arc<ValidatorSet>,
    pub(super) voter: Option<Voter>,
    pub(super) epoch: Epoch,
    pub(super) view: View,
    pub(super) final_height: Height,
    pub(super) now_ms: u64,
}

impl Stand {
    pub(super) fn new(genesis: &Arc<GenesisBlock>, node: &Node, now_ms: u64) -> Self {
        let engine = node.replica().map(salus_node::replica::Replica::engine);
        Self {
            genesis: Arc::clone(genesis),
            validators: Arc::clone(node.validators()),
            voter: node.voter(),
            epoch: node.epoch(),
            view: engine.map_or(View::ZERO, |engine| engine.view()),
            final_height: node.final_height(),
            now_ms,
        }
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

/// The hands that a faulty node's frames go through.
pub(super) struct Adversary {
    dice: Dice,
    behaviours: Vec<Behaviour>,
    /// Not a word until then.
    silent_until_ms: u64,
}

impl Adversary {
    pub(super) fn new(behaviours: Vec<Behaviour>, dice: Dice) -> Self {
        Self {
            dice,
            behaviours,
            silent_until_ms: 0,
        }
    }

    /// Says nothing from here on.
    pub(super) const fn fall_silent(&mut self) {
        self.silent_until_ms = u64::MAX;
    }

    /// A frame reaches its node.
    pub(super) fn hears(&mut self, _frame: &Frame) {}

    /// Its node would send a frame to these.
    pub(super) fn sends(&mut self, stand: &Stand, to: &[usize], frame: Frame) -> Vec<Letter> {
        let letters = to
            .iter()
            .map(|to| Letter {
                to: *to,
                after_ms: 0,
                content: Lie::Frame(frame.clone()),
            })
            .collect();
        if stand.now_ms < self.silent_until_ms {
            return Vec::new();
        }
        if self.behaviours.contains(&Behaviour::Silent) && self.dice.percent(5) {
            self.silent_until_ms = stand.now_ms + self.dice.between(100, 10_000);
        }
        letters
    }
}
