use std::time::Duration;

use libp2p::{Multiaddr, multiaddr::Protocol};

use crate::{
    channel::{Channel, NetworkId},
    error::ConfigError,
};

/// Streams a connection may hold: one a channel and direction, and as many again while a peer misbehaves or reopens.
pub(crate) const STREAMS_MAX: usize = 8;

/// Window each yamux stream starts with; the format fixes it.
const YAMUX_STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Data written in one go. A vote that arrives waits for no more than this in our own buffers.
pub(crate) const PIECE_BYTES: usize = 16 * 1024;

/// Everything the network is told at start. The defaults of [`NetworkConfig::new`] suit a few dozen validators.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// The chain this node belongs to.
    pub network: NetworkId,
    /// Where to listen. The address chooses the transport: `/ip4/0.0.0.0/udp/4001/quic-v1` or `/ip4/0.0.0.0/tcp/4001`.
    pub listen: Vec<Multiaddr>,
    /// Limits of [`Channel::Consensus`].
    pub consensus: ChannelLimits,
    /// Limits of [`Channel::Data`].
    pub data: ChannelLimits,
    /// Limits below the channels.
    pub transport: TransportLimits,
}

/// Bounds of one channel. Queues are per peer, so that no peer can take another's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelLimits {
    /// Largest frame, sent or received, in bytes.
    pub frame_bytes_max: u32,
    /// Frames that may wait to be sent to one peer.
    pub outbox_frames_max: usize,
    /// Bytes that may wait to be sent to one peer.
    pub outbox_bytes_max: usize,
    /// Frames of one peer that may wait for the application.
    pub inbox_frames_max: usize,
    /// Bytes of one peer that may wait for the application.
    pub inbox_bytes_max: usize,
}

/// Bounds of connections and of the memory below the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportLimits {
    /// Most peers that may be admitted at a time.
    pub peers_max: usize,
    /// Inbound connections in their handshake at a time. A stranger can hold such a place for `handshake_timeout`.
    pub pending_inbound_max: u32,
    /// Time for the transport's handshake, and again for opening the channels.
    pub handshake_timeout: Duration,
    /// Pause between two heartbeats on an idle connection.
    pub heartbeat_interval: Duration,
    /// A peer of whom nothing is heard for so long is disconnected; at least twice the heartbeat.
    pub silence_timeout: Duration,
    /// Shortest pause before a redial; doubles on each failure.
    pub redial_min: Duration,
    /// Longest pause before a redial.
    pub redial_max: Duration,
    /// How long the peer whose part it is to dial is waited for, before this node dials it.
    pub dial_patience: Duration,
    /// QUIC: bytes a peer may have under way on one stream before we read them.
    pub quic_stream_window_bytes: u32,
    /// QUIC: bytes a peer may have under way on all streams together. Greater than one stream's, so that data nobody
    /// reads leaves room for votes.
    pub quic_connection_window_bytes: u32,
    /// TCP: sum of the yamux windows of a connection; at least 256 KiB for each of its 8 streams. What exceeds that may
    /// be used by streams whose round trip deserves it, at the price of a longer wait for a vote behind data.
    pub tcp_connection_window_bytes: u32,
}

impl NetworkConfig {
    /// The default limits for one chain.
    pub fn new(network: NetworkId, listen: Vec<Multiaddr>) -> Self {
        Self {
            network,
            listen,
            consensus: ChannelLimits {
                frame_bytes_max: 256 * 1024,
                outbox_frames_max: 1024,
                outbox_bytes_max: 2 * 1024 * 1024,
                inbox_frames_max: 1024,
                inbox_bytes_max: 1024 * 1024,
            },
            data: ChannelLimits {
                frame_bytes_max: 4 * 1024 * 1024,
                outbox_frames_max: 1024,
                outbox_bytes_max: 16 * 1024 * 1024,
                inbox_frames_max: 256,
                inbox_bytes_max: 8 * 1024 * 1024,
            },
            transport: TransportLimits {
                peers_max: 128,
                pending_inbound_max: 32,
                handshake_timeout: Duration::from_secs(10),
                heartbeat_interval: Duration::from_secs(2),
                silence_timeout: Duration::from_secs(10),
                redial_min: Duration::from_millis(100),
                redial_max: Duration::from_secs(5),
                dial_patience: Duration::from_secs(2),
                quic_stream_window_bytes: 1024 * 1024,
                quic_connection_window_bytes: 2 * 1024 * 1024,
                tcp_connection_window_bytes: STREAMS_MAX as u32 * YAMUX_STREAM_WINDOW_BYTES,
            },
        }
    }

    /// Limits of one channel.
    pub const fn limits(&self, channel: Channel) -> &ChannelLimits {
        match channel {
            Channel::Consensus => &self.consensus,
            Channel::Data => &self.data,
        }
    }

    /// Checked once at start.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for channel in Channel::ALL {
            self.limits(channel).check(channel)?;
        }
        self.transport.check()?;
        self.listen.iter().try_for_each(check_address)
    }
}

impl ChannelLimits {
    fn check(&self, channel: Channel) -> Result<(), ConfigError> {
        let frame = self.frame_bytes_max as usize;
        let fits = frame > 0
            && self.outbox_frames_max > 0
            && self.inbox_frames_max > 0
            && self.outbox_bytes_max >= frame
            && self.inbox_bytes_max >= frame;
        if fits {
            Ok(())
        } else {
            Err(ConfigError::QueueBelowFrame { channel })
        }
    }
}

impl TransportLimits {
    fn check(&self) -> Result<(), ConfigError> {
        let require = |holds: bool, rule: &'static str| {
            if holds {
                Ok(())
            } else {
                Err(ConfigError::Transport { rule })
            }
        };
        require(self.peers_max > 0, "peers_max is at least 1")?;
        require(
            self.pending_inbound_max > 0,
            "pending_inbound_max is at least 1",
        )?;
        require(
            !self.heartbeat_interval.is_zero() && !self.handshake_timeout.is_zero(),
            "heartbeat_interval and handshake_timeout are above zero",
        )?;
        require(
            self.silence_timeout >= self.heartbeat_interval.saturating_mul(2)
                && self.silence_timeout <= Duration::from_secs(3600),
            "silence_timeout is at least twice heartbeat_interval and at most an hour",
        )?;
        require(
            !self.redial_min.is_zero() && self.redial_min <= self.redial_max,
            "redial_min is above zero and at most redial_max",
        )?;
        require(
            self.quic_stream_window_bytes > 0
                && self.quic_connection_window_bytes > self.quic_stream_window_bytes,
            "quic_connection_window_bytes is greater than quic_stream_window_bytes",
        )?;
        require(
            self.tcp_connection_window_bytes >= STREAMS_MAX as u32 * YAMUX_STREAM_WINDOW_BYTES,
            "tcp_connection_window_bytes is at least 2 MiB",
        )
    }
}

/// An address this node can listen on or dial: an IP address, then TCP or QUIC.
pub(crate) fn check_address(address: &Multiaddr) -> Result<(), ConfigError> {
    let mut parts = address.iter();
    let known = matches!(parts.next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_)))
        && match parts.next() {
            Some(Protocol::Tcp(_)) => matches!(parts.next(), None | Some(Protocol::P2p(_))),
            Some(Protocol::Udp(_)) => {
                matches!(parts.next(), Some(Protocol::QuicV1))
                    && matches!(parts.next(), None | Some(Protocol::P2p(_)))
            }
            _ => false,
        };
    if known {
        Ok(())
    } else {
        Err(ConfigError::Address {
            address: address.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str) -> NetworkConfig {
        NetworkConfig::new(
            NetworkId::new([1; 32]),
            vec![listen.parse().expect("an address")],
        )
    }

    #[test]
    fn the_address_chooses_tcp_or_quic_and_nothing_else() {
        assert!(config("/ip4/127.0.0.1/tcp/0").check().is_ok());
        assert!(config("/ip6/::1/udp/0/quic-v1").check().is_ok());

        for refused in [
            "/ip4/127.0.0.1/udp/0",
            "/ip4/127.0.0.1/tcp/0/ws",
            "/memory/1",
        ] {
            assert!(
                matches!(config(refused).check(), Err(ConfigError::Address { .. })),
                "{refused}"
            );
        }
    }

    /// A queue that cannot take the largest frame would refuse it for ever.
    #[test]
    fn a_queue_smaller_than_a_frame_is_refused() {
        let mut config = config("/ip4/127.0.0.1/tcp/0");
        config.data.inbox_bytes_max = config.data.frame_bytes_max as usize - 1;

        assert!(matches!(
            config.check(),
            Err(ConfigError::QueueBelowFrame {
                channel: Channel::Data
            })
        ));
    }

    #[test]
    fn a_silence_timeout_that_heartbeats_cannot_meet_is_refused() {
        let mut config = config("/ip4/127.0.0.1/tcp/0");
        config.transport.silence_timeout = config.transport.heartbeat_interval;

        assert!(matches!(config.check(), Err(ConfigError::Transport { .. })));
    }
}
