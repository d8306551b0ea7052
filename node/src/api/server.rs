//! Connections: how many, how long, and how they end.

use super::connection::Bounded;
use super::{Api, Audience};
use crate::handle::NodeHandle;
use crate::telemetry::metrics::Metrics;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Why the API does not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Some calls were cut off, because their clients took too long.
    #[error("{connections} API connections were cut off at the stop")]
    CutOff {
        /// How many.
        connections: usize,
    },
}

/// Answers an audience on `listener` until `shutdown` completes. Then takes no more connections, answers who waits for the chain at
/// once, and gives calls under way a few seconds to end.
///
/// # Errors
/// [`ApiError::CutOff`] if that was not enough.
pub async fn serve(
    listener: TcpListener,
    audience: Audience,
    node: NodeHandle,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ApiError> {
    let (stop, stopping) = watch::channel(false);
    let router = Api::new(node, Arc::clone(&metrics), stopping).router(audience);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (place, stream) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let metrics = Arc::clone(&metrics);
        let connection = connection(stream, router.clone());
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            let _counted = metrics.api_connection();
            // a client that hangs up, stalls or sends no HTTP harms nobody
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an API connection ended early");
            }
        });
    }
    drop(listener);
    stop.send_replace(true);
    match tokio::time::timeout(STOP_TIME_MAX, graceful.shutdown()).await {
        Ok(()) => Ok(()),
        Err(_) => Err(ApiError::CutOff {
            connections: CONNECTIONS_MAX.saturating_sub(places.available_permits()),
        }),
    }
}

/// The next connection, once there is a place for it: until then it waits in the listener's backlog.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (OwnedSemaphorePermit, TcpStream) {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (place, stream),
            // the client was faster than we
            Err(error) if is_about_one_connection(&error) => {}
            // no file descriptors, or no memory: others may end soon
            Err(error) => {
                tracing::warn!(%error, "the API cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

type Connection = http1::Connection<TokioIo<Bounded<TcpStream>>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router) -> Connection {
    // answers are small, and long polls end at once
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "an API connection keeps its delay");
    }
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(
            TokioIo::new(Bounded::new(stream, WRITE_STALL_MAX)),
            TowerToHyperService::new(router),
        )
}

/// Connections at a time. As each carries one call at a time, this bounds calls too.
const CONNECTIONS_MAX: usize = 1024;
/// How long a connection may be idle, or take to send the head of a call.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a client may take nothing of an answer.
const WRITE_STALL_MAX: Duration = Duration::from_secs(15);
/// The largest head of a call; also what is buffered of a body.
const BUFFER_BYTES_MAX: usize = 32 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// What calls under way are given at the stop; a node stops within ten seconds.
const STOP_TIME_MAX: Duration = Duration::from_secs(3);
