//! What a client has seen to be final, to notice when it is shown something else.

use crate::conflict::{Conflict, contradiction};
use crate::epoch::EpochChange;
use crate::proof::FinalityProof;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Proofs of finality that held, the latest ones of each kind. Bounded: [`RECENT_MAX`] of receipts, records and state,
/// [`BOUNDARIES_MAX`] of epochs' last blocks, each shortened to at most [`HEADERS_KEPT`] headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sightings {
    recent: VecDeque<FinalityProof>,
    boundaries: VecDeque<FinalityProof>,
}

/// How many proofs are remembered beside those of boundaries.
pub const RECENT_MAX: usize = 32;
/// Of how many epochs' last blocks the finality is remembered.
pub const BOUNDARIES_MAX: usize = 128;
/// How many headers of a proof are remembered, the last ones. A proof has two as a rule, and more while blocks become final by
/// their descendants.
pub const HEADERS_KEPT: usize = 16;

impl Sightings {
    /// Remembers a proof that held.
    ///
    /// # Errors
    /// The proof together with an earlier one that it contradicts. Nothing is remembered then.
    pub fn note(&mut self, proof: &FinalityProof) -> Result<(), Box<Conflict>> {
        if self.compare(proof)? {
            keep(&mut self.recent, proof, RECENT_MAX);
        }
        Ok(())
    }

    /// Remembers a change of epochs that held.
    ///
    /// # Errors
    /// As [`Sightings::note`].
    pub fn note_change(&mut self, change: &EpochChange) -> Result<(), Box<Conflict>> {
        let proof = FinalityProof {
            headers: Vec::from([change.header.clone()]),
            certificate: change.certificate.clone(),
        };
        if self.compare(&proof)? {
            keep(&mut self.boundaries, &proof, BOUNDARIES_MAX);
        }
        Ok(())
    }

    /// How many proofs are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recent.len().saturating_add(self.boundaries.len())
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The newest of them, to be kept on disk.
    #[must_use]
    pub fn newest(&self, recent: usize, boundaries: usize) -> Self {
        let tail = |of: &VecDeque<FinalityProof>, count: usize| {
            let skipped = of.len().saturating_sub(count);
            of.iter().skip(skipped).cloned().collect()
        };
        Self {
            recent: tail(&self.recent, recent),
            boundaries: tail(&self.boundaries, boundaries),
        }
    }

    /// Whether the proof says something that is not remembered yet.
    fn compare(&self, proof: &FinalityProof) -> Result<bool, Box<Conflict>> {
        let mut is_new = true;
        for seen in self.recent.iter().chain(&self.boundaries) {
            if !overlap(seen, proof) {
                continue;
            }
            // with the same last block, all before it are the same
            if seen.headers.last() == proof.headers.last() {
                is_new = false;
            } else if contradiction(seen, proof).is_some() {
                return Err(Box::new(Conflict {
                    first: seen.clone(),
                    second: proof.clone(),
                }));
            }
        }
        Ok(is_new)
    }
}

/// Whether two proofs speak of one height, the parent of the first header included.
fn overlap(one: &FinalityProof, other: &FinalityProof) -> bool {
    let range = |proof: &FinalityProof| {
        let first = proof.headers.first()?.height;
        Some((
            first.previous().unwrap_or(first),
            proof.headers.last()?.height,
        ))
    };
    match (range(one), range(other)) {
        (Some((first, last)), Some((start, end))) => first <= end && start <= last,
        _ => false,
    }
}

fn keep(kept: &mut VecDeque<FinalityProof>, proof: &FinalityProof, most: usize) {
    let skipped = proof.headers.len().saturating_sub(HEADERS_KEPT);
    if kept.len() >= most {
        kept.pop_front();
    }
    kept.push_back(FinalityProof {
        headers: proof.headers.iter().skip(skipped).cloned().collect(),
        certificate: proof.certificate.clone(),
    });
}
