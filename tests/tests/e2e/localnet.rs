//! The one command that runs everything.

use rustix::process::{Pid, Signal};
use salus_edge::follow::follow_file;
use salus_edge::light::LightClient;
use salus_node::client::{ApiClient, ClientError};
use salus_primitives::ids::Epoch;
use salus_tests::processes::{binary, eventually, machine, salus};
use serde_json::Value;
use std::collections::BTreeMap;
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

/// Everything a simulated ward submits is final on four validators and proven, across several epochs; the files that are kept prove
/// it to anybody.
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
        "--epoch-blocks",
        "20",
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
    let mut attested = 0;
    for (lane, values) in summary["lanes"].as_object().expect("lanes") {
        assert_eq!(
            names(values),
            [
                "attested",
                "attested_ms",
                "final",
                "latency_ms",
                "m",
                "theta"
            ],
            "{lane}"
        );
        assert_eq!(
            names(&values["latency_ms"]),
            ["max", "p50", "p99"],
            "{lane}"
        );
        let count = |name: &str| values[name].as_u64().expect("a count");
        assert!((1..=4).contains(&count("m")), "{lane}: {values}");
        assert!(count("theta") > 0, "{lane}: {values}");
        assert!(count("attested") <= count("final"), "{lane}: {values}");
        if count("attested") > 0 {
            let attested = names(&values["attested_ms"]);
            assert_eq!(attested, ["max", "p50", "p99"], "{lane}");
        }
        attested += count("attested");
    }
    assert!(attested > 0, "nothing was attested: {summary}");

    let genesis = summary["genesis_hash"].as_str().expect("a hash");
    assert_eq!(attestations(&kept.join("proofs"), genesis), attested);
    let kept = Kept {
        anchor: kept.join("anchor"),
        epochs: kept.join("proofs/epochs"),
        proofs: proofs_by_epoch(&kept.join("proofs"), genesis),
        genesis: genesis.to_owned(),
    };
    let proofs: usize = kept.proofs.values().map(Vec::len).sum();
    assert_eq!(u64::try_from(proofs).ok(), summary["proven"].as_u64());
    assert!(summary["epoch"].as_u64() >= Some(3), "{summary}");
    assert!(kept.proofs.len() >= 2, "{:?}", kept.proofs.keys());
    let last = kept.proofs.values().next_back().expect("an epoch");
    assert!(kept.verifies(&last[0]));
    assert_damage_is_noticed(&kept, &last[0]);
}

/// A delegation changes the set of validators and back, and what is submitted meanwhile is final on every node.
#[test]
fn a_delegation_changes_the_validators_while_transactions_are_final() {
    let _machine = machine();

    let output = salus(&[
        "localnet",
        "--story",
        "delegation",
        "--epoch-blocks",
        "20",
        "--json",
    ]);

    let story = last_line(&output.stdout);
    assert!(
        output.status.success(),
        "{story}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(story["final"], story["submitted"]);
    assert_eq!(story["state_roots_agree"], true);
    let epochs = story["epochs"].as_array().expect("epochs");
    let has = |epoch: &Value, name: &str| {
        let seats = epoch["validators"].as_array().expect("validators");
        assert_eq!(seats.len(), 4, "{epoch}");
        seats.iter().any(|seat| seat["name"] == name)
    };
    let (first, last) = (&epochs[0], &epochs[epochs.len() - 1]);
    assert!(has(first, "institute") && !has(first, "hospital-2"));
    assert!(has(last, "institute") && !has(last, "hospital-2"));
    let between = epochs
        .iter()
        .find(|epoch| has(epoch, "hospital-2"))
        .expect("an epoch with the fifth member");
    assert!(!has(between, "institute"));
    assert!(between["final"].as_u64() > Some(0), "{between}");
}

/// What a run leaves, from which anybody can check what it did.
struct Kept {
    anchor: PathBuf,
    epochs: PathBuf,
    /// By the epoch whose validators signed.
    proofs: BTreeMap<Epoch, Vec<PathBuf>>,
    genesis: String,
}

impl Kept {
    fn verifies(&self, proof: &Path) -> bool {
        verifies(&self.anchor, &self.epochs, proof, &self.genesis)
    }
}

/// Checks every proof in a folder, in this process, with the changes of validators that are kept beside them.
fn proofs_by_epoch(folder: &Path, genesis: &str) -> BTreeMap<Epoch, Vec<PathBuf>> {
    let client = client_of(folder, genesis);
    let mut proofs: BTreeMap<Epoch, Vec<PathBuf>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("proofs") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|kind| kind == "proof") {
            let proof = std::fs::read(&path).expect("read");
            let proven = client.any_receipt(&proof).expect("it holds");
            proofs.entry(proven.epoch()).or_default().push(path);
        }
    }
    proofs
}

/// Checks every attestation in a folder, each of a whole committee; says how many there are.
fn attestations(folder: &Path, genesis: &str) -> u64 {
    let client = client_of(folder, genesis);
    let files = std::fs::read_dir(folder).expect("proofs");
    let paths = files.map(|entry| entry.expect("an entry").path());
    let attested = paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "attestation"))
        .map(|path| {
            let bytes = std::fs::read(&path).expect("an attestation");
            client.any_attestation(&bytes).expect("it holds")
        });
    attested.filter(|attested| attested.is_complete()).count() as u64
}

/// A light client that has followed all changes in a folder.
fn client_of(folder: &Path, genesis: &str) -> LightClient {
    let anchor = std::fs::read(folder.join("anchor")).expect("an anchor");
    let genesis = genesis.parse().expect("a hash");
    let mut client = LightClient::new(&anchor, Some(genesis)).expect("of this chain");
    let changes = std::fs::File::open(folder.join("epochs")).expect("changes");
    follow_file(changes, &mut client, Epoch::new(u64::MAX)).expect("they hold");
    client
}

fn verifies(anchor: &Path, epochs: &Path, proof: &Path, genesis: &str) -> bool {
    Command::new(binary("salus-edge"))
        .arg("verify")
        .arg("--anchor")
        .arg(anchor)
        .arg("--epochs")
        .arg(epochs)
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
fn assert_damage_is_noticed(kept: &Kept, proof: &Path) {
    let hash = kept.genesis.parse().expect("a hash");
    let anchor_bytes = std::fs::read(&kept.anchor).expect("read");
    let proof_bytes = std::fs::read(proof).expect("read");
    let client = client_of(proof.parent().expect("a folder"), &kept.genesis);
    assert!(client.any_receipt(&proof_bytes).is_ok());
    for at in 0..proof_bytes.len() {
        let mut changed = proof_bytes.clone();
        changed[at] ^= 1;
        assert!(client.any_receipt(&changed).is_err(), "proof, byte {at}");
    }
    for at in 0..anchor_bytes.len() {
        let mut changed = anchor_bytes.clone();
        changed[at] ^= 1;
        let client = LightClient::new(&changed, Some(hash));
        assert!(client.is_err(), "anchor, byte {at}");
    }

    let damaged = proof.with_extension("damaged");
    for at in (0..proof_bytes.len()).step_by(proof_bytes.len() / 7 + 1) {
        let mut changed = proof_bytes.clone();
        changed[at] ^= 0x80;
        std::fs::write(&damaged, &changed).expect("written");
        assert!(!kept.verifies(&damaged), "byte {at}");
    }
    let epochs = std::fs::read(&kept.epochs).expect("read");
    let fewer = damaged.with_extension("epochs");
    std::fs::write(&fewer, &epochs[..epochs.len() / 2]).expect("written");
    assert!(
        !verifies(&kept.anchor, &fewer, proof, &kept.genesis),
        "half of the changes"
    );
    let other = "00".repeat(32);
    assert!(
        !verifies(&kept.anchor, &kept.epochs, proof, &other),
        "another chain"
    );
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
