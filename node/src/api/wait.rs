//! Calls that wait for the chain.

use super::error::Refused;
use super::{Api, WAIT_MAX};
use crate::handle::{TransactionProgress, TransactionStatus};
use crate::telemetry::metrics::GaugeGuard;
use salus_primitives::ids::Height;
use salus_primitives::transaction::TxId;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

/// One call's turn to wait. There is a bounded number of these.
pub(super) struct Wait<'a> {
    api: &'a Api,
    deadline: Instant,
    _turn: Option<(SemaphorePermit<'a>, GaugeGuard)>,
}

impl<'a> Wait<'a> {
    /// A turn of at most `timeout_ms` milliseconds, and of at most [`WAIT_MAX`]. With nothing to wait for it is free.
    pub(super) fn begin(api: &'a Api, timeout_ms: u64) -> Result<Self, Refused> {
        let timeout = Duration::from_millis(timeout_ms).min(WAIT_MAX);
        let turn = if timeout.is_zero() {
            None
        } else {
            let permit = api
                .limits
                .waiters
                .try_acquire()
                .map_err(|_| Refused::busy())?;
            Some((permit, api.metrics.api_waiter()))
        };
        Ok(Self {
            api,
            deadline: Instant::now() + timeout,
            _turn: turn,
        })
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// What is known of a transaction once it is final, the time is over or the node stops.
    pub(super) async fn transaction(&self, id: &TxId) -> Result<TransactionStatus, Refused> {
        let left = self.left();
        if !left.is_zero() {
            let waited = tokio::select! {
                waited = self.api.node.wait_for_final(id, left) => Some(waited),
                () = self.stopped() => None,
            };
            if let Some(status) = waited {
                return status.map_err(|error| Refused::unreadable(&error));
            }
        }
        let (node, id) = (self.api.node.clone(), *id);
        self.api.read(move |_| node.transaction(&id)).await
    }

    /// How far a transaction has got once it is final, the time is over or the node stops.
    pub(super) async fn progress(&self, id: &TxId) -> Result<TransactionProgress, Refused> {
        let left = self.left();
        if !left.is_zero() {
            tokio::select! {
                waited = self.api.node.wait_for_final(id, left) => {
                    waited.map_err(|error| Refused::unreadable(&error))?;
                }
                () = self.stopped() => {}
            }
        }
        let (node, id) = (self.api.node.clone(), *id);
        self.api.read(move |_| node.progress(&id)).await
    }

    /// Waits until the whole committee of a transaction's block has attested it, the time is over or the node stops.
    pub(super) async fn attestation(&self, id: &TxId) {
        let left = self.left();
        if !left.is_zero() {
            tokio::select! {
                () = self.api.node.wait_for_attestation(id, left) => {}
                () = self.stopped() => {}
            }
        }
    }

    /// Waits until a height is final here. False if the time is over or the node stops.
    pub(super) async fn height(&self, height: Height) -> bool {
        let left = self.left();
        if left.is_zero() {
            return false;
        }
        tokio::select! {
            reached = self.api.node.wait_for_height(height, left) => reached,
            () = self.stopped() => false,
        }
    }

    async fn stopped(&self) {
        let mut stopping = self.api.stopping.clone();
        // a sender that is gone never stops anything
        if stopping.wait_for(|stopping| *stopping).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
