//! Bounded bytes between admitted peers, over libp2p.
//!
//! The crate knows no vote and no transaction. It carries frames on two [`Channel`]s:
//!
//! * [`Channel::Consensus`]: small urgent frames. When a peer is too slow for them the *oldest* is dropped and counted,
//!   because the protocol above sends again what still matters.
//! * [`Channel::Data`]: everything else. Nothing is dropped here: a full queue refuses the frame with
//!   [`SendError::Backpressure`], and a full inbox stops reading from its peer until the application catches up.
//!
//! **Votes never wait behind data.** Each channel has its own substream in each direction. Per peer, data is handed to
//! the transport in pieces of at most 16 KiB, and only while no consensus frame waits (`schedule.rs`). How much data can
//! be under way in front of a vote is bounded by explicit flow-control windows, not by what a kernel likes to buffer.
//!
//! **Only admitted peers.** A connection is authenticated by Ed25519 key (noise or TLS 1.3), then checked against the
//! list the application gave. Channel names carry the network id, so that a node of another chain cannot even open one.
//! There is one connection a pair of peers, dialed by the one with the lower key; by the other if that one does not know where.
//!
//! **Everything is bounded**: frames, queues in frames and bytes, streams, windows, connections, pending handshakes. A
//! frame's memory grows with the bytes that arrived, never with the length a peer claims.
//!
//! ```text
//!  NetworkHandle::send -> Outbox (per connection) -> Schedule -> substream ~~~ substream -> FrameReader -> Inbox -> FrameReceiver
//!                         bounded, votes first       pieces                                                per peer, bounded, fair
//! ```
//!
//! The swarm task (`driver.rs`) only opens and closes connections; no frame passes through it.

mod channel;
mod config;
mod error;
mod metrics;
mod peer;

mod frame;
mod inbox;
mod outbox;
mod schedule;

mod admission;
mod behaviour;
mod handler;
mod muxer;
mod swarm;

mod driver;
mod handle;

pub use channel::{Channel, NetworkId};
pub use config::{ChannelLimits, NetworkConfig, TransportLimits};
pub use error::{
    ConfigError, DisconnectReason, InvalidPeerKey, RefusalReason, SendError, StartError, Violation,
};
pub use handle::{Broadcast, Inbound, Network, NetworkHandle, PeerEvent};
pub use inbox::{FrameReceiver, InboundFrame};
pub use metrics::{ChannelCounters, NetworkCounters};
pub use peer::{AdmittedPeer, NetworkSecret, PeerKey};

/// Where a peer listens, as in `/ip4/10.0.0.7/udp/4001/quic-v1` or `/ip4/10.0.0.7/tcp/4001`.
pub use libp2p::Multiaddr;
