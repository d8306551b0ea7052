//! FHIR's dates and times, which may name a whole year, month or day.

use salus_primitives::time::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime};

/// A FHIR `dateTime`: what it names begins at `start` and is over at `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The first millisecond of it.
    pub start: Timestamp,
    /// The first millisecond after it.
    pub end: Timestamp,
}

/// Text that is no FHIR `dateTime` since 1970.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no date or time of FHIR from 1970 to 9998")]
pub struct MomentError(String);

impl Moment {
    /// Reads `2016`, `2016-05`, `2016-05-11` (in UTC) or `2016-05-26T00:41:10-04:00`. What lies before 1970 begins with it.
    ///
    /// # Errors
    /// An error of the text.
    pub fn parse(text: &str) -> Result<Self, MomentError> {
        let wrong = || MomentError(text.chars().take(40).collect());
        if text.contains('T') {
            let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
            let start = millis(time).ok_or_else(wrong)?;
            return Ok(Self {
                start: Timestamp::from_millis(start),
                end: Timestamp::from_millis(start.saturating_add(1)),
            });
        }
        let parts = text
            .split('-')
            .zip([4, 2, 2])
            .map(|(part, digits)| digits_of(part, digits))
            .collect::<Option<Vec<_>>>()
            .filter(|parts| parts.len() == text.split('-').count())
            .ok_or_else(wrong)?;
        let (start, end) = match *parts.as_slice() {
            [year] => (day(year, 1, 1), day(year.saturating_add(1), 1, 1)),
            [year, 12] => (day(year, 12, 1), day(year.saturating_add(1), 1, 1)),
            [year, month] => (day(year, month, 1), day(year, month.saturating_add(1), 1)),
            [year, month, of_month] => {
                let day = day(year, month, of_month);
                (day, day.and_then(Date::next_day))
            }
            _ => (None, None),
        };
        let (Some(start), Some(end)) = (start, end) else {
            return Err(wrong());
        };
        let midnight = |date: Date| millis(date.midnight().assume_utc());
        Ok(Self {
            start: Timestamp::from_millis(midnight(start).ok_or_else(wrong)?),
            end: Timestamp::from_millis(midnight(end).ok_or_else(wrong)?),
        })
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A block's time as a FHIR `instant`.
///
/// Times beyond the year 9999, which no final block has, are shown as that.
#[must_use]
pub(super) fn instant(time: Timestamp) -> String {
    let millis = i128::from(time.as_millis()).min(LAST_MILLI);
    OffsetDateTime::from_unix_timestamp_nanos(millis.saturating_mul(1_000_000))
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "9999-12-31T23:59:59.999Z".to_owned())
}

fn digits_of(part: &str, digits: usize) -> Option<u16> {
    let all = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| part.parse().ok()).flatten()
}

fn day(year: u16, month: u16, day: u16) -> Option<Date> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()
}

/// What lies before 1970 counts as its first millisecond.
fn millis(time: OffsetDateTime) -> Option<u64> {
    u64::try_from((time.unix_timestamp_nanos() / 1_000_000).max(0)).ok()
}

/// 9999-12-31T23:59:59.999Z.
const LAST_MILLI: i128 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_date_names_has_a_beginning_and_an_end() {
        const DAY: u64 = 86_400_000;
        for (text, start, end) in [
            ("1970", 0, 365 * DAY),
            ("1970-02", 31 * DAY, 59 * DAY),
            ("1970-12", 334 * DAY, 365 * DAY),
            ("1970-01-02", DAY, 2 * DAY),
            ("1964-01-01", 0, 0),
            ("1970-01-01T01:00:00+01:00", 0, 1),
            ("1970-01-01T00:00:00.250Z", 250, 251),
        ] {
            let moment = Moment::parse(text).expect(text);

            assert_eq!(
                (moment.start.as_millis(), moment.end.as_millis()),
                (start, end),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "70",
            "1970-1",
            "1970-13",
            "1970-02-30",
            "1970-01-01-01",
            "+970",
            "1970-01-01T",
            "10000",
            "9999-12-31T",
            "now",
        ] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn block_times_are_instants() {
        assert_eq!(
            instant(Timestamp::from_millis(250)),
            "1970-01-01T00:00:00.25Z"
        );
        assert!(instant(Timestamp::from_millis(u64::MAX)).starts_with("9999-12-31"));
    }
}
