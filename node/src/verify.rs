//! Signature checks of transactions, in batches: `Signed` in, `Verified` out. Pure; the runtime decides where it runs.

use rand_core::CryptoRng;
use salus_primitives::ids::GenesisHash;
use salus_primitives::signed::{BadSignature, Signed};
use salus_primitives::transaction::{SignedTransaction, VerifiedTransaction};

/// Checks the senders' signatures for `genesis`, in order.
pub fn verify_transactions(
    transactions: Vec<SignedTransaction>,
    genesis: GenesisHash,
    entropy: &mut impl CryptoRng,
) -> Vec<Result<VerifiedTransaction, BadSignature>> {
    Signed::verify_all(transactions, genesis, |body| body.sender, entropy)
}
