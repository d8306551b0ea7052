//! The one command that runs everything.

use rustix::process::{Pid, Signal};
use salus_node::client::{ApiClient, ClientError};
use salus_tests::processes::{binary, eventually, machine, salus};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The last line of stdout, which is one JSON object alone.
fn last_line(stdout: &[u8]) -> Value {
    let text = std::str::from_utf8(stdout).expect("text");
    let line = text.lines().last().expect("a line");
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn names(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

/// Everything a simulated ward submits is final on four validators and proven; the files that are kept prove it to anybody.
#[test]
fn simulated_readings_are_final_everywhere_and_proven_from_files_alone() {
    let _machine = machine();
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept");

    let output = salus(&[
        "localnet",
        "--validators",
        "4",
        "--seconds",
        "4",
        "--json",
        "--keep",
        &kept.display().to_string(),
    ]);

    let summary = last_line(&output.stdout);
    assert!(
        output.status.success(),
        "{summary}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        names(&summary),
        [
            "absent_rows",
            "absent_samples",
            "alarm_ms_max",
            "epoch",
            "final",
            "final_height",
            "genesis_hash",
            "lanes",
            "proven",
            "rejected",
            "state_roots_agree",
            "submitted",
            "validators",
        ]
    );
    assert!(summary["submitted"].as_u64() > Some(0));
    assert_eq!(summary["proven"], summary["submitted"]);
    assert_eq!(summary["rejected"], 0);
    assert_eq!(summary["validators"], 4);
    assert_eq!(summary["state_roots_agree"], true);
    for (lane, values) in summary["lanes"].as_object().expect("lanes") {
        assert_eq!(names(values), ["final", "latency_ms"], "{lane}");
        assert_eq!(
            names(&values["latency_ms"]),
            ["max", "p50", "p99"],
            "{lane}"
        );
    }

    let proof = first_proof(&kept.join("proofs"));
    let genesis = summary["genesis_hash"].as_str().expect("a hash");
    assert!(verifies(&kept.join("anchor"), &proof, genesis));
    assert_damage_is_noticed(&kept.join("anchor"), &proof, genesis);
}

fn first_proof(folder: &Path) -> PathBuf {
    let mut proofs: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("proofs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "proof")
        })
        .collect();
    proofs.sort();
    proofs.into_iter().next().expect("a proof")
}

fn verifies(anchor: &Path, proof: &Path, genesis: &str) -> bool {
    Command::new(binary("salus-edge"))
        .arg("verify")
        .arg("--anchor")
        .arg(anchor)
        .arg("--proof")
        .arg(proof)
        .args(["--genesis-hash", genesis])
        .output()
        .expect("salus-edge runs")
        .status
        .success()
}

/// Any changed byte of the proof or the anchor is noticed. Every byte of the proof is tried in this process, and some by the
/// binary.
fn assert_damage_is_noticed(anchor: &Path, proof: &Path, genesis: &str) {
    let hash = genesis.parse().expect("a hash");
    let anchor_bytes = std::fs::read(anchor).expect("read");
    let proof_bytes = std::fs::read(proof).expect("read");
    let client =
        salus_edge::light::LightClient::new(&anchor_bytes, Some(hash)).expect("the anchor");
    assert!(client.any_receipt(&proof_bytes).is_ok());
    for at in 0..proof_bytes.len() {
        let mut changed = proof_bytes.clone();
        changed[at] ^= 1;
        assert!(client.any_receipt(&changed).is_err(), "proof, byte {at}");
    }
    for at in 0..anchor_bytes.len() {
        let mut changed = anchor_bytes.clone();
        changed[at] ^= 1;
        let client = salus_edge::light::LightClient::new(&changed, Some(hash));
        assert!(client.is_err(), "anchor, byte {at}");
    }

    let damaged = proof.with_extension("damaged");
    for at in (0..proof_bytes.len()).step_by(proof_bytes.len() / 7 + 1) {
        let mut changed = proof_bytes.clone();
        changed[at] ^= 0x80;
        std::fs::write(&damaged, &changed).expect("written");
        assert!(!verifies(anchor, &damaged, genesis), "byte {at}");
    }
    let other = "00".repeat(32);
    assert!(!verifies(anchor, proof, &other), "another chain");
}

/// The recorded patient: every minute with data becomes final and proven, each other one is counted.
#[test]
fn recorded_patient_is_final_and_proven_minute_by_minute() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/icu-numerics/s00001-2896-10-10-00-31n.csv");
    if !file.is_file() {
        println!("SKIPPED: there is no {}", file.display());
        return;
    }
    let _machine = machine();
    let rows = std::fs::read_to_string(&file)
        .expect("the file")
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_digit()))
        .count() as u64;

    let output = salus(&[
        "localnet",
        "--validators",
        "4",
        "--input",
        &file.display().to_string(),
        "--seconds",
        "300",
        "--json",
    ]);

    let summary = last_line(&output.stdout);
    assert!(
        output.status.success(),
        "{summary}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let count = |field: &str| summary[field].as_u64().expect("a count");
    assert_eq!(count("submitted") + count("absent_rows"), rows);
    assert_eq!(count("proven"), count("submitted"));
    let by_lane: u64 = summary["lanes"]
        .as_object()
        .expect("lanes")
        .values()
        .map(|lane| lane["final"].as_u64().expect("a count"))
        .sum();
    assert_eq!(by_lane, count("submitted"));
}

/// Whatever ends the command, SIGTERM or SIGKILL, ends its validators.
#[test]
fn no_validator_outlives_the_command() {
    let _machine = machine();
    for signal in [Signal::TERM, Signal::KILL] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut localnet = Command::new(binary("salus"))
            .args(["localnet", "--seconds", "600", "--keep"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("salus runs");
        let clients = || -> Vec<ApiClient> {
            ["hospital", "pharmacy", "ministry", "institute"]
                .into_iter()
                .filter_map(|name| {
                    let config = folder.path().join(name).join("node.toml");
                    let config: toml::Table = std::fs::read_to_string(config).ok()?.parse().ok()?;
                    let api = config["api"]["listen"].as_str()?;
                    ApiClient::new(&format!("http://{api}")).ok()
                })
                .collect()
        };
        eventually("four validators are ready", || {
            let clients = clients();
            clients.len() == 4 && clients.iter().all(ApiClient::is_ready)
        });

        rustix::process::kill_process(Pid::from_child(&localnet), signal).expect("signalled");
        let status = localnet.wait().expect("ended");

        assert!(!status.success(), "{signal:?}");
        eventually("no validator answers", || {
            clients()
                .iter()
                .all(|client| matches!(client.status(), Err(ClientError::NoAnswer { .. })))
        });
    }
}

/// A wrong command line starts nothing and says so with exit code 2.
#[test]
fn a_wrong_command_line_is_exit_code_two() {
    let missing = ["localnet", "--input", "no-such-file.csv"];
    for arguments in [
        &["localnet", "--validators", "3"][..],
        &["localnet", "--epoch-blocks", "0"][..],
        &missing[..],
        &["start", "--home", "no-such-home"][..],
        &["nonsense"][..],
    ] {
        let output = salus(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}
