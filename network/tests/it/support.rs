use std::{future::Future, time::Duration};

use bytes::Bytes;
use salus_network::{
    AdmittedPeer, Inbound, InboundFrame, Multiaddr, Network, NetworkConfig, NetworkHandle,
    NetworkId, NetworkSecret, PeerEvent, PeerKey, StartError,
};

/// Long enough for a busy machine; reached only when something hangs.
const GUARD: Duration = Duration::from_secs(60);

/// The address to listen on, port chosen by the system.
pub(crate) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
/// The same for QUIC.
pub(crate) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

pub(crate) const CHAIN: NetworkId = NetworkId::new([0x5a; 32]);

/// A running network and what it received.
pub(crate) struct Node {
    pub(crate) handle: NetworkHandle,
    pub(crate) inbound: Inbound,
}

/// Two secrets, the one with the lower key first: it is the one that dials first.
pub(crate) fn secrets() -> (NetworkSecret, NetworkSecret) {
    let (low, high) = raw_secrets();
    (NetworkSecret::new(low), NetworkSecret::new(high))
}

pub(crate) fn raw_secrets() -> ([u8; 32], [u8; 32]) {
    let mut secrets = [[1; 32], [2; 32]];
    secrets.sort_by_key(|secret| NetworkSecret::new(*secret).peer_key());
    let [low, high] = secrets;
    (low, high)
}

pub(crate) fn config(listen: &str) -> NetworkConfig {
    let mut config = NetworkConfig::new(CHAIN, vec![listen.parse().expect("an address")]);
    // Quick enough that a test sees a redial, slow enough not to spin.
    config.transport.redial_min = Duration::from_millis(20);
    config.transport.redial_max = Duration::from_millis(200);
    config.transport.dial_patience = Duration::from_millis(500);
    config
}

pub(crate) fn admitted(key: PeerKey, addresses: Vec<Multiaddr>) -> AdmittedPeer {
    AdmittedPeer { key, addresses }
}

impl Node {
    pub(crate) async fn start(
        config: NetworkConfig,
        secret: &NetworkSecret,
        peers: Vec<AdmittedPeer>,
    ) -> Self {
        let (handle, inbound) = Network::start(config, secret, peers)
            .await
            .expect("the network starts");
        Self { handle, inbound }
    }

    /// Starts at an address that was in use just now: a QUIC socket lives until its connections have drained.
    pub(crate) async fn start_again(
        config: NetworkConfig,
        secret: &NetworkSecret,
        peers: Vec<AdmittedPeer>,
    ) -> Self {
        guard("the address", async {
            loop {
                match Network::start(config.clone(), secret, peers.clone()).await {
                    Ok((handle, inbound)) => return Self { handle, inbound },
                    Err(StartError::Listen { .. }) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        })
        .await
    }

    pub(crate) fn key(&self) -> PeerKey {
        self.handle.local_key()
    }

    /// This node as another one's list names it.
    pub(crate) fn as_admitted(&self) -> AdmittedPeer {
        admitted(self.key(), self.handle.listen_addresses())
    }

    /// The next event that `wanted` accepts; others are skipped.
    pub(crate) async fn event(&mut self, wanted: impl Fn(&PeerEvent) -> bool) -> PeerEvent {
        guard("an event", async {
            loop {
                let event = self.inbound.events.recv().await.expect("the driver runs");
                if wanted(&event) {
                    return event;
                }
            }
        })
        .await
    }

    pub(crate) async fn connected(&mut self, peer: PeerKey) {
        self.event(|event| *event == PeerEvent::Connected { peer })
            .await;
    }

    pub(crate) async fn consensus(&mut self) -> InboundFrame {
        guard("a consensus frame", self.inbound.consensus.recv())
            .await
            .expect("the network runs")
    }

    pub(crate) async fn data(&mut self) -> InboundFrame {
        guard("a data frame", self.inbound.data.recv())
            .await
            .expect("the network runs")
    }
}

/// Two nodes that admit one another, connected. The lower key is first.
pub(crate) async fn pair(listen: &str, change: impl Fn(&mut NetworkConfig)) -> (Node, Node) {
    let mut config = config(listen);
    change(&mut config);
    pair_with(config.clone(), config).await
}

pub(crate) async fn pair_with(low: NetworkConfig, high: NetworkConfig) -> (Node, Node) {
    let (low_secret, high_secret) = secrets();
    let mut high = Node::start(
        high,
        &high_secret,
        vec![admitted(low_secret.peer_key(), Vec::new())],
    )
    .await;
    let mut low = Node::start(low, &low_secret, vec![high.as_admitted()]).await;
    low.connected(high.key()).await;
    high.connected(low.key()).await;
    (low, high)
}

pub(crate) async fn guard<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Polls a condition that some other task makes true.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    guard(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(crate) fn frame(tag: u8, bytes: usize) -> Bytes {
    Bytes::from(vec![tag; bytes])
}
