//! Who takes part, by the state after a final block: the members with their keys, the validators of this epoch and of the next.
//!
//! Read anew when a block changed any of that, not with every block.

use crate::diagnosis::NoLegalSet;
use crate::handle::Standing;
use salus_contracts::native::identity::{self, Holder};
use salus_contracts::native::staking::{self, Member};
use salus_network::PeerKey;
use salus_primitives::calls::{STAKING, ValidatorKeys};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{EntityId, Height};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::receipt::Receipt;
use salus_primitives::state::StateReadError;
use salus_primitives::validators::{SEATS_MIN, ValidatorSet};
use salus_storage::ledger::Ledger;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everybody who may connect, and as what.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    /// The members; and those that are none any more and still have a seat, with `None`.
    people: BTreeMap<EntityId, Option<Member>>,
    names: BTreeMap<EntityId, String>,
    /// The validators of the epoch before. Who is none any more may connect for one epoch more: it is to learn how its last one ended.
    leaving: Option<ValidatorSet>,
    /// This epoch's validators.
    present: Arc<ValidatorSet>,
    /// The next epoch's.
    next: Arc<ValidatorSet>,
    /// Who may be elected by the state as it is.
    eligible: BTreeSet<EntityId>,
    /// Whether this node's validator key has a holder on the chain.
    is_own_key_bound: bool,
}

/// Whose node this is, and with what it acts.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) entity: EntityId,
    pub(crate) name: String,
    /// The keys of this run.
    pub(crate) keys: ValidatorKeys,
    pub(crate) journal: OwnJournal,
}

/// Whether this node may vote with what its vote journal knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnJournal {
    /// It is whole.
    Ready,
    /// There is none for the keys of this run.
    Missing,
    /// It rests on a store in which this height was final.
    Ahead(Height),
}

impl Roster {
    /// Reads the state after the ledger's head.
    ///
    /// # Errors
    /// [`StateReadError`] if the store fails, or names no validators.
    pub(crate) fn read(
        ledger: &Ledger,
        parameters: &ChainParameters,
        own_key: &PublicKey,
    ) -> Result<Self, StateReadError> {
        let state = ledger.state();
        let epoch = parameters.epoch_at(ledger.head().height.next());
        let set = |epoch| {
            staking::set(&state, epoch)?.map(Arc::new).ok_or_else(|| {
                StateReadError(format!("the state names no validators for epoch {epoch}"))
            })
        };
        let (present, next) = (set(epoch)?, set(epoch.next())?);
        let leaving = match epoch.previous() {
            Some(before) => staking::set(&state, before)?,
            None => None,
        };
        let mut people = BTreeMap::new();
        for (id, _) in staking::roll(&state)?.iter() {
            people.insert(*id, staking::member(&state, id)?);
        }
        for validator in present.validators().iter().chain(next.validators()) {
            if let Entry::Vacant(place) = people.entry(validator.entity) {
                place.insert(staking::member(&state, &validator.entity)?);
            }
        }
        let mut names = BTreeMap::new();
        for id in people.keys() {
            if let Some(entity) = identity::entity(&state, id)? {
                names.insert(*id, entity.name);
            }
        }
        let holder = identity::holder(&state, own_key)?;
        let eligible = staking::eligible(&state)?;
        Ok(Self {
            people,
            eligible: eligible.into_iter().map(|it| it.entity).collect(),
            names,
            leaving,
            present,
            next,
            is_own_key_bound: matches!(holder, Some(Holder::Validator(_))),
        })
    }

    /// Whether what a block did may have changed this.
    pub(crate) fn is_changed_by(receipts: &[Receipt]) -> bool {
        receipts
            .iter()
            .flat_map(|receipt| &receipt.events)
            .any(|event| event.contract == STAKING && !MATTERS_AT_ELECTIONS.contains(&event.topic))
    }

    /// Everybody but this node's own member, with the keys by which they may connect: those of the sets in force, of the one before,
    /// and those that a member will be elected with. A key that none of these names is let in no more.
    pub(crate) fn peers(&self, own: &EntityId) -> BTreeMap<EntityId, BTreeSet<PeerKey>> {
        let sets = self
            .present
            .validators()
            .iter()
            .chain(self.next.validators());
        let leaving = self.leaving.iter().flat_map(ValidatorSet::validators);
        let seats = sets
            .chain(leaving)
            .map(|validator| (validator.entity, validator.network_key));
        let members = self.people.iter().filter_map(|(id, member)| {
            let keys = member.as_ref()?.keys?;
            Some((*id, keys.network_key))
        });
        let mut peers: BTreeMap<EntityId, BTreeSet<PeerKey>> = BTreeMap::new();
        for (entity, key) in seats.chain(members).filter(|(entity, _)| entity != own) {
            let keys = peers.entry(entity).or_default();
            keys.insert(PeerKey::new(key.0));
        }
        peers
    }

    /// The members, and others who still have a seat, in the order of their ids.
    pub(crate) fn people(&self) -> impl Iterator<Item = &EntityId> {
        self.people.keys()
    }

    /// The name that one of these is registered under.
    pub(crate) fn name(&self, entity: &EntityId) -> Option<&str> {
        self.names.get(entity).map(String::as_str)
    }

    /// The keys that a member is to act with now: those of the first set that names it, or else those it will be elected with.
    pub(crate) fn keys_of(&self, entity: &EntityId) -> Option<ValidatorKeys> {
        let member = || self.people.get(entity)?.as_ref()?.keys;
        seat_keys(&self.present, entity)
            .or_else(|| seat_keys(&self.next, entity))
            .or_else(member)
    }

    /// Whether a validator key votes in a set in force.
    pub(crate) fn has_seat(&self, key: &PublicKey) -> bool {
        [&self.present, &self.next]
            .into_iter()
            .flat_map(|set| set.validators())
            .any(|validator| validator.key == *key)
    }

    /// What keeps the next election from being one, if anything does. Exact at an epoch's beginning, and from then on but for weight
    /// that was delegated since.
    pub(crate) fn no_legal_set(&self) -> Option<NoLegalSet> {
        let name = |entity: &EntityId| {
            self.name(entity)
                .map_or_else(|| entity.to_string(), str::to_owned)
        };
        (self.eligible.len() < SEATS_MIN).then(|| NoLegalSet {
            eligible: self.eligible.iter().map(name).collect(),
            kept: self
                .next
                .validators()
                .iter()
                .filter(|validator| !self.eligible.contains(&validator.entity))
                .map(|validator| name(&validator.entity))
                .collect(),
        })
    }

    /// Where this node stands.
    pub(crate) fn standing(&self, own: &Own) -> Standing {
        if let Some(keys) = seat_keys(&self.present, &own.entity) {
            return match (keys.validator_key == own.keys.validator_key, own.journal) {
                (false, _) => Standing::OtherKey,
                (true, OwnJournal::Missing) => Standing::NoJournal,
                (true, OwnJournal::Ahead(height)) => Standing::StoreBehind(height),
                (true, OwnJournal::Ready) => Standing::Votes,
            };
        }
        if seat_keys(&self.next, &own.entity).is_some() {
            return Standing::Elected(self.next.epoch());
        }
        match self.people.get(&own.entity).and_then(Option::as_ref) {
            Some(member) if member.jailed.is_some() => Standing::Jailed,
            Some(member) if member.inactive.is_some() => Standing::Inactive,
            Some(member) if !member.candidate => Standing::NotStanding,
            Some(member) if member.keys.is_none() => Standing::NoKeys,
            Some(_) => Standing::NoSeat,
            None if self.is_own_key_bound => Standing::Retired,
            None => Standing::NotAdmitted,
        }
    }
}

fn seat_keys(set: &ValidatorSet, entity: &EntityId) -> Option<ValidatorKeys> {
    let validator = set.validator(set.seat_of(entity)?)?;
    Some(ValidatorKeys {
        validator_key: validator.key,
        network_key: validator.network_key,
    })
}

/// Topics of staking events that change nothing before the end of the epoch, at which all is read anyway.
const MATTERS_AT_ELECTIONS: [u16; 5] = [
    staking::DELEGATED,
    staking::WITHDRAWN,
    staking::WEIGHT_SET,
    staking::OBSERVED,
    staking::PARTICIPATION_SET,
];

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::evidence::{Offence, OffenceKind};
    use salus_primitives::ids::{Epoch, Height};
    use salus_primitives::validators::Validator;

    fn id(n: u8) -> EntityId {
        EntityId([n; 32])
    }

    /// The keys of a member after so many rotations.
    fn keys(n: u8, rotation: u8) -> ValidatorKeys {
        ValidatorKeys {
            validator_key: PublicKey([n * 16 + 2 * rotation; 32]),
            network_key: PublicKey([n * 16 + 2 * rotation + 1; 32]),
        }
    }

    fn set(epoch: u64, seats: &[(u8, u8)]) -> ValidatorSet {
        let seats = seats.iter().map(|(n, rotation)| Validator {
            entity: id(*n),
            key: keys(*n, *rotation).validator_key,
            network_key: keys(*n, *rotation).network_key,
            weight: 1,
        });
        ValidatorSet::new(Epoch::new(epoch), seats.collect()).expect("legal")
    }

    fn member(keys: ValidatorKeys) -> Option<Member> {
        Some(Member {
            admitted_at: Height::ZERO,
            keys: Some(keys),
            candidate: true,
            inactive: None,
            returned: None,
            jailed: None,
            answered: None,
            delegation: None,
            delegated_at: Height::ZERO,
        })
    }

    fn own(n: u8, rotation: u8, journal: OwnJournal) -> Own {
        Own {
            entity: id(n),
            name: format!("member-{n}"),
            keys: keys(n, rotation),
            journal,
        }
    }

    /// Members 1 to 5; 5 has no seat yet and takes 1's in the next epoch. 2 rotated, which the next set knows. 6 left: it had
    /// a seat in the epoch before.
    fn roster() -> Roster {
        let roll = [(1, 0), (2, 1), (3, 0), (4, 0), (5, 0)];
        Roster {
            people: roll
                .into_iter()
                .map(|(n, rotation)| (id(n), member(keys(n, rotation))))
                .collect(),
            names: BTreeMap::new(),
            eligible: (1..=5).map(id).collect(),
            leaving: Some(set(6, &[(1, 0), (2, 0), (3, 0), (6, 0)])),
            present: Arc::new(set(7, &[(1, 0), (2, 0), (3, 0), (4, 0)])),
            next: Arc::new(set(8, &[(2, 1), (3, 0), (4, 0), (5, 0)])),
            is_own_key_bound: false,
        }
    }

    #[test]
    fn who_has_a_seat_votes_with_its_key_and_its_journal_and_not_without() {
        let roster = roster();

        assert_eq!(
            roster.standing(&own(2, 0, OwnJournal::Ready)),
            Standing::Votes
        );
        assert_eq!(
            roster.standing(&own(2, 0, OwnJournal::Missing)),
            Standing::NoJournal
        );
        let ahead = OwnJournal::Ahead(Height::new(40));
        let behind = Standing::StoreBehind(Height::new(40));
        assert_eq!(roster.standing(&own(2, 0, ahead)), behind);
        assert_eq!(
            roster.standing(&own(2, 1, OwnJournal::Ready)),
            Standing::OtherKey
        );
        assert_eq!(
            roster.standing(&own(5, 0, OwnJournal::Ready)),
            Standing::Elected(Epoch::new(8))
        );
    }

    #[test]
    fn a_member_without_a_seat_is_told_why() {
        let mut roster = roster();
        let mut after = |change: &dyn Fn(&mut Member)| {
            let mut other = member(keys(9, 0)).expect("a member");
            change(&mut other);
            roster.people.insert(id(9), Some(other));
            roster.standing(&own(9, 0, OwnJournal::Ready))
        };

        assert_eq!(after(&|_| ()), Standing::NoSeat);
        assert_eq!(after(&|m| m.candidate = false), Standing::NotStanding);
        assert_eq!(after(&|m| m.keys = None), Standing::NoKeys);
        let offence = Offence {
            entity: id(9),
            epoch: Epoch::new(1),
            kind: OffenceKind::DoubleNotarize,
        };
        assert_eq!(after(&|m| m.jailed = Some(offence)), Standing::Jailed);
    }

    /// Who is no member was one if its key has a holder, and else is to be one.
    #[test]
    fn a_newcomer_is_told_from_who_was_retired() {
        let mut roster = roster();

        assert_eq!(
            roster.standing(&own(9, 0, OwnJournal::Ready)),
            Standing::NotAdmitted
        );
        roster.is_own_key_bound = true;
        assert_eq!(
            roster.standing(&own(9, 0, OwnJournal::Ready)),
            Standing::Retired
        );
    }

    /// Without four who may be elected the present set goes on, with those in it who may not.
    #[test]
    fn a_set_that_goes_on_for_want_of_candidates_is_told() {
        let mut roster = roster();
        assert_eq!(roster.no_legal_set(), None);

        roster.eligible = [1, 2, 4].map(id).into();
        roster.names.insert(id(3), "ministry".to_owned());

        let told = roster.no_legal_set().expect("three are no set");
        assert_eq!(told.eligible.len(), 3);
        assert_eq!(told.kept, ["ministry".to_owned(), id(5).to_string()]);
    }

    /// A node that lacks blocks cannot say from those it has that its member is none.
    #[test]
    fn who_is_no_member_by_old_blocks_catches_up() {
        assert_eq!(Standing::NotAdmitted.known(true), Standing::CatchesUp);
        assert_eq!(Standing::NotAdmitted.known(false), Standing::NotAdmitted);
        for standing in [Standing::Votes, Standing::Retired, Standing::NoJournal] {
            assert_eq!(standing.known(true), standing);
        }
    }

    /// Keys rotate at an epoch's first view, not when governance decided.
    #[test]
    fn the_first_set_that_names_a_member_decides_which_keys_it_acts_with() {
        let mut roster = roster();

        assert_eq!(roster.keys_of(&id(2)), Some(keys(2, 0)));
        roster.present = Arc::clone(&roster.next);
        assert_eq!(roster.keys_of(&id(2)), Some(keys(2, 1)));
        assert_eq!(roster.keys_of(&id(5)), Some(keys(5, 0)));
        // without a seat, those of elections to come
        assert_eq!(roster.keys_of(&id(1)), Some(keys(1, 0)));
        assert_eq!(roster.keys_of(&id(9)), None);
    }

    /// Old and new keys connect while a set in force names them, and so do those who have just left; then no more.
    #[test]
    fn keys_that_no_set_in_force_names_are_let_in_no_more() {
        let mut roster = roster();
        let key = |n, rotation| PeerKey::new(keys(n, rotation).network_key.0);

        let peers = roster.peers(&id(3));

        assert!(!peers.contains_key(&id(3)), "not this node itself");
        assert_eq!(peers[&id(2)], BTreeSet::from([key(2, 0), key(2, 1)]));
        assert_eq!(peers[&id(6)], BTreeSet::from([key(6, 0)]));

        roster.leaving = None;
        roster.present = Arc::clone(&roster.next);
        let peers = roster.peers(&id(3));
        assert_eq!(peers[&id(2)], BTreeSet::from([key(2, 1)]));
        assert!(!peers.contains_key(&id(6)));
        assert_eq!(peers[&id(1)], BTreeSet::from([key(1, 0)]), "a member still");
    }
}
