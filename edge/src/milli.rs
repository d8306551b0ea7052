//! Fixed-point measured values.
//!
//! A reading holds thousandths of its unit as an integer: the same sample gives the same bytes on every device, which a
//! float does not promise.

use std::fmt;

/// A value in thousandths of its unit: `36.6 Cel` is 36,600.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milli(i64);

impl Milli {
    /// A value of `thousandths`.
    #[must_use]
    pub const fn new(thousandths: i64) -> Self {
        Self(thousandths)
    }

    /// The thousandths.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// This value rounded to a multiple of `step` thousandths, halves away from zero.
    ///
    /// `step` is 1,000 for whole numbers and 100 for tenths; a step below 1 counts as 1.
    #[must_use]
    pub fn rounded_to(self, step: u32) -> Self {
        let step = i64::from(step.max(1));
        let half = (step / 2).saturating_mul(self.0.signum());
        let shifted = self.0.saturating_add(half);
        Self(shifted.saturating_sub(shifted.checked_rem(step).unwrap_or(0)))
    }
}

/// What a field of a device file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A number other than zero.
    Present(Milli),
    /// Blank, zero, or not finite: monitors write these for a sensor that is off.
    Absent,
}

/// Why a field is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Neither a decimal number nor a word for "not finite".
    #[error("not a decimal number")]
    Malformed,
    /// Larger than any measurement.
    #[error("number is out of range")]
    OutOfRange,
}

impl Field {
    /// Reads one field of a device file.
    ///
    /// Digits after the third decimal place are rounded, halves away from zero; what rounds to zero is zero.
    ///
    /// # Errors
    /// [`NumberError`] if the text is neither blank, a decimal number (with an optional exponent), nor a word for a
    /// number that is not finite.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() || is_not_finite(text) {
            return Ok(Self::Absent);
        }
        match thousandths(text)? {
            0 => Ok(Self::Absent),
            value => Ok(Self::Present(Milli(value))),
        }
    }
}

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let value = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:03}", value / 1000, value % 1000)
    }
}

fn is_not_finite(text: &str) -> bool {
    let word = text.strip_prefix(['+', '-']).unwrap_or(text);
    ["nan", "inf", "infinity"]
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name))
}

fn thousandths(text: &str) -> Result<i64, NumberError> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(NumberError::Malformed);
    }
    // Digits are taken one by one; `place` is the power of ten, in thousandths, of the digit at hand.
    let whole_places = i32::try_from(whole.len()).map_err(|_| NumberError::OutOfRange)?;
    let mut place = whole_places.saturating_add(2).saturating_add(exponent);
    let mut value: i64 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return Err(NumberError::Malformed);
        }
        let digit = i64::from(digit.saturating_sub(b'0'));
        if place >= 0 {
            let unit = u32::try_from(place)
                .ok()
                .and_then(|place| 10_i64.checked_pow(place));
            let part = if digit == 0 {
                Some(0)
            } else {
                unit.and_then(|unit| digit.checked_mul(unit))
            };
            value = part
                .and_then(|part| value.checked_add(part))
                .ok_or(NumberError::OutOfRange)?;
        } else if place == -1 && digit >= 5 {
            value = value.checked_add(1).ok_or(NumberError::OutOfRange)?;
        }
        place = place.saturating_sub(1);
    }
    if value > VALUE_MAX {
        return Err(NumberError::OutOfRange);
    }
    Ok(if negative {
        value.saturating_neg()
    } else {
        value
    })
}

fn parse_exponent(text: &str) -> Result<i32, NumberError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberError::Malformed);
    }
    text.parse().map_err(|_| NumberError::OutOfRange)
}

/// A thousand million units: beyond any measurement, and far from overflow.
const VALUE_MAX: i64 = 1_000_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn present(thousandths: i64) -> Result<Field, NumberError> {
        Ok(Field::Present(Milli(thousandths)))
    }

    /// Decimal numbers become thousandths exactly, and the fourth place rounds.
    #[test]
    fn decimal_text_becomes_thousandths() {
        for (text, value) in [
            ("62.8", 62_800),
            ("62", 62_000),
            ("+0.5", 500),
            (".5", 500),
            ("5.", 5_000),
            ("-3.25", -3_250),
            ("0.0005", 1),
            ("1.2345", 1_235),
            ("1.23449999", 1_234),
            ("1.5e2", 150_000),
            ("15E-1", 1_500),
            ("000000000000000000000000000007", 7_000),
            (" 7\t", 7_000),
        ] {
            assert_eq!(Field::parse(text), present(value), "{text}");
        }
    }

    /// A monitor writes blanks, zeros and words for a sensor that is off.
    #[test]
    fn blank_zero_and_not_finite_are_absent() {
        for text in [
            "",
            "  ",
            "0",
            "0.0",
            "-0",
            "0e9",
            "0.0004",
            "nan",
            "NaN",
            "-inf",
            "Infinity",
            "0e-2000000000",
        ] {
            assert_eq!(Field::parse(text), Ok(Field::Absent), "{text:?}");
        }
    }

    /// Everything else is refused with a reason.
    #[test]
    fn other_text_is_refused() {
        for text in [
            "x", "1,5", "--1", "1.2.3", ".", "+", "e5", "1e", "1e+", "0x10", "1 2", "\u{0661}",
        ] {
            assert_eq!(Field::parse(text), Err(NumberError::Malformed), "{text:?}");
        }
        for text in ["1e300", "99999999999999999999", "1e99999999999"] {
            assert_eq!(Field::parse(text), Err(NumberError::OutOfRange), "{text:?}");
        }
    }

    /// Halves round away from zero, on both sides.
    #[test]
    fn rounding_moves_halves_away_from_zero() {
        for (value, whole) in [
            (24_499, 24_000),
            (24_500, 25_000),
            (-500, -1_000),
            (-499, 0),
            (0, 0),
        ] {
            assert_eq!(Milli(value).rounded_to(1_000), Milli(whole), "{value}");
        }
        assert_eq!(Milli(38_050).rounded_to(100), Milli(38_100));
        assert_eq!(Milli(38_049).rounded_to(100), Milli(38_000));
    }

    proptest! {
        /// No text makes the parser panic, and what it prints it reads back.
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,40}") {
            if let Ok(Field::Present(value)) = Field::parse(&text) {
                prop_assert_eq!(Field::parse(&value.to_string()), Ok(Field::Present(value)));
            }
        }

        /// The same for text that looks like a number.
        #[test]
        fn any_numeric_text_is_parsed_or_refused(text in "[-+]?[0-9]{0,25}[.]?[0-9]{0,25}([eE][-+]?[0-9]{0,12})?") {
            if let Ok(Field::Present(value)) = Field::parse(&text) {
                prop_assert_eq!(Field::parse(&value.to_string()), Ok(Field::Present(value)));
            }
        }
    }
}
