//! Vectors of what proves something of the state, of records, of a person's audit trail, and of a fork.

use crate::vectors::{Built, one, only};
use salus_contracts::native::identity::TrailEntry;
use salus_primitives::audit::{AuditEntry, AuditExport, Trail, TrailProof};
use salus_primitives::codec::Blob;
use salus_primitives::conflict::{Conflict, ConflictEvidence};
use salus_primitives::light::{Pin, Sightings};
use salus_primitives::proof::StateValueProof;
use salus_primitives::reading::Pseudonym;
use salus_primitives::records::RecordProof;
use salus_primitives::transaction::TxId;
use salus_tests::fixtures;

pub(crate) fn proofs() -> Vec<Built> {
    let [(key, value), _] = fixtures::state();
    let state = |value: Option<Vec<u8>>, key| StateValueProof {
        contract: fixtures::state()[0].0.contract,
        key: Blob(vec![1, 2]),
        value: value.map(Blob),
        tree: fixtures::state_proof(key),
        finality: fixtures::finality_proof(),
    };
    let mut sightings = Sightings::default();
    sightings
        .note(&fixtures::finality_proof())
        .expect("the first is no contradiction");
    let conflict = Conflict {
        first: fixtures::finality_proof(),
        second: fixtures::finality_proof(),
    };
    vec![
        one("present", state(Some(value), &key)),
        one("absent", state(None, &fixtures::absent_key())),
        only(RecordProof {
            transaction: fixtures::signed(1),
            receipt: fixtures::receipt_proof(),
        }),
        only(ConflictEvidence {
            conflict: conflict.clone(),
            changes: vec![fixtures::epoch_change()],
        }),
        only(conflict),
        only(Pin::of(&fixtures::epoch_config())),
        only(sightings),
    ]
}

pub(crate) fn audit() -> Vec<Built> {
    let [(key, _), _] = fixtures::state();
    let entry = AuditEntry {
        proof: fixtures::receipt_proof(),
        events: vec![0, 2],
    };
    let trail = TrailProof {
        trail: Trail::default().after(&TxId([7; 32]), &fixtures::event()),
        state: fixtures::state_proof(&key),
        finality: fixtures::finality_proof(),
    };
    vec![
        only(AuditExport {
            anchor: fixtures::anchor(),
            changes: vec![fixtures::epoch_change()],
            person: Pseudonym([5; 32]),
            salt: [6; 32],
            entries: vec![entry.clone()],
            trail: trail.clone(),
        }),
        only(entry),
        only(trail),
        only(TrailEntry {
            transaction: TxId([7; 32]),
            event: 0x0102,
        }),
    ]
}
