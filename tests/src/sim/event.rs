//! What happens next, and when.

use salus_node::execution::Executed;
use salus_node::wire::Frame;
use salus_primitives::codec;
use salus_primitives::ids::BlockId;
use std::rc::Rc;

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
        parcel: Rc<Parcel>,
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

/// What travels. Encoded once, however many get it.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) content: Content,
    /// Of its bytes.
    pub(super) digest: blake3::Hash,
}

#[derive(Debug)]
pub(super) enum Content {
    Frame(Frame),
    /// Bytes that need not be a frame.
    Bytes(Vec<u8>),
}

impl Parcel {
    /// A frame, as it comes out of its bytes.
    pub(super) fn of_frame(frame: &Frame) -> Self {
        let bytes = codec::encode(frame);
        Self {
            digest: blake3::hash(&bytes),
            content: Content::Frame(Frame::decode(&bytes).expect("our own frames decode")),
        }
    }

    /// A frame that a liar made: it need not decode.
    pub(super) fn of_lie(frame: &Frame) -> Self {
        Self::of_bytes(codec::encode(frame))
    }

    pub(super) fn of_bytes(bytes: Vec<u8>) -> Self {
        Self {
            digest: blake3::hash(&bytes),
            content: Content::Bytes(bytes),
        }
    }
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
