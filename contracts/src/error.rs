//! How a call can fail, and the numbers and names by which clients tell failures apart for good.

use crate::meter::LimitExceeded;
use salus_primitives::state::StateReadError;

/// A contract's reasons to refuse, each with a number and a name that never change: receipts carry the number, metrics and
/// answers the name.
pub trait StableError: Copy + core::error::Error + 'static {
    /// Every reason.
    const ALL: &'static [Self];

    /// The number on the wire.
    fn code(self) -> u16;

    /// The name, in snake case.
    fn reason(self) -> &'static str;
}

/// The name of a contract's reason, or `None` if it has no reason of that number.
#[must_use]
pub fn reason_of<E: StableError>(code: u16) -> Option<&'static str> {
    E::ALL
        .iter()
        .find(|error| error.code() == code)
        .map(|error| error.reason())
}

/// A contract that refuses nothing.
impl StableError for core::convert::Infallible {
    const ALL: &'static [Self] = &[];

    fn code(self) -> u16 {
        match self {}
    }

    fn reason(self) -> &'static str {
        match self {}
    }
}

/// Why a call ended early.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ContractError<E: StableError> {
    /// The contract refused; the receipt says why.
    #[error(transparent)]
    Refused(E),
    /// What the contract asked of its context was not given.
    #[error(transparent)]
    Halted(#[from] Halt),
}

impl<E: StableError> From<E> for ContractError<E> {
    fn from(error: E) -> Self {
        Self::Refused(error)
    }
}

/// Why a context gave nothing. A contract passes this on and never handles it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Halt {
    /// The call costs too much. It fails with a code of the executor.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The store failed. The whole block is abandoned: this must never become a receipt.
    #[error(transparent)]
    Unreadable(#[from] StateReadError),
}

/// Defines an enum of reasons with their codes, names and messages in one place.
macro_rules! stable_errors {
    (
        $(#[$doc:meta])*
        pub enum $name:ident {
            $( $(#[$variant_doc:meta])* $variant:ident = $code:literal, $reason:literal, $message:literal; )+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        pub enum $name {
            $( $(#[$variant_doc])* #[error($message)] $variant, )+
        }

        impl $crate::error::StableError for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn code(self) -> u16 {
                match self { $(Self::$variant => $code),+ }
            }

            fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason),+ }
            }
        }
    };
}
pub(crate) use stable_errors;
