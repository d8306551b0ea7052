//! The authenticated state tree: roots of branches that are not final, nodes of those that are, proofs.
//!
//! The nodes are jmt's, hashed with BLAKE3 as [`primitives::state_tree`](salus_primitives::state_tree) says. jmt's
//! versions are linear and are heights here, so a block that is not final yet has no nodes in the store: it is a
//! [`TreeDelta`], read through the deltas of its ancestors down to the committed version. Two deltas of one height on
//! different branches do not know each other. At finality a delta becomes part of its block's batch.
//!
//! Proofs are walked here rather than by jmt, whose own walk reads every sibling node, although its parent holds the
//! hash, and panics where the store fails.

use crate::batch::Batch;
use crate::column::{Column, height_key};
use crate::error::StoreError;
use crate::record;
use crate::store::Read;
use borsh::BorshDeserialize as _;
use jmt::storage::{LeafNode, NibblePath, Node, NodeKey, TreeReader, TreeUpdateBatch};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue, SimpleHasher};
use salus_primitives::hash::Digest;
use salus_primitives::ids::Height;
use salus_primitives::namespace::Domain;
use salus_primitives::state::{StateKey, StateRoot, WriteSet};
use salus_primitives::state_tree::{PLACEHOLDER, StateProof, key_hash, node_hash};
use std::sync::Arc;

/// The tree as a reader holds it: a snapshot, or the store itself.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    store: &'a dyn Read,
}

/// What one block changes in the tree, and the root after it.
#[derive(Debug)]
pub struct TreeDelta {
    version: Height,
    root: StateRoot,
    update: TreeUpdateBatch,
    /// The root node of the version before, which jmt does not always report as stale.
    stale_root: Option<NodeKey>,
}

/// Why the tree has no answer.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Nothing is known of this version: it is not committed, on another branch, or pruned.
    #[error("the state tree has no version {version}")]
    MissingVersion {
        /// The height.
        version: Height,
    },
    /// The pending deltas are not consecutive and right below the new version.
    #[error("version {found} of the branch stands where {expected} belongs")]
    BrokenBranch {
        /// The version found.
        found: Height,
        /// The version that belongs there.
        expected: Height,
    },
    /// The tree contradicts itself: a node is missing or of the wrong kind.
    #[error("the state tree is damaged: {reason}")]
    Damaged {
        /// What was found.
        reason: String,
    },
    /// The store failed.
    #[error("the state tree cannot be read")]
    Store(#[from] StoreError),
}

impl<'a> Tree<'a> {
    /// The tree in a store or snapshot.
    #[must_use]
    pub fn new(store: &'a dyn Read) -> Self {
        Self { store }
    }

    /// Computes what the block at height `version` does to the tree, without writing anything.
    ///
    /// `branch` holds the deltas of its ancestors that are not committed yet, oldest first; ancestors that were
    /// committed meanwhile may still be among them. Only writes to the tree space count; without any the root stays as
    /// it is, and costs one node.
    ///
    /// # Errors
    /// [`TreeError::BrokenBranch`] and [`TreeError::MissingVersion`] if the ancestors do not lead to `version`;
    /// [`TreeError::Damaged`] and [`TreeError::Store`] if the store fails.
    pub fn apply(
        &self,
        branch: &[Arc<TreeDelta>],
        version: Height,
        writes: &WriteSet,
    ) -> Result<TreeDelta, TreeError> {
        let reader = BranchReader {
            store: self.store,
            branch,
        };
        reader.check_consecutive(version)?;
        let parent = version.previous();
        if let Some(parent) = parent {
            // jmt takes a missing root for an empty tree.
            if reader.node(&root_key(parent))?.is_none() {
                return Err(TreeError::MissingVersion { version: parent });
            }
        }
        let values: Vec<(KeyHash, Option<OwnedValue>)> = writes
            .tree()
            .map(|(key, value)| (KeyHash(key_hash(key)), value.map(<[u8]>::to_vec)))
            .collect();
        let (root, update) = put(&reader, values, version)?;
        Ok(TreeDelta {
            version,
            root,
            update,
            stale_root: parent.map(root_key),
        })
    }

    /// The root after the block at height `version`.
    ///
    /// # Errors
    /// [`TreeError::MissingVersion`], [`TreeError::Store`].
    pub fn root(&self, version: Height) -> Result<StateRoot, TreeError> {
        let root = self.root_node(version)?;
        Ok(StateRoot(match &root {
            Node::Null => PLACEHOLDER,
            Node::Leaf(leaf) => leaf.hash::<TreeHasher>(),
            Node::Internal(node) => node.hash::<TreeHasher>(),
        }))
    }

    /// Proves what stands under `key` after the block at height `version`: its value, or that there is none.
    ///
    /// # Errors
    /// [`TreeError::MissingVersion`], [`TreeError::Damaged`], [`TreeError::Store`].
    pub fn prove(&self, version: Height, key: &StateKey) -> Result<StateProof, TreeError> {
        let path = key_hash(key);
        let mut position: Vec<u8> = Vec::new();
        let mut node = self.root_node(version)?;
        // From the root downwards; a proof lists them from the leaf upwards.
        let mut siblings = Vec::new();
        let leaf = loop {
            let inner = match node {
                Node::Null => break None,
                Node::Leaf(leaf) => break Some(leaf_parts(&leaf)),
                Node::Internal(inner) => inner,
            };
            let Some(nibble) = nibble_at(&path, position.len()) else {
                return Err(damaged("an inner node below the last nibble"));
            };
            let children: [Option<Child>; 16] = {
                let mut children = [None; 16];
                for (nibble, child) in inner.children_sorted() {
                    children[nibble.as_usize()] = Some(Child {
                        hash: child.hash,
                        version: Height::new(child.version),
                        is_leaf: child.is_leaf(),
                    });
                }
                children
            };
            let Some((next, version)) = descend(&children, nibble, &mut siblings) else {
                break None;
            };
            position.push(next);
            let key = node_key(version, &position);
            node = self
                .node(&key)?
                .ok_or_else(|| damaged("a child is missing"))?;
        };
        siblings.reverse();
        Ok(StateProof { leaf, siblings })
    }

    fn root_node(&self, version: Height) -> Result<Node, TreeError> {
        self.node(&root_key(version))?
            .ok_or(TreeError::MissingVersion { version })
    }

    fn node(&self, key: &NodeKey) -> Result<Option<Node>, StoreError> {
        stored_node(self.store, key)
    }
}

impl TreeDelta {
    /// The height it belongs to.
    #[must_use]
    pub fn version(&self) -> Height {
        self.version
    }

    /// The root after it.
    #[must_use]
    pub fn root(&self) -> StateRoot {
        self.root
    }

    /// How many nodes it writes.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.update.node_batch.nodes().len()
    }

    /// Adds its nodes, and what it makes stale, to the batch of its block.
    pub(crate) fn stage(&self, batch: &mut Batch) {
        for (key, node) in self.update.node_batch.nodes() {
            let bytes = borsh::to_vec(node).expect("writing to memory does not fail");
            record::put(batch, Column::TreeNodes, node_key_bytes(key), &bytes);
        }
        let stale = self
            .update
            .stale_node_index_batch
            .iter()
            .map(|index| &index.node_key)
            .chain(&self.stale_root);
        for key in stale {
            let key = [&height_key(self.version)[..], &node_key_bytes(key)].concat();
            batch.put(Column::TreeStale, key, []);
        }
    }
}

/// Deletes, in `batch`, nodes that no version from `floor` on can reach: at most `limit`, beginning with those stale
/// since `from`. Returns whether that was all.
pub(crate) fn stage_pruning(
    store: &dyn Read,
    batch: &mut Batch,
    from: Height,
    floor: Height,
    limit: usize,
) -> Result<bool, StoreError> {
    use crate::store::{Direction, KeyRange};
    let range = KeyRange::between(height_key(from), height_key(floor.next()));
    let stale = store.scan(Column::TreeStale, &range, Direction::Ascending, limit)?;
    let complete = stale.len() < limit;
    for (key, _) in stale {
        let node = key.get(8..).unwrap_or_default().to_vec();
        batch.delete(Column::TreeNodes, node);
        batch.delete(Column::TreeStale, key);
    }
    Ok(complete)
}

/// Reads nodes through pending deltas.
struct BranchReader<'a> {
    store: &'a dyn Read,
    branch: &'a [Arc<TreeDelta>],
}

impl BranchReader<'_> {
    fn check_consecutive(&self, version: Height) -> Result<(), TreeError> {
        let mut expected = version;
        for delta in self.branch.iter().rev() {
            match expected.previous() {
                Some(previous) if delta.version == previous => expected = previous,
                _ => {
                    return Err(TreeError::BrokenBranch {
                        found: delta.version,
                        expected: expected.previous().unwrap_or_default(),
                    });
                }
            }
        }
        Ok(())
    }

    /// A node's version tells which delta made it, so at most one is looked into.
    fn node(&self, key: &NodeKey) -> Result<Option<Node>, StoreError> {
        let pending = self
            .branch
            .iter()
            .find(|delta| delta.version.get() == key.version())
            .and_then(|delta| delta.update.node_batch.get_node(key));
        match pending {
            Some(node) => Ok(Some(node.clone())),
            None => stored_node(self.store, key),
        }
    }
}

impl TreeReader for BranchReader<'_> {
    fn get_node_option(&self, node_key: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(self.node(node_key)?)
    }

    fn get_value_option(&self, _: u64, _: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        Err(anyhow::Error::msg("values are not kept in the tree"))
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Err(anyhow::Error::msg(
            "the tree is never restored leaf by leaf",
        ))
    }
}

fn put(
    reader: &BranchReader<'_>,
    values: Vec<(KeyHash, Option<OwnedValue>)>,
    version: Height,
) -> Result<(StateRoot, TreeUpdateBatch), TreeError> {
    let tree = JellyfishMerkleTree::<_, TreeHasher>::new(reader);
    // The batched insertion hashes every inner node once a block instead of once a write, but cannot delete.
    let insertions: Option<Vec<(KeyHash, OwnedValue)>> = values
        .iter()
        .map(|(key, value)| Some((*key, value.clone()?)))
        .collect();
    let result = match insertions {
        Some(insertions) if !insertions.is_empty() => {
            tree.batch_put_value_sets(vec![insertions], None, version.get())
                .and_then(|(roots, update)| {
                    let root = roots.first().copied().ok_or_else(|| {
                        anyhow::Error::msg("jmt gave no root for one set of values")
                    })?;
                    Ok((root, update))
                })
        }
        _ => tree.put_value_set(values, version.get()),
    };
    match result {
        Ok((root, update)) => Ok((StateRoot(root.0), update)),
        Err(error) => Err(match error.downcast::<StoreError>() {
            Ok(error) => TreeError::Store(error),
            Err(error) => damaged(format!("{error:#}")),
        }),
    }
}

/// The part of a child that a proof needs.
#[derive(Clone, Copy)]
struct Child {
    hash: [u8; 32],
    version: Height,
    is_leaf: bool,
}

/// Goes down the four binary levels of one inner node towards `nibble`, collecting the hash beside each step. Returns
/// the child reached, which may be the only leaf of the half it lies in; none if that half is empty.
fn descend(
    children: &[Option<Child>; 16],
    nibble: u8,
    siblings: &mut Vec<Digest>,
) -> Option<(u8, Height)> {
    for width in [8usize, 4, 2, 1] {
        let start = usize::from(nibble) & !(width - 1);
        siblings.push(Digest(subtree(&children[start ^ width..][..width])));
        let half = &children[start..start + width];
        let mut present = (start..)
            .zip(half)
            .filter_map(|(n, child)| Some((n, (*child)?)));
        let (number, first) = present.next()?;
        if width == 1 || (first.is_leaf && present.next().is_none()) {
            return Some((number as u8, first.version));
        }
    }
    None
}

/// Hash of the binary subtree over some children of one inner node.
fn subtree(children: &[Option<Child>]) -> [u8; 32] {
    let mut present = children.iter().flatten();
    match (present.next(), present.next()) {
        (None, _) => PLACEHOLDER,
        (Some(only), None) if only.is_leaf || children.len() == 1 => only.hash,
        _ => {
            let (left, right) = children.split_at(children.len() / 2);
            node_hash(&subtree(left), &subtree(right))
        }
    }
}

/// Key hash and value hash of a leaf. jmt keeps the latter to itself, but its encoding is both, one after the other.
fn leaf_parts(leaf: &LeafNode) -> ([u8; 32], [u8; 32]) {
    let bytes = borsh::to_vec(leaf).expect("writing to memory does not fail");
    let (key, value) = bytes.split_at(32);
    (
        key.try_into()
            .expect("a leaf begins with 32 bytes of key hash"),
        value
            .try_into()
            .expect("a leaf ends with 32 bytes of value hash"),
    )
}

fn stored_node(store: &dyn Read, key: &NodeKey) -> Result<Option<Node>, StoreError> {
    let key = node_key_bytes(key);
    record::get(store, Column::TreeNodes, &key)?
        .map(|bytes| {
            Node::try_from_slice(&bytes)
                .map_err(|error| StoreError::corrupt(Column::TreeNodes, &key, error.to_string()))
        })
        .transpose()
}

/// The nibble of a path, most significant first; none beyond its end.
fn nibble_at(path: &[u8; 32], index: usize) -> Option<u8> {
    let byte = path.get(index / 2)?;
    Some(if index.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 0xf
    })
}

fn root_key(version: Height) -> NodeKey {
    node_key(version, &[])
}

fn node_key(version: Height, nibbles: &[u8]) -> NodeKey {
    let path: NibblePath = nibbles.iter().map(|nibble| (*nibble).into()).collect();
    NodeKey::new(version.get(), path)
}

/// Key in [`Column::TreeNodes`].
fn node_key_bytes(key: &NodeKey) -> Vec<u8> {
    let path = key.nibble_path();
    let mut bytes = Vec::with_capacity(8 + 1 + path.num_nibbles().div_ceil(2));
    bytes.extend_from_slice(&key.version().to_be_bytes());
    bytes.push(path.num_nibbles() as u8);
    let mut nibbles = path.nibbles();
    while let Some(high) = nibbles.next() {
        let low = nibbles.next().map_or(0, u8::from);
        bytes.push(u8::from(high) << 4 | low);
    }
    bytes
}

fn damaged(reason: impl Into<String>) -> TreeError {
    TreeError::Damaged {
        reason: reason.into(),
    }
}

/// BLAKE3 in the state tree's domain, as jmt wants it.
struct TreeHasher(blake3::Hasher);

impl SimpleHasher for TreeHasher {
    fn new() -> Self {
        Self(Domain::StateTree.hasher())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
