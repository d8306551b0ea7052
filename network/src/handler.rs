use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::future::{Ready, ready};
use libp2p::{
    Stream,
    core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo},
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::{
    channel::{Channel, ChannelProtocol},
    config::NetworkConfig,
    error::{DisconnectReason, RefusalReason, Violation},
    frame::{FrameReader, Incoming, ReadError},
    inbox::Inbox,
    metrics::Counters,
    outbox::Outbox,
    peer::PeerKey,
    schedule::Schedule,
};

/// Bytes read from one stream before the others have their turn.
const READ_BUDGET_BYTES: usize = 256 * 1024;

/// What every connection's handler needs of its node.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) config: Arc<NetworkConfig>,
    pub(crate) counters: Arc<Counters>,
    /// By [`Channel::index`].
    pub(crate) inboxes: [Arc<Inbox>; 2],
}

/// What a handler tells the behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandlerEvent {
    /// All four streams are open: frames may flow.
    Open,
    /// They will never be; the connection is to be closed.
    Refused(RefusalReason),
    /// They were open; the connection is to be closed.
    Failed(DisconnectReason),
}

/// Drives the four streams of one connection: a stream a channel in each direction.
#[derive(Debug)]
pub(crate) struct Handler {
    peer: PeerKey,
    surroundings: Surroundings,
    outbox: Arc<Outbox>,
    events: VecDeque<HandlerEvent>,
    /// Streams to be requested, in order.
    to_request: VecDeque<Channel>,
    outgoing: [Option<Stream>; 2],
    incoming: [Option<IncomingStream>; 2],
    phase: Phase,
    opened_at: Instant,
    heard_at: Instant,
    tick: Interval,
}

#[derive(Debug)]
enum Phase {
    /// Streams are being negotiated.
    Opening,
    Open(Box<Schedule<Stream>>),
    /// The behaviour was told to close the connection; nothing is read or written any more.
    Ended,
}

#[derive(Debug)]
struct IncomingStream {
    stream: Stream,
    reader: FrameReader,
    /// A frame the inbox has no room for. While there is one, nothing more is read.
    held: Option<Bytes>,
}

impl Handler {
    pub(crate) fn new(peer: PeerKey, surroundings: Surroundings, outbox: Arc<Outbox>) -> Self {
        let mut tick = interval(surroundings.config.transport.heartbeat_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            peer,
            surroundings,
            outbox,
            events: VecDeque::new(),
            to_request: VecDeque::from(Channel::ALL),
            outgoing: [None, None],
            incoming: [None, None],
            phase: Phase::Opening,
            opened_at: Instant::now(),
            heard_at: Instant::now(),
            tick,
        }
    }

    fn protocol(&self, channel: Channel) -> ChannelProtocol {
        ChannelProtocol::new(self.surroundings.config.network, channel)
    }

    fn handshake_timeout(&self) -> Duration {
        self.surroundings.config.transport.handshake_timeout
    }

    /// Ends the connection once; what follows the first reason is a consequence of it.
    fn refuse(&mut self, reason: RefusalReason) {
        if matches!(self.phase, Phase::Opening) {
            self.phase = Phase::Ended;
            self.events.push_back(HandlerEvent::Refused(reason));
        }
    }

    fn fail(&mut self, reason: DisconnectReason) {
        if !matches!(self.phase, Phase::Ended) {
            self.phase = Phase::Ended;
            self.events.push_back(HandlerEvent::Failed(reason));
        }
    }

    fn on_inbound(&mut self, channel: Channel, stream: Stream) {
        let place = &mut self.incoming[channel.index()];
        if place.is_some() {
            self.fail(DisconnectReason::Misbehaved(Violation::ExtraStream {
                channel,
            }));
            return;
        }
        let limit = self.surroundings.config.limits(channel).frame_bytes_max;
        *place = Some(IncomingStream {
            stream,
            reader: FrameReader::new(limit),
            held: None,
        });
        self.open_if_complete();
    }

    fn on_outbound(&mut self, channel: Channel, stream: Stream) {
        self.outgoing[channel.index()] = Some(stream);
        self.open_if_complete();
    }

    fn open_if_complete(&mut self) {
        if !matches!(self.phase, Phase::Opening) || self.incoming.iter().any(Option::is_none) {
            return;
        }
        match std::mem::take(&mut self.outgoing) {
            [Some(consensus), Some(data)] => {
                self.phase = Phase::Open(Box::new(Schedule::new(consensus, data)));
                self.heard_at = Instant::now();
                self.events.push_back(HandlerEvent::Open);
            }
            incomplete => self.outgoing = incomplete,
        }
    }

    fn on_outbound_failure(&mut self, error: &StreamUpgradeError<Infallible>) {
        match error {
            StreamUpgradeError::NegotiationFailed => self.refuse(RefusalReason::ForeignNetwork),
            StreamUpgradeError::Timeout | StreamUpgradeError::Io(_) => {
                self.refuse(RefusalReason::NotOpened);
            }
            StreamUpgradeError::Apply(never) => match *never {},
        }
    }

    /// Heartbeats, and the two ways in which time ends a connection.
    fn on_tick(&mut self) {
        match &mut self.phase {
            Phase::Opening => {
                if self.opened_at.elapsed() > self.handshake_timeout() {
                    self.refuse(RefusalReason::NotOpened);
                }
            }
            Phase::Open(schedule) => {
                schedule.heartbeat();
                let consensus = &self.incoming[Channel::Consensus.index()];
                if consensus
                    .as_ref()
                    .is_some_and(|stream| stream.held.is_some())
                {
                    // We do not listen, so the peer cannot be called silent.
                    self.heard_at = Instant::now();
                } else if self.heard_at.elapsed()
                    > self.surroundings.config.transport.silence_timeout
                {
                    self.fail(DisconnectReason::Silent);
                }
            }
            Phase::Ended => {}
        }
    }

    fn read(&mut self, channel: Channel, cx: &mut Context<'_>) -> Result<(), DisconnectReason> {
        let Some(incoming) = &mut self.incoming[channel.index()] else {
            return Ok(());
        };
        let inbox = &self.surroundings.inboxes[channel.index()];
        let meter = self.surroundings.counters.channel(channel);
        let mut budget = READ_BUDGET_BYTES;
        loop {
            if let Some(frame) = incoming.held.take()
                && let Err(frame) = inbox.push(self.peer, frame, cx)
            {
                incoming.held = Some(frame);
                return Ok(());
            }
            let before = budget;
            let polled = incoming
                .reader
                .poll_read(&mut incoming.stream, cx, &mut budget);
            if budget < before {
                self.heard_at = Instant::now();
            }
            match polled {
                Poll::Ready(Ok(Incoming::Frame(frame))) => {
                    meter.received(frame.len());
                    incoming.held = Some(frame);
                }
                Poll::Ready(Ok(Incoming::Heartbeat)) => {}
                Poll::Ready(Err(ReadError::Oversize { claimed })) => {
                    let limit = self.surroundings.config.limits(channel).frame_bytes_max;
                    return Err(DisconnectReason::Misbehaved(Violation::Oversize {
                        channel,
                        claimed,
                        limit,
                    }));
                }
                Poll::Ready(Err(ReadError::Ended | ReadError::Io(_))) => {
                    return Err(DisconnectReason::Closed);
                }
                Poll::Pending => return Ok(()),
            }
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        while self.tick.poll_tick(cx).is_ready() {
            self.on_tick();
        }
        let Phase::Open(schedule) = &mut self.phase else {
            return;
        };
        let outcome = schedule
            .poll_write(&self.outbox, cx)
            .map_err(|_| DisconnectReason::Closed)
            .and_then(|()| self.read(Channel::Consensus, cx))
            .and_then(|()| self.read(Channel::Data, cx));
        if let Err(reason) = outcome {
            self.fail(reason);
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = HandlerEvent;
    type InboundProtocol = ChannelUpgrade;
    type OutboundProtocol = ChannelUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<ChannelUpgrade> {
        let protocols = ChannelProtocol::both(self.surroundings.config.network).to_vec();
        SubstreamProtocol::new(ChannelUpgrade { protocols }, ())
            .with_timeout(self.handshake_timeout())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, ChannelUpgrade, ChannelUpgrade>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (channel, stream),
                ..
            }) => self.on_inbound(channel, stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: (channel, stream),
                ..
            }) => self.on_outbound(channel, stream),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.on_outbound_failure(&error);
            }
            // Which protocols either side lists does not matter; whether the streams open does.
            _ => {}
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ChannelUpgrade, (), HandlerEvent>> {
        if self.events.is_empty() {
            self.drive(cx);
        }
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if let Some(channel) = self.to_request.pop_front() {
            let protocols = vec![self.protocol(channel)];
            let protocol = SubstreamProtocol::new(ChannelUpgrade { protocols }, ())
                .with_timeout(self.handshake_timeout());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }
}

/// Agrees on one of some channels, and does nothing else with the stream.
#[derive(Clone, Debug)]
pub(crate) struct ChannelUpgrade {
    protocols: Vec<ChannelProtocol>,
}

impl UpgradeInfo for ChannelUpgrade {
    type Info = ChannelProtocol;
    type InfoIter = std::vec::IntoIter<ChannelProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.protocols.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for ChannelUpgrade {
    type Output = (Channel, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: ChannelProtocol) -> Self::Future {
        ready(Ok((protocol.channel, stream)))
    }
}

impl OutboundUpgrade<Stream> for ChannelUpgrade {
    type Output = (Channel, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: ChannelProtocol) -> Self::Future {
        ready(Ok((protocol.channel, stream)))
    }
}
