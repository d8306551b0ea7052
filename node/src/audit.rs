//! Gathers a person's audit trail with its proofs, from the final chain.

use salus_contracts::native::identity::{self, Registered};
use salus_primitives::audit::{AuditEntry, AuditExport, Trail, TrailProof, trail_key};
use salus_primitives::codec;
use salus_primitives::ids::Epoch;
use salus_primitives::proof::GenesisAnchor;
use salus_primitives::reading::Pseudonym;
use salus_primitives::state::StateReadError;
use salus_storage::ledger::{Ledger, LedgerError};

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No such person is registered with this salt.
    #[error("no person of this pseudonym and salt is registered")]
    UnknownPerson,
    /// The last blocks are not provable yet, or only with too many headers.
    #[error("the state is not provable yet; ask again")]
    NotYet,
    /// More than one export holds.
    #[error("there are {count} events, and an export holds {EVENTS_MAX}")]
    TooLong {
        /// How many there are.
        count: u64,
    },
    /// The ledger fails.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The state fails, or holds something else than it must.
    #[error(transparent)]
    State(#[from] StateReadError),
}

/// Everything that was made known about a person, up to the last block that can be proven.
///
/// # Errors
/// [`ExportError`]; a wrong salt is answered as an unknown person.
pub fn export(
    ledger: &Ledger,
    anchor: &GenesisAnchor,
    id: &Pseudonym,
    salt: &[u8; 32],
) -> Result<AuditExport, ExportError> {
    let person = {
        let snapshot = ledger.snapshot()?;
        identity::person(&snapshot.state(), id)?.filter(|person| person.salt == *salt)
    };
    let person = person.ok_or(ExportError::UnknownPerson)?;
    let trail = trail(ledger, &person)?;
    let entries = entries(ledger, &person, trail.trail.count)?;
    let last = entries
        .iter()
        .map(|entry| &entry.proof.finality)
        .chain([&trail.finality])
        .map(|finality| finality.certificate.statement.epoch())
        .max()
        .unwrap_or_default();
    let mut changes = Vec::new();
    let mut epoch = Epoch::ZERO.next();
    while epoch < last {
        changes.push(ledger.epoch_change(epoch)?.ok_or(ExportError::NotYet)?);
        epoch = epoch.next();
    }
    Ok(AuditExport {
        anchor: anchor.clone(),
        changes,
        person: *id,
        salt: *salt,
        entries,
        trail,
    })
}

/// The trail after the last block whose state can be proven.
fn trail(ledger: &Ledger, person: &Registered) -> Result<TrailProof, ExportError> {
    let key = trail_key(&person.salt, &person.id);
    let head = ledger.head().height;
    let mut height = head;
    // the last block's roots are in no header yet, and of those before it the newest certificate may be on its way
    for _ in 0..LOOK_BACK {
        height = height.previous().ok_or(ExportError::NotYet)?;
        let Some(finality) = ledger.finality_after(height)? else {
            continue;
        };
        let (value, state) = ledger.state_proof(height, &key)?;
        let trail = match value {
            Some(bytes) => codec::decode(&bytes, bytes.len())
                .map_err(|error| StateReadError(format!("an audit trail: {error}")))?,
            None => Trail::default(),
        };
        return Ok(TrailProof {
            trail,
            state,
            finality,
        });
    }
    Err(ExportError::NotYet)
}

/// The first `count` events of the trail, by transaction.
fn entries(
    ledger: &Ledger,
    person: &Registered,
    count: u64,
) -> Result<Vec<AuditEntry>, ExportError> {
    if count > EVENTS_MAX {
        return Err(ExportError::TooLong { count });
    }
    let snapshot = ledger.snapshot()?;
    let state = snapshot.state();
    let mut entries: Vec<AuditEntry> = Vec::new();
    for number in 0..count {
        let place = identity::trail_entry(&state, person, number)?.ok_or_else(|| {
            StateReadError(format!("event {number} of an audit trail is nowhere"))
        })?;
        match entries.last_mut() {
            Some(last) if last.proof.receipt.transaction == place.transaction => {
                last.events.push(place.event);
            }
            _ => entries.push(AuditEntry {
                proof: ledger
                    .receipt_proof(&place.transaction)?
                    .ok_or(ExportError::NotYet)?,
                events: vec![place.event],
            }),
        }
    }
    Ok(entries)
}

/// Most events in an export: with their proofs they stay below the bound of one.
pub const EVENTS_MAX: u64 = 10_000;

/// How many blocks before the last one may be tried.
const LOOK_BACK: usize = 64;
