//! Who may connect, and where they are: the chain says who, this node's configuration says where.

use super::roster::{Own, Roster};
use crate::home::NodeFiles;
use salus_network::{AdmittedPeer, Multiaddr, NetworkHandle};
use salus_primitives::ids::EntityId;
use salus_primitives::ids::Height;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::receipt::Receipt;
use salus_primitives::state::StateReadError;
use salus_storage::ledger::Ledger;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// The addresses of other members' nodes, as `node.toml` has them.
pub(crate) struct Directory(BTreeMap<EntityId, Vec<Multiaddr>>);

impl Directory {
    pub(crate) fn new(files: &NodeFiles) -> Self {
        let mut addresses: BTreeMap<EntityId, Vec<Multiaddr>> = BTreeMap::new();
        for peer in &files.config.peers {
            let known = addresses.entry(peer.entity).or_default();
            known.push(peer.address.clone());
        }
        Self(addresses)
    }

    /// Everybody on the roster but this node itself.
    pub(crate) fn admitted(&self, roster: &Roster, own: &EntityId) -> Vec<AdmittedPeer> {
        let mut admitted = Vec::new();
        for (entity, keys) in roster.peers(own) {
            admitted.extend(keys.into_iter().map(|key| AdmittedPeer {
                key,
                addresses: self.0.get(&entity).cloned().unwrap_or_default(),
            }));
        }
        admitted
    }
}

/// Keeps who may connect in step with the chain.
pub(crate) struct Membership {
    pub(crate) parameters: ChainParameters,
    pub(crate) own: Own,
    pub(crate) directory: Directory,
    pub(crate) network: NetworkHandle,
    pub(crate) roster: watch::Sender<Arc<Roster>>,
}

impl Membership {
    /// Reads the roster anew if the block of this height, which the ledger has just taken, may have changed it.
    ///
    /// # Errors
    /// [`StateReadError`] if the store fails.
    pub(crate) fn follow(
        &self,
        ledger: &Ledger,
        height: Height,
        receipts: &[Receipt],
    ) -> Result<(), StateReadError> {
        let ends_epoch = self.parameters.epoch_ending_at(height).is_some();
        if !ends_epoch && !Roster::is_changed_by(receipts) {
            return Ok(());
        }
        let key = self.own.keys.validator_key;
        let roster = Roster::read(ledger, &self.parameters, &key)?;
        let admitted = self.directory.admitted(&roster, &self.own.entity);
        if let Err(error) = self.network.set_admitted(admitted) {
            tracing::error!(%error, %height, "the members cannot be admitted as the chain has them");
        }
        self.roster.send_replace(Arc::new(roster));
        Ok(())
    }
}
