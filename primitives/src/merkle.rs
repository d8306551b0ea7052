//! Binary Merkle trees over lists, shaped as in RFC 9162, with BLAKE3 and separate domains for leaf, node and root.
//!
//! The root commits to the number of leaves, so that a proof's position cannot be reinterpreted.

use crate::hash::Digest;
use crate::namespace::Domain;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// All levels of a tree, leaves first.
#[derive(Clone, Debug)]
pub struct MerkleTree {
    levels: Vec<Vec<Digest>>,
}

/// Shows that a leaf stands at a position under a root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MerkleProof {
    /// Position of the leaf.
    pub index: u32,
    /// How many leaves there are.
    pub leaf_count: u32,
    /// Hashes beside the path, from the leaf upwards.
    pub siblings: Vec<Digest>,
}

/// Hashes arbitrary bytes into a leaf.
#[must_use]
pub fn leaf_digest(bytes: &[u8]) -> Digest {
    Domain::MerkleLeaf.hash(&[bytes])
}

impl MerkleTree {
    /// Builds the tree over `leaves`.
    #[must_use]
    pub fn new(leaves: Vec<Digest>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node(left, right),
                    [single] => *single,
                    _ => unreachable!("chunks of two"),
                })
                .collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The root over all leaves and their number.
    #[must_use]
    pub fn root(&self) -> Digest {
        let count = self.levels.first().map_or(0, Vec::len);
        let top = self.levels.last().and_then(|level| level.first());
        root(u32::try_from(count).unwrap_or(u32::MAX), top)
    }

    /// The proof for the leaf at `index`, if there is one.
    #[must_use]
    pub fn proof(&self, index: u32) -> Option<MerkleProof> {
        let leaf_count = u32::try_from(self.levels.first()?.len()).ok()?;
        if index >= leaf_count {
            return None;
        }
        let mut siblings = Vec::new();
        let mut position = usize::try_from(index).ok()?;
        for level in &self.levels {
            if let Some(sibling) = level.get(position ^ 1).filter(|_| level.len() > 1) {
                siblings.push(*sibling);
            }
            position /= 2;
        }
        Some(MerkleProof {
            index,
            leaf_count,
            siblings,
        })
    }
}

impl MerkleProof {
    /// The root under which this proof places `leaf`, or `None` if the proof has the wrong shape.
    #[must_use]
    pub fn root_of(&self, leaf: Digest) -> Option<Digest> {
        if self.index >= self.leaf_count {
            return None;
        }
        let mut siblings = self.siblings.iter();
        let mut hash = leaf;
        let mut position = self.index;
        let mut last = self.leaf_count.checked_sub(1)?;
        while last > 0 {
            if position % 2 == 1 {
                hash = node(siblings.next()?, &hash);
            } else if position < last {
                hash = node(&hash, siblings.next()?);
            }
            position /= 2;
            last /= 2;
        }
        siblings
            .next()
            .is_none()
            .then(|| root(self.leaf_count, Some(&hash)))
    }
}

fn node(left: &Digest, right: &Digest) -> Digest {
    Domain::MerkleNode.hash(&[left.as_bytes(), right.as_bytes()])
}

fn root(count: u32, top: Option<&Digest>) -> Digest {
    let top = top.copied().unwrap_or_default();
    Domain::MerkleRoot.hash(&[&count.to_le_bytes(), top.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(count: u32) -> Vec<Digest> {
        (0..count).map(|n| leaf_digest(&n.to_le_bytes())).collect()
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proven() {
        for count in 0..40 {
            let tree = MerkleTree::new(leaves(count));
            for (index, leaf) in (0..).zip(leaves(count)) {
                let proof = tree.proof(index).expect("within");

                assert_eq!(proof.root_of(leaf), Some(tree.root()), "{index} of {count}");
            }
            assert_eq!(tree.proof(count), None);
        }
    }

    proptest! {
        /// A proof holds for its own leaf, position and count, and for nothing else.
        #[test]
        fn a_changed_proof_gives_another_root(count in 1u32..70, pick in any::<u32>(), bit in any::<usize>()) {
            let tree = MerkleTree::new(leaves(count));
            let index = pick % count;
            let proof = tree.proof(index).expect("within");
            let mut bytes = crate::codec::encode(&proof);
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = crate::codec::decode::<MerkleProof>(&bytes, 1 << 16) {
                prop_assert_ne!(changed.root_of(leaf_digest(&index.to_le_bytes())), Some(tree.root()));
            }
        }
    }
}
