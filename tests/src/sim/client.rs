//! Clients: they register devices, delegate, govern, come late, and come again.

use super::Sim;
use rand_core::Rng;
use salus_node::mempool::Source;
use salus_node::replica::Input;
use salus_primitives::calls::{IDENTITY, IdentityCall};
use salus_primitives::crypto::sign::SecretKey;
use salus_primitives::ids::{DeviceId, EntityId};
use salus_primitives::lane::Lane;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, Transaction, TxId, VerifiedTransaction};

impl Sim {
    /// Gives a node a client's transaction that registers a fresh device.
    pub fn submit(&mut self, node: usize, lane: Lane) -> TxId {
        let valid_for = self.genesis.parameters.window_blocks / 2;
        let transaction = self.device(node, lane, valid_for);
        self.submitted.insert(transaction.id());
        self.offer(node, transaction)
    }

    /// Gives a node a client's transaction: a call by the operator of member `by`.
    pub fn submit_call(&mut self, node: usize, by: usize, lane: Lane, call: Call) -> TxId {
        let valid_for = self.genesis.parameters.window_blocks / 2;
        let transaction = self.signed(by, node, lane, valid_for, call);
        self.submitted.insert(transaction.id());
        self.offer(node, transaction)
    }

    /// A transaction that registers a fresh device, valid for so many blocks from a node's last final one on.
    pub(super) fn device(
        &mut self,
        node: usize,
        lane: Lane,
        valid_for: u64,
    ) -> VerifiedTransaction {
        let number = self.nonce + 1;
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        let call = IdentityCall::register_device(
            DeviceId::derive(&number.to_le_bytes(), b"sim"),
            SecretKey::from_seed(seed).public(),
        );
        self.signed(0, node, lane, valid_for, Call::new(IDENTITY, &call))
    }

    /// A call signed by a member's operator, valid for so many blocks from a node's last final one on.
    pub(super) fn signed(
        &mut self,
        member: usize,
        node: usize,
        lane: Lane,
        valid_for: u64,
        call: Call,
    ) -> VerifiedTransaction {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_le_bytes());
        let signer = &self.operators[member];
        let body = Transaction {
            genesis: self.genesis.hash,
            sender: signer.public(),
            entity: EntityId::of_name(&self.keys[member].name),
            lane,
            valid_until: self.nodes[node].final_height().plus(valid_for),
            nonce,
            call,
        };
        Signed::sign(body, self.genesis.hash, signer)
    }

    /// Gives a node a transaction, as its own client would.
    pub(super) fn offer(&mut self, node: usize, transaction: VerifiedTransaction) -> TxId {
        let id = transaction.id();
        self.count("transactions_offered", 1);
        let input = Input::Transactions {
            transactions: vec![transaction],
            source: Source::Client,
        };
        self.input(node, input);
        id
    }

    /// A number below `bound`, from the seed.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound.max(1)
    }
}
