//! Shape and hashing of the authenticated state tree, and the verification of its proofs.
//!
//! The tree is a binary sparse Merkle tree over 256-bit key hashes in which a subtree with one leaf is that leaf and an
//! empty one is a placeholder: the tree that jmt keeps in storage. This module says the same in few lines and without
//! storage: it verifies proofs for light clients, computes the root of genesis, and is the oracle in storage's tests.

use crate::hash::Digest;
use crate::namespace::Domain;
use crate::state::{StateKey, StateRoot};
use serde::{Deserialize, Serialize};

/// Hash of an empty subtree, as jmt defines it.
pub const PLACEHOLDER: [u8; 32] = *b"SPARSE_MERKLE_PLACEHOLDER_HASH__";
const LEAF_PREFIX: &[u8] = b"JMT::LeafNode";
const NODE_PREFIX: &[u8] = b"JMT::IntrnalNode";
/// Depth of the tree in bits.
const DEPTH: usize = 256;

/// Shows the value, or the absence, of one key under a state root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateProof {
    /// The only leaf in the subtree the key belongs to: key hash and value hash. `None`: the subtree is empty.
    pub leaf: Option<([u8; 32], [u8; 32])>,
    /// Hashes beside the path, from the leaf upwards.
    pub siblings: Vec<Digest>,
}

/// Hash of a key: the path of its leaf.
#[must_use]
pub fn key_hash(key: &StateKey) -> [u8; 32] {
    Domain::StateKey.hash(&[&key.path()]).0
}

/// Hash of anything else in the tree: values and nodes.
#[must_use]
pub fn tree_hash(parts: &[&[u8]]) -> [u8; 32] {
    Domain::StateTree.hash(parts).0
}

/// Hash of a value.
#[must_use]
pub fn value_hash(value: &[u8]) -> [u8; 32] {
    tree_hash(&[value])
}

/// Hash of a leaf.
#[must_use]
pub fn leaf_hash(key_hash: &[u8; 32], value_hash: &[u8; 32]) -> [u8; 32] {
    tree_hash(&[LEAF_PREFIX, key_hash, value_hash])
}

/// Hash of an inner node.
#[must_use]
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    tree_hash(&[NODE_PREFIX, left, right])
}

/// The root over a whole state of the tree space.
#[must_use]
pub fn root_of<'a>(values: impl IntoIterator<Item = (&'a StateKey, &'a [u8])>) -> StateRoot {
    let mut leaves: Vec<([u8; 32], [u8; 32])> = values
        .into_iter()
        .map(|(key, value)| (key_hash(key), value_hash(value)))
        .collect();
    leaves.sort_unstable();
    StateRoot(subtree(&leaves, 0))
}

fn subtree(leaves: &[([u8; 32], [u8; 32])], depth: usize) -> [u8; 32] {
    match leaves {
        [] => PLACEHOLDER,
        [(key, value)] => leaf_hash(key, value),
        _ => {
            let split = leaves.partition_point(|(key, _)| !bit(key, depth));
            let (left, right) = leaves.split_at(split);
            let below = depth.saturating_add(1);
            node_hash(&subtree(left, below), &subtree(right, below))
        }
    }
}

impl StateProof {
    /// Whether `root` holds exactly `value` under `key`; `None` claims absence.
    #[must_use]
    pub fn proves(&self, root: &StateRoot, key: &StateKey, value: Option<&[u8]>) -> bool {
        let key_hash = key_hash(key);
        let depth = self.siblings.len();
        if depth > DEPTH {
            return false;
        }
        let start = match (&self.leaf, value) {
            (Some((leaf_key, leaf_value)), Some(value)) => {
                if *leaf_key != key_hash || *leaf_value != value_hash(value) {
                    return false;
                }
                leaf_hash(leaf_key, leaf_value)
            }
            (Some((leaf_key, leaf_value)), None) => {
                let shared = (0..DEPTH)
                    .take_while(|depth| bit(leaf_key, *depth) == bit(&key_hash, *depth))
                    .count();
                if *leaf_key == key_hash || shared < depth {
                    return false;
                }
                leaf_hash(leaf_key, leaf_value)
            }
            (None, None) => PLACEHOLDER,
            (None, Some(_)) => return false,
        };
        let top =
            self.siblings
                .iter()
                .zip((0..depth).rev())
                .fold(start, |hash, (sibling, depth)| {
                    if bit(&key_hash, depth) {
                        node_hash(&sibling.0, &hash)
                    } else {
                        node_hash(&hash, &sibling.0)
                    }
                });
        top == root.0
    }
}

/// The bit of a path at `depth`, most significant first.
fn bit(path: &[u8; 32], depth: usize) -> bool {
    path.get(depth / 8)
        .is_some_and(|byte| byte & (0x80 >> (depth % 8)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ContractId;

    fn key(n: u8) -> StateKey {
        StateKey::tree(ContractId::new(1), [n])
    }

    /// With one leaf, the leaf is the root: it proves its own value and the absence of every other key.
    #[test]
    fn a_single_leaf_proves_presence_and_absence() {
        let root = root_of([(&key(1), b"one".as_slice())]);
        let proof = StateProof {
            leaf: Some((key_hash(&key(1)), value_hash(b"one"))),
            siblings: vec![],
        };

        assert!(proof.proves(&root, &key(1), Some(b"one")));
        assert!(proof.proves(&root, &key(2), None));
        assert!(!proof.proves(&root, &key(1), Some(b"two")));
        assert!(!proof.proves(&root, &key(1), None));
        assert!(!proof.proves(&root, &key(2), Some(b"one")));
    }

    #[test]
    fn the_root_does_not_depend_on_the_order_of_insertion() {
        let (a, b) = (key(1), key(2));

        assert_eq!(
            root_of([(&a, b"1".as_slice()), (&b, b"2")]),
            root_of([(&b, b"2".as_slice()), (&a, b"1")])
        );
        assert_eq!(root_of([]), StateRoot(PLACEHOLDER));
    }
}
