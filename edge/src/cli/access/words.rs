//! How rules and requests are written on the command line.

use std::str::FromStr;

use salus_primitives::access::{Categories, Extent, Grantee, Purpose, Purposes, Sensitivity};
use salus_primitives::calls::{Profession, Role};
use salus_primitives::ids::EntityId;
use salus_primitives::reading::Category;
use salus_primitives::time::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};

/// A point in time, given as such or from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    At(Timestamp),
    InMillis(u64),
}

impl When {
    pub(super) fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::InMillis(millis) => now.plus_millis(millis),
        }
    }
}

/// `90s`, `30m`, `1h`, `7d`, or `2026-12-01T08:00:00Z`.
pub(super) fn when(text: &str) -> Result<When, String> {
    if let Some((number, unit)) = text
        .len()
        .checked_sub(1)
        .and_then(|at| text.split_at_checked(at))
        && let Ok(number) = number.parse::<u32>()
    {
        let unit: u64 = match unit {
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => DAY_MS,
            _ => return Err(format!("{unit:?} is no unit of time; write s, m, h or d")),
        };
        return Ok(When::InMillis(u64::from(number).saturating_mul(unit)));
    }
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(|time| u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok());
    time.map(|millis| When::At(Timestamp::from_millis(millis)))
        .ok_or_else(|| {
            "write a time as in 2026-12-01T08:00:00Z, or from now on as in 1h".to_owned()
        })
}

/// `2026-12-01`, as days since 1 January 1970.
pub(super) fn day(text: &str) -> Result<u32, String> {
    let parts: Vec<&str> = text.split('-').collect();
    let date = match parts.as_slice() {
        [year, month, day] if year.len() == 4 && month.len() == 2 && day.len() == 2 => (|| {
            let month = time::Month::try_from(month.parse::<u8>().ok()?).ok()?;
            Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
        })(),
        _ => None,
    };
    date.and_then(|date| u32::try_from(date.midnight().assume_utc().unix_timestamp() / 86_400).ok())
        .ok_or_else(|| format!("{text:?} is no day; write it as in 2026-12-01"))
}

/// `all`, `2026-12-01`, `2026-12-01..2026-12-07`, or `2026-12-01/DEVICE/READING`.
pub(super) fn extent(text: &str) -> Result<Extent, String> {
    if text == "all" {
        return Ok(Extent::All);
    }
    if let Some((first, last)) = text.split_once("..") {
        let (first, last) = (day(first)?, day(last)?);
        return if first <= last {
            Ok(Extent::Days { first, last })
        } else {
            Err("the last day lies before the first".to_owned())
        };
    }
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [one] => day(one).map(|day| Extent::Days {
            first: day,
            last: day,
        }),
        [of, device, reading] => Ok(Extent::Reading {
            day: day(of)?,
            device: id(device)?,
            reading: id(reading)?,
        }),
        _ => Err("write all, a day, DAY..DAY, or DAY/DEVICE/READING".to_owned()),
    }
}

/// `entity:NAME`, `role:hospital`, `NAME/physician`, `practitioner:HEX`, `person:HEX`, or `everybody`.
pub(super) fn grantee(text: &str) -> Result<Grantee, String> {
    if text == "everybody" {
        return Ok(Grantee::Everybody);
    }
    if let Some((entity, profession)) = text.split_once('/') {
        return Ok(Grantee::Profession {
            entity: EntityId::of_name(entity),
            profession: named(profession, &Profession::ALL, |it| it.name())?,
        });
    }
    match text.split_once(':') {
        Some(("entity", name)) => Ok(Grantee::Entity(EntityId::of_name(name))),
        Some(("role", role)) => named(role, &Role::ALL, |it| it.name()).map(Grantee::Role),
        Some(("practitioner", hex)) => id(hex).map(Grantee::Practitioner),
        Some(("person", hex)) => id(hex).map(Grantee::Person),
        _ => Err(
            "write entity:NAME, role:ROLE, NAME/PROFESSION, practitioner:HEX, person:HEX or everybody"
                .to_owned(),
        ),
    }
}

/// `vital_signs,claims`, or `all`.
pub(super) fn categories(text: &str) -> Result<Categories, String> {
    match text {
        "all" => Ok(Categories::all()),
        _ => text.split(',').map(category).collect(),
    }
}

pub(super) fn category(text: &str) -> Result<Category, String> {
    named(text, &Category::ALL, |it| it.name())
}

/// HL7 v3 codes: `TREAT,HPAYMT`.
pub(super) fn purposes(text: &str) -> Result<Purposes, String> {
    text.split(',').map(purpose).collect()
}

pub(super) fn purpose(text: &str) -> Result<Purpose, String> {
    named(text, &Purpose::ALL, |it| it.code())
}

/// `N`, `R` or `V`.
pub(super) fn sensitivity(text: &str) -> Result<Sensitivity, String> {
    named(text, &Sensitivity::ALL, |it| it.code())
}

fn id<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn named<T: Copy>(text: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, String> {
    all.iter()
        .copied()
        .find(|element| name(*element) == text)
        .ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|element| name(*element)).collect();
            format!("{text:?} is none of {}", names.join(", "))
        })
}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use salus_primitives::ids::DeviceId;
    use salus_primitives::reading::ReadingId;

    use super::*;

    #[test]
    fn times_are_points_or_from_now_on() {
        let now = Timestamp::from_millis(1_000);
        let at = |text| when(text).map(|when| when.from(now).as_millis());

        assert_eq!(at("90s"), Ok(91_000));
        assert_eq!(at("2d"), Ok(2 * DAY_MS + 1_000));
        assert_eq!(at("1970-01-01T00:00:02Z"), Ok(2_000));
        for wrong in [
            "",
            "h",
            "1",
            "1w",
            "-1h",
            "soon",
            "1960-01-01T00:00:00Z",
            "1é",
        ] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn extents_are_days_or_one_reading() {
        let reading = format!("1970-01-03/{}/{}", "01".repeat(32), "02".repeat(32));

        assert_eq!(extent("all"), Ok(Extent::All));
        assert_eq!(extent("1970-01-03"), Ok(Extent::Days { first: 2, last: 2 }));
        assert_eq!(
            extent("1970-01-03..1970-02-01"),
            Ok(Extent::Days { first: 2, last: 31 })
        );
        assert_eq!(
            extent(&reading),
            Ok(Extent::Reading {
                day: 2,
                device: DeviceId([1; 32]),
                reading: ReadingId([2; 32]),
            })
        );
        for wrong in [
            "",
            "1970-1-3",
            "1970-02-01..1970-01-03",
            "1970-01-03/x/y",
            "a/b",
        ] {
            assert!(extent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn grantees_are_named_by_what_they_are() {
        assert_eq!(
            grantee("hospital-2/nurse"),
            Ok(Grantee::Profession {
                entity: EntityId::of_name("hospital-2"),
                profession: Profession::Nurse,
            })
        );
        assert_eq!(grantee("role:insurer"), Ok(Grantee::Role(Role::Insurer)));
        assert_eq!(grantee("everybody"), Ok(Grantee::Everybody));
        for wrong in [
            "hospital",
            "role:king",
            "practitioner:12",
            "x/king",
            "who:me",
        ] {
            assert!(grantee(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_unknown_is_answered_with_what_there_is() {
        assert_eq!(sensitivity("X"), Err("\"X\" is none of N, R, V".to_owned()));
        assert_eq!(
            purposes("TREAT,HPAYMT").map(|set| set.iter().count()),
            Ok(2)
        );
    }
}
