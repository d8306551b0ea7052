//! What happens next, and when.

use salus_node::execution::Executed;
use salus_primitives::ids::BlockId;

/// Ordered by time, then by the order of planning.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) at_ms: u64,
    pub(super) sequence: u64,
    pub(super) event: Event,
}

#[derive(Debug)]
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
        executed: Executed,
    },
    Wake {
        node: usize,
        life: u32,
    },
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.sequence).cmp(&(other.at_ms, other.sequence))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}
