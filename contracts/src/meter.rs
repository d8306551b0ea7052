//! Deterministic cost limits of one transaction: counts, never elapsed time, so that all nodes stop at the same place.

/// What one transaction may cost. Part of the protocol: nodes with other limits come to other receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most values read.
    pub reads: u32,
    /// Most values written or removed.
    pub writes: u32,
    /// Most bytes of keys and values written and of event data, together.
    pub bytes: u32,
    /// Most events.
    pub events: u32,
}

impl Limits {
    /// The limits of the chain. The dearest native call registers
    /// [`DEVICES_IN_BATCH_MAX`](salus_primitives::calls::DEVICES_IN_BATCH_MAX) devices: for each it looks at the device and at both tables of keys, and
    /// writes the device and its key, some 220 bytes, beside an event of 64 bytes a device. All others need a small part of that.
    pub const STANDARD: Self = Self {
        reads: 1024,
        writes: 640,
        bytes: 128 * 1024,
        events: 32,
    };
}

/// Which limit a transaction went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitExceeded {
    /// Too many values read.
    #[error("the call reads too many values")]
    Reads,
    /// Too many values written.
    #[error("the call writes too many values")]
    Writes,
    /// Too many bytes written.
    #[error("the call writes too many bytes")]
    Bytes,
    /// Too many events.
    #[error("the call emits too many events")]
    Events,
}

/// Counts what one transaction has cost.
#[derive(Debug)]
pub struct Meter {
    left: Limits,
}

impl Meter {
    /// A meter with nothing used.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { left: limits }
    }

    /// Counts one value read.
    ///
    /// # Errors
    /// [`LimitExceeded::Reads`].
    pub fn read(&mut self) -> Result<(), LimitExceeded> {
        take(&mut self.left.reads, 1).ok_or(LimitExceeded::Reads)
    }

    /// Counts one value of `length` bytes (key and value) written or removed.
    ///
    /// # Errors
    /// [`LimitExceeded::Writes`] or [`LimitExceeded::Bytes`].
    pub fn write(&mut self, length: usize) -> Result<(), LimitExceeded> {
        take(&mut self.left.writes, 1).ok_or(LimitExceeded::Writes)?;
        take(&mut self.left.bytes, length).ok_or(LimitExceeded::Bytes)
    }

    /// Counts one event with `length` bytes of data.
    ///
    /// # Errors
    /// [`LimitExceeded::Events`] or [`LimitExceeded::Bytes`].
    pub fn event(&mut self, length: usize) -> Result<(), LimitExceeded> {
        take(&mut self.left.events, 1).ok_or(LimitExceeded::Events)?;
        take(&mut self.left.bytes, length).ok_or(LimitExceeded::Bytes)
    }
}

fn take(left: &mut u32, count: usize) -> Option<()> {
    *left = left.checked_sub(u32::try_from(count).ok()?)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits {
        reads: 2,
        writes: 2,
        bytes: 10,
        events: 1,
    };

    #[test]
    fn each_limit_admits_exactly_its_count() {
        let mut meter = Meter::new(SMALL);

        assert_eq!((meter.read(), meter.read()), (Ok(()), Ok(())));
        assert_eq!(meter.read(), Err(LimitExceeded::Reads));
        assert_eq!((meter.write(4), meter.write(4)), (Ok(()), Ok(())));
        assert_eq!(meter.write(0), Err(LimitExceeded::Writes));
        assert_eq!(meter.event(2), Ok(()));
        assert_eq!(meter.event(0), Err(LimitExceeded::Events));
    }

    #[test]
    fn bytes_of_writes_and_events_count_together() {
        let mut meter = Meter::new(SMALL);

        assert_eq!(meter.write(9), Ok(()));
        assert_eq!(meter.event(2), Err(LimitExceeded::Bytes));
        assert_eq!(
            Meter::new(SMALL).write(usize::MAX),
            Err(LimitExceeded::Bytes)
        );
    }
}
