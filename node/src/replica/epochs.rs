//! From one epoch to the next: a new engine when the last block of the old one is final.

use super::{Effect, Replica};
use crate::wire::Request;
use salus_consensus::clock::Now;
use salus_consensus::config::{Config, Timing, Voter};
use salus_consensus::engine::Engine;
use salus_consensus::journal::JournalEntry;
use salus_consensus::message::{Message, Peer};
use salus_primitives::crypto::sign::Signer;
use salus_primitives::epoch::EpochConfig;
use salus_primitives::ids::{BlockId, EntityId, Epoch};
use salus_primitives::validators::ValidatorSet;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose node it is, and the keys it may vote with: the present one and, while it rotates, the next.
#[derive(Clone, Debug)]
pub struct Member {
    /// The member.
    pub entity: EntityId,
    /// Its validator keys; none if the node only observes.
    pub signers: Vec<Signer>,
}

/// What the replica keeps for the next epoch.
#[derive(Debug)]
pub(super) struct Epochs {
    member: Member,
    /// Whom the last blocks of this epoch's branches elect, for the epoch after the next.
    elected: BTreeMap<BlockId, Arc<EpochConfig>>,
    /// What the journal holds of epochs after the present one. Commits are less durable than votes: after a loss of power a
    /// node may stand in an earlier epoch than it has voted in, and comes to the later one again (rule 8).
    ahead: Vec<JournalEntry>,
}

impl Member {
    /// The seat and key with which this node votes in a set: only with the very key that the set names.
    #[must_use]
    pub fn voter(&self, validators: &ValidatorSet) -> Option<Voter> {
        let seat = validators.seat_of(&self.entity)?;
        let key = validators.validator(seat)?.key;
        let signer = self.signers.iter().find(|signer| signer.public() == key)?;
        Some(Voter {
            seat,
            signer: signer.clone(),
        })
    }
}

impl Epochs {
    pub(super) const fn new(member: Member, ahead: Vec<JournalEntry>) -> Self {
        Self {
            member,
            elected: BTreeMap::new(),
            ahead,
        }
    }

    /// Whose node it is.
    pub(super) const fn member(&self) -> &Member {
        &self.member
    }

    /// What the journal holds of later epochs.
    pub(super) fn ahead(&self) -> &[JournalEntry] {
        &self.ahead
    }

    pub(super) fn elected(&mut self, block: BlockId, elected: Arc<EpochConfig>) {
        self.elected.insert(block, elected);
    }
}

impl Replica {
    /// E4: the epoch's last block is final; the next one begins on it, in view 1, with the validators that it names.
    pub(super) fn begin_epoch(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let base = self.engine.next_base();
        let begun = Arc::clone(&self.proposer.next);
        let validators = Arc::new(begun.validators.clone());
        let epoch = validators.epoch();
        let elected = std::mem::take(&mut self.epochs.elected)
            .remove(&base.id)
            .expect("a final block was executed, and an epoch's last block elects");
        let voter = self.epochs.member.voter(&validators);
        let config = Config {
            genesis: self.proposer.genesis,
            voter: voter.clone(),
            validators: Arc::clone(&validators),
            timing: Timing::from(&self.proposer.parameters),
            base,
            boundary: self.proposer.parameters.last_height(epoch),
        };
        self.proposer.validators = Arc::clone(&validators);
        self.proposer.lanes = Arc::new(begun.lanes.clone());
        self.proposer.next = Arc::clone(&elected);
        self.attestations.begin_epoch(Arc::clone(&validators));
        self.change_duties(now, self.engine.view(), voter);
        self.asked.clear();
        self.waiting = None;
        let (journal, ahead) = std::mem::take(&mut self.epochs.ahead)
            .into_iter()
            .partition(|entry| entry.epoch() <= epoch);
        self.epochs.ahead = ahead;
        let mut pending = Vec::new();
        self.engine = Engine::restore(config, None, journal, now, &mut pending);
        effects.push(Effect::EpochBegun {
            validators,
            lanes: Arc::clone(&self.proposer.lanes),
            next: elected,
        });
        self.carry_out(now, pending, effects);
    }

    /// E5: whether a message is of this epoch. Who is in an earlier one is told how it ended; where a later one has begun,
    /// its blocks are asked for.
    pub(super) fn is_of_this_epoch(
        &mut self,
        now: Now,
        from: Peer,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let own = self.engine.epoch();
        let Some(epoch) = epoch_of(message) else {
            return true;
        };
        match epoch.cmp(&own) {
            Ordering::Equal => return true,
            Ordering::Less => {
                let asks = matches!(message, Message::Status(_));
                if asks && self.standings.may_ask(now.monotonic, from) {
                    let end = self.proposer.parameters.last_height(epoch);
                    effects.push(Effect::Serve(from, Request::Finalization(end)));
                }
            }
            Ordering::Greater => {
                self.ask_for_range(now, effects);
            }
        }
        false
    }
}

fn epoch_of(message: &Message) -> Option<Epoch> {
    match message {
        Message::Proposal(proposal) => Some(proposal.vote.statement.epoch()),
        Message::Vote { vote, .. } => Some(vote.statement.epoch()),
        Message::Certificates(certificates) => certificates
            .first()
            .map(|certificate| certificate.statement.epoch()),
        Message::Status(status) => Some(status.epoch),
    }
}
