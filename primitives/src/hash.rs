//! BLAKE3 digests, one domain per use.

use crate::hexadecimal::fixed_bytes;
use crate::namespace::Domain;

/// A 32-byte BLAKE3 digest.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

fixed_bytes!(Digest, 32);

impl Domain {
    /// Hashes the concatenation of `parts`. All but the last part must have fixed lengths, else two lists of
    /// parts could give one digest.
    #[must_use]
    pub fn hash(self, parts: &[&[u8]]) -> Digest {
        let mut hasher = self.hasher();
        for part in parts {
            hasher.update(part);
        }
        Digest(hasher.finalize().into())
    }

    /// An incremental hasher of this domain.
    #[must_use]
    pub fn hasher(self) -> blake3::Hasher {
        blake3::Hasher::new_derive_key(self.context())
    }

    /// A pseudo-random function of `key` in this domain: `BLAKE3-derive(context, key ‖ parts)`.
    #[must_use]
    pub fn keyed(self, key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = self.hasher();
        hasher.update(key);
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_its_domain() {
        assert_ne!(
            Domain::BlockId.hash(&[b"salus"]),
            Domain::TransactionId.hash(&[b"salus"])
        );
    }

    #[test]
    fn text_form_is_lower_case_hexadecimal_and_parses_back() {
        let digest = Domain::BlockId.hash(&[b"x"]);

        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("abc".parse::<Digest>().is_err());
    }
}
