use std::time::Duration;

use bytes::Bytes;
use salus_network::{Channel, DisconnectReason, NetworkConfig, PeerEvent, SendError};

use crate::support::{Node, QUIC, TCP, admitted, config, frame, guard, pair, secrets, until};

async fn exchange(listen: &str) {
    let (mut low, mut high) = pair(listen, |_| ()).await;
    let large: Bytes = (0..3_000_000u32).map(|at| at as u8).collect();

    low.handle
        .send(high.key(), Channel::Consensus, frame(1, 200))
        .expect("connected");
    low.handle
        .send(high.key(), Channel::Data, large.clone())
        .expect("connected");
    let report = high
        .handle
        .broadcast(Channel::Consensus, frame(2, 300))
        .expect("a good frame");
    high.handle
        .send(low.key(), Channel::Data, frame(3, 1))
        .expect("connected");

    let vote = high.consensus().await;
    assert_eq!((vote.peer, vote.channel), (low.key(), Channel::Consensus));
    assert_eq!(vote.bytes, frame(1, 200));
    let body = high.data().await;
    assert_eq!((body.peer, body.channel), (low.key(), Channel::Data));
    assert_eq!(body.bytes, large);
    assert_eq!((report.queued, report.skipped.len()), (1, 0));
    assert_eq!(low.consensus().await.bytes, frame(2, 300));
    assert_eq!(low.data().await.bytes, frame(3, 1));

    let (sent, received) = (low.handle.counters(), high.handle.counters());
    assert_eq!(sent.connected_peers, 1);
    assert_eq!(sent.consensus.frames_sent, 1);
    assert_eq!(sent.data.bytes_sent, 3_000_000);
    assert_eq!(received.data.bytes_received, 3_000_000);
    assert_eq!(low.handle.peers(), [high.key()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admitted_peers_exchange_frames_on_both_channels_over_tcp() {
    exchange(TCP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admitted_peers_exchange_frames_on_both_channels_over_quic() {
    exchange(QUIC).await;
}

/// Inboxes and windows that hold far less than the data that is sent.
fn small_inbox(config: &mut NetworkConfig) {
    config.data.frame_bytes_max = 64 * 1024;
    config.data.inbox_bytes_max = 128 * 1024;
    config.data.outbox_bytes_max = 16 * 1024 * 1024;
    config.transport.quic_stream_window_bytes = 128 * 1024;
    config.transport.quic_connection_window_bytes = 512 * 1024;
}

/// Trap: transactions starving votes of bandwidth. Three MiB of data are queued before the vote, and nobody reads data: the vote arrives all the same. Then the data are
/// read, and none is missing.
async fn overtake(listen: &str) {
    let (low, mut high) = pair(listen, small_inbox).await;
    const FRAMES: u8 = 48;
    for tag in 0..FRAMES {
        low.handle
            .send(high.key(), Channel::Data, frame(tag, 64 * 1024))
            .expect("room for three MiB");
    }
    low.handle
        .send(high.key(), Channel::Consensus, frame(0xff, 200))
        .expect("connected");

    assert_eq!(high.consensus().await.bytes, frame(0xff, 200));

    let received = high.handle.counters().data.frames_received;
    assert!(
        received < u64::from(FRAMES),
        "the vote came after all {received} data frames"
    );
    for tag in 0..FRAMES {
        assert_eq!(high.data().await.bytes, frame(tag, 64 * 1024));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_a_vote_overtakes_queued_data_over_tcp() {
    overtake(TCP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_a_vote_overtakes_queued_data_over_quic() {
    overtake(QUIC).await;
}

/// The receiver does not read: the sender's queue fills and says so. Votes still pass. When the receiver reads again,
/// every accepted frame arrives, in order.
async fn backpressure(listen: &str) {
    let (low, mut high) = pair(listen, |config| {
        small_inbox(config);
        config.data.outbox_bytes_max = 256 * 1024;
    })
    .await;
    let peer = high.key();

    let mut accepted: u32 = 0;
    // Until the queue stays full: everything between it and the reader is full then.
    let mut refusals = 0;
    while refusals < 50 {
        let content = Bytes::from(accepted.to_le_bytes().repeat(8 * 1024));
        match low.handle.send(peer, Channel::Data, content) {
            Ok(()) => {
                accepted += 1;
                refusals = 0;
            }
            Err(SendError::Backpressure { .. }) => {
                refusals += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(other) => panic!("{other}"),
        }
    }
    for tag in 0..100 {
        low.handle
            .send(peer, Channel::Consensus, frame(tag, 200))
            .expect("connected");
        assert_eq!(high.consensus().await.bytes, frame(tag, 200));
    }
    assert!(low.handle.counters().data.frames_refused >= 50);

    let waiting = tokio::spawn({
        let handle = low.handle.clone();
        async move {
            handle
                .send_when_room(peer, Channel::Data, frame(0xee, 7))
                .await
        }
    });
    for number in 0..accepted {
        let content = high.data().await.bytes;
        assert_eq!(content, number.to_le_bytes().repeat(8 * 1024));
    }
    assert_eq!(high.data().await.bytes, frame(0xee, 7));
    guard("the waiting sender", waiting)
        .await
        .expect("no panic")
        .expect("it was queued");
    assert_eq!(low.handle.counters().data.frames_lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unread_data_inbox_pushes_back_and_loses_nothing_over_tcp() {
    backpressure(TCP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unread_data_inbox_pushes_back_and_loses_nothing_over_quic() {
    backpressure(QUIC).await;
}

/// The node that listens goes away and comes back at the same address; the one that dials finds it again.
async fn reconnect(listen: &str) {
    let (mut low, high) = pair(listen, |_| ()).await;
    let (low_secret, high_secret) = secrets();
    let peer = high.key();
    let address = high.handle.listen_addresses().remove(0);

    high.handle.shutdown().await;
    drop(high);
    let gone = low
        .event(|event| matches!(event, PeerEvent::Disconnected { .. }))
        .await;
    assert_eq!(
        gone,
        PeerEvent::Disconnected {
            peer,
            reason: DisconnectReason::Closed
        }
    );
    assert_eq!(
        low.handle.send(peer, Channel::Consensus, frame(1, 1)),
        Err(SendError::NotConnected { peer })
    );

    let mut high = Node::start_again(
        config(&address.to_string()),
        &high_secret,
        vec![admitted(low_secret.peer_key(), Vec::new())],
    )
    .await;
    low.connected(peer).await;
    high.connected(low.key()).await;
    low.handle
        .send(peer, Channel::Consensus, frame(2, 2))
        .expect("connected again");
    assert_eq!(high.consensus().await.bytes, frame(2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_peer_is_found_again_over_tcp() {
    reconnect(TCP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_peer_is_found_again_over_quic() {
    reconnect(QUIC).await;
}

/// The dialing node restarts while the other still holds the old connection: the new one replaces it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_dialer_replaces_its_old_connection() {
    let (low, mut high) = pair(QUIC, |config| {
        // The old connection is not noticed to be dead by silence.
        config.transport.silence_timeout = Duration::from_secs(3600);
    })
    .await;
    let (low_secret, _) = secrets();

    // A second process with the same key, as after a loss of power: the first never says goodbye.
    let mut reborn = Node::start(config(QUIC), &low_secret, vec![high.as_admitted()]).await;
    reborn.connected(high.key()).await;

    let replaced = high
        .event(|event| matches!(event, PeerEvent::Disconnected { .. }))
        .await;
    assert_eq!(
        replaced,
        PeerEvent::Disconnected {
            peer: low.key(),
            reason: DisconnectReason::Replaced
        }
    );
    drop(low);
    until("one connection", || {
        high.handle.counters().connected_peers == 1
    })
    .await;
}

/// An idle connection stays: heartbeats keep it, and are not frames.
async fn idle(listen: &str) {
    let (low, mut high) = pair(listen, |config| {
        config.transport.heartbeat_interval = Duration::from_millis(200);
        config.transport.silence_timeout = Duration::from_secs(3);
    })
    .await;

    tokio::time::sleep(Duration::from_millis(4500)).await;

    assert_eq!(high.handle.counters().disconnects, 0);
    assert_eq!(high.handle.counters().consensus.frames_received, 0);
    low.handle
        .send(high.key(), Channel::Consensus, frame(1, 1))
        .expect("still connected");
    assert_eq!(high.consensus().await.bytes, frame(1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_outlives_the_silence_timeout_over_tcp() {
    idle(TCP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_outlives_the_silence_timeout_over_quic() {
    idle(QUIC).await;
}

/// Heartbeats that come too rarely for the other side's patience count as silence. It is the way a dead host is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_is_disconnected_and_counted() {
    let mut quiet = config(TCP);
    quiet.transport.heartbeat_interval = Duration::from_secs(600);
    quiet.transport.silence_timeout = Duration::from_secs(1200);
    let mut strict = config(TCP);
    strict.transport.heartbeat_interval = Duration::from_millis(100);
    strict.transport.silence_timeout = Duration::from_millis(400);
    let (low, mut high) = crate::support::pair_with(quiet, strict).await;

    let event = high
        .event(|event| matches!(event, PeerEvent::Disconnected { .. }))
        .await;

    assert_eq!(
        event,
        PeerEvent::Disconnected {
            peer: low.key(),
            reason: DisconnectReason::Silent
        }
    );
    assert!(high.handle.counters().silent_peers >= 1);
}

/// What arrived before the shutdown can still be taken, then the receivers end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_shutdown_the_receivers_drain_and_end() {
    let (low, mut high) = pair(QUIC, |_| ()).await;
    low.handle
        .send(high.key(), Channel::Data, frame(1, 10))
        .expect("connected");
    until("arrival", || {
        high.handle.counters().data.frames_received == 1
    })
    .await;

    high.handle.shutdown().await;
    high.handle.shutdown().await;

    assert_eq!(high.data().await.bytes, frame(1, 10));
    assert_eq!(guard("the end", high.inbound.data.recv()).await, None);
    assert_eq!(guard("the end", high.inbound.consensus.recv()).await, None);
    assert!(high.handle.peers().is_empty());
    let report = high
        .handle
        .broadcast(Channel::Data, frame(1, 1))
        .expect("a good frame");
    assert_eq!(report.queued, 0);
}
