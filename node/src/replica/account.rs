//! This node's account of itself, for operators and for peers whose operators ask.

use super::peers::Acquaintance;
use super::{Effect, Replica};
use crate::wire::{Account, CONNECTED_MAX, Condition, Frame, Halt, ROOTS_MAX, Request, RootAt};
use salus_consensus::clock::{Monotonic, Now};
use salus_consensus::effect::Divergence;
use salus_consensus::message::Peer;
use salus_primitives::block::Block;
use salus_primitives::ids::BlockId;
use std::collections::VecDeque;
use std::sync::Arc;

/// What the engine does not keep, because no rule needs it.
#[derive(Debug)]
pub(super) struct Memory {
    /// When a block became final last, or the node started.
    final_at: Monotonic,
    /// Since when there has been something to make final, without a break.
    work_at: Option<Monotonic>,
    /// Roots after final blocks below the last, ascending.
    roots: VecDeque<RootAt>,
    halt: Option<Halt>,
}

impl Memory {
    pub(super) const fn new(now: Monotonic) -> Self {
        Self {
            final_at: now,
            work_at: None,
            roots: VecDeque::new(),
            halt: None,
        }
    }

    /// Blocks became final: each names the root after its parent, which this node has compared with its own.
    pub(super) fn finalized(&mut self, now: Monotonic, blocks: &[(BlockId, Arc<Block>)]) {
        self.final_at = now;
        for (_, block) in blocks {
            let Some(height) = block.header.height.previous() else {
                continue;
            };
            if self.roots.len() >= ROOTS_MAX - 1 {
                self.roots.pop_front();
            }
            self.roots.push_back(RootAt {
                height,
                root: block.header.parent_state_root,
            });
        }
    }

    pub(super) fn works(&mut self, now: Monotonic, has_work: bool) {
        self.work_at = has_work.then(|| self.work_at.unwrap_or(now));
    }

    pub(super) fn diverged(&mut self, divergence: &Divergence) {
        self.halt = Some(Halt {
            block: divergence.block,
            height: divergence.header.height,
            own: divergence.own.state,
            certified: divergence.header.parent_state_root,
        });
    }
}

impl Replica {
    /// This node's account of itself.
    #[must_use]
    pub fn account(&self, now: Now) -> Account {
        let since = |at: Monotonic| now.monotonic.millis_since(at);
        let last = self.engine.next_base();
        let own = RootAt {
            height: last.header.height,
            root: last.roots.state,
        };
        let roots = self.memory.roots.iter().copied();
        Account {
            epoch: self.engine.epoch(),
            view: self.engine.view(),
            final_height: self.engine.final_height(),
            final_age_ms: since(self.memory.final_at),
            work_ms: self.memory.work_at.map(since),
            condition: self.condition(now),
            roots: roots
                .filter(|at| at.height < own.height)
                .chain([own])
                .collect(),
            connected: self.peers.iter().copied().take(CONNECTED_MAX).collect(),
            clock: now.wall,
        }
    }

    fn condition(&self, now: Now) -> Condition {
        if let Some(halt) = self.memory.halt {
            return Condition::Halted(halt);
        }
        if let Some(since) = self.suspended_at() {
            return Condition::DiskFull {
                for_ms: now.monotonic.millis_since(since),
            };
        }
        if self.engine.is_behind() {
            return Condition::CatchesUp;
        }
        if self.engine.is_voter() {
            Condition::Votes
        } else {
            Condition::Observes
        }
    }

    /// Asks every peer for its account, unless it was asked a moment ago.
    pub(super) fn ask_for_accounts(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for peer in &self.peers {
            if self.acquaintances.ask(now.monotonic, *peer) {
                effects.push(Effect::Send(*peer, Frame::Request(Request::Diagnosis)));
            }
        }
    }

    /// Whether every connected peer has answered what it was asked last.
    #[must_use]
    pub fn have_all_answered(&self) -> bool {
        self.peers
            .iter()
            .filter_map(|peer| self.acquaintances.get(peer))
            .all(Acquaintance::has_answered)
    }

    /// What this node knows of a peer.
    #[must_use]
    pub fn acquaintance(&self, peer: &Peer) -> Option<&Acquaintance> {
        self.acquaintances.get(peer)
    }
}
