//! Where samples come from (`DESIGN`, way of one reading, step 1).
//!
//! A source yields one [`RawPanel`] at a time: all samples of one patient at one time, as the sensor gave them. A
//! malformed row is an error of that row alone; the source goes on behind it.

pub mod icu_csv;
pub mod simulated;

use salus_primitives::time::Timestamp;

use crate::catalogue::Vital;
use crate::milli::{Field, NumberError};

/// All samples of one patient at one time, before any check of their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPanel {
    /// Line of the file, or number of the simulated row; from 1.
    pub line: u64,
    /// Which bed of this source: an index, never a name.
    pub bed: u32,
    /// When the monitor took the samples.
    pub time: Timestamp,
    /// What it measured, in the order of the source's columns.
    pub samples: Vec<RawSample>,
}

/// One sample as the sensor gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawSample {
    /// What was measured.
    pub vital: &'static Vital,
    /// The value, or nothing.
    pub field: Field,
}

/// A stream of panels.
pub trait Source {
    /// The next panel; `None` at the end.
    ///
    /// # Errors
    /// [`SourceError::Row`] for a malformed row, behind which the source goes on; any other error ends it.
    fn next(&mut self) -> Option<Result<RawPanel, SourceError>>;

    /// How many beds there are; every [`RawPanel::bed`] is below it.
    fn beds(&self) -> u32;
}

/// Why a source has no panel to give.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// One row is malformed.
    #[error("line {line}: {reason}")]
    Row {
        /// Line of the file, from 1.
        line: u64,
        /// What is wrong with it.
        reason: RowError,
    },
    /// The file is not in the format that was named.
    #[error("header: {0}")]
    Header(#[from] HeaderError),
    /// The file cannot be read.
    #[error("cannot read the input")]
    Read(#[from] std::io::Error),
}

/// Why one row is refused. No variant carries text of the row: it may be a patient's data, and errors are logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Longer than any row of the format.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotText,
    /// More or fewer fields than the header names.
    #[error("{found} fields instead of {expected}")]
    FieldCount {
        /// Fields of the header.
        expected: usize,
        /// Fields of the row.
        found: usize,
    },
    /// The time is not RFC 3339, or before 1970.
    #[error("the time is not an RFC 3339 time since 1970")]
    Time,
    /// A value is no number.
    #[error("column {column}: {reason}")]
    Number {
        /// Name of the column.
        column: &'static str,
        /// What is wrong with the value.
        reason: NumberError,
    },
}

/// Why a header is not the format's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There is no first line, or it is no text of a sane length.
    #[error("the first line does not name columns")]
    Missing,
    /// The format has no such column; a known name with another unit is one, too.
    #[error("unknown column {0:?}")]
    UnknownColumn(String),
    /// A column is there twice.
    #[error("column {0} is there twice")]
    RepeatedColumn(&'static str),
    /// A column of the format is not there.
    #[error("column {0} is missing")]
    MissingColumn(&'static str),
}
