//! The families: what each metric is called, what it means, and which series exist from the start.

use super::{Metrics, NetworkMetrics, ProcessMetrics};
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};
use salus_consensus::effect::NullifyCause;
use salus_contracts::error::StableError;
use salus_contracts::executor::ExecutorError;
use salus_contracts::native::identity::IdentityError;
use salus_contracts::native::records::RecordsError;
use salus_primitives::lane::Lane;
use std::sync::OnceLock;

impl Metrics {
    pub(super) fn register(registry: Registry) -> Result<Self, prometheus::Error> {
        let make = Maker(&registry);
        let info = make.gauges(
            "build_info",
            "The version of this program; always 1.",
            &["version", "commit"],
        )?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION"), COMMIT])
            .set(1);
        let view_changes = make.counters(
            "view_changes_total",
            "Views that this node gave up, by its reason; and under `quorum` those that a quorum nullified.",
            &["cause"],
        )?;
        for cause in NullifyCause::ALL {
            view_changes.with_label_values(&[cause.name()]);
        }
        view_changes.with_label_values(&[QUORUM]);
        let rejected = make.counters(
            "transactions_rejected_total",
            "Transactions not admitted. The lane is `none` where it could not be read.",
            &["lane", "reason"],
        )?;
        let rejection_reasons = rejection_reasons();
        for reason in rejection_reasons.iter().copied().chain([OTHER]) {
            for lane in Lane::ALL.map(Lane::name).into_iter().chain([NO_LANE]) {
                rejected.with_label_values(&[lane, reason]);
            }
        }
        let peer_faults = make.counters(
            "peer_faults_total",
            "What others did that an honest node does not do.",
            &["reason"],
        )?;
        for reason in PEER_FAULTS.into_iter().chain([OTHER]) {
            peer_faults.with_label_values(&[reason]);
        }
        let api_responses = make.counters(
            "api_responses_total",
            "Answers of the HTTP API by the class of their status.",
            &["class"],
        )?;
        for class in RESPONSE_CLASSES {
            api_responses.with_label_values(&[class]);
        }
        Ok(Self {
            head_height: make.gauge(
                "head_height",
                "The highest block this node knows, final or not.",
            )?,
            head_timestamp: make
                .seconds("head_timestamp_seconds", "The time in that block's header.")?,
            finalized_height: make.gauge("finalized_height", "The highest final block.")?,
            finalized_timestamp: make.seconds(
                "finalized_timestamp_seconds",
                "The time in the highest final block's header.",
            )?,
            view: make.gauge("view", "The view this node is in.")?,
            is_manager: make.gauge(
                "is_manager",
                "Whether this node is the block manager of its view.",
            )?,
            is_ready: make.gauge(
                "is_ready",
                "Whether this node takes part: `/readyz` answers 200.",
            )?,
            view_changes,
            peer_faults,
            blocks_final: make.counter_by_lane("blocks_final_total", "Final blocks.")?,
            block_interval: make.histogram(
                "block_interval_seconds",
                "Time from one final block to the next.",
                &[
                    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
                ],
            )?,
            block_transactions: make.histogram(
                "block_transactions",
                "Transactions in a final block.",
                &[
                    0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0,
                    5000.0,
                ],
            )?,
            mempool: make.gauge_by_lane(
                "mempool_transactions",
                "Transactions that wait for a block.",
            )?,
            received: make.counter_by_lane(
                "transactions_received_total",
                "Transactions received from clients and peers whose lane could be read.",
            )?,
            rejected,
            rejection_reasons,
            transactions_final: make.counter_by_lane(
                "transactions_final_total",
                "Transactions in final blocks, whatever their outcome.",
            )?,
            transactions_failed: make.counter_by_lane(
                "transactions_failed_total",
                "Transactions in final blocks whose call a contract refused.",
            )?,
            attested_latency: make.histogram_by_lane(
                "attested_latency_seconds",
                "Time from this node's first sight of a transaction to its block's whole committee having attested it.",
                LATENCY,
            )?,
            final_latency: make.histogram_by_lane(
                "final_latency_seconds",
                "Time from this node's first sight of a transaction to its finality.",
                LATENCY,
            )?,
            execution: make.histogram("execution_seconds", "Time to execute one block.", SHORT)?,
            journal_sync: make.histogram(
                "journal_sync_seconds",
                "Time until an entry of the vote journal is durable.",
                SHORT,
            )?,
            disk_free: make.gauge(
                "disk_free_bytes",
                "Room on the disk that holds store and journal.",
            )?,
            disk_full: make.gauge(
                "disk_full",
                "Whether that is too little to go on: the node votes and commits no more.",
            )?,
            api_responses,
            api_connections: make.gauge("api_connections", "Open connections to the HTTP API.")?,
            api_waiters: make.gauge(
                "api_waiters",
                "Calls of the HTTP API that wait for the chain.",
            )?,
            process: ProcessMetrics::register(&registry)?,
            network: NetworkMetrics::register(&registry)?,
            network_source: OnceLock::new(),
            registry,
        })
    }
}

/// Makes metrics and registers them.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn kept<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        collector: C,
    ) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.kept(IntGauge::new(name, help)?)
    }

    fn seconds(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.kept(Gauge::new(name, help)?)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.kept(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.kept(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        self.kept(Histogram::with_opts(
            HistogramOpts::new(name, help).buckets(buckets.to_vec()),
        )?)
    }

    fn gauge_by_lane(&self, name: &str, help: &str) -> Result<[IntGauge; 4], prometheus::Error> {
        let family = self.gauges(name, help, &["lane"])?;
        Ok(Lane::ALL.map(|lane| family.with_label_values(&[lane.name()])))
    }

    fn counter_by_lane(
        &self,
        name: &str,
        help: &str,
    ) -> Result<[IntCounter; 4], prometheus::Error> {
        let family = self.counters(name, help, &["lane"])?;
        Ok(Lane::ALL.map(|lane| family.with_label_values(&[lane.name()])))
    }

    fn histogram_by_lane(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<[Histogram; 4], prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let family = self.kept(HistogramVec::new(options, &["lane"])?)?;
        Ok(Lane::ALL.map(|lane| family.with_label_values(&[lane.name()])))
    }
}

/// Every reason not to admit a transaction, as in the API's error codes: the node's own and the contracts'.
fn rejection_reasons() -> Vec<&'static str> {
    fn names<E: StableError>() -> impl Iterator<Item = &'static str> {
        E::ALL.iter().map(|error| error.reason())
    }
    let mut reasons: Vec<_> = ADMISSION_REASONS.to_vec();
    reasons.extend(names::<ExecutorError>());
    reasons.extend(names::<IdentityError>());
    reasons.extend(names::<RecordsError>());
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

/// [`AdmitError::reason`](crate::handle::AdmitError::reason) without the contracts' reasons.
const ADMISSION_REASONS: [&str; 11] = [
    "too_large",
    "malformed",
    "wrong_chain",
    "expired",
    "window_too_far",
    "already_final",
    "already_pending",
    "bad_signature",
    "lane_full",
    "busy",
    "stopping",
];

pub(super) const PEER_FAULTS: [&str; 4] = [
    "malformed_frame",
    "invalid_message",
    "invalid_proposal",
    "equivocation",
];

pub(super) const PREFIX: &str = "salus";
/// Set by whoever builds a release.
pub(super) const COMMIT: &str = match option_env!("SALUS_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};
pub(super) const QUORUM: &str = "quorum";
pub(super) const NO_LANE: &str = "none";
pub(super) const OTHER: &str = "other";
const RESPONSE_CLASSES: [&str; 3] = ["success", "client_error", "server_error"];
/// From a millisecond to ten seconds.
const LATENCY: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];
/// From a tenth of a millisecond to ten seconds.
const SHORT: &[f64] = &[
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0,
];
