use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use libp2p::metrics::Registry;

use crate::{
    channel::Channel,
    error::{RefusalReason, Violation},
    outbox::lock,
};

/// What this crate counted since start. A snapshot; the fields are read one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounters {
    /// Peers connected now, with open channels.
    pub connected_peers: u64,
    /// Counters of [`Channel::Consensus`].
    pub consensus: ChannelCounters,
    /// Counters of [`Channel::Data`].
    pub data: ChannelCounters,
    /// Connections with open channels that ended, for whatever reason.
    pub disconnects: u64,
    /// Dial attempts that failed.
    pub dial_failures: u64,
    /// Streams that a peer opened beyond one a channel.
    pub extra_streams: u64,
    /// Peers disconnected because nothing was heard of them.
    pub silent_peers: u64,
    /// Events that the application was too slow to take.
    pub events_dropped: u64,
    refused: [u64; RefusalReason::ALL.len()],
}

/// What was counted for one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelCounters {
    /// Frames handed to the transport.
    pub frames_sent: u64,
    /// Their bytes, without headers.
    pub bytes_sent: u64,
    /// Frames received in full.
    pub frames_received: u64,
    /// Their bytes, without headers.
    pub bytes_received: u64,
    /// Frames dropped because newer ones needed their place. Only on the consensus channel.
    pub frames_dropped: u64,
    /// Frames refused to the caller with `Backpressure`. Only on the data channel.
    pub frames_refused: u64,
    /// Frames that waited for a peer when its connection ended.
    pub frames_lost: u64,
    /// Frames over the limit that a peer announced.
    pub frames_oversize: u64,
}

impl NetworkCounters {
    /// Counters of one channel.
    pub const fn channel(&self, channel: Channel) -> &ChannelCounters {
        match channel {
            Channel::Consensus => &self.consensus,
            Channel::Data => &self.data,
        }
    }

    /// Connections refused for one reason.
    pub const fn refused(&self, reason: RefusalReason) -> u64 {
        self.refused[reason.index()]
    }
}

/// The live counters behind [`NetworkCounters`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) channels: [ChannelMeter; 2],
    pub(crate) connected_peers: AtomicU64,
    pub(crate) disconnects: AtomicU64,
    pub(crate) dial_failures: AtomicU64,
    pub(crate) silent_peers: AtomicU64,
    pub(crate) events_dropped: AtomicU64,
    extra_streams: AtomicU64,
    refused: [AtomicU64; RefusalReason::ALL.len()],
}

#[derive(Debug, Default)]
pub(crate) struct ChannelMeter {
    frames_sent: AtomicU64,
    bytes_sent: AtomicU64,
    frames_received: AtomicU64,
    bytes_received: AtomicU64,
    pub(crate) frames_dropped: AtomicU64,
    pub(crate) frames_refused: AtomicU64,
    pub(crate) frames_lost: AtomicU64,
    frames_oversize: AtomicU64,
}

/// Adds one. Counters order nothing, so `Relaxed` is enough.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn channel(&self, channel: Channel) -> &ChannelMeter {
        &self.channels[channel.index()]
    }

    pub(crate) fn refused(&self, reason: RefusalReason) {
        count(&self.refused[reason.index()]);
    }

    pub(crate) fn violation(&self, violation: &Violation) {
        match violation {
            Violation::Oversize { channel, .. } => count(&self.channel(*channel).frames_oversize),
            Violation::ExtraStream { .. } => count(&self.extra_streams),
        }
    }

    pub(crate) fn snapshot(&self) -> NetworkCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        NetworkCounters {
            connected_peers: read(&self.connected_peers),
            consensus: self.channel(Channel::Consensus).snapshot(),
            data: self.channel(Channel::Data).snapshot(),
            disconnects: read(&self.disconnects),
            dial_failures: read(&self.dial_failures),
            extra_streams: read(&self.extra_streams),
            silent_peers: read(&self.silent_peers),
            events_dropped: read(&self.events_dropped),
            refused: std::array::from_fn(|index| read(&self.refused[index])),
        }
    }
}

impl ChannelMeter {
    pub(crate) fn sent(&self, bytes: usize) {
        count(&self.frames_sent);
        self.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        count(&self.frames_received);
        self.bytes_received
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn snapshot(&self) -> ChannelCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ChannelCounters {
            frames_sent: read(&self.frames_sent),
            bytes_sent: read(&self.bytes_sent),
            frames_received: read(&self.frames_received),
            bytes_received: read(&self.bytes_received),
            frames_dropped: read(&self.frames_dropped),
            frames_refused: read(&self.frames_refused),
            frames_lost: read(&self.frames_lost),
            frames_oversize: read(&self.frames_oversize),
        }
    }
}

/// libp2p's own metrics, kept apart from ours because they speak OpenMetrics and ours are exported by the node.
#[derive(Debug, Default)]
pub(crate) struct LibraryMetrics(Mutex<Registry>);

impl LibraryMetrics {
    pub(crate) fn new(registry: Registry) -> Self {
        Self(Mutex::new(registry))
    }

    /// OpenMetrics text, ending in `# EOF`.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &lock(&self.0))
            .expect("a string takes everything that is written");
        text
    }
}
