use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::{
    channel::Channel,
    config::{ChannelLimits, NetworkConfig},
    error::SendError,
    metrics::{Counters, count},
    peer::PeerKey,
};

/// Frames that wait to be written to one connection. Filled by [`crate::NetworkHandle`], drained by the connection's task.
///
/// It lives as long as the connection: what waits when the connection ends is counted as lost, because a frame may have
/// been half sent, and because consensus sends again what still matters.
#[derive(Debug)]
pub(crate) struct Outbox {
    peer: PeerKey,
    limits: [ChannelLimits; 2],
    counters: Arc<Counters>,
    state: Mutex<State>,
    drained: Notify,
}

#[derive(Debug, Default)]
struct State {
    queues: [Queue; 2],
    closed: bool,
    writer: Option<Waker>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn new(peer: PeerKey, config: &NetworkConfig, counters: Arc<Counters>) -> Self {
        Self {
            peer,
            limits: [config.consensus, config.data],
            counters,
            state: Mutex::default(),
            drained: Notify::new(),
        }
    }

    /// Queues one frame and wakes the connection.
    ///
    /// # Errors
    /// [`SendError::Backpressure`] for a data frame that has no room; [`SendError::NotConnected`] after [`Self::close`].
    /// The caller has checked the frame's length.
    pub(crate) fn push(&self, channel: Channel, frame: Bytes) -> Result<(), SendError> {
        let limits = &self.limits[channel.index()];
        let meter = self.counters.channel(channel);
        let mut state = lock(&self.state);
        if state.closed {
            return Err(SendError::NotConnected { peer: self.peer });
        }
        let queue = &mut state.queues[channel.index()];
        while !queue.has_room(limits, frame.len()) {
            match channel {
                Channel::Consensus => {
                    queue.pop();
                    count(&meter.frames_dropped);
                }
                Channel::Data => {
                    count(&meter.frames_refused);
                    return Err(SendError::Backpressure {
                        peer: self.peer,
                        queued_bytes: queue.bytes,
                    });
                }
            }
        }
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
        Ok(())
    }

    /// Resolves when room may have come free since the future was created, or the connection ended.
    pub(crate) fn drained(&self) -> impl Future<Output = ()> + '_ {
        self.drained.notified()
    }

    /// The oldest frame of a channel.
    pub(crate) fn pop(&self, channel: Channel) -> Option<Bytes> {
        let frame = lock(&self.state).queues[channel.index()].pop()?;
        self.counters.channel(channel).sent(frame.len());
        if channel == Channel::Data {
            self.drained.notify_waiters();
        }
        Some(frame)
    }

    /// Whether a frame of the channel waits.
    pub(crate) fn has(&self, channel: Channel) -> bool {
        !lock(&self.state).queues[channel.index()].frames.is_empty()
    }

    /// Whom to wake on the next [`Self::push`]. Register before draining, or a frame may be overlooked.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut state = lock(&self.state);
        match &mut state.writer {
            Some(registered) => registered.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// The connection is gone: counts what waits as lost and refuses everything from now on.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        for channel in Channel::ALL {
            let queue = std::mem::take(&mut state.queues[channel.index()]);
            for _ in queue.frames {
                count(&self.counters.channel(channel).frames_lost);
            }
        }
        drop(state);
        self.drained.notify_waiters();
    }
}

impl Queue {
    fn has_room(&self, limits: &ChannelLimits, bytes: usize) -> bool {
        self.frames.len() < limits.outbox_frames_max
            && self.bytes + bytes <= limits.outbox_bytes_max
    }

    fn pop(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }
}

/// Locks, also after another thread panicked in its critical section: ours hold no half-done state.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::NetworkId;

    fn outbox(change: impl FnOnce(&mut NetworkConfig)) -> (Outbox, Arc<Counters>) {
        let mut config = NetworkConfig::new(NetworkId::new([0; 32]), Vec::new());
        change(&mut config);
        let counters = Arc::new(Counters::default());
        let outbox = Outbox::new(PeerKey::new([1; 32]), &config, counters.clone());
        (outbox, counters)
    }

    fn frame(tag: u8) -> Bytes {
        Bytes::from(vec![tag; 10])
    }

    /// Consensus sends again: under pressure the newest votes matter, the oldest go.
    #[test]
    fn a_full_consensus_queue_drops_its_oldest_frame_and_counts_it() {
        let (outbox, counters) = outbox(|config| config.consensus.outbox_frames_max = 2);

        for tag in [1, 2, 3] {
            outbox
                .push(Channel::Consensus, frame(tag))
                .expect("consensus is never refused");
        }

        assert_eq!(outbox.pop(Channel::Consensus), Some(frame(2)));
        assert_eq!(outbox.pop(Channel::Consensus), Some(frame(3)));
        assert_eq!(counters.snapshot().consensus.frames_dropped, 1);
    }

    #[test]
    fn a_full_data_queue_refuses_the_frame_and_keeps_the_others() {
        let (outbox, counters) = outbox(|config| config.data.outbox_bytes_max = 25);

        outbox.push(Channel::Data, frame(1)).expect("room");
        outbox.push(Channel::Data, frame(2)).expect("room");
        let refused = outbox.push(Channel::Data, frame(3));

        assert!(matches!(
            refused,
            Err(SendError::Backpressure {
                queued_bytes: 20,
                ..
            })
        ));
        assert_eq!(counters.snapshot().data.frames_refused, 1);
        assert_eq!(outbox.pop(Channel::Data), Some(frame(1)));
        outbox
            .push(Channel::Data, frame(3))
            .expect("room came free");
    }

    #[test]
    fn what_waits_when_the_connection_ends_is_counted_as_lost() {
        let (outbox, counters) = outbox(|_| ());
        outbox.push(Channel::Data, frame(1)).expect("room");
        outbox.push(Channel::Consensus, frame(2)).expect("room");

        outbox.close();

        assert_eq!(counters.snapshot().data.frames_lost, 1);
        assert_eq!(counters.snapshot().consensus.frames_lost, 1);
        assert!(matches!(
            outbox.push(Channel::Consensus, frame(3)),
            Err(SendError::NotConnected { .. })
        ));
    }
}
