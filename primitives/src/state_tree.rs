//! Shape and hashing of the authenticated state tree, and the verification of its proofs.
//!
//! The tree is a binary sparse Merkle tree over 256-bit key hashes in which a subtree with one leaf is that leaf and an
//! empty one is a placeholder: the tree that jmt keeps in storage. This module says the same in few lines and without
//! storage: it verifies proofs for light clients, computes the root of genesis, and is the oracle in storage's tests.

use crate::hash::Digest;
use crate::namespace::Domain;
use crate::state::{Space, StateKey, StateRoot};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
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
///
/// jmt takes one hash function for all of them. They cannot be taken for one another all the same: a leaf's and a node's
/// input differ in prefix and length, and the hash of a value stands nowhere but inside a leaf.
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

/// The root over a whole state of the tree space. Of a key that comes twice, the later value counts.
#[must_use]
pub fn root_of<'a>(values: impl IntoIterator<Item = (&'a StateKey, &'a [u8])>) -> StateRoot {
    // a map, because two leaves with one path would never part
    let leaves: BTreeMap<[u8; 32], [u8; 32]> = values
        .into_iter()
        .map(|(key, value)| (key_hash(key), value_hash(value)))
        .collect();
    let leaves: Vec<_> = leaves.into_iter().collect();
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
    /// Whether `root` holds exactly `value` under `key`; `None` claims absence. Of a key outside [`Space::Tree`] a root
    /// says nothing, so nothing is proven.
    #[must_use]
    pub fn proves(&self, root: &StateRoot, key: &StateKey, value: Option<&[u8]>) -> bool {
        let key_hash = key_hash(key);
        let depth = self.siblings.len();
        if depth > DEPTH || key.space != Space::Tree {
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

/// The proof of a key, made the slow way: siblings from hashing every subtree beside the path.
#[cfg(test)]
fn prove(leaves: &[([u8; 32], [u8; 32])], path: &[u8; 32]) -> StateProof {
    let mut leaves = leaves;
    let mut siblings = Vec::new();
    while leaves.len() > 1 {
        let depth = siblings.len();
        let split = leaves.partition_point(|(key, _)| !bit(key, depth));
        let (left, right) = leaves.split_at(split);
        let (on, beside) = if bit(path, depth) {
            (right, left)
        } else {
            (left, right)
        };
        siblings.push(Digest(subtree(beside, depth + 1)));
        leaves = on;
    }
    siblings.reverse();
    StateProof {
        leaf: leaves.first().copied(),
        siblings,
    }
}

/// The proof of a key over a whole state.
#[cfg(test)]
pub(crate) fn tree_with_proof<'a>(
    values: impl IntoIterator<Item = (&'a StateKey, &'a [u8])>,
    path: &[u8; 32],
) -> StateProof {
    let leaves: BTreeMap<_, _> = values
        .into_iter()
        .map(|(key, value)| (key_hash(key), value_hash(value)))
        .collect();
    prove(&leaves.into_iter().collect::<Vec<_>>(), path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ContractId;
    use proptest::prelude::*;

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

    /// The index is not under the root: its keys are neither there nor proven to be absent.
    #[test]
    fn nothing_is_proven_of_a_key_outside_the_tree() {
        let root = root_of([(&key(1), b"one".as_slice())]);
        let proof = StateProof {
            leaf: Some((key_hash(&key(1)), value_hash(b"one"))),
            siblings: vec![],
        };

        let index = |n: u8| StateKey::index(ContractId::new(1), [n]);

        assert!(!proof.proves(&root, &index(1), Some(b"one")));
        assert!(!proof.proves(&root, &index(2), None));
    }

    #[test]
    fn of_a_key_given_twice_the_later_value_counts() {
        assert_eq!(
            root_of([(&key(1), b"old".as_slice()), (&key(1), b"new")]),
            root_of([(&key(1), b"new".as_slice())])
        );
    }

    proptest! {
        /// Present keys are proven with their value and nothing else, absent keys as absent and nothing else, and a proof
        /// with a bit changed, a sibling less or a sibling more proves nothing.
        #[test]
        fn a_proof_proves_one_thing(
            present in proptest::collection::btree_map(any::<u8>(), any::<[u8; 2]>(), 0..40),
            asked in any::<u8>(),
            flip in any::<usize>(),
        ) {
            let keys: Vec<_> = present.iter().map(|(n, value)| (key(*n), value.as_slice())).collect();
            let root = root_of(keys.iter().map(|(key, value)| (key, *value)));
            let leaves: BTreeMap<_, _> = keys
                .iter()
                .map(|(key, value)| (key_hash(key), value_hash(value)))
                .collect();
            let leaves: Vec<_> = leaves.into_iter().collect();
            let truth = present.get(&asked).map(<[u8; 2]>::as_slice);

            let proof = prove(&leaves, &key_hash(&key(asked)));

            prop_assert!(proof.proves(&root, &key(asked), truth));
            prop_assert!(!proof.proves(&root, &key(asked), Some(b"lie")));
            if truth.is_some() {
                prop_assert!(!proof.proves(&root, &key(asked), None));
            }
            let mut shorter = proof.clone();
            if shorter.siblings.pop().is_some() {
                prop_assert!(!shorter.proves(&root, &key(asked), truth));
            }
            let mut longer = proof.clone();
            longer.siblings.insert(0, Digest(PLACEHOLDER));
            prop_assert!(!longer.proves(&root, &key(asked), truth));
            let mut bytes = crate::codec::encode(&proof);
            let flip = flip % (bytes.len() * 8);
            bytes[flip / 8] ^= 1 << (flip % 8);
            if let Ok(changed) = crate::codec::decode::<StateProof>(&bytes, 1 << 16) {
                prop_assert!(!changed.proves(&root, &key(asked), truth));
            }
        }
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
