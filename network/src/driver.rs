use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    net::{IpAddr, TcpListener},
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::transport::ListenerId,
    metrics::{Metrics, Recorder},
    multiaddr::Protocol,
    swarm::{
        DialError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use crate::{
    admission::{Backoff, dials_first, inbound_refusal, outbound_refusal},
    behaviour::{Behaviour, BehaviourEvent, ChannelsEvent},
    config::TransportLimits,
    error::{DisconnectReason, RefusalReason, StartError},
    handle::PeerEvent,
    handler::Surroundings,
    inbox::Inbox,
    metrics::{LibraryMetrics, count},
    outbox::Outbox,
    peer::{AdmittedPeer, PeerKey},
};

/// Time for connections to close in good order at shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection must have held for the next redial to start with the shortest pause.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// What the handle and the driver share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) local: PeerKey,
    pub(crate) surroundings: Surroundings,
    /// Peers with open channels.
    pub(crate) connected: RwLock<BTreeMap<PeerKey, Arc<Outbox>>>,
    pub(crate) admitted: RwLock<BTreeSet<PeerKey>>,
    pub(crate) listening: RwLock<Vec<Multiaddr>>,
    pub(crate) library_metrics: LibraryMetrics,
}

/// What the handle wants of the driver. The latest wish counts, so it is a `watch` and no queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) admitted: Arc<Vec<(PeerId, AdmittedPeer)>>,
    pub(crate) stop: bool,
}

/// The task that opens and closes connections: applies the admission, dials and redials, reports. Frames pass it by.
pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    metrics: Metrics,
    shared: Arc<Shared>,
    wishes: watch::Receiver<Wish>,
    events: mpsc::Sender<PeerEvent>,
    peers: BTreeMap<PeerKey, Peer>,
}

/// An admitted peer as the driver sees it.
struct Peer {
    id: PeerId,
    addresses: Vec<Multiaddr>,
    backoff: Backoff,
    /// When to dial next; `None` while connected, while dialing, and for peers whose addresses we do not know.
    due: Option<Instant>,
    connected_at: Option<Instant>,
}

impl Driver {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        metrics: Metrics,
        shared: Arc<Shared>,
        wishes: watch::Receiver<Wish>,
        events: mpsc::Sender<PeerEvent>,
    ) -> Self {
        Self {
            swarm,
            metrics,
            shared,
            wishes,
            events,
            peers: BTreeMap::new(),
        }
    }

    /// Listens on every configured address, and returns when each has reported where.
    pub(crate) async fn listen(&mut self) -> Result<(), StartError> {
        let mut waiting: HashMap<ListenerId, Multiaddr> = HashMap::new();
        for address in &self.shared.surroundings.config.listen {
            probe_tcp_port(address).map_err(|source| StartError::Listen {
                address: address.clone(),
                source,
            })?;
            let listener =
                self.swarm
                    .listen_on(address.clone())
                    .map_err(|error| StartError::Listen {
                        address: address.clone(),
                        source: io::Error::other(error),
                    })?;
            waiting.insert(listener, address.clone());
        }
        let deadline = Instant::now() + self.shared.surroundings.config.transport.handshake_timeout;
        while let Some(address) = waiting.values().next().cloned() {
            let Ok(event) = timeout_at(deadline, self.swarm.select_next_some()).await else {
                return Err(StartError::Listen {
                    address,
                    source: io::ErrorKind::TimedOut.into(),
                });
            };
            match event {
                SwarmEvent::NewListenAddr {
                    listener_id,
                    address,
                } => {
                    waiting.remove(&listener_id);
                    write(&self.shared.listening).push(address);
                }
                SwarmEvent::ListenerClosed {
                    listener_id,
                    reason: Err(source),
                    ..
                } => {
                    if let Some(address) = waiting.remove(&listener_id) {
                        return Err(StartError::Listen { address, source });
                    }
                }
                other => self.on_event(other),
            }
        }
        Ok(())
    }

    /// Runs until told to stop, or until every handle is gone.
    pub(crate) async fn run(mut self) {
        self.apply_admission();
        loop {
            let due = self.peers.values().filter_map(|peer| peer.due).min();
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                changed = self.wishes.changed() => {
                    if changed.is_err() || self.wishes.borrow().stop {
                        break;
                    }
                    self.apply_admission();
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.dial_due();
                }
            }
        }
        self.stop().await;
    }

    async fn stop(mut self) {
        let behaviour = self.swarm.behaviour_mut();
        for (key, peer) in std::mem::take(&mut self.peers) {
            behaviour
                .channels
                .disconnect(key, DisconnectReason::Stopped);
            // So that nobody comes back while we wait for the others to go.
            behaviour.allowed.disallow_peer(peer.id);
        }
        let drained = timeout(CLOSE_TIMEOUT, async {
            while self.swarm.network_info().num_peers() > 0 {
                let event = self.swarm.select_next_some().await;
                self.on_event(event);
            }
        });
        if drained.await.is_err() {
            tracing::warn!("some connections did not close in time");
        }
        for outbox in std::mem::take(&mut *write(&self.shared.connected)).into_values() {
            outbox.close();
        }
        self.shared
            .surroundings
            .counters
            .connected_peers
            .store(0, Ordering::Relaxed);
        write(&self.shared.listening).clear();
        self.shared
            .surroundings
            .inboxes
            .iter()
            .for_each(|inbox| Inbox::finish(inbox));
    }

    /// Makes the swarm's peers those of the latest wish.
    fn apply_admission(&mut self) {
        let wish = self.wishes.borrow_and_update().admitted.clone();
        let local = self.shared.local;
        let wanted: BTreeMap<PeerKey, &(PeerId, AdmittedPeer)> = wish
            .iter()
            .filter(|(_, peer)| peer.key != local)
            .map(|entry| (entry.1.key, entry))
            .collect();
        *write(&self.shared.admitted) = wanted.keys().copied().collect();

        let removed: Vec<(PeerKey, PeerId)> = self
            .peers
            .iter()
            .filter(|(key, _)| !wanted.contains_key(key))
            .map(|(key, peer)| (*key, peer.id))
            .collect();
        for (key, id) in removed {
            self.peers.remove(&key);
            let behaviour = self.swarm.behaviour_mut();
            behaviour
                .channels
                .disconnect(key, DisconnectReason::Removed);
            behaviour.allowed.disallow_peer(id);
            self.purge(&key);
        }
        for (key, (id, admitted)) in wanted {
            self.swarm.behaviour_mut().allowed.allow_peer(*id);
            let known = !admitted.addresses.is_empty();
            let connected = self.swarm.is_connected(id);
            let limits = &self.shared.surroundings.config.transport;
            let peer = self.peers.entry(key).or_insert_with(|| Peer {
                id: *id,
                addresses: Vec::new(),
                backoff: Backoff::new(limits),
                due: None,
                connected_at: None,
            });
            if peer.addresses != admitted.addresses {
                peer.addresses.clone_from(&admitted.addresses);
                let patience = patience(local, key, limits);
                peer.due = (known && !connected).then(|| Instant::now() + patience);
            }
        }
    }

    fn purge(&self, peer: &PeerKey) {
        for inbox in &self.shared.surroundings.inboxes {
            inbox.purge(peer);
        }
    }

    fn dial_due(&mut self) {
        let now = Instant::now();
        let due: Vec<PeerKey> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.due.is_some_and(|due| due <= now))
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            let Some(peer) = self.peers.get_mut(&key) else {
                continue;
            };
            peer.due = None;
            let options = DialOpts::peer_id(peer.id)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(peer.addresses.clone())
                // A dial from the listening port would collide with the remains of the connection before.
                .allocate_new_port()
                .build();
            if let Err(error) = self.swarm.dial(options) {
                self.on_dial_failure(&key, &error);
            }
        }
    }

    /// Plans the next dial of a peer whose addresses this node knows.
    fn schedule_dial(&mut self, key: &PeerKey) {
        let limits = &self.shared.surroundings.config.transport;
        let patience = patience(self.shared.local, *key, limits);
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.addresses.is_empty()
            && peer.due.is_none()
        {
            // Without entropy the pause is the shortest, which only costs the jitter.
            let random = getrandom::u32().unwrap_or(0);
            peer.due = Some(Instant::now() + patience + peer.backoff.next(random));
        }
    }

    fn on_dial_failure(&mut self, key: &PeerKey, error: &DialError) {
        // It connected, or another dial is under way: not a failure.
        if matches!(error, DialError::DialPeerConditionFalse(_)) {
            return;
        }
        count(&self.shared.surroundings.counters.dial_failures);
        tracing::debug!(peer = %key, %error, "dial failed");
        if let Some(reason) = outbound_refusal(error) {
            self.refused(Some(*key), reason);
        }
        self.schedule_dial(key);
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        self.metrics.record(&event);
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Channels(event)) => self.on_channels(event),
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                if let Some(peer) = self.peer_mut(&peer_id) {
                    peer.due = None;
                    peer.connected_at = Some(Instant::now());
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established: 0,
                ..
            } => {
                if let Some(peer) = self.peer_mut(&peer_id) {
                    let connected_at = peer.connected_at.take();
                    if connected_at.is_some_and(|at| at.elapsed() >= STABLE_AFTER) {
                        peer.backoff.reset();
                    }
                }
                if let Some(key) = PeerKey::from_peer_id(&peer_id) {
                    self.schedule_dial(&key);
                }
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer_id),
                error,
                ..
            } => {
                if let Some(key) = PeerKey::from_peer_id(&peer_id) {
                    self.on_dial_failure(&key, &error);
                }
            }
            SwarmEvent::IncomingConnectionError { error, peer_id, .. } => {
                let peer = peer_id.as_ref().and_then(PeerKey::from_peer_id);
                tracing::debug!(?peer, %error, "inbound connection refused");
                self.refused(peer, inbound_refusal(&error));
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                write(&self.shared.listening).push(address);
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                write(&self.shared.listening).retain(|known| *known != address);
            }
            SwarmEvent::ListenerClosed {
                addresses, reason, ..
            } => {
                tracing::error!(?addresses, ?reason, "a listener closed");
                write(&self.shared.listening).retain(|known| !addresses.contains(known));
            }
            // Progress of dials and listeners; the metrics have recorded it.
            _ => {}
        }
    }

    fn on_channels(&mut self, event: ChannelsEvent) {
        match event {
            ChannelsEvent::Opened { peer, outbox } => {
                let replaced = self.update_connected(|connected| connected.insert(peer, outbox));
                if replaced.is_some() {
                    self.disconnected(peer, DisconnectReason::Replaced);
                }
                tracing::info!(%peer, "peer connected");
                self.report(PeerEvent::Connected { peer });
            }
            ChannelsEvent::Closed {
                peer,
                outbox,
                reason,
            } => {
                let removed = self.update_connected(|connected| {
                    // A newer connection may have taken the place.
                    let current = connected
                        .get(&peer)
                        .is_some_and(|current| Arc::ptr_eq(current, &outbox));
                    if current {
                        connected.remove(&peer)
                    } else {
                        None
                    }
                });
                if removed.is_some() {
                    self.disconnected(peer, reason);
                }
                if !read(&self.shared.admitted).contains(&peer) {
                    self.purge(&peer);
                }
            }
            ChannelsEvent::Refused { peer, reason } => self.refused(Some(peer), reason),
        }
    }

    fn update_connected<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<PeerKey, Arc<Outbox>>) -> T,
    ) -> T {
        let mut connected = write(&self.shared.connected);
        let result = change(&mut connected);
        let gauge: &AtomicU64 = &self.shared.surroundings.counters.connected_peers;
        gauge.store(connected.len() as u64, Ordering::Relaxed);
        result
    }

    fn disconnected(&self, peer: PeerKey, reason: DisconnectReason) {
        count(&self.shared.surroundings.counters.disconnects);
        tracing::info!(%peer, %reason, "peer disconnected");
        self.report(PeerEvent::Disconnected { peer, reason });
    }

    fn refused(&self, peer: Option<PeerKey>, reason: RefusalReason) {
        self.shared.surroundings.counters.refused(reason);
        // Refusals may use half of the queue, so that strangers cannot crowd out the news of our own peers.
        if self.events.capacity() > self.events.max_capacity() / 2 {
            self.report(PeerEvent::Refused { peer, reason });
        } else {
            count(&self.shared.surroundings.counters.events_dropped);
        }
    }

    fn report(&self, event: PeerEvent) {
        if self.events.try_send(event).is_err() && !self.events.is_closed() {
            count(&self.shared.surroundings.counters.events_dropped);
        }
    }

    fn peer_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(&PeerKey::from_peer_id(id)?)
    }
}

/// How long this node waits to be dialed by a peer before it dials the peer itself.
fn patience(local: PeerKey, remote: PeerKey, limits: &TransportLimits) -> Duration {
    if dials_first(local, remote) {
        Duration::ZERO
    } else {
        limits.dial_patience
    }
}

/// Fails if someone listens on this TCP port already. libp2p sets `SO_REUSEPORT` on its listeners, so that a second node
/// started by mistake would share the port and take half of the connections.
fn probe_tcp_port(address: &Multiaddr) -> io::Result<()> {
    let mut parts = address.iter();
    let ip = match parts.next() {
        Some(Protocol::Ip4(ip)) => IpAddr::from(ip),
        Some(Protocol::Ip6(ip)) => IpAddr::from(ip),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) if port > 0 => TcpListener::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

/// Reads, also after another thread panicked while writing: our writers leave no half-done state.
pub(crate) fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Writes, under the same rule as [`read`].
pub(crate) fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
