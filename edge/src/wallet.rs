//! The keys of somebody who signs for themselves: a patient, a guardian, a practitioner. One file that only its owner may read.

use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use salus_primitives::calls::PersonKeys;
use salus_primitives::crypto::exchange::{ExchangePublic, ExchangeSecret};
use salus_primitives::crypto::sign::{PublicKey, SecretKey, Signer};
use salus_primitives::ids::EntityId;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::files::{self, KeyFileError};

/// Keys, and the entity that answers for their owner.
#[derive(Clone, Debug)]
pub struct Wallet {
    entity: EntityId,
    signing: SecretKey,
    signer: Signer,
    exchange: ExchangeSecret,
}

/// What the entity needs to register the owner. Nothing in it tells who that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletCard {
    /// The entity that is to register them: the relation of a person, the employer of a practitioner.
    pub entity: EntityId,
    /// For signatures.
    pub key: PublicKey,
    /// That secrets are wrapped for.
    pub exchange_key: ExchangePublic,
}

/// Why a wallet was not made or not read.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The file does not hold keys.
    #[error("{0} is not a wallet of this version; make one with `salus-edge person new`")]
    Malformed(PathBuf),
}

/// The file as written. Secrets are hexadecimal.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct WalletFile {
    #[zeroize(skip)]
    version: u32,
    #[zeroize(skip)]
    entity: EntityId,
    #[zeroize(skip)]
    key: PublicKey,
    signing_key: String,
    exchange_secret: String,
}

impl Wallet {
    /// New keys of somebody whom this entity will register.
    #[must_use]
    pub fn generate(entity: EntityId, entropy: &mut impl CryptoRng) -> Self {
        let signing = SecretKey::generate(entropy);
        Self {
            entity,
            signer: signing.signer(),
            signing,
            exchange: ExchangeSecret::generate(entropy),
        }
    }

    /// Writes the keys to a new file with mode 600.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] rather than to overwrite; [`KeyFileError::Disk`].
    pub fn store(&self, path: &Path) -> Result<(), WalletError> {
        let file = WalletFile {
            version: VERSION,
            entity: self.entity,
            key: self.signer.public(),
            signing_key: hex::encode(self.signing.seed()),
            exchange_secret: hex::encode(self.exchange.as_bytes()),
        };
        let text = serde_json::to_vec_pretty(&file).map_err(|error| KeyFileError::Disk {
            path: path.to_owned(),
            source: error.into(),
        })?;
        Ok(files::write_keys(path, &Zeroizing::new(text))?)
    }

    /// Reads a wallet.
    ///
    /// # Errors
    /// [`KeyFileError`] if the file cannot be used or others may read it, [`WalletError::Malformed`] if it holds no keys.
    pub fn load(path: &Path) -> Result<Self, WalletError> {
        let malformed = || WalletError::Malformed(path.to_owned());
        let text = files::read_keys(path)?;
        let file: WalletFile = serde_json::from_slice(&text).map_err(|_| malformed())?;
        let (mut seed, mut exchange) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        hex::decode_to_slice(&file.signing_key, seed.as_mut()).map_err(|_| malformed())?;
        hex::decode_to_slice(&file.exchange_secret, exchange.as_mut()).map_err(|_| malformed())?;
        let signing = SecretKey::from_seed(*seed);
        let signer = signing.signer();
        if file.version != VERSION || signer.public() != file.key {
            return Err(malformed());
        }
        Ok(Self {
            entity: file.entity,
            signing,
            signer,
            exchange: ExchangeSecret::from_bytes(*exchange),
        })
    }

    /// The entity that answers for what is signed.
    #[must_use]
    pub const fn entity(&self) -> EntityId {
        self.entity
    }

    /// Signs transactions.
    #[must_use]
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Opens what was wrapped for the owner.
    #[must_use]
    pub const fn exchange(&self) -> &ExchangeSecret {
        &self.exchange
    }

    /// The public parts, as a call holds them.
    #[must_use]
    pub fn keys(&self) -> PersonKeys {
        PersonKeys {
            key: self.signer.public(),
            exchange_key: self.exchange.public(),
        }
    }

    /// What the entity registers.
    #[must_use]
    pub fn card(&self) -> WalletCard {
        WalletCard {
            entity: self.entity,
            key: self.signer.public(),
            exchange_key: self.exchange.public(),
        }
    }
}

const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    use super::*;

    fn wallet() -> Wallet {
        Wallet::generate(EntityId::of_name("hospital"), &mut UnwrapErr(SysRng))
    }

    #[test]
    fn wallet_is_private_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wallet.json");
        let wallet = wallet();

        wallet.store(&path).unwrap();
        let again = Wallet::load(&path).unwrap();

        assert_eq!(again.card(), wallet.card());
        assert_eq!(again.keys(), wallet.keys());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(
            wallet.store(&path),
            Err(WalletError::File(KeyFileError::Exists(_)))
        ));
    }

    #[test]
    fn open_or_foreign_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wallet.json");
        wallet().store(&path).unwrap();

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
        assert!(matches!(
            Wallet::load(&path),
            Err(WalletError::File(KeyFileError::TooOpen { mode: 0o604, .. }))
        ));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(
            Wallet::load(&path),
            Err(WalletError::Malformed(_))
        ));
    }

    #[test]
    fn debug_shows_no_secret() {
        let wallet = wallet();

        let shown = format!("{wallet:?}");

        assert!(!shown.contains(&hex::encode(wallet.signing.seed())));
        assert!(!shown.contains(&hex::encode(wallet.exchange.as_bytes())));
    }
}
