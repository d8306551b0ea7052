//! Files that are whole or not there, and that only their owner may read.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Why a file of keys was not made or not read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is a file already; it may hold a registered key.
    #[error("{0} exists already and is not overwritten")]
    Exists(PathBuf),
    /// Others than the owner may read the keys.
    #[error("{path} has mode {mode:o}; make it 600")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The disk refuses.
    #[error("cannot use {path}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Writes secrets to a new file with mode 600.
///
/// # Errors
/// [`KeyFileError::Exists`] rather than to overwrite; [`KeyFileError::Disk`].
pub(crate) fn write_keys(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let disk = |source| KeyFileError::Disk {
        path: path.to_owned(),
        source,
    };
    let mut file = match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(KeyFileError::Exists(path.to_owned()));
        }
        other => other.map_err(disk)?,
    };
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(disk)
}

/// Reads secrets from a file that nobody else may read; what is longer than a file of keys is cut off, and so is none.
///
/// # Errors
/// [`KeyFileError::TooOpen`]; [`KeyFileError::Disk`].
pub fn read_keys(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let disk = |source| KeyFileError::Disk {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(disk)?;
    let mode = file.metadata().map_err(disk)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    // of its full size from the start, so that no part of it is left where a smaller one was
    let mut text = Zeroizing::new(Vec::with_capacity(KEY_FILE_MAX));
    file.take(KEY_FILE_MAX as u64)
        .read_to_end(&mut text)
        .map_err(disk)?;
    Ok(text)
}

const KEY_FILE_MAX: usize = 4 * 1024;

/// Puts `bytes` in the place of `path` so that after a crash either the old or the new content is there, whole. Returns
/// the new file, open for writing at its end.
///
/// # Errors
/// When the disk refuses; the old content is then still there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<File> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_folder(path)?;
    Ok(file)
}

/// The content of `path`, or `None` if there is no such file.
///
/// # Errors
/// When the disk refuses, or the file is longer than `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if file.metadata()?.len() > limit {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            format!("longer than {limit} bytes"),
        ));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
