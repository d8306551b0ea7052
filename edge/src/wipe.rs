//! Replacing a file so that its former content does not stay on the disk.
//!
//! As in [`files::replace`](crate::files), after a crash the old or the new content is there, whole. Besides, the old one gets a second name before it
//! loses its own, is overwritten with zeros under that, and removed; what a crash leaves under such a name is overwritten at the next start. This does
//! what a file system does that overwrites in place: flash memory and snapshots keep old blocks, and there it is the encryption that protects.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::files::sync_folder;

/// Puts `bytes` in the place of `path`. Durable on return, and the old content overwritten.
///
/// # Errors
/// When the disk refuses; the old or the new content is then there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (new, old) = (with(path, NEW), with(path, OLD));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let is_replaced = match fs::hard_link(path, &old) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    sync_folder(path)?;
    fs::rename(&new, path)?;
    sync_folder(path)?;
    if is_replaced {
        overwrite_and_remove(&old)?;
    }
    Ok(())
}

/// Does away with what a crash in [`replace`] left. To be called before the file is first used.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn recover(path: &Path) -> io::Result<()> {
    let (new, old) = (with(path, NEW), with(path, OLD));
    if new.exists() {
        overwrite_and_remove(&new)?;
    }
    if old.exists() {
        // the crash came before the new content got the name: the old one is still in use under both
        let is_in_use = match fs::metadata(path) {
            Ok(current) => current.ino() == fs::metadata(&old)?.ino(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if is_in_use {
            fs::remove_file(&old)?;
            sync_folder(path)?;
        } else {
            overwrite_and_remove(&old)?;
        }
    }
    Ok(())
}

fn overwrite_and_remove(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    io::copy(&mut io::Read::take(io::repeat(0), length), &mut file)?;
    file.sync_all()?;
    drop(file);
    fs::remove_file(path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    name.into()
}

const NEW: &str = ".new";
const OLD: &str = ".old";

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};

    use super::*;

    fn content(file: &mut File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_replaced_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        replace(&path, b"old secret").unwrap();
        let mut old = File::open(&path).unwrap();

        replace(&path, b"new").unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(content(&mut old), [0; 10]);
        assert_eq!(names(folder.path()), ["f"]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    /// The crash came before the new content got the name, or after it.
    #[test]
    fn what_a_crash_leaves_is_overwritten_at_the_next_start_and_never_the_file_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, b"in use").unwrap();
        fs::write(with(&path, NEW), b"half").unwrap();
        fs::hard_link(&path, with(&path, OLD)).unwrap();
        let mut half = File::open(with(&path, NEW)).unwrap();

        recover(&path).unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"in use");
        assert_eq!(content(&mut half), [0; 4]);
        assert_eq!(names(folder.path()), ["f"]);

        fs::write(with(&path, OLD), b"former").unwrap();
        let mut former = File::open(with(&path, OLD)).unwrap();
        recover(&path).unwrap();
        assert_eq!(content(&mut former), [0; 6]);
        assert_eq!(fs::read(&path).unwrap(), b"in use");
        assert_eq!(names(folder.path()), ["f"]);
    }
}
