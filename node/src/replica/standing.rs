//! What each peer may ask of this node and get wrong in a while: bounded, so that one validator that has gone bad costs
//! the others little.

use salus_consensus::clock::Monotonic;
use salus_consensus::message::Peer;
use std::collections::BTreeMap;

/// The standing of all peers that were heard of.
#[derive(Debug, Default)]
pub(super) struct Standings(BTreeMap<Peer, Standing>);

#[derive(Debug)]
struct Standing {
    requests: Bucket,
    faults: Bucket,
    /// Not listened to until then.
    muted_until: Option<Monotonic>,
}

/// So many at once, and so many in a second.
#[derive(Debug)]
struct Bucket {
    /// In thousandths.
    level: u64,
    at: Monotonic,
}

#[derive(Clone, Copy, Debug)]
struct Allowance {
    at_once: u64,
    per_second: u64,
}

/// Requests of one peer. An answer can be a hundred thousand times as long as its question; who catches up asks for a
/// range when it has executed the last one.
const REQUESTS: Allowance = Allowance {
    at_once: 32,
    per_second: 64,
};
/// Faults of one peer: honest nodes have none, whatever others send them.
const FAULTS: Allowance = Allowance {
    at_once: 16,
    per_second: 1,
};
/// How long a peer that used its faults up is not listened to, in milliseconds.
const MUTED_MS: u64 = 30_000;
/// Most peers remembered. They are authenticated, and far fewer are admitted.
const PEERS_MAX: usize = 4_096;

impl Standings {
    /// Whether a request of this peer is to be answered; counts it.
    pub(super) fn may_ask(&mut self, now: Monotonic, peer: Peer) -> bool {
        self.of(now, peer).requests.take(now, REQUESTS)
    }

    /// Counts a fault. True if the peer is not listened to from here on.
    pub(super) fn fault(&mut self, now: Monotonic, peer: Peer) -> bool {
        let standing = self.of(now, peer);
        if standing.faults.take(now, FAULTS) {
            return false;
        }
        standing.muted_until = Some(now.plus_millis(MUTED_MS));
        true
    }

    /// Whether this peer is listened to.
    pub(super) fn is_heard(&self, now: Monotonic, peer: &Peer) -> bool {
        self.0
            .get(peer)
            .and_then(|standing| standing.muted_until)
            .is_none_or(|until| now >= until)
    }

    fn of(&mut self, now: Monotonic, peer: Peer) -> &mut Standing {
        if self.0.len() >= PEERS_MAX && !self.0.contains_key(&peer) {
            self.0.clear();
        }
        self.0.entry(peer).or_insert_with(|| Standing {
            requests: Bucket::full(now, REQUESTS),
            faults: Bucket::full(now, FAULTS),
            muted_until: None,
        })
    }
}

impl Bucket {
    const fn full(now: Monotonic, allowance: Allowance) -> Self {
        Self {
            level: allowance.at_once * 1_000,
            at: now,
        }
    }

    fn take(&mut self, now: Monotonic, allowance: Allowance) -> bool {
        let gained = now
            .millis_since(self.at)
            .saturating_mul(allowance.per_second);
        self.at = now;
        self.level = self
            .level
            .saturating_add(gained)
            .min(allowance.at_once * 1_000);
        match self.level.checked_sub(1_000) {
            Some(left) => {
                self.level = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::crypto::sign::PublicKey;

    const PEER: Peer = PublicKey([1; 32]);
    const OTHER: Peer = PublicKey([2; 32]);

    fn at(ms: u64) -> Monotonic {
        Monotonic::from_millis(ms)
    }

    /// A flood of questions is answered up to the allowance, others are answered meanwhile, and later all again.
    #[test]
    fn a_flood_of_requests_is_answered_in_part_and_harms_no_other_peer() {
        let mut standings = Standings::default();

        let answered = (0..1_000)
            .filter(|_| standings.may_ask(at(5), PEER))
            .count();

        assert_eq!(answered, 32);
        assert!(standings.may_ask(at(5), OTHER));
        assert!(standings.may_ask(at(100), PEER));
        let later = (0..1_000)
            .filter(|_| standings.may_ask(at(10_000), PEER))
            .count();
        assert_eq!(later, 32);
    }

    #[test]
    fn a_peer_with_too_many_faults_is_not_heard_for_a_while() {
        let mut standings = Standings::default();
        let first = (0..17).position(|_| standings.fault(at(5), PEER));

        assert_eq!(first, Some(16));
        assert!(!standings.is_heard(at(6), &PEER));
        assert!(standings.is_heard(at(6), &OTHER));
        assert!(standings.is_heard(at(5 + MUTED_MS), &PEER));
    }

    /// A fault now and then, as a bug in another version may cause, silences nobody.
    #[test]
    fn rare_faults_are_forgiven() {
        let mut standings = Standings::default();

        assert!((0..1_000).all(|n| !standings.fault(at(n * 1_000), PEER)));
    }
}
