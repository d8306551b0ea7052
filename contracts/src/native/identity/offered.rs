//! What the identity contract does for the contracts that it opens to (`docs/adr/0007`). What they only want to know, they ask for with its queries.

use super::people::Registered;
use super::state::{Entity, Holder, entity_slot, holder_slot};
use super::{Identity, is_taken, persons};
use crate::context::Context;
use crate::error::Halt;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::EntityId;
use salus_primitives::receipt::Event;

/// An entity.
pub(crate) fn entity_of(context: &mut Context<'_>, id: &EntityId) -> Result<Option<Entity>, Halt> {
    context.within::<Identity, _>(|context| context.load(&entity_slot(id)))
}

/// Adds an event of this call, as [`Context::publish`] returned it, to a person's audit trail.
pub(crate) fn extend_trail(
    context: &mut Context<'_>,
    of: &Registered,
    event: &Event,
) -> Result<(), Halt> {
    context.within::<Identity, _>(|context| persons::extend(context, of, event))
}

/// Whether a key is or was bound to someone.
pub(crate) fn is_bound(context: &mut Context<'_>, key: &PublicKey) -> Result<bool, Halt> {
    context.within::<Identity, _>(|context| is_taken(context, key))
}

/// Binds a key that [`is_bound`] denied to an entity's validator.
pub(crate) fn bind_to_validator(
    context: &mut Context<'_>,
    key: &PublicKey,
    id: EntityId,
) -> Result<(), Halt> {
    context
        .within::<Identity, _>(|context| context.store(&holder_slot(key), &Holder::Validator(id)))
}

#[cfg(test)]
mod tests {
    use super::super::people::{patients_side, person, person_key, salt_slot, trail};
    use super::super::{Person, Representative, RepresentativeKind};
    use super::*;
    use crate::caller::{Caller, Principal};
    use crate::context::{BlockContext, Occasion};
    use crate::meter::Limits;
    use salus_primitives::access::Requester;
    use salus_primitives::audit::Trail;
    use salus_primitives::calls::{ACCESS, IDENTITY, RECORDS, Role};
    use salus_primitives::codec::{self, Blob};
    use salus_primitives::ids::{ContractId, GenesisHash, Height};
    use salus_primitives::parameters::ChainParameters;
    use salus_primitives::reading::Pseudonym;
    use salus_primitives::state::{MemoryState, WriteSet};
    use salus_primitives::time::Timestamp;
    use salus_primitives::transaction::TxId;

    const GIVEN_UP: Pseudonym = Pseudonym([1; 32]);
    const STAYS: Pseudonym = Pseudonym([2; 32]);
    const GUARDIAN: Pseudonym = Pseudonym([3; 32]);
    const SALT: [u8; 32] = [4; 32];
    const TX: TxId = TxId([5; 32]);

    /// One that was merged into another, which has a guardian until 10.
    fn state() -> MemoryState {
        let bare = Person {
            relation: EntityId([6; 32]),
            keys: None,
            keys_since: Height::ZERO,
            of_age_at: None,
            custodians: Vec::new(),
            former_custodians: Vec::new(),
            representatives: Vec::new(),
            merged_into: None,
            merged: Vec::new(),
            proposed: None,
            regrouped: 1,
            registered_at: Height::ZERO,
        };
        let given_up = Person {
            merged_into: Some(STAYS),
            ..bare.clone()
        };
        let stays = Person {
            merged: vec![GIVEN_UP],
            representatives: vec![Representative {
                person: GUARDIAN,
                kind: RepresentativeKind::Guardian,
                appointed_by: Requester::Entity(EntityId([6; 32])),
                until: Some(Timestamp::from_millis(10)),
            }],
            ..bare
        };
        let mut writes = WriteSet::default();
        for (id, person) in [(GIVEN_UP, given_up), (STAYS, stays)] {
            writes.put(salt_slot(&id).key_of(IDENTITY), codec::encode(&SALT));
            writes.put(person_key(&SALT, &id), codec::encode(&person));
        }
        let mut state = MemoryState::default();
        state.apply(&writes);
        state
    }

    fn registered(state: &MemoryState, id: &Pseudonym) -> Registered {
        person(state, id).expect("memory").expect("registered")
    }

    /// What a contract writes by an act.
    fn act(
        contract: ContractId,
        state: &MemoryState,
        act: impl FnOnce(&mut Context<'_>),
    ) -> WriteSet {
        let parameters = ChainParameters {
            tenure: 8,
            delta_ms: 250,
            delta_max_ms: 4000,
            skip_after: 2,
            heartbeat_ms: 10_000,
            window_blocks: 4096,
            block_bytes: 1 << 20,
            epoch_blocks: 10,
            seats: 4,
            proposal_blocks: 10,
        };
        let caller = Caller {
            key: PublicKey([1; 32]),
            principal: Principal::Entity {
                id: EntityId([6; 32]),
                role: Role::Hospital,
            },
        };
        let occasion = Occasion {
            block: BlockContext {
                height: Height::new(1),
                time: Timestamp::from_millis(9),
            },
            transaction: TX,
            genesis: GenesisHash([1; 32]),
            parameters: &parameters,
        };
        let mut context = Context::new(contract, caller, occasion, state, Limits::STANDARD);
        act(&mut context);
        context.finish().0
    }

    /// Only from the one that stays to the one that was given up.
    #[test]
    fn a_merged_persons_side_is_that_of_the_pseudonym_that_stays() {
        let state = state();
        for (subject, who, time, expected) in [
            (GIVEN_UP, GUARDIAN, 9, true),
            (GIVEN_UP, GUARDIAN, 10, false),
            (STAYS, GUARDIAN, 9, true),
            (GIVEN_UP, STAYS, 9, false),
        ] {
            let now = Timestamp::from_millis(time);
            let subject = registered(&state, &subject);

            let side = patients_side(&state, &subject, &who, now).expect("memory");

            assert_eq!(side, expected, "{who} for {} at {now}", subject.id);
        }
    }

    #[test]
    fn another_contracts_events_extend_the_trail() {
        let mut state = state();
        let event = Event {
            contract: ACCESS,
            topic: 4,
            data: Blob(vec![1, 2, 3]),
        };

        let subject = registered(&state, &GIVEN_UP);

        let writes = act(ACCESS, &state, |context| {
            extend_trail(context, &subject, &event).expect("within the limits");
            extend_trail(context, &subject, &event).expect("within the limits");
        });

        state.apply(&writes);
        let expected = Trail::default().after(&TX, &event).after(&TX, &event);
        assert_eq!(trail(&state, &subject).expect("memory"), expected);
        assert_eq!(
            writes.tree().count(),
            1,
            "what can be proven is the trail alone"
        );
        assert_eq!(writes.index().count(), 2, "where each event stands");
    }

    #[test]
    #[should_panic(expected = "identity does not open to contract 3")]
    fn records_cannot_extend_a_trail() {
        let state = state();
        let subject = registered(&state, &GIVEN_UP);
        let event = Event {
            contract: RECORDS,
            topic: 1,
            data: Blob(Vec::new()),
        };

        act(RECORDS, &state, |context| {
            extend_trail(context, &subject, &event).expect("not reached");
        });
    }
}
