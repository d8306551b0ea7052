//! What genesis fixes for a whole chain. Part of the authenticated state, so that every node and light client agrees.

use crate::calls::Role;
use crate::lane::Lane;
use serde::{Deserialize, Serialize};

/// Parameters of consensus and admission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainParameters {
    /// Consecutive views with one block manager.
    pub tenure: u64,
    /// The assumed bound on one message's way, in milliseconds; timers are multiples of it.
    pub delta_ms: u64,
    /// What delta grows to at most on consecutive failed terms, in milliseconds.
    pub delta_max_ms: u64,
    /// After how many silent terms in a row a manager is passed over at once.
    pub skip_after: u64,
    /// After how many milliseconds without a block an empty one is made.
    pub heartbeat_ms: u64,
    /// How many blocks ahead `valid_until` may lie; how long transaction ids are remembered.
    pub window_blocks: u64,
    /// Most bytes of encoded transactions in a block.
    pub block_bytes: u64,
    /// The lanes, in the order of [`Lane::ALL`].
    pub lanes: Vec<LaneParameters>,
}

/// One lane's block configuration and who may use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneParameters {
    /// Which lane.
    pub lane: Lane,
    /// How many verifiers attest its blocks; the paper's `m`. At most the number of seats counts.
    pub verifier_count: u16,
    /// Most transactions in a block; the paper's `theta`.
    pub transaction_limit: u32,
    /// The roles whose entities and devices may use it.
    pub roles: Vec<Role>,
}

impl ChainParameters {
    /// The parameters of a lane. Every lane has some: genesis is refused otherwise.
    #[must_use]
    pub fn lane(&self, lane: Lane) -> Option<&LaneParameters> {
        self.lanes.iter().find(|parameters| parameters.lane == lane)
    }
}
