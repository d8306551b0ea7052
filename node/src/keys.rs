//! A node's keys: one file, readable by its owner only.

use salus_primitives::calls::ValidatorKeys;
use salus_primitives::crypto::exchange::{ExchangePublic, ExchangeSecret};
use salus_primitives::crypto::sign::{PublicKey, SecretKey};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The secret keys of one member's node. Wiped from memory when dropped; `Debug` shows public parts only.
#[derive(Clone, Debug)]
pub struct NodeKeys {
    /// Signs the member's own transactions, such as the registration of a device.
    pub operator: SecretKey,
    /// Signs votes. Used by one running node at a time.
    pub validator: SecretKey,
    /// Proves to other nodes who is connecting.
    pub network: SecretKey,
    /// Opens what was wrapped for this member.
    pub exchange: ExchangeSecret,
}

/// The public parts of [`NodeKeys`]: what the other members must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    /// Of [`NodeKeys::operator`].
    pub operator: PublicKey,
    /// Of [`NodeKeys::validator`].
    pub validator: PublicKey,
    /// Of [`NodeKeys::network`].
    pub network: PublicKey,
    /// Of [`NodeKeys::exchange`].
    pub exchange: ExchangePublic,
}

/// Which keys a rotation replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The one that signs votes.
    Validator,
    /// That, and the one by which peers know the node.
    ValidatorAndNetwork,
}

impl PublicKeys {
    /// What the chain names a validator by.
    #[must_use]
    pub const fn of_validator(&self) -> ValidatorKeys {
        ValidatorKeys {
            validator_key: self.validator,
            network_key: self.network,
        }
    }
}

/// Why keys were not made or not read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Keys are never overwritten: whatever they signed or opened would be lost.
    #[error("{} exists already and is not overwritten; name another file, or move this one away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("there are no keys at {}; make them with `salus keys new`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Others than its owner may read or change the file.
    #[error("{} has mode {mode:o} and others may use it; run `chmod 600 {}`", path.display(), path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not what [`NodeKeys::write_new`] wrote. The message never shows its content.
    #[error("{}, line {line}: {problem}; restore the file from its backup", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The operating system gives no randomness.
    #[error("no randomness from the operating system: {0}")]
    Entropy(getrandom::Error),
    /// The disk refuses.
    #[error("cannot {action} {}: {source}", path.display())]
    Disk {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl NodeKeys {
    /// New keys from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeysError::Entropy`].
    pub fn generate() -> Result<Self, KeysError> {
        Ok(Self {
            operator: SecretKey::from_seed(*random()?),
            validator: SecretKey::from_seed(*random()?),
            network: SecretKey::from_seed(*random()?),
            exchange: ExchangeSecret::from_bytes(*random()?),
        })
    }

    /// The keys to go on with after a rotation: another validator key, and another network key if that is asked for. Operator and
    /// exchange key stay, as the chain names the member by them.
    ///
    /// # Errors
    /// [`KeysError::Entropy`].
    pub fn rotated(&self, which: Rotation) -> Result<Self, KeysError> {
        let network = match which {
            Rotation::Validator => self.network.clone(),
            Rotation::ValidatorAndNetwork => SecretKey::from_seed(*random()?),
        };
        Ok(Self {
            operator: self.operator.clone(),
            validator: SecretKey::from_seed(*random()?),
            network,
            exchange: self.exchange.clone(),
        })
    }

    /// The public parts.
    #[must_use]
    pub fn public(&self) -> PublicKeys {
        PublicKeys {
            operator: self.operator.public(),
            validator: self.validator.public(),
            network: self.network.public(),
            exchange: self.exchange.public(),
        }
    }

    /// Writes the keys to a new file of mode 0600. Durable on return.
    ///
    /// # Errors
    /// [`KeysError::Exists`] if there is anything at `path`, else [`KeysError::Disk`].
    pub fn write_new(&self, path: &Path) -> Result<(), KeysError> {
        write_secret(path, &self.text())
    }

    /// Reads a file that [`NodeKeys::write_new`] wrote.
    ///
    /// # Errors
    /// [`KeysError`]; [`KeysError::TooOpen`] before anything is read.
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        let text = read_secret(path)?;
        Self::parse(&text).map_err(|(line, problem)| KeysError::Malformed {
            path: path.into(),
            line,
            problem,
        })
    }

    /// The file's text. Written and read by hand rather than by a TOML library, which would leave copies of the secrets in memory.
    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX));
        text.push_str(HEAD);
        text.push_str(
            "\n# The secret keys of a Salus node. Who has this file can act as its owner.\n",
        );
        for (name, secret) in NAMES.into_iter().zip([
            self.operator.seed(),
            self.validator.seed(),
            self.network.seed(),
            self.exchange.as_bytes(),
        ]) {
            text.push_str(name);
            text.push(' ');
            text.push_str(&Zeroizing::new(hex::encode(secret)));
            text.push('\n');
        }
        text
    }

    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut lines = text.lines().zip(1..);
        if lines.next().map(|(line, _)| line) != Some(HEAD) {
            return Err((1, "this is not a key file of this version"));
        }
        let mut lines = lines.filter(|(line, _)| !line.starts_with('#'));
        let mut next = |name: &str| -> Result<Zeroizing<[u8; 32]>, (usize, &'static str)> {
            let (line, number) = lines
                .next()
                .ok_or((1, "the file ends before its last key"))?;
            let digits = line
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '))
                .ok_or((number, "another key is expected here"))?;
            let mut secret = Zeroizing::new([0; 32]);
            hex::decode_to_slice(digits, secret.as_mut_slice())
                .map_err(|_| (number, "a key has 64 hexadecimal digits"))?;
            Ok(secret)
        };
        let [operator, validator, network, exchange] = NAMES;
        let keys = Self {
            operator: SecretKey::from_seed(*next(operator)?),
            validator: SecretKey::from_seed(*next(validator)?),
            network: SecretKey::from_seed(*next(network)?),
            exchange: ExchangeSecret::from_bytes(*next(exchange)?),
        };
        match lines.next() {
            None => Ok(keys),
            Some((_, number)) => Err((number, "nothing is expected behind the last key")),
        }
    }
}

/// Writes secrets to a new file that only its owner may use. Durable on return.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<(), KeysError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeysError::Exists { path: path.into() },
            _ => disk("create", path, source),
        })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(path))
        .map_err(|source| disk("write", path, source))
}

/// Reads such a file.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => KeysError::Missing { path: path.into() },
        _ => disk("open", path, source),
    })?;
    let mode = file
        .metadata()
        .map_err(|source| disk("inspect", path, source))?
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeysError::TooOpen {
            path: path.into(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX));
    file.take(FILE_BYTES_MAX as u64)
        .read_to_string(&mut text)
        .map_err(|source| disk("read", path, source))?;
    Ok(text)
}

/// 32 random bytes.
pub(crate) fn random() -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(KeysError::Entropy)?;
    Ok(bytes)
}

/// Makes the creation of `path` itself durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn disk(action: &'static str, path: &Path, source: io::Error) -> KeysError {
    KeysError::Disk {
        action,
        path: path.into(),
        source,
    }
}

/// Permission bits of a key file.
const MODE: u32 = 0o600;

/// First line of a key file.
const HEAD: &str = "salus keys 1";

/// The keys in the order of the file.
const NAMES: [&str; 4] = ["operator", "validator", "network", "exchange"];

/// Longer than any key file; read and written without a second allocation, which would leave a copy behind.
const FILE_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    #[test]
    fn keys_read_back_are_the_keys_written_and_only_their_owner_may_read_them() {
        let folder = folder();
        let path = folder.path().join("keys");
        let keys = NodeKeys::generate().expect("randomness");

        keys.write_new(&path).expect("written");

        let mode = path.metadata().expect("there").mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(NodeKeys::read(&path).expect("read").public(), keys.public());
    }

    #[test]
    fn keys_are_never_overwritten() {
        let folder = folder();
        let path = folder.path().join("keys");
        let first = NodeKeys::generate().expect("randomness");
        first.write_new(&path).expect("written");

        let second = NodeKeys::generate().expect("randomness").write_new(&path);

        assert!(matches!(second, Err(KeysError::Exists { .. })));
        assert_eq!(
            NodeKeys::read(&path).expect("read").public(),
            first.public()
        );
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let folder = folder();
        let path = folder.path().join("keys");
        let keys = NodeKeys::generate().expect("randomness");
        keys.write_new(&path).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        std::fs::set_permissions(&path, mode).expect("changed");

        assert!(matches!(
            NodeKeys::read(&path),
            Err(KeysError::TooOpen { mode: 0o640, .. })
        ));
    }

    /// A damaged file is refused with its line, and what it held is not shown.
    #[test]
    fn a_damaged_key_file_is_refused_without_showing_it() {
        let folder = folder();
        let path = folder.path().join("keys");
        let keys = NodeKeys::generate().expect("randomness");
        let secret = hex::encode(keys.validator.seed());
        let text = keys.text().replace(&secret, &secret[..62]);
        keys.write_new(&path).expect("written");
        std::fs::write(&path, text).expect("damaged");

        let error = NodeKeys::read(&path).expect_err("damaged");

        assert!(matches!(error, KeysError::Malformed { line: 4, .. }));
        assert!(!error.to_string().contains(&secret[..8]));
        assert!(!format!("{keys:?}").contains(&secret));
    }
}
