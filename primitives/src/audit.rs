//! The audit trail of a person: every event about it, chained, so that an export is complete and unaltered or shows that it is not.
//!
//! The state keeps of each person how many events there were and a digest over all of them, in the authenticated tree. An export holds the events
//! with the proofs of their receipts, and the proof of the trail at some height: it is the whole truth up to there if the events
//! lead to just that digest. Leaving one out, adding one, or changing their order leads to another.

mod export;

pub use export::{
    AUDIT_EXPORT_MAX, AuditEntry, AuditError, AuditExport, Audited, AuditedEvent, TrailProof,
};

use crate::calls::IDENTITY;
use crate::hash::Digest;
use crate::namespace::Domain;
use crate::reading::Pseudonym;
use crate::receipt::Event;
use crate::state::StateKey;
use crate::transaction::TxId;
use serde::{Deserialize, Serialize};

/// How many events there were about a person, and which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// How many.
    pub count: u64,
    /// Over all of them, in the order of the chain; zeros before the first.
    pub digest: Digest,
}

impl Trail {
    /// The trail after one more event, of the given transaction.
    #[must_use]
    pub fn after(&self, transaction: &TxId, event: &Event) -> Self {
        let digest = Domain::AuditTrail.hash(&[
            &self.digest.0,
            transaction.as_bytes(),
            &event.contract.get().to_le_bytes(),
            &event.topic.to_le_bytes(),
            event.data.as_slice(),
        ]);
        Self {
            count: self.count.saturating_add(1),
            digest,
        }
    }
}

/// Under which path the tree keeps what belongs to a person. Who knows the pseudonym and not the salt can ask for no proof.
#[must_use]
pub fn person_path(salt: &[u8; 32], person: &Pseudonym) -> [u8; 32] {
    Domain::StatePath.keyed(salt, &[person.as_bytes()])
}

/// Where the tree keeps a person's [`Trail`].
#[must_use]
pub fn trail_key(salt: &[u8; 32], person: &Pseudonym) -> StateKey {
    StateKey::tree(
        IDENTITY,
        [&[TRAIL][..], &person_path(salt, person)].concat(),
    )
}

/// The table of trails in the state of the identity contract.
pub const TRAIL: u8 = b't';

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Blob;

    fn event(topic: u16) -> Event {
        Event {
            contract: IDENTITY,
            topic,
            data: Blob(vec![7]),
        }
    }

    #[test]
    fn a_trail_tells_order_transaction_and_content() {
        let (one, other) = (TxId([1; 32]), TxId([2; 32]));
        let start = Trail::default();

        let straight = start.after(&one, &event(1)).after(&one, &event(2));
        let crossed = start.after(&one, &event(2)).after(&one, &event(1));

        assert_eq!(straight.count, 2);
        assert_ne!(straight.digest, crossed.digest);
        assert_ne!(
            start.after(&one, &event(1)).digest,
            start.after(&other, &event(1)).digest
        );
        assert_ne!(start.after(&one, &event(1)).digest, start.digest);
    }

    #[test]
    fn paths_depend_on_salt_and_person() {
        let key = |salt, person| trail_key(&[salt; 32], &Pseudonym([person; 32]));

        assert_ne!(key(1, 1), key(2, 1));
        assert_ne!(key(1, 1), key(1, 2));
    }
}
