//! Fixed-length byte strings: hexadecimal for people, raw bytes on the wire.

/// Defines the text, serde and debug forms of a newtype over `[u8; N]`.
///
/// Human-readable formats (TOML, JSON) carry lower-case hexadecimal; the canonical codec carries the raw
/// bytes without a length.
macro_rules! fixed_bytes {
    ($name:ident, $length:literal) => {
        impl $name {
            /// Length in bytes.
            pub const LENGTH: usize = $length;

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(self.0))
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::ids::ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::hexadecimal::parse::<$length>(text, stringify!($name)).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(&hex::encode(self.0))
                } else {
                    $crate::hexadecimal::serialize_raw(&self.0, serializer)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text =
                        <alloc::string::String as serde::Deserialize>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    $crate::hexadecimal::deserialize_raw(deserializer).map(Self)
                }
            }
        }
    };
}
pub(crate) use fixed_bytes;

use crate::ids::ParseIdError;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeTuple as _;

/// Reads exactly `N` bytes of lower- or upper-case hexadecimal.
pub(crate) fn parse<const N: usize>(
    text: &str,
    kind: &'static str,
) -> Result<[u8; N], ParseIdError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError {
        kind,
        digits: N.saturating_mul(2),
        found: text.chars().take(80).collect(),
    })?;
    Ok(bytes)
}

/// Writes `N` raw bytes without a length. Serde's own arrays end at 32.
pub(crate) fn serialize_raw<const N: usize, S: serde::Serializer>(
    bytes: &[u8; N],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut tuple = serializer.serialize_tuple(N)?;
    for byte in bytes {
        tuple.serialize_element(byte)?;
    }
    tuple.end()
}

/// Reads `N` raw bytes without a length.
pub(crate) fn deserialize_raw<'de, const N: usize, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    struct Raw<const N: usize>;
    impl<'de, const N: usize> Visitor<'de> for Raw<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            write!(f, "{N} bytes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            let mut bytes = [0; N];
            for byte in &mut bytes {
                *byte = sequence
                    .next_element()?
                    .ok_or_else(|| A::Error::custom("byte string is too short"))?;
            }
            Ok(bytes)
        }
    }
    deserializer.deserialize_tuple(N, Raw::<N>)
}
