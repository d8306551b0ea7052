//! Reading files that others wrote, with a bound: a device file or a wrong path must not fill the memory.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Most bytes of a text that a node or an operator's command reads whole: a genesis file of the most members takes a tenth.
pub(crate) const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The content of a file.
///
/// # Errors
/// When the disk refuses, or [`ErrorKind::FileTooLarge`] for a file of more than `limit` bytes, of which no more are read.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let problem = format!("longer than {limit} bytes");
        return Err(Error::new(ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// The content of a text file of at most [`TEXT_BYTES_MAX`] bytes.
///
/// # Errors
/// As [`read`], and [`ErrorKind::InvalidData`] for what is not UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path, TEXT_BYTES_MAX)?)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_as_long_as_the_limit_is_read_and_a_longer_one_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, [b'a'; 10]).expect("written");

        assert_eq!(read(&path, 10).expect("read"), [b'a'; 10]);
        let error = read(&path, 9).expect_err("too long");
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "longer than 9 bytes");
    }

    /// What has no end is no member's entry.
    #[test]
    fn a_file_without_an_end_is_refused() {
        let error = read_text(Path::new("/dev/zero")).expect_err("too long");

        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    }
}
