//! Exact decimals: what a file or a measurement says, without rounding.

use core::fmt;
use core::str::FromStr;
use num_bigint::BigUint;
use num_rational::Ratio;
use num_traits::{ToPrimitive as _, Zero as _};

/// A number of 0 or more: `coefficient * 10^exponent`, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    coefficient: u128,
    exponent: i32,
}

/// Why a text is no number that can be held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not digits with at most one point and an exponent.
    #[error("{0:?} is no number; write digits, a point and an exponent such as 1.2e6")]
    Malformed(String),
    /// Below zero.
    #[error("{0} is negative")]
    Negative(String),
    /// More than [`DIGITS_MAX`] digits, or an exponent beyond [`DECIMAL_EXPONENT_MAX`].
    #[error(
        "{0} has more than {DIGITS_MAX} digits, or lies outside of 1e-{DECIMAL_EXPONENT_MAX} to 1e{DECIMAL_EXPONENT_MAX}"
    )]
    Range(String),
}

/// Most significant digits.
pub const DIGITS_MAX: usize = 36;
/// Largest exponent of ten, up and down.
pub const DECIMAL_EXPONENT_MAX: i32 = 64;

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self {
        coefficient: 0,
        exponent: 0,
    };

    /// A whole number.
    #[must_use]
    pub const fn whole(number: u64) -> Self {
        Self {
            coefficient: number as u128,
            exponent: 0,
        }
    }

    /// A whole number of billionths: nanoseconds, if the unit is the second.
    #[must_use]
    pub const fn billionths(number: u64) -> Self {
        Self {
            coefficient: number as u128,
            exponent: -9,
        }
    }

    /// A whole number of trillionths: picoseconds, if the unit is the second.
    #[must_use]
    pub const fn trillionths(number: u64) -> Self {
        Self {
            coefficient: number as u128,
            exponent: -12,
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.coefficient == 0
    }

    /// The number, if it is whole and a machine word holds it.
    #[must_use]
    pub fn to_whole(&self) -> Option<u64> {
        let ratio = self.ratio();
        ratio.is_integer().then(|| ratio.to_integer())?.to_u64()
    }

    /// As a fraction.
    pub(super) fn ratio(&self) -> Ratio<BigUint> {
        if self.coefficient.is_zero() {
            return Ratio::zero();
        }
        let coefficient = BigUint::from(self.coefficient);
        let power = BigUint::from(10u32).pow(self.exponent.unsigned_abs());
        if self.exponent < 0 {
            Ratio::new(coefficient, power)
        } else {
            Ratio::from_integer(coefficient * power)
        }
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let malformed = || DecimalError::Malformed(text.chars().take(64).collect());
        let range = || DecimalError::Range(text.chars().take(64).collect());
        if text.starts_with('-') {
            return Err(DecimalError::Negative(text.chars().take(64).collect()));
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                let exponent: i32 = exponent.parse().map_err(|_| malformed())?;
                (mantissa, exponent)
            }
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() && fraction.is_empty() || !is_digits(whole) || !is_digits(fraction) {
            return Err(malformed());
        }
        let digits = [whole, fraction].concat();
        let significant = digits.trim_start_matches('0');
        if significant.len() > DIGITS_MAX {
            return Err(range());
        }
        if significant.is_empty() {
            return Ok(Self::ZERO);
        }
        let coefficient = significant.parse().map_err(|_| range())?;
        let places = i32::try_from(fraction.len()).map_err(|_| range())?;
        let exponent = exponent.checked_sub(places).ok_or_else(range)?;
        if exponent.unsigned_abs() > DECIMAL_EXPONENT_MAX.unsigned_abs() {
            return Err(range());
        }
        Ok(Self {
            coefficient,
            exponent,
        })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}e{}", self.coefficient, self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(text: &str) -> Ratio<BigUint> {
        text.parse::<Decimal>().expect("a number").ratio()
    }

    #[test]
    fn decimals_are_exact() {
        let tenth = Ratio::new(BigUint::from(1u8), BigUint::from(10u8));

        for text in ["0.1", "1e-1", ".1", "0.10", "10e-2", "000.1", "0.01E1"] {
            assert_eq!(ratio(text), tenth, "{text}");
        }
        assert_eq!(
            ratio("1.2e6"),
            Ratio::from_integer(BigUint::from(1_200_000u32))
        );
        assert_eq!(ratio("0"), ratio("0.000e9"));
        assert_eq!(ratio("1."), ratio("1"));
    }

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        for (text, whole) in [
            ("100", Some(100)),
            ("1e2", Some(100)),
            ("100.0", Some(100)),
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("0.5", None),
            ("1e-1", None),
        ] {
            assert_eq!(
                text.parse::<Decimal>().expect("a number").to_whole(),
                whole,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_number_of_zero_or_more_is_refused() {
        for text in [
            "", ".", "e5", "1e", "1.2.3", "one", "1 ", "0x10", "+1", "NaN", "inf", "1e1.5",
        ] {
            assert!(
                matches!(text.parse::<Decimal>(), Err(DecimalError::Malformed(_))),
                "{text}"
            );
        }
        assert!(matches!(
            "-1".parse::<Decimal>(),
            Err(DecimalError::Negative(_))
        ));
        for text in [
            "1e65",
            "1e-65",
            "0.1e-64",
            "1234567890123456789012345678901234567",
        ] {
            assert!(
                matches!(text.parse::<Decimal>(), Err(DecimalError::Range(_))),
                "{text}"
            );
        }
    }
}
