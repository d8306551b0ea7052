//! Where the key service is, and what opens it.

use super::{KeyService, VaultError};
use crate::keys::{KeysError, random, read_secret, write_secret};
use salus_primitives::crypto::strongbox::Unlock;
use salus_primitives::ids::{EntityId, GenesisHash};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What the vault is locked with: a file of mode 0600.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnlockFile {
    /// Its first line is a passphrase.
    Passphrase(PathBuf),
    /// It was made by [`write_new_key`].
    Key(PathBuf),
}

/// Why a key service was not opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyServiceError {
    /// What opens it cannot be read.
    #[error("what opens the key service: {0}")]
    Unlock(#[from] KeysError),
    /// The vault.
    #[error("the key service: {0}")]
    Vault(#[from] VaultError),
}

impl UnlockFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`KeysError`], before anything is read if others may read it too.
    pub fn read(&self) -> Result<Unlock, KeysError> {
        match self {
            Self::Passphrase(path) => {
                let text = read_secret(path)?;
                Ok(Unlock::passphrase_of_file(text.as_bytes()))
            }
            Self::Key(path) => {
                let text = read_secret(path)?;
                let malformed = |line, problem| KeysError::Malformed {
                    path: path.clone(),
                    line,
                    problem,
                };
                let mut lines = text.lines();
                if lines.next() != Some(HEAD) {
                    return Err(malformed(1, "this is no key of a key service"));
                }
                let mut key = Zeroizing::new([0; 32]);
                let digits = lines.next().unwrap_or_default();
                hex::decode_to_slice(digits, key.as_mut_slice())
                    .map_err(|_| malformed(2, "a key has 64 hexadecimal digits"))?;
                match lines.next() {
                    None => Ok(Unlock::KeyFile(key)),
                    Some(_) => Err(malformed(3, "nothing is expected behind the key")),
                }
            }
        }
    }

    /// The same, if its path is relative, in a folder.
    #[must_use]
    pub fn within(&self, folder: &Path) -> Self {
        match self {
            Self::Passphrase(path) => Self::Passphrase(folder.join(path)),
            Self::Key(path) => Self::Key(folder.join(path)),
        }
    }
}

/// Makes a new key in a new file of mode 0600.
///
/// # Errors
/// [`KeysError::Exists`] rather than to overwrite; others.
pub fn write_new_key(path: &Path) -> Result<(), KeysError> {
    let key = Zeroizing::new(hex::encode(random()?.as_slice()));
    write_secret(path, &Zeroizing::new(format!("{HEAD}\n{}\n", *key)))
}

/// Opens the key service in a folder.
///
/// # Errors
/// [`KeyServiceError`].
pub fn open(
    folder: &Path,
    unlock: &UnlockFile,
    genesis: GenesisHash,
    entity: EntityId,
) -> Result<KeyService, KeyServiceError> {
    let unlock = unlock.read()?;
    Ok(KeyService::open(folder, &unlock, genesis, entity)?)
}

/// First line of a key file.
const HEAD: &str = "salus custody key 1";

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::crypto::strongbox::{Lock, PassphraseCost};

    #[test]
    fn what_was_made_opens_what_it_locked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("unlock");
        write_new_key(&path).expect("written");
        let file = UnlockFile::Key("unlock".into()).within(folder.path());
        let mut entropy = super::super::speaker::entropy().expect("randomness");

        let (lock, _) = Lock::make(
            &file.read().expect("read"),
            PassphraseCost::LEAST,
            &mut entropy,
        )
        .expect("locked");

        assert!(lock.open(&file.read().expect("read")).is_ok());
        assert!(matches!(
            write_new_key(&path),
            Err(KeysError::Exists { .. })
        ));
    }

    #[test]
    fn another_file_is_refused_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("unlock");
        for (text, at) in [
            ("salus keys 1\n", 1),
            ("salus custody key 1\n12\n", 2),
            (
                &format!("salus custody key 1\n{}\nmore\n", "0".repeat(64)),
                3,
            ),
        ] {
            let _ = std::fs::remove_file(&path);
            write_secret(&path, text).expect("written");

            let read = UnlockFile::Key(path.clone()).read();

            assert!(
                matches!(read, Err(KeysError::Malformed { line, .. }) if line == at),
                "{text}"
            );
        }
    }
}
