//! What this node counts and measures, for Prometheus. `docs/metrics.md` has the table.
//!
//! Every series exists from the start, at zero: an alert on a counter that was never raised must not stay silent because the
//! counter is missing.

mod register;
#[cfg(test)]
pub(crate) mod tests;

use super::network::NetworkMetrics;
use super::process::ProcessMetrics;
use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder};
use register::{NO_LANE, OTHER, PEER_FAULTS, PREFIX, QUORUM};
use salus_consensus::effect::NullifyCause;
use salus_network::NetworkCounters;
use salus_primitives::ids::{Height, View};
use salus_primitives::lane::Lane;
use salus_primitives::time::Timestamp;
use std::fmt;
use std::sync::OnceLock;

/// All metrics of one node, in a registry of its own. Every method is cheap and may be called from any thread.
pub struct Metrics {
    registry: Registry,
    head_height: IntGauge,
    head_timestamp: Gauge,
    finalized_height: IntGauge,
    finalized_timestamp: Gauge,
    view: IntGauge,
    is_manager: IntGauge,
    is_ready: IntGauge,
    view_changes: IntCounterVec,
    peer_faults: IntCounterVec,
    blocks_final: [IntCounter; 4],
    block_interval: Histogram,
    block_transactions: Histogram,
    mempool: [IntGauge; 4],
    received: [IntCounter; 4],
    rejected: IntCounterVec,
    rejection_reasons: Vec<&'static str>,
    transactions_final: [IntCounter; 4],
    transactions_failed: [IntCounter; 4],
    attested_latency: [Histogram; 4],
    final_latency: [Histogram; 4],
    execution: Histogram,
    journal_sync: Histogram,
    disk_free: IntGauge,
    disk_full: IntGauge,
    api_responses: IntCounterVec,
    api_connections: IntGauge,
    api_waiters: IntGauge,
    process: ProcessMetrics,
    network: NetworkMetrics,
    network_source: OnceLock<NetworkSource>,
}

type NetworkSource = Box<dyn Fn() -> NetworkCounters + Send + Sync>;

impl Metrics {
    /// All metrics, at zero.
    ///
    /// # Panics
    /// If two metrics share a name: a bug, found by any test.
    #[must_use]
    pub fn new() -> Self {
        Self::register(Registry::new_custom(Some(PREFIX.to_owned()), None).expect("a valid prefix"))
            .expect("names are legal and used once")
    }

    /// Where the network's counters are taken from whenever metrics are read. Only the first source counts.
    pub fn watch_network(&self, source: impl Fn() -> NetworkCounters + Send + Sync + 'static) {
        let _ = self.network_source.set(Box::new(source));
    }

    /// The highest known block, final or not.
    pub fn head(&self, height: Height, time: Timestamp) {
        self.head_height.set(gauge_value(height.get()));
        self.head_timestamp.set(seconds(time));
    }

    /// A block became final. `interval_seconds` since the final block before it, if that was seen.
    pub fn final_block(
        &self,
        lane: Lane,
        transactions: usize,
        interval_seconds: Option<f64>,
        height: Height,
        time: Timestamp,
    ) {
        self.blocks_final[lane.index()].inc();
        self.block_transactions.observe(transactions as f64);
        if let Some(interval) = interval_seconds {
            self.block_interval.observe(interval);
        }
        self.finalized(height, time);
    }

    /// The highest final block, without counting it: at start.
    pub fn finalized(&self, height: Height, time: Timestamp) {
        self.finalized_height.set(gauge_value(height.get()));
        self.finalized_timestamp.set(seconds(time));
    }

    /// The view this node is in, and whether it is its block manager.
    pub fn view(&self, view: View, is_manager: bool) {
        self.view.set(gauge_value(view.get()));
        self.is_manager.set(is_manager.into());
    }

    /// Whether this node takes part.
    pub fn ready(&self, is_ready: bool) {
        self.is_ready.set(is_ready.into());
    }

    /// This node gave up a view for a reason of its own; `None` if a quorum nullified one.
    pub fn nullified(&self, cause: Option<NullifyCause>) {
        let cause = cause.map_or(QUORUM, NullifyCause::name);
        self.view_changes.with_label_values(&[cause]).inc();
    }

    /// Someone else did what an honest node does not do. A reason that is not known counts as `other`.
    pub fn peer_fault(&self, reason: &str) {
        let reason = known(&PEER_FAULTS, reason);
        self.peer_faults.with_label_values(&[reason]).inc();
    }

    /// Peers connected now. Not needed after [`Metrics::watch_network`].
    pub fn peers(&self, count: usize) {
        self.network.peers(count);
    }

    /// Transactions of one lane that wait.
    pub fn mempool(&self, lane: Lane, count: usize) {
        self.mempool[lane.index()].set(gauge_value(count as u64));
    }

    /// A transaction came in, whatever becomes of it.
    pub fn transaction_received(&self, lane: Lane) {
        self.received[lane.index()].inc();
    }

    /// A transaction was not admitted. A reason that is not known counts as `other`, so that the number of series stays what
    /// it is.
    pub fn transaction_rejected(&self, lane: Option<Lane>, reason: &str) {
        let lane = lane.map_or(NO_LANE, Lane::name);
        let reason = known(&self.rejection_reasons, reason);
        self.rejected.with_label_values(&[lane, reason]).inc();
    }

    /// The whole committee of a transaction's block has attested it, `seconds` after this node received it.
    pub fn transaction_attested(&self, lane: Lane, seconds: f64) {
        self.attested_latency[lane.index()].observe(seconds);
    }

    /// A transaction is final. `seconds` since this node received it, if it did before its block.
    pub fn transaction_final(&self, lane: Lane, seconds: Option<f64>) {
        self.transactions_final[lane.index()].inc();
        if let Some(seconds) = seconds {
            self.final_latency[lane.index()].observe(seconds);
        }
    }

    /// A final transaction's call was refused by its contract. Besides [`Metrics::transaction_final`].
    pub fn transaction_failed(&self, lane: Lane) {
        self.transactions_failed[lane.index()].inc();
    }

    /// How many transactions became final since this process started, in the order of [`Lane::ALL`].
    #[must_use]
    pub fn final_transactions(&self) -> [u64; 4] {
        self.transactions_final.each_ref().map(IntCounter::get)
    }

    /// A block was executed.
    pub fn execution_seconds(&self, seconds: f64) {
        self.execution.observe(seconds);
    }

    /// An entry of the vote journal became durable.
    pub fn journal_sync_seconds(&self, seconds: f64) {
        self.journal_sync.observe(seconds);
    }

    /// The room on the disk that holds store and journal, and whether it is too little to go on.
    pub fn disk(&self, free_bytes: u64, is_full: bool) {
        self.disk_free.set(gauge_value(free_bytes));
        self.disk_full.set(is_full.into());
    }

    /// The API answered with this HTTP status.
    pub fn api_response(&self, status: u16) {
        let class = match status {
            0..=399 => "success",
            400..=499 => "client_error",
            _ => "server_error",
        };
        self.api_responses.with_label_values(&[class]).inc();
    }

    /// An API connection was opened; it counts until the guard is dropped.
    #[must_use]
    pub fn api_connection(&self) -> GaugeGuard {
        GaugeGuard::new(&self.api_connections)
    }

    /// An API call waits for the chain until the guard is dropped.
    #[must_use]
    pub fn api_waiter(&self) -> GaugeGuard {
        GaugeGuard::new(&self.api_waiters)
    }

    /// Everything, in Prometheus's text format 0.0.4.
    ///
    /// # Panics
    /// Never: a family without series, the encoder's only complaint, is not registered.
    #[must_use]
    pub fn encode(&self) -> String {
        self.process.refresh();
        if let Some(source) = self.network_source.get() {
            self.network.set(&source());
        }
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("every family has a series")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Counts one in a gauge while it lives.
#[derive(Debug)]
pub struct GaugeGuard(IntGauge);

impl GaugeGuard {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn gauge_value(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millis() as f64 / 1e3
}

/// The name itself if it is a known one.
fn known(names: &[&'static str], name: &str) -> &'static str {
    names
        .iter()
        .copied()
        .find(|known| *known == name)
        .unwrap_or(OTHER)
}
