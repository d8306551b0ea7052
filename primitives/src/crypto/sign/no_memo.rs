//! Where there are no threads to remember for, every signature is checked anew.

use super::Claim;

/// Nothing is remembered.
pub(super) fn is_on() -> bool {
    false
}

/// What `check` says.
pub(super) fn verdict(_: &Claim, check: impl FnOnce() -> bool) -> bool {
    check()
}
