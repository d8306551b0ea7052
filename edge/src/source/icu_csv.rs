//! Bedside monitor numerics, one row a minute: `time,HR_bpm,ABPSys_mmHg,..`.
//!
//! The name of a column says what it holds and in which unit; a column with another unit is another, unknown column. Rows
//! have neither quotes nor line breaks inside, so a damaged row can never swallow the rows behind it.

use std::io::BufRead;

use salus_primitives::time::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{HeaderError, RawPanel, RawSample, RowError, Source, SourceError};
use crate::catalogue::{self, Vital};
use crate::milli::Field;

/// Streams panels of one bed from a file.
#[derive(Debug)]
pub struct IcuCsv<R> {
    reader: R,
    layout: Layout,
    line: u64,
    ended: bool,
}

impl<R: BufRead> IcuCsv<R> {
    /// Reads and checks the header.
    ///
    /// # Errors
    /// [`SourceError::Header`] if the first line does not name exactly the columns of the format, in any order;
    /// [`SourceError::Read`] if it cannot be read.
    pub fn open(mut reader: R) -> Result<Self, SourceError> {
        let header = match read_line(&mut reader)? {
            Line::Text(bytes) => String::from_utf8(bytes).map_err(|_| HeaderError::Missing)?,
            Line::TooLong | Line::End => return Err(HeaderError::Missing.into()),
        };
        let layout = Layout::from_header(&header)?;
        Ok(Self {
            reader,
            layout,
            line: 1,
            ended: false,
        })
    }
}

impl<R: BufRead> Source for IcuCsv<R> {
    fn next(&mut self) -> Option<Result<RawPanel, SourceError>> {
        loop {
            if self.ended {
                return None;
            }
            self.line = self.line.saturating_add(1);
            let line = self.line;
            let parsed = match read_line(&mut self.reader) {
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error.into()));
                }
                Ok(Line::End) => {
                    self.ended = true;
                    return None;
                }
                Ok(Line::TooLong) => Err(RowError::TooLong {
                    limit: LINE_BYTES_MAX,
                }),
                Ok(Line::Text(bytes)) if bytes.is_empty() => continue,
                Ok(Line::Text(bytes)) => self.layout.row(line, &bytes),
            };
            return Some(parsed.map_err(|reason| SourceError::Row { line, reason }));
        }
    }

    fn beds(&self) -> u32 {
        1
    }
}

/// Which column stands where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    columns: Vec<Column>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Time,
    Sample {
        name: &'static str,
        vital: &'static Vital,
    },
}

impl Layout {
    /// Checks a header against the columns of the format.
    ///
    /// # Errors
    /// [`HeaderError`] unless every column of the format is named exactly once and no other is.
    pub fn from_header(header: &str) -> Result<Self, HeaderError> {
        let header = header.strip_prefix('\u{feff}').unwrap_or(header);
        let mut columns = Vec::new();
        for name in header.split(',').map(str::trim) {
            let column = if name == TIME_COLUMN {
                Column::Time
            } else {
                let (name, vital) = SAMPLE_COLUMNS
                    .iter()
                    .find(|(known, _)| *known == name)
                    .ok_or_else(|| HeaderError::UnknownColumn(name.chars().take(40).collect()))?;
                Column::Sample { name, vital }
            };
            if columns.contains(&column) {
                return Err(HeaderError::RepeatedColumn(column.name()));
            }
            columns.push(column);
        }
        let named = |name: &str| columns.iter().any(|column| column.name() == name);
        match SAMPLE_COLUMNS
            .iter()
            .map(|(name, _)| *name)
            .chain([TIME_COLUMN])
            .find(|name| !named(name))
        {
            Some(missing) => Err(HeaderError::MissingColumn(missing)),
            None => Ok(Self { columns }),
        }
    }

    /// Reads one row, without its line break.
    ///
    /// # Errors
    /// [`RowError`] if the row has another number of fields, no valid time, or a value that is no number.
    pub fn row(&self, line: u64, row: &[u8]) -> Result<RawPanel, RowError> {
        let row = std::str::from_utf8(row).map_err(|_| RowError::NotText)?;
        let found = row.split(',').count();
        if found != self.columns.len() {
            return Err(RowError::FieldCount {
                expected: self.columns.len(),
                found,
            });
        }
        let mut time = None;
        let mut samples = Vec::with_capacity(self.columns.len());
        for (column, text) in self.columns.iter().zip(row.split(',')) {
            match *column {
                Column::Time => time = Some(parse_time(text.trim()).ok_or(RowError::Time)?),
                Column::Sample { name, vital } => {
                    let field = Field::parse(text).map_err(|reason| RowError::Number {
                        column: name,
                        reason,
                    })?;
                    samples.push(RawSample { vital, field });
                }
            }
        }
        let time = time.ok_or(RowError::Time)?;
        Ok(RawPanel {
            line,
            bed: 0,
            time,
            samples,
        })
    }
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Time => TIME_COLUMN,
            Self::Sample { name, .. } => name,
        }
    }
}

/// An RFC 3339 time, to the millisecond; `None` before 1970.
fn parse_time(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let milliseconds = time.unix_timestamp_nanos().checked_div(1_000_000)?;
    u64::try_from(milliseconds).ok().map(Timestamp::from_millis)
}

enum Line {
    Text(Vec<u8>),
    TooLong,
    End,
}

/// Reads up to the next line break, keeping at most [`LINE_BYTES_MAX`] bytes.
fn read_line(reader: &mut impl BufRead) -> std::io::Result<Line> {
    let mut line = Vec::new();
    let mut too_long = false;
    let mut anything = false;
    loop {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            break;
        }
        anything = true;
        let end = available.iter().position(|&byte| byte == b'\n');
        let part = available
            .get(..end.unwrap_or(available.len()))
            .unwrap_or_default();
        let used = part.len().saturating_add(usize::from(end.is_some()));
        if line.len().saturating_add(part.len()) > LINE_BYTES_MAX {
            too_long = true;
        } else {
            line.extend_from_slice(part);
        }
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(if too_long {
        Line::TooLong
    } else if anything {
        Line::Text(line)
    } else {
        Line::End
    })
}

/// Far above any row of the format, far below what would hurt.
const LINE_BYTES_MAX: usize = 4 * 1024;

const TIME_COLUMN: &str = "time";

/// The format's sample columns: heart rate from the ECG, invasive pressure, pulse oximetry, cuff pressure.
static SAMPLE_COLUMNS: [(&str, &Vital); 10] = [
    ("HR_bpm", &catalogue::HEART_RATE),
    ("ABPSys_mmHg", &catalogue::INVASIVE_SYSTOLIC),
    ("ABPDias_mmHg", &catalogue::INVASIVE_DIASTOLIC),
    ("ABPMean_mmHg", &catalogue::INVASIVE_MEAN),
    ("PULSE_bpm", &catalogue::PULSE_RATE),
    ("RESP_pm", &catalogue::RESPIRATORY_RATE),
    ("SpO2_%", &catalogue::OXYGEN_SATURATION),
    ("NBPSys_mmHg", &catalogue::SYSTOLIC),
    ("NBPDias_mmHg", &catalogue::DIASTOLIC),
    ("NBPMean_mmHg", &catalogue::MEAN_PRESSURE),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::milli::{Milli, NumberError};

    const HEADER: &str = "time,HR_bpm,ABPSys_mmHg,ABPDias_mmHg,ABPMean_mmHg,PULSE_bpm,RESP_pm,SpO2_%,NBPSys_mmHg,\
                          NBPDias_mmHg,NBPMean_mmHg";

    fn read(text: &[u8]) -> Vec<Result<RawPanel, (u64, RowError)>> {
        let mut source = IcuCsv::open(text).expect("the header is right");
        let mut rows = Vec::new();
        while let Some(row) = source.next() {
            rows.push(row.map_err(|error| match error {
                SourceError::Row { line, reason } => (line, reason),
                other => panic!("{other}"),
            }));
        }
        rows
    }

    /// A row of the 29th century with sensors off is read as it stands.
    #[test]
    fn row_of_the_29th_century_is_read() {
        let text = format!("{HEADER}\r\n2896-10-10T00:32:25Z,62.8,0.0,0.0,0.0,,12.7,nan,,,\r\n");

        let rows = read(text.as_bytes());

        let panel = rows[0].as_ref().unwrap();
        assert_eq!(panel.time, Timestamp::from_millis(29_246_229_145_000));
        let present: Vec<_> = panel
            .samples
            .iter()
            .filter(|sample| sample.field != Field::Absent)
            .map(|s| s.vital.loinc)
            .collect();
        assert_eq!(present, ["8867-4", "9279-1"]);
        assert_eq!(panel.samples[0].field, Field::Present(Milli::new(62_800)));
    }

    /// Damaged rows are reported by line, and the rows between them are read.
    #[test]
    fn damaged_rows_are_reported_and_the_run_goes_on() {
        let good = "2026-01-01T00:00:00+01:00,60,,,,,,,,,";
        let mut text =
            format!("\u{feff}{HEADER}\n{good}\n1,2\n\nyesterday,60,,,,,,,,,\n").into_bytes();
        text.extend(b"2026-01-01T00:00:00Z,\xff,,,,,,,,,\n");
        text.extend(b"2026-01-01T00:00:00Z,12x,,,,,,,,,\n");
        text.extend([b'9'; 100_000]);
        text.extend(format!("\n1969-12-31T23:59:59Z,60,,,,,,,,,\n{good}").into_bytes());

        let rows = read(&text);

        let errors: Vec<_> = rows.iter().filter_map(|row| row.clone().err()).collect();
        assert_eq!(
            errors,
            [
                (
                    3,
                    RowError::FieldCount {
                        expected: 11,
                        found: 2
                    }
                ),
                (5, RowError::Time),
                (6, RowError::NotText),
                (
                    7,
                    RowError::Number {
                        column: "HR_bpm",
                        reason: NumberError::Malformed
                    }
                ),
                (
                    8,
                    RowError::TooLong {
                        limit: LINE_BYTES_MAX
                    }
                ),
                (9, RowError::Time),
            ]
        );
        assert_eq!(rows.iter().filter(|row| row.is_ok()).count(), 2);
    }

    /// A row's text, which may be a patient's data, is in no error message.
    #[test]
    fn errors_do_not_repeat_the_row() {
        let text =
            format!("{HEADER}\n2026-01-01T00:00:00Z,61secret,,,,,,,,,\n61secret,1,,,,,,,,,\n");
        let mut source = IcuCsv::open(text.as_bytes()).unwrap();

        while let Some(row) = source.next() {
            let message = format!("{0} {0:?}", row.unwrap_err());
            assert!(!message.contains("61"), "{message}");
        }
    }

    /// Columns may stand in any order, but all must be there, once, and in the known unit.
    #[test]
    fn header_must_name_every_column_once() {
        let mut names: Vec<&str> = HEADER.split(',').collect();
        names.reverse();
        assert!(Layout::from_header(&names.join(",")).is_ok());

        assert_eq!(
            Layout::from_header(&HEADER.replace("HR_bpm", "HR_Hz")),
            Err(HeaderError::UnknownColumn("HR_Hz".to_owned()))
        );
        assert_eq!(
            Layout::from_header(&format!("{HEADER},HR_bpm")),
            Err(HeaderError::RepeatedColumn("HR_bpm"))
        );
        assert_eq!(
            Layout::from_header(&HEADER.replace(",RESP_pm", "")),
            Err(HeaderError::MissingColumn("RESP_pm"))
        );
        assert_eq!(
            Layout::from_header(&HEADER.replace("time,", "")),
            Err(HeaderError::MissingColumn("time"))
        );
        assert!(matches!(
            IcuCsv::open(&b""[..]).unwrap_err(),
            SourceError::Header(HeaderError::Missing)
        ));
    }

    proptest! {
        /// Any bytes are read to their end: each row is a panel or an error, and nothing panics.
        #[test]
        fn any_bytes_are_read_to_the_end(body in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let mut text = format!("{HEADER}\n").into_bytes();
            text.extend(&body);

            prop_assert!(read(&text).len() <= body.iter().filter(|&&byte| byte == b'\n').count() + 1);
        }

        /// The same for bytes that look like rows.
        #[test]
        fn any_row_like_text_is_read_to_the_end(
            body in "([0-9TZ:.+-]{0,24}(,[0-9eE.naif+-]{0,8}){0,12}\n){0,8}"
        ) {
            read(format!("{HEADER}\n{body}").as_bytes());
        }

        /// Any bytes as header are a layout or an error.
        #[test]
        fn any_header_is_checked(header in "\\PC{0,60}") {
            let _ = Layout::from_header(&header);
        }
    }
}
