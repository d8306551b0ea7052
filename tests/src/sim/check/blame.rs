//! Whom honest nodes find at fault: the faulty, and nobody else.

use super::{Checks, Identity};
use crate::sim::property::Property;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{EntityId, Seat};
use salus_primitives::validators::ValidatorSet;

impl Checks {
    /// An honest node counts a fault of a peer.
    pub(in crate::sim) fn on_fault(&mut self, node: &Identity, peer: &PublicKey, reason: &str) {
        let entity = self.peers.get(peer).copied();
        self.blame(node, entity, || format!("finds a peer at fault: {reason}"));
    }

    /// An honest node rejects a proposal.
    pub(in crate::sim) fn on_rejected(
        &mut self,
        node: &Identity,
        set: &ValidatorSet,
        manager: Seat,
        reason: &str,
    ) {
        let entity = set.validator(manager).map(|validator| validator.entity);
        self.blame(node, entity, || format!("rejects a proposal: {reason}"));
    }

    /// An honest node holds two votes of a seat that exclude each other.
    pub(in crate::sim) fn on_accused(&mut self, node: &Identity, set: &ValidatorSet, seat: Seat) {
        let entity = set.validator(seat).map(|validator| validator.entity);
        self.blame(node, entity, || {
            format!("holds evidence against seat {seat}")
        });
    }

    fn blame(&mut self, node: &Identity, who: Option<EntityId>, what: impl FnOnce() -> String) {
        let deserved = self.excused || who.is_some_and(|who| self.byzantine.contains(&who));
        if !deserved {
            let message = format!("{} {}, of {who:?}, who is honest", node.name, what());
            self.violate(Property::OnlyTheFaultyBlamed, message);
        }
    }
}
