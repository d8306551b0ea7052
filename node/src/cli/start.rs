//! `salus start`: runs the node.

use super::{Failure, Outcome};
use crate::home::{Home, NodeFiles};
use crate::runtime::{self, Ended, RunError};
use crate::telemetry::log;
use clap::Args;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The node's home, as `salus init` made it.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Stops when the process that started this one ends.
    #[arg(long, hide = true)]
    with_parent: bool,
}

pub(super) fn run(arguments: Arguments) -> Outcome {
    if arguments.with_parent {
        stop_with_parent().map_err(Failure::failed)?;
    }
    let files = NodeFiles::read(Home::new(arguments.home))?;
    log::init(&files.config.log).map_err(Failure::usage)?;
    let addresses = files.config.api;
    for api in [Some(addresses.listen), addresses.clients]
        .into_iter()
        .flatten()
    {
        if !api.ip().is_loopback() {
            tracing::warn!(%api, "the API is open to the network, without transport security or a login");
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    let result = runtime.block_on(until_stopped(files));
    // What still hangs after a stop, such as an open connection, is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result.map(|()| ExitCode::SUCCESS)
}

/// Runs until SIGTERM or SIGINT, and then for at most [`STOP_LIMIT`]; a second signal ends it at once.
async fn until_stopped(files: NodeFiles) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
    let (stop, stopping) = watch::channel(false);
    let mut node = std::pin::pin!(run_through_rotations(files, stopping));
    tokio::select! {
        result = &mut node => return result,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // The receiver is gone only if the node has ended.
    let _ = stop.send(true);
    tokio::select! {
        result = &mut node => result,
        () = tokio::time::sleep(STOP_LIMIT) => {
            Err(Failure::failed(format!("the node did not stop within {STOP_LIMIT:?}")))
        }
        _ = terminate.recv() => Err(Failure::failed("stopped at once, by a second signal")),
        _ = interrupt.recv() => Err(Failure::failed("stopped at once, by a second signal")),
    }
}

/// Runs the node, and again whenever the chain rotates its keys to those that wait in its home.
async fn run_through_rotations(
    mut files: NodeFiles,
    stopping: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        let home = files.home.clone();
        let mut stopping = stopping.clone();
        let run = runtime::run(files, async move {
            // An error means that the sender is gone, and everything is ending.
            let _ = stopping.wait_for(|stop| *stop).await;
        });
        match run.await {
            Ok(Ended::Stopped) => return Ok(()),
            Ok(Ended::RunAnew) => {
                tracing::info!("the node goes on anew, with its keys and journal as they are now");
                tries = AGAIN_MAX;
            }
            Err(error) if tries > 0 && is_held(&error) => {
                tracing::warn!(%error, "the node cannot go on yet");
                tries -= 1;
                tokio::time::sleep(AGAIN_PAUSE).await;
            }
            Err(error) => return Err(Failure::failed(error)),
        }
        files = NodeFiles::read(home)?;
    }
}

/// Whether a start failed at something that the run before may still hold for a moment: ports, the store.
const fn is_held(error: &RunError) -> bool {
    matches!(
        error,
        RunError::Network(_) | RunError::Api { .. } | RunError::Store { .. }
    )
}

/// Asks the system for SIGTERM when the parent ends, however that happens.
fn stop_with_parent() -> Result<(), std::io::Error> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if getppid() == parent {
        Ok(())
    } else {
        Err(std::io::Error::other(
            "the process that started this one has ended already",
        ))
    }
}

/// How often a run after a change of keys is tried again.
const AGAIN_MAX: u32 = 20;
const AGAIN_PAUSE: Duration = Duration::from_millis(250);

/// A little less than the 10 s an operator may count on.
const STOP_LIMIT: Duration = Duration::from_millis(9_000);
