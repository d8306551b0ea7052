use std::{num::NonZeroU8, time::Duration};

use libp2p::{
    Swarm, SwarmBuilder,
    identity::Keypair,
    metrics::{Metrics, Registry},
    noise, quic, tcp,
};

use crate::{
    behaviour::Behaviour, config::STREAMS_MAX, config::TransportLimits, error::StartError,
    handler::Surroundings, muxer::MuxerConfig, peer::PeerKey,
};

/// The swarm and what it reports to.
pub(crate) struct BuiltSwarm {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) metrics: Metrics,
    pub(crate) registry: Registry,
}

/// Puts the transports under the behaviours, with every limit set and none left at its default.
///
/// Both transports are there; addresses choose. TCP carries noise and yamux, QUIC brings TLS 1.3 and its own streams.
pub(crate) fn build(
    keypair: Keypair,
    local: PeerKey,
    surroundings: Surroundings,
) -> Result<BuiltSwarm, StartError> {
    let limits = surroundings.config.transport;
    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry);
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(
            tcp::Config::new().nodelay(true),
            noise::Config::new,
            move || MuxerConfig::new(limits.tcp_connection_window_bytes),
        )
        .map_err(|error| StartError::Security(error.into()))?
        .with_quic_config(move |config| quic_config(config, &limits))
        .with_bandwidth_metrics(&mut registry)
        .with_behaviour(move |_| Behaviour::new(local, surroundings))
        .map_err(|error| StartError::Security(error.into()))?
        .with_swarm_config(|config| {
            config
                // Addresses of a peer are tried one after the other: two that answer would make two connections.
                .with_dial_concurrency_factor(NonZeroU8::MIN)
                .with_max_negotiating_inbound_streams(STREAMS_MAX / 2)
                .with_per_connection_event_buffer_size(8)
                .with_idle_connection_timeout(limits.silence_timeout)
        })
        .with_connection_timeout(limits.handshake_timeout)
        .build();
    Ok(BuiltSwarm {
        swarm,
        metrics,
        registry,
    })
}

fn quic_config(mut config: quic::Config, limits: &TransportLimits) -> quic::Config {
    config.handshake_timeout = limits.handshake_timeout;
    config.max_idle_timeout = millis(limits.silence_timeout);
    config.keep_alive_interval = limits.heartbeat_interval;
    config.max_concurrent_stream_limit = STREAMS_MAX as u32;
    config.max_stream_data = limits.quic_stream_window_bytes;
    config.max_connection_data = limits.quic_connection_window_bytes;
    config
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
