//! Transactions: one contract call, signed by its sender, for one chain and a short time.

use crate::codec::{self, Blob};
use crate::crypto::sign::PublicKey;
use crate::hash::Digest;
use crate::hexadecimal::fixed_bytes;
use crate::ids::{ContractId, EntityId, GenesisHash, Height};
use crate::lane::Lane;
use crate::namespace::Domain;
use crate::signed::{BadSignature, Signable, Signed, Verified};
use serde::{Deserialize, Serialize};

/// Which contract is called, with which encoded call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The contract.
    pub contract: ContractId,
    /// The contract's own call type, in canonical encoding.
    pub payload: Blob,
}

impl Call {
    /// Encodes a call to `contract`.
    #[must_use]
    pub fn new<T: Serialize>(contract: ContractId, call: &T) -> Self {
        Self {
            contract,
            payload: Blob(codec::encode(call)),
        }
    }
}

/// What a sender signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// The chain it is for.
    pub genesis: GenesisHash,
    /// Who signs it: the key of an entity, a device or a validator.
    pub sender: PublicKey,
    /// The entity that answers for the sender: itself, the device's owner or the validator's member. Quotas are its. With another
    /// one the transaction is refused, and charged to nobody.
    pub entity: EntityId,
    /// The lane it asks for.
    pub lane: Lane,
    /// The last height that may include it; bounded by the chain's replay window.
    pub valid_until: Height,
    /// Random, so that equal calls differ.
    pub nonce: [u8; 16],
    /// What it does.
    pub call: Call,
}

/// Names a transaction: the hash of its *unsigned* body, because one signer can make several valid signatures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxId(pub [u8; 32]);
fixed_bytes!(TxId, 32);

/// Upper bound of an encoded [`Signed<Transaction>`] in bytes: the largest sealed reading and its frame.
pub const TRANSACTION_MAX: usize = 68 * 1024;

/// A transaction as its sender sends it.
pub type SignedTransaction = Signed<Transaction>;
/// A transaction whose signature has been checked.
pub type VerifiedTransaction = Verified<Transaction>;

impl Transaction {
    /// The transaction's id.
    #[must_use]
    pub fn id(&self) -> TxId {
        TxId(self.content().0)
    }
}

impl Signable for Transaction {
    const DOMAIN: Domain = Domain::TransactionSignature;

    fn content(&self) -> Digest {
        Domain::TransactionId.hash(&[&codec::encode(self)])
    }
}

impl SignedTransaction {
    /// Checks that the sender signed this for its own chain. Whether the chain is ours is the caller's to check.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn check(self) -> Result<VerifiedTransaction, BadSignature> {
        let (genesis, sender) = (self.body.genesis, self.body.sender);
        self.verify(genesis, &sender)
    }

    /// The leaf of this transaction in its block's transaction root: commits to id *and* signature.
    #[must_use]
    pub fn leaf(&self) -> Digest {
        leaf(&self.body.id(), self)
    }
}

impl VerifiedTransaction {
    /// The transaction's id, computed once when it was checked.
    #[must_use]
    pub fn id(&self) -> TxId {
        TxId(self.content().0)
    }

    /// See [`SignedTransaction::leaf`].
    #[must_use]
    pub fn leaf(&self) -> Digest {
        leaf(&self.id(), self.signed())
    }
}

fn leaf(id: &TxId, signed: &SignedTransaction) -> Digest {
    transaction_leaf(id, &signed.signature)
}

/// The leaf of a transaction from its id and signature alone, for light clients.
#[must_use]
pub fn transaction_leaf(id: &TxId, signature: &crate::crypto::sign::Signature) -> Digest {
    Domain::TransactionLeaf.hash(&[id.as_bytes(), signature.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sign::SecretKey;

    fn transaction() -> Transaction {
        Transaction {
            genesis: GenesisHash([1; 32]),
            sender: SecretKey::from_seed([2; 32]).public(),
            entity: EntityId([5; 32]),
            lane: Lane::Routine,
            valid_until: Height::new(100),
            nonce: [3; 16],
            call: Call {
                contract: ContractId::new(3),
                payload: Blob(vec![4, 5]),
            },
        }
    }

    /// A bit flipped anywhere in a signed transaction makes it undecodable, or its signature wrong.
    #[test]
    fn any_flipped_bit_is_noticed() {
        let signer = SecretKey::from_seed([2; 32]).signer();
        let signed = Signed::sign(transaction(), GenesisHash([1; 32]), &signer).into_signed();
        let bytes = codec::encode(&signed);
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = codec::decode::<SignedTransaction>(&changed, TRANSACTION_MAX) {
                assert!(changed.check().is_err(), "bit {bit}");
            }
        }
        assert!(signed.check().is_ok());
    }

    #[test]
    fn the_id_ignores_the_signature_and_the_leaf_does_not() {
        let a = Signed {
            body: transaction(),
            signature: crate::crypto::sign::Signature([1; 64]),
        };
        let b = Signed {
            body: transaction(),
            signature: crate::crypto::sign::Signature([2; 64]),
        };

        assert_eq!(a.body.id(), b.body.id());
        assert_ne!(a.leaf(), b.leaf());
    }

    #[test]
    fn a_signature_for_one_chain_does_not_count_on_another() {
        let signer = SecretKey::from_seed([2; 32]).signer();
        let signed = Signed::sign(transaction(), GenesisHash([9; 32]), &signer).into_signed();

        assert!(signed.check().is_err());
    }
}
