//! From a panel to what is sealed (`DESIGN`, way of one reading, step 4).
//!
//! Everything that tells of the patient goes inside the envelope: whose, what kind, when, and the values. The envelope itself
//! (Twofish-256 in EAX mode, committed, padded) is made by [`SealedReading::seal`] under a key of its [`Period`].
//!
//! [`SealedReading::seal`]: salus_primitives::reading::SealedReading::seal

use salus_primitives::access::Sensitivity;
use salus_primitives::custody::{Period, day_of};
use salus_primitives::namespace::Domain;
use salus_primitives::reading::{Category, Observation, Pseudonym, Reading};

use crate::device::DeviceSecret;
use crate::standardize::Panel;

/// What the readings have in common that are sealed under one period key, or under several of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayData {
    /// Whose data.
    pub subject: Pseudonym,
    /// Which kind.
    pub category: Category,
    /// How sensitive.
    pub sensitivity: Sensitivity,
    /// Which day: whole days since 1 January 1970, UTC.
    pub day: u32,
}

impl DayData {
    /// What `reading` belongs to.
    #[must_use]
    pub fn of(reading: &Reading, sensitivity: Sensitivity) -> Self {
        Self {
            subject: reading.subject,
            category: reading.category,
            sensitivity,
            day: day_of(reading.taken_at),
        }
    }

    /// What a period belongs to.
    #[must_use]
    pub const fn of_period(period: &Period) -> Self {
        Self {
            subject: period.subject,
            category: period.category,
            sensitivity: period.sensitivity,
            day: period.day,
        }
    }

    /// A period of these data.
    #[must_use]
    pub const fn period(&self, generation: u64) -> Period {
        Period {
            subject: self.subject,
            category: self.category,
            sensitivity: self.sensitivity,
            day: self.day,
            generation,
        }
    }
}

/// The patient at `bed`, as this device's relation knows them. Without the device's secret it tells nothing.
#[must_use]
pub fn pseudonym(secret: &DeviceSecret, bed: u32) -> Pseudonym {
    Pseudonym(Domain::Pseudonym.keyed(secret.as_bytes(), &[&bed.to_le_bytes()]))
}

/// The panel in the form that every record has: observations in the order of their codes, so that the same sample gives the
/// same bytes, and the same reading id.
#[must_use]
pub fn reading(panel: &Panel, subject: Pseudonym) -> Reading {
    let mut observations: Vec<_> = panel
        .measurements
        .iter()
        .map(|measurement| Observation {
            code: measurement.vital.loinc.to_owned(),
            unit: measurement.vital.ucum.to_owned(),
            milli: measurement.value.get(),
        })
        .collect();
    observations.sort_by(|a, b| a.code.cmp(&b.code));
    Reading {
        subject,
        category: Category::VitalSigns,
        taken_at: panel.time,
        observations,
    }
}

#[cfg(test)]
mod tests {
    use getrandom::SysRng;
    use rand_core::UnwrapErr;
    use salus_primitives::codec;
    use salus_primitives::crypto::cipher::Envelope;
    use salus_primitives::ids::{EntityId, GenesisHash};
    use salus_primitives::reading::{PeriodKey, SealedReading};
    use salus_primitives::time::Timestamp;

    use super::*;
    use crate::catalogue;
    use crate::device::Device;
    use crate::milli::Milli;
    use crate::standardize::{Measurement, Quality};

    fn panel() -> Panel {
        let measure = |vital, value| Measurement {
            vital,
            value: Milli::new(value),
            quality: Quality::Good,
        };
        Panel {
            bed: 3,
            time: Timestamp::from_millis(29_246_229_145_000),
            measurements: vec![
                measure(&catalogue::RESPIRATORY_RATE, 12_700),
                measure(&catalogue::HEART_RATE, 62_800),
            ],
        }
    }

    fn sealed(nonce: u8) -> (SealedReading, Reading, PeriodKey) {
        let device = Device::generate("h", "r", EntityId([4; 32]), &mut UnwrapErr(SysRng));
        let reading = reading(&panel(), pseudonym(device.secret(), 3));
        let key = PeriodKey([5; 32]);
        let sealed = SealedReading::seal(
            GenesisHash([1; 32]),
            device.id(),
            &key,
            &reading,
            [nonce; 16],
        )
        .unwrap();
        (sealed, reading, key)
    }

    /// The order of a monitor's columns does not show in the record.
    #[test]
    fn order_of_columns_does_not_change_the_reading() {
        let mut other = panel();
        other.measurements.reverse();
        let subject = Pseudonym([1; 32]);

        assert_eq!(reading(&panel(), subject), reading(&other, subject));
        assert_eq!(reading(&other, subject).observations[0].code, "8867-4");
    }

    /// What was sealed is what is opened, and no plaintext stands in the sealed form.
    #[test]
    fn sealed_reading_opens_to_what_was_sealed() {
        let (sealed, reading, key) = sealed(1);
        let bytes = codec::encode(&sealed);

        let opened = sealed
            .open(GenesisHash([1; 32]), &key.record_key(&sealed.reading))
            .unwrap();

        assert_eq!(opened, reading);
        for secret in [
            reading.subject.as_bytes().as_slice(),
            b"8867-4",
            b"/min",
            &key.0,
        ] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }

    /// Any flipped bit of the sealed form is noticed.
    #[test]
    fn any_flipped_bit_is_refused() {
        let (sealed, _, key) = sealed(1);
        let record_key = key.record_key(&sealed.reading);
        let bytes = codec::encode(&sealed);
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = codec::decode::<SealedReading>(&changed, changed.len()) {
                // A handle, device or reading id that was changed is bound as additional data.
                assert!(
                    changed.open(GenesisHash([1; 32]), &record_key).is_err(),
                    "bit {bit}"
                );
            }
        }
    }

    /// The same sample sealed again is another ciphertext of the same reading id.
    #[test]
    fn repeat_has_the_same_id_and_another_ciphertext() {
        let device = Device::generate("h", "r", EntityId([4; 32]), &mut UnwrapErr(SysRng));
        let reading = reading(&panel(), pseudonym(device.secret(), 3));
        let key = PeriodKey([5; 32]);
        let seal = |nonce| {
            SealedReading::seal(GenesisHash([1; 32]), device.id(), &key, &reading, nonce).unwrap()
        };
        let (first, second) = (seal([1; 16]), seal([2; 16]));

        assert_eq!(
            (first.reading, first.handle),
            (second.reading, second.handle)
        );
        let ciphertext = |envelope: Envelope| envelope.ciphertext.0;
        assert_ne!(ciphertext(first.envelope), ciphertext(second.envelope));
    }

    /// Patients of one device, and one patient of two devices, have different pseudonyms.
    #[test]
    fn pseudonyms_do_not_meet() {
        let (one, two) = (
            Device::generate("h", "r", EntityId([4; 32]), &mut UnwrapErr(SysRng)),
            Device::generate("h", "r", EntityId([4; 32]), &mut UnwrapErr(SysRng)),
        );

        assert_ne!(pseudonym(one.secret(), 0), pseudonym(one.secret(), 1));
        assert_ne!(pseudonym(one.secret(), 0), pseudonym(two.secret(), 0));
    }
}
