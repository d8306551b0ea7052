//! How urgent a panel is (`DESIGN`, way of one reading, step 3): the National Early Warning Score.
//!
//! NEWS2 (Royal College of Physicians, 2017) over what is present, with oxygen saturation on scale 1. Consciousness and
//! supplemental oxygen are observed by people and add nothing here; a sign that is absent adds nothing either, so the score is
//! a lower bound. Temperature is compared in tenths, all else in whole numbers.

use salus_primitives::lane::Lane;

use crate::catalogue::{self, Vital};
use crate::milli::Milli;
use crate::standardize::{Panel, Quality};

/// What a panel's values call for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// The lane its transaction takes.
    pub lane: Lane,
    /// Sum of the scores of all signs present.
    pub score: u8,
    /// Highest score of one sign.
    pub highest: u8,
}

/// Scores a panel and chooses its lane.
///
/// `emergency` where one sign scores 3 or the sum reaches 7, `monitoring` where the sum reaches 5, else `routine`.
#[must_use]
pub fn assess(panel: &Panel) -> Assessment {
    let mut score: u8 = 0;
    let mut highest: u8 = 0;
    for sign in &SIGNS {
        if let Some(value) = sign.value(panel) {
            let points = sign.points(value);
            score = score.saturating_add(points);
            highest = highest.max(points);
        }
    }
    let lane = if highest >= EMERGENCY_SIGN || score >= EMERGENCY_SUM {
        Lane::Emergency
    } else if score >= MONITORING_SUM {
        Lane::Monitoring
    } else {
        Lane::Routine
    };
    Assessment {
        lane,
        score,
        highest,
    }
}

/// One physiological sign of the score.
#[derive(Debug)]
struct Sign {
    /// Where its value comes from, best source first.
    vitals: &'static [&'static Vital],
    /// Values are rounded to this many thousandths before they are compared.
    step: u32,
    /// Greatest value, in thousandths, and points of each band but the last, ascending.
    bands: &'static [(i64, u8)],
    /// Points above the last band.
    above: u8,
}

impl Sign {
    fn value(&self, panel: &Panel) -> Option<Milli> {
        self.vitals
            .iter()
            .filter_map(|vital| panel.measurement(vital))
            .find(|measurement| measurement.quality != Quality::Implausible)
            .map(|measurement| measurement.value)
    }

    fn points(&self, value: Milli) -> u8 {
        let value = value.rounded_to(self.step).get();
        self.bands
            .iter()
            .find(|(greatest, _)| value <= *greatest)
            .map_or(self.above, |(_, points)| *points)
    }
}

const EMERGENCY_SIGN: u8 = 3;
const EMERGENCY_SUM: u8 = 7;
const MONITORING_SUM: u8 = 5;

const WHOLE: u32 = 1_000;
const TENTH: u32 = 100;

/// The chart of NEWS2, sign by sign.
static SIGNS: [Sign; 5] = [
    Sign {
        vitals: &[&catalogue::RESPIRATORY_RATE],
        step: WHOLE,
        bands: &[(8_000, 3), (11_000, 1), (20_000, 0), (24_000, 2)],
        above: 3,
    },
    Sign {
        vitals: &[
            &catalogue::OXYGEN_SATURATION,
            &catalogue::ARTERIAL_OXYGEN_SATURATION,
        ],
        step: WHOLE,
        bands: &[(91_000, 3), (93_000, 2), (95_000, 1)],
        above: 0,
    },
    Sign {
        vitals: &[&catalogue::INVASIVE_SYSTOLIC, &catalogue::SYSTOLIC],
        step: WHOLE,
        bands: &[(90_000, 3), (100_000, 2), (110_000, 1), (219_000, 0)],
        above: 3,
    },
    Sign {
        vitals: &[&catalogue::HEART_RATE, &catalogue::PULSE_RATE],
        step: WHOLE,
        bands: &[
            (40_000, 3),
            (50_000, 1),
            (90_000, 0),
            (110_000, 1),
            (130_000, 2),
        ],
        above: 3,
    },
    Sign {
        vitals: &[&catalogue::BODY_TEMPERATURE, &catalogue::ORAL_TEMPERATURE],
        step: TENTH,
        bands: &[(35_000, 3), (36_000, 1), (38_000, 0), (39_000, 1)],
        above: 2,
    },
];

#[cfg(test)]
mod tests {
    use salus_primitives::time::Timestamp;

    use super::*;
    use crate::standardize::Measurement;

    fn panel(values: &[(&'static Vital, i64)]) -> Panel {
        let measurements = values
            .iter()
            .map(|&(vital, value)| {
                let value = Milli::new(value);
                let quality = if vital.is_plausible(value) {
                    Quality::Good
                } else {
                    Quality::Implausible
                };
                Measurement {
                    vital,
                    value,
                    quality,
                }
            })
            .collect();
        Panel {
            bed: 0,
            time: Timestamp::from_millis(1),
            measurements,
        }
    }

    /// Every boundary of the chart, from both sides, in thousandths; halves round up.
    #[test]
    fn every_boundary_of_the_chart_scores_as_printed() {
        let cases: [(&'static Vital, &[(i64, u8)]); 5] = [
            (
                &catalogue::RESPIRATORY_RATE,
                &[
                    (2_000, 3),
                    (8_000, 3),
                    (8_499, 3),
                    (8_500, 1),
                    (9_000, 1),
                    (11_499, 1),
                    (11_500, 0),
                    (12_000, 0),
                    (20_000, 0),
                    (20_499, 0),
                    (20_500, 2),
                    (21_000, 2),
                    (24_499, 2),
                    (24_500, 3),
                    (25_000, 3),
                ],
            ),
            (
                &catalogue::OXYGEN_SATURATION,
                &[
                    (30_000, 3),
                    (91_000, 3),
                    (91_499, 3),
                    (91_500, 2),
                    (92_000, 2),
                    (93_499, 2),
                    (93_500, 1),
                    (94_000, 1),
                    (95_499, 1),
                    (95_500, 0),
                    (96_000, 0),
                    (100_000, 0),
                ],
            ),
            (
                &catalogue::SYSTOLIC,
                &[
                    (30_000, 3),
                    (90_000, 3),
                    (90_499, 3),
                    (90_500, 2),
                    (91_000, 2),
                    (100_499, 2),
                    (100_500, 1),
                    (110_499, 1),
                    (110_500, 0),
                    (111_000, 0),
                    (219_499, 0),
                    (219_500, 3),
                    (220_000, 3),
                ],
            ),
            (
                &catalogue::HEART_RATE,
                &[
                    (10_000, 3),
                    (40_000, 3),
                    (40_499, 3),
                    (40_500, 1),
                    (41_000, 1),
                    (50_499, 1),
                    (50_500, 0),
                    (90_499, 0),
                    (90_500, 1),
                    (110_499, 1),
                    (110_500, 2),
                    (130_499, 2),
                    (130_500, 3),
                    (131_000, 3),
                ],
            ),
            (
                &catalogue::BODY_TEMPERATURE,
                &[
                    (30_000, 3),
                    (35_000, 3),
                    (35_049, 3),
                    (35_050, 1),
                    (35_100, 1),
                    (36_049, 1),
                    (36_050, 0),
                    (38_049, 0),
                    (38_050, 1),
                    (38_100, 1),
                    (39_049, 1),
                    (39_050, 2),
                    (39_100, 2),
                    (42_000, 2),
                ],
            ),
        ];
        for (vital, scores) in cases {
            for &(value, score) in scores {
                let assessment = assess(&panel(&[(vital, value)]));
                assert_eq!(assessment.score, score, "{} at {value}", vital.display);
                let lane = if score == 3 {
                    Lane::Emergency
                } else {
                    Lane::Routine
                };
                assert_eq!(assessment.lane, lane, "{} at {value}", vital.display);
            }
        }
    }

    /// The chart agrees with the reference, band by band, where that is at hand.
    #[test]
    fn chart_agrees_with_the_reference() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/reference/news2.csv"
        );
        let Ok(reference) = std::fs::read_to_string(path) else {
            println!("skipped: there is no reference chart at {path}");
            return;
        };
        let mut bands = 0;
        for row in reference.lines().skip(1) {
            let fields: Vec<&str> = row.split(',').collect();
            let sign = match fields[0] {
                "resp_rate" => &SIGNS[0],
                "spo2_scale1" => &SIGNS[1],
                "systolic_bp" => &SIGNS[2],
                "pulse" => &SIGNS[3],
                "temperature" => &SIGNS[4],
                _ => continue,
            };
            for bound in [fields[2], fields[3]] {
                if let Ok(crate::milli::Field::Present(value)) = crate::milli::Field::parse(bound) {
                    assert_eq!(
                        sign.points(value),
                        fields[4].parse::<u8>().unwrap(),
                        "{row}"
                    );
                }
            }
            bands += 1;
        }
        assert_eq!(bands, 25, "every band of the five signs");
    }

    /// The sum chooses the lane where no single sign does.
    #[test]
    fn sum_chooses_the_lane() {
        let respiration = (&catalogue::RESPIRATORY_RATE, 22_000); // 2
        let saturation = (&catalogue::OXYGEN_SATURATION, 93_000); // 2
        let pressure = (&catalogue::SYSTOLIC, 95_000); // 2
        let pulse = (&catalogue::HEART_RATE, 100_000); // 1

        for (values, score, lane) in [
            (vec![respiration, saturation], 4, Lane::Routine),
            (vec![respiration, saturation, pulse], 5, Lane::Monitoring),
            (vec![respiration, saturation, pressure], 6, Lane::Monitoring),
            (
                vec![respiration, saturation, pressure, pulse],
                7,
                Lane::Emergency,
            ),
        ] {
            let assessment = assess(&panel(&values));
            assert_eq!((assessment.score, assessment.lane), (score, lane));
        }
    }

    /// The ECG goes before the oximeter, the arterial line before the cuff.
    #[test]
    fn better_source_goes_first() {
        let assessment = assess(&panel(&[
            (&catalogue::PULSE_RATE, 20_000),
            (&catalogue::HEART_RATE, 70_000),
            (&catalogue::SYSTOLIC, 80_000),
            (&catalogue::INVASIVE_SYSTOLIC, 120_000),
        ]));
        assert_eq!((assessment.score, assessment.lane), (0, Lane::Routine));

        let assessment = assess(&panel(&[(&catalogue::PULSE_RATE, 20_000)]));
        assert_eq!(assessment.lane, Lane::Emergency);
    }

    /// A sensor at fault does not call an emergency; the other source of the sign speaks in its place.
    #[test]
    fn implausible_value_is_not_scored() {
        let only = assess(&panel(&[(&catalogue::HEART_RATE, 350_000)]));
        assert_eq!((only.score, only.lane), (0, Lane::Routine));

        let other = assess(&panel(&[
            (&catalogue::HEART_RATE, 350_000),
            (&catalogue::PULSE_RATE, 135_000),
        ]));
        assert_eq!((other.score, other.lane), (3, Lane::Emergency));
    }

    /// Mean and diastolic pressure are recorded, not scored.
    #[test]
    fn panel_without_any_sign_is_routine() {
        let assessment = assess(&panel(&[(&catalogue::MEAN_PRESSURE, 20_000)]));

        assert_eq!((assessment.score, assessment.lane), (0, Lane::Routine));
    }
}
