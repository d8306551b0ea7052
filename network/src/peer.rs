use std::fmt;

use libp2p::{
    Multiaddr, PeerId,
    identity::{Keypair, PublicKey, ed25519},
};
use zeroize::ZeroizeOnDrop;

use crate::error::InvalidPeerKey;

/// Ed25519 public key by which a peer authenticates on the network. It is not the key that signs votes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey([u8; 32]);

impl PeerKey {
    /// From the 32 bytes of the public key. Whether they are a key is found out when the peer is admitted.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the public key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn peer_id(&self) -> Result<PeerId, InvalidPeerKey> {
        ed25519::PublicKey::try_from_bytes(&self.0)
            .map(|key| PublicKey::from(key).to_peer_id())
            .map_err(|_| InvalidPeerKey { key: *self })
    }

    /// The key inside a peer id; `None` for an id of another key type. An Ed25519 id is the key itself, not its hash.
    pub(crate) fn from_peer_id(peer: &PeerId) -> Option<Self> {
        PublicKey::try_decode_protobuf(peer.as_ref().digest())
            .ok()?
            .try_into_ed25519()
            .ok()
            .map(|key| Self(key.to_bytes()))
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

/// Secret half of this node's network key; wiped on drop, never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct NetworkSecret([u8; 32]);

impl NetworkSecret {
    /// From the 32 seed bytes of an Ed25519 secret key. Any 32 bytes are one.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The public half.
    pub fn peer_key(&self) -> PeerKey {
        PeerKey(
            ed25519::Keypair::from(self.secret_key())
                .public()
                .to_bytes(),
        )
    }

    pub(crate) fn keypair(&self) -> Keypair {
        Keypair::from(ed25519::Keypair::from(self.secret_key()))
    }

    fn secret_key(&self) -> ed25519::SecretKey {
        // The call wipes the copy it is given.
        ed25519::SecretKey::try_from_bytes(self.0).expect("32 bytes are an Ed25519 seed")
    }
}

impl fmt::Debug for NetworkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkSecret(..)")
    }
}

/// A peer that may connect, and where to dial it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmittedPeer {
    /// Who it is.
    pub key: PeerKey,
    /// Where it listens, in order of preference; may be empty for a peer that dials us.
    pub addresses: Vec<Multiaddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The allow-list is written in keys and enforced in peer ids: the mapping must be exact in both directions.
    #[test]
    fn peer_key_and_peer_id_convert_both_ways() {
        let secret = NetworkSecret::new([7; 32]);

        let peer_id = secret.peer_key().peer_id().expect("a real key");

        assert_eq!(peer_id, secret.keypair().public().to_peer_id());
        assert_eq!(PeerKey::from_peer_id(&peer_id), Some(secret.peer_key()));
    }

    #[test]
    fn bytes_that_are_no_curve_point_are_not_a_peer() {
        // y = 2 has no x on the curve.
        let mut bytes = [0; 32];
        bytes[0] = 2;

        assert!(PeerKey::new(bytes).peer_id().is_err());
    }

    #[test]
    fn secret_is_never_printed() {
        assert_eq!(
            format!("{:?}", NetworkSecret::new([9; 32])),
            "NetworkSecret(..)"
        );
    }
}
