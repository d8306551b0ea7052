//! The one point in time in the genesis file.

use core::fmt;
use salus_primitives::time::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time as operators write it: RFC 3339, quoted or not, or milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(pub Timestamp);

/// The last millisecond that RFC 3339 can write: the end of the year 9999.
const LAST_MS: u64 = 253_402_300_799_999;
const NANOS_PER_MS: i128 = 1_000_000;

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        let text =
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * NANOS_PER_MS)
                .ok()
                .and_then(|time| time.format(&Rfc3339).ok());
        match text {
            Some(text) => f.write_str(&text),
            // cannot come from a file, and does not parse back
            None => write!(f, "{milliseconds}"),
        }
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InstantVisitor).map(Self)
    }
}

struct InstantVisitor;

impl<'de> Visitor<'de> for InstantVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as \"2026-11-20T08:00:00Z\", or milliseconds since the Unix epoch")
    }

    fn visit_u64<E: Error>(self, milliseconds: u64) -> Result<Timestamp, E> {
        if milliseconds > LAST_MS {
            return Err(E::custom(format!(
                "{milliseconds} ms lie beyond the year 9999; count milliseconds, not smaller units"
            )));
        }
        Ok(Timestamp::from_millis(milliseconds))
    }

    fn visit_i64<E: Error>(self, milliseconds: i64) -> Result<Timestamp, E> {
        u64::try_from(milliseconds)
            .map_err(|_| E::custom("a chain cannot begin before 1970"))
            .and_then(|milliseconds| self.visit_u64(milliseconds))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|error| {
            E::custom(format!(
                "{text:?} is no RFC 3339 time such as \"2026-11-20T08:00:00Z\": {error}"
            ))
        })?;
        let nanos = time.unix_timestamp_nanos();
        if nanos % NANOS_PER_MS != 0 {
            return Err(E::custom(format!(
                "{text:?} is finer than milliseconds; drop the extra digits"
            )));
        }
        i64::try_from(nanos / NANOS_PER_MS)
            .map_err(E::custom)
            .and_then(|milliseconds| self.visit_i64(milliseconds))
    }

    /// An unquoted TOML date-time reaches serde as a map of its own kind.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Timestamp, A::Error> {
        let written = toml::value::Datetime::deserialize(MapAccessDeserializer::new(map))?;
        self.visit_str(&written.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        at: Instant,
    }

    fn parse(value: &str) -> Result<u64, String> {
        toml::from_str::<File>(&format!("at = {value}"))
            .map(|file| file.at.0.as_millis())
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn every_way_to_write_a_time_gives_the_same() {
        for text in [
            "\"2026-11-20T08:00:00Z\"",
            "2026-11-20T08:00:00Z",
            "\"2026-11-20T09:30:00+01:30\"",
            "\"2026-11-20T08:00:00.000Z\"",
            "1795161600000",
        ] {
            assert_eq!(parse(text), Ok(1_795_161_600_000), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_its_reason() {
        for (text, reason) in [
            ("\"tomorrow\"", "no RFC 3339"),
            ("\"2026-11-20\"", "no RFC 3339"),
            ("2026-11-20", "no RFC 3339"),
            ("\"2026-11-20T08:00:00.0001Z\"", "finer than milliseconds"),
            ("\"1969-12-31T23:59:59Z\"", "before 1970"),
            ("-1", "before 1970"),
            ("1795161600000000", "beyond the year 9999"),
            ("true", "expected a time such as"),
            ("1.5", "expected a time such as"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_time_is_written_as_it_is_read() {
        for milliseconds in [0, 1, 1_795_161_600_000, 1_795_161_600_123, LAST_MS] {
            let text = Instant(Timestamp::from_millis(milliseconds)).to_string();
            assert_eq!(parse(&format!("\"{text}\"")), Ok(milliseconds), "{text}");
        }
    }
}
