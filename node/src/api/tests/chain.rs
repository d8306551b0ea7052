//! A chain of four validators with real signatures, in memory.

use crate::execution::{Execution, epoch_config};
use salus_contracts::native::{blockcfg, staking};
use salus_genesis::block::GenesisBlock;
use salus_genesis::instant::Instant;
use salus_genesis::presets;
use salus_genesis::spec::{GenesisSpec, MemberSpec};
use salus_primitives::block::{Block, Header, transaction_root};
use salus_primitives::calls::{RECORDS, Role};
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::codec::Blob;
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{ContractId, EntityId, Height, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::EpochLanes;
use salus_primitives::receipt::{Event, Outcome, Receipt, receipt_root};
use salus_primitives::signed::{Signable as _, Signed, signing_digest};
use salus_primitives::state::{StateKey, WriteSet};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, SignedTransaction, Transaction, TxId};
use salus_storage::ledger::{FinalBlock, Head, Ledger, Retention};
use salus_storage::memory::MemoryStore;
use std::sync::Arc;

pub(super) struct Chain {
    pub(super) genesis: GenesisBlock,
    pub(super) ledger: Arc<Ledger>,
}

impl Chain {
    pub(super) fn new() -> Self {
        Self::with_epochs(1_000)
    }

    /// With epochs of this many blocks.
    pub(super) fn with_epochs(epoch_blocks: u64) -> Self {
        let mut preset = presets::local();
        preset.consensus.epoch_blocks = epoch_blocks;
        let spec = GenesisSpec {
            chain: "salus-test".into(),
            genesis_time: Instant(Timestamp::from_millis(1_000)),
            consensus: preset.consensus,
            model: preset.model,
            lanes: preset.lanes,
            members: MEMBERS.into_iter().zip(0..).map(member).collect(),
        };
        let genesis = spec.check().expect("legal").build();
        let ledger = Ledger::open(
            Arc::new(MemoryStore::new()),
            &crate::origin::first_block(&genesis),
            Retention::default(),
        )
        .expect("a blank store");
        Self {
            genesis,
            ledger: Arc::new(ledger),
        }
    }

    /// Commits a block with its certificate; every third transaction of it failed.
    pub(super) fn grow(&self, transactions: u32) -> Vec<TxId> {
        self.grow_with(transactions, WriteSet::default())
    }

    /// The block that [`Chain::grow`] commits next, unless it ends an epoch.
    pub(super) fn next_block(&self, transactions: u32) -> Block {
        let head = self.ledger.head();
        let height = head.height.next();
        let transactions: Vec<_> = (0..transactions)
            .map(|index| self.transaction(height, index))
            .collect();
        Block {
            header: self.header(&head, &transactions, None),
            transactions,
        }
    }

    /// The lanes of the first epoch; those of later ones do not differ.
    pub(super) fn lanes(&self) -> &EpochLanes {
        &self.genesis.first.lanes
    }

    fn header(
        &self,
        head: &Head,
        transactions: &[SignedTransaction],
        next_epoch: Option<Digest>,
    ) -> Header {
        let height = head.height.next();
        let parent_receipts = self
            .ledger
            .receipts(head.height)
            .expect("reads")
            .expect("has receipts");
        Header {
            height,
            epoch: self.genesis.parameters.epoch_at(height),
            view: View::new(height.get()),
            parent: head.id,
            time: Timestamp::from_millis(1_000 + height.get()),
            manager: Seat::new(0),
            lane: Lane::Routine,
            config: self
                .lanes()
                .lane(Lane::Routine)
                .expect("every lane is configured")
                .block_config(self.genesis.hash, &self.genesis.first.validators, height),
            transaction_count: transactions.len() as u32,
            transaction_root: transaction_root(transactions),
            parent_state_root: head.state_root,
            parent_receipt_root: receipt_root(&parent_receipts),
            next_epoch,
        }
    }

    /// The same, with changes of the state that no transaction made.
    pub(super) fn grow_with(&self, transactions: u32, mut writes: WriteSet) -> Vec<TxId> {
        let head = self.ledger.head();
        let height = head.height.next();
        let transactions: Vec<_> = (0..transactions)
            .map(|index| self.transaction(height, index))
            .collect();
        let receipts: Vec<_> = (0..).zip(&transactions).map(receipt).collect();
        writes.put(
            StateKey::tree(ContractId::new(1), [1]),
            height.get().to_le_bytes().to_vec(),
        );
        let parameters = &self.genesis.parameters;
        let epoch = parameters.epoch_at(height);
        let ends = parameters.epoch_ending_at(height).is_some();
        if ends {
            let state = self
                .ledger
                .state()
                .with_branch(vec![Arc::new(writes.clone())]);
            let closing = staking::close_epoch(&state, parameters, epoch).expect("reads");
            writes.extend(closing);
            let written = Arc::new(writes.clone());
            let state = self.ledger.state().with_branch(vec![written]);
            let closing = blockcfg::close_epoch(&state, parameters, epoch).expect("reads");
            writes.extend(closing);
        }
        let written = Arc::new(writes.clone());
        let state = self.ledger.state().with_branch(vec![written]);
        let set = |epoch| {
            epoch_config(&state, epoch)
                .expect("reads")
                .expect("elected")
        };
        let elected = ends.then(|| set(epoch.next().next()));
        let tree = self
            .ledger
            .tree()
            .apply(&[], height, &writes)
            .expect("applies");
        let next_epoch = ends.then(|| set(epoch.next()).digest());
        let header = self.header(&head, &transactions, next_epoch);
        let certificate = self.finalization(&header);
        let ids = transactions.iter().map(|it| it.body.id()).collect();
        self.ledger
            .commit(&FinalBlock {
                block: &Block {
                    header,
                    transactions,
                },
                receipts: &receipts,
                writes: &writes,
                tree: &tree,
                elected: elected.as_ref(),
                finalization: Some(&certificate),
            })
            .expect("commits");
        ids
    }

    /// Commits a block of real transactions, executed as a node does it.
    pub(super) fn execute(
        &self,
        time: Timestamp,
        transactions: Vec<SignedTransaction>,
    ) -> Vec<Receipt> {
        let mut header = self.header(&self.ledger.head(), &transactions, None);
        header.time = time;
        let certificate = self.finalization(&header);
        let id = header.id();
        let block = Arc::new(Block {
            header,
            transactions,
        });
        let mut execution = Execution::new(Arc::clone(&self.ledger));
        execution.execute(id, &block).expect("executes");
        let committed = execution.commit(id, Some(&certificate)).expect("commits");
        committed.receipts
    }

    pub(super) fn transaction(&self, height: Height, index: u32) -> SignedTransaction {
        let signer = SecretKey::from_seed([99; 32]).signer();
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&height.get().to_le_bytes());
        nonce[8..12].copy_from_slice(&index.to_le_bytes());
        let body = Transaction {
            genesis: self.genesis.hash,
            sender: signer.public(),
            entity: EntityId::of_name("hospital"),
            lane: Lane::Routine,
            valid_until: Height::new(1_000),
            nonce,
            call: Call {
                contract: RECORDS,
                payload: Blob(vec![5; 250]),
            },
        };
        Signed::sign(body, self.genesis.hash, &signer).into_signed()
    }

    fn finalization(&self, header: &Header) -> Certificate {
        let statement = Statement::Finalize {
            epoch: header.epoch,
            view: header.view,
            block: header.id(),
        };
        let digest = signing_digest(Statement::DOMAIN, self.genesis.hash, &statement.content());
        let validators = &self.genesis.first.validators;
        let votes = validators
            .seats()
            .take(3)
            .map(|seat| {
                let entity = validators.validator(seat).expect("a seat").entity;
                let index = (0u8..)
                    .zip(MEMBERS)
                    .find(|(_, name)| EntityId::of_name(name) == entity)
                    .expect("a member")
                    .0;
                (seat, key(index, 2).signer().sign(&digest))
            })
            .collect();
        Certificate { statement, votes }
    }
}

fn receipt((index, transaction): (u32, &SignedTransaction)) -> Receipt {
    let failed = index % 3 == 2;
    Receipt {
        transaction: transaction.body.id(),
        index,
        lane: Lane::Routine,
        outcome: if failed {
            Outcome::Failed {
                contract: ContractId::EXECUTOR,
                code: 1,
            }
        } else {
            Outcome::Ok
        },
        events: if failed {
            Vec::new()
        } else {
            vec![Event {
                contract: RECORDS,
                topic: 1,
                data: Blob(vec![0xab]),
            }]
        },
    }
}

fn member((name, index): (&str, u8)) -> MemberSpec {
    MemberSpec {
        name: name.into(),
        role: Role::Hospital,
        operator_key: key(index, 1).public(),
        validator_key: key(index, 2).public(),
        network_key: key(index, 3).public(),
        exchange_key: ExchangeSecret::from_bytes([index * 10 + 4; 32]).public(),
        weight: 1,
    }
}

pub(super) fn key(member: u8, kind: u8) -> SecretKey {
    SecretKey::from_seed([member * 10 + kind; 32])
}

pub(super) const MEMBERS: [&str; 4] = ["hospital", "pharmacy", "ministry", "institute"];
