//! The end of a command whose reader has gone, as in `salus members | head -1`.
//!
//! `println!` panics there, because the signal that ends other programs is ignored in this one: a connection that breaks must not end it. The
//! panic is kept, since what it unwinds ends other processes and removes files; only its message and its exit code are replaced.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a shell shows of a program that ended because nobody reads its output: 128 and SIGPIPE's number.
const READER_GONE: u8 = 141;

/// Runs a command, which ends without a word when nobody reads its output any more.
pub(super) fn when_the_reader_is_gone(command: impl FnOnce() -> ExitCode) -> ExitCode {
    static IS_GONE: AtomicBool = AtomicBool::new(false);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if is_broken_pipe(info) {
            IS_GONE.store(true, Ordering::Relaxed);
        } else {
            before(info);
        }
    }));
    panic::catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|cause| {
        if IS_GONE.load(Ordering::Relaxed) {
            ExitCode::from(READER_GONE)
        } else {
            panic::resume_unwind(cause)
        }
    })
}

fn is_broken_pipe(info: &PanicHookInfo<'_>) -> bool {
    info.payload_as_str().is_some_and(|message| {
        message.starts_with("failed printing to stdout") && message.contains("Broken pipe")
    })
}
