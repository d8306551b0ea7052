//! The program as its users run it: real processes, exit codes, last lines.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use salus_primitives::ids::Epoch;
use serde_json::Value;
use tempfile::TempDir;

use crate::chain::Chain;
use crate::node::{FakeNode, Faults};

fn salus_edge(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_salus-edge"));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    salus_edge(folder)
        .args(arguments.split_whitespace())
        .output()
        .expect("the program runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn last_line(output: &Output) -> Value {
    serde_json::from_str(stdout(output).lines().last().expect("a last line"))
        .expect("which is JSON")
}

fn bedside() -> (TempDir, Arc<Chain>) {
    let folder = tempfile::tempdir().unwrap();
    let made = run(
        folder.path(),
        "device new --hardware-id h --registration-id r --owner hospital --out device.json",
    );
    assert!(made.status.success(), "{made:?}");
    (folder, Arc::new(Chain::new(1)))
}

fn replay_arguments(node: &FakeNode, chain: &Chain, rest: &str) -> String {
    format!(
        "replay --format simulated --device device.json --node {} --genesis-hash {} --data-dir data {rest}",
        node.url,
        chain.genesis()
    )
}

/// A device file is made once, and its card holds what an operator registers, and no secret.
#[test]
fn device_is_made_once_and_shown() {
    let (folder, _) = bedside();

    let again = run(
        folder.path(),
        "device new --hardware-id h --registration-id r --owner hospital --out device.json",
    );
    let shown = run(folder.path(), "device show --device device.json");

    assert_eq!(again.status.code(), Some(2));
    let card = last_line(&shown);
    let card = card.as_object().unwrap();
    assert_eq!(
        card.keys().collect::<Vec<_>>(),
        ["device_id", "owner", "public_key"]
    );
}

/// A replay ends with one JSON object alone on the last line, and its proofs hold from files alone.
#[test]
fn replay_ends_with_json_and_its_proofs_verify() {
    let (folder, chain) = bedside();
    let node = FakeNode::start(&chain, Faults::default());

    let arguments = replay_arguments(&node, &chain, "--rows 60 --json --save-proofs proofs");
    let replayed = run(folder.path(), &arguments);

    assert!(replayed.status.success(), "{replayed:?}");
    let summary = last_line(&replayed);
    assert_eq!(summary["submitted"], summary["proven"]);
    assert_eq!(summary["submitted"], summary["final"]);
    assert_eq!(summary["rejected"], 0);
    assert!(summary["lanes"]["routine"]["latency_ms"]["p99"].is_number());
    assert!(summary["alarm_ms_max"].is_number());

    let proofs = folder.path().join("proofs");
    let proof = std::fs::read_dir(&proofs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "proof")
        })
        .expect("a proof was kept");
    let verify = format!(
        "verify --anchor proofs/anchor --proof {} --json",
        proof.display()
    );
    let verified = run(folder.path(), &verify);
    assert!(verified.status.success(), "{verified:?}");
    let proven = last_line(&verified);
    assert_eq!(
        (&proven["proven"], &proven["outcome"]),
        (&Value::Bool(true), &Value::from("ok"))
    );
    assert_eq!(
        (&proven["weight"], &proven["total_weight"]),
        (&Value::from(30), &Value::from(40))
    );

    for file in [proof, proofs.join("anchor")] {
        let good = std::fs::read(&file).unwrap();
        for position in (0..good.len()).step_by(97) {
            let mut bad = good.clone();
            bad[position] ^= 1;
            std::fs::write(&file, bad).unwrap();
            let refused = run(folder.path(), &verify);
            assert_eq!(
                refused.status.code(),
                Some(1),
                "byte {position} of {}",
                file.display()
            );
            assert!(last_line(&refused)["reason"].is_string());
        }
        std::fs::write(&file, good).unwrap();
    }
}

/// An attestation of the whole committee is checked from files alone, with what it is worth; one of a part of it is shown as that, and
/// does not succeed.
#[test]
fn attestations_verify_and_say_what_they_are_worth() {
    let (folder, chain) = bedside();
    let transaction = crate::light::transaction(chain.genesis());
    let epoch = Epoch::new(1);
    for (name, seats) in [("whole", &[0, 2][..]), ("part", &[2]), ("strange", &[1])] {
        let bytes = chain.attest(epoch, &transaction, seats);
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    std::fs::write(folder.path().join("anchor"), chain.anchor()).unwrap();
    let verify = |name: &str| {
        run(
            folder.path(),
            &format!("verify --anchor anchor --attestation {name} --json"),
        )
    };

    let whole = verify("whole");
    let shown = last_line(&whole);
    assert!(whole.status.success(), "{shown}");
    assert_eq!(shown["attested"], true);
    assert_eq!(shown["transaction"], transaction.body.id().to_string());
    assert_eq!(
        (&shown["votes"], &shown["verifiers"]),
        (&2.into(), &2.into())
    );
    assert_eq!(shown["security"], 0.25);
    assert_eq!(
        (&shown["score"], &shown["forger_heights"]),
        (&12.0.into(), &1.into())
    );
    assert_eq!(shown["all_corrupt_here"], 0.0);
    assert_eq!(
        (&shown["all_corrupt"], &shown["all_corrupt_if_chosen"]),
        (&0.0.into(), &0.0.into())
    );

    let part = verify("part");
    let shown = last_line(&part);
    assert_eq!(part.status.code(), Some(1));
    assert_eq!(
        (&shown["attested"], &shown["votes"]),
        (&false.into(), &1.into())
    );
    assert_eq!(
        (&shown["all_corrupt"], &shown["all_corrupt_if_chosen"]),
        (&0.5.into(), &1.0.into())
    );

    let strange = verify("strange");
    assert_eq!(strange.status.code(), Some(1));
    assert!(
        last_line(&strange)["reason"]
            .as_str()
            .unwrap()
            .contains("not in the committee")
    );
    let above = verify("whole --lane bulk");
    assert_eq!(above.status.code(), Some(1));
    let reason = last_line(&above)["reason"].to_string();
    assert!(reason.contains("sent in lane bulk"), "{reason}");
    let people = run(
        folder.path(),
        "verify --anchor anchor --attestation whole --lane monitoring",
    );
    assert!(stdout(&people).contains("S = 12, 0.2500"));
    assert!(
        stdout(&people).contains("this is not final"),
        "{}",
        stdout(&people)
    );
}

/// A proof of a later epoch holds with the file that the replay kept, or with a node's changes; without them the answer names
/// what is missing, and damage of the file is noticed.
#[test]
fn proofs_of_later_epochs_verify_with_the_changes() {
    let (folder, chain) = bedside();
    let node = FakeNode::start(
        &chain,
        Faults {
            ended: 12,
            ..Faults::default()
        },
    );
    let arguments = replay_arguments(&node, &chain, "--rows 10 --json --save-proofs proofs");
    assert!(run(folder.path(), &arguments).status.success());
    let proof = std::fs::read_dir(folder.path().join("proofs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|kind| kind == "proof"))
        .expect("a proof was kept");
    let verify = format!(
        "verify --anchor proofs/anchor --genesis-hash {} --json --proof {}",
        chain.genesis(),
        proof.display()
    );
    let with = |rest: &str| run(folder.path(), &format!("{verify} {rest}"));

    for rest in [
        "--epochs proofs/epochs".to_owned(),
        format!("--node {}", node.url),
    ] {
        let verified = with(&rest);
        assert!(verified.status.success(), "{verified:?}");
        let proven = last_line(&verified);
        assert_eq!(proven["epoch"], 13);
        assert_eq!(
            (&proven["weight"], &proven["total_weight"]),
            (&30.into(), &40.into())
        );
    }

    let without = run(folder.path(), &verify);
    assert_eq!(without.status.code(), Some(1));
    let reason = last_line(&without)["reason"].to_string();
    assert!(
        reason.contains("epoch 13") && reason.contains("--epochs"),
        "{reason}"
    );

    let epochs = folder.path().join("proofs/epochs");
    let good = std::fs::read(&epochs).unwrap();
    for position in (0..good.len()).step_by(997) {
        let mut bad = good.clone();
        bad[position] ^= 1;
        std::fs::write(&epochs, bad).unwrap();
        let refused = with("--epochs proofs/epochs");
        assert_eq!(refused.status.code(), Some(1), "byte {position}");
    }
    std::fs::write(&epochs, &good[..good.len() - 1]).unwrap();
    assert_eq!(with("--epochs proofs/epochs").status.code(), Some(1));
    assert_eq!(with("--epochs /dev/zero").status.code(), Some(1));
    assert_eq!(with("--epochs none").status.code(), Some(2));
}

/// A wrong call ends with 2, before anything is done.
#[test]
fn wrong_calls_end_with_two() {
    let (folder, _) = bedside();
    for arguments in [
        "replay --format icu-csv --node http://127.0.0.1:1 --device device.json",
        "replay --format icu-csv --input none.csv --node http://127.0.0.1:1 --device device.json",
        "replay --format simulated --node https://127.0.0.1:1 --device device.json",
        "replay --format simulated --node http://127.0.0.1:1 --device none.json",
        "replay --format simulated --node http://127.0.0.1:1",
        "replay --format fhir --node http://127.0.0.1:1 --device device.json",
        "verify --anchor none --proof none",
        "verify --proof none",
        "nonsense",
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
    }
}

/// Killed in the middle with SIGKILL and started again: nothing is lost, and everything is proven.
#[test]
fn killed_replay_loses_nothing() {
    let (folder, chain) = bedside();
    let node = FakeNode::start(
        &chain,
        Faults {
            stuck: true,
            ..Faults::default()
        },
    );
    let arguments = replay_arguments(&node, &chain, "--rows 120 --in-flight 4 --json");
    let mut first: Child = salus_edge(folder.path())
        .args(arguments.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while node.transactions().len() < 4 {
        assert!(
            first.try_wait().unwrap().is_none(),
            "it goes on while nothing is final"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let sent_before: Vec<_> = node
        .transactions()
        .iter()
        .map(|transaction| transaction.body.id())
        .collect();

    node.set(Faults::default());
    let second = run(folder.path(), &arguments);

    assert!(second.status.success(), "{second:?}");
    let summary = last_line(&second);
    assert!(summary["resumed"].as_u64().unwrap() >= 4, "{summary}");
    assert_eq!(summary["proven"], summary["submitted"]);
    let rows = summary["rows"].as_u64().unwrap() - summary["absent_rows"].as_u64().unwrap();
    assert_eq!(summary["submitted"].as_u64().unwrap(), rows, "{summary}");
    // What had been sent was sent again as the same bytes, not signed anew.
    assert_eq!(node.transactions().len() as u64, rows);
    let sent: Vec<_> = node
        .transactions()
        .iter()
        .map(|transaction| transaction.body.id())
        .collect();
    assert!(sent_before.iter().all(|id| sent.contains(id)));
}

/// Nothing that is printed tells of whom, when, or what was measured.
#[test]
fn output_tells_nothing_about_the_patient() {
    let (folder, chain) = bedside();
    let node = FakeNode::start(&chain, Faults::default());
    let header = "time,HR_bpm,ABPSys_mmHg,ABPDias_mmHg,ABPMean_mmHg,PULSE_bpm,RESP_pm,SpO2_%,NBPSys_mmHg,\
                  NBPDias_mmHg,NBPMean_mmHg";
    let rows = "2896-10-10T00:31:25Z,187.3,,,,,,,,,\n2896-10-10T00:32:25Z,187.3x,,,,,,,,,\n";
    std::fs::write(folder.path().join("input.csv"), format!("{header}\n{rows}")).unwrap();

    let arguments = replay_arguments(&node, &chain, "--json --progress")
        .replace("simulated", "icu-csv --input input.csv");
    let output = run(folder.path(), &arguments);

    assert!(output.status.success(), "{output:?}");
    let printed = stdout(&output) + &String::from_utf8(output.stderr).unwrap();
    assert!(printed.contains("ALARM emergency device="), "{printed}");
    for secret in ["187", "2896", "00:31"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    for entry in std::fs::read_dir(folder.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !bytes.windows(6).any(|window| window == b"8867-4"),
            "{}",
            path.display()
        );
    }
}

/// `salus-edge .. | head` ends when the reader has gone, and does not complain.
#[test]
fn a_command_whose_reader_has_gone_ends_without_a_word() {
    let (folder, _) = bedside();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);

    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_salus-edge"))
        .current_dir(folder.path())
        .args(["device", "show", "--device", "device.json"])
        .stdout(writer)
        .output()
        .unwrap();

    assert_eq!(ended.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
