//! What a validator's node says on chain by itself: contradictions that it noticed, and what it saw and measured of the other
//! validators in the epoch before. Signed with the key it votes with; contract `staking` takes nothing else from that key.
//!
//! A duty is a transaction of this node's own: it waits in its mempool and is forwarded until it is final. What expires before
//! that is signed again.

use super::attendance::{Attendance, votes_of};
use super::timing::Timing;
use super::{Effect, Replica};
use crate::mempool::{PoolError, Source};
use crate::wire::Frame;
use rand_core::Rng;
use salus_consensus::clock::{Monotonic, Now};
use salus_consensus::config::Voter;
use salus_consensus::input::Input as EngineInput;
use salus_consensus::message::{Message, Peer, VerifiedMessage};
use salus_consensus::proposal::Proposal;
use salus_consensus::vote::Vote;
use salus_contracts::native::staking::SETS_KEPT;
use salus_primitives::block::Block;
use salus_primitives::calls::{Observed, STAKING, StakingCall};
use salus_primitives::evidence::{Evidence, Offence};
use salus_primitives::ids::{BlockId, EntityId, Epoch, Height, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, Transaction, TxId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the replica keeps for its duties.
#[derive(Debug)]
pub(super) struct Duties {
    /// What was seen of the present epoch so far.
    present: Attendance,
    /// What was measured in it.
    timing: Timing,
    /// What was seen of the epoch before, until nothing more is waited for.
    before: Option<Before>,
    /// The seat and key in the present epoch, and in the one before.
    voters: [Option<Voter>; 2],
    due: BTreeMap<Subject, Due>,
    /// What blocks put on chain that were executed and are not final yet.
    executed: BTreeMap<BlockId, Vec<Offence>>,
    /// Whose offence of which epoch is on chain.
    known: BTreeSet<(Epoch, EntityId)>,
}

#[derive(Debug)]
struct Before {
    attendance: Attendance,
    timing: Timing,
    /// The last view this node was in.
    view: View,
    until: Monotonic,
}

/// What a duty is about: there is one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Observed(Epoch),
    Offence(Epoch, EntityId),
}

/// Something to say.
#[derive(Debug)]
struct Due {
    call: StakingCall,
    /// When to say it, unless it is said.
    at: Monotonic,
    /// The transaction that says it.
    said: Option<TxId>,
}

/// How many blocks a duty's transaction can wait for, before it is signed again.
const LIFE_BLOCKS: u64 = 128;
/// How long a new epoch waits for the last votes of the one before, in deltas.
const LATE_DELTAS: u64 = 2;
/// How long one node leaves a report to others, and a refused transaction to a fuller pool, in deltas.
const TURN_DELTAS: u64 = 4;

impl Duties {
    pub(super) fn new(
        validators: Arc<salus_primitives::validators::ValidatorSet>,
        voter: Option<Voter>,
    ) -> Self {
        let seat = voter.as_ref().map(|voter| voter.seat);
        Self {
            present: Attendance::new(validators, seat),
            timing: Timing::default(),
            before: None,
            voters: [voter, None],
            due: BTreeMap::new(),
            executed: BTreeMap::new(),
            known: BTreeSet::new(),
        }
    }

    /// When something is to be said next.
    pub(super) fn wakeup(&self) -> Option<Monotonic> {
        let said = self.due.values().filter(|due| due.said.is_none());
        said.map(|due| due.at)
            .chain(self.before.as_ref().map(|before| before.until))
            .min()
    }

    /// This node sends a proposal of its own.
    pub(super) fn propose(&mut self, now: Now, proposal: &Proposal) {
        self.timing.propose(now.monotonic, proposal);
    }

    /// A block that is not final yet put these offences on chain.
    pub(super) fn executed(&mut self, block: BlockId, offences: Vec<Offence>) {
        if !offences.is_empty() {
            self.executed.insert(block, offences);
        }
    }

    /// A block is final: what it says is said, and whom it jailed is known.
    pub(super) fn on_final(&mut self, block: &BlockId, ids: &[TxId]) {
        let Self { due, known, .. } = self;
        due.retain(|subject, due| {
            let is_final = due.said.is_some_and(|said| ids.contains(&said));
            // also if it was refused: then it was on chain before this node started, or is answered
            if let (true, Subject::Offence(epoch, entity)) = (is_final, *subject) {
                known.insert((epoch, entity));
            }
            !is_final
        });
        for offence in self.executed.remove(block).unwrap_or_default() {
            let Offence { entity, epoch, .. } = offence;
            self.due.remove(&Subject::Offence(epoch, entity));
            self.known.insert((epoch, entity));
        }
    }

    /// Forgets blocks that are not on their way to finality any more, and says again what expired.
    pub(super) fn settle(&mut self, expired: &[TxId], is_live: impl Fn(&BlockId) -> bool) {
        self.executed.retain(|block, _| is_live(block));
        for due in self.due.values_mut() {
            due.said = due.said.filter(|said| !expired.contains(said));
        }
    }
}

impl Replica {
    /// Looks at the votes in a message before it is judged by what it decides: a late one is a vote still, and one that
    /// contradicts another is evidence.
    pub(super) fn watch(
        &mut self,
        now: Now,
        from: Peer,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) {
        for vote in votes_of(message) {
            let at = now.monotonic;
            let duties = &mut self.duties;
            if duties.present.note(from, vote, self.engine.view()) {
                duties.timing.answer(at, vote);
            }
            if let Some(before) = &mut duties.before
                && before.attendance.note(from, vote, before.view)
            {
                before.timing.answer(at, vote);
            }
            if !self.engine.is_evidence(vote) {
                continue;
            }
            match vote.verify(self.proposer.genesis, &self.proposer.validators) {
                Ok(vote) => {
                    let message = VerifiedMessage::Vote { vote, entry: None };
                    self.drive(now, EngineInput::Message { from, message }, effects);
                }
                Err(error) => return self.fault(now, from, &error, effects),
            }
        }
    }

    /// A validator contradicted itself. Nodes report it one after the other, from the seat after the offender's on and more of
    /// them each time, until it is on chain: most reports would only be refused.
    pub(super) fn accuse(&mut self, now: Now, first: &Vote, second: &Vote) {
        let validators = &self.proposer.validators;
        let (seat, epoch) = (first.seat, validators.epoch());
        let own = self.duties.voters[0].as_ref().map(|voter| voter.seat);
        let Some(offender) = validators.validator(seat) else {
            return;
        };
        let subject = Subject::Offence(epoch, offender.entity);
        let settled = self.duties.known.contains(&(epoch, offender.entity))
            || self.duties.due.contains_key(&subject);
        // an honest node finds itself at fault if its key is in use elsewhere: the others will say so
        if settled || own == Some(seat) {
            return;
        }
        let [one, other] = [first, second].map(|vote| Signed {
            body: vote.statement,
            signature: vote.signature,
        });
        let turn = turn(own, seat, validators.len());
        let pause = u64::from(turn) * TURN_DELTAS * self.proposer.parameters.delta_ms;
        let due = Due {
            call: StakingCall::Report(Box::new(Evidence::new(seat, one, other))),
            at: now.monotonic.plus_millis(pause),
            said: None,
        };
        self.duties.due.insert(subject, due);
    }

    /// The next epoch has begun: the proposer knows its validators. `voter` was this node's part in the one that ended.
    pub(super) fn change_duties(&mut self, now: Now, view: View, voter: Option<Voter>) {
        let validators = Arc::clone(&self.proposer.validators);
        let epoch = validators.epoch();
        let former = std::mem::replace(&mut self.duties.voters[0], voter);
        let own = self.duties.voters[0].as_ref().map(|voter| voter.seat);
        let attendance =
            std::mem::replace(&mut self.duties.present, Attendance::new(validators, own));
        let timing = std::mem::take(&mut self.duties.timing);
        let late = LATE_DELTAS * self.proposer.parameters.delta_ms;
        self.duties.before = former.is_some().then_some(Before {
            attendance,
            timing,
            view,
            until: now.monotonic.plus_millis(late),
        });
        self.duties.voters[1] = former;
        let is_of_use = |subject: &Subject| match subject {
            Subject::Observed(observed) => observed.next() == epoch,
            Subject::Offence(of, _) => of.plus(SETS_KEPT) > epoch,
        };
        self.duties.due.retain(|subject, _| is_of_use(subject));
        self.duties
            .known
            .retain(|(of, entity)| is_of_use(&Subject::Offence(*of, *entity)));
    }

    /// Says what is due.
    pub(super) fn do_duties(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if let Some(before) = self
            .duties
            .before
            .take_if(|before| now.monotonic >= before.until)
        {
            let observed = before.attendance.into_observed(&before.timing);
            self.conclude(now, observed);
        }
        let due: Vec<Subject> = self
            .duties
            .due
            .iter()
            .filter(|(_, due)| due.said.is_none() && now.monotonic >= due.at)
            .map(|(subject, _)| *subject)
            .collect();
        for subject in due {
            self.say(now, subject, effects);
        }
    }

    /// Over fewer views than half the epoch's blocks the contract takes no report.
    fn conclude(&mut self, now: Now, observed: Observed) {
        if u64::from(observed.views) * 2 >= self.proposer.parameters.epoch_blocks {
            let due = Due {
                at: now.monotonic,
                said: None,
                call: StakingCall::Observe(observed.clone()),
            };
            self.duties
                .due
                .insert(Subject::Observed(observed.epoch), due);
        }
    }

    fn say(&mut self, now: Now, subject: Subject, effects: &mut Vec<Effect>) {
        let signer = self
            .duties
            .voters
            .iter()
            .flatten()
            .next()
            .map(|voter| voter.signer.clone());
        let (Some(signer), Some(due)) = (signer, self.duties.due.get(&subject)) else {
            // without a key of this epoch or the one before nothing is taken from this node
            self.duties.due.remove(&subject);
            return;
        };
        let mut nonce = [0; 16];
        self.entropy.fill_bytes(&mut nonce);
        let body = Transaction {
            genesis: self.proposer.genesis,
            sender: signer.public(),
            entity: self.epochs.member().entity,
            lane: Lane::Routine,
            valid_until: self.valid_until(subject),
            nonce,
            call: Call::new(STAKING, &due.call),
        };
        let transaction = Signed::sign(body, self.proposer.genesis, &signer);
        let (id, signed) = (transaction.id(), transaction.signed().clone());
        let inserted = self
            .mempool
            .insert(now.monotonic, transaction, Source::Client);
        if let Some(due) = self.duties.due.get_mut(&subject) {
            match inserted {
                Ok(_) => due.said = Some(id),
                Err(PoolError::Expired { .. }) => {
                    // its epoch is over at the next block
                    self.duties.due.remove(&subject);
                }
                Err(_) => {
                    let pause = TURN_DELTAS * self.proposer.parameters.delta_ms;
                    due.at = now.monotonic.plus_millis(pause);
                }
            }
        }
        if inserted.is_ok() {
            let frames = Frame::of_transactions(vec![signed]);
            effects.extend(frames.into_iter().map(Effect::Broadcast));
        }
    }

    fn valid_until(&self, subject: Subject) -> Height {
        let parameters = &self.proposer.parameters;
        let life = LIFE_BLOCKS.min(parameters.window_blocks);
        let latest = self.engine.final_height().plus(life);
        match subject {
            // it is taken until the end of the epoch after the one it is about
            Subject::Observed(epoch) => latest.min(parameters.last_height(epoch.next())),
            Subject::Offence(..) => latest,
        }
    }

    /// Blocks are final, with these transactions.
    pub(super) fn settle_duties(&mut self, blocks: &[(BlockId, Arc<Block>)], expired: &[TxId]) {
        for (id, block) in blocks {
            let ids = self.transaction_ids(id, block);
            self.duties.on_final(id, &ids);
        }
        self.duties
            .settle(expired, |id| self.engine.body(id).is_some());
    }
}

/// In which round this node reports, from 0 on: one seat in the first, two in the second, four in the third.
fn turn(own: Option<Seat>, offender: Seat, seats: usize) -> u32 {
    let seats = seats.max(2);
    let rank = own.map_or(seats - 2, |own| {
        (own.index() + seats - offender.index() - 1) % seats
    });
    (rank + 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seven honest seats of eight: one, two, four.
    #[test]
    fn reports_come_in_rounds_from_the_seat_after_the_offender_on() {
        let turns: Vec<u32> = [6, 7, 0, 1, 2, 3, 4]
            .map(|own| turn(Some(Seat::new(own)), Seat::new(5), 8))
            .into();

        assert_eq!(turns, [0, 1, 1, 2, 2, 2, 2]);
        assert_eq!(turn(None, Seat::new(5), 8), 2);
    }
}
