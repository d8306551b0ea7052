//! Virtual patients on virtual monitors, from a seed.
//!
//! Each bed has a person with a resting level for every vital, who drifts, deteriorates and recovers. Illness moves the
//! levels towards those of each condition, so that a course passes through `routine`, `monitoring` and `emergency` as a real
//! one does. Sensors fall off and write zeros, the cuff measures every quarter of an hour. One seed gives one sequence, on
//! every machine.

use salus_primitives::time::Timestamp;

use super::{RawPanel, RawSample, Source, SourceError};
use crate::catalogue::{self, Vital};
use crate::milli::{Field, Milli};

/// A ward of virtual patients, one row for each bed and minute.
#[derive(Debug)]
pub struct Simulated {
    beds: Vec<Bed>,
    next_bed: usize,
    minute: u64,
    row: u64,
}

impl Simulated {
    /// A ward of `beds` beds (at least one), whose whole future follows from `seed`.
    #[must_use]
    pub fn new(seed: u64, beds: u32) -> Self {
        let beds = (0..beds.max(1)).map(|bed| Bed::new(seed, bed)).collect();
        Self {
            beds,
            next_bed: 0,
            minute: 0,
            row: 0,
        }
    }
}

impl Source for Simulated {
    fn next(&mut self) -> Option<Result<RawPanel, SourceError>> {
        if self.next_bed >= self.beds.len() {
            self.next_bed = 0;
            self.minute = self.minute.saturating_add(1);
        }
        let bed = self.beds.get_mut(self.next_bed)?;
        self.row = self.row.saturating_add(1);
        let samples = bed.minute(self.minute);
        let time = START.plus_millis(self.minute.saturating_mul(MINUTE_MS));
        let bed = u32::try_from(self.next_bed).ok()?;
        self.next_bed = self.next_bed.saturating_add(1);
        Some(Ok(RawPanel {
            line: self.row,
            bed,
            time,
            samples,
        }))
    }

    fn beds(&self) -> u32 {
        u32::try_from(self.beds.len()).unwrap_or(u32::MAX)
    }
}

#[derive(Debug)]
struct Bed {
    random: SplitMix,
    condition: Condition,
    minutes_left: u64,
    /// Healthy level and present level of each vital, in the order of [`SENSORS`].
    levels: [Level; SENSORS.len()],
    all_off_minutes: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Level {
    resting: i64,
    now: i64,
    off_minutes: u64,
}

/// How ill a patient is: where the levels move to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Stable,
    Unwell,
    Critical,
    Recovering,
}

impl Bed {
    fn new(seed: u64, bed: u32) -> Self {
        let mut random = SplitMix::new(seed, bed);
        let mut levels = [Level::default(); SENSORS.len()];
        for (level, sensor) in levels.iter_mut().zip(&SENSORS) {
            let resting = random.between(sensor.resting.0, sensor.resting.1);
            *level = Level {
                resting,
                now: resting,
                off_minutes: 0,
            };
        }
        // The first course begins soon, so that a short run sees one.
        let minutes_left = random.count(3, 12);
        Self {
            random,
            condition: Condition::Stable,
            minutes_left,
            levels,
            all_off_minutes: 0,
        }
    }

    fn minute(&mut self, minute: u64) -> Vec<RawSample> {
        self.advance_condition();
        if self.all_off_minutes > 0 {
            self.all_off_minutes = self.all_off_minutes.saturating_sub(1);
        } else if self.random.one_in(200) {
            self.all_off_minutes = self.random.count(1, 3);
        }
        let mut samples = Vec::with_capacity(SENSORS.len());
        for (index, (level, sensor)) in self.levels.iter_mut().zip(&SENSORS).enumerate() {
            level.drift(
                sensor.target(self.condition, level.resting),
                sensor,
                &mut self.random,
            );
            if level.off_minutes > 0 {
                level.off_minutes = level.off_minutes.saturating_sub(1);
            } else if self.random.one_in(120) {
                level.off_minutes = self.random.count(1, 6);
            }
            let off = level.off_minutes > 0 || self.all_off_minutes > 0;
            let due = !sensor.cuff || minute.is_multiple_of(CUFF_EVERY_MINUTES);
            let field = if off || !due {
                Field::Absent
            } else {
                Field::Present(level.shown(sensor))
            };
            debug_assert!(index < SENSORS.len(), "levels and sensors have one length");
            samples.push(RawSample {
                vital: sensor.vital,
                field,
            });
        }
        samples
    }

    fn advance_condition(&mut self) {
        if self.minutes_left > 0 {
            self.minutes_left = self.minutes_left.saturating_sub(1);
            return;
        }
        let (condition, minutes) = match self.condition {
            Condition::Stable => (Condition::Unwell, self.random.count(10, 25)),
            Condition::Unwell if self.random.one_in(2) => {
                (Condition::Critical, self.random.count(6, 15))
            }
            Condition::Unwell | Condition::Critical => {
                (Condition::Recovering, self.random.count(15, 30))
            }
            Condition::Recovering => (Condition::Stable, self.random.count(30, 120)),
        };
        self.condition = condition;
        self.minutes_left = minutes;
    }
}

impl Level {
    /// Moves a quarter of the way to `target`, and a little at random.
    fn drift(&mut self, target: i64, sensor: &Sensor, random: &mut SplitMix) {
        let step = target.saturating_sub(self.now) / 4;
        let noise = random.between(sensor.noise.saturating_neg(), sensor.noise);
        self.now = self.now.saturating_add(step).saturating_add(noise);
    }

    /// What a monitor shows: one decimal place, within what its sensor can give.
    fn shown(self, sensor: &Sensor) -> Milli {
        let vital = sensor.vital;
        Milli::new(self.now)
            .rounded_to(100)
            .clamp(vital.plausible_min, vital.plausible_max)
    }
}

#[derive(Debug)]
struct Sensor {
    vital: &'static Vital,
    /// Bounds of a healthy resting level, in thousandths.
    resting: (i64, i64),
    /// Levels of an unwell and of a critical patient, in thousandths.
    unwell: i64,
    critical: i64,
    noise: i64,
    cuff: bool,
}

impl Sensor {
    fn target(&self, condition: Condition, resting: i64) -> i64 {
        match condition {
            Condition::Stable | Condition::Recovering => resting,
            Condition::Unwell => self.unwell,
            Condition::Critical => self.critical,
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): small, fast, and the same everywhere. For make-believe patients only, never
/// for keys or nonces.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn new(seed: u64, bed: u32) -> Self {
        let mut random = Self(seed ^ u64::from(bed).wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high
            .saturating_sub(low)
            .max(0)
            .unsigned_abs()
            .saturating_add(1);
        let offset = self.next().checked_rem(span).unwrap_or(0);
        low.saturating_add(i64::try_from(offset).unwrap_or(0))
    }

    fn count(&mut self, low: i64, high: i64) -> u64 {
        u64::try_from(self.between(low, high)).unwrap_or(0)
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.next().is_multiple_of(chances)
    }
}

/// The make-believe clock starts on 1 January 2026, so that a seed gives the same bytes on every day.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);
const MINUTE_MS: u64 = 60_000;
const CUFF_EVERY_MINUTES: u64 = 15;

static SENSORS: [Sensor; 8] = [
    sensor(
        &catalogue::HEART_RATE,
        (58_000, 84_000),
        104_000,
        138_000,
        1_200,
    ),
    sensor(
        &catalogue::PULSE_RATE,
        (58_000, 84_000),
        104_000,
        138_000,
        1_200,
    ),
    sensor(
        &catalogue::RESPIRATORY_RATE,
        (12_600, 17_000),
        22_500,
        28_000,
        400,
    ),
    sensor(
        &catalogue::OXYGEN_SATURATION,
        (96_500, 98_800),
        94_500,
        89_000,
        200,
    ),
    sensor(
        &catalogue::BODY_TEMPERATURE,
        (36_500, 37_300),
        38_500,
        39_400,
        40,
    ),
    Sensor {
        cuff: true,
        ..sensor(
            &catalogue::SYSTOLIC,
            (114_000, 136_000),
            106_000,
            86_000,
            2_000,
        )
    },
    Sensor {
        cuff: true,
        ..sensor(
            &catalogue::DIASTOLIC,
            (68_000, 84_000),
            64_000,
            50_000,
            1_500,
        )
    },
    Sensor {
        cuff: true,
        ..sensor(
            &catalogue::MEAN_PRESSURE,
            (84_000, 101_000),
            78_000,
            62_000,
            1_500,
        )
    },
];

const fn sensor(
    vital: &'static Vital,
    resting: (i64, i64),
    unwell: i64,
    critical: i64,
    noise: i64,
) -> Sensor {
    Sensor {
        vital,
        resting,
        unwell,
        critical,
        noise,
        cuff: false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use salus_primitives::lane::Lane;

    use super::*;
    use crate::classify::assess;
    use crate::standardize::{Standardized, Standardizer};

    fn rows(seed: u64, beds: u32, count: usize) -> Vec<RawPanel> {
        let mut ward = Simulated::new(seed, beds);
        (0..count)
            .map(|_| {
                ward.next()
                    .expect("a ward has no end")
                    .expect("and no bad rows")
            })
            .collect()
    }

    /// A seed is a sequence; another seed is another.
    #[test]
    fn one_seed_gives_one_sequence() {
        assert_eq!(rows(7, 3, 500), rows(7, 3, 500));
        assert_ne!(rows(7, 3, 500), rows(8, 3, 500));
    }

    /// The beds take turns, each with its own clock of one minute.
    #[test]
    fn beds_take_turns_minute_by_minute() {
        let rows = rows(1, 2, 4);

        let beds: Vec<_> = rows
            .iter()
            .map(|row| (row.bed, row.time.millis_since(START)))
            .collect();
        assert_eq!(beds, [(0, 0), (1, 0), (0, 60_000), (1, 60_000)]);
    }

    /// Short runs of every seed tried see all three lanes, sensors that are off, and nothing implausible.
    #[test]
    fn every_seed_reaches_all_three_lanes() {
        for seed in 0..50 {
            let mut lanes = BTreeMap::<Lane, u32>::new();
            let mut standardizer = Standardizer::default();
            for row in rows(seed, 4, 800) {
                if let Standardized::Panel(panel) = standardizer.accept(row) {
                    *lanes.entry(assess(&panel).lane).or_default() += 1;
                }
            }

            let counts = standardizer.counts();
            assert_eq!(lanes.len(), 3, "seed {seed}: {lanes:?}");
            assert!(
                lanes[&Lane::Routine] > 300,
                "seed {seed}: most of life is routine: {lanes:?}"
            );
            assert!(
                counts.absent_samples > 0 && counts.implausible_samples == 0,
                "seed {seed}: {counts:?}"
            );
        }
    }
}
