//! The two clocks a node reads: one that never jumps, for timers; one that people set, for block times.

use salus_primitives::time::Timestamp;

/// A reading of a clock that never goes back, to the microsecond. Its zero means nothing.
///
/// Timers count in milliseconds. Measurements need more: the answer of a validator on the same machine takes half of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(u64);

impl Monotonic {
    /// A reading in milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(MICROS))
    }

    /// A reading in microseconds.
    #[must_use]
    pub const fn from_micros(microseconds: u64) -> Self {
        Self(microseconds)
    }

    /// The reading in whole milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / MICROS
    }

    /// The reading in microseconds.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Later by so many milliseconds, saturating.
    #[must_use]
    pub const fn plus_millis(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds.saturating_mul(MICROS)))
    }

    /// Whole milliseconds since `earlier`; zero if that lies ahead.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.micros_since(earlier) / MICROS
    }

    /// Microseconds since `earlier`; zero if that lies ahead.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// In a millisecond.
const MICROS: u64 = 1_000;

/// A reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For timers.
    pub monotonic: Monotonic,
    /// For block times.
    pub wall: Timestamp,
}
