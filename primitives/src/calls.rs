//! The calls a device or an entity can make: the wire types that edge, node and contracts share.
//!
//! What a call means, and who may make it, is the contract's business (`salus-contracts`).

mod access;
mod agreements;
mod identity;

pub use access::{
    AccessCall, BreakGlassReason, BreakGlassRules, ERASED_DAYS_MAX, GLASS_MINUTES_MAX,
    Jurisdiction, REQUESTED_DAYS_MAX, REVIEW_HOURS_MAX, ReviewVerdict,
};
pub use agreements::{AGREEMENT_PARTIES_MAX, Agreement, AgreementsCall, CommunicationMode};
use alloc::boxed::Box;
use alloc::vec::Vec;
pub use identity::{
    CUSTODIANS_MAX, CUSTODIANS_MIN, DEVICES_IN_BATCH_MAX, IdentityCall, NewDevice, PersonKeys,
    Profession,
};

use crate::crypto::sign::PublicKey;
use crate::evidence::Evidence;
use crate::ids::{ContractId, EntityId, Epoch};
use crate::lanes::{BlockModel, LaneParameters};
use crate::reading::SealedReading;
use crate::transaction::TxId;
use serde::{Deserialize, Serialize};

/// Entities, their roles and their devices.
pub const IDENTITY: ContractId = ContractId::new(1);
/// Lanes and block configuration.
pub const BLOCKCFG: ContractId = ContractId::new(2);
/// Sealed readings.
pub const RECORDS: ContractId = ContractId::new(3);
/// Members, their weight and whom they delegate it to; validator sets; offences.
pub const STAKING: ContractId = ContractId::new(4);
/// Proposals that change who the members are and how blocks are configured.
pub const GOVERNANCE: ContractId = ContractId::new(5);
/// Who may see whose data: grants, requests, break-glass, erasure.
pub const ACCESS: ContractId = ContractId::new(6);
/// Agreements of entities to exchange data, on which grants can rest.
pub const AGREEMENTS: ContractId = ContractId::new(7);

/// What kind of organisation a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Treats patients; runs devices.
    Hospital,
    /// Dispenses medication; runs devices.
    Pharmacy,
    /// Pays claims.
    Insurer,
    /// Does research.
    Institute,
    /// Supervises; registers entities.
    Ministry,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [
        Self::Hospital,
        Self::Pharmacy,
        Self::Insurer,
        Self::Institute,
        Self::Ministry,
    ];

    /// The name in files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hospital => "hospital",
            Self::Pharmacy => "pharmacy",
            Self::Insurer => "insurer",
            Self::Institute => "institute",
            Self::Ministry => "ministry",
        }
    }
}

impl core::fmt::Display for Role {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// Calls of the `records` contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordsCall {
    /// A device submits a sealed reading.
    Submit(SealedReading),
}

/// Calls of the `staking` contract. All but [`StakingCall::Report`] and [`StakingCall::Observe`] are a member's, about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StakingCall {
    /// The member stands as a candidate for a seat.
    Stand,
    /// The member stands no longer. What is delegated to it counts again when it stands again.
    StepDown,
    /// The member delegates its weight, in place of what it delegated before.
    Delegate(Delegation),
    /// The member delegates nothing any more.
    Withdraw,
    /// The member, set inactive for missed votes, is ready to validate again.
    Return,
    /// Anyone reports a validator that broke the protocol.
    Report(Box<Evidence>),
    /// A validator of the epoch before says, once, what it saw of the others in it.
    Observe(Observed),
}

/// What one validator saw of all in an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Which epoch.
    pub epoch: Epoch,
    /// How many of its views the validator observed: those in which it saw, with its own, the votes of a quorum.
    pub views: u32,
    /// What it saw of each seat, in the order of seats, its own included.
    pub seats: Vec<ObservedSeat>,
}

/// What one validator saw of a seat in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedSeat {
    /// In how many of the observed views it saw a vote of the seat, of whatever kind and however late.
    pub votes: u32,
    /// How long the seat took to answer this validator's own small proposals, in microseconds: the median. 1 to
    /// [`RESPONSE_US_MAX`](crate::lanes::RESPONSE_US_MAX); `None` if it answered none of them.
    pub response_us: Option<u32>,
    /// How fast it took in this validator's own large proposals, in kilobits a second: the median. 1 to [`RATE_KBPS_MAX`](crate::lanes::RATE_KBPS_MAX); `None`
    /// if it answered none of them.
    pub rate_kbps: Option<u32>,
}

/// To whom a member delegates its weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delegation {
    /// All of it, however much it becomes.
    Whole(EntityId),
    /// Parts, ascending by candidate, at most the member's weight together.
    Parts(Vec<Part>),
}

/// A part of a member's weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Who gets it.
    pub candidate: EntityId,
    /// How much, at least 1.
    pub weight: u64,
}

/// What a member's validator acts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorKeys {
    /// The key its votes are signed with.
    pub validator_key: PublicKey,
    /// The key its connections are authenticated with.
    pub network_key: PublicKey,
}

/// Calls of the `blockcfg` contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockcfgCall {
    /// A member says what its validator's work costs, in the epochs that are configured from then on; 1 until it does.
    SetPrice {
        /// The price of a unit of capacity, the paper's `rho`; 1 to [`PRICE_MAX`](crate::lanes::PRICE_MAX). Only the ratios of members' prices count.
        price: u32,
    },
}

/// Calls of the `governance` contract. All are a member's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GovernanceCall {
    /// The member proposes a change, and signs it by that.
    Propose(Change),
    /// The member signs the change that this transaction proposed. The id covers the change, so that nobody signs another.
    Sign(TxId),
}

/// What more than two thirds of all members' weight can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A member gets another voting weight.
    SetWeight {
        /// Which member.
        member: EntityId,
        /// Its new weight; with 0 it stays a member and has no say.
        weight: u64,
    },
    /// A registered entity becomes a member. It stands as a candidate and delegates its whole weight to itself.
    AdmitMember {
        /// Which entity.
        entity: EntityId,
        /// What it validates with; without keys it gets no seat.
        keys: Option<ValidatorKeys>,
        /// Its voting weight.
        weight: u64,
    },
    /// A member is one no longer, and neither delegates nor is delegated to. The entity and its devices stay.
    RetireMember {
        /// Which member.
        member: EntityId,
    },
    /// A member validates with other keys in the sets that are elected from then on. One of the two may stay.
    RotateKeys {
        /// Which member.
        member: EntityId,
        /// Its new keys.
        keys: ValidatorKeys,
    },
    /// A jailed member may be elected again. Answers all offences up to the epoch in which it passes.
    Release {
        /// Which member.
        member: EntityId,
    },
    /// Members are set inactive below another share of votes, from the end of the present epoch on.
    SetParticipation {
        /// In percent of the views observed; 0 to 66, and 0 sets nobody inactive.
        percent: u8,
    },
    /// A lane's parameters become these, in the epochs that are configured from then on: from the second after the present one.
    SetLane(LaneParameters),
    /// The same for the constants of the model by which verifiers are chosen.
    SetModel(BlockModel),
    /// A jurisdiction has these rules for breaking the glass, from the next transaction on.
    SetBreakGlass {
        /// Which; [`Jurisdiction::DEFAULT`] is that of entities that were assigned to none.
        jurisdiction: Jurisdiction,
        /// Its rules.
        rules: BreakGlassRules,
    },
    /// An entity is under a jurisdiction, from the next transaction on.
    AssignJurisdiction {
        /// Which entity.
        entity: EntityId,
        /// Which jurisdiction.
        jurisdiction: Jurisdiction,
    },
}
