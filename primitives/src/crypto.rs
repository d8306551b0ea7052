//! Cryptography: signatures, the encrypted envelope, key wrapping, what stands between a thief of a disk and the keys on it. Entropy is always
//! passed in.

pub mod cipher;
pub mod exchange;
pub mod sign;
pub mod strongbox;
