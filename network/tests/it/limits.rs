use libp2p::multiaddr::Protocol;
use salus_network::{
    Channel, DisconnectReason, NetworkSecret, PeerEvent, RefusalReason, SendError, Violation,
};

use crate::support::{Node, QUIC, TCP, admitted, config, frame, pair, pair_with, secrets, until};

/// A peer whose own limit is larger announces a frame over ours: it is disconnected with the reason, the frame is not
/// read, and the node goes on serving others.
async fn oversize(listen: &str, channel: Channel) {
    let strict = config(listen);
    let limit = strict.limits(channel).frame_bytes_max;
    let mut lax = strict.clone();
    for limits in [&mut lax.consensus, &mut lax.data] {
        limits.frame_bytes_max = 8 << 20;
        limits.outbox_bytes_max = 16 << 20;
        limits.inbox_bytes_max = 16 << 20;
    }
    let (low, mut high) = pair_with(lax, strict).await;

    low.handle
        .send(high.key(), channel, frame(1, limit as usize + 1))
        .expect("the sender's own limit allows it");

    let event = high
        .event(|event| matches!(event, PeerEvent::Disconnected { .. }))
        .await;
    let reason = DisconnectReason::Misbehaved(Violation::Oversize {
        channel,
        claimed: limit + 1,
        limit,
    });
    assert_eq!(
        event,
        PeerEvent::Disconnected {
            peer: low.key(),
            reason
        }
    );
    assert!(reason.is_peer_fault());
    let counters = high.handle.counters();
    assert_eq!(counters.channel(channel).frames_oversize, 1);
    assert_eq!(counters.channel(channel).frames_received, 0);

    // The node is still there, for this peer too.
    high.connected(low.key()).await;
    until("the sender's view", || !low.handle.peers().is_empty()).await;
    low.handle
        .send(high.key(), channel, frame(2, limit as usize))
        .expect("connected again");
    let received = match channel {
        Channel::Consensus => high.consensus().await,
        Channel::Data => high.data().await,
    };
    assert_eq!(received.bytes, frame(2, limit as usize));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversize_data_frame_is_refused_and_counted_over_tcp() {
    oversize(TCP, Channel::Data).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversize_consensus_frame_is_refused_and_counted_over_quic() {
    oversize(QUIC, Channel::Consensus).await;
}

/// Connections that never begin their handshake fill the places for it: more are refused, and when they are gone a peer
/// gets in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_handshakes_are_limited_and_counted() {
    let (low_secret, high_secret) = secrets();
    let mut strict = config(TCP);
    strict.transport.pending_inbound_max = 2;
    let mut high = Node::start(
        strict,
        &high_secret,
        vec![admitted(low_secret.peer_key(), Vec::new())],
    )
    .await;
    let address = high.handle.listen_addresses().remove(0);
    let Some(Protocol::Tcp(port)) = address.iter().nth(1) else {
        panic!("{address}");
    };

    let mut stalled = Vec::new();
    for _ in 0..4 {
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
        stalled.push(socket.expect("the port listens"));
    }
    until("the refusals", || {
        high.handle.counters().refused(RefusalReason::Limit) == 2
    })
    .await;

    drop(stalled);
    let low = Node::start(config(TCP), &low_secret, vec![high.as_admitted()]).await;
    high.connected(low.key()).await;
}

/// The caller's own mistakes are typed and reach no peer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_over_the_own_limit_is_refused_before_it_is_queued() {
    let (low, high) = pair(QUIC, |_| ()).await;
    let limit = config(QUIC).consensus.frame_bytes_max;

    let too_large = low
        .handle
        .broadcast(Channel::Consensus, frame(1, limit as usize + 1));
    let empty = low.handle.send(high.key(), Channel::Data, frame(1, 0));

    assert_eq!(
        too_large,
        Err(SendError::FrameTooLarge {
            channel: Channel::Consensus,
            bytes: limit as usize + 1,
            limit
        })
    );
    assert_eq!(empty, Err(SendError::Empty));
    assert_eq!(low.handle.counters().consensus.frames_sent, 0);
}

/// A broadcast names who was left out, and why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_reports_the_peers_it_skipped() {
    let (low_secret, high_secret) = secrets();
    let absent = NetworkSecret::new([200; 32]).peer_key();
    let mut high = Node::start(
        config(QUIC),
        &high_secret,
        vec![
            admitted(low_secret.peer_key(), Vec::new()),
            admitted(absent, Vec::new()),
            // A node's own entry is ignored, so that one list serves all.
            admitted(high_secret.peer_key(), Vec::new()),
        ],
    )
    .await;
    let low = Node::start(config(QUIC), &low_secret, vec![high.as_admitted()]).await;
    high.connected(low.key()).await;

    let report = high
        .handle
        .broadcast(Channel::Data, frame(1, 10))
        .expect("a good frame");

    assert_eq!(report.queued, 1);
    assert_eq!(
        report.skipped,
        [(absent, SendError::NotConnected { peer: absent })]
    );
}

/// libp2p's metrics are OpenMetrics text and know of the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn library_metrics_are_openmetrics_text() {
    let (low, high) = pair(TCP, |_| ()).await;

    for node in [&low, &high] {
        let text = node.handle.openmetrics();

        assert!(text.ends_with("# EOF\n"), "{text}");
        assert!(
            text.contains("libp2p_swarm_connections_established_total"),
            "{text}"
        );
        assert!(text.contains("libp2p_bandwidth_bytes_total"), "{text}");
    }
    assert_eq!(low.handle.counters().refused(RefusalReason::Stranger), 0);
}
