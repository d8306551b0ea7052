//! Practitioners and persons as the state keeps them, and the queries over them.
//!
//! What belongs to a person lies in the tree under a path that is keyed with a salt of that person ([`person_path`]), and the salt in the index, which
//! is never proven and served by no call: so who only knows a pseudonym can ask for no proof, present or absent (`docs/adr/0018`).

use crate::slot::Slot;
use salus_primitives::access::Requester;
use salus_primitives::audit::{TRAIL, Trail, person_path};
use salus_primitives::calls::{IDENTITY, PersonKeys, Profession};
use salus_primitives::ids::{ContractId, EntityId, Height, PractitionerId};
use salus_primitives::reading::Pseudonym;
use salus_primitives::state::{StateKey, StateRead, StateReadError};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use serde::{Deserialize, Serialize};

/// Most guardians and delegates of a person at a time.
pub const REPRESENTATIVES_MAX: usize = 8;
/// Most pseudonyms that are merged into one.
pub const MERGED_MAX: usize = 8;
/// Most entities that are or were custodians of a person: an order to erase reaches all of them.
pub const CUSTODIANS_EVER_MAX: usize = 16;

/// Somebody who works for an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Practitioner {
    /// For whom.
    pub employer: EntityId,
    /// As what.
    pub profession: Profession,
    /// What they sign and receive secrets with.
    pub keys: PersonKeys,
    /// The block that gave them these keys.
    pub keys_since: Height,
    /// The block that registered them.
    pub registered_at: Height,
    /// The block that revoked them.
    pub revoked_at: Option<Height>,
}

/// A patient, or somebody who acts for one, as one entity knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The entity that registered it.
    pub relation: EntityId,
    /// What it signs and receives secrets with, if it can.
    pub keys: Option<PersonKeys>,
    /// The block that gave it these keys, or registered it without.
    pub keys_since: Height,
    /// When it comes, or came, of age; `None` for who was of age when it was registered.
    pub of_age_at: Option<Timestamp>,
    /// Who holds the keys of periods that begin now; ascending.
    pub custodians: Vec<EntityId>,
    /// Who may hold keys of earlier periods only; ascending, none of them in `custodians`.
    pub former_custodians: Vec<EntityId>,
    /// Who acts for it, and perhaps some who no longer do; at most [`REPRESENTATIVES_MAX`].
    pub representatives: Vec<Representative>,
    /// The pseudonym that this one was given up for.
    pub merged_into: Option<Pseudonym>,
    /// The pseudonyms that were given up for this one; ascending, at most [`MERGED_MAX`].
    pub merged: Vec<Pseudonym>,
    /// A merge of this one into another that waits for assents.
    pub proposed: Option<ProposedMerge>,
    /// How often its side has changed by a call so that somebody may have lost access: by a merge or a split, by the end of a representation before its
    /// time, or when those that had run out were taken off the list.
    pub regrouped: u32,
    /// The block that registered it.
    pub registered_at: Height,
}

/// Somebody who acts for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Representative {
    /// Who: another registered person with keys.
    pub person: Pseudonym,
    /// As what.
    pub kind: RepresentativeKind,
    /// Who appointed it.
    pub appointed_by: Requester,
    /// When it acts no more, by block time; a guardian of a minor no later than that comes of age. `None`: until it is ended.
    pub until: Option<Timestamp>,
}

impl Representative {
    /// Whether it acts for the person at this block time.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// As what somebody acts for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RepresentativeKind {
    /// By law: a minor's parent, or who was appointed for an adult who cannot act.
    Guardian,
    /// By the person's own will.
    Delegate,
}

/// A merge that the relation has proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedMerge {
    /// The pseudonym that is to stay.
    pub into: Pseudonym,
    /// Who of the patient's sides of both has assented.
    pub assents: Vec<Pseudonym>,
}

impl Person {
    /// Whether it has yet to come of age at this block time.
    #[must_use]
    pub fn is_minor(&self, now: Timestamp) -> bool {
        self.of_age_at.is_some_and(|of_age_at| now < of_age_at)
    }

    /// Who holds keys of any period; ascending.
    #[must_use]
    pub fn custodians_ever(&self) -> Vec<EntityId> {
        let mut all = [&self.custodians[..], &self.former_custodians[..]].concat();
        all.sort_unstable();
        all
    }

    /// How many of those who are listed acted for it once, and do not any more at this block time.
    #[must_use]
    pub fn lapsed_representatives(&self, now: Timestamp) -> usize {
        self.representatives
            .len()
            .saturating_sub(self.live_representatives(now).count())
    }

    /// Who acts for it at this block time.
    pub fn live_representatives(&self, now: Timestamp) -> impl Iterator<Item = &Representative> {
        self.representatives
            .iter()
            .filter(move |representative| representative.is_live(now))
    }
}

/// A person with its name, and where the state keeps what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its pseudonym.
    pub id: Pseudonym,
    /// What its path is keyed with.
    pub salt: [u8; 32],
    /// What is known of it.
    pub person: Person,
}

impl Registered {
    /// The keyed path of this person, under which every contract keeps what belongs to it.
    #[must_use]
    pub fn path(&self) -> [u8; 32] {
        person_path(&self.salt, &self.id)
    }

    /// Whether `who` may act as this person at this block time: itself, if it has keys and is of age, its guardians and its delegates.
    #[must_use]
    pub fn has_on_side(&self, who: &Pseudonym, now: Timestamp) -> bool {
        let is_itself = *who == self.id && self.person.keys.is_some() && !self.person.is_minor(now);
        is_itself
            || self
                .person
                .live_representatives(now)
                .any(|representative| representative.person == *who)
    }

    /// Whether anybody may act as this person at this block time.
    #[must_use]
    pub fn has_a_side(&self, now: Timestamp) -> bool {
        self.has_on_side(&self.id, now) || self.person.live_representatives(now).next().is_some()
    }
}

/// The practitioner of this id, revoked or not.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn practitioner(
    state: &dyn StateRead,
    id: &PractitionerId,
) -> Result<Option<Practitioner>, StateReadError> {
    practitioner_slot(id).read(IDENTITY, state)
}

/// The person of this pseudonym. For contracts and for a node's own work: no API call may tell an outsider what this answers.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn person(state: &dyn StateRead, id: &Pseudonym) -> Result<Option<Registered>, StateReadError> {
    let Some(salt) = salt_slot(id).read(IDENTITY, state)? else {
        return Ok(None);
    };
    let person = person_slot(&salt, id)
        .read(IDENTITY, state)?
        .ok_or_else(|| StateReadError("a person with a salt is missing".into()))?;
    Ok(Some(Registered {
        id: *id,
        salt,
        person,
    }))
}

/// Whether `who` is on the patient's side of `subject` at this block time: may act as this person, or as the one that it was merged into. Both are
/// one patient then; the keys and representatives of the pseudonym that stays count for the data under the one that was given up, not the other way.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn patients_side(
    state: &dyn StateRead,
    subject: &Registered,
    who: &Pseudonym,
    now: Timestamp,
) -> Result<bool, StateReadError> {
    if subject.has_on_side(who, now) {
        return Ok(true);
    }
    let into = match &subject.person.merged_into {
        None => None,
        Some(into) => person(state, into)?,
    };
    Ok(into.is_some_and(|into| into.has_on_side(who, now)))
}

/// The audit trail of a person: how many events there were about it, in all contracts, and a digest over them.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn trail(state: &dyn StateRead, of: &Registered) -> Result<Trail, StateReadError> {
    Ok(trail_slot(of).read(IDENTITY, state)?.unwrap_or_default())
}

/// Where an event of a person's trail stands on the chain: in the plain index, for exports to find it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailEntry {
    /// The transaction.
    pub transaction: TxId,
    /// The event's index in its receipt.
    pub event: u32,
}

/// The event of this number in a person's trail, counted from 0.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn trail_entry(
    state: &dyn StateRead,
    of: &Registered,
    number: u64,
) -> Result<Option<TrailEntry>, StateReadError> {
    trail_entry_slot(of, number).read(IDENTITY, state)
}

/// Where the tree keeps a person, for proofs. Its trail lies under
/// [`trail_key`](salus_primitives::audit::trail_key).
#[must_use]
pub fn person_key(salt: &[u8; 32], id: &Pseudonym) -> StateKey {
    person_slot(salt, id).key_of(IDENTITY)
}

/// Where the tree keeps a practitioner, for proofs.
#[must_use]
pub fn practitioner_key(id: &PractitionerId) -> StateKey {
    practitioner_slot(id).key_of(IDENTITY)
}

pub(super) fn practitioner_slot(id: &PractitionerId) -> Slot<Practitioner> {
    Slot::tree(b'w', id.as_bytes())
}

pub(super) fn salt_slot(id: &Pseudonym) -> Slot<[u8; 32]> {
    Slot::index(SALTS, id.as_bytes())
}

const SALTS: u8 = b's';

pub(super) fn person_slot(salt: &[u8; 32], id: &Pseudonym) -> Slot<Person> {
    Slot::tree(b'p', &person_path(salt, id))
}

/// The table of pseudonyms and their salts in the plain index, for who lists persons: contract and kind; the rest of a key is the pseudonym.
pub const PERSONS: (ContractId, u8) = (IDENTITY, SALTS);

pub(super) fn trail_entry_slot(of: &Registered, number: u64) -> Slot<TrailEntry> {
    Slot::index(b'n', &[&of.path()[..], &number.to_be_bytes()].concat())
}

pub(super) fn trail_slot(of: &Registered) -> Slot<Trail> {
    Slot::tree(TRAIL, &of.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::audit::trail_key;
    use salus_primitives::crypto::exchange::ExchangePublic;
    use salus_primitives::crypto::sign::PublicKey;

    const ID: Pseudonym = Pseudonym([1; 32]);
    const OTHER: Pseudonym = Pseudonym([2; 32]);

    fn registered(
        of_age_at: Option<u64>,
        has_keys: bool,
        until: Option<Option<u64>>,
    ) -> Registered {
        let keys = has_keys.then_some(PersonKeys {
            key: PublicKey([3; 32]),
            exchange_key: ExchangePublic([4; 32]),
        });
        let representatives = until
            .map(|until| Representative {
                person: OTHER,
                kind: RepresentativeKind::Guardian,
                appointed_by: Requester::Entity(EntityId([5; 32])),
                until: until.map(Timestamp::from_millis),
            })
            .into_iter()
            .collect();
        Registered {
            id: ID,
            salt: [6; 32],
            person: Person {
                relation: EntityId([5; 32]),
                keys,
                keys_since: Height::ZERO,
                of_age_at: of_age_at.map(Timestamp::from_millis),
                custodians: Vec::new(),
                former_custodians: Vec::new(),
                representatives,
                merged_into: None,
                merged: Vec::new(),
                proposed: None,
                regrouped: 0,
                registered_at: Height::ZERO,
            },
        }
    }

    #[test]
    fn a_person_is_on_its_own_side_from_the_time_it_is_of_age_and_with_keys_only() {
        let side = |of_age_at, has_keys, now| {
            registered(of_age_at, has_keys, None).has_on_side(&ID, Timestamp::from_millis(now))
        };

        assert!(side(None, true, 0));
        assert!(!side(None, false, 0));
        assert!(!side(Some(10), true, 9));
        assert!(side(Some(10), true, 10));
        assert!(!side(Some(10), false, 10));
    }

    #[test]
    fn a_representative_acts_until_its_time_and_not_at_it() {
        let side = |until, now| {
            let person = registered(None, false, Some(until));
            let now = Timestamp::from_millis(now);
            assert_eq!(person.has_on_side(&OTHER, now), person.has_a_side(now));
            person.has_on_side(&OTHER, now)
        };

        assert!(side(Some(10), 9));
        assert!(!side(Some(10), 10));
        assert!(side(None, u64::MAX));
    }

    #[test]
    fn where_a_person_and_its_trail_lie_depends_on_the_salt() {
        let here = registered(None, true, None);
        let there = Registered {
            salt: [7; 32],
            ..here.clone()
        };

        assert_ne!(person_key(&here.salt, &ID), person_key(&there.salt, &ID));
        assert_eq!(
            trail_slot(&here).key_of(IDENTITY),
            trail_key(&here.salt, &ID)
        );
    }
}
