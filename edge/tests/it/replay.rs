//! Whole replays, in this process.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use salus_edge::deposit::Custody;
use salus_edge::device::Device;
use salus_edge::http::HttpUrl;
use salus_edge::replay::summary::Summary;
use salus_edge::replay::{Input, Replay, ReplayError};
use salus_primitives::calls::RecordsCall;
use salus_primitives::codec;
use salus_primitives::crypto::exchange::ExchangeSecret;
use salus_primitives::ids::EntityId;
use salus_primitives::lane::Lane;
use salus_primitives::reading::ReadingId;
use salus_primitives::transaction::{SignedTransaction, TRANSACTION_MAX};
use tempfile::TempDir;

use crate::chain::Chain;
use crate::node::{Changes, FakeNode, Faults};

/// One bedside with two devices, whose files outlive a run.
struct Bedside {
    folder: TempDir,
    chain: Arc<Chain>,
}

impl Bedside {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..2 {
            let device = Device::generate(
                "monitor",
                &format!("reg-{number}"),
                EntityId::of_name("hospital"),
                &mut UnwrapErr(SysRng),
            );
            device
                .store(&folder.path().join(format!("device-{number}")))
                .unwrap();
        }
        Self {
            folder,
            chain: Arc::new(Chain::new(1)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn replay(&self, nodes: &[&FakeNode], rows: u64) -> Replay {
        Replay {
            input: Input::Simulated {
                seed: 3,
                patients: 4,
            },
            nodes: nodes.iter().map(|node| node.url.clone()).collect(),
            devices: (0..2)
                .map(|number| Device::load(&self.path(&format!("device-{number}"))).unwrap())
                .collect(),
            hospital_key: Some(ExchangeSecret::from_bytes([7; 32]).public()),
            custody: Custody::default(),
            unlock: None,
            anchor: None,
            genesis: Some(self.chain.genesis()),
            data_dir: self.path("data"),
            feed_limit: None,
            drain_limit: Duration::from_secs(60),
            in_flight: 8,
            interval: Duration::ZERO,
            rows: Some(rows),
            save_proofs: None,
            hooks: Vec::new(),
            progress: false,
        }
    }
}

fn reading_of(transaction: &SignedTransaction) -> ReadingId {
    let call = transaction.body.call.payload.as_slice();
    let RecordsCall::Submit(sealed) = codec::decode(call, TRANSACTION_MAX).unwrap();
    sealed.reading
}

fn readings(node: &FakeNode) -> BTreeSet<ReadingId> {
    node.transactions().iter().map(reading_of).collect()
}

#[track_caller]
fn assert_all_proven(summary: &Summary) {
    assert!(summary.is_success(), "{summary}");
    assert_eq!(summary.r#final, summary.proven, "{summary}");
}

/// An address where nobody listens.
fn dead_address() -> HttpUrl {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap()
}

/// Every panel with data is final and proven, in its lane, once, and none shows what it holds.
#[test]
fn every_panel_with_data_is_proven() {
    let bedside = Bedside::new();
    let node = FakeNode::start(&bedside.chain, Faults::default());

    let summary = bedside
        .replay(&[&node], 400)
        .run_alarming(std::io::sink())
        .unwrap();

    assert_all_proven(&summary);
    assert_eq!(summary.rows.rows, 400);
    assert_eq!(summary.submitted, 400 - summary.rows.absent_rows);
    assert_eq!(
        summary.lanes.values().map(|lane| lane.count()).sum::<u64>(),
        summary.submitted
    );
    assert_eq!(
        summary.alarms.raised,
        summary.lanes[&Lane::Emergency].count()
    );
    assert_eq!(readings(&node).len() as u64, summary.submitted);
    assert_eq!(u64::from(node.submissions()), summary.submitted);
    for transaction in node.transactions() {
        let bytes = codec::encode(&transaction);
        assert!(!bytes.windows(6).any(|window| window == b"8867-4"));
    }
}

/// The 1,936 minutes of the real bedside file: 40 without data, the rest proven in the lanes NEWS2 gives them.
#[test]
fn real_bedside_file_is_proven() {
    let input = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/icu-numerics/s00001-2896-10-10-00-31n.csv");
    if !input.exists() {
        println!("skipped: there is no bedside file at {}", input.display());
        return;
    }
    let bedside = Bedside::new();
    let node = FakeNode::start(&bedside.chain, Faults::default());
    let mut replay = bedside.replay(&[&node], 1);
    replay.input = Input::IcuCsv(input);
    replay.rows = None;

    let summary = replay.run_alarming(std::io::sink()).unwrap();

    assert_all_proven(&summary);
    let rows = summary.rows;
    assert_eq!(
        (rows.rows, rows.absent_rows, rows.absent_samples),
        (1_936, 40, 11_955)
    );
    assert_eq!(
        (
            rows.implausible_samples,
            rows.duplicate_rows,
            summary.invalid_rows
        ),
        (0, 0, 0)
    );
    assert_eq!((summary.submitted, summary.input_ended), (1_896, true));
    let lanes: Vec<_> = summary
        .lanes
        .iter()
        .map(|(lane, histogram)| (*lane, histogram.count()))
        .collect();
    assert_eq!(lanes, [(Lane::Emergency, 49), (Lane::Routine, 1_847)]);
    assert_eq!(summary.alarms.raised, 49);
}

/// What the whole committee has attested is counted, in its lane, once it has been checked; and no later than it is final.
#[test]
fn checked_attestations_are_counted_by_lane() {
    let bedside = Bedside::new();
    let node = FakeNode::start(&bedside.chain, Faults::default());
    let mut replay = bedside.replay(&[&node], 100);
    replay.save_proofs = Some(bedside.path("proofs"));

    let summary = replay.run_alarming(std::io::sink()).unwrap();

    assert_all_proven(&summary);
    let json = summary.to_json();
    for (lane, values) in json["lanes"].as_object().expect("lanes") {
        assert_eq!(values["attested"], values["final"], "{lane}");
        assert!(values["attested_ms"]["p50"].is_number(), "{values}");
    }
    let kept = std::fs::read_dir(bedside.path("proofs")).expect("a folder");
    let kept = kept.filter(|file| {
        let name = file.as_ref().expect("readable").file_name();
        name.to_string_lossy().ends_with(".attestation")
    });
    assert_eq!(kept.count() as u64, summary.proven);
}

/// Without attestations, with false ones, and at a node that has no events to follow: everything is proven all the same, and what was not
/// checked does not count.
#[test]
fn finality_and_proof_need_no_attestation() {
    for (faults, bad_proofs) in [
        (
            Faults {
                unattested: true,
                ..Faults::default()
            },
            0,
        ),
        (
            Faults {
                without_events: true,
                ..Faults::default()
            },
            0,
        ),
        (
            Faults {
                false_attestations: u32::MAX,
                ..Faults::default()
            },
            1,
        ),
    ] {
        let bedside = Bedside::new();
        let node = FakeNode::start(&bedside.chain, faults);

        let summary = bedside
            .replay(&[&node], 10)
            .run_alarming(std::io::sink())
            .unwrap();

        assert_all_proven(&summary);
        assert!(summary.attested.is_empty(), "{summary}");
        assert_eq!(summary.bad_proofs, bad_proofs * summary.proven);
        assert!(summary.to_json()["lanes"]["routine"]["attested_ms"].is_null());
    }
}

/// Dead, garbled, forgetful and lying nodes beside a good one: everything is proven, and every fault is counted.
#[test]
fn bad_nodes_beside_a_good_one_do_no_harm() {
    let bedside = Bedside::new();
    let good = FakeNode::start(
        &bedside.chain,
        Faults {
            forgotten: 5,
            ..Faults::default()
        },
    );
    let garbled = FakeNode::start(
        &bedside.chain,
        Faults {
            garbage: true,
            ..Faults::default()
        },
    );
    let lying = FakeNode::start(
        &bedside.chain,
        Faults {
            forged: u32::MAX,
            ..Faults::default()
        },
    );
    let stranger = FakeNode::start(
        &Arc::new(Chain::new(9)),
        Faults {
            garbage: true,
            ..Faults::default()
        },
    );
    let mut replay = bedside.replay(&[&garbled, &lying, &stranger, &good], 60);
    replay.nodes.push(dead_address());

    let summary = replay.run_alarming(std::io::sink()).unwrap();

    assert!(summary.is_success(), "{summary}");
    assert!(
        summary.bad_proofs > 0 && summary.node_failures > 0,
        "{}",
        summary.to_json()
    );
}

/// A full lane is waited for.
#[test]
fn full_lane_is_waited_for() {
    let bedside = Bedside::new();
    let node = FakeNode::start(
        &bedside.chain,
        Faults {
            full: 30,
            ..Faults::default()
        },
    );

    let summary = bedside
        .replay(&[&node], 60)
        .run_alarming(std::io::sink())
        .unwrap();

    assert_all_proven(&summary);
    assert_eq!(u64::from(node.submissions()), summary.submitted + 30);
}

/// A node that is busy is waited for, and that is no failure of it.
#[test]
fn busy_node_is_waited_for() {
    let bedside = Bedside::new();
    let node = FakeNode::start(
        &bedside.chain,
        Faults {
            busy: 30,
            ..Faults::default()
        },
    );

    let summary = bedside
        .replay(&[&node], 60)
        .run_alarming(std::io::sink())
        .unwrap();

    assert_all_proven(&summary);
    assert_eq!(summary.node_failures, 0);
}

/// One node that is behind refuses what the others take: they are asked, too.
#[test]
fn refusal_of_one_node_is_not_believed() {
    let bedside = Bedside::new();
    let behind = FakeNode::start(
        &bedside.chain,
        Faults {
            unknown_device: u32::MAX,
            ..Faults::default()
        },
    );
    let good = FakeNode::start(&bedside.chain, Faults::default());
    let mut replay = bedside.replay(&[&behind, &good], 60);
    replay.in_flight = 1;

    let summary = replay.run_alarming(std::io::sink()).unwrap();

    assert_all_proven(&summary);
    assert!(behind.submissions() > 0);
}

/// A node that is cut off keeps everything pending: after a while another is asked.
#[test]
fn node_that_is_cut_off_is_left() {
    let bedside = Bedside::new();
    let cut_off = FakeNode::start(
        &bedside.chain,
        Faults {
            stuck: true,
            ..Faults::default()
        },
    );
    let good = FakeNode::start(&bedside.chain, Faults::default());

    let summary = bedside
        .replay(&[&cut_off, &good], 12)
        .run_alarming(std::io::sink())
        .unwrap();

    assert_all_proven(&summary);
    assert!(cut_off.submissions() > 0);
}

/// An expired transaction is signed again and keeps its reading id.
#[test]
fn expired_transaction_is_signed_again() {
    let bedside = Bedside::new();
    let node = FakeNode::start(
        &bedside.chain,
        Faults {
            expired: 3,
            ..Faults::default()
        },
    );

    let summary = bedside
        .replay(&[&node], 40)
        .run_alarming(std::io::sink())
        .unwrap();

    assert_all_proven(&summary);
    assert_eq!(summary.signed_again, 3);
    assert_eq!(readings(&node).len() as u64, summary.submitted);
}

/// What is refused, or fails on chain, is reported, kept, and tried again in the next run under a new signature.
#[test]
fn refused_readings_are_kept_for_the_next_run() {
    let bedside = Bedside::new();
    let node = FakeNode::start(
        &bedside.chain,
        Faults {
            unknown_device: 4,
            failed: 3,
            ..Faults::default()
        },
    );

    let first = bedside
        .replay(&[&node], 40)
        .run_alarming(std::io::sink())
        .unwrap();

    assert!(!first.is_success());
    assert_eq!((first.rejected, first.proven), (7, first.submitted - 7));
    assert_eq!(
        (
            first.refusals["unknown_device"],
            first.refusals["contract_3_code_4"]
        ),
        (4, 3)
    );
    node.set(Faults::default());
    let second = bedside
        .replay(&[&node], 40)
        .run_alarming(std::io::sink())
        .unwrap();
    assert_all_proven(&second);
    assert_eq!((second.resumed, second.submitted), (7, 7));
    // A resumed reading may be proven before its row is read again.
    assert!(
        (first.proven..=first.submitted).contains(&second.already_proven),
        "{second}"
    );
    assert_eq!(readings(&node).len() as u64, first.submitted);
}

/// No node answers: alarms are raised all the same, nothing is lost, and the next run proves everything.
#[test]
fn alarms_are_raised_though_no_node_answers() {
    let bedside = Bedside::new();
    let mut replay = bedside.replay(&[], 200);
    replay.nodes.push(dead_address());
    replay.anchor = Some(bedside.chain.anchor());
    replay.interval = Duration::from_millis(1);
    replay.feed_limit = Some(Duration::from_secs(4));
    replay.drain_limit = Duration::ZERO;

    let mut lines = Vec::new();

    let alone = replay.run_alarming(&mut lines).unwrap();

    let lines = String::from_utf8(lines).unwrap();
    assert!(alone.alarms.raised > 0, "{alone}");
    assert_eq!(lines.lines().count() as u64, alone.alarms.raised);
    assert!(
        lines
            .lines()
            .all(|line| line.starts_with("ALARM emergency device=")),
        "{lines}"
    );
    assert_eq!((alone.r#final, alone.is_success()), (0, false));
    assert_eq!(alone.submitted, 200 - alone.rows.absent_rows, "all queued");
    let node = FakeNode::start(&bedside.chain, Faults::default());
    let resumed = bedside
        .replay(&[&node], 0)
        .run_alarming(std::io::sink())
        .unwrap();
    assert_all_proven(&resumed);
    assert_eq!(resumed.resumed, alone.submitted);
}

/// Without an anchor nothing can be sealed while no node answers; alarms do not wait for that either.
#[test]
fn alarms_do_not_wait_for_the_chain_to_be_known() {
    let bedside = Bedside::new();
    let mut replay = bedside.replay(&[], 200);
    replay.nodes.push(dead_address());
    replay.interval = Duration::from_millis(1);
    replay.feed_limit = Some(Duration::from_secs(4));
    replay.drain_limit = Duration::ZERO;

    let summary = replay.run_alarming(std::io::sink()).unwrap();

    assert!(summary.alarms.raised > 0, "{summary}");
    assert_eq!(summary.submitted, 0);
}

/// Damaged rows are counted and skipped.
#[test]
fn damaged_rows_are_counted_and_skipped() {
    let bedside = Bedside::new();
    let node = FakeNode::start(&bedside.chain, Faults::default());
    let header = "time,HR_bpm,ABPSys_mmHg,ABPDias_mmHg,ABPMean_mmHg,PULSE_bpm,RESP_pm,SpO2_%,NBPSys_mmHg,\
                  NBPDias_mmHg,NBPMean_mmHg";
    let input = bedside.path("input.csv");
    let rows = "2896-10-10T00:31:25Z,61,,,,,,,,,\nbroken\n2896-10-10T00:32:25Z,62,,,,,,,,,\n\
                2896-10-10T00:32:25Z,62,,,,,,,,,\n2896-10-10T00:33:25Z,0.0,nan,,,,,,,,\n";
    std::fs::write(&input, format!("{header}\n{rows}")).unwrap();
    let mut replay = bedside.replay(&[&node], 100);
    replay.input = Input::IcuCsv(input);

    let summary = replay.run_alarming(std::io::sink()).unwrap();

    assert_all_proven(&summary);
    assert_eq!((summary.submitted, summary.invalid_rows), (2, 1));
    assert_eq!(
        (summary.rows.duplicate_rows, summary.rows.absent_rows),
        (1, 1)
    );
}

/// A data folder belongs to one chain, and to one process at a time.
#[test]
fn data_folder_belongs_to_one_chain_and_one_process() {
    let bedside = Bedside::new();
    let node = FakeNode::start(&bedside.chain, Faults::default());
    bedside
        .replay(&[&node], 5)
        .run_alarming(std::io::sink())
        .unwrap();

    let mut foreign = bedside.replay(&[&node], 5);
    foreign.genesis = Some(Chain::new(9).genesis());
    assert!(matches!(
        foreign.run_alarming(std::io::sink()),
        Err(ReplayError::OtherChain { .. })
    ));

    let held = std::fs::File::open(bedside.path("data/lock")).unwrap();
    held.lock().unwrap();
    assert!(matches!(
        bedside.replay(&[&node], 5).run_alarming(std::io::sink()),
        Err(ReplayError::InUse(_))
    ));
}

/// A node of another chain than the pinned one is not believed.
#[test]
fn node_of_another_chain_is_not_believed() {
    let bedside = Bedside::new();
    let stranger = FakeNode::start(&Arc::new(Chain::new(9)), Faults::default());

    let error = bedside
        .replay(&[&stranger], 5)
        .run_alarming(std::io::sink())
        .unwrap_err();

    assert!(matches!(error, ReplayError::Anchor(_)), "{error}");
    assert_eq!(stranger.submissions(), 0);
}

/// Epochs end all the while: everything is proven, each change of validators is fetched once, and the next run goes on from there.
#[test]
fn everything_is_proven_across_epochs() {
    let bedside = Bedside::new();
    let node = FakeNode::start(
        &bedside.chain,
        Faults {
            epoch_proofs: 20,
            ..Faults::default()
        },
    );

    let first = bedside
        .replay(&[&node], 200)
        .run_alarming(std::io::sink())
        .unwrap();

    assert_all_proven(&first);
    assert_eq!(first.bad_proofs, 0);
    let ended = first.proven / 20;
    assert!(ended >= 5, "{first}");
    let asked: BTreeSet<u64> = node.asked().into_iter().collect();
    assert_eq!(asked.len(), node.asked().len(), "{:?}", node.asked());

    node.set(Faults {
        ended,
        ..Faults::default()
    });
    let before = node.asked().len();
    let second = bedside
        .replay(&[&node], 250)
        .run_alarming(std::io::sink())
        .unwrap();
    assert_all_proven(&second);
    assert!(second.submitted > 0);
    let again = &node.asked()[before..];
    assert!(again.iter().all(|from| *from >= ended), "{again:?}");
}

/// Nodes that lie about the validators, beside a good one that serves one change at a time: everything is proven, and the lies are
/// counted.
#[test]
fn lies_about_validators_do_no_harm_beside_a_good_node() {
    let bedside = Bedside::new();
    let node = |changes| {
        let faults = Faults {
            ended: 7,
            changes,
            ..Faults::default()
        };
        FakeNode::start(&bedside.chain, faults)
    };
    let lies = [
        node(Changes::Repeated),
        node(Changes::OtherChain),
        node(Changes::Forged),
        node(Changes::Endless),
        node(Changes::NoSuchPath),
    ];
    let good = node(Changes::OneByOne);
    let mut nodes: Vec<&FakeNode> = lies.iter().collect();
    nodes.push(&good);

    let summary = bedside
        .replay(&nodes, 40)
        .run_alarming(std::io::sink())
        .unwrap();

    assert!(summary.is_success(), "{summary}");
    assert_all_proven(&summary);
    // which nodes are asked follows from which answer first
    let was_lied_to = lies.iter().any(|node| !node.asked().is_empty());
    let counted = summary.bad_proofs + summary.node_failures;
    assert!(!was_lied_to || counted > 0, "{}", summary.to_json());
}

/// Where every node lies about the validators nothing is proven, but alarms are raised, and the run ends in its time.
#[test]
fn alarms_do_not_wait_for_validators_that_nobody_can_prove() {
    let bedside = Bedside::new();
    let node = FakeNode::start(
        &bedside.chain,
        Faults {
            ended: 5,
            changes: Changes::Nothing,
            ..Faults::default()
        },
    );
    let mut replay = bedside.replay(&[&node], 200);
    replay.interval = Duration::from_millis(1);
    replay.feed_limit = Some(Duration::from_secs(2));
    replay.drain_limit = Duration::ZERO;

    let summary = replay.run_alarming(std::io::sink()).unwrap();

    assert!(summary.alarms.raised > 0, "{summary}");
    assert_eq!(summary.proven, 0);
    assert!(summary.bad_proofs > 0);
}
