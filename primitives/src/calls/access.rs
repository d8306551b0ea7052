//! Calls of the `access` contract.

use crate::access::{AccessRequest, GrantId, Grantee, Terms};
use crate::reading::{Category, Pseudonym};
use crate::time::Timestamp;
use crate::transaction::TxId;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Calls of the `access` contract. *The patient's side* is the person itself, if it is of age, and whoever acts for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessCall {
    /// The patient's side permits. The grant's id is this transaction's.
    Grant(Terms),
    /// The patient's side forbids: while this rule holds, it wins over all that permits. Its id is this transaction's.
    Deny(Terms),
    /// The patient's side ends a rule, and with it what was passed on from it, from the next transaction on.
    Revoke {
        /// Whose data.
        subject: Pseudonym,
        /// Which rule.
        grant: GrantId,
    },
    /// Who is named by a grant that may be passed on passes it on, once. The new grant's id is this transaction's; it goes no further and falls with the first.
    PassOn {
        /// Whose data.
        subject: Pseudonym,
        /// Which grant.
        grant: GrantId,
        /// To whom: somebody by name.
        to: Grantee,
        /// Until when; not after the grant's own end.
        until: Timestamp,
    },
    /// Somebody asks to see data. The call succeeds whatever is decided; the decision is an event.
    Request(AccessRequest),
    /// A practitioner opens without a grant, because a life is at stake: for a limited time, with a notification and a review.
    BreakGlass {
        /// Whose data, and which. Its purpose is break-glass.
        request: AccessRequest,
        /// Why.
        reason: BreakGlassReason,
    },
    /// Another person of the same entity, who reviews there, or a ministry, closes the review of a broken glass.
    CloseReview {
        /// The transaction that broke it.
        request: TxId,
        /// What the review found.
        verdict: ReviewVerdict,
    },
    /// The patient's side excludes break-glass, or allows it again, where the jurisdiction lets it.
    ExcludeBreakGlass {
        /// Whose data.
        subject: Pseudonym,
        /// Whether it is excluded.
        excluded: bool,
    },
    /// A custodian's key service says that it has released the keys of an allowed request.
    Released {
        /// The request.
        request: TxId,
    },
    /// The patient's side has all keys of a period destroyed. The order's id is this transaction's.
    Erase {
        /// Whose data.
        subject: Pseudonym,
        /// Which kind.
        category: Category,
        /// First day of the period: whole days since 1 January 1970, UTC.
        first_day: u32,
        /// Last day, not after the present one; at most [`ERASED_DAYS_MAX`] days.
        last_day: u32,
    },
    /// A custodian's key service says that it has destroyed what an order names.
    Erased {
        /// The order.
        order: TxId,
    },
}

/// Most days in a request.
pub const REQUESTED_DAYS_MAX: u32 = 366;
/// Most days in an order to erase.
pub const ERASED_DAYS_MAX: u32 = 36_600;

/// Why the glass is broken. No free text: what is on the chain is there for good, and text names people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakGlassReason {
    /// The patient's life is in danger.
    LifeThreatening,
    /// The patient cannot be asked.
    Unconscious,
    /// Others are in danger.
    DangerToOthers,
}

/// What the review of a broken glass found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewVerdict {
    /// It was right.
    Justified,
    /// It was not; what follows from that is for people to say.
    Unjustified,
}

/// What holds for breaking the glass in a jurisdiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlassRules {
    /// For how long it opens, in minutes; 0: never, up to a week.
    pub minutes: u16,
    /// Within how many hours the review must be closed, before who broke the glass can break no other.
    pub review_hours: u16,
    /// Whether a patient may exclude it.
    pub excludable: bool,
}

impl BreakGlassRules {
    /// What holds where governance has said nothing: four hours, a review within a week, and a patient may exclude it.
    pub const DEFAULT: Self = Self {
        minutes: 240,
        review_hours: 168,
        excludable: true,
    };

    /// Whether the numbers are within their bounds: up to a week, and a review within an hour at the soonest and a year at the latest.
    #[must_use]
    pub const fn are_within_bounds(&self) -> bool {
        self.minutes <= GLASS_MINUTES_MAX
            && 1 <= self.review_hours
            && self.review_hours <= REVIEW_HOURS_MAX
    }
}

/// Most minutes for which a broken glass opens: a week.
pub const GLASS_MINUTES_MAX: u16 = 7 * 24 * 60;
/// Most hours until a review is due: a year.
pub const REVIEW_HOURS_MAX: u16 = 366 * 24;

/// Names a jurisdiction: eight bytes of upper-case ASCII such as `DE-BY`, filled up with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Jurisdiction(pub [u8; 8]);

impl Jurisdiction {
    /// That of entities that were assigned to none.
    pub const DEFAULT: Self = Self(*b"DEFAULT\0");

    /// The jurisdiction of this name: 1 to 8 upper-case letters and digits, with `-` inside.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        if name.contains('\0') {
            return None;
        }
        let mut bytes = [0; 8];
        bytes
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        Some(Self(bytes)).filter(Self::is_valid)
    }

    /// Its name, without the zeros; what is none of ASCII's printable characters as `?`.
    #[must_use]
    pub fn name(&self) -> String {
        self.letters()
            .map(|byte| if byte.is_ascii_graphic() { byte } else { b'?' })
            .map(char::from)
            .collect()
    }

    /// Whether it is one that [`of_name`](Self::of_name) makes: what was decoded may be none.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let letters: Vec<u8> = self.letters().collect();
        let alphanumeric = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        self.0.iter().skip(letters.len()).all(|byte| *byte == 0)
            && letters.first().is_some_and(alphanumeric)
            && letters.last().is_some_and(alphanumeric)
            && letters
                .iter()
                .all(|byte| alphanumeric(byte) || *byte == b'-')
    }

    fn letters(&self) -> impl Iterator<Item = u8> {
        self.0.into_iter().take_while(|byte| *byte != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jurisdictions_have_short_names_of_one_encoding() {
        for name in ["DEFAULT", "DE-BY", "CH", "EU27", "A", "US-CA-01"] {
            let jurisdiction = Jurisdiction::of_name(name).expect(name);
            assert_eq!(jurisdiction.name(), name);
        }
        for name in [
            "",
            "de",
            "-DE",
            "DE-",
            "D E",
            "TOO-LONG-1",
            "DE\0",
            "\0DE",
            "Ü",
        ] {
            assert_eq!(Jurisdiction::of_name(name), None, "{name:?}");
        }
        assert_eq!(
            Jurisdiction::of_name("DEFAULT"),
            Some(Jurisdiction::DEFAULT)
        );
        assert!(!Jurisdiction(*b"DE\0\0\0\0\0X").is_valid());
        assert_eq!(Jurisdiction([1; 8]).name(), "????????");
    }

    #[test]
    fn the_rules_that_hold_by_default_are_within_bounds() {
        assert!(BreakGlassRules::DEFAULT.are_within_bounds());
        for (minutes, review_hours) in [(10_081, 1), (1, 0), (1, 8785)] {
            let rules = BreakGlassRules {
                minutes,
                review_hours,
                excludable: true,
            };
            assert!(!rules.are_within_bounds(), "{rules:?}");
        }
    }
}
