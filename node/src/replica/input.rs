//! Everything that can reach the replica.

use crate::execution::Executed;
use crate::mempool::Source;
use crate::wire::Frame;
use salus_consensus::message::Peer;
use salus_primitives::codec::CodecError;
use salus_primitives::ids::BlockId;
use salus_primitives::transaction::VerifiedTransaction;

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// A peer's frame, decoded.
    Frame {
        /// Who sent it; authenticated.
        from: Peer,
        /// The frame.
        frame: Frame,
    },
    /// A peer's frame that is none.
    Malformed {
        /// Who sent it; authenticated.
        from: Peer,
        /// What is wrong.
        error: CodecError,
    },
    /// Transactions whose signatures have been checked.
    Transactions {
        /// The transactions.
        transactions: Vec<VerifiedTransaction>,
        /// Who brought them.
        source: Source,
    },
    /// A peer's connection is up.
    Connected(Peer),
    /// A peer's connection is gone.
    Disconnected(Peer),
    /// A block was executed.
    Executed {
        /// Which block.
        block: BlockId,
        /// The roots after it, and whom it elects.
        executed: Executed,
    },
    /// An operator asks why nothing is final: the peers are asked for their accounts, see
    /// [`Replica::have_all_answered`](super::Replica::have_all_answered).
    Explain,
    /// There is no room on the disk: nothing may be voted or committed until [`Input::DiskFree`].
    DiskFull,
    /// There is room on the disk again.
    DiskFree,
    /// Time passed; see [`Replica::wakeup`](super::Replica::wakeup).
    Tick,
}
