use std::time::Duration;

use libp2p::{
    PeerId, allow_block_list,
    allow_block_list::{AllowedPeers, NotAllowed},
    connection_limits,
    connection_limits::{ConnectionLimits, Exceeded},
    swarm::{ConnectionDenied, DialError, ListenError},
};

use crate::{
    behaviour::Redundant,
    config::{TransportLimits, check_address},
    error::{ConfigError, RefusalReason},
    peer::{AdmittedPeer, PeerKey},
};

/// Connections one peer may have at a time: the one that counts, and for a moment the one that replaces it. Without the
/// second place, a peer that lost power would have to wait until its old connection is found dead.
const CONNECTIONS_PER_PEER: u32 = 2;

/// The allow-list. It is consulted after the handshake, when the key is proven; until then only the limits protect us.
pub(crate) fn allow_list() -> allow_block_list::Behaviour<AllowedPeers> {
    allow_block_list::Behaviour::default()
}

/// Limits on connections and handshakes.
pub(crate) fn connection_limits(limits: &TransportLimits) -> connection_limits::Behaviour {
    let peers_max = u32::try_from(limits.peers_max).unwrap_or(u32::MAX);
    connection_limits::Behaviour::new(
        ConnectionLimits::default()
            .with_max_pending_incoming(Some(limits.pending_inbound_max))
            .with_max_pending_outgoing(Some(peers_max))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER))
            .with_max_established(Some(peers_max.saturating_mul(CONNECTIONS_PER_PEER))),
    )
}

/// Checks a list of peers before any of it takes effect. Returns each with its libp2p id.
pub(crate) fn check_admitted(
    admitted: Vec<AdmittedPeer>,
    limits: &TransportLimits,
) -> Result<Vec<(PeerId, AdmittedPeer)>, ConfigError> {
    if admitted.len() > limits.peers_max {
        return Err(ConfigError::TooManyPeers {
            admitted: admitted.len(),
            peers_max: limits.peers_max,
        });
    }
    admitted
        .into_iter()
        .map(|peer| {
            peer.addresses.iter().try_for_each(check_address)?;
            Ok((peer.key.peer_id()?, peer))
        })
        .collect()
}

/// Which of two peers dials first: the one with the lower key. The other dials when it has not been dialed for a while: a
/// newcomer knows the members' addresses, while they do not know its. Should both come about, the connection that the lower key
/// dialed stays, and both sides know it: so there is one connection a pair.
pub(crate) fn dials_first(local: PeerKey, remote: PeerKey) -> bool {
    local < remote
}

/// Why an inbound connection failed before it was established.
pub(crate) fn inbound_refusal(error: &ListenError) -> RefusalReason {
    match error {
        ListenError::Denied { cause } => denial(cause),
        ListenError::Aborted
        | ListenError::WrongPeerId { .. }
        | ListenError::LocalPeerId { .. }
        | ListenError::Transport(_) => RefusalReason::Handshake,
    }
}

/// Why a dial failed, where one of our own rules refused it.
pub(crate) fn outbound_refusal(error: &DialError) -> Option<RefusalReason> {
    match error {
        DialError::Denied { cause } => Some(denial(cause)),
        // Who answered proved another key than the one that was asked for.
        DialError::WrongPeerId { .. } => Some(RefusalReason::Stranger),
        DialError::LocalPeerId { .. }
        | DialError::NoAddresses
        | DialError::DialPeerConditionFalse(_)
        | DialError::Aborted
        | DialError::Transport(_) => None,
    }
}

fn denial(cause: &ConnectionDenied) -> RefusalReason {
    if cause.downcast_ref::<NotAllowed>().is_some() {
        RefusalReason::Stranger
    } else if cause.downcast_ref::<Redundant>().is_some() {
        RefusalReason::Redundant
    } else {
        debug_assert!(cause.downcast_ref::<Exceeded>().is_some());
        RefusalReason::Limit
    }
}

/// Pauses between dials of one peer: they double up to a maximum, with jitter so that peers that failed together do not
/// return together.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(limits: &TransportLimits) -> Self {
        Self {
            min: limits.redial_min,
            max: limits.redial_max,
            failures: 0,
        }
    }

    /// The next pause: between half of the doubled one and all of it, as `random` says.
    pub(crate) fn next(&mut self, random: u32) -> Duration {
        let doubled = self
            .min
            .saturating_mul(2u32.saturating_pow(self.failures))
            .min(self.max);
        self.failures = self.failures.saturating_add(1);
        doubled / 2 + (doubled / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// The connection held for a while: start over.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channel::NetworkId, config::NetworkConfig, peer::NetworkSecret};

    fn limits() -> TransportLimits {
        NetworkConfig::new(NetworkId::new([0; 32]), Vec::new()).transport
    }

    #[test]
    fn pauses_double_up_to_the_maximum_and_start_over() {
        let mut backoff = Backoff::new(&limits());

        let pauses: Vec<u128> = (0..8).map(|_| backoff.next(u32::MAX).as_millis()).collect();

        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        for _ in 0..100 {
            assert!(backoff.next(u32::MAX) <= limits().redial_max);
        }
        backoff.reset();
        assert_eq!(backoff.next(0).as_millis(), 50);
    }

    #[test]
    fn of_two_peers_exactly_one_dials_first() {
        let (low, high) = (PeerKey::new([1; 32]), PeerKey::new([2; 32]));

        assert!(dials_first(low, high));
        assert!(!dials_first(high, low));
        assert!(!dials_first(low, low));
    }

    /// One bad entry refuses the list: half of a new admission must not take effect.
    #[test]
    fn a_list_with_a_bad_key_or_address_is_refused_whole() {
        let good = AdmittedPeer {
            key: NetworkSecret::new([1; 32]).peer_key(),
            addresses: vec!["/ip4/127.0.0.1/tcp/1".parse().expect("an address")],
        };
        let mut no_point = [0; 32];
        no_point[0] = 2;
        let bad_key = AdmittedPeer {
            key: PeerKey::new(no_point),
            addresses: Vec::new(),
        };
        let bad_address = AdmittedPeer {
            addresses: vec!["/dns4/example.org/tcp/1".parse().expect("an address")],
            ..good.clone()
        };

        assert!(check_admitted(vec![good.clone()], &limits()).is_ok());
        assert!(matches!(
            check_admitted(vec![good.clone(), bad_key], &limits()),
            Err(ConfigError::PeerKey(_))
        ));
        assert!(matches!(
            check_admitted(vec![good.clone(), bad_address], &limits()),
            Err(ConfigError::Address { .. })
        ));
        assert!(matches!(
            check_admitted(vec![good; 129], &limits()),
            Err(ConfigError::TooManyPeers { .. })
        ));
    }
}
