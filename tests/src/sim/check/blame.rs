//! Whom honest nodes find at fault: the faulty, and nobody else.

use super::{Checks, Identity};
use crate::sim::property::Property;
use salus_contracts::native::staking;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{EntityId, Seat};
use salus_primitives::state::StateRead;
use salus_primitives::validators::{SEATS_MIN, ValidatorSet};

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

    /// The members after an epoch's last block, which elected this set: nobody is jailed for nothing, and no jailed member is
    /// elected while there are others.
    pub(in crate::sim) fn on_members(
        &mut self,
        node: &Identity,
        set: &ValidatorSet,
        state: &dyn StateRead,
    ) {
        let standings = staking::standings(state).expect("reads");
        let mut able = 0;
        let mut jailed = Vec::new();
        for (entity, _) in staking::roll(state).expect("reads").iter() {
            let Some(member) = staking::member(state, entity).expect("reads") else {
                continue;
            };
            if member.jailed.is_some() {
                jailed.push(*entity);
                self.blame(node, Some(*entity), || "has someone in jail".into());
            } else if member.candidate
                && member.inactive.is_none()
                && member.keys.is_some()
                && standings.get(entity).is_some_and(|weight| *weight > 0)
            {
                able += 1;
            }
        }
        let elected = jailed.iter().find(|it| set.seat_of(it).is_some());
        if let Some(entity) = elected.filter(|_| able >= SEATS_MIN) {
            self.violate(
                Property::ElectedSet,
                format!(
                    "{}: {entity} is in jail and elected for epoch {}",
                    node.name,
                    set.epoch()
                ),
            );
        }
    }

    fn blame(&mut self, node: &Identity, who: Option<EntityId>, what: impl FnOnce() -> String) {
        let deserved = self.excused || who.is_some_and(|who| self.byzantine.contains(&who));
        if !deserved {
            let message = format!("{} {}, of {who:?}, who is honest", node.name, what());
            self.violate(Property::OnlyTheFaultyBlamed, message);
        }
    }
}
