//! What an engine is told once.

use salus_primitives::block::Header;
use salus_primitives::crypto::sign::Signer;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, GenesisHash, Height, Seat, Term, View};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::state::StateRoot;
use salus_primitives::validators::ValidatorSet;
use std::sync::Arc;

/// One epoch as its members see it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chain.
    pub genesis: GenesisHash,
    /// Who votes, with which weight.
    pub validators: Arc<ValidatorSet>,
    /// This node's seat and key, or `None` for a node that only observes.
    pub voter: Option<Voter>,
    /// Durations and the tenure.
    pub timing: Timing,
    /// The last block that is final when the engine starts.
    pub base: Base,
    /// The height of the epoch's last block: no higher block is valid in it.
    pub boundary: Height,
}

/// A seat with the key that votes for it.
#[derive(Clone, Debug)]
pub struct Voter {
    /// Which seat.
    pub seat: Seat,
    /// Its key.
    pub signer: Signer,
}

/// A final block to start from, with the roots after it.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its id.
    pub id: BlockId,
    /// Its header.
    pub header: Header,
    /// The view its finalisation is of; 0 for the last block of the epoch before.
    pub view: View,
    /// The roots after it.
    pub roots: Roots,
}

/// What executing a block gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roots {
    /// Root of the state after the block.
    pub state: StateRoot,
    /// Root of the block's receipts.
    pub receipts: Digest,
}

/// Durations in milliseconds, and the tenure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Views in a term; at least 1.
    pub tenure: u64,
    /// The assumed bound on one message's way.
    pub delta_ms: u64,
    /// What delta grows to at most.
    pub delta_max_ms: u64,
    /// Silent terms in a row after which a manager is passed over.
    pub skip_after: u64,
    /// Age of the last block at which an empty one is due.
    pub heartbeat_ms: u64,
}

/// How far a block's time may lie ahead of a voter's clock (DESIGN section 3), in milliseconds.
pub const CLOCK_LEAD_MS: u64 = 2_000;

impl From<&ChainParameters> for Timing {
    fn from(parameters: &ChainParameters) -> Self {
        Self {
            tenure: parameters.tenure.max(1),
            delta_ms: parameters.delta_ms.max(1),
            delta_max_ms: parameters.delta_max_ms.max(parameters.delta_ms).max(1),
            skip_after: parameters.skip_after,
            heartbeat_ms: parameters.heartbeat_ms,
        }
    }
}

impl Timing {
    /// The term a view belongs to. Views count from 1, terms from 0; view 0 (the base) counts to term 0.
    #[must_use]
    pub fn term(&self, view: View) -> Term {
        let index = view.get().saturating_sub(1);
        Term::new(index.checked_div(self.tenure).unwrap_or(index))
    }

    /// The first view of a term.
    #[must_use]
    pub fn first_view(&self, term: Term) -> View {
        View::new(term.get().saturating_mul(self.tenure).saturating_add(1))
    }

    /// Whether a view is the first of its term.
    #[must_use]
    pub fn starts_term(&self, view: View) -> bool {
        self.first_view(self.term(view)) == view
    }

    /// Delta after so many failed terms in a row: doubled each time, up to the cap.
    #[must_use]
    pub fn delta(&self, failed_terms: u32) -> u64 {
        let factor = 1u64.checked_shl(failed_terms).unwrap_or(u64::MAX);
        self.delta_ms.saturating_mul(factor).min(self.delta_max_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing() -> Timing {
        Timing {
            tenure: 4,
            delta_ms: 100,
            delta_max_ms: 1_000,
            skip_after: 2,
            heartbeat_ms: 10_000,
        }
    }

    #[test]
    fn terms_partition_the_views() {
        let timing = timing();
        let terms: Vec<u64> = (1..=9).map(|v| timing.term(View::new(v)).get()).collect();

        assert_eq!(terms, [0, 0, 0, 0, 1, 1, 1, 1, 2]);
        assert!(timing.starts_term(View::new(5)));
        assert!(!timing.starts_term(View::new(6)));
    }

    /// Trap: timers doubling without a cap.
    #[test]
    fn trap_delta_doubles_and_is_capped() {
        let deltas: Vec<u64> = [0, 1, 2, 3, 4, 63, 64, u32::MAX]
            .map(|failed| timing().delta(failed))
            .to_vec();

        assert_eq!(deltas, [100, 200, 400, 800, 1000, 1000, 1000, 1000]);
    }
}
