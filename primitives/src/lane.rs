//! Lanes: urgency and security need of data (ssHealth, Figure 2).

use alloc::string::String;
use serde::{Deserialize, Serialize};

/// The way a transaction takes. Ordered from most to least urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Life at risk now. Restricted, few verifiers, never waits for a full block.
    Emergency,
    /// Needs a clinician soon.
    Monitoring,
    /// Everything that has no other lane.
    Routine,
    /// Large and not urgent; highest security.
    Bulk,
}

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Self; 4] = [Self::Emergency, Self::Monitoring, Self::Routine, Self::Bulk];

    /// The name in files, labels and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Monitoring => "monitoring",
            Self::Routine => "routine",
            Self::Bulk => "bulk",
        }
    }

    /// Position in [`Lane::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Emergency => 0,
            Self::Monitoring => 1,
            Self::Routine => 2,
            Self::Bulk => 3,
        }
    }
}

impl core::fmt::Display for Lane {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no lane's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no lane is called {0:?}; the lanes are emergency, monitoring, routine and bulk")]
pub struct UnknownLane(pub String);

impl core::str::FromStr for Lane {
    type Err = UnknownLane;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|lane| lane.name() == text)
            .ok_or_else(|| UnknownLane(text.chars().take(40).collect()))
    }
}
