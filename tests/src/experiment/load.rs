//! What clients ask for.

use salus_primitives::lane::Lane;

/// How much there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// Every lane below capacity.
    Light,
    /// As many bulk transactions wait at any time as [`BACKLOG`] says, the rest as in [`Load::Light`].
    Saturating,
}

/// How one lane's clients behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// So many transactions a minute, at random times.
    PerMinute(u64),
    /// So many wait at any time: one that is final is followed by another.
    Waiting(usize),
}

/// How many bulk transactions wait in all while the network is saturated.
pub const BACKLOG: usize = 500;

impl Load {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Light, Self::Saturating];

    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Saturating => "saturating",
        }
    }

    /// What a lane's clients do.
    #[must_use]
    pub const fn demand(self, lane: Lane) -> Demand {
        match (lane, self) {
            (Lane::Emergency, _) => Demand::PerMinute(90),
            (Lane::Monitoring | Lane::Routine, _) => Demand::PerMinute(30),
            (Lane::Bulk, Self::Light) => Demand::PerMinute(15),
            (Lane::Bulk, Self::Saturating) => Demand::Waiting(BACKLOG),
        }
    }
}

/// Bytes of a lane's sealed reading, a size class.
#[must_use]
pub const fn reading_bytes(lane: Lane) -> usize {
    match lane {
        Lane::Emergency => 256,
        Lane::Monitoring | Lane::Routine => 1_024,
        Lane::Bulk => 16_384,
    }
}

/// What of a transaction with a reading is not the reading, in bytes: names, commitment, signature.
pub const OVERHEAD_BYTES: usize = 430;
