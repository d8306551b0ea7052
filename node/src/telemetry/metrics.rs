//! What this node counts and measures, for Prometheus. `docs/metrics.md` has the table.
//!
//! Every series exists from the start, at zero: an alert on a counter that was never raised must not stay silent because the
//! counter is missing.

use super::network::NetworkMetrics;
use super::process::ProcessMetrics;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use salus_consensus::effect::NullifyCause;
use salus_contracts::error::StableError;
use salus_contracts::executor::ExecutorError;
use salus_contracts::native::identity::IdentityError;
use salus_contracts::native::records::RecordsError;
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
    final_latency: [Histogram; 4],
    execution: Histogram,
    journal_sync: Histogram,
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

    fn register(registry: Registry) -> Result<Self, prometheus::Error> {
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
            final_latency: make.histogram_by_lane(
                "final_latency_seconds",
                "Time from this node's first sight of a transaction to its finality.",
                &[
                    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
                ],
            )?,
            execution: make.histogram("execution_seconds", "Time to execute one block.", SHORT)?,
            journal_sync: make.histogram(
                "journal_sync_seconds",
                "Time until an entry of the vote journal is durable.",
                SHORT,
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

const PEER_FAULTS: [&str; 4] = [
    "malformed_frame",
    "invalid_message",
    "invalid_proposal",
    "equivocation",
];

const PREFIX: &str = "salus";
/// Set by whoever builds a release.
const COMMIT: &str = match option_env!("SALUS_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};
const QUORUM: &str = "quorum";
const NO_LANE: &str = "none";
const OTHER: &str = "other";
const RESPONSE_CLASSES: [&str; 3] = ["success", "client_error", "server_error"];
/// From a tenth of a millisecond to ten seconds.
const SHORT: &[f64] = &[
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0,
];

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// The value of one series.
    fn value(text: &str, series: &str) -> f64 {
        text.lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("no series {series} in\n{text}"))
            .parse()
            .expect("a number")
    }

    #[test]
    fn every_series_exists_from_the_start_at_zero() {
        let text = Metrics::new().encode();

        for lane in Lane::ALL {
            for name in [
                "mempool_transactions",
                "transactions_received_total",
                "transactions_final_total",
                "transactions_failed_total",
                "final_latency_seconds_count",
                "blocks_final_total",
            ] {
                assert_eq!(
                    value(&text, &format!("salus_{name}{{lane=\"{lane}\"}}")),
                    0.0
                );
            }
            for reason in [
                "malformed",
                "bad_signature",
                "already_final",
                "unknown_sender",
            ] {
                let series = format!(
                    "salus_transactions_rejected_total{{lane=\"{lane}\",reason=\"{reason}\"}}"
                );
                assert_eq!(value(&text, &series), 0.0);
            }
        }
        for cause in NullifyCause::ALL {
            let series = format!("salus_view_changes_total{{cause=\"{}\"}}", cause.name());
            assert_eq!(value(&text, &series), 0.0);
        }
        for series in [
            "salus_head_height",
            "salus_head_timestamp_seconds",
            "salus_finalized_height",
            "salus_view",
            "salus_is_manager",
            "salus_peers",
            "salus_block_interval_seconds_count",
            "salus_execution_seconds_count",
            "salus_journal_sync_seconds_count",
            "salus_network_connections_refused_total{reason=\"stranger\"}",
            "salus_network_bytes_total{channel=\"consensus\",direction=\"sent\"}",
        ] {
            assert_eq!(value(&text, series), 0.0, "{series}");
        }
        let build = format!(
            "salus_build_info{{commit=\"{COMMIT}\",version=\"{}\"}}",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(value(&text, &build), 1.0);
    }

    #[test]
    fn what_happens_is_counted_under_its_lane_and_reason() {
        let metrics = Metrics::new();
        metrics.transaction_received(Lane::Emergency);
        metrics.transaction_rejected(Some(Lane::Routine), "lane_full");
        metrics.transaction_rejected(None, "malformed");
        metrics.transaction_final(Lane::Emergency, Some(0.004));
        metrics.transaction_final(Lane::Emergency, None);
        metrics.nullified(Some(NullifyCause::NoProposal));
        metrics.nullified(None);
        metrics.final_block(
            Lane::Emergency,
            2,
            Some(0.3),
            Height::new(9),
            Timestamp::from_millis(1_500),
        );
        metrics.peer_fault("equivocation");

        let text = metrics.encode();

        assert_eq!(metrics.final_transactions(), [2, 0, 0, 0]);
        for (series, expected) in [
            ("transactions_received_total{lane=\"emergency\"}", 1.0),
            (
                "transactions_rejected_total{lane=\"routine\",reason=\"lane_full\"}",
                1.0,
            ),
            (
                "transactions_rejected_total{lane=\"none\",reason=\"malformed\"}",
                1.0,
            ),
            ("transactions_final_total{lane=\"emergency\"}", 2.0),
            ("final_latency_seconds_count{lane=\"emergency\"}", 1.0),
            (
                "final_latency_seconds_bucket{lane=\"emergency\",le=\"0.005\"}",
                1.0,
            ),
            ("view_changes_total{cause=\"no_proposal\"}", 1.0),
            ("view_changes_total{cause=\"quorum\"}", 1.0),
            ("peer_faults_total{reason=\"equivocation\"}", 1.0),
            ("finalized_height", 9.0),
            ("finalized_timestamp_seconds", 1.5),
        ] {
            assert_eq!(
                value(&text, &format!("salus_{series}")),
                expected,
                "{series}"
            );
        }
    }

    /// Nothing that a caller passes can add series.
    #[test]
    fn an_unknown_reason_adds_no_series() {
        let metrics = Metrics::new();
        let before = metrics.encode().lines().count();

        metrics.transaction_rejected(None, "somebody's name");

        let text = metrics.encode();
        assert_eq!(text.lines().count(), before);
        assert!(!text.contains("somebody"));
        assert_eq!(
            value(
                &text,
                "salus_transactions_rejected_total{lane=\"none\",reason=\"other\"}"
            ),
            1.0
        );
    }

    #[test]
    fn the_networks_counters_are_taken_when_metrics_are_read() {
        let metrics = Metrics::new();
        metrics.watch_network(|| {
            let mut counters = NetworkCounters::default();
            counters.connected_peers = 3;
            counters.consensus.frames_received = 12;
            counters
        });

        let text = metrics.encode();

        assert_eq!(value(&text, "salus_peers"), 3.0);
        let series = "salus_network_frames_total{channel=\"consensus\",direction=\"received\"}";
        assert_eq!(value(&text, series), 12.0);
    }

    /// `docs/metrics.md` names every metric with its type, and no other.
    #[test]
    fn the_documented_metrics_are_the_real_ones() {
        let documented: BTreeSet<_> = include_str!("../../../docs/metrics.md")
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| `salus_")?.split('|');
                let name = cells.next()?.trim().trim_end_matches('`');
                Some(format!("salus_{name} {}", cells.next()?.trim()))
            })
            .collect();

        let text = Metrics::new().encode();
        let real: BTreeSet<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .map(str::to_owned)
            .collect();

        assert_eq!(documented, real);
    }

    #[test]
    fn a_gauge_falls_when_its_guard_goes() {
        let metrics = Metrics::new();
        let guard = metrics.api_waiter();
        assert_eq!(value(&metrics.encode(), "salus_api_waiters"), 1.0);

        drop(guard);

        assert_eq!(value(&metrics.encode(), "salus_api_waiters"), 0.0);
    }

    #[test]
    fn promtool_finds_nothing() {
        check_with_promtool(&Metrics::new().encode());
    }

    /// `promtool check metrics` knows the conventions for names, units and help texts better than we do.
    pub(crate) fn check_with_promtool(text: &str) {
        let promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut promtool = match promtool {
            Ok(promtool) => promtool,
            Err(error) => {
                println!("SKIPPED: promtool (Debian's package prometheus) does not run: {error}");
                return;
            }
        };
        let mut input = promtool.stdin.take().expect("piped");
        input.write_all(text.as_bytes()).expect("promtool reads");
        drop(input);
        let output = promtool.wait_with_output().expect("promtool ends");

        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{said}");
        assert_eq!(said, "");
    }
}
