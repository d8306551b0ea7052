//! From one epoch's validators to the next, for whoever starts from genesis.
//!
//! Several changes travel and are kept as frames, ascending by epoch: each encoded change after the number of its bytes as eight
//! bytes, little-endian. So a file of changes grows by appending, pages of a node are its parts, and a reader needs no more memory than
//! for one change.

use crate::block::{BlockConfig, Header};
use crate::certificate::{Certificate, Statement};
use crate::codec;
use crate::hash::Digest;
use crate::ids::{Epoch, GenesisHash, Height};
use crate::lane::Lane;
use crate::lanes::EpochLanes;
use crate::namespace::Domain;
use crate::proof::ProofError;
use crate::validators::ValidatorSet;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Who decides in an epoch, and how its blocks are configured. The last block of the epoch before names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochConfig {
    /// Who votes.
    pub validators: ValidatorSet,
    /// The lanes.
    pub lanes: EpochLanes,
}

/// Shows who decides in the next epoch: the last block of an epoch, final by its own validators, names them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochChange {
    /// The header of the epoch's last block.
    pub header: Header,
    /// Its finalisation by the epoch's validators.
    pub certificate: Certificate,
    /// The next epoch.
    pub next: EpochConfig,
}

/// Upper bound of an encoded [`EpochChange`] in bytes.
pub const EPOCH_CHANGE_MAX: usize = 256 * 1024;

/// Upper bound of a page of framed changes in bytes.
pub const EPOCH_PAGE_MAX: usize = 1024 * 1024;

/// Bytes that are no frames of epoch changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes end inside a frame.
    #[error("the epoch changes end in the middle of one")]
    CutShort,
    /// A frame that claims to be of no bytes, or of too many.
    #[error("an epoch change has 1 to {EPOCH_CHANGE_MAX} bytes, not {0}")]
    Length(u64),
}

/// The encoded changes in frames, one after the other. Ends at the first error.
#[derive(Clone, Debug)]
pub struct Frames<'a>(&'a [u8]);

impl<'a> Frames<'a> {
    /// Those in `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<&'a [u8], FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let split = match self.0.split_first_chunk() {
            Some((front, rest)) => frame_length(*front)
                .and_then(|length| rest.split_at_checked(length).ok_or(FrameError::CutShort)),
            None => Err(FrameError::CutShort),
        };
        let (change, rest) = match split {
            Ok((change, rest)) => (Ok(change), rest),
            Err(error) => (Err(error), &[][..]),
        };
        self.0 = rest;
        Some(change)
    }
}

/// How many bytes follow the front of a frame.
///
/// # Errors
/// [`FrameError::Length`].
pub fn frame_length(front: [u8; 8]) -> Result<usize, FrameError> {
    let length = u64::from_le_bytes(front);
    match usize::try_from(length) {
        Ok(length @ 1..=EPOCH_CHANGE_MAX) => Ok(length),
        _ => Err(FrameError::Length(length)),
    }
}

impl EpochConfig {
    /// Which epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.validators.epoch()
    }

    /// What the header before names this by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Domain::EpochConfig.hash(&[&codec::encode(self)])
    }

    /// The configuration of the block of a lane at a height of this epoch; none only for lanes that are none.
    #[must_use]
    pub fn block_config(
        &self,
        genesis: GenesisHash,
        lane: Lane,
        height: Height,
    ) -> Option<BlockConfig> {
        let lane = self.lanes.lane(lane)?;
        Some(lane.block_config(genesis, &self.validators, height))
    }
}

impl EpochChange {
    /// The change with its length in front.
    #[must_use]
    pub fn framed(&self) -> Vec<u8> {
        let bytes = codec::encode(self);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        [&length.to_le_bytes()[..], &bytes].concat()
    }

    /// Checks the change against the validators of the epoch that ends, and gives the next.
    ///
    /// # Errors
    /// [`ProofError`] names what is wrong.
    pub fn verify(
        self,
        genesis: GenesisHash,
        validators: &ValidatorSet,
    ) -> Result<EpochConfig, ProofError> {
        let Self {
            header,
            certificate,
            next,
        } = self;
        match certificate.statement {
            Statement::Finalize { epoch, block, .. }
                if block == header.id() && epoch == header.epoch => {}
            _ => return Err(ProofError::NotAFinalization),
        }
        certificate.verify(genesis, validators)?;
        let epoch = header.epoch.next();
        let named = header.next_epoch == Some(next.digest());
        if !named || next.epoch() != epoch || next.lanes.epoch != epoch {
            return Err(ProofError::OtherEpoch);
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
    use crate::lanes::Verifiers;
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

    fn next(epoch: u8) -> EpochConfig {
        EpochConfig {
            validators: set(epoch),
            lanes: crate::lanes::tests::lanes(Epoch::new(epoch.into())),
        }
    }

    fn change() -> EpochChange {
        let next = next(2);
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
            next_epoch: Some(next.digest()),
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
            next,
        }
    }

    #[test]
    fn framed_changes_are_read_one_by_one() {
        let change = change();
        let two = [change.framed(), change.framed()].concat();

        let frames: Vec<_> = Frames::new(&two).collect();
        assert_eq!(frames, [Ok(&codec::encode(&change)[..]); 2]);
        let length = two.len() / 2;
        for cut in 1..length {
            let mut frames = Frames::new(&two[..length + cut]);
            assert!(matches!(frames.next(), Some(Ok(_))));
            assert_eq!(frames.next(), Some(Err(FrameError::CutShort)), "{cut}");
            assert_eq!(frames.next(), None);
        }
    }

    /// Neither a length of zero, which would be a reader's endless loop, nor one beyond every change is believed.
    #[test]
    fn lengths_that_no_change_has_are_refused() {
        let longest = u64::try_from(EPOCH_CHANGE_MAX).expect("small");
        assert_eq!(frame_length(longest.to_le_bytes()), Ok(EPOCH_CHANGE_MAX));
        for length in [0, longest + 1, u64::MAX] {
            assert_eq!(
                Frames::new(&length.to_le_bytes()).next(),
                Some(Err(FrameError::Length(length)))
            );
        }
    }

    /// The largest legal set, signed by all, fits: 512 seats.
    #[test]
    fn the_largest_change_fits_its_bound() {
        let validators = (0u16..512)
            .map(|n| {
                let id = |kind: u8| {
                    let mut bytes = [kind; 32];
                    bytes[..2].copy_from_slice(&n.to_be_bytes());
                    bytes
                };
                Validator {
                    entity: EntityId(id(0)),
                    key: crate::crypto::sign::PublicKey(id(1)),
                    network_key: crate::crypto::sign::PublicKey(id(2)),
                    weight: 1,
                }
            })
            .collect();
        let mut large = change();
        let signature = large.certificate.votes[0].1;
        large.next.validators = ValidatorSet::new(Epoch::new(2), validators).expect("legal");
        for lane in &mut large.next.lanes.lanes {
            lane.verifiers = Verifiers::Chosen((0..512).map(Seat::new).collect());
        }
        large.certificate.votes = (0..512).map(|n| (Seat::new(n), signature)).collect();
        large.header.config.committee = (0..512).map(Seat::new).collect();

        assert!(
            large.framed().len() <= EPOCH_CHANGE_MAX,
            "{}",
            large.framed().len()
        );
        assert!(
            change().framed().len() < 2_048,
            "{}",
            change().framed().len()
        );
    }

    #[test]
    fn the_next_epoch_follows_from_the_present_validators() {
        assert_eq!(change().verify(GENESIS, &set(1)), Ok(next(2)));
    }

    #[test]
    fn nobody_else_can_name_them() {
        let mut other = change();
        other.next = next(3);
        assert_eq!(other.verify(GENESIS, &set(1)), Err(ProofError::OtherEpoch));
        let mut lanes = change();
        lanes.next.lanes.lanes[0].transaction_limit += 1;
        assert_eq!(lanes.verify(GENESIS, &set(1)), Err(ProofError::OtherEpoch));
        let mut unnamed = change();
        unnamed.header.next_epoch = None;
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
