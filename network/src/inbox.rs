use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use crate::{
    channel::Channel,
    config::{ChannelLimits, NetworkConfig},
    outbox::lock,
    peer::PeerKey,
};

/// A frame as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundFrame {
    /// Who sent it; authenticated.
    pub peer: PeerKey,
    /// On which channel.
    pub channel: Channel,
    /// Its content, within the channel's limit. Never empty.
    pub bytes: Bytes,
}

/// The application's end of one channel: the frames of all peers, in order for each peer, taking turns between peers.
///
/// A receiver that is not read is the slow path by design: once a peer's share of the inbox is full, its stream is not
/// read any more, the peer's own queue fills, and its application gets [`crate::SendError::Backpressure`]. The other channel
/// is not affected. Dropping the receiver discards what arrives.
#[derive(Debug)]
pub struct FrameReceiver {
    inbox: Arc<Inbox>,
}

impl FrameReceiver {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox }
    }

    /// The next frame; `None` once the network has shut down and every frame was taken. Cancel safe.
    pub async fn recv(&mut self) -> Option<InboundFrame> {
        poll_fn(|cx| self.inbox.poll_pop(cx)).await
    }

    /// The next frame if one waits already.
    pub fn try_recv(&mut self) -> Option<InboundFrame> {
        self.inbox.pop()
    }
}

impl Drop for FrameReceiver {
    fn drop(&mut self) {
        self.inbox.abandon();
    }
}

/// Frames of one channel that wait for the application: one bounded queue a peer, served in turns, so that a peer that
/// floods us delays only itself.
#[derive(Debug)]
pub(crate) struct Inbox {
    channel: Channel,
    limits: ChannelLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Peers with frames, never an empty queue.
    queues: HashMap<PeerKey, Queue>,
    /// The same peers, in the order of their turns.
    turns: VecDeque<PeerKey>,
    reader: Option<Waker>,
    phase: Phase,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// The connection that waits for room.
    writer: Option<Waker>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// Nothing more will arrive.
    Finished,
    /// Nobody will read.
    Abandoned,
}

impl Inbox {
    pub(crate) fn new(channel: Channel, config: &NetworkConfig) -> Self {
        Self {
            channel,
            limits: *config.limits(channel),
            state: Mutex::default(),
        }
    }

    /// Takes one frame in. If the peer's share is full the frame comes back, and the task is woken when there is room.
    pub(crate) fn push(
        &self,
        peer: PeerKey,
        frame: Bytes,
        cx: &mut Context<'_>,
    ) -> Result<(), Bytes> {
        let mut state = lock(&self.state);
        if state.phase != Phase::Open {
            return Ok(());
        }
        let State { queues, turns, .. } = &mut *state;
        let queue = queues.entry(peer).or_default();
        if queue.frames.len() >= self.limits.inbox_frames_max
            || queue.bytes + frame.len() > self.limits.inbox_bytes_max
        {
            queue.writer = Some(cx.waker().clone());
            return Err(frame);
        }
        if queue.frames.is_empty() {
            turns.push_back(peer);
        }
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// Drops what a peer sent that is not admitted any more.
    pub(crate) fn purge(&self, peer: &PeerKey) {
        let mut state = lock(&self.state);
        state.turns.retain(|turn| turn != peer);
        let queue = state.queues.remove(peer);
        drop(state);
        if let Some(writer) = queue.and_then(|queue| queue.writer) {
            writer.wake();
        }
    }

    /// The network shuts down: the reader may take what is there, then gets `None`.
    pub(crate) fn finish(&self) {
        let mut state = lock(&self.state);
        if state.phase == Phase::Open {
            state.phase = Phase::Finished;
        }
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    fn abandon(&self) {
        let mut state = lock(&self.state);
        let queues = std::mem::take(&mut *state).queues;
        state.phase = Phase::Abandoned;
        drop(state);
        for writer in queues.into_values().filter_map(|queue| queue.writer) {
            writer.wake();
        }
    }

    fn pop(&self) -> Option<InboundFrame> {
        let mut state = lock(&self.state);
        let (frame, writer) = state.pop()?;
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
        let (peer, bytes) = frame;
        Some(InboundFrame {
            peer,
            channel: self.channel,
            bytes,
        })
    }

    fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<InboundFrame>> {
        let mut state = lock(&self.state);
        if let Some(((peer, bytes), writer)) = state.pop() {
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            let channel = self.channel;
            return Poll::Ready(Some(InboundFrame {
                peer,
                channel,
                bytes,
            }));
        }
        if state.phase != Phase::Open {
            return Poll::Ready(None);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl State {
    /// The next peer's oldest frame, and who waits for the room it leaves.
    fn pop(&mut self) -> Option<((PeerKey, Bytes), Option<Waker>)> {
        let peer = self.turns.pop_front()?;
        let queue = self
            .queues
            .get_mut(&peer)
            .expect("every peer with a turn has a queue");
        let frame = queue
            .frames
            .pop_front()
            .expect("a queue in the map is not empty");
        queue.bytes -= frame.len();
        let writer = queue.writer.take();
        if queue.frames.is_empty() {
            self.queues.remove(&peer);
        } else {
            self.turns.push_back(peer);
        }
        Some(((peer, frame), writer))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::task::{ArcWake, noop_waker, waker};

    use super::*;
    use crate::channel::NetworkId;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl ArcWake for Wakes {
        fn wake_by_ref(this: &Arc<Self>) {
            this.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn inbox(frames: usize) -> Arc<Inbox> {
        let mut config = NetworkConfig::new(NetworkId::new([0; 32]), Vec::new());
        config.data.inbox_frames_max = frames;
        Arc::new(Inbox::new(Channel::Data, &config))
    }

    fn peer(tag: u8) -> PeerKey {
        PeerKey::new([tag; 32])
    }

    /// A flood of one peer does not delay another's single frame by more than one turn.
    #[test]
    fn peers_take_turns() {
        let inbox = inbox(100);
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        for _ in 0..50 {
            inbox
                .push(peer(1), Bytes::from_static(b"flood"), &mut cx)
                .expect("room");
        }
        inbox
            .push(peer(2), Bytes::from_static(b"vote"), &mut cx)
            .expect("room");

        let order: Vec<PeerKey> = (0..3)
            .filter_map(|_| inbox.pop())
            .map(|frame| frame.peer)
            .collect();

        assert_eq!(order, [peer(1), peer(2), peer(1)]);
    }

    #[test]
    fn a_full_share_gives_the_frame_back_and_wakes_its_peer_when_there_is_room() {
        let inbox = inbox(1);
        let wakes = Arc::new(Wakes::default());
        let waker = waker(wakes.clone());
        let mut cx = Context::from_waker(&waker);
        inbox
            .push(peer(1), Bytes::from_static(b"a"), &mut cx)
            .expect("room");

        let back = inbox.push(peer(1), Bytes::from_static(b"b"), &mut cx);

        assert_eq!(back, Err(Bytes::from_static(b"b")));
        inbox
            .push(peer(2), Bytes::from_static(b"c"), &mut cx)
            .expect("another peer has its own share");
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
        inbox.pop();
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn frames_of_a_removed_peer_are_dropped() {
        let inbox = inbox(10);
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        for tag in [1, 2, 1] {
            inbox
                .push(peer(tag), Bytes::from_static(b"x"), &mut cx)
                .expect("room");
        }

        inbox.purge(&peer(1));

        assert_eq!(inbox.pop().map(|frame| frame.peer), Some(peer(2)));
        assert_eq!(inbox.pop(), None);
    }

    /// After shutdown nothing is lost that had arrived, and the reader is told of the end.
    #[test]
    fn the_reader_drains_a_finished_inbox_then_sees_the_end() {
        let inbox = inbox(10);
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        inbox
            .push(peer(1), Bytes::from_static(b"x"), &mut cx)
            .expect("room");

        inbox.finish();

        assert!(matches!(inbox.poll_pop(&mut cx), Poll::Ready(Some(_))));
        assert!(matches!(inbox.poll_pop(&mut cx), Poll::Ready(None)));
    }
}
