//! What the consensus thread tells an operator who asks why nothing is final.

use super::Consensus;
use crate::diagnosis::{Facts, Link, SeatFacts, ViewFacts};
use crate::replica::Input;
use salus_consensus::clock::Now;
use salus_primitives::ids::{EntityId, Seat};
use salus_primitives::validators::Validator;
use tokio::sync::oneshot;

/// A question of an operator.
#[derive(Debug)]
pub(crate) enum Question {
    /// Asks the peers for their accounts.
    AskPeers,
    /// What is known by now, and whether every peer that is connected has answered.
    Tell(oneshot::Sender<(Facts, bool)>),
}

/// How many turns ahead are told.
const TURNS: u64 = 4;

impl Consensus {
    pub(super) fn answer_operator(&mut self, now: Now, question: Question) {
        match question {
            Question::AskPeers => {
                self.replica.handle(now, Input::Explain, &mut self.effects);
            }
            Question::Tell(reply) => {
                // an operator who is gone needs no answer
                let _ = reply.send((self.facts(now), self.replica.have_all_answered()));
            }
        }
    }

    fn facts(&self, now: Now) -> Facts {
        let engine = self.replica.engine();
        let validators = &self.io.validators;
        let standing = engine.standing();
        let seats = |seats: &[Seat]| seats.iter().map(|seat| seat.index()).collect();
        Facts {
            own: self.io.own.name.clone(),
            account: self.replica.account(now),
            seats: validators
                .validators()
                .iter()
                .map(|validator| self.seat_facts(now, validator))
                .collect(),
            quorum_weight: validators.quorum_weight(),
            total_weight: validators.total_weight(),
            fault_weight: validators.fault_weight(),
            view: ViewFacts {
                view: standing.view,
                manager: standing.manager.index(),
                next: engine
                    .next_turns(TURNS)
                    .into_iter()
                    .map(|(view, seat)| (view, seat.index()))
                    .collect(),
                proposed: standing.proposed,
                notarize: seats(&standing.notarize),
                nullify: seats(&standing.nullify),
                finalize: standing
                    .finalize
                    .map(|(view, voters)| (view, seats(&voters))),
            },
            delta_ms: self.replica.delta_ms(),
            no_legal_set: self.io.roster.borrow().no_legal_set(),
        }
    }

    fn seat_facts(&self, now: Now, validator: &Validator) -> SeatFacts {
        let since = |at| now.monotonic.millis_since(at);
        let peer = validator.network_key;
        let known = self.replica.acquaintance(&peer);
        let answer = known
            .filter(|known| known.is_connected && known.has_answered())
            .and_then(|known| known.answer.as_ref());
        SeatFacts {
            name: self.name_of(&validator.entity),
            weight: validator.weight,
            network_key: peer,
            link: match known {
                _ if validator.entity == self.io.own.entity => Link::Own,
                None => Link::Never,
                Some(known) if known.is_connected => Link::Connected {
                    for_ms: since(known.since),
                },
                Some(known) => Link::Lost {
                    for_ms: since(known.since),
                },
            },
            heard_ms: known.and_then(|known| known.heard_at).map(since),
            is_muted: !self.replica.hears(now, &peer),
            position: known.and_then(|known| known.position),
            account: answer.map(|answer| answer.account.as_ref().clone()),
            clock_ahead_ms: answer.map_or(0, |answer| {
                let (theirs, ours) = (answer.account.clock, answer.at.wall);
                let ahead = i128::from(theirs.as_millis()) - i128::from(ours.as_millis());
                i64::try_from(ahead).unwrap_or(i64::MAX)
            }),
        }
    }

    fn name_of(&self, entity: &EntityId) -> String {
        let roster = self.io.roster.borrow();
        roster
            .name(entity)
            .map_or_else(|| entity.to_string(), str::to_owned)
    }
}
