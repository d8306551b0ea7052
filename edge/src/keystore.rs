//! The edge's own encrypted store of period keys and of their wraps.
//!
//! A period key is random, durable here before anything is sealed under it, and wrapped with HPKE for the hospital's exchange
//! key. The file is a list of envelopes, one a period, under a key of the device's secret; it is replaced as a whole, so that a
//! crash leaves the old or the new one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use salus_primitives::codec;
use salus_primitives::crypto::cipher::{Envelope, EnvelopeError, NONCE_LENGTH, RecordKey};
use salus_primitives::crypto::exchange::{ExchangePublic, WrapError, Wrapped};
use salus_primitives::ids::DeviceId;
use salus_primitives::namespace::Domain;
use salus_primitives::reading::{Handle, PeriodKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::device::Device;
use crate::files;
use crate::seal::Period;

/// The period keys of one device.
#[derive(Debug)]
pub struct Keystore {
    path: PathBuf,
    device: DeviceId,
    store_key: RecordKey,
    periods: BTreeMap<Period, Stored>,
}

/// Why a period key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file belongs to another device, or was changed.
    #[error("{0} does not open with this device's secret")]
    Closed(PathBuf),
    /// There are more periods than the store holds; old ones have to be released first.
    #[error("the key store is full with {PERIODS_MAX} periods")]
    Full,
    /// The hospital's exchange key is not usable.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// A period does not fit into an envelope: it has too many wraps.
    #[error(transparent)]
    TooManyWraps(#[from] EnvelopeError),
    /// The disk refuses.
    #[error("cannot use the key store {path}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// One period as it stands in memory, and its envelope as it stands in the file.
#[derive(Debug)]
struct Stored {
    key: PeriodKey,
    wraps: Vec<PeriodWrap>,
    envelope: Envelope,
}

/// A period key wrapped for one recipient, bound to device, handle and day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodWrap {
    /// Who can open it.
    pub recipient: ExchangePublic,
    /// The wrapped key.
    pub wrapped: Wrapped,
}

/// What an envelope of the file holds.
#[derive(Serialize, Deserialize)]
struct StoredPlain {
    period: Period,
    key: PlainKey,
    wraps: Vec<PeriodWrap>,
}

/// Key bytes on their way in and out of an envelope; wiped when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct PlainKey([u8; 32]);

impl Keystore {
    /// Opens the store of `device` at `path`, or a new one if there is none.
    ///
    /// # Errors
    /// [`KeystoreError::Closed`] for a file of another device or a changed one; [`KeystoreError::Disk`].
    pub fn open(path: &Path, device: &Device) -> Result<Self, KeystoreError> {
        let store_key = RecordKey(
            Domain::KeystoreKey.keyed(device.secret().as_bytes(), &[device.id().as_bytes()]),
        );
        let mut store = Self {
            path: path.to_owned(),
            device: device.id(),
            store_key,
            periods: BTreeMap::new(),
        };
        let bytes = files::read(path, FILE_BYTES_MAX).map_err(|source| store.disk(source))?;
        let Some(bytes) = bytes else {
            return Ok(store);
        };
        let closed = || KeystoreError::Closed(path.to_owned());
        let envelopes: Vec<Envelope> = codec::decode(&bytes, bytes.len()).map_err(|_| closed())?;
        for envelope in envelopes {
            let plain = envelope
                .open(&store.store_key, store.device.as_bytes())
                .map_err(|_| closed())?;
            let plain: StoredPlain = codec::decode(&plain, plain.len()).map_err(|_| closed())?;
            let stored = Stored {
                key: PeriodKey(plain.key.0),
                wraps: plain.wraps,
                envelope,
            };
            store.periods.insert(plain.period, stored);
        }
        Ok(store)
    }

    /// The key of `period`, made and stored durably if it is new, and wrapped for `recipient` if there is one.
    ///
    /// # Errors
    /// [`KeystoreError`]; nothing may then be sealed for this period.
    pub fn period_key(
        &mut self,
        period: Period,
        recipient: Option<&ExchangePublic>,
        entropy: &mut impl CryptoRng,
    ) -> Result<PeriodKey, KeystoreError> {
        let known = self.periods.get(&period);
        let missing = recipient.filter(|recipient| {
            known.is_none_or(|known| known.wraps.iter().all(|wrap| wrap.recipient != **recipient))
        });
        if let (Some(known), None) = (known, missing) {
            return Ok(known.key.clone());
        }
        if known.is_none() && self.periods.len() >= PERIODS_MAX {
            return Err(KeystoreError::Full);
        }
        let (key, mut wraps) = match known {
            Some(known) => (known.key.clone(), known.wraps.clone()),
            None => {
                let mut key = PeriodKey([0; 32]);
                entropy.fill_bytes(&mut key.0);
                (key, Vec::new())
            }
        };
        if let Some(recipient) = missing {
            let context = wrap_context(&self.device, &key.handle(), &period);
            let wrapped = recipient.wrap(&key.0, &context, entropy)?;
            wraps.push(PeriodWrap {
                recipient: *recipient,
                wrapped,
            });
        }
        let mut nonce = [0; NONCE_LENGTH];
        entropy.fill_bytes(&mut nonce);
        let plain = StoredPlain {
            period,
            key: PlainKey(key.0),
            wraps,
        };
        let bytes = Zeroizing::new(codec::encode(&plain));
        let envelope = Envelope::seal(&self.store_key, nonce, self.device.as_bytes(), &bytes)?;
        let stored = Stored {
            key: key.clone(),
            wraps: plain.wraps,
            envelope,
        };
        self.periods.insert(period, stored);
        self.save()?;
        Ok(key)
    }

    /// For whom the key of `period` is wrapped, and the wraps.
    #[must_use]
    pub fn wraps(&self, period: &Period) -> &[PeriodWrap] {
        self.periods.get(period).map_or(&[], |stored| &stored.wraps)
    }

    fn save(&self) -> Result<(), KeystoreError> {
        let envelopes: Vec<&Envelope> = self
            .periods
            .values()
            .map(|stored| &stored.envelope)
            .collect();
        files::replace(&self.path, &codec::encode(&envelopes))
            .map_err(|source| self.disk(source))?;
        Ok(())
    }

    fn disk(&self, source: std::io::Error) -> KeystoreError {
        KeystoreError::Disk {
            path: self.path.clone(),
            source,
        }
    }
}

/// What a wrap is bound to: device, handle and day.
#[must_use]
pub fn wrap_context(device: &DeviceId, handle: &Handle, period: &Period) -> Vec<u8> {
    codec::encode(&(device, handle, period.day))
}

/// Ten years of one patient.
const PERIODS_MAX: usize = 4_096;
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use getrandom::SysRng;
    use rand_core::UnwrapErr;
    use salus_primitives::crypto::exchange::ExchangeSecret;
    use salus_primitives::ids::EntityId;
    use salus_primitives::reading::{Category, Pseudonym};

    use super::*;

    fn entropy() -> UnwrapErr<SysRng> {
        UnwrapErr(SysRng)
    }

    fn device() -> Device {
        Device::generate("h", "r", EntityId([4; 32]), &mut entropy())
    }

    fn period(day: u64) -> Period {
        Period {
            subject: Pseudonym([1; 32]),
            category: Category::VitalSigns,
            day,
        }
    }

    /// A period has one key, also after a restart, and its file is private.
    #[test]
    fn key_of_a_period_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let device = device();
        let mut store = Keystore::open(&path, &device).unwrap();

        let first = store.period_key(period(1), None, &mut entropy()).unwrap();
        let second = store.period_key(period(2), None, &mut entropy()).unwrap();
        let mut again = Keystore::open(&path, &device).unwrap();

        assert_ne!(first.0, second.0);
        assert_eq!(
            again.period_key(period(1), None, &mut entropy()).unwrap().0,
            first.0
        );
        assert_eq!(
            again.period_key(period(2), None, &mut entropy()).unwrap().0,
            second.0
        );
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    /// The hospital, and nobody else, gets the period key from the wrap.
    #[test]
    fn hospital_opens_its_wrap() {
        let folder = tempfile::tempdir().unwrap();
        let device = device();
        let hospital = ExchangeSecret::generate(&mut entropy());
        let mut store = Keystore::open(&folder.path().join("keys"), &device).unwrap();

        let key = store
            .period_key(period(1), Some(&hospital.public()), &mut entropy())
            .unwrap();

        let [wrap] = store.wraps(&period(1)) else {
            panic!("one wrap")
        };
        let context = wrap_context(&device.id(), &key.handle(), &period(1));
        assert_eq!(
            hospital.unwrap(&wrap.wrapped, &context).unwrap().as_slice(),
            key.0
        );
        let stranger = ExchangeSecret::generate(&mut entropy());
        assert!(stranger.unwrap(&wrap.wrapped, &context).is_err());
        let other_day = wrap_context(&device.id(), &key.handle(), &period(2));
        assert!(hospital.unwrap(&wrap.wrapped, &other_day).is_err());
    }

    /// A recipient that becomes known later gets a wrap of the same key.
    #[test]
    fn later_recipient_gets_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let device = device();
        let hospital = ExchangeSecret::generate(&mut entropy()).public();
        let mut store = Keystore::open(&path, &device).unwrap();
        let before = store.period_key(period(1), None, &mut entropy()).unwrap();

        for _ in 0..2 {
            let after = store
                .period_key(period(1), Some(&hospital), &mut entropy())
                .unwrap();
            assert_eq!(after.0, before.0);
        }

        assert_eq!(store.wraps(&period(1)).len(), 1);
        assert_eq!(
            Keystore::open(&path, &device)
                .unwrap()
                .wraps(&period(1))
                .len(),
            1
        );
    }

    /// No key stands in the file in the clear; another device and a changed byte are refused.
    #[test]
    fn file_is_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let device = device();
        let mut store = Keystore::open(&path, &device).unwrap();
        let key = store.period_key(period(1), None, &mut entropy()).unwrap();
        let bytes = std::fs::read(&path).unwrap();

        assert!(
            !bytes
                .windows(32)
                .any(|window| window == key.0 || window == [1; 32])
        );
        let stranger = Device::generate("h", "r", EntityId([4; 32]), &mut entropy());
        assert!(matches!(
            Keystore::open(&path, &stranger),
            Err(KeystoreError::Closed(_))
        ));
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            std::fs::write(&path, changed).unwrap();
            assert!(
                matches!(
                    Keystore::open(&path, &device),
                    Err(KeystoreError::Closed(_))
                ),
                "{position}"
            );
        }
        assert!(!format!("{store:?}").contains(&format!("{:?}", key.0)));
    }

    /// A half-written replacement beside the store does no harm.
    #[test]
    fn crash_while_replacing_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let device = device();
        let key = Keystore::open(&path, &device)
            .unwrap()
            .period_key(period(1), None, &mut entropy())
            .unwrap();

        std::fs::write(folder.path().join("keys.new"), b"half").unwrap();
        let mut store = Keystore::open(&path, &device).unwrap();

        assert_eq!(
            store.period_key(period(1), None, &mut entropy()).unwrap().0,
            key.0
        );
    }
}
