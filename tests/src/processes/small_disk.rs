//! A disk of a few megabytes for one node, which only root can make.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory with a bounded size; unmounted when dropped, also by a panic.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Moves a folder's content onto a disk of its own, mounted in its place.
    ///
    /// # Errors
    /// Why that cannot be done here, to be said when a test is skipped.
    pub fn under(folder: &Path, megabytes: u32) -> Result<Self, String> {
        let aside = folder.with_extension("aside");
        run(Command::new("cp").arg("-a").arg(folder).arg(&aside))?;
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={megabytes}m,mode=0700"))
            .arg("salus-test")
            .arg(folder))?;
        let disk = Self {
            folder: folder.to_owned(),
        };
        run(Command::new("cp")
            .arg("-a")
            .arg(aside.join("."))
            .arg(folder))?;
        Ok(disk)
    }

    /// Takes up room until so many bytes are left, or all of it.
    ///
    /// # Panics
    /// If the file cannot be made at all.
    pub fn fill(&self, leave_bytes: u64) {
        let disk = rustix::fs::statvfs(&self.folder).expect("a disk");
        let free = disk.f_bavail * disk.f_frsize;
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .expect("a file");
        let size = file.metadata().expect("a file").len();
        let more = free.saturating_sub(leave_bytes);
        // beaten by the node to the last bytes, it is as full as it was to be
        let _ = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), size, more);
    }

    /// Gives the room back.
    ///
    /// # Panics
    /// If the file cannot be removed.
    pub fn empty(&self) {
        std::fs::remove_file(self.filler()).expect("the filler");
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // lazily: a process of a failed test may still be there
        let _ = run(Command::new("umount").arg("-l").arg(&self.folder));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{command:?}: {said}"))
}
