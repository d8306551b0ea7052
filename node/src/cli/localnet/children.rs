//! Processes that end with this one, and the signal that ends it.

use super::LocalnetError;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A process that is stopped when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Process {
    pub(super) fn spawn(what: &str, command: &mut Command) -> Result<Self, LocalnetError> {
        let child = command.spawn().map_err(|source| LocalnetError::Spawn {
            what: what.to_owned(),
            source,
        })?;
        Ok(Self { child, ended: None })
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Asks it to end.
    pub(super) fn terminate(&mut self) {
        if self.ended().is_none() {
            // It may have ended since: nobody to ask.
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
    }

    /// Waits until it has ended, and ends it by force when `limit` has passed.
    pub(super) fn finish(&mut self, limit: Duration) {
        let started = Instant::now();
        while self.ended().is_none() {
            if started.elapsed() >= limit {
                let _ = self.child.kill();
                self.ended = self.child.wait().ok();
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.terminate();
        self.finish(STOP_LIMIT);
    }
}

/// What a process may take to stop by itself.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Whether somebody pressed Ctrl-C or sent SIGTERM.
#[derive(Clone, Debug)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes over both signals from their default, which would leave the children running.
    pub(super) fn listen() -> Result<Self, std::io::Error> {
        let flag = Arc::new(AtomicBool::new(false));
        let seen = flag.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let (mut interrupt, mut terminate) = {
            use tokio::signal::unix::{SignalKind, signal};
            let _context = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                });
                seen.store(true, Ordering::Release);
            })?;
        Ok(Self(flag))
    }

    /// # Errors
    /// [`LocalnetError::Interrupted`] if a signal came.
    pub(super) fn check(&self) -> Result<(), LocalnetError> {
        if self.0.load(Ordering::Acquire) {
            Err(LocalnetError::Interrupted)
        } else {
            Ok(())
        }
    }
}
