use std::time::Duration;

use futures::StreamExt;
use libp2p::{Swarm, SwarmBuilder, identity::Keypair, swarm::dummy};
use salus_network::{
    Channel, ConfigError, DisconnectReason, Network, NetworkId, NetworkSecret, PeerEvent,
    RefusalReason, SendError, StartError,
};

use crate::support::{
    Node, QUIC, TCP, admitted, config, frame, guard, pair, raw_secrets, secrets, until,
};

/// A stranger's key is as valid as anyone's; it is only not on the list. It knows everything else.
async fn stranger(listen: &str) {
    let (low_secret, high_secret) = secrets();
    let friend = NetworkSecret::new([77; 32]).peer_key();
    let mut node = Node::start(
        config(listen),
        &high_secret,
        vec![admitted(friend, Vec::new())],
    )
    .await;

    let mut stranger = Node::start(config(listen), &low_secret, vec![node.as_admitted()]).await;

    let refused = node
        .event(|event| matches!(event, PeerEvent::Refused { .. }))
        .await;
    let PeerEvent::Refused { reason, .. } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(reason, RefusalReason::Stranger);
    assert!(reason.is_peer_fault());
    until("the count", || {
        node.handle.counters().refused(RefusalReason::Stranger) >= 2
    })
    .await;
    assert!(node.handle.peers().is_empty());
    assert_eq!(
        stranger
            .handle
            .send(node.key(), Channel::Consensus, frame(1, 1)),
        Err(SendError::NotConnected { peer: node.key() })
    );
    while let Ok(event) = stranger.inbound.events.try_recv() {
        assert!(!matches!(event, PeerEvent::Connected { .. }), "{event:?}");
    }
    assert_eq!(node.handle.counters().consensus.frames_received, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_a_valid_key_is_refused_over_tcp() {
    stranger(TCP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_a_valid_key_is_refused_over_quic() {
    stranger(QUIC).await;
}

/// Both admit one another's key, but serve different chains: no channel opens in either direction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_of_another_chain_cannot_open_a_channel() {
    let (low_secret, high_secret) = secrets();
    let mut high = Node::start(
        config(QUIC),
        &high_secret,
        vec![admitted(low_secret.peer_key(), Vec::new())],
    )
    .await;
    let mut foreign = config(QUIC);
    foreign.network = NetworkId::new([0x77; 32]);
    let mut low = Node::start(foreign, &low_secret, vec![high.as_admitted()]).await;

    until("a refusal on either side", || {
        [&low, &high].iter().any(|node| {
            node.handle
                .counters()
                .refused(RefusalReason::ForeignNetwork)
                >= 2
        })
    })
    .await;

    for node in [&mut low, &mut high] {
        assert!(node.handle.peers().is_empty());
        while let Ok(event) = node.inbound.events.try_recv() {
            assert!(matches!(event, PeerEvent::Refused { .. }), "{event:?}");
        }
    }
}

/// Each has the other's address; the lower key dials and the other waits, so there is one connection and nothing to refuse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crossing_addresses_make_one_connection() {
    let (low_secret, high_secret) = secrets();
    let mut low = Node::start(config(TCP), &low_secret, Vec::new()).await;
    let mut high = Node::start(config(TCP), &high_secret, vec![low.as_admitted()]).await;

    low.handle
        .set_admitted(vec![high.as_admitted()])
        .expect("a good list");

    low.connected(high.key()).await;
    high.connected(low.key()).await;
    assert_eq!(low.handle.counters().connected_peers, 1);
    assert_eq!(high.handle.counters().dial_failures, 0);
    assert_eq!(low.handle.counters().refused(RefusalReason::Redundant), 0);
}

/// A peer with an admitted key that runs libp2p, but none of our channels.
fn bare_peer(secret: [u8; 32]) -> Swarm<dummy::Behaviour> {
    let keypair = Keypair::ed25519_from_bytes(secret).expect("any 32 bytes are a secret");
    SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| dummy::Behaviour)
        .expect("nothing can fail")
        .with_swarm_config(|config| {
            config.with_idle_connection_timeout(std::time::Duration::from_secs(3600))
        })
        .build()
}

/// Starts the node that is to be dialed by `bare`, lets it be dialed, and returns the reason of the refusal.
async fn refusal_of(node: [u8; 32], bare: [u8; 32]) -> RefusalReason {
    let mut node = Node::start(
        config(QUIC),
        &NetworkSecret::new(node),
        vec![admitted(NetworkSecret::new(bare).peer_key(), Vec::new())],
    )
    .await;
    let mut bare = bare_peer(bare);
    bare.dial(node.handle.listen_addresses().remove(0))
        .expect("a good address");
    let bare = tokio::spawn(async move {
        loop {
            bare.select_next_some().await;
        }
    });

    let event = node
        .event(|event| matches!(event, PeerEvent::Refused { .. }))
        .await;

    bare.abort();
    assert!(node.handle.peers().is_empty());
    match event {
        PeerEvent::Refused { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// Only the higher key knows the other's address, as a newcomer does: it dials when it was not dialed.
async fn only_the_higher_key_knows_an_address(listen: &str) {
    let (low_secret, high_secret) = secrets();
    let mut low = Node::start(
        config(listen),
        &low_secret,
        vec![admitted(high_secret.peer_key(), Vec::new())],
    )
    .await;

    let mut high = Node::start(config(listen), &high_secret, vec![low.as_admitted()]).await;

    high.connected(low.key()).await;
    low.connected(high.key()).await;
    low.handle
        .send(high.key(), Channel::Consensus, frame(1, 10))
        .expect("connected");
    assert_eq!(high.consensus().await.peer, low.key());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_higher_key_dials_when_it_is_not_dialed_over_tcp() {
    only_the_higher_key_knows_an_address(TCP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_higher_key_dials_when_it_is_not_dialed_over_quic() {
    only_the_higher_key_knows_an_address(QUIC).await;
}

/// Both dial in the same moment, again and again: one connection stays, and it is one on which both can be heard.
async fn crossing_dials(listen: &str) {
    let (low_secret, high_secret) = secrets();
    let mut eager = config(listen);
    eager.transport.dial_patience = Duration::ZERO;
    let mut low = Node::start(eager.clone(), &low_secret, Vec::new()).await;
    let mut high = Node::start(eager, &high_secret, Vec::new()).await;
    for round in 0..5 {
        let (to_high, to_low) = (vec![high.as_admitted()], vec![low.as_admitted()]);
        low.handle.set_admitted(to_high).expect("a good list");
        high.handle.set_admitted(to_low).expect("a good list");

        // queued is not delivered: a connection that yields to another takes what it carries with it
        until("frames in both directions", || {
            let sent = |from: &Node, to: &Node| {
                let _ = from
                    .handle
                    .send(to.key(), Channel::Consensus, frame(round, 10));
            };
            sent(&low, &high);
            sent(&high, &low);
            let heard = |node: &mut Node| {
                std::iter::from_fn(|| node.inbound.consensus.try_recv())
                    .any(|heard| heard.bytes == frame(round, 10))
            };
            heard(&mut low) && heard(&mut high)
        })
        .await;

        low.handle.set_admitted(Vec::new()).expect("a good list");
        high.handle.set_admitted(Vec::new()).expect("a good list");
        until("the parting", || {
            low.handle.peers().is_empty() && high.handle.peers().is_empty()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_crossing_dials_one_connection_stays_over_tcp() {
    crossing_dials(TCP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_crossing_dials_one_connection_stays_over_quic() {
    crossing_dials(QUIC).await;
}

/// The key is right and the handshake complete, yet without our channels it counts as another network.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admitted_peer_without_our_channels_is_refused() {
    let (low, high) = raw_secrets();

    assert_eq!(refusal_of(high, low).await, RefusalReason::ForeignNetwork);
}

/// Removal ends the connection and keeps the peer out; admission brings it back without a restart.
async fn removal(listen: &str) {
    let (mut low, mut high) = pair(listen, |_| ()).await;
    let peer = low.key();

    high.handle.set_admitted(Vec::new()).expect("a good list");

    let event = high
        .event(|event| matches!(event, PeerEvent::Disconnected { .. }))
        .await;
    assert_eq!(
        event,
        PeerEvent::Disconnected {
            peer,
            reason: DisconnectReason::Removed
        }
    );
    low.event(|event| matches!(event, PeerEvent::Disconnected { .. }))
        .await;
    assert_eq!(
        high.handle.send(peer, Channel::Data, frame(1, 1)),
        Err(SendError::NotConnected { peer })
    );
    until("the redial's refusal", || {
        high.handle.counters().refused(RefusalReason::Stranger) >= 1
    })
    .await;

    high.handle
        .set_admitted(vec![admitted(peer, Vec::new())])
        .expect("a good list");
    high.connected(peer).await;
    low.connected(high.key()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_peer_is_disconnected_and_may_be_admitted_again_over_tcp() {
    removal(TCP).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_peer_is_disconnected_and_may_be_admitted_again_over_quic() {
    removal(QUIC).await;
}

/// Frames that a peer sent before it was removed are not handed to the application after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_frames_of_a_removed_peer_are_dropped() {
    let (low, mut high) = pair(QUIC, |_| ()).await;
    low.handle
        .send(high.key(), Channel::Data, frame(1, 10))
        .expect("connected");
    until("arrival", || {
        high.handle.counters().data.frames_received == 1
    })
    .await;

    high.handle.set_admitted(Vec::new()).expect("a good list");
    high.event(|event| matches!(event, PeerEvent::Disconnected { .. }))
        .await;
    high.handle.shutdown().await;

    assert_eq!(guard("the end", high.inbound.data.recv()).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_longer_than_peers_max_changes_nothing() {
    let (low, high) = pair(QUIC, |config| config.transport.peers_max = 1).await;
    let other = NetworkSecret::new([9; 32]).peer_key();

    let refused = high
        .handle
        .set_admitted(vec![low.as_admitted(), admitted(other, Vec::new())]);

    assert_eq!(
        refused,
        Err(ConfigError::TooManyPeers {
            admitted: 2,
            peers_max: 1
        })
    );
    assert_eq!(high.handle.peers(), [low.key()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_occupied_address_is_a_typed_start_error() {
    for listen in [TCP, QUIC] {
        let (low_secret, high_secret) = secrets();
        let node = Node::start(config(listen), &low_secret, Vec::new()).await;
        let taken = node.handle.listen_addresses()[0].to_string();

        let started = Network::start(config(&taken), &high_secret, Vec::new()).await;

        assert!(
            matches!(started, Err(StartError::Listen { .. })),
            "{started:?}"
        );
    }
}
