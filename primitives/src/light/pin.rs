//! Where a client starts if not at genesis.

use crate::epoch::EpochConfig;
use crate::hash::Digest;
use crate::ids::Epoch;
use serde::{Deserialize, Serialize};

/// An epoch by number and digest: what an operator writes down from a node or a client it trusts, as `12:5f..`.
///
/// The digest commits to validators and lanes, so nothing else need be trusted from there on. `GET /v1/epochs.json` shows it as
/// `next_epoch` of the epoch before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Which epoch.
    pub epoch: Epoch,
    /// The digest of its configuration.
    pub digest: Digest,
}

/// Text that is no [`Pin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a checkpoint is written as EPOCH:DIGEST, a number and 64 hexadecimal digits")]
pub struct ParsePinError;

impl Pin {
    /// That of an epoch.
    #[must_use]
    pub fn of(epoch: &EpochConfig) -> Self {
        Self {
            epoch: epoch.epoch(),
            digest: epoch.digest(),
        }
    }
}

impl core::fmt::Display for Pin {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}", self.epoch, self.digest)
    }
}

impl core::str::FromStr for Pin {
    type Err = ParsePinError;

    fn from_str(text: &str) -> Result<Self, ParsePinError> {
        let (epoch, digest) = text.split_once(':').ok_or(ParsePinError)?;
        if !epoch.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParsePinError);
        }
        Ok(Self {
            epoch: Epoch::new(epoch.parse().map_err(|_| ParsePinError)?),
            digest: digest.parse().map_err(|_| ParsePinError)?,
        })
    }
}
