//! The network's own counters as metrics.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use salus_network::{Channel, NetworkCounters, RefusalReason};

/// Mirrors of [`NetworkCounters`], which are taken when metrics are read.
#[derive(Debug)]
pub(super) struct NetworkMetrics {
    peers: IntGauge,
    frames: IntCounterVec,
    bytes: IntCounterVec,
    frames_lost: IntCounterVec,
    oversize: IntCounterVec,
    refused: IntCounterVec,
    disconnects: IntCounter,
    dial_failures: IntCounter,
    extra_streams: IntCounter,
    silent_peers: IntCounter,
    events_dropped: IntCounter,
}

impl NetworkMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let vector = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let single = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let peers = IntGauge::new("peers", "Peers connected now.")?;
        registry.register(Box::new(peers.clone()))?;
        let metrics = Self {
            peers,
            frames: vector(
                "network_frames_total",
                "Frames handed to the transport or received in full.",
                &["channel", "direction"],
            )?,
            bytes: vector(
                "network_bytes_total",
                "Bytes of these frames, without headers.",
                &["channel", "direction"],
            )?,
            frames_lost: vector(
                "network_frames_lost_total",
                "Frames not sent: dropped for newer ones, refused because the queue was full, or waiting when a connection ended.",
                &["channel", "reason"],
            )?,
            oversize: vector(
                "network_frames_oversize_total",
                "Frames over the limit that a peer announced; its connection was closed.",
                &["channel"],
            )?,
            refused: vector(
                "network_connections_refused_total",
                "Connections refused.",
                &["reason"],
            )?,
            disconnects: single(
                "network_disconnects_total",
                "Connections to admitted peers that ended, for whatever reason.",
            )?,
            dial_failures: single("network_dial_failures_total", "Dial attempts that failed.")?,
            extra_streams: single(
                "network_extra_streams_total",
                "Streams that a peer opened beyond one a channel.",
            )?,
            silent_peers: single(
                "network_silent_peers_total",
                "Peers disconnected because nothing was heard of them.",
            )?,
            events_dropped: single(
                "network_events_dropped_total",
                "Connection events that this node was too slow to take.",
            )?,
        };
        metrics.set(&NetworkCounters::default());
        Ok(metrics)
    }

    pub(super) fn peers(&self, count: usize) {
        self.peers.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Takes new values. Counters never go back: an older snapshot changes nothing.
    pub(super) fn set(&self, counters: &NetworkCounters) {
        self.peers
            .set(i64::try_from(counters.connected_peers).unwrap_or(i64::MAX));
        for (channel, name) in CHANNELS {
            let values = counters.channel(channel);
            raise(
                &self.frames.with_label_values(&[name, "sent"]),
                values.frames_sent,
            );
            raise(
                &self.frames.with_label_values(&[name, "received"]),
                values.frames_received,
            );
            raise(
                &self.bytes.with_label_values(&[name, "sent"]),
                values.bytes_sent,
            );
            raise(
                &self.bytes.with_label_values(&[name, "received"]),
                values.bytes_received,
            );
            raise(
                &self.frames_lost.with_label_values(&[name, "replaced"]),
                values.frames_dropped,
            );
            raise(
                &self.frames_lost.with_label_values(&[name, "queue_full"]),
                values.frames_refused,
            );
            raise(
                &self.frames_lost.with_label_values(&[name, "disconnected"]),
                values.frames_lost,
            );
            raise(
                &self.oversize.with_label_values(&[name]),
                values.frames_oversize,
            );
        }
        for reason in RefusalReason::ALL {
            raise(
                &self.refused.with_label_values(&[reason.name()]),
                counters.refused(reason),
            );
        }
        raise(&self.disconnects, counters.disconnects);
        raise(&self.dial_failures, counters.dial_failures);
        raise(&self.extra_streams, counters.extra_streams);
        raise(&self.silent_peers, counters.silent_peers);
        raise(&self.events_dropped, counters.events_dropped);
    }
}

fn raise(counter: &IntCounter, value: u64) {
    counter.inc_by(value.saturating_sub(counter.get()));
}

const CHANNELS: [(Channel, &str); 2] = [(Channel::Consensus, "consensus"), (Channel::Data, "data")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_follow_and_never_go_back() {
        let metrics = NetworkMetrics::register(&Registry::new()).expect("registers");
        let mut counters = NetworkCounters::default();
        counters.data.bytes_sent = 70;
        counters.connected_peers = 3;

        metrics.set(&counters);
        counters.data.bytes_sent = 90;
        metrics.set(&counters);
        counters.connected_peers = 2;
        counters.data.bytes_sent = 10;
        metrics.set(&counters);

        assert_eq!(metrics.bytes.with_label_values(&["data", "sent"]).get(), 90);
        assert_eq!(
            metrics.bytes.with_label_values(&["data", "received"]).get(),
            0
        );
        assert_eq!(metrics.peers.get(), 2);
    }
}
