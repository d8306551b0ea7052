//! Golden vectors: what every wire type encodes to, byte by byte, and the ids and roots that follow.
//!
//! The files in `tests/vectors` are the format of the chain. A change of one is a hard fork; another implementation can
//! be tested against them. They are written again only with `SALUS_BLESS=1`.

mod access;
mod contracts;
mod coverage;
mod custody;
mod identity;
mod messages;
mod proofs;
mod types;
mod vectors;

use anyhow::Context as _;
use salus_primitives::attestation::Attestation;
use salus_primitives::certificate::Statement;
use salus_primitives::codec;
use salus_primitives::crypto::exchange::Wrapped;
use salus_primitives::epoch::EpochConfig;
use salus_primitives::proof::{GenesisAnchor, ProofError, RECEIPT_PROOF_MAX, ReceiptProof};
use salus_primitives::reading::SealedReading;
use salus_primitives::state_tree::StateProof;
use salus_tests::fixtures;
use std::collections::BTreeMap;
use std::path::PathBuf;
use vectors::{Built, File, Vector};

/// Every file and what it holds.
fn groups() -> BTreeMap<&'static str, Vec<Built>> {
    BTreeMap::from([
        ("ids", types::ids()),
        ("domains", types::domains()),
        ("transactions", types::transactions()),
        ("blocks", types::blocks()),
        ("certificates", types::certificates()),
        ("receipts", types::receipts()),
        ("state", types::state()),
        ("readings", types::readings()),
        ("calls", contracts::calls()),
        ("identity_calls", identity::calls()),
        ("identity", identity::stored()),
        ("identity_events", identity::made_known()),
        ("agreements", identity::agreements()),
        ("access", access::words()),
        ("access_calls", access::calls()),
        ("access_events", access::made_known()),
        ("access_state", access::stored()),
        ("staking_calls", contracts::staking_calls()),
        ("governance_calls", contracts::governance_calls()),
        ("contracts", contracts::stored_and_made_known()),
        ("staking", contracts::staking_stored_and_made_known()),
        ("blockcfg", contracts::blockcfg()),
        ("governance", contracts::governance_stored_and_made_known()),
        ("custody", custody::messages()),
        ("at_rest", custody::at_rest()),
        ("proofs", proofs::proofs()),
        ("audit", proofs::audit()),
        ("validators", types::validators()),
        ("parameters", types::parameters()),
        ("consensus", messages::consensus()),
        ("frames", messages::frames()),
        ("journal", messages::journal()),
    ])
}

fn path(group: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(format!("{group}.toml"))
}

fn read(group: &str) -> anyhow::Result<File> {
    let path = path(group);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

const ADVICE: &str = "a changed encoding or digest is a hard fork: if it is meant, write the vectors again with \
    `SALUS_BLESS=1 cargo test --release -p salus-tests --test golden` and say so in the changelog";

/// The bytes and digests made here are those of the files, and the files' bytes decode to the values made here.
#[test]
fn every_encoding_and_digest_is_that_of_its_vector() {
    let bless = std::env::var_os("SALUS_BLESS").is_some_and(|value| value == "1");
    let mut faults = Vec::new();
    for (group, built) in groups() {
        if bless {
            let file = File {
                vector: built.iter().map(|built| built.vector.clone()).collect(),
            };
            std::fs::write(path(group), file.to_text()).expect("the folder of vectors exists");
        }
        let file = match read(group) {
            Ok(file) => file,
            Err(error) => {
                faults.push(format!("{error:#}"));
                continue;
            }
        };
        faults.extend(
            compare(&built, &file)
                .into_iter()
                .map(|fault| format!("{group}.toml: {fault}")),
        );
    }

    assert!(faults.is_empty(), "{}\n{ADVICE}", faults.join("\n"));
}

fn compare(built: &[Built], file: &File) -> Vec<String> {
    let mut faults = Vec::new();
    let mut stored: BTreeMap<&str, &Vector> = BTreeMap::new();
    for vector in &file.vector {
        if stored.insert(&vector.name, vector).is_some() {
            faults.push(format!("{} stands twice", vector.name));
        }
    }
    for built in built {
        let name = &built.vector.name;
        let Some(vector) = stored.remove(name.as_str()) else {
            faults.push(format!("{name} has no vector"));
            continue;
        };
        if *vector != built.vector {
            faults.push(format!(
                "{name} differs:\n  stored {vector:?}\n  made   {:?}",
                built.vector
            ));
        }
        if let Err(fault) = built.decodes(&vector.encoding) {
            faults.push(format!("{name}: {fault}"));
        }
    }
    faults.extend(
        stored
            .keys()
            .map(|name| format!("{name} is a vector of nothing")),
    );
    faults
}

/// The stored bytes of one vector, decoded.
fn stored<T: serde::Serialize + serde::de::DeserializeOwned>(group: &str, name: &str) -> T {
    let file = read(group).expect("the file is there and well-formed");
    let vector = file
        .vector
        .iter()
        .find(|vector| vector.name == name)
        .expect("the vector is there");
    let bytes = hex::decode(&vector.encoding).expect("hexadecimal");
    codec::decode(&bytes, RECEIPT_PROOF_MAX).expect("canonical")
}

/// What was sealed and wrapped when the vectors were made still opens.
#[test]
fn stored_ciphertexts_open() {
    let sealed: SealedReading = stored("readings", "SealedReading");
    let wrapped: Wrapped = stored("readings", "Wrapped");

    let record_key = fixtures::period_key().record_key(&sealed.reading);
    assert_eq!(
        sealed.open(fixtures::genesis(), &record_key),
        Ok(fixtures::reading())
    );
    let period_key = fixtures::exchange_secret()
        .unwrap(&wrapped, fixtures::WRAP_CONTEXT)
        .expect("opens");
    assert_eq!(period_key.as_slice(), fixtures::period_key().0);
}

/// What was signed and proven when the vectors were made still holds, with nothing but the stored anchor.
#[test]
fn stored_proofs_hold() -> Result<(), ProofError> {
    let anchor: GenesisAnchor = stored("validators", "GenesisAnchor");
    let proof: ReceiptProof = stored("receipts", "ReceiptProof");

    let genesis = anchor.check()?;
    let id = proof.receipt.transaction;
    let proven = proof.verify(genesis, &anchor.first.validators, &id)?;

    assert_eq!(proven.weight(), anchor.first.validators.total_weight());
    assert_eq!(proven.value(), &fixtures::receipts()[1]);
    assert!(matches!(
        proof.finality.certificate.statement,
        Statement::Finalize { .. }
    ));
    Ok(())
}

#[test]
fn the_stored_attestation_holds() {
    let anchor: GenesisAnchor = stored("validators", "GenesisAnchor");
    let attestation: Attestation = stored("receipts", "Attestation");

    let genesis = anchor.check().expect("a block 0 with its validators");
    let EpochConfig { validators, lanes } = &anchor.first;
    let attested = attestation
        .verify(genesis, validators, lanes)
        .expect("holds");

    assert!(attested.is_complete());
    assert_eq!(attested.block, fixtures::block().id());
}

#[test]
fn stored_state_proofs_hold() {
    let (key, value) = &fixtures::state()[0];
    let present: StateProof = stored("state", "StateProof/present");
    let absent: StateProof = stored("state", "StateProof/absent");
    let empty: StateProof = stored("state", "StateProof/empty");

    let root = fixtures::state_root();

    assert!(present.proves(&root, key, Some(value)));
    assert!(absent.proves(&root, &fixtures::absent_key(), None));
    assert!(empty.proves(&stored("state", "StateRoot/empty"), key, None));
}
