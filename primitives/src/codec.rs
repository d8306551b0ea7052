//! The canonical encoding: one value, one byte string.
//!
//! Fixed-width little-endian integers, lengths as `u64`, enum tags as `u32`. [`decode`] refuses trailing
//! bytes, input above the caller's limit, and any input that does not encode back to itself, because
//! an id is a hash of these bytes: a second encoding of one value would be a second id. Floats and maps are not used
//! on the wire, and no list whose elements have no bytes: its claimed length would be work without input. This is the only module that names bincode (RUSTSEC-2025-0141, see `deny.toml`).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

/// Upper bound on any decode, whatever limit the caller names: what bincode may claim for one value.
pub const LIMIT_MAX: usize = 64 * 1024 * 1024;
/// What a claimed length may make the decoder reserve before the bytes are there, for input up to this size. Serde
/// reserves at most as much for a list.
const SMALL: usize = 1024 * 1024;

/// Why bytes are not the canonical encoding of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Longer than the caller allows; nothing was read.
    #[error("{length} bytes exceed the limit of {limit}")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes end too early, carry an unknown tag, or break a rule of the type.
    #[error("malformed encoding: {reason}")]
    Malformed {
        /// What the decoder found.
        reason: String,
    },
    /// A valid value is followed by more bytes.
    #[error("{extra} bytes follow the value")]
    TrailingBytes {
        /// How many bytes follow.
        extra: usize,
    },
    /// The value has another, canonical encoding.
    #[error("the encoding is not canonical")]
    NotCanonical,
}

/// Encodes a value in its only form.
///
/// # Panics
/// Only where a type cannot be encoded at all (an unsized sequence): a bug in the type, found by its golden vector.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, config::<LIMIT_MAX>())
        .expect("wire types have known lengths and no failing serializers")
}

/// Decodes a value of at most `limit` bytes.
///
/// # Errors
/// [`CodecError`] for anything but the canonical encoding of a `T`. Beside what the input itself holds, a claimed
/// length reserves at most 1 MiB for each list it is nested in; input over 1 MiB may reserve [`LIMIT_MAX`] for a string.
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, CodecError> {
    let limit = limit.min(LIMIT_MAX);
    if bytes.len() > limit {
        return Err(CodecError::TooLong {
            length: bytes.len(),
            limit,
        });
    }
    // bincode reserves what a string claims to be long, up to its limit, and its limit is a constant
    let decoded = if bytes.len() <= SMALL {
        bincode::serde::borrow_decode_from_slice(bytes, config::<SMALL>())
    } else {
        bincode::serde::borrow_decode_from_slice(bytes, config::<LIMIT_MAX>())
    };
    let (value, used): (T, usize) = decoded.map_err(|error| CodecError::Malformed {
        reason: reason(error),
    })?;
    if used != bytes.len() {
        return Err(CodecError::TrailingBytes {
            extra: bytes.len().saturating_sub(used),
        });
    }
    if encode(&value) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// In words of our own: bincode prints its variants' names.
fn reason(error: bincode::error::DecodeError) -> String {
    use bincode::error::DecodeError as Error;
    match error {
        Error::UnexpectedEnd { additional } => {
            format!("it ends {additional} bytes too early, or claims a length that is not there")
        }
        Error::LimitExceeded => "it claims a length beyond the limit".to_owned(),
        Error::UnexpectedVariant { found, .. } => format!("there is no variant {found}"),
        Error::Utf8 { .. } => "a text is not UTF-8".to_owned(),
        Error::InvalidBooleanValue(found) => format!("{found} is no boolean"),
        // a type's own rule, in the type's words
        Error::OtherString(rule) => rule,
        Error::Other(rule) => rule.to_owned(),
        other => other.to_string(),
    }
}

fn config<const LIMIT: usize>() -> impl bincode::config::Config {
    bincode::config::standard()
        .with_little_endian()
        .with_fixed_int_encoding()
        .with_limit::<LIMIT>()
}

/// A byte string of variable length, encoded as one run rather than element by element.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(pub Vec<u8>);

impl Blob {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl core::fmt::Debug for Blob {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&hex::encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Blob;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a byte string")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }

            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(bytes))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Blob, E> {
                hex::decode(text).map(Blob).map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Bytes)
        } else {
            deserializer.deserialize_bytes(Bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Empty,
        Full {
            count: u64,
            flag: bool,
            note: Option<u16>,
            body: Blob,
            list: Vec<u32>,
        },
    }

    fn full() -> Shape {
        Shape::Full {
            count: 7,
            flag: true,
            note: Some(3),
            body: Blob(vec![1, 2, 3]),
            list: vec![9, 10],
        }
    }

    /// Integers have one width: the short forms that variable-length integers admit do not decode.
    #[test]
    fn integers_have_one_width() {
        assert_eq!(encode(&7u64), [7, 0, 0, 0, 0, 0, 0, 0]);
        assert!(matches!(
            decode::<u64>(&[7], 64),
            Err(CodecError::Malformed { .. })
        ));
        assert!(matches!(
            decode::<u64>(&[251, 7, 0], 64),
            Err(CodecError::Malformed { .. })
        ));
    }

    /// Bytes behind a value would be a second encoding of it.
    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&full());
        bytes.push(0);

        assert_eq!(
            decode::<Shape>(&bytes, 1024),
            Err(CodecError::TrailingBytes { extra: 1 })
        );
    }

    /// A list that repeats or reorders what a map would hold is another value, because no map is on the wire; a type
    /// that normalises on decode is caught by encoding again.
    #[test]
    fn a_value_that_does_not_encode_back_is_refused() {
        #[derive(Debug, PartialEq, Serialize)]
        struct Sorted(Vec<u8>);
        impl<'de> Deserialize<'de> for Sorted {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut inner = Vec::<u8>::deserialize(deserializer)?;
                inner.sort_unstable();
                Ok(Self(inner))
            }
        }

        assert_eq!(
            decode::<Sorted>(&encode(&vec![1u8, 2]), 64),
            Ok(Sorted(vec![1, 2]))
        );
        assert_eq!(
            decode::<Sorted>(&encode(&vec![2u8, 1]), 64),
            Err(CodecError::NotCanonical)
        );
    }

    /// A claimed length far beyond the input neither allocates nor aborts.
    #[test]
    fn a_claimed_length_beyond_the_input_is_refused() {
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes.extend([0; 8]);

        assert!(decode::<Blob>(&bytes, 1024).is_err());
        assert!(decode::<Vec<u64>>(&bytes, 1024).is_err());
        assert!(decode::<String>(&bytes, 1024).is_err());
    }

    /// A short input cannot make the decoder reserve more than [`SMALL`] for a string: it stops at the claim, not at the
    /// end of the input.
    #[test]
    fn a_string_of_a_small_input_reserves_little() {
        let claim = |length: usize| {
            let mut bytes = (length as u64).to_le_bytes().to_vec();
            bytes.extend(b"salus");
            match decode::<String>(&bytes, LIMIT_MAX) {
                Err(CodecError::Malformed { reason }) => reason,
                other => panic!("{other:?}"),
            }
        };

        assert!(claim(6).contains("bytes too early"));
        assert!(claim(2 * SMALL).contains("beyond the limit"));
    }

    #[test]
    fn values_on_both_sides_of_the_small_size_decode() {
        for length in [SMALL - 8, SMALL - 7, 3 * SMALL] {
            let text = "s".repeat(length);

            let decoded = decode::<String>(&encode(&text), LIMIT_MAX);

            assert!(decoded.is_ok_and(|decoded| decoded == text), "{length}");
        }
    }

    /// What the decoder calls its own errors is nothing to a reader.
    #[test]
    fn a_malformed_encoding_is_described_in_words() {
        #[derive(Debug, Serialize, Deserialize)]
        enum Two {
            One,
            Other(bool),
        }
        #[derive(Debug, Serialize)]
        struct Even(u8);
        impl<'de> Deserialize<'de> for Even {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = u8::deserialize(deserializer)?;
                match number % 2 {
                    0 => Ok(Self(number)),
                    _ => Err(serde::de::Error::custom("an even number is wanted")),
                }
            }
        }
        fn said<T: Serialize + DeserializeOwned + core::fmt::Debug>(bytes: &[u8]) -> String {
            decode::<T>(bytes, 64).expect_err("malformed").to_string()
        }

        let texts = [
            said::<Even>(&[3]),
            said::<Two>(&[2, 0, 0, 0]),
            said::<Two>(&[1, 0, 0, 0, 7]),
            said::<u64>(&[1, 2]),
            said::<String>(&encode(&Blob(vec![0xff, 0xfe]))),
            said::<Option<u8>>(&[2, 1]),
        ];

        assert_eq!(texts[0], "malformed encoding: an even number is wanted");
        for text in texts {
            let reason = text
                .strip_prefix("malformed encoding: ")
                .expect("malformed");
            let has_camels = reason
                .as_bytes()
                .windows(2)
                .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
            assert!(!has_camels && !reason.contains('"'), "{text}");
        }
    }

    /// Lists in lists that claim the most at every level end with an error, not with an abort.
    #[test]
    fn nested_claims_are_refused() {
        let bytes: Vec<u8> = std::iter::repeat_n(u64::MAX.to_le_bytes(), 16)
            .flatten()
            .collect();

        assert!(decode::<Vec<Vec<Vec<Vec<u64>>>>>(&bytes, 1024).is_err());
        assert!(decode::<Vec<Vec<Blob>>>(&bytes, 1024).is_err());
        assert!(decode::<Vec<Option<String>>>(&bytes, 1024).is_err());
    }

    /// Text has one form: bytes that are no UTF-8 are refused, surrogates too.
    #[test]
    fn text_is_valid_utf8_or_refused() {
        for text in [[0xff, 0xfe, 0xfd], [0xed, 0xa0, 0x80], [0xc0, 0x80, 0x00]] {
            assert!(decode::<String>(&encode(&Blob(text.to_vec())), 64).is_err());
        }
    }

    /// Booleans and options have exactly two tags.
    #[test]
    fn other_tags_of_bool_option_and_enum_are_refused() {
        assert!(decode::<bool>(&[2], 8).is_err());
        assert!(decode::<Option<u8>>(&[2, 1], 8).is_err());
        assert!(decode::<Shape>(&[9, 0, 0, 0], 8).is_err());
    }

    #[test]
    fn input_over_the_limit_is_refused_before_reading() {
        assert_eq!(
            decode::<u64>(&[0; 9], 8),
            Err(CodecError::TooLong {
                length: 9,
                limit: 8
            })
        );
    }

    proptest! {
        /// Whatever decodes, encodes back to the same bytes; whatever does not, fails without a panic.
        #[test]
        fn arbitrary_bytes_decode_canonically_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = decode::<Shape>(&bytes, 1024) {
                prop_assert_eq!(encode(&value), bytes);
            }
        }

        #[test]
        fn every_single_bit_change_fails_or_gives_another_value(bit in 0usize..400) {
            let mut bytes = encode(&full());
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(decode::<Shape>(&bytes, 1024), Ok(full()));
        }
    }
}
