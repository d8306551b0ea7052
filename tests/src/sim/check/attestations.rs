//! What nodes say of blocks that are attested: it holds, nobody attests two blocks in a view, and it makes nothing final.

use super::{Checks, Identity};
use crate::sim::property::Property;
use salus_consensus::vote::Vote;
use salus_node::tiers::{CommitteeVote, Tiers};
use salus_primitives::block::{Block, BlockConfig, Header};
use salus_primitives::certificate::Statement;
use salus_storage::ledger::Ledger;

impl Checks {
    /// An honest node tells that a committee's member has attested a block, and keeps that in `tiers`.
    pub(in crate::sim) fn on_attested(
        &mut self,
        node: &Identity,
        vote: CommitteeVote,
        block: &Block,
        tiers: &Tiers,
        ledger: &Ledger,
    ) {
        let header = &block.header;
        self.check_vote(node, vote, header);
        let set = self.set(header.epoch);
        let lanes = self.lanes.get(&header.epoch);
        if let (Some(first), Some(set), Some(lanes)) = (block.transactions.first(), set, lanes) {
            let checked = tiers
                .attestation(&first.body.id())
                .filter(|attestation| attestation.header == *header)
                .map(|attestation| attestation.verify(self.genesis.hash, set, lanes));
            if let Some(Err(error)) = checked {
                self.violate(
                    Property::AttestationsHold,
                    format!(
                        "{} has an attestation that does not hold: {error}",
                        node.name
                    ),
                );
            }
        }
        if header.height > ledger.head().height {
            let opened = block.transactions.iter().find(|transaction| {
                let position = ledger.transaction_position(&transaction.body.id());
                position.expect("reads").is_some()
            });
            if let Some(opened) = opened {
                self.violate(
                    Property::AttestedIsNotFinal,
                    format!(
                        "{} has {} final, which is attested at height {} only",
                        node.name,
                        opened.body.id(),
                        header.height
                    ),
                );
            }
        }
    }

    /// A member of the committee that lane and height demand, with its own signature, for one block a view.
    fn check_vote(&mut self, node: &Identity, vote: CommitteeVote, header: &Header) {
        let CommitteeVote {
            block,
            view,
            seat,
            signature,
        } = vote;
        let statement = Statement::Notarize {
            epoch: header.epoch,
            view,
            block,
        };
        let claim = Vote {
            seat,
            statement,
            signature,
        };
        let is_member = self
            .config_of(header)
            .is_some_and(|config| config.committee.contains(&seat));
        let is_genuine = self
            .set(header.epoch)
            .is_some_and(|set| claim.verify(self.genesis.hash, set).is_ok());
        if !(is_member && is_genuine && header.id() == block) {
            self.violate(
                Property::AttestationsHold,
                format!(
                    "{} says that seat {seat} attests {block} in view {view} of epoch {}, and it does not",
                    node.name, header.epoch
                ),
            );
            return;
        }
        let set = self.set(header.epoch);
        let member = set.and_then(|set| set.validator(seat)).map(|it| it.entity);
        if member.is_none_or(|member| self.byzantine.contains(&member)) {
            return;
        }
        let first = *self
            .attested
            .entry((header.epoch, view, seat))
            .or_insert(block);
        if first != block {
            self.violate(
                Property::AttestsOnce,
                format!(
                    "seat {seat} attests {first} and {block} in view {view} of epoch {}",
                    header.epoch
                ),
            );
        }
    }

    fn config_of(&self, header: &Header) -> Option<BlockConfig> {
        let lane = self.lanes.get(&header.epoch)?.lane(header.lane)?;
        let set = self.set(header.epoch)?;
        Some(lane.block_config(self.genesis.hash, set, header.height))
    }
}
