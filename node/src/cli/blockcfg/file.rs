//! A problem's file: TOML or JSON, with the same names.
//!
//! Numbers are held as exact decimals. What a file says in up to 17 digits is what is held; a text in quotes may have up to 36.

use salus_contracts::native::blockcfg::solver::{
    Candidate, Decimal, DecimalError, Problem, Weights,
};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Why a file is no problem.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("cannot read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} has more than {BYTES_MAX} bytes", path.display())]
    TooLong { path: PathBuf },
    #[error("{} is no problem in TOML: {source}", path.display())]
    Toml {
        path: PathBuf,
        source: toml::de::Error,
    },
    #[error("{} is no problem in JSON: {source}", path.display())]
    Json {
        path: PathBuf,
        source: serde_json::Error,
    },
}

/// Longest file. The most verifiers take less.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Reads a problem. A file whose first character is a brace is JSON. What its numbers may be is checked by the solver.
pub(super) fn read(path: &Path) -> Result<Problem, FileError> {
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text));
    let path = path.to_path_buf();
    if let Err(source) = read {
        return Err(FileError::Read { path, source });
    }
    if text.len() as u64 > BYTES_MAX {
        return Err(FileError::TooLong { path });
    }
    let file: File = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|source| FileError::Json { path, source })?
    } else {
        toml::from_str(&text).map_err(|source| FileError::Toml { path, source })?
    };
    Ok(file.into())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    weights: FileWeights,
    verifiers: Vec<FileVerifier>,
    min_verifiers: Count,
    max_verifiers: Count,
    min_transactions: Count,
    max_transactions: Count,
    transaction_bits: Number,
    feedback_bits: Number,
    downlink_bps: Number,
    uplink_bps: Number,
    verification_work: Number,
    broadcast_seconds_per_bit: Number,
    security_scale: Number,
    security_exponent: Count,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWeights {
    alpha: Number,
    beta: Number,
    gamma: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileVerifier {
    capacity: Number,
    price: Number,
}

impl From<File> for Problem {
    fn from(file: File) -> Self {
        Self {
            weights: Weights {
                latency: file.weights.alpha.0,
                security: file.weights.beta.0,
                cost: file.weights.gamma.0,
            },
            verifiers: file
                .verifiers
                .into_iter()
                .map(|verifier| Candidate {
                    capacity: verifier.capacity.0,
                    price: verifier.price.0,
                })
                .collect(),
            min_verifiers: file.min_verifiers.0,
            max_verifiers: file.max_verifiers.0,
            min_transactions: file.min_transactions.0,
            max_transactions: file.max_transactions.0,
            transaction_bits: file.transaction_bits.0,
            feedback_bits: file.feedback_bits.0,
            downlink_bps: file.downlink_bps.0,
            uplink_bps: file.uplink_bps.0,
            verification_work: file.verification_work.0,
            broadcast_seconds_per_bit: file.broadcast_seconds_per_bit.0,
            security_scale: file.security_scale.0,
            security_exponent: file.security_exponent.0,
        }
    }
}

/// A number of 0 or more, written as a number or as a text.
#[derive(Debug)]
struct Number(Decimal);

/// A whole number of 0 or more, however it is written: `100`, `100.0`, `1e2`.
#[derive(Debug)]
struct Count(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_any(NumberVisitor)?;
        number
            .to_whole()
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("{number} is no whole number up to 2^64 - 1")))
    }
}

struct NumberVisitor;

impl NumberVisitor {
    fn parse<E: de::Error>(text: &str) -> Result<Decimal, E> {
        text.parse().map_err(|error: DecimalError| E::custom(error))
    }
}

impl Visitor<'_> for NumberVisitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of 0 or more")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
        Ok(Decimal::whole(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
        Self::parse(&number.to_string())
    }

    /// The shortest decimal that denotes the double, which is the one in the file, if that has up to 17 digits.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
        Self::parse(&format!("{number:e}"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
        min_verifiers = 1
        max_verifiers = 2.0
        min_transactions = 1
        max_transactions = 1e3
        transaction_bits = 0.1
        feedback_bits = 0
        downlink_bps = 1.2e6
        uplink_bps = "1.3e6"
        verification_work = 1
        broadcast_seconds_per_bit = 1e-9
        security_scale = 1
        security_exponent = 2
        weights = { alpha = 0.8, beta = 0.1, gamma = 0.1 }
        verifiers = [{ capacity = 2, price = 0.5 }, { capacity = 1, price = 0.25 }]
    "#;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("problem");
        std::fs::write(&path, text).expect("written");
        (folder, path)
    }

    fn read_text(text: &str) -> Result<Problem, FileError> {
        let (_folder, path) = file(text);
        read(&path)
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let toml: toml::Value = toml::from_str(TOML).expect("TOML");
        let json = serde_json::to_string(&toml).expect("JSON");

        let problem = read_text(TOML).expect("a problem");

        assert_eq!(read_text(&json).expect("a problem"), problem);
        assert_eq!(problem.transaction_bits, "0.1".parse().expect("a number"));
        assert_eq!((problem.max_verifiers, problem.max_transactions), (2, 1000));
        assert!(problem.check().is_ok());
    }

    /// The message names the place and what is wrong.
    #[test]
    fn what_is_no_problem_is_refused() {
        for (from, to, says) in [
            ("feedback_bits = 0", "feedback_bits = -1", "negative"),
            ("feedback_bits = 0", "feedback_bits = nan", "no number"),
            ("feedback_bits = 0", "feedback_bits = inf", "no number"),
            ("feedback_bits = 0", "feedback_bits = 1e300", "1e64"),
            ("feedback_bits = 0", "feedback_bits = true", "a number"),
            ("feedback_bits = 0", "", "feedback_bits"),
            ("feedback_bits = 0", "feedback_bits = 0\nfoo = 1", "foo"),
            ("max_transactions = 1e3", "max_transactions = 1.5", "whole"),
        ] {
            let error = read_text(&TOML.replace(from, to)).expect_err(to);

            assert!(error.to_string().contains(says), "{error}");
        }
        assert!(matches!(read_text("{"), Err(FileError::Json { .. })));
        let long = " ".repeat(BYTES_MAX as usize + 1);
        assert!(matches!(read_text(&long), Err(FileError::TooLong { .. })));
    }
}
