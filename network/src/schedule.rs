use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::io::AsyncWrite;

use crate::{
    channel::Channel,
    config::PIECE_BYTES,
    frame::{FrameWriter, Written},
    outbox::Outbox,
};

/// Decides what is written next to one peer: consensus frames as long as there are any, else one piece of data.
///
/// The two channels have streams of their own, so a vote is never behind the rest of a large frame; what may be ahead of
/// it is the data that the transport has already accepted, and that is bounded by the stream's flow-control window.
#[derive(Debug)]
pub(crate) struct Schedule<W> {
    consensus: Lane<W>,
    data: Lane<W>,
}

#[derive(Debug)]
struct Lane<W> {
    channel: Channel,
    stream: W,
    writer: FrameWriter,
    flushed: bool,
}

/// Whether a lane has more to do.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Wrote,
    /// The transport takes no more now.
    Blocked,
    /// Everything was handed over.
    Idle,
}

impl<W: AsyncWrite + Unpin> Schedule<W> {
    pub(crate) fn new(consensus: W, data: W) -> Self {
        Self {
            consensus: Lane::new(Channel::Consensus, consensus),
            data: Lane::new(Channel::Data, data),
        }
    }

    /// Writes as much as the transport takes. The task is woken for more by the transport or by the outbox.
    pub(crate) fn poll_write(&mut self, outbox: &Outbox, cx: &mut Context<'_>) -> io::Result<()> {
        // First, so that a frame pushed while we write is not overlooked.
        outbox.register(cx.waker());
        loop {
            match self.consensus.write_piece(outbox, cx)? {
                Progress::Wrote => continue,
                Progress::Blocked => return Ok(()),
                Progress::Idle => {}
            }
            match self.data.write_piece(outbox, cx)? {
                Progress::Wrote => continue,
                // A frame that came meanwhile is written now, not at the next wake-up.
                Progress::Blocked | Progress::Idle if outbox.has(Channel::Consensus) => continue,
                Progress::Blocked | Progress::Idle => return Ok(()),
            }
        }
    }

    /// Has a sign of life written, if nothing else is to be written on the consensus stream.
    pub(crate) fn heartbeat(&mut self) {
        self.consensus.writer.heartbeat();
    }
}

impl<W: AsyncWrite + Unpin> Lane<W> {
    fn new(channel: Channel, stream: W) -> Self {
        Self {
            channel,
            stream,
            writer: FrameWriter::new(PIECE_BYTES),
            flushed: true,
        }
    }

    fn write_piece(&mut self, outbox: &Outbox, cx: &mut Context<'_>) -> io::Result<Progress> {
        let next = || outbox.pop(self.channel);
        match self.writer.poll_piece(&mut self.stream, cx, next) {
            Poll::Ready(Ok(Written::Piece)) => {
                self.flushed = false;
                Ok(Progress::Wrote)
            }
            Poll::Ready(Ok(Written::Idle)) => {
                if !self.flushed {
                    self.flushed = match Pin::new(&mut self.stream).poll_flush(cx) {
                        Poll::Ready(result) => result.map(|()| true)?,
                        Poll::Pending => false,
                    };
                }
                Ok(Progress::Idle)
            }
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Ok(Progress::Blocked),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use futures::task::noop_waker;

    use super::*;
    use crate::{
        channel::NetworkId, config::NetworkConfig, metrics::Counters, outbox::lock, peer::PeerKey,
    };

    /// Both streams write into one wire, which takes a number of writes and then blocks.
    #[derive(Clone)]
    struct Wire {
        channel: Channel,
        shared: Arc<Mutex<Taken>>,
    }

    #[derive(Default)]
    struct Taken {
        writes_left: usize,
        pieces: Vec<(Channel, usize)>,
    }

    impl AsyncWrite for Wire {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            piece: &[u8],
        ) -> Poll<io::Result<usize>> {
            let mut shared = lock(&self.shared);
            if shared.writes_left == 0 {
                return Poll::Pending;
            }
            shared.writes_left -= 1;
            shared.pieces.push((self.channel, piece.len()));
            Poll::Ready(Ok(piece.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    struct Fixture {
        outbox: Outbox,
        schedule: Schedule<Wire>,
        wire: Wire,
    }

    impl Fixture {
        fn new() -> Self {
            let config = NetworkConfig::new(NetworkId::new([0; 32]), Vec::new());
            let wire = Wire {
                channel: Channel::Data,
                shared: Arc::default(),
            };
            let consensus = Wire {
                channel: Channel::Consensus,
                ..wire.clone()
            };
            Self {
                outbox: Outbox::new(
                    PeerKey::new([1; 32]),
                    &config,
                    Arc::new(Counters::default()),
                ),
                schedule: Schedule::new(consensus, wire.clone()),
                wire,
            }
        }

        fn push(&self, channel: Channel, bytes: usize) {
            self.outbox
                .push(channel, Bytes::from(vec![1; bytes]))
                .expect("room");
        }

        /// Lets the wire take some writes, and returns what it took.
        fn take(&mut self, writes: usize) -> Vec<(Channel, usize)> {
            lock(&self.wire.shared).writes_left = writes;
            let waker = noop_waker();
            self.schedule
                .poll_write(&self.outbox, &mut Context::from_waker(&waker))
                .expect("the wire never fails");
            std::mem::take(&mut lock(&self.wire.shared).pieces)
        }
    }

    /// Trap: transactions starving votes of bandwidth. A vote queued in the middle of a large data frame goes out before
    /// the frame's next piece.
    #[test]
    fn trap_a_vote_overtakes_a_data_frame_that_is_being_written() {
        let mut fixture = Fixture::new();
        fixture.push(Channel::Data, 3 * PIECE_BYTES);

        let before = fixture.take(1);
        fixture.push(Channel::Consensus, 200);
        let after = fixture.take(10);

        assert_eq!(before, [(Channel::Data, PIECE_BYTES)]);
        assert_eq!(after.first(), Some(&(Channel::Consensus, 204)));
        assert_eq!(
            after[1..]
                .iter()
                .map(|(channel, bytes)| {
                    assert_eq!(*channel, Channel::Data);
                    bytes
                })
                .sum::<usize>(),
            2 * PIECE_BYTES + 4
        );
    }

    #[test]
    fn no_piece_of_data_is_larger_than_16_kib() {
        let mut fixture = Fixture::new();
        fixture.push(Channel::Data, 1 << 20);

        let pieces = fixture.take(1000);

        assert!(pieces.iter().all(|(_, bytes)| *bytes <= 16 * 1024));
        assert_eq!(
            pieces.iter().map(|(_, bytes)| bytes).sum::<usize>(),
            (1 << 20) + 4
        );
    }

    /// As long as the peer takes no votes it gets no data either.
    #[test]
    fn data_waits_while_a_consensus_frame_is_blocked() {
        let mut fixture = Fixture::new();
        fixture.push(Channel::Consensus, 5 * PIECE_BYTES);
        fixture.push(Channel::Data, 10);

        let first = fixture.take(3);
        let rest = fixture.take(10);

        assert!(
            first
                .iter()
                .all(|(channel, _)| *channel == Channel::Consensus)
        );
        assert_eq!(rest.last(), Some(&(Channel::Data, 14)));
    }

    #[test]
    fn small_votes_share_one_write() {
        let mut fixture = Fixture::new();
        for _ in 0..10 {
            fixture.push(Channel::Consensus, 200);
        }

        assert_eq!(fixture.take(10), [(Channel::Consensus, 10 * 204)]);
    }

    #[test]
    fn a_heartbeat_is_written_only_when_the_stream_is_idle() {
        let mut fixture = Fixture::new();

        fixture.schedule.heartbeat();
        assert_eq!(fixture.take(10), [(Channel::Consensus, 4)]);

        fixture.push(Channel::Consensus, 2 * PIECE_BYTES);
        fixture.take(1);
        fixture.schedule.heartbeat();
        let total: usize = fixture.take(10).iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(total, PIECE_BYTES + 4);
    }
}
