//! One validator's uplink: votes before data, and data to several peers in turns of a piece.

use super::world::World;
use salus_consensus::message::Message;
use salus_network::Channel;
use salus_node::wire::{Frame, Response};
use salus_primitives::block::Block;
use salus_primitives::transaction::{SignedTransaction, TxId};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// A frame on its way. Encoded once, however many get it.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) frame: Frame,
    pub(super) bytes: u64,
    /// The ids of the transactions in it.
    pub(super) ids: Vec<TxId>,
    pub(super) is_urgent: bool,
}

/// What waits to be sent.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    urgent: VecDeque<(usize, Rc<Parcel>)>,
    /// By receiver: frames, and what is left of the first.
    data: BTreeMap<usize, (VecDeque<Rc<Parcel>>, u64)>,
    /// Whose turn it is.
    turns: VecDeque<usize>,
    pub(super) is_sending: bool,
}

/// What a piece of sending came to.
#[derive(Debug)]
pub(super) struct Sent {
    /// How long it took.
    pub(super) us: u64,
    /// The frame it completed, and for whom.
    pub(super) complete: Option<(usize, Rc<Parcel>)>,
}

/// As the production scheduler cuts data.
const PIECE_BYTES: u64 = 16 * 1024;

impl Parcel {
    /// A frame, as it comes out of its bytes.
    pub(super) fn new(frame: &Frame) -> Self {
        let (channel, bytes) = frame.encode();
        let frame = Frame::decode(&bytes).expect("our own frames decode");
        let ids = transactions(&frame).iter().map(|it| it.body.id()).collect();
        Self {
            bytes: bytes.len() as u64,
            ids,
            is_urgent: channel == Channel::Consensus,
            frame,
        }
    }

    /// The block in it, if there is one.
    pub(super) fn block(&self) -> Option<&Block> {
        match &self.frame {
            Frame::Consensus(Message::Proposal(proposal)) => Some(&proposal.block),
            Frame::Response(Response::Body(block)) => Some(block),
            _ => None,
        }
    }
}

fn transactions(frame: &Frame) -> &[SignedTransaction] {
    match frame {
        Frame::Consensus(Message::Proposal(proposal)) => &proposal.block.transactions,
        Frame::Response(Response::Body(block)) => &block.transactions,
        Frame::Transactions(transactions) => transactions,
        _ => &[],
    }
}

impl Uplink {
    pub(super) fn push(&mut self, to: usize, parcel: Rc<Parcel>) {
        if parcel.is_urgent {
            self.urgent.push_back((to, parcel));
            return;
        }
        let (queue, left) = self.data.entry(to).or_default();
        if queue.is_empty() {
            *left = parcel.bytes;
            self.turns.push_back(to);
        }
        queue.push_back(parcel);
    }

    /// Sends what is next: an urgent frame, or a piece of data for the peer whose turn it is.
    pub(super) fn send(&mut self) -> Option<Sent> {
        if let Some((to, parcel)) = self.urgent.pop_front() {
            return Some(Sent {
                us: World::sending_us(parcel.bytes),
                complete: Some((to, parcel)),
            });
        }
        let to = self.turns.pop_front()?;
        let (queue, left) = self.data.get_mut(&to)?;
        let piece = PIECE_BYTES.min(*left);
        *left -= piece;
        let complete = if *left == 0 { queue.pop_front() } else { None };
        if complete.is_some() {
            *left = queue.front().map_or(0, |next| next.bytes);
        }
        if !queue.is_empty() {
            self.turns.push_back(to);
        }
        Some(Sent {
            us: World::sending_us(piece),
            complete: complete.map(|parcel| (to, parcel)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_consensus::message::Status;
    use salus_node::wire::Request;
    use salus_primitives::ids::{Epoch, Height, View};

    fn status() -> Frame {
        Frame::Consensus(Message::Status(Status {
            epoch: Epoch::new(1),
            view: View::ZERO,
            final_view: View::ZERO,
            final_height: Height::ZERO,
            votes: Vec::new(),
            entry: None,
        }))
    }

    fn data(pieces: u64) -> Rc<Parcel> {
        Rc::new(Parcel {
            frame: Frame::Request(Request::Diagnosis),
            bytes: pieces * PIECE_BYTES,
            ids: Vec::new(),
            is_urgent: false,
        })
    }

    /// Two peers' data go in turns of a piece; a vote that comes meanwhile goes next.
    #[test]
    fn votes_pass_data_and_peers_take_turns() {
        let mut uplink = Uplink::default();
        uplink.push(1, data(2));
        uplink.push(2, data(1));
        let mut order = Vec::new();
        let mut next = |uplink: &mut Uplink| {
            let sent = uplink.send().expect("something waits");
            order.push(sent.complete.map(|(to, _)| to));
        };

        next(&mut uplink);
        uplink.push(3, Rc::new(Parcel::new(&status())));
        for _ in 0..3 {
            next(&mut uplink);
        }

        assert_eq!(order, [None, Some(3), Some(2), Some(1)]);
        assert!(uplink.send().is_none());
    }
}
