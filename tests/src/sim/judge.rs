//! The quiet phase: the last fault is over, only Byzantine members go on. Now the chain must live, spread, and fall silent.

use super::Sim;
use super::property::Property;
use salus_primitives::ids::{EntityId, Epoch, Height, Term, View};
use salus_primitives::lane::Lane;
use salus_primitives::transaction::TxId;
use std::collections::BTreeSet;

/// The greatest delta of simulated chains, in milliseconds.
const DELTA_MAX_MS: u64 = 2_000;
/// How long after the last fault nodes may need to hear of one another: each says where it stands every delta, which may
/// have grown to its most, and answers what lifts others to its view.
const SETTLE_MS: u64 = 3 * DELTA_MAX_MS;
/// Terms with honest managers that may pass without a new final block.
const HONEST_TERMS_MAX: usize = 1;
/// The most a term takes, in milliseconds: it is given up 6 delta after its first view became due.
const TERM_MS: u64 = 10 * DELTA_MAX_MS;
/// How long nodes that are behind may take, in milliseconds, beyond one delta a page.
const CATCH_UP_MS: u64 = 30 * DELTA_MAX_MS;
/// How long a chain may take to fall silent when its last transaction is final, in milliseconds.
const CALM_DOWN_MS: u64 = 10 * DELTA_MAX_MS;
/// Silence between two heartbeats, in milliseconds: a node that has anything to say repeats it every delta.
const SILENCE_MS: u64 = 2 * DELTA_MAX_MS + 500;
/// The most between a block's notarisation, from which on a heartbeat counts, and its finality on a chain that has calmed down.
const FINALITY_MS: u64 = 2 * DELTA_MAX_MS;
/// How long silence is waited for, in milliseconds: more than one heartbeat.
const LISTEN_MS: u64 = 25_000;

impl Sim {
    /// Judges what must come to pass after the last fault.
    pub(super) fn judge(&mut self) {
        self.run_for(SETTLE_MS);
        if !self.goes_on() {
            return;
        }
        let before = self.checks.final_height();
        let Some(node) = self.obeying().next() else {
            return;
        };
        let window = self.genesis.parameters.window_blocks;
        let transaction = self.device(node, Lane::Monitoring, window);
        let fresh = self.offer(node, transaction);
        self.judge_progress(before);
        self.judge_spreading(&fresh);
        self.judge_silence();
    }

    /// A new block is final before a second term with an honest manager has passed in vain.
    ///
    /// A term counts if the most advanced honest node went through all of it after the nodes had time to settle; whether its
    /// manager is honest follows from the set in force. A node leaves a view with its notarisation, and with a tenure of 1 its term:
    /// the finalise votes have a delta more. Members that are absent (wiped, or an hour off) do not count as
    /// honest: their proposals may not be made or not be believed.
    fn judge_progress(&mut self, before: Height) {
        let Some((epoch, start)) = self.latest() else {
            return;
        };
        let terms = self.node_terms(epoch);
        let first = Term::new(start.get().saturating_sub(1) / self.checks.tenure()).next();
        let limit = self.now_ms + TERM_MS * (terms + 2);
        let mut overdue_since = None;
        while self.goes_on() && self.checks.final_height() <= before {
            let passed = self.honest_terms_passed(epoch, first);
            if passed > HONEST_TERMS_MAX {
                let since = *overdue_since.get_or_insert(self.now_ms);
                if self.now_ms > since + DELTA_MAX_MS {
                    let (_, view) = self.latest().unwrap_or_default();
                    self.violate(
                        Property::Progress,
                        format!(
                            "{passed} terms with honest managers passed after the last fault without a new final block; epoch {epoch}, view {view}, height {before}"
                        ),
                    );
                }
            }
            match self.agenda.next_at() {
                Some(next) if next <= limit => self.step(),
                _ => {
                    self.violate(
                        Property::Progress,
                        format!("no new final block in {limit} ms; height {before}"),
                    );
                }
            }
        }
    }

    /// Most terms in a row that may be faulty members', with two honest ones: each seat comes once in a cycle at least.
    fn node_terms(&self, epoch: Epoch) -> u64 {
        let seats = self.checks.set(epoch).map_or(0, |set| set.len());
        seats as u64
    }

    fn honest_terms_passed(&self, epoch: Epoch, first: Term) -> usize {
        let tenure = self.checks.tenure();
        let Some((latest_epoch, view)) = self.latest() else {
            return 0;
        };
        if latest_epoch != epoch {
            return 0;
        }
        let present = view.get().saturating_sub(1) / tenure;
        (first.get()..present)
            .filter(|term| {
                self.checks
                    .manager(epoch, View::new(term * tenure + 1))
                    .is_some_and(|manager| !self.checks.is_faulty(&manager))
            })
            .count()
    }

    fn latest(&self) -> Option<(Epoch, View)> {
        self.views
            .last_key_value()
            .map(|(epoch, view)| (*epoch, *view))
    }

    /// What is final for one is final for all that follow the protocol, and nothing of it is missing on any disk.
    fn judge_spreading(&mut self, fresh: &TxId) {
        let limit = self.now_ms + CATCH_UP_MS;
        loop {
            if !self.goes_on() {
                return;
            }
            let height = self.checks.final_height();
            let all = self
                .obeying()
                .all(|node| self.nodes[node].final_height().plus(1) >= height);
            if all && self.is_final_everywhere(fresh) {
                break;
            }
            match self.agenda.next_at() {
                Some(next) if next <= limit => self.step(),
                _ => {
                    let heights: Vec<u64> = self.final_heights().iter().map(|h| h.get()).collect();
                    self.violate(
                        Property::FinalEverywhere,
                        format!(
                            "final heights {heights:?} of {height} after {CATCH_UP_MS} ms; the last transaction is final: {}",
                            self.checks.is_final(fresh)
                        ),
                    );
                    return;
                }
            }
        }
        let missing = self.checks.finals().find_map(|(id, height)| {
            self.obeying()
                .filter(|node| self.nodes[*node].final_height() >= *height)
                .find(|node| self.nodes[*node].position(id) != Some(*height))
                .map(|node| (*id, *height, self.nodes[node].identity().name.clone()))
        });
        if let Some((id, height, name)) = missing {
            self.violate(
                Property::TransactionsOnce,
                format!("{name} lacks transaction {id}, final at height {height}"),
            );
        }
    }

    /// With the liars silent and nothing to do, a chain says nothing between two heartbeats.
    fn judge_silence(&mut self) {
        for adversary in self.adversaries.values_mut() {
            adversary.fall_silent();
        }
        self.run_for(CALM_DOWN_MS);
        let end = self.now_ms + LISTEN_MS;
        let mut longest = 0;
        let mut height = self.checks.final_height();
        let mut final_at = None;
        while self.goes_on() && self.agenda.next_at().is_some_and(|next| next <= end) {
            let quiet_since = self.last_frame_ms.max(end - LISTEN_MS);
            self.step();
            let has_spoken = self.last_frame_ms > quiet_since;
            let silence = self.now_ms.saturating_sub(quiet_since);
            longest = longest.max(silence);
            if has_spoken && silence >= SILENCE_MS {
                self.judge_speaking_up(final_at);
            }
            if self.checks.final_height() > height {
                height = self.checks.final_height();
                final_at = Some(self.now_ms);
            }
        }
        let quiet_since = self.last_frame_ms.max(end - LISTEN_MS);
        longest = longest.max(end - quiet_since);
        if self.goes_on() && longest < SILENCE_MS {
            self.violate(
                Property::IdleIsSilent,
                format!(
                    "an idle chain was never silent for more than {longest} ms: {}",
                    self.positions()
                ),
            );
        }
    }

    /// Somebody speaks after a silence: only a heartbeat is a reason to, and it is due when nothing was new for so long.
    fn judge_speaking_up(&mut self, final_at: Option<u64>) {
        let due_ms = self
            .genesis
            .parameters
            .heartbeat_ms
            .saturating_sub(FINALITY_MS);
        let early = final_at.filter(|at| self.now_ms - at < due_ms);
        if let Some(at) = early {
            self.violate(
                Property::IdleIsSilent,
                format!(
                    "someone speaks up {} ms after the last block was final, and the heartbeat is not due before {due_ms}: {}",
                    self.now_ms - at,
                    self.positions()
                ),
            );
        }
    }

    /// Where every node stands, in one line.
    fn positions(&self) -> String {
        let nodes = self.nodes.iter().filter_map(|node| {
            let replica = node.replica()?;
            let engine = replica.engine();
            Some(format!(
                "{} in epoch {} view {}, height {}, {:?} waiting",
                node.identity().name,
                engine.epoch(),
                engine.view(),
                engine.final_height(),
                replica.mempool().counts()
            ))
        });
        nodes.collect::<Vec<_>>().join("; ")
    }

    /// Members that nobody counts on.
    #[must_use]
    pub fn faulty_members(&self) -> BTreeSet<EntityId> {
        self.nodes
            .iter()
            .map(|node| node.identity().entity)
            .filter(|entity| self.checks.is_faulty(entity))
            .collect()
    }
}
