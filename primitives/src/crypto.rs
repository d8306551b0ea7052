//! Cryptography: signatures, the encrypted envelope, key wrapping. Entropy is always passed in.

pub mod cipher;
pub mod exchange;
pub mod sign;
