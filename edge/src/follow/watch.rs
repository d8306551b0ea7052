//! What a client has seen to be final, and what it does when it is shown something else: it stops, and keeps the evidence.

use std::path::{Path, PathBuf};

use salus_primitives::codec;
use salus_primitives::conflict::{CONFLICT_MAX, Conflict, ConflictEvidence, Forked, contradiction};
use salus_primitives::epoch::EpochChange;
use salus_primitives::light::Sightings;
use salus_primitives::proof::FinalityProof;

use crate::files;

/// Sightings, and the conflict among them if there is one.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) seen: Sightings,
    forked: Option<Forked>,
    evidence: Option<PathBuf>,
}

impl Watch {
    /// With what an earlier run saw. A conflict that it kept in the file is still one.
    ///
    /// # Errors
    /// When the disk refuses, or the file holds something else: then nobody knows what was seen.
    pub(super) fn open(seen: Sightings, evidence: &Path) -> Result<Self, std::io::Error> {
        let limit = u64::try_from(CONFLICT_MAX).unwrap_or(u64::MAX);
        let invalid =
            |problem: String| std::io::Error::new(std::io::ErrorKind::InvalidData, problem);
        let forked = match files::read(evidence, limit)? {
            Some(bytes) => {
                let kept: ConflictEvidence = codec::decode(&bytes, CONFLICT_MAX)
                    .map_err(|error| invalid(error.to_string()))?;
                let forked = forked(&kept.conflict)
                    .ok_or_else(|| invalid("it holds no conflict".to_owned()))?;
                Some(forked)
            }
            None => None,
        };
        Ok(Self {
            seen,
            forked,
            evidence: Some(evidence.to_owned()),
        })
    }

    /// The conflict, if one was seen.
    pub(super) fn forked(&self) -> Option<Forked> {
        self.forked
    }

    /// Remembers a proof that held; gives the conflict if it contradicts an earlier one.
    pub(super) fn note(&mut self, proof: &FinalityProof) -> Option<Box<Conflict>> {
        let conflict = self.seen.note(proof).err()?;
        self.forked = forked(&conflict);
        Some(conflict)
    }

    /// The same with a change of epochs.
    pub(super) fn note_change(&mut self, change: &EpochChange) -> Option<Box<Conflict>> {
        let conflict = self.seen.note_change(change).err()?;
        self.forked = forked(&conflict);
        Some(conflict)
    }

    /// Writes the evidence to its file. What a disk refuses is told, and costs the file.
    pub(super) fn keep(&self, conflict: Conflict, changes: Vec<EpochChange>) {
        let Some(path) = &self.evidence else {
            return;
        };
        let mut evidence = ConflictEvidence { conflict, changes };
        let mut bytes = codec::encode(&evidence);
        if bytes.len() > CONFLICT_MAX {
            evidence.changes.clear();
            bytes = codec::encode(&evidence);
        }
        match files::replace(path, &bytes) {
            Ok(_) => eprintln!(
                "the evidence is kept in {}; `salus-edge verify --conflict` checks it",
                path.display()
            ),
            Err(error) => eprintln!("{}: {error}; the evidence is not kept", path.display()),
        }
    }
}

/// Where two proofs that were checked contradict each other.
fn forked(conflict: &Conflict) -> Option<Forked> {
    let (height, first, second) = contradiction(&conflict.first, &conflict.second)?;
    let epochs =
        [&conflict.first, &conflict.second].map(|proof| proof.certificate.statement.epoch());
    Some(Forked {
        height,
        first,
        second,
        epochs,
    })
}
