//! What a vital sign is called, measured in, and can possibly be.
//!
//! Codes are LOINC, units UCUM; both tables are compiled in, so that a device needs no terminology server. A
//! plausibility range is what a living body and a working sensor can produce, not what is healthy: outside it, the
//! sensor is at fault, and the value is flagged ([`crate::standardize`]).

use crate::milli::Milli;

/// One kind of measurement the edge knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vital {
    /// LOINC code, such as `8867-4`.
    pub loinc: &'static str,
    /// LOINC's display name.
    pub display: &'static str,
    /// UCUM unit in which values of this vital are always given.
    pub ucum: &'static str,
    /// Least value that can be true, in `ucum`.
    pub plausible_min: Milli,
    /// Greatest value that can be true, in `ucum`.
    pub plausible_max: Milli,
}

impl Vital {
    const fn new(
        loinc: &'static str,
        display: &'static str,
        ucum: &'static str,
        min: i64,
        max: i64,
    ) -> Self {
        Self {
            loinc,
            display,
            ucum,
            plausible_min: Milli::new(min),
            plausible_max: Milli::new(max),
        }
    }

    /// Whether a body and a working sensor can produce `value`.
    #[must_use]
    pub fn is_plausible(&self, value: Milli) -> bool {
        (self.plausible_min..=self.plausible_max).contains(&value)
    }
}

/// The vital with this LOINC code, if the catalogue has it.
#[must_use]
pub fn by_loinc(code: &str) -> Option<&'static Vital> {
    NAMED
        .iter()
        .copied()
        .chain(&OTHERS)
        .find(|vital| vital.loinc == code)
}

/// Every vital of the catalogue.
pub fn all() -> impl Iterator<Item = &'static Vital> {
    NAMED.iter().copied().chain(&OTHERS)
}

/// Heart rate.
pub static HEART_RATE: Vital = Vital::new("8867-4", "Heart rate", "/min", 10_000, 300_000);
/// Heart rate by Pulse oximetry.
pub static PULSE_RATE: Vital = Vital::new(
    "8889-8",
    "Heart rate by Pulse oximetry",
    "/min",
    10_000,
    300_000,
);
/// Respiratory rate.
pub static RESPIRATORY_RATE: Vital =
    Vital::new("9279-1", "Respiratory rate", "/min", 2_000, 90_000);
/// Oxygen saturation in Arterial blood.
pub static ARTERIAL_OXYGEN_SATURATION: Vital = Vital::new(
    "2708-6",
    "Oxygen saturation in Arterial blood",
    "%",
    30_000,
    100_000,
);
/// Oxygen saturation in Arterial blood by Pulse oximetry.
pub static OXYGEN_SATURATION: Vital = Vital::new(
    "59408-5",
    "Oxygen saturation in Arterial blood by Pulse oximetry",
    "%",
    30_000,
    100_000,
);
/// Body temperature.
pub static BODY_TEMPERATURE: Vital =
    Vital::new("8310-5", "Body temperature", "Cel", 25_000, 45_000);
/// Oral temperature.
pub static ORAL_TEMPERATURE: Vital =
    Vital::new("8331-1", "Oral temperature", "Cel", 25_000, 45_000);
/// Systolic blood pressure.
pub static SYSTOLIC: Vital = Vital::new(
    "8480-6",
    "Systolic blood pressure",
    "mm[Hg]",
    30_000,
    300_000,
);
/// Diastolic blood pressure.
pub static DIASTOLIC: Vital = Vital::new(
    "8462-4",
    "Diastolic blood pressure",
    "mm[Hg]",
    10_000,
    200_000,
);
/// Mean blood pressure.
pub static MEAN_PRESSURE: Vital =
    Vital::new("8478-0", "Mean blood pressure", "mm[Hg]", 20_000, 250_000);
/// Invasive Systolic blood pressure.
pub static INVASIVE_SYSTOLIC: Vital = Vital::new(
    "76215-3",
    "Invasive Systolic blood pressure",
    "mm[Hg]",
    30_000,
    300_000,
);
/// Invasive Diastolic blood pressure.
pub static INVASIVE_DIASTOLIC: Vital = Vital::new(
    "76213-8",
    "Invasive Diastolic blood pressure",
    "mm[Hg]",
    10_000,
    200_000,
);
/// Invasive Mean blood pressure.
pub static INVASIVE_MEAN: Vital = Vital::new(
    "76214-6",
    "Invasive Mean blood pressure",
    "mm[Hg]",
    20_000,
    250_000,
);

/// The vitals other modules name.
static NAMED: [&Vital; 13] = [
    &HEART_RATE,
    &PULSE_RATE,
    &RESPIRATORY_RATE,
    &ARTERIAL_OXYGEN_SATURATION,
    &OXYGEN_SATURATION,
    &BODY_TEMPERATURE,
    &ORAL_TEMPERATURE,
    &SYSTOLIC,
    &DIASTOLIC,
    &MEAN_PRESSURE,
    &INVASIVE_SYSTOLIC,
    &INVASIVE_DIASTOLIC,
    &INVASIVE_MEAN,
];

/// The vitals that so far only travel through.
static OTHERS: [Vital; 12] = [
    Vital::new("29463-7", "Body Weight", "kg", 300, 650_000),
    Vital::new("8302-2", "Body height", "cm", 20_000, 275_000),
    Vital::new(
        "39156-5",
        "Body mass index (BMI) [Ratio]",
        "kg/m2",
        7_000,
        120_000,
    ),
    Vital::new(
        "9843-4",
        "Head Occipital-frontal circumference",
        "cm",
        15_000,
        70_000,
    ),
    Vital::new(
        "9269-2",
        "Glasgow coma score total",
        "{score}",
        3_000,
        15_000,
    ),
    Vital::new("3151-8", "Inhaled oxygen flow rate", "L/min", 0, 80_000),
    Vital::new(
        "72514-3",
        "Pain severity - 0-10 verbal numeric rating [Score] - Reported",
        "{score}",
        0,
        10_000,
    ),
    Vital::new(
        "2339-0",
        "Glucose [Mass/volume] in Blood",
        "mg/dL",
        10_000,
        1_500_000,
    ),
    Vital::new(
        "15074-8",
        "Glucose [Moles/volume] in Blood",
        "mmol/L",
        500,
        85_000,
    ),
    Vital::new("8633-0", "QRS duration", "ms", 20_000, 400_000),
    Vital::new("8634-8", "Q-T interval", "ms", 150_000, 800_000),
    Vital::new(
        "41950-7",
        "Number of steps in 24 hour Measured",
        "/d",
        0,
        200_000_000,
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A code names one vital, and a range is never empty.
    #[test]
    fn codes_are_unique_and_ranges_are_not_empty() {
        let codes: BTreeSet<_> = all().map(|vital| vital.loinc).collect();

        assert_eq!(codes.len(), all().count());
        assert!(all().all(|vital| vital.plausible_min < vital.plausible_max));
    }

    /// The last digit of a LOINC code is a Luhn check digit: a mistyped code is noticed.
    #[test]
    fn every_code_has_a_valid_check_digit() {
        for vital in all() {
            let (number, check) = vital
                .loinc
                .split_once('-')
                .expect("a code has a check digit");
            let sum: u32 = number
                .bytes()
                .rev()
                .enumerate()
                .map(|(position, digit)| {
                    let digit = u32::from(digit - b'0');
                    if position % 2 == 0 {
                        digit * 2 / 10 + digit * 2 % 10
                    } else {
                        digit
                    }
                })
                .sum();

            assert_eq!(
                (10 - sum % 10) % 10,
                check.parse::<u32>().unwrap(),
                "{}",
                vital.loinc
            );
        }
    }

    /// The table agrees with the reference it was made from, where that is at hand.
    #[test]
    fn table_agrees_with_the_reference() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/reference/vitals.csv"
        );
        let Ok(reference) = std::fs::read_to_string(path) else {
            println!("skipped: there is no reference table at {path}");
            return;
        };
        for vital in all() {
            let row = reference
                .lines()
                .find(|row| row.starts_with(&format!("{},", vital.loinc)));
            let row = row
                .unwrap_or_else(|| panic!("{} is not in the reference", vital.loinc))
                .replace('"', "");
            let fields: Vec<&str> = row.strip_prefix(vital.loinc).unwrap()[1..]
                .strip_prefix(vital.display)
                .unwrap_or_else(|| panic!("{}: another display name", vital.loinc))
                .split(',')
                .collect();
            let limit = |text: &str| match crate::milli::Field::parse(text).unwrap() {
                crate::milli::Field::Present(value) => value,
                crate::milli::Field::Absent => Milli::new(0),
            };

            assert_eq!(fields[1], vital.ucum, "{}", vital.loinc);
            assert_eq!(limit(fields[4]), vital.plausible_min, "{}", vital.loinc);
            assert_eq!(limit(fields[5]), vital.plausible_max, "{}", vital.loinc);
        }
    }

    /// The range of a heart rate ends where the catalogue says, both ends included.
    #[test]
    fn plausibility_includes_both_ends() {
        assert!(HEART_RATE.is_plausible(Milli::new(10_000)));
        assert!(HEART_RATE.is_plausible(Milli::new(300_000)));
        assert!(!HEART_RATE.is_plausible(Milli::new(9_999)));
        assert!(!HEART_RATE.is_plausible(Milli::new(300_001)));
    }
}
