//! A bedside reading in standard form, and as it appears on chain.

use crate::codec;
use crate::crypto::cipher::{Envelope, EnvelopeError, RecordKey};
use crate::hexadecimal::fixed_bytes;
use crate::ids::{DeviceId, GenesisHash};
use crate::namespace::Domain;
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A person as one relation (a hospital and its patient) knows them. Never a name. On chain it stands in rules and requests, and never
/// beside a record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym(pub [u8; 32]);
fixed_bytes!(Pseudonym, 32);

/// What kind of data a record holds. Inside the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Category {
    /// Vital signs of a monitor.
    VitalSigns,
    /// Waveforms, such as an ECG.
    Waveform,
    /// Laboratory results.
    Laboratory,
    /// Prescriptions and dispenses.
    Medication,
    /// Claims and their items.
    Claims,
    /// Documents without finer category.
    Document,
}

impl Category {
    /// All categories.
    pub const ALL: [Self; 6] = [
        Self::VitalSigns,
        Self::Waveform,
        Self::Laboratory,
        Self::Medication,
        Self::Claims,
        Self::Document,
    ];

    /// The name in files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::VitalSigns => "vital_signs",
            Self::Waveform => "waveform",
            Self::Laboratory => "laboratory",
            Self::Medication => "medication",
            Self::Claims => "claims",
            Self::Document => "document",
        }
    }
}

/// One measured value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// LOINC code, such as `8867-4`.
    pub code: String,
    /// UCUM unit, such as `/min`.
    pub unit: String,
    /// The value in thousandths of the unit.
    pub milli: i64,
}

/// A reading in standard form: what an envelope holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Whose.
    pub subject: Pseudonym,
    /// What kind.
    pub category: Category,
    /// When it was measured.
    pub taken_at: Timestamp,
    /// The values, in the order of their codes.
    pub observations: Vec<Observation>,
}

/// Stands on chain for (relation, category, period) without telling which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub [u8; 32]);
fixed_bytes!(Handle, 32);

/// Names a reading for good: the same sample has the same id, however often it is signed again. Blinded by the
/// period key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadingId(pub [u8; 32]);
fixed_bytes!(ReadingId, 32);

/// The key of one (patient, category, period), from which its records' keys derive.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PeriodKey(pub [u8; 32]);

impl core::fmt::Debug for PeriodKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PeriodKey(..)")
    }
}

impl PeriodKey {
    /// The handle that this period's records show.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Domain::Handle.keyed(&self.0, &[]))
    }

    /// The id of a reading in this period.
    #[must_use]
    pub fn reading_id(&self, reading: &Reading) -> ReadingId {
        let bytes = Zeroizing::new(codec::encode(reading));
        ReadingId(Domain::ReadingId.keyed(&self.0, &[&bytes]))
    }

    /// The key of one record of this period. Holding it tells nothing about other records.
    #[must_use]
    pub fn record_key(&self, reading: &ReadingId) -> RecordKey {
        RecordKey(Domain::RecordKey.keyed(&self.0, &[reading.as_bytes()]))
    }
}

/// A reading as it appears on chain: handle, device and size class are visible, nothing else is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedReading {
    /// Which device sealed it.
    pub device: DeviceId,
    /// Stands for (relation, category, period).
    pub handle: Handle,
    /// Names the reading.
    pub reading: ReadingId,
    /// The encrypted [`Reading`].
    pub envelope: Envelope,
}

/// Why a sealed reading was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The envelope stays closed.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// It opens, but does not hold a reading.
    #[error("the envelope does not hold a reading: {0}")]
    NotAReading(#[from] codec::CodecError),
}

/// Upper bound of an encoded [`SealedReading`] in bytes.
pub const SEALED_READING_MAX: usize = 66_000;

impl SealedReading {
    /// Seals `reading` under its period's key. `nonce` must be random and fresh.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`] if the reading exceeds the largest size class.
    pub fn seal(
        genesis: GenesisHash,
        device: DeviceId,
        period: &PeriodKey,
        reading: &Reading,
        nonce: [u8; 16],
    ) -> Result<Self, EnvelopeError> {
        let handle = period.handle();
        let id = period.reading_id(reading);
        let plaintext = Zeroizing::new(codec::encode(reading));
        let envelope = Envelope::seal(
            &period.record_key(&id),
            nonce,
            &additional_data(genesis, &device, &handle, &id),
            &plaintext,
        )?;
        Ok(Self {
            device,
            handle,
            reading: id,
            envelope,
        })
    }

    /// Opens the envelope with this record's key.
    ///
    /// # Errors
    /// [`OpenError`] if the key, chain, device, handle or any byte differs from what was sealed.
    pub fn open(&self, genesis: GenesisHash, key: &RecordKey) -> Result<Reading, OpenError> {
        let additional = additional_data(genesis, &self.device, &self.handle, &self.reading);
        let plaintext = self.envelope.open(key, &additional)?;
        Ok(codec::decode(&plaintext, SEALED_READING_MAX)?)
    }
}

/// What the envelope's additional data bind: chain, device, handle and reading id, each of fixed length.
fn additional_data(
    genesis: GenesisHash,
    device: &DeviceId,
    handle: &Handle,
    reading: &ReadingId,
) -> Vec<u8> {
    [
        genesis.as_bytes().as_slice(),
        device.as_bytes(),
        handle.as_bytes(),
        reading.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> Reading {
        Reading {
            subject: Pseudonym([1; 32]),
            category: Category::VitalSigns,
            taken_at: Timestamp::from_millis(29_240_000_000_000),
            observations: vec![Observation {
                code: "8867-4".into(),
                unit: "/min".into(),
                milli: 61_100,
            }],
        }
    }

    #[test]
    fn a_reading_opens_with_its_record_key_on_its_chain_and_device_only() {
        let period = PeriodKey([3; 32]);
        let genesis = GenesisHash([4; 32]);
        let device = DeviceId::derive(b"monitor-1", b"reg-1");
        let sealed =
            SealedReading::seal(genesis, device, &period, &reading(), [5; 16]).expect("fits");
        let key = period.record_key(&sealed.reading);

        assert_eq!(sealed.open(genesis, &key), Ok(reading()));
        assert!(sealed.open(GenesisHash([9; 32]), &key).is_err());
        let mut moved = sealed.clone();
        moved.device = DeviceId::derive(b"monitor-2", b"reg-1");
        assert!(moved.open(genesis, &key).is_err());
    }

    /// The visible parts of a sealed reading do not contain what was measured or of whom.
    #[test]
    fn the_sealed_form_does_not_contain_subject_or_values() {
        let sealed = SealedReading::seal(
            GenesisHash([4; 32]),
            DeviceId([2; 32]),
            &PeriodKey([3; 32]),
            &reading(),
            [5; 16],
        )
        .expect("fits");

        let bytes = codec::encode(&sealed);

        assert!(!bytes.windows(32).any(|window| window == [1; 32]));
        assert!(!bytes.windows(6).any(|window| window == b"8867-4"));
    }

    #[test]
    fn the_same_sample_has_the_same_id_and_another_sample_another() {
        let period = PeriodKey([3; 32]);
        let mut later = reading();
        later.taken_at = later.taken_at.plus_millis(1);

        assert_eq!(period.reading_id(&reading()), period.reading_id(&reading()));
        assert_ne!(period.reading_id(&reading()), period.reading_id(&later));
    }
}
