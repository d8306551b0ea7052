//! What a node says of itself when a peer asks what is the matter.

use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{BlockId, Epoch, Height, View};
use salus_primitives::state::StateRoot;
use salus_primitives::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A node's own account of itself: its claim, of which nothing is proven and on which no decision rests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its epoch.
    pub epoch: Epoch,
    /// The view it is in.
    pub view: View,
    /// The height of its last final block.
    pub final_height: Height,
    /// Milliseconds since a block became final there, or since it started.
    pub final_age_ms: u64,
    /// For how many milliseconds there has been something to make final; `None` if there is nothing.
    pub work_ms: Option<u64>,
    /// Whether it takes part.
    pub condition: Condition,
    /// The roots after its last final blocks, ascending in height; at most [`ROOTS_MAX`].
    pub roots: Vec<RootAt>,
    /// The network keys of the peers it is connected to; at most [`CONNECTED_MAX`].
    pub connected: Vec<PublicKey>,
    /// What its clock shows.
    pub clock: Timestamp,
}

/// Whether a node takes part, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// It votes.
    Votes,
    /// It follows without a vote: it has no seat, no journal, or not the key that its seat names.
    Observes,
    /// Blocks are final that it does not have.
    CatchesUp,
    /// Its disk is full: it votes again when there is room.
    DiskFull {
        /// For how long.
        for_ms: u64,
    },
    /// A quorum holds another root than this node: it votes no more (rule 11).
    Halted(Halt),
}

/// What a quorum and a node that has halted disagree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The block that the quorum certified.
    pub block: BlockId,
    /// Its height. The roots are those after the block before it.
    pub height: Height,
    /// The node's own root.
    pub own: StateRoot,
    /// The root in the certified header.
    pub certified: StateRoot,
}

/// A root and the height it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootAt {
    /// Height of the block.
    pub height: Height,
    /// The root of the state after it.
    pub root: StateRoot,
}

/// Most roots in an account.
pub const ROOTS_MAX: usize = 16;
/// Most peers in an account.
pub const CONNECTED_MAX: usize = 256;

impl Account {
    /// Whether its lists are within their bounds; those of an honest node are.
    #[must_use]
    pub const fn is_bounded(&self) -> bool {
        self.roots.len() <= ROOTS_MAX && self.connected.len() <= CONNECTED_MAX
    }
}
