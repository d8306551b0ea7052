//! From one epoch's validators to the next, for whoever starts from genesis.

use crate::block::Header;
use crate::certificate::{Certificate, Statement};
use crate::ids::GenesisHash;
use crate::proof::ProofError;
use crate::validators::ValidatorSet;
use serde::{Deserialize, Serialize};

/// Shows who votes in the next epoch: the last block of an epoch, final by its own validators, names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochChange {
    /// The header of the epoch's last block.
    pub header: Header,
    /// Its finalisation by the epoch's validators.
    pub certificate: Certificate,
    /// The next epoch's validators.
    pub validators: ValidatorSet,
}

/// Upper bound of an encoded [`EpochChange`] in bytes.
pub const EPOCH_CHANGE_MAX: usize = 256 * 1024;

impl EpochChange {
    /// Checks the change against the validators of the epoch that ends, and gives those of the next.
    ///
    /// # Errors
    /// [`ProofError`] names what is wrong.
    pub fn verify(
        self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
    ) -> Result<ValidatorSet, ProofError> {
        let Self {
            header,
            certificate,
            validators: next,
        } = self;
        match certificate.statement {
            Statement::Finalize { epoch, block, .. }
                if block == header.id() && epoch == header.epoch => {}
            _ => return Err(ProofError::NotAFinalization),
        }
        certificate.verify(genesis, validators)?;
        if header.next_validators != Some(next.digest()) || next.epoch() != header.epoch.next() {
            return Err(ProofError::OtherValidators);
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::BlockConfig;
    use crate::crypto::sign::SecretKey;
    use crate::hash::Digest;
    use crate::ids::{BlockId, EntityId, Epoch, Height, Seat, View};
    use crate::lane::Lane;
    use crate::signed::{Signable, signing_digest};
    use crate::state::StateRoot;
    use crate::time::Timestamp;
    use crate::validators::Validator;

    const GENESIS: GenesisHash = GenesisHash([1; 32]);

    fn key(epoch: u8, n: u8) -> SecretKey {
        let mut seed = [epoch; 32];
        seed[1] = n;
        SecretKey::from_seed(seed)
    }

    fn set(epoch: u8) -> ValidatorSet {
        let validators = (0..4)
            .map(|n| Validator {
                entity: EntityId([n; 32]),
                key: key(epoch, n).public(),
                network_key: key(epoch, n + 10).public(),
                weight: 1,
            })
            .collect();
        ValidatorSet::new(Epoch::new(epoch.into()), validators).expect("legal")
    }

    fn change() -> EpochChange {
        let next = set(2);
        let header = Header {
            height: Height::new(10),
            epoch: Epoch::new(1),
            view: View::new(9),
            parent: BlockId([2; 32]),
            time: Timestamp::from_millis(5),
            manager: Seat::new(0),
            lane: Lane::Routine,
            config: BlockConfig::default(),
            transaction_count: 0,
            transaction_root: Digest::default(),
            parent_state_root: StateRoot::default(),
            parent_receipt_root: Digest::default(),
            next_validators: Some(next.digest()),
        };
        let statement = Statement::Finalize {
            epoch: Epoch::new(1),
            view: View::new(12),
            block: header.id(),
        };
        let digest = signing_digest(Statement::DOMAIN, GENESIS, &statement.content());
        let votes = (0u8..3)
            .map(|n| (Seat::new(n.into()), key(1, n).signer().sign(&digest)))
            .collect();
        EpochChange {
            header,
            certificate: Certificate { statement, votes },
            validators: next,
        }
    }

    #[test]
    fn the_next_validators_follow_from_the_present_ones() {
        assert_eq!(change().verify(GENESIS, &set(1)), Ok(set(2)));
    }

    #[test]
    fn nobody_else_can_name_them() {
        let mut other = change();
        other.validators = set(3);
        assert_eq!(
            other.verify(GENESIS, &set(1)),
            Err(ProofError::OtherValidators)
        );
        let mut unnamed = change();
        unnamed.header.next_validators = None;
        assert_eq!(
            unnamed.verify(GENESIS, &set(1)),
            Err(ProofError::NotAFinalization)
        );
        assert!(matches!(
            change().verify(GENESIS, &set(3)),
            Err(ProofError::Certificate(_))
        ));
        assert!(change().verify(GenesisHash([9; 32]), &set(1)).is_err());
        let mut notarized = change();
        if let Statement::Finalize { epoch, view, block } = notarized.certificate.statement {
            notarized.certificate.statement = Statement::Notarize { epoch, view, block };
        }
        assert!(notarized.verify(GENESIS, &set(1)).is_err());
    }
}
