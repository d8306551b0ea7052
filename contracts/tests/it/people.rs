//! Short ways to call the identity contract about people, and what is known of them.

use crate::world::*;
use salus_contracts::native::identity::{self as contract, IdentityEvent, Registered};
use salus_primitives::calls::{IDENTITY, IdentityCall, NewDevice, PersonKeys, Profession};
use salus_primitives::codec;
use salus_primitives::ids::{EntityId, Height, ModelId, PractitionerId};
use salus_primitives::reading::Pseudonym;
use salus_primitives::receipt::Receipt;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{SignedTransaction, TRANSACTION_MAX};

/// The hospital and the pharmacy offer to hold keys, with the keys of their numbers and 60.
pub(crate) fn with_custodians() -> World {
    let mut world = World::new();
    for n in [HOSPITAL, PHARMACY] {
        assert_eq!(world.run(set_custody_key(n, n + 60)), "ok");
    }
    world
}

/// By the time of the next block, in milliseconds.
pub(crate) fn now(world: &World) -> u64 {
    world.next().time.as_millis()
}

pub(crate) fn pseudonym(n: u8) -> Pseudonym {
    Pseudonym([n; 32])
}

pub(crate) fn salt(n: u8) -> [u8; 32] {
    [n ^ 0xff; 32]
}

pub(crate) fn keys(n: u8) -> PersonKeys {
    PersonKeys {
        key: key(n),
        exchange_key: exchange_key(n),
    }
}

pub(crate) fn model(n: u8) -> ModelId {
    ModelId([n; 32])
}

pub(crate) fn practitioner(n: u8) -> PractitionerId {
    PractitionerId([n; 32])
}

/// Ascending.
pub(crate) fn entities(numbers: &[u8]) -> Vec<EntityId> {
    let mut ids: Vec<_> = numbers.iter().map(|n| entity_id(*n)).collect();
    ids.sort_unstable();
    ids
}

pub(crate) fn set_custody_key(n: u8, to: u8) -> SignedTransaction {
    identity(n, &IdentityCall::SetCustodyKey { key: key(to) })
}

pub(crate) fn register_practitioner(sender: u8, n: u8) -> SignedTransaction {
    let call = IdentityCall::RegisterPractitioner {
        practitioner: practitioner(n),
        profession: Profession::Physician,
        keys: keys(n),
    };
    identity(sender, &call)
}

pub(crate) fn rotate_practitioner(sender: u8, n: u8, to: u8) -> SignedTransaction {
    let call = IdentityCall::RotatePractitionerKeys {
        practitioner: practitioner(n),
        keys: keys(to),
    };
    identity(sender, &call)
}

pub(crate) fn revoke_practitioner(sender: u8, n: u8) -> SignedTransaction {
    let practitioner = practitioner(n);
    identity(sender, &IdentityCall::RevokePractitioner { practitioner })
}

/// Person `n`, whose custodians are the hospital and the pharmacy; `key` and `of_age_at`, in milliseconds, if it has them.
pub(crate) fn register_person(
    sender: u8,
    n: u8,
    key: Option<u8>,
    of_age_at: Option<u64>,
) -> SignedTransaction {
    kept_by(sender, n, key, of_age_at, entities(&[HOSPITAL, PHARMACY]))
}

/// The same with other custodians.
pub(crate) fn kept_by(
    sender: u8,
    n: u8,
    key: Option<u8>,
    of_age_at: Option<u64>,
    custodians: Vec<EntityId>,
) -> SignedTransaction {
    let call = IdentityCall::RegisterPerson {
        person: pseudonym(n),
        salt: salt(n),
        keys: key.map(keys),
        of_age_at: of_age_at.map(Timestamp::from_millis),
        custodians,
    };
    identity(sender, &call)
}

/// Person `n` of the hospital, of age, with key `n`.
pub(crate) fn adult(n: u8) -> SignedTransaction {
    register_person(HOSPITAL, n, Some(n), None)
}

pub(crate) fn set_person_keys(sender: u8, n: u8, to: u8) -> SignedTransaction {
    let (person, keys) = (pseudonym(n), keys(to));
    identity(sender, &IdentityCall::SetPersonKeys { person, keys })
}

pub(crate) fn set_custodians(sender: u8, n: u8, custodians: Vec<EntityId>) -> SignedTransaction {
    let person = pseudonym(n);
    identity(sender, &IdentityCall::SetCustodians { person, custodians })
}

pub(crate) fn appoint_guardian(
    sender: u8,
    n: u8,
    guardian: u8,
    until: Option<u64>,
) -> SignedTransaction {
    let call = IdentityCall::AppointGuardian {
        person: pseudonym(n),
        guardian: pseudonym(guardian),
        until: until.map(Timestamp::from_millis),
    };
    identity(sender, &call)
}

pub(crate) fn appoint_delegate(sender: u8, n: u8, delegate: u8, until: u64) -> SignedTransaction {
    let call = IdentityCall::AppointDelegate {
        person: pseudonym(n),
        delegate: pseudonym(delegate),
        until: Timestamp::from_millis(until),
    };
    identity(sender, &call)
}

pub(crate) fn end_representation(sender: u8, n: u8, representative: u8) -> SignedTransaction {
    let call = IdentityCall::EndRepresentation {
        person: pseudonym(n),
        representative: pseudonym(representative),
    };
    identity(sender, &call)
}

pub(crate) fn merge(sender: u8, n: u8, into: u8) -> SignedTransaction {
    let (person, into) = (pseudonym(n), pseudonym(into));
    identity(sender, &IdentityCall::Merge { person, into })
}

pub(crate) fn split(sender: u8, n: u8) -> SignedTransaction {
    let person = pseudonym(n);
    identity(sender, &IdentityCall::Split { person })
}

/// Devices of a model, ascending by id.
pub(crate) fn register_devices(
    sender: u8,
    of: Option<u8>,
    mut devices: Vec<NewDevice>,
) -> SignedTransaction {
    devices.sort_unstable_by_key(|new| new.device);
    let model = of.map(model);
    identity(sender, &IdentityCall::RegisterDevices { model, devices })
}

/// Device `n` with key `n`.
pub(crate) fn new_device(n: u8) -> NewDevice {
    NewDevice {
        device: device_id(n),
        key: key(n),
    }
}

pub(crate) fn revoke_model(sender: u8, n: u8) -> SignedTransaction {
    identity(sender, &IdentityCall::RevokeModel { model: model(n) })
}

pub(crate) fn rotate_at(sender: u8, n: u8, to: u8, from: u64) -> SignedTransaction {
    let call = IdentityCall::RotateDeviceKey {
        device: device_id(n),
        key: key(to),
        from: Some(Height::new(from)),
    };
    identity(sender, &call)
}

/// What is known of person `n`.
pub(crate) fn registered(world: &World, n: u8) -> Registered {
    contract::person(&world.state, &pseudonym(n))
        .expect("memory")
        .expect("registered")
}

/// Whether `who` is on the patient's side of `n` in the next block.
pub(crate) fn is_on_side(world: &World, n: u8, who: u8) -> bool {
    let of = registered(world, n);
    contract::patients_side(&world.state, &of, &pseudonym(who), world.next().time).expect("memory")
}

/// The events of the identity contract in a receipt.
pub(crate) fn events(receipt: &Receipt) -> Vec<IdentityEvent> {
    receipt
        .events
        .iter()
        .filter(|event| event.contract == IDENTITY)
        .map(|event| codec::decode(event.data.as_slice(), TRANSACTION_MAX).expect("an event"))
        .collect()
}

/// `ok` or why not, of each.
pub(crate) fn reasons(receipts: &[Receipt]) -> Vec<&'static str> {
    receipts.iter().map(reason).collect()
}
