//! Simplex with block-manager terms, as a state machine without I/O.
//!
//! Model: total weight W, `f = (W-1)/3` rounded down, quorum `Q = W - f`. Views count from 1 within an epoch; `tenure`
//! consecutive views form a term with one block manager. A vote signs (genesis, epoch, view, kind, block).
//!
//! 1. **Enter** view v with a notarisation of v-1, or the first view of a term with a nullification in the term before;
//!    always forward. Timers run only while there is something to do.
//! 2. **Propose** on the block of v-1, or, at the start of a term, on the highest notarised block such that nullifications
//!    cover every view between.
//! 3. **Notarise** the first valid proposal of a view; never two in a view, never after nullify in it.
//! 4. **Q notarise votes** are a notarisation: broadcast it, enter v+1, vote finalise unless rule 6 forbids.
//! 5. **Nullify** on a timer, on an invalid or equivocating manager, and when finality lags; Q of them cover the view and all
//!    later ones of its term.
//! 6. **The one exclusion**: nullify(v) and finalise(u), u >= v in one term, are never both signed by one validator.
//! 7. **Q finalise votes** make a block and its ancestors final, however late they come.
//! 8. **Persist, then send.** After a restart what was sent is sent again, and nothing that contradicts it.
//! 9. **Resend** votes and entry certificate every delta until the view is left; help peers that are behind.
//! 10. **Catch up** by ranges of final blocks (the ranges are the node's; the engine takes their blocks and certificate).
//! 11. **Divergence**: if a quorum notarises roots that are not this node's own, stop.
//!
//! An engine is of one epoch: when the epoch's last block is final it is finished, and the node begins the next.
//!
//! `docs/protocol.md` holds the same rules at length; each transition in [`engine`] cites its number.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub mod clock;
pub mod config;

pub mod schedule;

pub mod message;
pub mod proposal;
pub mod vote;

pub mod tally;
pub mod view;
pub mod witness;

pub mod effect;
pub mod engine;
pub mod input;
pub mod journal;
