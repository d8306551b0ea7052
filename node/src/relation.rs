//! The file of an entity's relation secret, from which the pseudonyms of its patients and practitioners derive.

use crate::keys::{KeysError, random, read_secret, write_secret};
use salus_primitives::relation::RelationSecret;
use std::path::Path;
use zeroize::Zeroizing;

/// Makes a new secret in a new file of mode 0600. Back it up: with it goes the way from a patient's file to the patient's pseudonym.
///
/// # Errors
/// [`KeysError::Exists`] rather than to overwrite; others.
pub fn write_new(path: &Path) -> Result<(), KeysError> {
    let secret = Zeroizing::new(hex::encode(random()?.as_slice()));
    let text = Zeroizing::new(format!("{HEAD}\n{}\n", *secret));
    write_secret(path, &text)
}

/// Reads what [`write_new`] wrote.
///
/// # Errors
/// [`KeysError`].
pub fn read(path: &Path) -> Result<RelationSecret, KeysError> {
    let text = read_secret(path)?;
    let malformed = |line, problem| KeysError::Malformed {
        path: path.into(),
        line,
        problem,
    };
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return Err(malformed(1, "this is no relation secret of this version"));
    }
    let mut secret = Zeroizing::new([0; 32]);
    let digits = lines.next().unwrap_or_default();
    hex::decode_to_slice(digits, secret.as_mut_slice())
        .map_err(|_| malformed(2, "a secret has 64 hexadecimal digits"))?;
    match lines.next() {
        None => Ok(RelationSecret(*secret)),
        Some(_) => Err(malformed(3, "nothing is expected behind the secret")),
    }
}

/// First line of the file.
const HEAD: &str = "salus relation 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_back_and_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("relation");

        write_new(&path).expect("written");

        let person = read(&path).expect("read").person("7");
        assert_eq!(read(&path).expect("read").person("7"), person);
        assert!(matches!(write_new(&path), Err(KeysError::Exists { .. })));
    }

    #[test]
    fn another_file_is_refused_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("relation");
        for (text, at) in [
            ("salus keys 1\n", 1),
            ("salus relation 1\n12\n", 2),
            (&format!("salus relation 1\n{}\nmore\n", "0".repeat(64)), 3),
        ] {
            let _ = std::fs::remove_file(&path);
            write_secret(&path, text).expect("written");

            assert!(
                matches!(read(&path), Err(KeysError::Malformed { line, .. }) if line == at),
                "{text}"
            );
        }
    }
}
