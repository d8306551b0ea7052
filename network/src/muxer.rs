//! Yamux under libp2p with a receive window of our choosing.
//!
//! `libp2p-yamux` keeps the yamux crate's limit of 1 GiB a connection private, so it cannot be lowered; and it parks up to 256
//! inbound streams. This adapter is the same thing with the window set and the parking bounded by the stream limit.

use std::{
    collections::VecDeque,
    future::{Ready, ready},
    io, iter,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures::io::{AsyncRead, AsyncWrite};
use libp2p::core::{
    muxing::{StreamMuxer, StreamMuxerEvent},
    upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
};
use yamux::{Connection, ConnectionError, Mode};

use crate::config::STREAMS_MAX;

/// Negotiates yamux on an authenticated connection.
#[derive(Clone, Debug)]
pub(crate) struct MuxerConfig(yamux::Config);

impl MuxerConfig {
    /// At most `window_bytes` of a peer's bytes wait to be read, on all its streams together.
    pub(crate) fn new(window_bytes: u32) -> Self {
        let mut config = yamux::Config::default();
        config
            .set_max_num_streams(STREAMS_MAX)
            .set_max_connection_receive_window(Some(window_bytes as usize));
        Self(config)
    }
}

impl UpgradeInfo for MuxerConfig {
    type Info = &'static str;
    type InfoIter = iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C>
    for MuxerConfig
{
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_inbound(self, io: C, _: Self::Info) -> Self::Future {
        ready(Ok(Muxer::new(Connection::new(io, self.0, Mode::Server))))
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C>
    for MuxerConfig
{
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_outbound(self, io: C, _: Self::Info) -> Self::Future {
        ready(Ok(Muxer::new(Connection::new(io, self.0, Mode::Client))))
    }
}

/// A yamux connection as libp2p drives it.
#[derive(Debug)]
pub(crate) struct Muxer<C> {
    connection: Connection<C>,
    /// Streams that arrived while only existing ones were driven: yamux can make progress in no other way than by
    /// polling for inbound streams. It ends the connection itself when a peer opens more than [`STREAMS_MAX`].
    arrived: VecDeque<yamux::Stream>,
    accepting: Option<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn new(connection: Connection<C>) -> Self {
        Self {
            connection,
            arrived: VecDeque::new(),
            accepting: None,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        self.connection.poll_next_inbound(cx).map(|next| {
            next.unwrap_or(Err(ConnectionError::Closed))
                .map_err(into_io)
        })
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + 'static> StreamMuxer for Muxer<C> {
    type Substream = yamux::Stream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        if let Some(stream) = self.arrived.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let polled = self.poll_next(cx);
        if polled.is_pending() {
            self.accepting = Some(cx.waker().clone());
        }
        polled
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        self.connection.poll_new_outbound(cx).map_err(into_io)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.poll_close(cx).map_err(into_io)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        while let Poll::Ready(stream) = self.poll_next(cx)? {
            if self.arrived.len() >= STREAMS_MAX {
                return Poll::Ready(Err(into_io(ConnectionError::TooManyStreams)));
            }
            self.arrived.push_back(stream);
            if let Some(accepting) = self.accepting.take() {
                accepting.wake();
            }
        }
        Poll::Pending
    }
}

fn into_io(error: ConnectionError) -> io::Error {
    match error {
        ConnectionError::Io(error) => error,
        other => io::Error::other(other),
    }
}
