//! What can happen next.

use salus_node::execution::Executed;
use salus_node::wire::Frame;
use salus_primitives::codec;
use salus_primitives::ids::BlockId;
use std::rc::Rc;

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
