//! A frame is its length as four little-endian bytes, then its content. Length zero is a heartbeat.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::io::{AsyncRead, AsyncWrite};

/// Bytes of the length in front of each frame.
pub(crate) const HEADER_BYTES: usize = 4;

/// A frame's buffer starts at most this large and doubles as bytes arrive, so that a claimed length costs nothing.
const FIRST_BUFFER_BYTES: usize = 16 * 1024;

/// What [`FrameReader::poll_read`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Frame(Bytes),
    Heartbeat,
}

/// The stream cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("a frame of {claimed} bytes was announced")]
    Oversize { claimed: u32 },
    #[error("the stream ended")]
    Ended,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads frames off one stream.
#[derive(Debug)]
pub(crate) struct FrameReader {
    frame_bytes_max: u32,
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    body: Vec<u8>,
    body_filled: usize,
}

impl FrameReader {
    pub(crate) fn new(frame_bytes_max: u32) -> Self {
        Self {
            frame_bytes_max,
            header: [0; HEADER_BYTES],
            header_filled: 0,
            body: Vec::new(),
            body_filled: 0,
        }
    }

    /// Reads until a frame or heartbeat is complete, the stream has nothing more, or `budget` bytes were read; in the
    /// last case the task is woken at once, so that other work has its turn. `budget` is lowered by what was read.
    pub(crate) fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        stream: &mut R,
        cx: &mut Context<'_>,
        budget: &mut usize,
    ) -> Poll<Result<Incoming, ReadError>> {
        loop {
            if *budget == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let space = if self.header_filled < HEADER_BYTES {
                &mut self.header[self.header_filled..]
            } else {
                &mut self.body[self.body_filled..]
            };
            let read = ready!(Pin::new(&mut *stream).poll_read(cx, space))?;
            if read == 0 {
                return Poll::Ready(Err(ReadError::Ended));
            }
            *budget = budget.saturating_sub(read);
            if let Some(incoming) = self.advance(read)? {
                return Poll::Ready(Ok(incoming));
            }
        }
    }

    /// Takes note of `read` bytes that arrived where [`Self::poll_read`] asked for them.
    fn advance(&mut self, read: usize) -> Result<Option<Incoming>, ReadError> {
        let claimed;
        if self.header_filled < HEADER_BYTES {
            self.header_filled += read;
            if self.header_filled < HEADER_BYTES {
                return Ok(None);
            }
            claimed = u32::from_le_bytes(self.header);
            if claimed > self.frame_bytes_max {
                return Err(ReadError::Oversize { claimed });
            }
            if claimed == 0 {
                self.header_filled = 0;
                return Ok(Some(Incoming::Heartbeat));
            }
        } else {
            self.body_filled += read;
            claimed = u32::from_le_bytes(self.header);
        }
        if self.body_filled == claimed as usize {
            self.header_filled = 0;
            self.body_filled = 0;
            return Ok(Some(Incoming::Frame(Bytes::from(std::mem::take(
                &mut self.body,
            )))));
        }
        if self.body_filled == self.body.len() {
            let larger = (claimed as usize).min((self.body.len() * 2).max(FIRST_BUFFER_BYTES));
            self.body.reserve_exact(larger - self.body.len());
            self.body.resize(larger, 0);
        }
        Ok(None)
    }
}

/// What one step of [`FrameWriter::poll_piece`] did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// A piece, or part of one, was handed over.
    Piece,
    /// There is nothing to write.
    Idle,
}

/// Writes frames to one stream in pieces. Small frames share a piece, large ones take several.
#[derive(Debug)]
pub(crate) struct FrameWriter {
    piece_bytes: usize,
    piece: Vec<u8>,
    piece_sent: usize,
    rest: Bytes,
}

impl FrameWriter {
    pub(crate) fn new(piece_bytes: usize) -> Self {
        Self {
            piece_bytes,
            piece: Vec::with_capacity(piece_bytes),
            piece_sent: 0,
            rest: Bytes::new(),
        }
    }

    /// Writes one piece, made of what `next` yields; `next` must not yield empty frames.
    pub(crate) fn poll_piece<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        cx: &mut Context<'_>,
        next: impl FnMut() -> Option<Bytes>,
    ) -> Poll<io::Result<Written>> {
        if self.piece_sent == self.piece.len() {
            self.fill(next);
            if self.piece.is_empty() {
                return Poll::Ready(Ok(Written::Idle));
            }
        }
        let written = ready!(Pin::new(stream).poll_write(cx, &self.piece[self.piece_sent..]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.piece_sent += written;
        Poll::Ready(Ok(Written::Piece))
    }

    /// Puts a heartbeat in the place of the next piece, unless there is something to write anyway.
    pub(crate) fn heartbeat(&mut self) {
        if self.piece_sent == self.piece.len() && self.rest.is_empty() {
            self.piece.clear();
            self.piece_sent = 0;
            self.piece.extend_from_slice(&[0; HEADER_BYTES]);
        }
    }

    fn fill(&mut self, mut next: impl FnMut() -> Option<Bytes>) {
        self.piece.clear();
        self.piece_sent = 0;
        loop {
            let room = self.piece_bytes - self.piece.len();
            let part = self.rest.split_to(self.rest.len().min(room));
            self.piece.extend_from_slice(&part);
            if self.piece_bytes - self.piece.len() <= HEADER_BYTES {
                return;
            }
            let Some(frame) = next() else { return };
            let length = u32::try_from(frame.len()).expect("the outbox bounds frames by a u32");
            self.piece.extend_from_slice(&length.to_le_bytes());
            self.rest = frame;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures::task::noop_waker;

    use super::*;

    fn poll_all(reader: &mut FrameReader, mut wire: &[u8]) -> Vec<Result<Incoming, ReadError>> {
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let mut found = Vec::new();
        while !wire.is_empty() {
            match reader.poll_read(&mut wire, &mut cx, &mut usize::MAX.clone()) {
                Poll::Ready(Ok(incoming)) => found.push(Ok(incoming)),
                Poll::Ready(Err(ReadError::Ended)) => break,
                Poll::Ready(Err(error)) => {
                    found.push(Err(error));
                    break;
                }
                Poll::Pending => panic!("a slice is never pending"),
            }
        }
        found
    }

    fn write_all(frames: Vec<Bytes>, piece_bytes: usize) -> Vec<Vec<u8>> {
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let mut frames = VecDeque::from(frames);
        let mut writer = FrameWriter::new(piece_bytes);
        let mut pieces = Vec::new();
        loop {
            let mut piece = Vec::new();
            match writer.poll_piece(&mut piece, &mut cx, || frames.pop_front()) {
                Poll::Ready(Ok(Written::Piece)) => pieces.push(piece),
                Poll::Ready(Ok(Written::Idle)) => return pieces,
                other => panic!("a vector takes everything: {other:?}"),
            }
        }
    }

    /// Lengths around the piece size, and small frames that share a piece.
    #[test]
    fn frames_survive_being_cut_into_pieces() {
        let frames: Vec<Bytes> = [1, 3, 4, 27, 28, 29, 60, 64, 100, 1]
            .into_iter()
            .enumerate()
            .map(|(index, length)| Bytes::from(vec![index as u8; length]))
            .collect();

        let pieces = write_all(frames.clone(), 32);

        assert!(pieces.iter().all(|piece| piece.len() <= 32));
        let received: Vec<Bytes> = poll_all(&mut FrameReader::new(100), &pieces.concat())
            .into_iter()
            .map(|incoming| match incoming {
                Ok(Incoming::Frame(frame)) => frame,
                other => panic!("a frame was expected: {other:?}"),
            })
            .collect();
        assert_eq!(received, frames);
    }

    #[test]
    fn a_frame_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        let fits = write_all(vec![Bytes::from(vec![1; 100])], 64).concat();
        let exceeds = write_all(vec![Bytes::from(vec![1; 101])], 64).concat();

        assert!(matches!(
            poll_all(&mut FrameReader::new(100), &fits)[..],
            [Ok(Incoming::Frame(_))]
        ));
        assert!(matches!(
            poll_all(&mut FrameReader::new(100), &exceeds)[..],
            [Err(ReadError::Oversize { claimed: 101 })]
        ));
    }

    /// A peer that announces four MiB and sends ten bytes occupies one first buffer, not four MiB.
    #[test]
    fn a_claimed_length_allocates_nothing_before_its_bytes_arrive() {
        let mut reader = FrameReader::new(4 << 20);
        let mut wire = (4u32 << 20).to_le_bytes().to_vec();
        wire.extend_from_slice(&[1; 10]);

        assert!(poll_all(&mut reader, &wire).is_empty());
        assert_eq!(reader.body.capacity(), FIRST_BUFFER_BYTES);

        poll_all(&mut reader, &vec![1; 1 << 20]);
        assert!(reader.body.capacity() <= 2 << 20);
    }

    #[test]
    fn a_heartbeat_is_no_frame_and_disturbs_none() {
        let mut wire = vec![0; HEADER_BYTES];
        wire.extend(write_all(vec![Bytes::from_static(b"vote")], 64).concat());
        wire.extend([0; HEADER_BYTES]);

        let found = poll_all(&mut FrameReader::new(100), &wire);

        assert!(matches!(
            &found[..],
            [Ok(Incoming::Heartbeat), Ok(Incoming::Frame(frame)), Ok(Incoming::Heartbeat)] if frame == "vote"
        ));
    }

    #[test]
    fn a_heartbeat_never_splits_a_frame_in_the_making() {
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let mut writer = FrameWriter::new(16);
        let mut frames = VecDeque::from([Bytes::from(vec![7; 40])]);
        let mut wire = Vec::new();

        while let Poll::Ready(Ok(Written::Piece)) =
            writer.poll_piece(&mut wire, &mut cx, || frames.pop_front())
        {
            if !writer.rest.is_empty() {
                writer.heartbeat();
            }
        }

        assert!(matches!(
            &poll_all(&mut FrameReader::new(100), &wire)[..],
            [Ok(Incoming::Frame(frame))] if frame.len() == 40
        ));
    }

    /// Reading stops at the budget and goes on where it stopped.
    #[test]
    fn a_spent_budget_pauses_without_losing_bytes() {
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        let wire = write_all(vec![Bytes::from(vec![5; 50_000])], 16_384).concat();
        let mut stream = &wire[..];
        let mut reader = FrameReader::new(50_000);

        let mut budget = 20_000;
        assert!(
            reader
                .poll_read(&mut stream, &mut cx, &mut budget)
                .is_pending()
        );
        assert_eq!(budget, 0);

        let mut budget = usize::MAX;
        assert!(matches!(
            reader.poll_read(&mut stream, &mut cx, &mut budget),
            Poll::Ready(Ok(Incoming::Frame(frame))) if frame.len() == 50_000
        ));
    }
}
