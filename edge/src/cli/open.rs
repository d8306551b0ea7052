//! `salus-edge open`: opens records with keys that a custodian released, believing neither node nor custodian.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use salus_edge::follow::{FollowError, FollowFileError, follow, follow_file};
use salus_edge::http::{HttpError, HttpUrl, NodeApi};
use salus_edge::light::{LightClient, LightError};
use salus_edge::opening::{self, OpeningError, RECORD_MAX};
use salus_edge::submit::Stop;
use salus_edge::wallet::{Wallet, WalletError};
use salus_primitives::codec::{self, CodecError};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::custody::{Expected, RELEASE_MAX, Release};
use salus_primitives::ids::{EntityId, GenesisHash};
use salus_primitives::proof::{ANCHOR_MAX, RECEIPT_PROOF_MAX};
use salus_primitives::signed::Signed;
use serde_json::json;

use super::{FileError, read_file, usage_error};

#[derive(Args, Debug)]
pub(crate) struct OpenOptions {
    /// Whose request it was: what was released is wrapped for these keys.
    #[arg(long, value_name = "FILE")]
    wallet: PathBuf,
    /// The chain's anchor: block 0 and its first validators.
    #[arg(long, value_name = "FILE")]
    anchor: PathBuf,
    /// The chain's genesis hash. Without it, the anchor file is believed.
    #[arg(long, value_name = "HEX")]
    genesis_hash: Option<GenesisHash>,
    /// The changes of validators since genesis, for proofs of later epochs than the first.
    #[arg(long, value_name = "FILE")]
    epochs: Option<PathBuf>,
    /// A node to ask for the changes that are missing. It is not trusted.
    #[arg(long, value_name = "URL")]
    node: Option<HttpUrl>,
    /// The proof of the request's receipt, as `salus-edge access request --save-proof` keeps it.
    #[arg(long, value_name = "FILE")]
    request_proof: PathBuf,
    /// The name of the entity whose key service is asked.
    #[arg(long, value_name = "NAME")]
    custodian: String,
    /// The key that the chain has of that key service.
    #[arg(long, value_name = "HEX")]
    custody_key: PublicKey,
    /// Where the key service is. What it releases is kept in --release, if that is given too.
    #[arg(long, value_name = "URL", required_unless_present = "release")]
    key_service: Option<HttpUrl>,
    /// The release, in a file.
    #[arg(long, value_name = "FILE")]
    release: Option<PathBuf>,
    /// The proof of a record: its transaction, and the proof of its receipt behind it. Several may be given.
    #[arg(long = "record", value_name = "FILE", required = true, num_args = 1..)]
    records: Vec<PathBuf>,
}

/// Why nothing was opened.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("--wallet: {0}")]
    Wallet(#[from] WalletError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the chain: {0}")]
    Light(#[from] LightError),
    #[error(transparent)]
    Opening(#[from] OpeningError),
    #[error("--epochs: {0}")]
    Epochs(#[from] FollowFileError),
    #[error("--node: {0}")]
    Node(#[from] FollowError),
    #[error("--key-service: {0}")]
    KeyService(#[from] HttpError),
    #[error("the release is malformed: {0}")]
    Release(#[from] CodecError),
    #[error("cannot write {}: {source}", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl OpenOptions {
    pub(crate) fn run(self) -> ExitCode {
        match self.open() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error @ (OpenError::Wallet(_) | OpenError::File(_))) => usage_error(&error),
            Err(error) => {
                println!("{}", json!({"opened": false, "reason": error.to_string()}));
                ExitCode::FAILURE
            }
        }
    }

    /// Prints what is in each record, one JSON object a line. Whether all opened.
    fn open(&self) -> Result<bool, OpenError> {
        let wallet = Wallet::load(&self.wallet)?;
        let anchor = read_file("--anchor", &self.anchor, ANCHOR_MAX)?;
        let mut client = LightClient::new(&anchor, self.genesis_hash)?;
        let proof = read_file("--request-proof", &self.request_proof, RECEIPT_PROOF_MAX)?;
        let allowed = self.checked(&mut client, |client| opening::allowed(client, &proof))?;
        let mut records = Vec::new();
        for path in &self.records {
            let bytes = read_file("--record", path, RECORD_MAX)?;
            records.push(self.checked(&mut client, |client| opening::record(client, &bytes))?);
        }
        let release = self.release(&allowed)?;
        let release: Signed<Release> = codec::decode(&release, RELEASE_MAX)?;
        let expected = Expected {
            genesis: client.genesis(),
            request: allowed.request,
            asked: allowed.asked,
            custodian: EntityId::of_name(&self.custodian),
            custody_key: self.custody_key,
        };
        let opened = opening::open(&expected, &release, wallet.exchange(), &records)?;
        let mut is_all = true;
        for (record, opened) in records.iter().zip(opened) {
            let name = record.sealed.reading;
            match opened {
                Ok(reading) => println!(
                    "{}",
                    json!({"opened": true, "reading_id": name, "reading": reading})
                ),
                Err(reason) => {
                    is_all = false;
                    println!(
                        "{}",
                        json!({"opened": false, "reading_id": name, "reason": reason.to_string()})
                    );
                }
            }
        }
        Ok(is_all)
    }

    /// Checks with what is known; then with the file's changes of validators, then with a node's.
    fn checked<T>(
        &self,
        client: &mut LightClient,
        check: impl Fn(&LightClient) -> Result<T, OpeningError>,
    ) -> Result<T, OpenError> {
        let need = |result: &Result<T, OpeningError>| match result {
            Err(OpeningError::Light(LightError::UnknownEpoch { need, .. })) => Some(*need),
            Ok(_) | Err(_) => None,
        };
        let mut result = check(client);
        if let (Some(epoch), Some(path)) = (need(&result), &self.epochs) {
            let file = File::open(path).map_err(|source| FileError {
                option: "--epochs",
                path: path.clone(),
                source,
            })?;
            follow_file(file, client, epoch)?;
            result = check(client);
        }
        if let (Some(epoch), Some(node)) = (need(&result), &self.node) {
            let node = NodeApi::new(node.clone(), CALL_LIMIT);
            follow(&node, client, epoch, &Stop::default())?;
            result = check(client);
        }
        Ok(result?)
    }

    /// The release from its file, or from the key service, and then kept.
    fn release(&self, allowed: &opening::Allowed) -> Result<Vec<u8>, OpenError> {
        match (&self.key_service, &self.release) {
            (None, path) => Ok(read_file(
                "--release",
                path.as_deref().unwrap_or(std::path::Path::new("")),
                RELEASE_MAX,
            )?),
            (Some(url), path) => {
                let node = NodeApi::new(url.clone(), RELEASE_LIMIT);
                let release = node.release(&allowed.request)?;
                if let Some(path) = path {
                    std::fs::write(path, &release).map_err(|source| OpenError::Write {
                        path: path.clone(),
                        source,
                    })?;
                }
                Ok(release)
            }
        }
    }
}

const CALL_LIMIT: Duration = Duration::from_secs(10);
/// A custodian may have thousands of keys to wrap.
const RELEASE_LIMIT: Duration = Duration::from_secs(40);
