//! What the staking contract keeps, all of it in the authenticated tree, and the queries over it.

use super::attendance::Absence;
use super::roll::Roll;
use crate::genesis::GenesisMember;
use crate::slot::Slot;
use salus_primitives::calls::{Delegation, Observed, STAKING, ValidatorKeys};
use salus_primitives::codec;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::evidence::Offence;
use salus_primitives::ids::{EntityId, Epoch, Height, Seat};
use salus_primitives::state::{StateKey, StateRead, StateReadError, WriteSet};
use salus_primitives::validators::ValidatorSet;
use serde::{Deserialize, Serialize};

/// A member. Its weight stands in the [`Roll`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The block that admitted it; 0 for founders.
    pub admitted_at: Height,
    /// What its validator acts with in sets that are elected from now on.
    pub keys: Option<ValidatorKeys>,
    /// Whether it stands for a seat.
    pub candidate: bool,
    /// The votes it missed, if it was set inactive for that and has not returned since.
    pub inactive: Option<Absence>,
    /// The epoch in which it returned last: what it missed up to then is settled.
    pub returned: Option<Epoch>,
    /// The offence it is jailed for.
    pub jailed: Option<Offence>,
    /// The epoch up to which its offences are answered, because governance released it then.
    pub answered: Option<Epoch>,
    /// To whom it delegates its weight.
    pub delegation: Option<Delegation>,
    /// The block that delegated it. What was delegated before a candidate was admitted is not its.
    pub delegated_at: Height,
}

impl Member {
    /// Who becomes a member stands, and delegates its whole weight to itself.
    pub(super) const fn new(id: EntityId, keys: Option<ValidatorKeys>, height: Height) -> Self {
        Self {
            admitted_at: height,
            keys,
            candidate: true,
            inactive: None,
            returned: None,
            jailed: None,
            answered: None,
            delegation: Some(Delegation::Whole(id)),
            delegated_at: height,
        }
    }

    /// Its keys, if it may be elected.
    #[must_use]
    pub fn eligible(&self) -> Option<ValidatorKeys> {
        let stands = self.candidate && self.inactive.is_none() && self.jailed.is_none();
        self.keys.filter(|_| stands)
    }
}

/// The member of this id, if the entity is one.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn member(state: &dyn StateRead, id: &EntityId) -> Result<Option<Member>, StateReadError> {
    member_slot(id).read(STAKING, state)
}

/// All members with their weights.
///
/// # Errors
/// [`StateReadError`] if the store fails or holds none: then it does not hold a chain.
pub fn roll(state: &dyn StateRead) -> Result<Roll, StateReadError> {
    roll_slot()
        .read(STAKING, state)?
        .ok_or_else(|| StateReadError("the state holds no members".into()))
}

/// The validators of an epoch, if they are known: those of the epoch after a block's own, and of the last [`SETS_KEPT`].
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn set(state: &dyn StateRead, epoch: Epoch) -> Result<Option<ValidatorSet>, StateReadError> {
    set_slot(epoch).read(STAKING, state)
}

/// The offences of an epoch that were reported, one for each offender at most, ascending by it.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub fn offences(state: &dyn StateRead, epoch: Epoch) -> Result<Vec<Offence>, StateReadError> {
    Ok(offences_slot(epoch)
        .read(STAKING, state)?
        .unwrap_or_default())
}

/// The share of votes that is asked of members, in percent.
///
/// # Errors
/// [`StateReadError`] if the store fails or holds none: then it does not hold a chain.
pub fn participation(state: &dyn StateRead) -> Result<u8, StateReadError> {
    participation_slot()
        .read(STAKING, state)?
        .ok_or_else(|| StateReadError("the state holds no share of votes to ask for".into()))
}

/// Whether a member's validator votes with this key in an epoch.
///
/// # Errors
/// [`StateReadError`] if the store fails.
pub(crate) fn votes_with(
    state: &dyn StateRead,
    epoch: Epoch,
    id: &EntityId,
    key: &PublicKey,
) -> Result<bool, StateReadError> {
    let set = set(state, epoch)?;
    let validator = set.as_ref().and_then(|set| set.validator(set.seat_of(id)?));
    Ok(validator.is_some_and(|validator| validator.key == *key))
}

/// Where the tree keeps a member, for proofs.
#[must_use]
pub fn member_key(id: &EntityId) -> StateKey {
    member_slot(id).key_of(STAKING)
}

/// Where the tree keeps all weights, for proofs.
#[must_use]
pub fn roll_key() -> StateKey {
    roll_slot().key_of(STAKING)
}

/// Where the tree keeps the validators of an epoch, for proofs.
#[must_use]
pub fn set_key(epoch: Epoch) -> StateKey {
    set_slot(epoch).key_of(STAKING)
}

/// Where the tree keeps the share of votes that is asked of members, for proofs.
#[must_use]
pub fn participation_key() -> StateKey {
    participation_slot().key_of(STAKING)
}

/// Where the tree keeps the offences of an epoch.
pub(super) fn offences_key(epoch: Epoch) -> StateKey {
    offences_slot(epoch).key_of(STAKING)
}

/// How many epochs' sets are kept: for so long an offence can be reported.
pub const SETS_KEPT: u64 = 16;

/// Writes the founders.
pub(super) fn genesis(members: &[GenesisMember], participation_percent: u8, writes: &mut WriteSet) {
    writes.put(participation_key(), codec::encode(&participation_percent));
    let weights = members.iter().map(|member| (member.entity, member.weight));
    let roll: Roll = weights.collect();
    writes.put(roll_key(), codec::encode(&roll));
    for founder in members {
        let member = Member::new(founder.entity, Some(founder.keys()), Height::ZERO);
        writes.put(member_key(&founder.entity), codec::encode(&member));
    }
}

pub(super) fn member_slot(id: &EntityId) -> Slot<Member> {
    Slot::tree(b'm', id.as_bytes())
}

pub(super) fn roll_slot() -> Slot<Roll> {
    Slot::tree(b'r', b"")
}

pub(super) fn set_slot(epoch: Epoch) -> Slot<ValidatorSet> {
    Slot::tree(b's', &epoch.get().to_be_bytes())
}

/// What the holder of a seat saw in an epoch, from its report until the next epoch ends.
pub(super) fn observed_slot(epoch: Epoch, seat: Seat) -> Slot<Observed> {
    let (epoch, seat) = (epoch.get().to_be_bytes(), seat.get().to_be_bytes());
    Slot::tree(b'v', &[epoch.as_slice(), &seat].concat())
}

pub(super) fn participation_slot() -> Slot<u8> {
    Slot::tree(b'p', b"")
}

pub(super) fn offences_slot(epoch: Epoch) -> Slot<Vec<Offence>> {
    Slot::tree(b'o', &epoch.get().to_be_bytes())
}
