//! The device's own keys, in one file that only its owner may read.

use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use salus_primitives::crypto::sign::{PublicKey, SecretKey, Signer};
use salus_primitives::ids::{DeviceId, EntityId};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::files::{self, KeyFileError};

/// A device: its unique key, its signing key, and the secret under which it keeps other keys at rest.
#[derive(Clone, Debug)]
pub struct Device {
    id: DeviceId,
    owner: EntityId,
    signing: SecretKey,
    signer: Signer,
    secret: DeviceSecret,
}

/// Protects what the device stores, and blinds its patients' pseudonyms. Never leaves the device.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DeviceSecret([u8; 32]);

/// What an operator needs to register a device. Neither hardware nor registration id is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCard {
    /// The device's unique key.
    pub device_id: DeviceId,
    /// The entity that is to register it, and answers for what it sends.
    pub owner: EntityId,
    /// The key it signs with.
    pub public_key: PublicKey,
}

/// Why a device file was not made or not read.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The file does not hold a device.
    #[error("{0} is not a device file of this version; make one with `salus-edge device new`")]
    Malformed(PathBuf),
}

/// The file as written. Secrets are hexadecimal seeds.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct DeviceFile {
    #[zeroize(skip)]
    version: u32,
    #[zeroize(skip)]
    device_id: DeviceId,
    #[zeroize(skip)]
    owner: EntityId,
    #[zeroize(skip)]
    public_key: PublicKey,
    signing_key: String,
    store_secret: String,
}

impl Device {
    /// A new device of an entity with fresh keys. Only this entity can register it to any use: what it sends names its owner, and
    /// is refused where it is registered with another.
    #[must_use]
    pub fn generate(
        hardware_id: &str,
        registration_id: &str,
        owner: EntityId,
        entropy: &mut impl CryptoRng,
    ) -> Self {
        let signing = SecretKey::generate(entropy);
        let mut secret = DeviceSecret([0; 32]);
        entropy.fill_bytes(&mut secret.0);
        let id = DeviceId::derive(hardware_id.as_bytes(), registration_id.as_bytes());
        Self {
            id,
            owner,
            signer: signing.signer(),
            signing,
            secret,
        }
    }

    /// Writes the device to a new file with mode 600.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] rather than to overwrite; [`KeyFileError::Disk`].
    pub fn store(&self, path: &Path) -> Result<(), DeviceError> {
        let file = DeviceFile {
            version: VERSION,
            device_id: self.id,
            owner: self.owner,
            public_key: self.signer.public(),
            signing_key: hex::encode(self.signing.seed()),
            store_secret: hex::encode(self.secret.0),
        };
        let text = serde_json::to_vec_pretty(&file).map_err(|error| KeyFileError::Disk {
            path: path.to_owned(),
            source: error.into(),
        })?;
        Ok(files::write_keys(path, &Zeroizing::new(text))?)
    }

    /// Reads a device file.
    ///
    /// # Errors
    /// [`KeyFileError`] if the file cannot be used or others may read it, [`DeviceError::Malformed`] if it holds no device or its parts do
    /// not belong together.
    pub fn load(path: &Path) -> Result<Self, DeviceError> {
        let malformed = || DeviceError::Malformed(path.to_owned());
        let text = files::read_keys(path)?;
        let file: DeviceFile = serde_json::from_slice(&text).map_err(|_| malformed())?;
        let mut seed = Zeroizing::new([0; 32]);
        let mut secret = DeviceSecret([0; 32]);
        hex::decode_to_slice(&file.signing_key, seed.as_mut()).map_err(|_| malformed())?;
        hex::decode_to_slice(&file.store_secret, &mut secret.0).map_err(|_| malformed())?;
        let signing = SecretKey::from_seed(*seed);
        let signer = signing.signer();
        if file.version != VERSION || signer.public() != file.public_key {
            return Err(malformed());
        }
        Ok(Self {
            id: file.device_id,
            owner: file.owner,
            signing,
            signer,
            secret,
        })
    }

    /// The device's unique key.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.id
    }

    /// The entity that answers for what it sends.
    #[must_use]
    pub fn owner(&self) -> EntityId {
        self.owner
    }

    /// Signs its transactions.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Protects what it stores.
    #[must_use]
    pub fn secret(&self) -> &DeviceSecret {
        &self.secret
    }

    /// What an operator registers.
    #[must_use]
    pub fn card(&self) -> DeviceCard {
        DeviceCard {
            device_id: self.id,
            owner: self.owner,
            public_key: self.signer.public(),
        }
    }
}

impl DeviceSecret {
    /// The bytes, for key derivation.
    #[must_use]
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceSecret(..)")
    }
}

const VERSION: u32 = 2;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    use super::*;

    fn create(path: &Path) -> Result<Device, DeviceError> {
        let owner = EntityId::of_name("hospital");
        let device = Device::generate("monitor-1", "reg-1", owner, &mut UnwrapErr(SysRng));
        device.store(path).map(|()| device)
    }

    /// What was written is read back, with the mode that keeps others out.
    #[test]
    fn device_file_is_private_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.json");

        let device = create(&path).unwrap();
        let again = Device::load(&path).unwrap();

        assert_eq!(again.card(), device.card());
        assert_eq!(again.secret.0, device.secret.0);
        assert_eq!(device.id(), DeviceId::derive(b"monitor-1", b"reg-1"));
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    /// A registered key is never lost to a second call.
    #[test]
    fn existing_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.json");
        create(&path).unwrap();
        let before = std::fs::read(&path).unwrap();

        assert!(matches!(
            create(&path),
            Err(DeviceError::File(KeyFileError::Exists(_)))
        ));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    /// Keys that others can read, and files that are something else, are refused.
    #[test]
    fn open_or_foreign_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.json");
        create(&path).unwrap();

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            Device::load(&path),
            Err(DeviceError::File(KeyFileError::TooOpen { mode: 0o640, .. }))
        ));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(
            Device::load(&path),
            Err(DeviceError::Malformed(_))
        ));
    }

    /// Debugging output shows no secret.
    #[test]
    fn debug_shows_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.json");
        let device = create(&path).unwrap();
        let file: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();

        let shown = format!("{device:?}");

        assert!(!shown.contains(file["signing_key"].as_str().unwrap()));
        assert!(!shown.contains(&format!("{:?}", device.secret.0)));
        assert!(shown.contains("DeviceSecret(..)"));
    }
}
