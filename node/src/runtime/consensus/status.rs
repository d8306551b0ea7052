//! What the consensus thread tells operators and the API.

use super::Consensus;
use crate::handle::{NodeStatus, PeerStatus, Standing};
use crate::home::NodeFiles;
use crate::replica::Note;
use salus_network::PeerKey;
use salus_primitives::ids::Height;
use salus_primitives::lane::Lane;
use salus_storage::ledger::Ledger;

impl Consensus {
    pub(super) fn note(&self, note: Note) {
        match note {
            Note::PeerFault { peer, kind, reason } => {
                tracing::warn!(%peer, reason, "a peer is at fault");
                self.io.metrics.peer_fault(kind.name());
            }
            Note::Nullified {
                view,
                manager,
                cause,
            } => match cause {
                Some(cause) => {
                    tracing::info!(%view, %manager, cause = cause.name(), "gave up a view");
                    self.io.metrics.nullified(Some(cause));
                }
                None => {
                    tracing::debug!(%view, %manager, "a view was nullified");
                    self.io.metrics.nullified(None);
                }
            },
            Note::InvalidProposal { manager, reason } => {
                tracing::warn!(%manager, reason, "a proposal is not valid");
                self.io.metrics.peer_fault("invalid_proposal");
            }
            Note::Equivocation {
                seat,
                first,
                second,
            } => {
                tracing::error!(%seat, ?first, ?second, "a validator contradicted itself");
                self.io.metrics.peer_fault("equivocation");
            }
        }
    }

    /// Tells the API where the node stands.
    pub(super) fn publish(&self) {
        let engine = self.replica.engine();
        let connected = self.io.network.peers();
        let validators = &self.io.validators;
        let manager = validators
            .validator(engine.manager_of(engine.view()))
            .map(|validator| validator.entity);
        let behind = engine.is_behind() || self.credible_height() > engine.final_height().next();
        let ready = !behind
            && self.halted.is_none()
            && !self.replica.is_suspended()
            && self.hears_enough(&connected);
        let mempool = self.replica.mempool().counts();
        let peers = self.peers(&connected);
        let metrics = &self.io.metrics;
        metrics.view(engine.view(), engine.is_manager());
        metrics.head(engine.head_height(), engine.head_time());
        metrics.ready(ready);
        metrics.peers(connected.len());
        for lane in Lane::ALL {
            metrics.mempool(lane, mempool[lane.index()]);
        }
        self.io.status.send_modify(|status| {
            status.head_height = engine.head_height();
            status.epoch = engine.epoch();
            status.view = engine.view();
            status.manager = manager;
            status.is_manager = engine.is_manager();
            status.catching_up = behind;
            status.peers = peers;
            status.mempool = mempool;
            status.halted.clone_from(&self.halted);
            status.standing = self.standing.known(behind);
            status.ready = ready;
        });
    }

    /// The other members, connected by whichever of their keys.
    fn peers(&self, connected: &[PeerKey]) -> Vec<PeerStatus> {
        let roster = self.io.roster.borrow();
        let keys = roster.peers(&self.io.own.entity);
        roster
            .people()
            .filter(|entity| **entity != self.io.own.entity)
            .map(|entity| PeerStatus {
                entity: *entity,
                connected: keys
                    .get(entity)
                    .is_some_and(|keys| keys.iter().any(|key| connected.contains(key))),
            })
            .collect()
    }

    /// The greatest height that validators of more than the faulty weight claim to be final: at least one of them is
    /// honest.
    fn credible_height(&self) -> Height {
        let validators = &self.io.validators;
        let mut claims: Vec<(Height, u64)> = self
            .claimed
            .iter()
            .filter_map(|(peer, height)| {
                let seat = validators.seat_of_network_key(peer)?;
                Some((*height, validators.weight(seat)))
            })
            .collect();
        claims.sort_unstable_by(|a, b| b.cmp(a));
        let mut weight = 0;
        for (height, of) in claims {
            weight += of;
            if weight > validators.fault_weight() {
                return height;
            }
        }
        Height::ZERO
    }

    /// Whether validators of more than the faulty weight are connected and have said where they stand.
    fn hears_enough(&self, connected: &[PeerKey]) -> bool {
        let validators = &self.io.validators;
        let heard: u64 = self
            .claimed
            .keys()
            .filter(|peer| connected.contains(&PeerKey::new(peer.0)))
            .filter_map(|peer| validators.seat_of_network_key(peer))
            .map(|seat| validators.weight(seat))
            .sum();
        heard > validators.fault_weight()
    }
}

/// What a node says of itself before its first event.
pub(crate) fn initial_status(files: &NodeFiles, ledger: &Ledger, standing: Standing) -> NodeStatus {
    let head = ledger.head();
    NodeStatus {
        final_height: head.height,
        final_time: files.genesis.block.header.time,
        head_height: head.height,
        epoch: files.genesis.first.epoch(),
        view: salus_primitives::ids::View::ZERO,
        manager: None,
        is_manager: false,
        standing,
        catching_up: false,
        peers: Vec::new(),
        mempool: [0; 4],
        final_transactions: [0; 4],
        state_root: head.state_root,
        halted: None,
        disk: crate::handle::DiskStatus::default(),
        ready: false,
    }
}
