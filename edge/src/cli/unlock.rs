//! What a store is locked with, as files.

use std::path::PathBuf;

use clap::Args;
use salus_edge::files::{KeyFileError, read_keys};
use salus_primitives::crypto::strongbox::Unlock;
use zeroize::Zeroizing;

#[derive(Args, Debug)]
pub(crate) struct UnlockOptions {
    /// A file (mode 600) with the passphrase of the key store, which is made with it if it is new. Without this and --store-key, what opens the store
    /// is the device's own secret, in its device file.
    #[arg(long, value_name = "FILE", conflicts_with = "store_key")]
    store_passphrase: Option<PathBuf>,
    /// A file (mode 600) with 64 random hexadecimal digits, in place of a passphrase.
    #[arg(long, value_name = "FILE")]
    store_key: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum UnlockError {
    #[error(transparent)]
    File(#[from] KeyFileError),
    #[error("{0} does not hold 64 hexadecimal digits")]
    NotAKey(PathBuf),
}

impl UnlockOptions {
    pub(crate) fn read(&self) -> Result<Option<Unlock>, UnlockError> {
        if let Some(path) = &self.store_passphrase {
            let text = read_keys(path)?;
            return Ok(Some(Unlock::passphrase_of_file(&text)));
        }
        let Some(path) = &self.store_key else {
            return Ok(None);
        };
        let text = read_keys(path)?;
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim_ascii(), key.as_mut_slice())
            .map_err(|_| UnlockError::NotAKey(path.clone()))?;
        Ok(Some(Unlock::KeyFile(key)))
    }
}
