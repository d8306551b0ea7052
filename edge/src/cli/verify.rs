//! `salus-edge verify`: checks a receipt proof from files alone.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use salus_edge::light::{LightClient, LightError};
use salus_primitives::ids::GenesisHash;
use salus_primitives::proof::Proven;
use salus_primitives::receipt::{Outcome, Receipt};
use serde_json::{Value, json};

use super::{read_file, usage_error};

#[derive(Args, Debug)]
pub(crate) struct VerifyOptions {
    /// The chain's anchor: block 0 and its first validators.
    #[arg(long, value_name = "FILE")]
    anchor: PathBuf,
    /// The receipt proof.
    #[arg(long, value_name = "FILE")]
    proof: PathBuf,
    /// The chain's genesis hash. Without it, the anchor file is believed.
    #[arg(long, value_name = "HEX")]
    genesis_hash: Option<GenesisHash>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl VerifyOptions {
    pub(crate) fn run(self) -> ExitCode {
        let files = read_file("--anchor", &self.anchor)
            .and_then(|anchor| Ok((anchor, read_file("--proof", &self.proof)?)));
        let (anchor, proof) = match files {
            Ok(files) => files,
            Err(error) => return usage_error(&error),
        };
        match self.check(&anchor, &proof) {
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

    fn check(
        &self,
        anchor: &[u8],
        proof: &[u8],
    ) -> Result<(LightClient, Proven<Receipt>), LightError> {
        let client = LightClient::new(anchor, self.genesis_hash)?;
        let receipt = client.any_receipt(proof)?;
        Ok((client, receipt))
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
            client.total_weight()
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
        "lane": receipt.lane,
        "outcome": outcome,
        "weight": proven.weight(),
        "total_weight": client.total_weight(),
    })
}
