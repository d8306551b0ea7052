//! What this node knows of the others: who is connected, when it last heard of each, where each says it stands.

use crate::wire::Account;
use salus_consensus::clock::{Monotonic, Now};
use salus_consensus::message::{Peer, Status};
use salus_primitives::ids::{Epoch, Height, View};
use std::collections::BTreeMap;

/// All peers that were heard of since the start.
#[derive(Debug, Default)]
pub(super) struct Peers(BTreeMap<Peer, Acquaintance>);

/// What is known of one peer.
#[derive(Clone, Debug)]
pub struct Acquaintance {
    /// Whether it is connected.
    pub is_connected: bool,
    /// Since when it is, or is not any more.
    pub since: Monotonic,
    /// When anything of it came last.
    pub heard_at: Option<Monotonic>,
    /// Where it said it stands, unasked.
    pub position: Option<Claim>,
    /// When it was asked for its account last.
    pub asked_at: Option<Monotonic>,
    /// The account it gave last.
    pub answer: Option<Answer>,
}

/// A peer's account, and when it came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// When it came.
    pub at: Now,
    /// What the peer says.
    pub account: Box<Account>,
}

/// Where a peer says it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its view.
    pub view: View,
    /// The height of its last final block.
    pub final_height: Height,
}

/// Most peers remembered. They are authenticated, and far fewer are admitted.
const PEERS_MAX: usize = 4_096;
/// How long a peer has to answer before it is asked again, in milliseconds.
const ASK_AGAIN_MS: u64 = 250;
/// How long an answer may take to be taken, in milliseconds.
const ANSWER_MS: u64 = 10_000;

impl Peers {
    pub(super) fn connected(&mut self, now: Monotonic, peer: Peer) {
        let known = self.of(now, peer);
        if !known.is_connected {
            known.is_connected = true;
            known.since = now;
        }
    }

    pub(super) fn disconnected(&mut self, now: Monotonic, peer: Peer) {
        let known = self.of(now, peer);
        known.is_connected = false;
        known.since = now;
    }

    pub(super) fn heard(&mut self, now: Monotonic, peer: Peer) {
        self.of(now, peer).heard_at = Some(now);
    }

    pub(super) fn claims(&mut self, now: Monotonic, peer: Peer, status: &Status) {
        self.of(now, peer).position = Some(Claim {
            epoch: status.epoch,
            view: status.view,
            final_height: status.final_height,
        });
    }

    /// Whether this peer is to be asked now: it is connected, and was not asked a moment ago. Notes that it is.
    pub(super) fn ask(&mut self, now: Monotonic, peer: Peer) -> bool {
        let known = self.of(now, peer);
        let recently = known
            .asked_at
            .is_some_and(|at| now.millis_since(at) < ASK_AGAIN_MS);
        if !known.is_connected || recently {
            return false;
        }
        known.asked_at = Some(now);
        true
    }

    /// Keeps an account that was asked for; drops any other.
    pub(super) fn answers(&mut self, now: Now, peer: Peer, account: Box<Account>) {
        let known = self.of(now.monotonic, peer);
        let asked = known
            .asked_at
            .is_some_and(|at| now.monotonic.millis_since(at) < ANSWER_MS);
        if asked {
            known.answer = Some(Answer { at: now, account });
        }
    }

    pub(super) fn get(&self, peer: &Peer) -> Option<&Acquaintance> {
        self.0.get(peer)
    }

    fn of(&mut self, now: Monotonic, peer: Peer) -> &mut Acquaintance {
        if self.0.len() >= PEERS_MAX && !self.0.contains_key(&peer) {
            self.0.retain(|_, known| known.is_connected);
        }
        self.0.entry(peer).or_insert(Acquaintance {
            is_connected: false,
            since: now,
            heard_at: None,
            position: None,
            asked_at: None,
            answer: None,
        })
    }
}

impl Acquaintance {
    /// Whether it gave its account after it was asked last.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        match (&self.answer, self.asked_at) {
            (Some(answer), Some(asked)) => answer.at.monotonic >= asked,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Condition;
    use salus_primitives::crypto::sign::PublicKey;
    use salus_primitives::time::Timestamp;

    const PEER: Peer = PublicKey([1; 32]);

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_millis(ms)
    }

    fn now(ms: u64) -> Now {
        Now {
            monotonic: at(ms),
            wall: Timestamp::from_millis(ms),
        }
    }

    fn account(height: u64) -> Box<Account> {
        Box::new(Account {
            epoch: Epoch::new(1),
            view: View::new(2),
            final_height: Height::new(height),
            final_age_ms: 0,
            work_ms: None,
            condition: Condition::Votes,
            roots: Vec::new(),
            connected: Vec::new(),
            clock: Timestamp::from_millis(0),
        })
    }

    /// Questions of many operators at a time are one question to the peers.
    #[test]
    fn a_peer_is_asked_once_in_a_while_and_only_if_it_is_connected() {
        let mut peers = Peers::default();
        assert!(!peers.ask(at(0), PEER));
        peers.connected(at(0), PEER);

        let asked: Vec<bool> = [0, 1, 249, 250].map(|ms| peers.ask(at(ms), PEER)).to_vec();

        assert_eq!(asked, [true, false, false, true]);
    }

    /// What nobody asked for is not kept, and an old answer is none to a new question.
    #[test]
    fn only_an_answer_counts() {
        let mut peers = Peers::default();
        peers.connected(at(0), PEER);
        peers.answers(now(1), PEER, account(1));
        assert!(peers.get(&PEER).expect("known").answer.is_none());

        peers.ask(at(2), PEER);
        assert!(!peers.get(&PEER).expect("known").has_answered());
        peers.answers(now(3), PEER, account(2));
        assert!(peers.get(&PEER).expect("known").has_answered());

        peers.ask(at(1_000), PEER);
        assert!(!peers.get(&PEER).expect("known").has_answered());
    }

    /// A flood of keys does not grow the memory, and forgets no one who is connected.
    #[test]
    fn peers_that_are_gone_are_forgotten_before_there_are_too_many() {
        let mut peers = Peers::default();
        peers.connected(at(0), PEER);
        for n in 0..10_000u32 {
            let mut key = [9; 32];
            key[..4].copy_from_slice(&n.to_le_bytes());
            peers.disconnected(at(1), PublicKey(key));
        }

        assert!(peers.0.len() <= PEERS_MAX);
        assert!(peers.get(&PEER).is_some());
    }
}
