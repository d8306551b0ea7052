//! Custodians and a device at the patient's bed, each with the command that a real one runs; and the opening of records.

use super::cast::failed;
use crate::cli::localnet::LocalnetError;
use crate::cli::localnet::device::DeviceFile;
use crate::cli::localnet::homes::{Homes, LocalHome};
use crate::cli::localnet::validators::Validators;
use crate::client::ProofPath;
use salus_primitives::transaction::TxId;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// An entity's key service, as others name it.
pub(super) struct KeyService {
    pub(super) name: String,
    /// Its public key, in hexadecimal.
    pub(super) key: String,
    url: String,
}

/// Makes the key services of two members, before their nodes start.
pub(super) fn custodians(homes: &Homes) -> Result<Vec<KeyService>, LocalnetError> {
    CUSTODIANS
        .iter()
        .map(|name| {
            let home = homes.validators().iter().find(|home| home.name == *name);
            home.ok_or_else(|| failed("a custodian", name))
                .and_then(custodian)
        })
        .collect()
}

/// The members whose key services hold the keys.
pub(super) const CUSTODIANS: [&str; 2] = ["hospital", "ministry"];

fn custodian(home: &LocalHome) -> Result<KeyService, LocalnetError> {
    let root = home.home.root();
    let key_file = root.join("custody-key");
    let own = std::env::current_exe().map_err(|source| LocalnetError::Spawn {
        what: "salus custody".to_owned(),
        source,
    })?;
    let mut command = Command::new(own);
    command.args(["custody", "init", "--home"]).arg(root);
    command.arg("--key-file").arg(&key_file);
    let key = printed("salus custody init", &mut command)?;
    let config = home.home.config_file();
    let file = |source| LocalnetError::File {
        action: "change",
        path: config.clone(),
        source,
    };
    let text = std::fs::read_to_string(&config).map_err(file)?;
    // the section is there, with its fields commented out
    let set = format!("[custody]\nkey_file = {:?}", key_file.display().to_string());
    std::fs::write(&config, text.replacen("[custody]", &set, 1)).map_err(file)?;
    Ok(KeyService {
        name: home.name.clone(),
        key,
        url: format!("http://{}", home.api),
    })
}

/// Runs the device at the patient's bed for a few rows, and gives the transactions of its records.
pub(super) fn measure(
    edge: &Path,
    homes: &Homes,
    validators: &Validators,
    device: &DeviceFile,
    patient: &str,
    services: &[KeyService],
) -> Result<Vec<TxId>, LocalnetError> {
    let folder = homes.edge_folder();
    let custody = folder.join("custody.json");
    let names: Vec<_> = services.iter().map(|service| &service.name).collect();
    let named: Vec<_> = services
        .iter()
        .map(|it| json!({"name": it.name, "key": it.key, "url": it.url}))
        .collect();
    let text = json!({
        "custodians": named,
        "patients": [{"bed": 0, "person": patient, "sensitivity": "normal", "custodians": names}],
    });
    std::fs::write(&custody, text.to_string()).map_err(|source| LocalnetError::File {
        action: "write",
        path: custody.clone(),
        source,
    })?;
    let mut command = Command::new(edge);
    command
        .args(["replay", "--format", "simulated", "--patients", "1"])
        .args(["--rows", "6", "--interval-ms", "500"])
        .arg("--device")
        .arg(device.path())
        .args(["--node", validators.hospital().client().base()])
        .args(["--genesis-hash", &homes.genesis().hash.to_string()])
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--custody")
        .arg(&custody)
        .arg("--save-proofs")
        .arg(homes.proofs_folder());
    printed("salus-edge replay", &mut command)?;
    let read = |source| LocalnetError::File {
        action: "read",
        path: homes.proofs_folder(),
        source,
    };
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(homes.proofs_folder()).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if path.extension().is_some_and(|it| it == "proof")
            && let Some(Ok(id)) = stem.map(str::parse)
        {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Opens records with what a custodian releases for a request: what `salus-edge open` prints of each, or why it opens none.
pub(super) fn open(
    edge: &Path,
    homes: &Homes,
    validators: &Validators,
    wallet: &Path,
    request_proof: &Path,
    service: &KeyService,
    records: &[TxId],
) -> Result<Result<Vec<Value>, String>, LocalnetError> {
    let mut command = Command::new(edge);
    command.arg("open").arg("--wallet").arg(wallet);
    command.arg("--anchor").arg(homes.anchor_file());
    command.args(["--genesis-hash", &homes.genesis().hash.to_string()]);
    command.arg("--request-proof").arg(request_proof);
    command.args(["--custodian", &service.name, "--custody-key", &service.key]);
    command.args(["--key-service", &service.url]);
    for id in records {
        let path: PathBuf = homes.edge_folder().join(format!("{id}.record"));
        let proof = validators
            .hospital()
            .client()
            .proof(&ProofPath::Record(*id))?;
        std::fs::write(&path, proof).map_err(|source| LocalnetError::File {
            action: "write",
            path: path.clone(),
            source,
        })?;
        command.arg("--record").arg(path);
    }
    let output = output("salus-edge open", &mut command)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let opened: Vec<Value> = lines
        .filter(|line: &Value| line["opened"] == true)
        .collect();
    if output.status.success() && !opened.is_empty() {
        return Ok(Ok(opened));
    }
    let problem = String::from_utf8_lossy(&output.stderr);
    let problem = if problem.trim().is_empty() {
        text
    } else {
        problem
    };
    Ok(Err(problem.lines().last().unwrap_or_default().to_owned()))
}

/// What a command prints, if it succeeds.
fn printed(what: &str, command: &mut Command) -> Result<String, LocalnetError> {
    let output = output(what, command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(failed(
        what,
        &String::from_utf8_lossy(&output.stderr).trim(),
    ))
}

fn output(what: &str, command: &mut Command) -> Result<Output, LocalnetError> {
    command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| LocalnetError::Spawn {
            what: what.to_owned(),
            source,
        })
}
