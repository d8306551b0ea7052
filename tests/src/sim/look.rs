//! Looking at a run from outside.

use super::check::Checks;
use super::node::Node;
use super::property::{Property, Violation};
use super::{Counts, Sim};
use salus_genesis::block::GenesisBlock;
use salus_primitives::ids::Height;
use salus_primitives::transaction::TxId;
use std::collections::BTreeMap;

impl Sim {
    /// What did not hold so far.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        self.checks.violations()
    }

    /// Notes that something does not hold, from outside.
    pub(super) fn violate(&mut self, property: Property, message: String) {
        self.clock_checks();
        self.checks.violate(property, message);
    }

    /// What was checked, and what happened last.
    #[must_use]
    pub const fn checks(&self) -> &Checks {
        &self.checks
    }

    /// Whether every submitted transaction is final on every running node.
    #[must_use]
    pub fn all_final(&self) -> bool {
        self.nodes
            .iter()
            .filter(|node| node.is_running())
            .all(|node| self.submitted.iter().all(|id| node.has_final(id)))
    }

    /// Whether a transaction is final on every running node that follows the protocol.
    #[must_use]
    pub fn is_final_everywhere(&self, id: &TxId) -> bool {
        self.obeying().all(|node| self.nodes[node].has_final(id))
    }

    /// The running nodes that follow the protocol.
    pub(super) fn obeying(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len())
            .filter(|node| self.nodes[*node].is_running() && self.nodes[*node].identity().obeys)
    }

    /// Final heights of all nodes.
    #[must_use]
    pub fn final_heights(&self) -> Vec<Height> {
        self.nodes.iter().map(Node::final_height).collect()
    }

    /// The state roots at the greatest height final on all nodes.
    #[must_use]
    pub fn common_roots(&self) -> BTreeMap<usize, String> {
        let height = self.final_heights().into_iter().min().unwrap_or_default();
        (0..)
            .zip(&self.nodes)
            .map(|(index, node)| (index, node.state_root(height)))
            .collect()
    }

    /// How many votes a node has sent since it started last; repetitions count.
    #[must_use]
    pub fn votes_since_start(&self, node: usize) -> u64 {
        self.nodes[node].votes_sent()
    }

    /// How many views the most advanced honest node has gone through, over all epochs.
    #[must_use]
    pub fn views(&self) -> u64 {
        self.views.values().map(|view| view.get()).sum()
    }

    /// What happened, counted.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How often members under an adversary did something.
    #[must_use]
    pub fn lies(&self, what: &str) -> u64 {
        let counts = self.adversaries.values();
        counts
            .map(|adversary| adversary.counts().get(what).copied().unwrap_or(0))
            .sum()
    }

    pub(super) fn adversaries(&self) -> impl Iterator<Item = &super::Adversary> {
        self.adversaries.values()
    }

    pub(super) fn count(&mut self, what: &'static str, times: u64) {
        if times > 0 {
            *self.counts.entry(what).or_default() += times;
        }
    }

    /// The chain.
    #[must_use]
    pub fn genesis(&self) -> &GenesisBlock {
        &self.genesis
    }

    /// Frames sent so far, lost ones included.
    #[must_use]
    pub const fn frames_sent(&self) -> u64 {
        self.frames_sent
    }

    /// When an honest node sent something last.
    #[must_use]
    pub const fn last_frame_ms(&self) -> u64 {
        self.last_frame_ms
    }

    /// Virtual time in milliseconds.
    #[must_use]
    pub const fn time_ms(&self) -> u64 {
        self.now_ms
    }

    /// A hash over every event so far: two runs of one seed have the same.
    #[must_use]
    pub fn trace(&self) -> String {
        self.trace.finalize().to_hex().to_string()
    }

    /// A node, for looking inside.
    #[must_use]
    pub fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}
