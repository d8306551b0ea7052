//! Proves that what verifies links no `std`.
//!
//! A program has one panic handler. `std` brings one, so if any dependency of `salus-primitives` linked `std`, with the feature `prove`
//! this library would have two, and the compiler would refuse it. `make bare` builds it alone, so that no other crate's features are
//! mixed in. A bare target would show the same, where one is installed.
#![no_std]

#[cfg(feature = "prove")]
mod machine {
    use core::alloc::{GlobalAlloc, Layout};

    /// As little of a machine as the compiler asks for. It never runs.
    struct NoMemory;

    // SAFETY: null is what an allocator answers that has no memory left, so there is nothing that could be freed.
    unsafe impl GlobalAlloc for NoMemory {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            core::ptr::null_mut()
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }

    #[global_allocator]
    static MEMORY: NoMemory = NoMemory;

    #[panic_handler]
    fn halt(_: &core::panic::PanicInfo<'_>) -> ! {
        loop {}
    }
}

/// Names the code that must be linked: a receipt, checked from its bytes and the anchor's.
#[must_use]
pub fn is_proven(anchor: &[u8], proof: &[u8]) -> bool {
    use salus_primitives::codec::decode;
    use salus_primitives::proof::{ANCHOR_MAX, GenesisAnchor, RECEIPT_PROOF_MAX, ReceiptProof};
    let Ok(anchor) = decode::<GenesisAnchor>(anchor, ANCHOR_MAX) else {
        return false;
    };
    let Ok(proof) = decode::<ReceiptProof>(proof, RECEIPT_PROOF_MAX) else {
        return false;
    };
    anchor.check().is_ok_and(|genesis| {
        let expected = proof.receipt.transaction;
        proof
            .verify(genesis, &anchor.first.validators, &expected)
            .is_ok()
    })
}
