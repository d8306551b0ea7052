//! What a node commits, says of it, and keeps.

use super::{BODIES_SPARE, Node, RECORDS_MAX_BYTES};
use crate::sim::check::{Checks, Finality};
use crate::sim::property::Property;
use salus_node::execution::epoch_config;
use salus_node::mempool::MempoolLimits;
use salus_primitives::block::Block;
use salus_primitives::certificate::Certificate;
use salus_primitives::codec;
use salus_primitives::ids::BlockId;
use salus_storage::journal::VoteJournal;
use salus_storage::ledger::Ledger;
use std::sync::Arc;

impl Node {
    pub(super) fn commit(
        &mut self,
        blocks: &[(BlockId, Arc<Block>)],
        certificate: &Certificate,
        checks: &mut Checks,
    ) {
        let last = blocks.last().map(|(id, _)| *id);
        if let (Some(running), Some((_, block))) = (&self.running, blocks.last()) {
            let ids: Vec<BlockId> = blocks.iter().map(|(id, _)| *id).collect();
            running.tiers.finalize(&ids, block.header.height);
        }
        if self.identity.obeys {
            checks.on_finalization(&self.identity, last, certificate);
        }
        for (id, _) in blocks {
            let Some(running) = &mut self.running else {
                return;
            };
            let own = (certificate.statement.block() == Some(*id)).then_some(certificate);
            if let Err(error) = running.execution.commit(*id, own) {
                self.fail(&error, checks);
                return;
            }
            if !self.identity.obeys {
                continue;
            }
            let ledger = Arc::clone(&running.ledger);
            self.say_final(&ledger, checks);
        }
    }

    /// Tells of the ledger's head, which is final.
    pub(super) fn say_final(&self, ledger: &Ledger, checks: &mut Checks) {
        let head = ledger.head();
        let block = ledger.block(head.height).expect("reads").expect("is there");
        let receipts = ledger.receipts(head.height).expect("reads");
        let receipts = receipts.unwrap_or_default();
        let ended = self.genesis.parameters.epoch_ending_at(head.height);
        let elected = ended
            .and_then(|ended| epoch_config(&ledger.state(), ended.next().next()).expect("reads"));
        if let Some(config) = &elected {
            checks.on_members(&self.identity, &config.validators, &ledger.state());
        }
        let finality = Finality {
            id: head.id,
            block: &block,
            root: head.state_root,
            receipts: &receipts,
            elected,
        };
        checks.on_final(&self.identity, finality);
    }

    pub(super) fn compact_journal(&mut self, checks: &mut Checks) {
        let (Some(running), Some(journal)) = (&self.running, self.open_journal()) else {
            return;
        };
        if journal.size_bytes() <= self.journal_max || running.replica.is_suspended() {
            return;
        }
        if let Err(error) = running.ledger.sync() {
            self.fail(&error, checks);
            return;
        }
        let live: Vec<Vec<u8>> = running
            .replica
            .live_entries()
            .iter()
            .map(codec::encode)
            .collect();
        let mut journal = journal;
        if self.dies_now() {
            return;
        }
        let slices: Vec<&[u8]> = live.iter().map(Vec::as_slice).collect();
        if let Err(error) = journal.rewrite(&slices) {
            self.fail(&error, checks);
            return;
        }
        self.rewrites += 1;
    }

    /// What a node keeps is bounded by how far its view is ahead of the last final one.
    pub(in crate::sim) fn check_bounds(&self, checks: &mut Checks) {
        let Some(running) = self.running.as_ref().filter(|_| self.identity.obeys) else {
            return;
        };
        let engine = running.replica.engine();
        let limits = MempoolLimits::default();
        let waiting = running.replica.mempool().counts();
        // each view has a proposal, and may have another block notarised; a range brings 64 more
        let blocks_max = 2 * engine.lag() + BODIES_SPARE;
        let journal_bytes = self.journal.as_ref().map_or(0, |j| j.size_bytes());
        // rewritten beyond its limit, unless what counts takes more
        let journal_max = self.journal_max + RECORDS_MAX_BYTES * (engine.lag() + 2);
        let problem = [
            (
                waiting.iter().any(|count| *count > limits.lane_count_max),
                "more transactions than its lanes hold",
            ),
            (
                !engine.kept().is_within(&engine.kept_max()),
                "more of the views that are not final than it may",
            ),
            (
                running.execution.pending() as u64 > blocks_max,
                "more executed blocks than views that are not final",
            ),
            (
                journal_bytes > journal_max,
                "a journal that is never shortened",
            ),
        ]
        .into_iter()
        .find_map(|(holds, problem)| holds.then_some(problem));
        if let Some(problem) = problem {
            let message = format!(
                "{} keeps {problem}: {:?} of {:?}",
                self.identity.name,
                engine.kept(),
                engine.kept_max()
            );
            checks.violate(Property::Bounded, message);
        }
    }

    /// A commit can be on the disk although the node died, or was told of a failure, before it could say so.
    pub(super) fn tell_unsaid(&self, ledger: &Ledger, checks: &mut Checks) {
        let head = ledger.head();
        while checks.final_height() < head.height {
            let height = checks.final_height().next();
            let block = ledger.block(height).expect("reads").expect("committed");
            let root = match ledger.header(height.next()).expect("reads") {
                Some(next) => next.parent_state_root,
                None => head.state_root,
            };
            let receipts = ledger.receipts(height).expect("reads").unwrap_or_default();
            let ended = self.genesis.parameters.epoch_ending_at(height);
            let elected = ended.and_then(|ended| {
                epoch_config(&ledger.state(), ended.next().next()).expect("reads")
            });
            let finality = Finality {
                id: block.id(),
                block: &block,
                root,
                receipts: &receipts,
                elected,
            };
            checks.on_final(&self.identity, finality);
        }
    }
}
