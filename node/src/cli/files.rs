//! Files that a command makes: new, whole, durable.

use super::Failure;
use crate::keys::sync_folder;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// Writes a new file. Whoever made what is there already may need it.
///
/// # Errors
/// A usage failure if there is anything at `path`, else a failure of the disk.
pub(super) fn write_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut file = std::fs::File::create_new(path).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => Failure::usage(format!(
            "{} exists already and is not overwritten; move it away, or name another",
            path.display()
        )),
        ErrorKind::NotFound => Failure::usage(format!(
            "cannot create {}: its folder does not exist",
            path.display()
        )),
        _ => Failure::failed(format!("cannot create {}: {source}", path.display())),
    })?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(path))
        .map_err(|source| Failure::failed(format!("cannot write {}: {source}", path.display())))
}

/// Makes a folder and those above it.
///
/// # Errors
/// A failure of the disk.
pub(super) fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path)
        .map_err(|source| Failure::failed(format!("cannot make {}: {source}", path.display())))
}
