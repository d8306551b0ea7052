//! What is counted is what is shown, under the documented names.

use super::register::COMMIT;
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
            "attested_latency_seconds_count",
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
            let series =
                format!("salus_transactions_rejected_total{{lane=\"{lane}\",reason=\"{reason}\"}}");
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
    let documented: BTreeSet<_> = include_str!("../../../../docs/metrics.md")
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
