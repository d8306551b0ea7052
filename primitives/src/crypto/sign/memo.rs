//! Verdicts on signatures, remembered where a thread asks for it.
//!
//! For simulations: a whole cluster in one thread checks each signature once a node, and the answer is the same each time. It
//! is a function's value that is remembered, so nothing else changes. A node never asks for it.

use super::Claim;
use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    static VERDICTS: RefCell<Option<BTreeMap<Claim, bool>>> = const { RefCell::new(None) };
}

/// How many verdicts are remembered, about 200 bytes each; then all are forgotten.
const KEPT: usize = 1 << 16;

/// Runs something, with verdicts on signatures remembered in this thread until it ends, by a panic too.
pub fn remembering_verdicts<T>(run: impl FnOnce() -> T) -> T {
    struct Forget;
    impl Drop for Forget {
        fn drop(&mut self) {
            VERDICTS.with_borrow_mut(|verdicts| *verdicts = None);
        }
    }
    VERDICTS.with_borrow_mut(|verdicts| *verdicts = Some(BTreeMap::new()));
    let _forget = Forget;
    run()
}

/// Whether this thread remembers verdicts.
pub(super) fn is_on() -> bool {
    VERDICTS.with_borrow(Option::is_some)
}

/// The remembered verdict on a claim, or what `check` says, remembered if this thread does that.
pub(super) fn verdict(claim: &Claim, check: impl FnOnce() -> bool) -> bool {
    if !is_on() {
        return check();
    }
    let known = VERDICTS.with_borrow(|verdicts| verdicts.as_ref()?.get(claim).copied());
    known.unwrap_or_else(|| {
        let verdict = check();
        VERDICTS.with_borrow_mut(|verdicts| {
            if let Some(verdicts) = verdicts {
                if verdicts.len() >= KEPT {
                    verdicts.clear();
                }
                verdicts.insert(*claim, verdict);
            }
        });
        verdict
    })
}

#[cfg(test)]
mod tests {
    use super::super::{SecretKey, verify_batch};
    use super::*;
    use crate::namespace::Domain;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn claim(n: u8, is_good: bool) -> Claim {
        let signer = SecretKey::from_seed([n; 32]).signer();
        let message = Domain::BlockId.hash(&[&[n]]);
        let mut signature = signer.sign(&message);
        signature.0[3] ^= u8::from(!is_good);
        (signer.public(), message, signature)
    }

    /// Single or in a batch, for the first time or again, good or bad: the verdict is the one of a thread that forgets.
    #[test]
    fn remembered_verdicts_are_the_verdicts() {
        let claims: Vec<Claim> = (0..6).map(|n| claim(n, n % 3 > 0)).collect();
        let mut entropy = ChaCha20Rng::seed_from_u64(1);
        let expected = verify_batch(&claims, &mut entropy);

        let seen = remembering_verdicts(|| {
            let batch = verify_batch(&claims, &mut ChaCha20Rng::seed_from_u64(2));
            let again = claims
                .iter()
                .map(|(key, message, signature)| key.verifies(message, signature));
            [batch, again.collect()]
        });

        assert_eq!(seen, [expected.clone(), expected]);
    }

    #[test]
    fn nothing_is_remembered_before_or_after() {
        let good = claim(1, true);
        let lie = |check: bool| verdict(&good, || check);
        assert!(!lie(false) && lie(true));

        let ended = std::panic::catch_unwind(|| {
            remembering_verdicts(|| {
                assert!(lie(true) && lie(false), "the first one is remembered");
                panic!("the run ends");
            })
        });

        assert!(ended.is_err() && !is_on());
        assert!(!lie(false) && lie(true));
    }
}
