//! `Signed<T>` is a claim, `Verified<T>` is a checked one; only the check turns one into the other.

use crate::crypto::sign::{PublicKey, Signature, Signer, verify_batch};
use crate::hash::Digest;
use crate::ids::GenesisHash;
use crate::namespace::Domain;
use alloc::vec::Vec;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

/// What can be signed.
pub trait Signable {
    /// The signature's domain.
    const DOMAIN: Domain;

    /// Digest of the whole canonical body, computed in a domain of its own.
    fn content(&self) -> Digest;
}

/// A body with a signature that nobody has checked yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed<T> {
    /// What was signed.
    pub body: T,
    /// The claimed signature over domain, chain and body.
    pub signature: Signature,
}

/// The signature does not belong to this body, key and chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match the body under key {key}")]
pub struct BadSignature {
    /// The key it was checked under.
    pub key: PublicKey,
}

/// A signed body whose signature has been checked, with the digest of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    signed: Signed<T>,
    content: Digest,
}

/// The digest a signature is made over: bound to its use and its chain.
#[must_use]
pub fn signing_digest(domain: Domain, genesis: GenesisHash, content: &Digest) -> Digest {
    domain.hash(&[genesis.as_bytes(), content.as_bytes()])
}

impl<T: Signable> Signed<T> {
    /// Signs `body`; the result is verified by construction.
    #[must_use]
    pub fn sign(body: T, genesis: GenesisHash, signer: &Signer) -> Verified<T> {
        let content = body.content();
        let signature = signer.sign(&signing_digest(T::DOMAIN, genesis, &content));
        Verified {
            signed: Self { body, signature },
            content,
        }
    }

    /// Checks the signature under `key`.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(
        self,
        genesis: GenesisHash,
        key: &PublicKey,
    ) -> Result<Verified<T>, BadSignature> {
        let content = self.body.content();
        let digest = signing_digest(T::DOMAIN, genesis, &content);
        if key.verifies(&digest, &self.signature) {
            Ok(Verified {
                signed: self,
                content,
            })
        } else {
            Err(BadSignature { key: *key })
        }
    }

    /// Checks many signatures at once, each under the key that `key_of` names, in order.
    pub fn verify_all(
        items: Vec<Self>,
        genesis: GenesisHash,
        key_of: impl Fn(&T) -> PublicKey,
        entropy: &mut impl CryptoRng,
    ) -> Vec<Result<Verified<T>, BadSignature>> {
        let contents: Vec<Digest> = items.iter().map(|item| item.body.content()).collect();
        let claims: Vec<_> = items
            .iter()
            .zip(&contents)
            .map(|(item, content)| {
                let digest = signing_digest(T::DOMAIN, genesis, content);
                (key_of(&item.body), digest, item.signature)
            })
            .collect();
        let verdicts = verify_batch(&claims, entropy);
        items
            .into_iter()
            .zip(contents)
            .zip(claims.into_iter().zip(verdicts))
            .map(|((signed, content), ((key, _, _), valid))| {
                if valid {
                    Ok(Verified { signed, content })
                } else {
                    Err(BadSignature { key })
                }
            })
            .collect()
    }
}

impl<T> Verified<T> {
    /// What was signed.
    #[must_use]
    pub const fn body(&self) -> &T {
        &self.signed.body
    }

    /// The checked signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signed.signature
    }

    /// The digest of the body, see [`Signable::content`].
    #[must_use]
    pub const fn content(&self) -> &Digest {
        &self.content
    }

    /// The claim this was checked from.
    #[must_use]
    pub const fn signed(&self) -> &Signed<T> {
        &self.signed
    }

    /// Gives up the knowledge that it was checked, for sending it on.
    #[must_use]
    pub fn into_signed(self) -> Signed<T> {
        self.signed
    }
}
