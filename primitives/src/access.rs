//! Who may see whose data: the words in which grants, requests and decisions are written.
//!
//! What they mean is the contract's to say (`salus-contracts`, `native::access`); custodians, light clients and auditors read them
//! here. Codes are those of HL7 v3 (`PurposeOfUse`, `Confidentiality`).

mod event;
mod sets;

pub use event::{AccessEvent, Basis, Decision};
pub use sets::{Categories, Purposes};

use crate::calls::{Profession, Role};
use crate::hexadecimal::fixed_bytes;
use crate::ids::{DeviceId, EntityId, PractitionerId};
use crate::reading::{Category, Pseudonym, ReadingId};
use crate::time::Timestamp;
use crate::transaction::TxId;
use serde::{Deserialize, Serialize};

/// Names a rule: the transaction that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId(pub [u8; 32]);
fixed_bytes!(GrantId, 32);

impl From<TxId> for GrantId {
    fn from(id: TxId) -> Self {
        Self(id.0)
    }
}

/// Names an agreement: the transaction that proposed it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgreementId(pub [u8; 32]);
fixed_bytes!(AgreementId, 32);

impl From<TxId> for AgreementId {
    fn from(id: TxId) -> Self {
        Self(id.0)
    }
}

/// For what data are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// `TREAT`.
    Treatment,
    /// `HPAYMT`.
    Payment,
    /// `HOPERAT`.
    Operations,
    /// `HRESCH`.
    Research,
    /// `PUBHLTH`.
    PublicHealth,
    /// `BTG`. No grant can be for it.
    BreakGlass,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 6] = [
        Self::Treatment,
        Self::Payment,
        Self::Operations,
        Self::Research,
        Self::PublicHealth,
        Self::BreakGlass,
    ];

    /// The code in HL7 v3.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Treatment => "TREAT",
            Self::Payment => "HPAYMT",
            Self::Operations => "HOPERAT",
            Self::Research => "HRESCH",
            Self::PublicHealth => "PUBHLTH",
            Self::BreakGlass => "BTG",
        }
    }
}

/// How sensitive data are. Ordered: who may see some may see what is less sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// `N`.
    Normal,
    /// `R`.
    Restricted,
    /// `V`.
    VeryRestricted,
}

impl Sensitivity {
    /// All, least sensitive first.
    pub const ALL: [Self; 3] = [Self::Normal, Self::Restricted, Self::VeryRestricted];

    /// The code in HL7 v3.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Normal => "N",
            Self::Restricted => "R",
            Self::VeryRestricted => "V",
        }
    }
}

/// Which data of a kind, in days: whole days since 1 January 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Extent {
    /// One reading.
    Reading {
        /// The day it was taken on.
        day: u32,
        /// The device that sealed it.
        device: DeviceId,
        /// Which.
        reading: ReadingId,
    },
    /// Those of some days, both included.
    Days {
        /// The first.
        first: u32,
        /// The last.
        last: u32,
    },
    /// All there are and will be.
    All,
}

impl Extent {
    /// Whether everything that `asked` names is within this.
    #[must_use]
    pub fn covers(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::All, _) => true,
            (
                Self::Days { first, last },
                Self::Days {
                    first: from,
                    last: to,
                },
            ) => first <= from && to <= last,
            (Self::Days { first, last }, Self::Reading { day, .. }) => first <= day && day <= last,
            (Self::Reading { .. }, Self::Reading { .. }) => self == asked,
            (Self::Reading { .. } | Self::Days { .. }, Self::All)
            | (Self::Reading { .. }, Self::Days { .. }) => false,
        }
    }

    /// Whether anything can be within both. A rule that denies part of what is asked for denies it.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let days = |extent: &Self| match *extent {
            Self::Reading { day, .. } => Some((day, day)),
            Self::Days { first, last } => Some((first, last)),
            Self::All => None,
        };
        if let (Self::Reading { .. }, Self::Reading { .. }) = (self, other) {
            return self == other;
        }
        match (days(self), days(other)) {
            (Some((a, b)), Some((c, d))) => a <= d && c <= b,
            (None, _) | (_, None) => true,
        }
    }
}

/// To whom a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Grantee {
    /// One practitioner.
    Practitioner(PractitionerId),
    /// One person, such as a relative.
    Person(Pseudonym),
    /// An entity and all its practitioners.
    Entity(EntityId),
    /// The practitioners of one profession in an entity.
    Profession {
        /// Which entity.
        entity: EntityId,
        /// Which profession.
        profession: Profession,
    },
    /// All entities of a role and their practitioners.
    Role(Role),
    /// Everybody. Only a rule that denies can say so.
    Everybody,
}

/// Whether a grant may be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passing {
    /// No.
    Never,
    /// Once, to somebody by name, who cannot pass it on again.
    Once,
}

/// What a rule permits or forbids, to whom, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Whose data.
    pub subject: Pseudonym,
    /// Who.
    pub grantee: Grantee,
    /// Which kinds of data.
    pub categories: Categories,
    /// A rule that permits: the most sensitive data it opens. A rule that denies: the least sensitive it closes.
    pub sensitivity: Sensitivity,
    /// For what.
    pub purposes: Purposes,
    /// Which data of these kinds.
    pub extent: Extent,
    /// From when on, by block time.
    pub from: Timestamp,
    /// Until when; not any more at that time.
    pub until: Timestamp,
    /// Whether who is permitted may pass it on.
    pub passing: Passing,
    /// The agreement that this rests on, and falls with.
    pub agreement: Option<AgreementId>,
}

/// What somebody asks to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRequest {
    /// Whose data.
    pub subject: Pseudonym,
    /// Which kind.
    pub category: Category,
    /// The most sensitive data asked for.
    pub sensitivity: Sensitivity,
    /// For what.
    pub purpose: Purpose,
    /// Which; not [`Extent::All`].
    pub extent: Extent,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Requester {
    /// A practitioner.
    Practitioner(PractitionerId),
    /// A person: the patient, who acts for it, or who was granted something.
    Person(Pseudonym),
    /// An entity itself.
    Entity(EntityId),
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: Extent = Extent::Reading {
        day: 5,
        device: DeviceId([1; 32]),
        reading: ReadingId([2; 32]),
    };
    const OTHER: Extent = Extent::Reading {
        day: 5,
        device: DeviceId([1; 32]),
        reading: ReadingId([3; 32]),
    };

    const fn days(first: u32, last: u32) -> Extent {
        Extent::Days { first, last }
    }

    #[test]
    fn extents_cover_what_lies_within_them() {
        for (wide, narrow, covers) in [
            (Extent::All, Extent::All, true),
            (Extent::All, READING, true),
            (days(4, 6), days(4, 6), true),
            (days(4, 6), days(5, 7), false),
            (days(4, 6), READING, true),
            (days(6, 7), READING, false),
            (days(0, u32::MAX), Extent::All, false),
            (READING, READING, true),
            (READING, OTHER, false),
            (READING, days(5, 5), false),
        ] {
            assert_eq!(wide.covers(&narrow), covers, "{wide:?} {narrow:?}");
            assert!(!covers || wide.overlaps(&narrow), "{wide:?} {narrow:?}");
        }
    }

    #[test]
    fn extents_overlap_where_anything_is_in_both() {
        for (one, other, overlap) in [
            (days(4, 6), days(6, 9), true),
            (days(4, 6), days(7, 9), false),
            (READING, days(5, 5), true),
            (READING, days(6, 9), false),
            (READING, OTHER, false),
            (Extent::All, OTHER, true),
        ] {
            assert_eq!(one.overlaps(&other), overlap, "{one:?} {other:?}");
            assert_eq!(other.overlaps(&one), overlap, "{other:?} {one:?}");
        }
    }
}
