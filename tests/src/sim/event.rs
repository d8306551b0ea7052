//! What happens next, and when.

use salus_primitives::ids::BlockId;

/// Ordered by time, then by the order of planning.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scheduled {
    pub(super) at_ms: u64,
    pub(super) sequence: u64,
    pub(super) event: Event,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Deliver {
        to: usize,
        from: usize,
        bytes: Vec<u8>,
    },
    Executed {
        node: usize,
        life: u32,
        id: BlockId,
        state: [u8; 32],
        receipts: [u8; 32],
    },
    Wake {
        node: usize,
        life: u32,
    },
}
