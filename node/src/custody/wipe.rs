//! Files whose former content does not stay on the disk: what is replaced or removed is overwritten first.
//!
//! A new content is written beside, synced, and renamed into place, so that after a crash the old or the new one is there, whole. The old one gets a second
//! name before that, is overwritten with zeros and synced under it, and removed. What a crash leaves under a second name is overwritten at the
//! next start ([`Wiped::recover`]).
//!
//! This does what a file system does that overwrites in place. Flash memory, copy-on-write file systems, snapshots and backups keep old blocks; there, what
//! protects is that all of it is encrypted (`docs/keys.md`).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A folder of such files.
#[derive(Debug)]
pub(super) struct Wiped {
    folder: PathBuf,
    #[cfg(test)]
    pub(super) crash: Crash,
}

/// Tests stop the machine between two steps.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Crash {
    /// After how many more steps; `None`: never.
    pub(super) after: Option<u32>,
}

impl Wiped {
    /// The folder, made if it is missing, and freed of what a crash left.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let wiped = Self {
            folder: folder.to_owned(),
            #[cfg(test)]
            crash: Crash::default(),
        };
        wiped.recover()?;
        Ok(wiped)
    }

    /// The content of a file; `None` if there is none. At most `limit` bytes.
    pub(super) fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match crate::bounded::read(&self.folder.join(name), limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of all files, in no order.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    /// Puts `bytes` in the place of a file, or makes it. Durable on return, and the old content overwritten.
    pub(super) fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.join(name);
        let (new, old) = (with(&path, NEW), with(&path, OLD));
        self.step()?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        self.step()?;
        file.write_all(bytes)?;
        file.sync_all()?;
        self.step()?;
        let is_replaced = match fs::hard_link(&path, &old) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        self.sync_folder()?;
        self.step()?;
        fs::rename(&new, &path)?;
        self.sync_folder()?;
        self.step()?;
        if is_replaced {
            self.overwrite_and_remove(&old)?;
        }
        Ok(())
    }

    /// Overwrites a file and removes it. Durable on return; a missing file is no error.
    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        let path = self.folder.join(name);
        let old = with(&path, OLD);
        self.step()?;
        match fs::rename(&path, &old) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        self.sync_folder()?;
        self.step()?;
        self.overwrite_and_remove(&old)
    }

    fn overwrite_and_remove(&mut self, path: &Path) -> io::Result<()> {
        overwrite(path)?;
        self.step()?;
        fs::remove_file(path)?;
        self.sync_folder()
    }

    /// Does away with what a crash left: a new content that never got its name, an old one that lost it.
    fn recover(&self) -> io::Result<()> {
        for name in self.names()? {
            let path = self.folder.join(&name);
            if name.ends_with(NEW) {
                overwrite(&path)?;
                fs::remove_file(&path)?;
            } else if let Some(base) = name.strip_suffix(OLD) {
                // the crash came before the new content got the name: the old one is still in use under both
                let is_in_use = match fs::metadata(self.folder.join(base)) {
                    Ok(current) => current.ino() == fs::metadata(&path)?.ino(),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                    Err(error) => return Err(error),
                };
                if !is_in_use {
                    overwrite(&path)?;
                }
                fs::remove_file(&path)?;
            }
        }
        self.sync_folder()
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    #[cfg(not(test))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the machine stops here in tests only"
    )]
    fn step(&mut self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&mut self) -> io::Result<()> {
        match &mut self.crash.after {
            Some(0) => Err(io::Error::other("the machine stops")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    let zeros = [0; 4096];
    while left > 0 {
        let part = left.min(zeros.len() as u64);
        file.write_all(&zeros[..usize::try_from(part).unwrap_or(zeros.len())])?;
        left -= part;
    }
    file.sync_all()
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
    use super::*;
    use std::io::{Read as _, Seek as _};

    const STEPS_MAX: u32 = 16;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn content(file: &mut File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.rewind().expect("rewound");
        file.read_to_end(&mut bytes).expect("read");
        bytes
    }

    /// Wherever the machine stops: the old or the new content is there, whole; once the new one is, the next start leaves nothing of the old
    /// one; and there is nothing beside.
    #[test]
    fn a_replaced_content_is_overwritten_wherever_the_machine_stops() {
        let mut completed = false;
        for after in 0..STEPS_MAX {
            let folder = folder();
            let mut wiped = Wiped::open(folder.path()).expect("opened");
            wiped.replace("f", b"old secret").expect("written");
            let mut old = File::open(folder.path().join("f")).expect("there");
            wiped.crash.after = Some(after);

            let is_done = wiped.replace("f", b"new").is_ok();
            let wiped = Wiped::open(folder.path()).expect("opened");

            let now = wiped.read("f", 100).expect("read").expect("there");
            if now == b"new" {
                assert_eq!(content(&mut old), [0; 10], "after {after}");
            } else {
                assert_eq!(now, b"old secret", "after {after}");
                assert!(!is_done);
            }
            assert_eq!(wiped.names().expect("listed"), ["f"], "after {after}");
            completed |= is_done;
        }
        assert!(completed, "{STEPS_MAX} steps are enough");
    }

    #[test]
    fn a_removed_content_is_overwritten_wherever_the_machine_stops() {
        let mut completed = false;
        for after in 0..STEPS_MAX {
            let folder = folder();
            let mut wiped = Wiped::open(folder.path()).expect("opened");
            wiped.replace("f", b"old secret").expect("written");
            let mut old = File::open(folder.path().join("f")).expect("there");
            wiped.crash.after = Some(after);

            let is_done = wiped.remove("f").is_ok();
            let wiped = Wiped::open(folder.path()).expect("opened");

            match wiped.read("f", 100).expect("read") {
                None => assert_eq!(content(&mut old), [0; 10], "after {after}"),
                Some(content) => {
                    assert_eq!(content, b"old secret", "after {after}");
                    assert!(!is_done);
                }
            }
            assert!(wiped.names().expect("listed").len() <= 1, "after {after}");
            completed |= is_done;
        }
        assert!(completed, "{STEPS_MAX} steps are enough");
    }

    #[test]
    fn files_are_their_owners_alone() {
        let folder = folder();
        let mut wiped = Wiped::open(folder.path()).expect("opened");

        wiped.replace("f", b"one").expect("written");
        wiped.replace("f", b"two").expect("written");

        let mode = fs::metadata(folder.path().join("f")).expect("there").mode();
        assert_eq!(mode & 0o777, 0o600);
        wiped.remove("missing").expect("nothing to do");
    }
}
