//! Which names and exchange keys may be registered.

use salus_primitives::crypto::exchange::ExchangePublic;

/// Longest name in bytes.
pub const NAME_MAX: usize = 64;

/// Whether an entity or a chain may have this name: 1 to 64 lower-case ASCII letters and digits, with `.`, `_` and `-` inside.
#[must_use]
pub fn name_is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.len() <= NAME_MAX
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes
            .iter()
            .all(|byte| alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether secrets can be wrapped for this key: its coordinate is canonical (below 2^255 - 19) and not of small
/// order, with which every shared secret would be zero.
#[must_use]
pub fn exchange_key_is_usable(key: &ExchangePublic) -> bool {
    let big_endian = |bytes: &[u8; 32]| {
        let mut bytes = *bytes;
        bytes.reverse();
        bytes
    };
    let canonical = big_endian(&key.0) < big_endian(&PRIME);
    canonical && !SMALL_ORDER.contains(&key.0)
}

/// 2^255 - 19, little-endian.
const PRIME: [u8; 32] = bytes(0xed, 0xff, 0x7f);

/// The canonical coordinates of small order on Curve25519 and its twist (RFC 7748, section 6.1; the list is Bernstein's).
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    bytes(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    bytes(0xec, 0xff, 0x7f),
];

const fn bytes(first: u8, inner: u8, last: u8) -> [u8; 32] {
    let [mut low, mut high] = [[inner; 16]; 2];
    low[0] = first;
    high[15] = last;
    let mut all = [0; 32];
    let (left, right) = all.split_at_mut(16);
    left.copy_from_slice(&low);
    right.copy_from_slice(&high);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use salus_primitives::crypto::exchange::ExchangeSecret;

    #[test]
    fn names_are_short_lower_case_identifiers() {
        for name in ["a", "hospital-1", "st.mary_7", &"x".repeat(64)] {
            assert!(name_is_valid(name), "{name}");
        }
        for name in [
            "",
            "Hospital",
            "a b",
            "-a",
            "a-",
            "ünit",
            "a\n",
            &"x".repeat(65),
        ] {
            assert!(!name_is_valid(name), "{name}");
        }
    }

    /// The oracle is the wrap itself: it fails exactly for keys whose shared secret is zero.
    #[test]
    fn small_order_keys_are_those_that_nothing_can_be_wrapped_for() {
        let mut entropy = ChaCha20Rng::seed_from_u64(1);
        for key in SMALL_ORDER {
            assert!(!exchange_key_is_usable(&ExchangePublic(key)));
            assert!(
                ExchangePublic(key).wrap(&[1], b"", &mut entropy).is_err(),
                "{key:x?}"
            );
        }
    }

    /// A second encoding of a key would be a second identity of it.
    #[test]
    fn coordinates_that_are_not_reduced_are_refused() {
        let mut high_bit = ExchangeSecret::from_bytes([3; 32]).public();
        assert!(exchange_key_is_usable(&high_bit));
        high_bit.0[31] |= 0x80;

        assert!(!exchange_key_is_usable(&high_bit));
        for first in 0xed..=0xff {
            assert!(!exchange_key_is_usable(&ExchangePublic(bytes(
                first, 0xff, 0x7f
            ))));
        }
    }

    proptest! {
        #[test]
        fn keys_of_random_secrets_are_usable(secret in any::<[u8; 32]>()) {
            prop_assert!(exchange_key_is_usable(&ExchangeSecret::from_bytes(secret).public()));
        }
    }
}
