use std::io;

use libp2p::Multiaddr;

use crate::{channel::Channel, peer::PeerKey};

/// The 32 bytes are not an Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} is not an ed25519 public key")]
pub struct InvalidPeerKey {
    /// The bytes in question.
    pub key: PeerKey,
}

/// The configuration contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A queue of this channel could never take its largest frame.
    #[error(
        "the {channel} channel's queues must hold at least one frame of frame_bytes_max, which is above zero"
    )]
    QueueBelowFrame {
        /// The channel.
        channel: Channel,
    },
    /// A rule among the transport's limits is broken.
    #[error("transport limits break the rule: {rule}")]
    Transport {
        /// The rule, in words.
        rule: &'static str,
    },
    /// The address is neither TCP nor QUIC over an IP address.
    #[error("{address} is not of the form /ip4/../tcp/.. or /ip4/../udp/../quic-v1")]
    Address {
        /// The address.
        address: Multiaddr,
    },
    /// More peers than `peers_max` are to be admitted.
    #[error("{admitted} peers are to be admitted, but peers_max is {peers_max}")]
    TooManyPeers {
        /// How many were asked for.
        admitted: usize,
        /// How many may be.
        peers_max: usize,
    },
    /// An admitted peer's key is no key.
    #[error(transparent)]
    PeerKey(#[from] InvalidPeerKey),
}

/// The network did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The noise handshake's keys could not be made from the secret.
    #[error("transport security could not be set up")]
    Security(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address could not be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A frame was not queued. It is still the caller's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The peer is not connected now, or not admitted.
    #[error("peer {peer} is not connected")]
    NotConnected {
        /// The peer.
        peer: PeerKey,
    },
    /// The peer's data queue is full; try again when it has drained, or drop the frame. Never for consensus frames.
    #[error("the data queue of peer {peer} is full with {queued_bytes} bytes")]
    Backpressure {
        /// The peer.
        peer: PeerKey,
        /// Bytes that wait for it.
        queued_bytes: usize,
    },
    /// The caller's frame breaks the channel's limit.
    #[error("a {channel} frame of {bytes} bytes exceeds the limit of {limit}")]
    FrameTooLarge {
        /// The channel.
        channel: Channel,
        /// The frame's length.
        bytes: usize,
        /// The limit in bytes.
        limit: u32,
    },
    /// An empty frame means a heartbeat on the wire, so it cannot be sent.
    #[error("an empty frame cannot be sent")]
    Empty,
}

impl SendError {
    /// Always false: a peer that is away or slow has broken no rule.
    pub const fn is_peer_fault(&self) -> bool {
        match self {
            Self::NotConnected { .. }
            | Self::Backpressure { .. }
            | Self::FrameTooLarge { .. }
            | Self::Empty => false,
        }
    }
}

/// A rule of the channels that an admitted peer broke. Its connection is closed; the node goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It announced a frame over the limit. Nothing of it was read.
    #[error("a {channel} frame of {claimed} bytes was announced, the limit is {limit}")]
    Oversize {
        /// The channel.
        channel: Channel,
        /// The announced length.
        claimed: u32,
        /// The limit in bytes.
        limit: u32,
    },
    /// It opened a channel twice on one connection.
    #[error("a second {channel} stream was opened")]
    ExtraStream {
        /// The channel.
        channel: Channel,
    },
}

impl Violation {
    /// Always true.
    pub const fn is_peer_fault(&self) -> bool {
        true
    }
}

/// Why a connection ended that had its channels open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// The peer closed it, or the transport failed.
    #[error("the connection was closed or lost")]
    Closed,
    /// Nothing was heard of it for the silence timeout.
    #[error("nothing was heard of the peer for too long")]
    Silent,
    /// It broke a rule.
    #[error(transparent)]
    Misbehaved(#[from] Violation),
    /// It is no longer admitted.
    #[error("the peer is no longer admitted")]
    Removed,
    /// It connected anew, and the newer connection counts.
    #[error("a newer connection of the same peer replaced this one")]
    Replaced,
    /// This node shuts down.
    #[error("this node is shutting down")]
    Stopped,
}

impl DisconnectReason {
    /// Whether the peer could have known better.
    pub const fn is_peer_fault(&self) -> bool {
        match self {
            Self::Misbehaved(violation) => violation.is_peer_fault(),
            Self::Closed | Self::Silent | Self::Removed | Self::Replaced | Self::Stopped => false,
        }
    }
}

/// Why a connection never came to have its channels open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum RefusalReason {
    /// Its key is valid, but not admitted.
    #[error("the peer is not admitted")]
    Stranger,
    /// Too many connections or handshakes at a time.
    #[error("a connection limit was reached")]
    Limit,
    /// This node's own dial to the peer stands already, and goes before: its key is the lower one.
    #[error("the peer is connected already")]
    Redundant,
    /// It serves another chain, or another version of the channels.
    #[error("the peer serves another network")]
    ForeignNetwork,
    /// It did not open its channels in time, or hung up before.
    #[error("the channels were not opened")]
    NotOpened,
    /// The transport's handshake failed: no authentic key.
    #[error("the handshake failed")]
    Handshake,
}

impl RefusalReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 6] = [
        Self::Stranger,
        Self::Limit,
        Self::Redundant,
        Self::ForeignNetwork,
        Self::NotOpened,
        Self::Handshake,
    ];

    /// Name in metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Limit => "limit",
            Self::Redundant => "redundant",
            Self::ForeignNetwork => "foreign_network",
            Self::NotOpened => "not_opened",
            Self::Handshake => "handshake",
        }
    }

    /// Whether the peer could have known better. A lost connection or our own limit is nobody's fault.
    pub const fn is_peer_fault(self) -> bool {
        match self {
            Self::Stranger | Self::ForeignNetwork => true,
            Self::Limit | Self::Redundant | Self::NotOpened | Self::Handshake => false,
        }
    }

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Stranger => 0,
            Self::Limit => 1,
            Self::Redundant => 2,
            Self::ForeignNetwork => 3,
            Self::NotOpened => 4,
            Self::Handshake => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters are arrays by index: the list and the indexes must agree.
    #[test]
    fn refusal_reasons_are_listed_in_the_order_of_their_index() {
        for (index, reason) in RefusalReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
        }
    }
}
