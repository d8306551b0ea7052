//! Calls of the `agreements` contract.

use super::Role;
use crate::access::{AgreementId, Categories, Purposes};
use crate::ids::EntityId;
use crate::time::Timestamp;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Calls of the `agreements` contract. All are an entity's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgreementsCall {
    /// A party proposes an agreement, and signs it by that. Its id is this transaction's.
    Propose(Agreement),
    /// Another party signs. The id covers the text, so that nobody signs another. With the last signature the agreement is active.
    Accept(AgreementId),
    /// A party ends it, or declines to sign, for good, from the next transaction on.
    End(AgreementId),
}

/// What entities agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Who: 2 to [`AGREEMENT_PARTIES_MAX`], ascending, the proposer among them.
    pub parties: Vec<EntityId>,
    /// Which kinds of party receive data.
    pub receivers: Vec<Role>,
    /// Which kinds of data.
    pub categories: Categories,
    /// For what.
    pub purposes: Purposes,
    /// How.
    pub mode: CommunicationMode,
    /// From when on, by block time.
    pub from: Timestamp,
    /// Until when; not any more at that time.
    pub until: Timestamp,
}

/// Most parties of an agreement.
pub const AGREEMENT_PARTIES_MAX: usize = 16;

/// How data are exchanged under an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommunicationMode {
    /// The receiver asks, each time.
    OnRequest,
    /// The receiver asks, and also for periods that have not ended.
    Continuous,
}
