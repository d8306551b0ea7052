//! `salus-edge verify`: checks a receipt proof from files alone, or with the changes of validators from a node.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use salus_edge::follow::{FollowError, FollowFileError, follow, follow_file};
use salus_edge::http::{HttpUrl, NodeApi};
use salus_edge::light::{LightClient, LightError};
use salus_edge::submit::Stop;
use salus_primitives::ids::GenesisHash;
use salus_primitives::proof::{ANCHOR_MAX, Proven, RECEIPT_PROOF_MAX};
use salus_primitives::receipt::{Outcome, Receipt};
use salus_primitives::validators::ValidatorSet;
use serde_json::{Value, json};

use super::{FileError, read_file, usage_error};

#[derive(Args, Debug)]
pub(crate) struct VerifyOptions {
    /// The chain's anchor: block 0 and its first validators.
    #[arg(long, value_name = "FILE")]
    anchor: PathBuf,
    /// The receipt proof.
    #[arg(long, value_name = "FILE")]
    proof: PathBuf,
    /// The changes of validators since genesis, for a proof of a later epoch than the first: what `salus-edge replay --save-proofs` keeps
    /// as `epochs`, and a node serves at /v1/epochs.
    #[arg(long, value_name = "FILE")]
    epochs: Option<PathBuf>,
    /// A node to ask for the changes that are missing. It is not trusted.
    #[arg(long, value_name = "URL")]
    node: Option<HttpUrl>,
    /// The chain's genesis hash. Without it, the anchor file is believed.
    #[arg(long, value_name = "HEX")]
    genesis_hash: Option<GenesisHash>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Why nothing is proven.
#[derive(Debug, thiserror::Error)]
enum VerifyError {
    #[error(
        "{0}; give them with --epochs FILE (`salus-edge replay --save-proofs` keeps them as `epochs`), or name a node with --node"
    )]
    Missing(LightError),
    #[error(transparent)]
    Light(#[from] LightError),
    #[error("--epochs: {0}")]
    Epochs(#[from] FollowFileError),
    #[error("--node: {0}")]
    Node(#[from] FollowError),
}

impl VerifyOptions {
    pub(crate) fn run(self) -> ExitCode {
        let files = read_file("--anchor", &self.anchor, ANCHOR_MAX)
            .and_then(|anchor| {
                Ok((
                    anchor,
                    read_file("--proof", &self.proof, RECEIPT_PROOF_MAX)?,
                ))
            })
            .and_then(|(anchor, proof)| Ok((anchor, proof, self.open_epochs()?)));
        let (anchor, proof, epochs) = match files {
            Ok(files) => files,
            Err(error) => return usage_error(&error),
        };
        match self.check(&anchor, &proof, epochs) {
            Ok((client, receipt)) => {
                self.print_proven(&client, &receipt);
                ExitCode::SUCCESS
            }
            Err(error) => {
                if self.json {
                    println!("{}", json!({"proven": false, "reason": error.to_string()}));
                } else {
                    println!("not proven: {error}");
                }
                ExitCode::FAILURE
            }
        }
    }

    fn open_epochs(&self) -> Result<Option<File>, FileError> {
        let open = |path: &PathBuf| {
            File::open(path).map_err(|source| FileError {
                option: "--epochs",
                path: path.clone(),
                source,
            })
        };
        self.epochs.as_ref().map(open).transpose()
    }

    fn check(
        &self,
        anchor: &[u8],
        proof: &[u8],
        epochs: Option<File>,
    ) -> Result<(LightClient, Proven<Receipt>), VerifyError> {
        let mut client = LightClient::new(anchor, self.genesis_hash)?;
        if let (Err(LightError::UnknownEpoch { need, .. }), Some(epochs)) =
            (client.any_receipt(proof), epochs)
        {
            follow_file(epochs, &mut client, need)?;
        }
        if let (Err(LightError::UnknownEpoch { need, .. }), Some(node)) =
            (client.any_receipt(proof), &self.node)
        {
            let node = NodeApi::new(node.clone(), CALL_LIMIT);
            follow(&node, &mut client, need, &Stop::default())?;
        }
        match client.any_receipt(proof) {
            Ok(receipt) => Ok((client, receipt)),
            Err(error @ LightError::UnknownEpoch { .. }) => Err(VerifyError::Missing(error)),
            Err(error) => Err(error.into()),
        }
    }

    fn print_proven(&self, client: &LightClient, proven: &Proven<Receipt>) {
        let receipt = proven.value();
        if self.json {
            println!("{}", to_json(client, proven));
            return;
        }
        println!("proven: transaction {}", receipt.transaction);
        println!("chain   {}", client.genesis());
        println!("height  {} (block {})", proven.height(), proven.block());
        println!("epoch   {}", proven.epoch());
        println!("lane    {}", receipt.lane);
        match receipt.outcome {
            Outcome::Ok => println!("outcome ok"),
            Outcome::Failed { contract, code } => {
                println!("outcome failed: contract {contract}, code {code}")
            }
        }
        println!(
            "signed by weight {} of {}",
            proven.weight(),
            total_weight(client, proven)
        );
    }
}

fn to_json(client: &LightClient, proven: &Proven<Receipt>) -> Value {
    let receipt = proven.value();
    let outcome = match receipt.outcome {
        Outcome::Ok => json!("ok"),
        Outcome::Failed { contract, code } => json!({"contract": contract, "code": code}),
    };
    json!({
        "proven": true,
        "transaction": receipt.transaction,
        "genesis_hash": client.genesis(),
        "height": proven.height(),
        "block": proven.block(),
        "epoch": proven.epoch(),
        "lane": receipt.lane,
        "outcome": outcome,
        "weight": proven.weight(),
        "total_weight": total_weight(client, proven),
    })
}

/// Of the validators that signed; the client knows them, because it has checked with them.
fn total_weight(client: &LightClient, proven: &Proven<Receipt>) -> u64 {
    let validators = client.validators(proven.epoch());
    validators.map_or(0, ValidatorSet::total_weight)
}

const CALL_LIMIT: Duration = Duration::from_secs(10);
