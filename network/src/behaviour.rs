use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use libp2p::{
    Multiaddr, PeerId, allow_block_list,
    allow_block_list::AllowedPeers,
    connection_limits,
    core::{Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm,
        NetworkBehaviour, THandlerInEvent, ToSwarm, behaviour::ConnectionEstablished,
    },
};

use crate::{
    admission::{allow_list, connection_limits, dials_first},
    error::{DisconnectReason, RefusalReason},
    handler::{Handler, HandlerEvent, Surroundings},
    metrics::count,
    outbox::Outbox,
    peer::PeerKey,
};

/// The behaviours in use, in the order in which they judge a connection.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    /// First, so that a stranger is called a stranger and takes no established place.
    pub(crate) allowed: allow_block_list::Behaviour<AllowedPeers>,
    /// Handshakes, connections a peer, connections in all.
    limits: connection_limits::Behaviour,
    /// The two channels.
    pub(crate) channels: Channels,
}

impl Behaviour {
    pub(crate) fn new(local: PeerKey, surroundings: Surroundings) -> Self {
        Self {
            allowed: allow_list(),
            limits: connection_limits(&surroundings.config.transport),
            channels: Channels::new(local, surroundings),
        }
    }
}

/// What happened to a peer's channels.
#[derive(Debug)]
pub(crate) enum ChannelsEvent {
    /// Frames may be pushed into `outbox`.
    Opened { peer: PeerKey, outbox: Arc<Outbox> },
    /// The connection of `outbox`, which had opened, is gone.
    Closed {
        peer: PeerKey,
        outbox: Arc<Outbox>,
        reason: DisconnectReason,
    },
    /// The connection ended before its channels opened.
    Refused {
        peer: PeerKey,
        reason: RefusalReason,
    },
}

/// One connection a peer, each with a [`Handler`] and an [`Outbox`]. Of two connections that the same side dialed the newest counts: a
/// peer that lost power comes back so. Of two that both sides dialed, the one of the lower key counts: both sides see it so.
#[derive(Debug)]
pub(crate) struct Channels {
    local: PeerKey,
    surroundings: Surroundings,
    connections: HashMap<ConnectionId, Link>,
    actions: VecDeque<ToSwarm<ChannelsEvent, Infallible>>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Link {
    peer: PeerKey,
    dialer: Dialer,
    outbox: Arc<Outbox>,
    opened: bool,
    /// Why we close it, if it is we.
    reason: Option<DisconnectReason>,
    refusal: Option<RefusalReason>,
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialer {
    /// The side whose part it is to dial.
    First,
    /// The other, because it was not dialed.
    Second,
}

impl Channels {
    fn new(local: PeerKey, surroundings: Surroundings) -> Self {
        Self {
            local,
            surroundings,
            connections: HashMap::new(),
            actions: VecDeque::new(),
            waker: None,
        }
    }

    /// Closes what connections a peer has, for a reason that is reported with [`ChannelsEvent::Closed`].
    pub(crate) fn disconnect(&mut self, peer: PeerKey, reason: DisconnectReason) {
        let Self {
            connections,
            actions,
            waker,
            ..
        } = self;
        for (id, link) in connections.iter_mut().filter(|(_, link)| link.peer == peer) {
            link.reason.get_or_insert(reason);
            actions.extend(close(peer, *id));
        }
        if let Some(waker) = waker.take() {
            waker.wake();
        }
    }

    fn handler(&mut self, connection: ConnectionId, peer: PeerKey, dialer: Dialer) -> Handler {
        let outbox = Arc::new(Outbox::new(
            peer,
            &self.surroundings.config,
            self.surroundings.counters.clone(),
        ));
        self.connections.insert(
            connection,
            Link {
                peer,
                dialer,
                outbox: outbox.clone(),
                opened: false,
                reason: None,
                refusal: None,
            },
        );
        Handler::new(peer, self.surroundings.clone(), outbox)
    }

    fn on_established(&mut self, newest: ConnectionId) {
        let Some((peer, dialer)) = self
            .connections
            .get(&newest)
            .map(|link| (link.peer, link.dialer))
        else {
            return;
        };
        let yields = dialer == Dialer::Second && self.has_first_dial(peer);
        for (id, link) in &mut self.connections {
            // either the newest goes, or all others
            if link.peer == peer && (*id == newest) == yields {
                link.reason.get_or_insert(DisconnectReason::Replaced);
                self.actions.extend(close(peer, *id));
            }
        }
    }

    /// Whether a connection with a peer stands that was dialed by the side whose part it is, and is not being closed.
    fn has_first_dial(&self, peer: PeerKey) -> bool {
        self.connections
            .values()
            .any(|link| link.peer == peer && link.dialer == Dialer::First && link.reason.is_none())
    }

    fn on_closed(&mut self, connection: ConnectionId) {
        let Some(link) = self.connections.remove(&connection) else {
            return;
        };
        link.outbox.close();
        let Link {
            peer,
            outbox,
            opened,
            reason,
            refusal,
            ..
        } = link;
        let event = match (opened, reason) {
            (true, reason) => ChannelsEvent::Closed {
                peer,
                outbox,
                reason: reason.unwrap_or(DisconnectReason::Closed),
            },
            // We changed our mind while the channels were being opened: nobody was refused.
            (
                false,
                Some(
                    DisconnectReason::Removed
                    | DisconnectReason::Replaced
                    | DisconnectReason::Stopped,
                ),
            ) => return,
            (false, _) => ChannelsEvent::Refused {
                peer,
                reason: refusal.unwrap_or(RefusalReason::NotOpened),
            },
        };
        self.actions.push_back(ToSwarm::GenerateEvent(event));
    }
}

impl NetworkBehaviour for Channels {
    type ConnectionHandler = Handler;
    type ToSwarm = ChannelsEvent;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        let peer = peer_key(&peer)?;
        if !dials_first(self.local, peer) {
            return Ok(self.handler(connection, peer, Dialer::First));
        }
        if self.has_first_dial(peer) {
            return Err(ConnectionDenied::new(Redundant));
        }
        Ok(self.handler(connection, peer, Dialer::Second))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        let peer = peer_key(&peer)?;
        let dialer = if dials_first(self.local, peer) {
            Dialer::First
        } else {
            Dialer::Second
        };
        Ok(self.handler(connection, peer, dialer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { connection_id, .. }) => {
                self.on_established(connection_id);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.on_closed(connection_id);
            }
            // Dials and listeners are the driver's.
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        connection: ConnectionId,
        event: HandlerEvent,
    ) {
        let Some(link) = self.connections.get_mut(&connection) else {
            return;
        };
        match event {
            HandlerEvent::Open => {
                link.opened = true;
                self.actions
                    .push_back(ToSwarm::GenerateEvent(ChannelsEvent::Opened {
                        peer: link.peer,
                        outbox: link.outbox.clone(),
                    }));
            }
            HandlerEvent::Refused(reason) => {
                link.refusal.get_or_insert(reason);
                self.actions.extend(close(link.peer, connection));
            }
            HandlerEvent::Failed(reason) => {
                let counters = &self.surroundings.counters;
                match &reason {
                    DisconnectReason::Misbehaved(violation) => {
                        tracing::warn!(peer = %link.peer, %violation, "peer broke a rule");
                        counters.violation(violation);
                    }
                    DisconnectReason::Silent => count(&counters.silent_peers),
                    DisconnectReason::Closed
                    | DisconnectReason::Removed
                    | DisconnectReason::Replaced
                    | DisconnectReason::Stopped => {}
                }
                link.reason.get_or_insert(reason);
                self.actions.extend(close(link.peer, connection));
            }
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<ChannelsEvent, THandlerInEvent<Self>>> {
        match self.actions.pop_front() {
            Some(action) => Poll::Ready(action),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A connection that this side dialed stands already.
#[derive(Debug)]
pub(crate) struct Redundant;

impl fmt::Display for Redundant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a connection dialed by the lower key stands already")
    }
}

impl std::error::Error for Redundant {}

fn peer_key(peer: &PeerId) -> Result<PeerKey, ConnectionDenied> {
    // The allow-list, which is asked first, holds Ed25519 keys only.
    PeerKey::from_peer_id(peer)
        .ok_or_else(|| ConnectionDenied::new(std::io::Error::other("not an ed25519 peer")))
}

fn close<E, H>(peer: PeerKey, connection: ConnectionId) -> Option<ToSwarm<E, H>> {
    Some(ToSwarm::CloseConnection {
        peer_id: peer.peer_id().ok()?,
        connection: CloseConnection::One(connection),
    })
}
