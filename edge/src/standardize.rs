//! Raw samples become one standard form (`DESIGN`, way of one reading, step 2).
//!
//! The source has checked the header, units and numbers; here absent samples are dropped, implausible values and artefacts
//! are flagged, and a panel that was seen before is recognised. Nothing that was measured is thrown away: a flagged value
//! stays in the panel with its flag.

use std::collections::{BTreeSet, VecDeque};

use salus_primitives::time::Timestamp;

use crate::catalogue::{self, Vital};
use crate::milli::{Field, Milli};
use crate::source::RawPanel;

/// What was present at one time at one bed, in standard codes and units. Never without a measurement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Panel {
    /// Which bed of the source.
    pub bed: u32,
    /// When it was measured.
    pub time: Timestamp,
    /// What was measured, each vital at most once.
    pub measurements: Vec<Measurement>,
}

impl Panel {
    /// The measurement of `vital`, if it was present.
    #[must_use]
    pub fn measurement(&self, vital: &Vital) -> Option<&Measurement> {
        self.measurements
            .iter()
            .find(|measurement| *measurement.vital == *vital)
    }
}

/// One present value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// What was measured, and in which unit.
    pub vital: &'static Vital,
    /// The value.
    pub value: Milli,
    /// How far it can be trusted.
    pub quality: Quality,
}

/// How far a value can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// Nothing speaks against it.
    Good,
    /// It contradicts its neighbours, as a systolic pressure below the diastolic does: the patient moved, or the line is
    /// damped. It is scored, because one of the neighbours may be the wrong one.
    Artefact,
    /// No body and working sensor produce it. It is not scored.
    Implausible,
}

/// What became of a raw panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standardized {
    /// Something was measured.
    Panel(Panel),
    /// No sample was present.
    Absent,
    /// The same values of the same time and bed came before.
    Duplicate,
}

/// How many samples and rows were not what one wishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Well-formed rows.
    pub rows: u64,
    /// Samples that were blank, zero or not finite.
    pub absent_samples: u64,
    /// Rows without any present sample.
    pub absent_rows: u64,
    /// Values flagged [`Quality::Implausible`].
    pub implausible_samples: u64,
    /// Values flagged [`Quality::Artefact`].
    pub artefact_samples: u64,
    /// Rows that repeat a recent one.
    pub duplicate_rows: u64,
}

/// Standardises the panels of one source, and counts.
#[derive(Clone, Debug, Default)]
pub struct Standardizer {
    counts: Counts,
    recent: BTreeSet<Panel>,
    recent_order: VecDeque<Panel>,
}

impl Standardizer {
    /// Standardises one panel.
    pub fn accept(&mut self, raw: RawPanel) -> Standardized {
        let mut measurements: Vec<Measurement> = Vec::with_capacity(raw.samples.len());
        let mut absent: u64 = 0;
        for sample in raw.samples {
            match sample.field {
                Field::Absent => absent = absent.saturating_add(1),
                Field::Present(value) => {
                    let plausible = sample.vital.is_plausible(value);
                    let quality = if plausible {
                        Quality::Good
                    } else {
                        Quality::Implausible
                    };
                    measurements.push(Measurement {
                        vital: sample.vital,
                        value,
                        quality,
                    });
                }
            }
        }
        self.counts.rows = self.counts.rows.saturating_add(1);
        self.counts.absent_samples = self.counts.absent_samples.saturating_add(absent);
        if measurements.is_empty() {
            self.counts.absent_rows = self.counts.absent_rows.saturating_add(1);
            return Standardized::Absent;
        }
        for triple in &PRESSURES {
            flag_contradiction(&mut measurements, triple);
        }
        let panel = Panel {
            bed: raw.bed,
            time: raw.time,
            measurements,
        };
        if !self.remember(&panel) {
            self.counts.duplicate_rows = self.counts.duplicate_rows.saturating_add(1);
            return Standardized::Duplicate;
        }
        self.count_flags(&panel);
        Standardized::Panel(panel)
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether `panel` is new among the last [`REMEMBERED_PANELS`]. An older repeat passes; its reading id makes it
    /// harmless.
    fn remember(&mut self, panel: &Panel) -> bool {
        if !self.recent.insert(panel.clone()) {
            return false;
        }
        self.recent_order.push_back(panel.clone());
        if self.recent_order.len() > REMEMBERED_PANELS
            && let Some(oldest) = self.recent_order.pop_front()
        {
            self.recent.remove(&oldest);
        }
        true
    }

    fn count_flags(&mut self, panel: &Panel) {
        for measurement in &panel.measurements {
            let count = match measurement.quality {
                Quality::Good => continue,
                Quality::Artefact => &mut self.counts.artefact_samples,
                Quality::Implausible => &mut self.counts.implausible_samples,
            };
            *count = count.saturating_add(1);
        }
    }
}

impl PartialOrd for Measurement {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Measurement {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.vital.loinc, self.value, self.quality).cmp(&(
            other.vital.loinc,
            other.value,
            other.quality,
        ))
    }
}

/// Flags the plausible values of a pressure whose diastolic, mean and systolic are not in this order.
fn flag_contradiction(measurements: &mut [Measurement], triple: &[&'static Vital; 3]) {
    let mut last: Option<Milli> = None;
    let mut contradiction = false;
    for vital in triple {
        let found = measurements
            .iter()
            .find(|m| m.vital == *vital && m.quality != Quality::Implausible);
        if let Some(found) = found {
            contradiction |= last.is_some_and(|last| last > found.value);
            last = Some(found.value);
        }
    }
    if contradiction {
        for measurement in measurements {
            if triple.contains(&measurement.vital) && measurement.quality == Quality::Good {
                measurement.quality = Quality::Artefact;
            }
        }
    }
}

/// Two days of minutes.
const REMEMBERED_PANELS: usize = 2_880;

/// Pressures that one sensor gives together, from low to high.
static PRESSURES: [[&Vital; 3]; 2] = [
    [
        &catalogue::INVASIVE_DIASTOLIC,
        &catalogue::INVASIVE_MEAN,
        &catalogue::INVASIVE_SYSTOLIC,
    ],
    [
        &catalogue::DIASTOLIC,
        &catalogue::MEAN_PRESSURE,
        &catalogue::SYSTOLIC,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RawSample;

    fn raw(time: u64, samples: &[(&'static Vital, i64)]) -> RawPanel {
        let samples = samples
            .iter()
            .map(|&(vital, value)| RawSample {
                vital,
                field: if value == 0 {
                    Field::Absent
                } else {
                    Field::Present(Milli::new(value))
                },
            })
            .collect();
        RawPanel {
            line: 1,
            bed: 0,
            time: Timestamp::from_millis(time),
            samples,
        }
    }

    fn qualities(standardized: &Standardized) -> Vec<Quality> {
        match standardized {
            Standardized::Panel(panel) => panel.measurements.iter().map(|m| m.quality).collect(),
            other => panic!("not a panel: {other:?}"),
        }
    }

    /// Sensors that are off are counted and dropped; a row of nothing else is no panel.
    #[test]
    fn absent_samples_are_counted_and_dropped() {
        let mut standardizer = Standardizer::default();

        let some = standardizer.accept(raw(
            1,
            &[(&catalogue::HEART_RATE, 60_000), (&catalogue::SYSTOLIC, 0)],
        ));
        let none = standardizer.accept(raw(
            2,
            &[(&catalogue::HEART_RATE, 0), (&catalogue::SYSTOLIC, 0)],
        ));

        assert_eq!(qualities(&some), [Quality::Good]);
        assert_eq!(none, Standardized::Absent);
        let counts = standardizer.counts();
        assert_eq!(
            (counts.rows, counts.absent_samples, counts.absent_rows),
            (2, 3, 1)
        );
    }

    /// A value no body produces stays in the panel, flagged.
    #[test]
    fn implausible_value_is_kept_and_flagged() {
        let mut standardizer = Standardizer::default();

        let panel = standardizer.accept(raw(
            1,
            &[
                (&catalogue::HEART_RATE, 301_000),
                (&catalogue::OXYGEN_SATURATION, -5_000),
            ],
        ));

        assert_eq!(
            qualities(&panel),
            [Quality::Implausible, Quality::Implausible]
        );
        assert_eq!(standardizer.counts().implausible_samples, 2);
    }

    /// Pressures in the wrong order contradict each other: all of that sensor's are flagged, no other sensor's.
    #[test]
    fn contradicting_pressures_are_flagged_as_artefacts() {
        let mut standardizer = Standardizer::default();

        let panel = standardizer.accept(raw(
            1,
            &[
                (&catalogue::INVASIVE_SYSTOLIC, 80_000),
                (&catalogue::INVASIVE_DIASTOLIC, 90_000),
                (&catalogue::SYSTOLIC, 120_000),
                (&catalogue::DIASTOLIC, 80_000),
            ],
        ));

        assert_eq!(
            qualities(&panel),
            [
                Quality::Artefact,
                Quality::Artefact,
                Quality::Good,
                Quality::Good
            ]
        );
        assert_eq!(standardizer.counts().artefact_samples, 2);
    }

    /// The same panel again is a duplicate; another value or another time is not.
    #[test]
    fn repeated_panel_is_a_duplicate() {
        let mut standardizer = Standardizer::default();
        let first = raw(1, &[(&catalogue::HEART_RATE, 60_000)]);

        assert!(matches!(
            standardizer.accept(first.clone()),
            Standardized::Panel(_)
        ));
        assert_eq!(standardizer.accept(first), Standardized::Duplicate);
        let corrected = raw(1, &[(&catalogue::HEART_RATE, 61_000)]);
        assert!(matches!(
            standardizer.accept(corrected),
            Standardized::Panel(_)
        ));
        let later = raw(2, &[(&catalogue::HEART_RATE, 60_000)]);
        assert!(matches!(standardizer.accept(later), Standardized::Panel(_)));
        assert_eq!(standardizer.counts().duplicate_rows, 1);
    }

    /// The memory for duplicates is bounded.
    #[test]
    fn memory_for_duplicates_is_bounded() {
        let mut standardizer = Standardizer::default();

        for time in 0..10_000 {
            standardizer.accept(raw(time, &[(&catalogue::HEART_RATE, 60_000)]));
        }

        assert_eq!(standardizer.recent.len(), REMEMBERED_PANELS);
        assert_eq!(standardizer.recent_order.len(), REMEMBERED_PANELS);
    }
}
