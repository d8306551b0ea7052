use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, RwLock},
};

use bytes::Bytes;
use libp2p::Multiaddr;
use tokio::sync::{mpsc, watch};

use crate::{
    admission::check_admitted,
    channel::Channel,
    config::NetworkConfig,
    driver::{Driver, Shared, Wish, read},
    error::{ConfigError, DisconnectReason, RefusalReason, SendError, StartError},
    handler::Surroundings,
    inbox::{FrameReceiver, Inbox},
    metrics::{Counters, LibraryMetrics, NetworkCounters},
    outbox::Outbox,
    peer::{AdmittedPeer, NetworkSecret, PeerKey},
    swarm::{BuiltSwarm, build},
};

/// Events that may wait for the application.
const EVENTS_MAX: usize = 1024;

/// Starts the network; see [`Network::start`].
#[derive(Debug)]
pub enum Network {}

impl Network {
    /// Listens, dials the admitted peers with higher keys, and after a while those others that did not dial, and keeps doing so until [`NetworkHandle::shutdown`] or until
    /// the last handle is dropped. Must be called on a tokio runtime with I/O and time enabled.
    ///
    /// An entry of `admitted` that is this node itself is ignored, so that all nodes may share one list.
    ///
    /// # Errors
    /// [`StartError`] if the configuration contradicts itself or an address cannot be listened on.
    pub async fn start(
        config: NetworkConfig,
        secret: &NetworkSecret,
        admitted: Vec<AdmittedPeer>,
    ) -> Result<(NetworkHandle, Inbound), StartError> {
        config.check()?;
        let admitted = check_admitted(admitted, &config.transport)?;
        let local = secret.peer_key();
        let inboxes = Channel::ALL.map(|channel| Arc::new(Inbox::new(channel, &config)));
        let surroundings = Surroundings {
            config: Arc::new(config),
            counters: Arc::new(Counters::default()),
            inboxes,
        };
        let BuiltSwarm {
            swarm,
            metrics,
            registry,
        } = build(secret.keypair(), local, surroundings.clone())?;
        let shared = Arc::new(Shared {
            local,
            surroundings,
            connected: RwLock::default(),
            admitted: RwLock::new(BTreeSet::new()),
            listening: RwLock::default(),
            library_metrics: LibraryMetrics::new(registry),
        });
        let (wishes, wishes_receiver) = watch::channel(Wish {
            admitted: Arc::new(admitted),
            stop: false,
        });
        let (events_sender, events) = mpsc::channel(EVENTS_MAX);
        let mut driver = Driver::new(
            swarm,
            metrics,
            shared.clone(),
            wishes_receiver,
            events_sender,
        );
        driver.listen().await?;
        tokio::spawn(driver.run());

        let [consensus, data] = shared.surroundings.inboxes.clone().map(FrameReceiver::new);
        let handle = NetworkHandle {
            shared,
            wishes: Arc::new(wishes),
        };
        Ok((
            handle,
            Inbound {
                consensus,
                data,
                events,
            },
        ))
    }
}

/// What arrives. Each part is bounded and read on its own; see [`FrameReceiver`] for what happens when one is not read.
#[derive(Debug)]
pub struct Inbound {
    /// Frames of [`Channel::Consensus`].
    pub consensus: FrameReceiver,
    /// Frames of [`Channel::Data`].
    pub data: FrameReceiver,
    /// News of peers. When nobody reads them they are dropped and counted; [`NetworkHandle::peers`] is the truth. A peer's
    /// first frame may arrive before the news that it connected.
    pub events: mpsc::Receiver<PeerEvent>,
}

/// News of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// Its channels are open; frames may be sent.
    Connected {
        /// The peer.
        peer: PeerKey,
    },
    /// Its connection ended. If this node is to dial it, it is redialed.
    Disconnected {
        /// The peer.
        peer: PeerKey,
        /// Why.
        reason: DisconnectReason,
    },
    /// A connection was not let in.
    Refused {
        /// Who tried, if the key was proven.
        peer: Option<PeerKey>,
        /// Why.
        reason: RefusalReason,
    },
}

/// How far a broadcast came. Who was skipped must be served otherwise: by a resend, or when its queue has drained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Peers for which the frame is queued.
    pub queued: usize,
    /// Admitted peers for which it is not, and why.
    pub skipped: Vec<(PeerKey, SendError)>,
}

/// The application's hold on the network. Cheap to clone; the network stops when the last clone is dropped.
#[derive(Clone)]
pub struct NetworkHandle {
    shared: Arc<Shared>,
    wishes: Arc<watch::Sender<Wish>>,
}

impl NetworkHandle {
    /// This node's key on the network.
    pub fn local_key(&self) -> PeerKey {
        self.shared.local
    }

    /// Queues a frame for one peer. Does not block. Queued is not delivered: the connection may end first.
    ///
    /// A full consensus queue drops its oldest frame to take this one.
    ///
    /// # Errors
    /// [`SendError::Backpressure`] if the peer's data queue is full, [`SendError::NotConnected`] if it has no open channels;
    /// [`SendError::Empty`] and [`SendError::FrameTooLarge`] are the caller's mistakes.
    pub fn send(&self, peer: PeerKey, channel: Channel, frame: Bytes) -> Result<(), SendError> {
        self.check_frame(channel, &frame)?;
        self.outbox(peer)?.push(channel, frame)
    }

    /// Like [`Self::send`], but waits for room in the data queue. Cancel safe: a cancelled frame was not queued.
    ///
    /// # Errors
    /// As [`Self::send`], without [`SendError::Backpressure`].
    pub async fn send_when_room(
        &self,
        peer: PeerKey,
        channel: Channel,
        frame: Bytes,
    ) -> Result<(), SendError> {
        self.check_frame(channel, &frame)?;
        let outbox = self.outbox(peer)?;
        loop {
            // Created before the attempt, so that room that comes free in between is noticed.
            let drained = outbox.drained();
            match outbox.push(channel, frame.clone()) {
                Err(SendError::Backpressure { .. }) => drained.await,
                settled => return settled,
            }
        }
    }

    /// Queues a frame for every admitted peer.
    ///
    /// # Errors
    /// Only the caller's mistakes; peers that were skipped are in the [`Broadcast`].
    pub fn broadcast(&self, channel: Channel, frame: Bytes) -> Result<Broadcast, SendError> {
        self.check_frame(channel, &frame)?;
        let connected = read(&self.shared.connected);
        let mut report = Broadcast::default();
        for peer in read(&self.shared.admitted).iter() {
            let pushed = match connected.get(peer) {
                Some(outbox) => outbox.push(channel, frame.clone()),
                None => Err(SendError::NotConnected { peer: *peer }),
            };
            match pushed {
                Ok(()) => report.queued += 1,
                Err(error) => report.skipped.push((*peer, error)),
            }
        }
        Ok(report)
    }

    /// Replaces the list of admitted peers. Takes effect soon, in the background: who is no longer on the list is
    /// disconnected and what it sent is dropped; who is new may connect or is dialed; the others do not notice.
    ///
    /// # Errors
    /// [`ConfigError`] if an entry is no key or address, or there are too many; then nothing changes.
    pub fn set_admitted(&self, admitted: Vec<AdmittedPeer>) -> Result<(), ConfigError> {
        let limits = &self.shared.surroundings.config.transport;
        let admitted = Arc::new(check_admitted(admitted, limits)?);
        self.wishes.send_modify(|wish| wish.admitted = admitted);
        Ok(())
    }

    /// Peers with open channels, in the order of their keys.
    pub fn peers(&self) -> Vec<PeerKey> {
        read(&self.shared.connected).keys().copied().collect()
    }

    /// Where this node listens, with the ports that were chosen.
    pub fn listen_addresses(&self) -> Vec<Multiaddr> {
        read(&self.shared.listening).clone()
    }

    /// What was counted since start.
    pub fn counters(&self) -> NetworkCounters {
        self.shared.surroundings.counters.snapshot()
    }

    /// libp2p's own metrics in OpenMetrics text.
    pub fn openmetrics(&self) -> String {
        self.shared.library_metrics.encode()
    }

    /// Closes every connection and listener and returns when that is done, after 2 seconds at the latest. Frames that
    /// wait to be sent are lost and counted; frames that arrived can still be received. A QUIC port may stay bound for a moment longer. Calling it twice is harmless.
    pub async fn shutdown(&self) {
        self.wishes.send_modify(|wish| wish.stop = true);
        // The driver drops its receiver at the very end.
        self.wishes.closed().await;
    }

    fn check_frame(&self, channel: Channel, frame: &Bytes) -> Result<(), SendError> {
        let limit = self
            .shared
            .surroundings
            .config
            .limits(channel)
            .frame_bytes_max;
        if frame.is_empty() {
            return Err(SendError::Empty);
        }
        if frame.len() > limit as usize {
            return Err(SendError::FrameTooLarge {
                channel,
                bytes: frame.len(),
                limit,
            });
        }
        Ok(())
    }

    fn outbox(&self, peer: PeerKey) -> Result<Arc<Outbox>, SendError> {
        read(&self.shared.connected)
            .get(&peer)
            .cloned()
            .ok_or(SendError::NotConnected { peer })
    }
}

impl fmt::Debug for NetworkHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkHandle")
            .field("local", &self.shared.local)
            .finish_non_exhaustive()
    }
}
