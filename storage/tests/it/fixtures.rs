//! A small chain with real signatures, and the two backends behind one face.

use salus_primitives::block::{Block, BlockConfig, Header, transaction_root};
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::codec::Blob;
use salus_primitives::crypto::sign::{PublicKey, SecretKey};
use salus_primitives::epoch::EpochConfig;
use salus_primitives::ids::{
    BlockId, ContractId, EntityId, Epoch, GenesisHash, Height, Seat, View,
};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::EpochLanes;
use salus_primitives::receipt::{Event, Outcome, Receipt, receipt_root};
use salus_primitives::signed::{Signable as _, Signed, signing_digest};
use salus_primitives::state::{StateKey, WriteSet};
use salus_primitives::state_tree::root_of;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, SignedTransaction, Transaction};
use salus_primitives::validators::{Validator, ValidatorSet};
use salus_storage::ledger::{FinalBlock, FirstBlock, Head, Ledger, LedgerError, Retention};
use salus_storage::memory::MemoryStore;
use salus_storage::rocks::RocksStore;
use salus_storage::store::Store;
use salus_storage::tree::TreeDelta;
use std::sync::Arc;

/// A backend that can be closed and opened again.
pub(crate) trait Backend {
    /// Opens it; the first time, blank.
    fn open(&self) -> Arc<dyn Store>;
}

/// Keeps its content while it lives.
#[derive(Default)]
pub(crate) struct Memory(pub(crate) Arc<MemoryStore>);

impl Backend for Memory {
    fn open(&self) -> Arc<dyn Store> {
        self.0.clone()
    }
}

/// A directory that is removed at the end.
pub(crate) struct Rocks(pub(crate) tempfile::TempDir);

impl Default for Rocks {
    fn default() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Backend for Rocks {
    fn open(&self) -> Arc<dyn Store> {
        let path = self.0.path().join("ledger");
        Arc::new(
            RocksStore::open(&path)
                .or_else(|_| RocksStore::create(&path))
                .unwrap(),
        )
    }
}

/// A key of the authenticated space.
pub(crate) fn tree_key(n: u8) -> StateKey {
    StateKey::tree(ContractId::new(1), [n])
}

/// A key of the plain space.
pub(crate) fn index_key(n: u8) -> StateKey {
    StateKey::index(ContractId::new(3), [n])
}

/// Sets tree keys to values.
pub(crate) fn writes(values: &[(u8, u8)]) -> WriteSet {
    let mut writes = WriteSet::default();
    for (key, value) in values {
        writes.put(tree_key(*key), vec![*value]);
    }
    writes
}

/// Block 0, its state and the validators that sign.
pub(crate) struct Chain {
    pub(crate) genesis: Block,
    pub(crate) genesis_writes: WriteSet,
    pub(crate) first: EpochConfig,
    /// Epoch `e` ends with the block of height `e` times this.
    pub(crate) epoch_blocks: u64,
    pub(crate) retention: Retention,
}

/// A block with everything a commit takes.
pub(crate) struct Built {
    pub(crate) block: Block,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) writes: WriteSet,
    pub(crate) tree: Arc<TreeDelta>,
    pub(crate) elected: Option<EpochConfig>,
    pub(crate) certificate: Option<Certificate>,
}

impl Chain {
    /// The chain of a seed.
    pub(crate) fn new(seed: u8) -> Self {
        let first = epoch_config(Epoch::new(1));
        let genesis_writes = writes(&[(100, seed), (101, 7)]);
        let state_root = root_of(
            genesis_writes
                .tree()
                .map(|(key, value)| (key, value.unwrap())),
        );
        let genesis = Block {
            header: Header {
                height: Height::ZERO,
                epoch: Epoch::ZERO,
                view: View::ZERO,
                parent: BlockId::default(),
                time: Timestamp::from_millis(1_000),
                manager: Seat::new(0),
                lane: Lane::Routine,
                config: BlockConfig::default(),
                transaction_count: 0,
                transaction_root: transaction_root(&[]),
                parent_state_root: state_root,
                parent_receipt_root: receipt_root(&[]),
                next_epoch: Some(first.digest()),
            },
            transactions: vec![],
        };
        Self {
            genesis,
            genesis_writes,
            first,
            epoch_blocks: 1_000,
            retention: Retention::default(),
        }
    }

    /// The chain's name.
    pub(crate) fn name(&self) -> GenesisHash {
        self.genesis.header.genesis_hash().unwrap()
    }

    /// Opens the ledger of this chain.
    pub(crate) fn open(&self, store: Arc<dyn Store>) -> Result<Ledger, LedgerError> {
        let first = FirstBlock {
            block: &self.genesis,
            writes: &self.genesis_writes,
            epochs: [&self.first, &epoch_config(Epoch::new(2))],
        };
        Ledger::open(store, &first, self.retention)
    }

    /// A block on the head of `ledger`.
    pub(crate) fn next(&self, ledger: &Ledger, transactions: u32, writes: WriteSet) -> Built {
        let head = ledger.head();
        let tree = ledger
            .tree()
            .apply(&[], head.height.next(), &writes)
            .unwrap();
        let parent_receipts = ledger.receipts(head.height).unwrap().unwrap();
        self.build(&head, &parent_receipts, transactions, writes, tree)
    }

    /// A block on `head`, finalised by its own certificate.
    pub(crate) fn build(
        &self,
        head: &Head,
        parent_receipts: &[Receipt],
        transactions: u32,
        writes: WriteSet,
        tree: TreeDelta,
    ) -> Built {
        let height = head.height.next();
        let transactions: Vec<SignedTransaction> = (0..transactions)
            .map(|index| self.transaction(height, index))
            .collect();
        let receipts = (0..)
            .zip(&transactions)
            .map(|(index, transaction)| Receipt {
                transaction: transaction.body.id(),
                index,
                lane: Lane::Routine,
                outcome: Outcome::Ok,
                events: vec![Event {
                    contract: ContractId::new(3),
                    topic: (index % 2) as u16,
                    data: Blob(vec![height.get() as u8, index as u8]),
                }],
            })
            .collect();
        let epoch = Epoch::new(height.get().div_ceil(self.epoch_blocks));
        let ends = height.get().is_multiple_of(self.epoch_blocks);
        let header = Header {
            height,
            epoch,
            view: View::new(height.get()),
            parent: head.id,
            time: Timestamp::from_millis(1_000 + height.get()),
            manager: Seat::new(0),
            lane: Lane::Routine,
            config: BlockConfig::default(),
            transaction_count: transactions.len() as u32,
            transaction_root: transaction_root(&transactions),
            parent_state_root: head.state_root,
            parent_receipt_root: receipt_root(parent_receipts),
            next_epoch: ends.then(|| epoch_config(epoch.next()).digest()),
        };
        let certificate = Some(self.finalize(&header));
        Built {
            block: Block {
                header,
                transactions,
            },
            receipts,
            writes,
            tree: Arc::new(tree),
            elected: ends.then(|| epoch_config(epoch.next().next())),
            certificate,
        }
    }

    /// Commits blocks with one transaction and one write each, up to `height`.
    pub(crate) fn grow(&self, ledger: &Ledger, height: u64) {
        while ledger.head().height < Height::new(height) {
            let n = ledger.head().height.get() as u8;
            let built = self.next(ledger, 1, writes(&[(n % 5, n)]));
            ledger.commit(&built.as_final()).unwrap();
        }
    }

    /// A finalisation by three of four validators.
    pub(crate) fn finalize(&self, header: &Header) -> Certificate {
        let statement = Statement::Finalize {
            epoch: header.epoch,
            view: header.view,
            block: header.id(),
        };
        let digest = signing_digest(Statement::DOMAIN, self.name(), &statement.content());
        Certificate {
            statement,
            votes: (0u8..3)
                .map(|n| (Seat::new(n.into()), key(n).signer().sign(&digest)))
                .collect(),
        }
    }

    fn transaction(&self, height: Height, index: u32) -> SignedTransaction {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&height.get().to_le_bytes());
        nonce[8..12].copy_from_slice(&index.to_le_bytes());
        let body = Transaction {
            genesis: self.name(),
            sender: key(9).public(),
            entity: EntityId([4; 32]),
            lane: Lane::Routine,
            valid_until: Height::new(1_000),
            nonce,
            call: Call {
                contract: ContractId::new(3),
                payload: Blob(vec![5; 250]),
            },
        };
        Signed::sign(body, self.name(), &key(9).signer()).into_signed()
    }
}

impl Built {
    /// As a commit takes it.
    pub(crate) fn as_final(&self) -> FinalBlock<'_> {
        FinalBlock {
            block: &self.block,
            receipts: &self.receipts,
            writes: &self.writes,
            tree: &self.tree,
            elected: self.elected.as_ref(),
            finalization: self.certificate.as_ref(),
        }
    }
}

/// An epoch. Its lanes are none.
pub(crate) fn epoch_config(epoch: Epoch) -> EpochConfig {
    EpochConfig {
        validators: validators(epoch),
        lanes: EpochLanes {
            epoch,
            block_bytes: 1 << 20,
            epoch_blocks: 10,
            security_scale: 1,
            security_exponent: 2,
            lanes: vec![],
        },
    }
}

/// The validators of an epoch: four with equal weight, and other connections in each.
pub(crate) fn validators(epoch: Epoch) -> ValidatorSet {
    let validators = (0u8..4)
        .map(|n| Validator {
            entity: EntityId([n; 32]),
            key: key(n).public(),
            network_key: PublicKey([n + 50 + epoch.get() as u8; 32]),
            weight: 1,
        })
        .collect();
    ValidatorSet::new(epoch, validators).unwrap()
}

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n + 1; 32])
}
