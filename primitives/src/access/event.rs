//! What the access contract makes known, and what a decision says.

use super::{AccessRequest, GrantId, Requester, Terms};
use crate::calls::{BreakGlassReason, BreakGlassRules, Jurisdiction, ReviewVerdict};
use crate::ids::EntityId;
use crate::reading::{Category, Pseudonym};
use crate::time::Timestamp;
use crate::transaction::TxId;
use serde::{Deserialize, Serialize};

/// What was decided on a request. A denial gives no reason, so that it says the same whether the patient, the data or a rule exist or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// Keys may be released.
    Allowed {
        /// Why.
        basis: Basis,
        /// Until when they may be released first; not any more at that time.
        until: Timestamp,
    },
    /// No key may be released.
    Denied,
}

/// Why a request is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Basis {
    /// The patient itself, or who acts for it.
    PatientsSide,
    /// The entity that has the relation, and its practitioners, for treatment and operations.
    Relation,
    /// A grant.
    Grant(GrantId),
    /// A broken glass.
    BrokenGlass,
}

/// What the access contract makes known. All but the last two are about one patient, and stand in its audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessEvent {
    /// Topic 1: a rule permits.
    Granted {
        /// Its id.
        grant: GrantId,
        /// What it permits.
        terms: Terms,
        /// The grant that it was passed on from.
        passed_from: Option<GrantId>,
    },
    /// Topic 2: a rule forbids.
    Forbidden {
        /// Its id.
        grant: GrantId,
        /// What it forbids.
        terms: Terms,
    },
    /// Topic 3: a rule was ended before its time.
    Revoked {
        /// Whose data.
        subject: Pseudonym,
        /// Which rule.
        grant: GrantId,
    },
    /// Topic 4: a request was decided on.
    Decided {
        /// The request's transaction.
        request: TxId,
        /// Who asked.
        requester: Requester,
        /// The entity that answers for who asked.
        entity: EntityId,
        /// What was asked for.
        asked: AccessRequest,
        /// The decision.
        decision: Decision,
    },
    /// Topic 5: a glass was broken. Follows the decision on the same request. Guardians and patients are to be told.
    GlassBroken {
        /// The request's transaction, which names the review.
        request: TxId,
        /// Whose data.
        subject: Pseudonym,
        /// Why.
        reason: BreakGlassReason,
        /// When the review is due.
        review_due: Timestamp,
    },
    /// Topic 6: a review was closed.
    ReviewClosed {
        /// The request's transaction.
        request: TxId,
        /// Whose data.
        subject: Pseudonym,
        /// What it found.
        verdict: ReviewVerdict,
        /// By whom.
        reviewer: Requester,
    },
    /// Topic 7: the patient's side excluded break-glass, or allowed it again.
    BreakGlassExcluded {
        /// Whose data.
        subject: Pseudonym,
        /// Whether it is excluded now.
        excluded: bool,
    },
    /// Topic 8: a custodian released keys.
    Released {
        /// The request's transaction.
        request: TxId,
        /// Whose data.
        subject: Pseudonym,
        /// Who released.
        custodian: EntityId,
    },
    /// Topic 9: the patient's side ordered keys to be destroyed.
    ErasureOrdered {
        /// The order's transaction.
        order: TxId,
        /// Whose data.
        subject: Pseudonym,
        /// Which kind.
        category: Category,
        /// First day.
        first_day: u32,
        /// Last day.
        last_day: u32,
    },
    /// Topic 10: a custodian destroyed what an order names.
    Erased {
        /// The order's transaction.
        order: TxId,
        /// Whose data.
        subject: Pseudonym,
        /// Who destroyed.
        custodian: EntityId,
        /// How many custodians have yet to.
        missing: u8,
    },
    /// Topic 11: governance gave a jurisdiction rules for breaking the glass.
    BreakGlassSet {
        /// Which.
        jurisdiction: Jurisdiction,
        /// Its rules.
        rules: BreakGlassRules,
    },
    /// Topic 12: governance put an entity under a jurisdiction.
    JurisdictionAssigned {
        /// Which entity.
        entity: EntityId,
        /// Which jurisdiction.
        jurisdiction: Jurisdiction,
    },
}

impl AccessEvent {
    /// The number by which events are indexed. Never changes.
    #[must_use]
    pub const fn topic(&self) -> u16 {
        match self {
            Self::Granted { .. } => 1,
            Self::Forbidden { .. } => 2,
            Self::Revoked { .. } => 3,
            Self::Decided { .. } => 4,
            Self::GlassBroken { .. } => 5,
            Self::ReviewClosed { .. } => 6,
            Self::BreakGlassExcluded { .. } => 7,
            Self::Released { .. } => 8,
            Self::ErasureOrdered { .. } => 9,
            Self::Erased { .. } => 10,
            Self::BreakGlassSet { .. } => 11,
            Self::JurisdictionAssigned { .. } => 12,
        }
    }

    /// Whose data it is about, and in whose audit trail it stands.
    #[must_use]
    pub const fn subject(&self) -> Option<Pseudonym> {
        match self {
            Self::Granted { terms, .. } | Self::Forbidden { terms, .. } => Some(terms.subject),
            Self::Decided { asked, .. } => Some(asked.subject),
            Self::Revoked { subject, .. }
            | Self::GlassBroken { subject, .. }
            | Self::ReviewClosed { subject, .. }
            | Self::BreakGlassExcluded { subject, .. }
            | Self::Released { subject, .. }
            | Self::ErasureOrdered { subject, .. }
            | Self::Erased { subject, .. } => Some(*subject),
            Self::BreakGlassSet { .. } | Self::JurisdictionAssigned { .. } => None,
        }
    }
}
