//! Who may connect, and where they are: the chain says who, this node's configuration says where.

use crate::home::NodeFiles;
use salus_network::{AdmittedPeer, Multiaddr, PeerKey};
use salus_primitives::ids::EntityId;
use salus_primitives::validators::ValidatorSet;
use std::collections::BTreeMap;

/// The members of the chain and their addresses.
pub(crate) struct Directory {
    own: EntityId,
    /// Members keep their connection when they have no seat: they follow, and may be elected.
    members: Vec<(EntityId, PeerKey)>,
    addresses: BTreeMap<EntityId, Vec<Multiaddr>>,
}

impl Directory {
    pub(crate) fn new(files: &NodeFiles) -> Self {
        let mut addresses: BTreeMap<EntityId, Vec<Multiaddr>> = BTreeMap::new();
        for peer in &files.config.peers {
            let known = addresses.entry(peer.entity).or_default();
            known.push(peer.address.clone());
        }
        Self {
            own: files.member.entity,
            members: files
                .genesis
                .members
                .iter()
                .map(|member| (member.entity, PeerKey::new(member.network_key.0)))
                .collect(),
            addresses,
        }
    }

    /// The members, and who votes in any of `sets`, with the network keys that these name.
    pub(crate) fn admitted<'a>(
        &self,
        sets: impl IntoIterator<Item = &'a ValidatorSet>,
    ) -> Vec<AdmittedPeer> {
        let seats = sets
            .into_iter()
            .flat_map(ValidatorSet::validators)
            .map(|validator| (validator.entity, PeerKey::new(validator.network_key.0)));
        let mut keys: BTreeMap<PeerKey, EntityId> = BTreeMap::new();
        for (entity, key) in self.members.iter().copied().chain(seats) {
            if entity != self.own {
                keys.insert(key, entity);
            }
        }
        keys.into_iter()
            .map(|(key, entity)| AdmittedPeer {
                key,
                addresses: self.addresses.get(&entity).cloned().unwrap_or_default(),
            })
            .collect()
    }
}
