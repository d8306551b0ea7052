//! Who signs a transaction, where it goes, and what becomes of it.

use crate::cli::status::Node;
use crate::cli::{Failure, Outcome};
use crate::client::{ApiClient, ClientError, TransactionView};
use crate::home::{Home, read_genesis};
use crate::keys::NodeKeys;
use clap::Args;
use salus_primitives::codec;
use salus_primitives::ids::GenesisHash;
use salus_primitives::lane::Lane;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, Transaction, TxId};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Who signs, and where it goes.
#[derive(Debug, Args)]
pub(super) struct Sending {
    #[command(flatten)]
    signer: SignerPlace,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    wait: Wait,
}

/// Whose operator key signs.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SignerPlace {
    /// The home of the signer's node. The chain is that of its genesis file.
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The signer's key file. The chain is the one the node names.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Whether to wait for finality.
#[derive(Debug, Args)]
pub(super) struct Wait {
    /// Waits until the transaction is final; fails if it is not in time, or if its contract refused it.
    #[arg(long)]
    pub(super) wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, requires = "wait", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl Sending {
    /// Signs a call, hands it in, and follows it if that is asked for.
    pub(super) fn send(&self, call: Call) -> Outcome {
        let client = self.node.client()?;
        let (keys, genesis) = self.signer.read(&client)?;
        let transaction = signed_call(&client, &keys, genesis, call)?;
        let id = client.submit(&transaction).map_err(Failure::failed)?;
        self.wait.follow(&client, &id)
    }

    /// The node that it is handed to.
    pub(super) fn client(&self) -> Result<ApiClient, Failure> {
        self.node.client()
    }

    /// The home of the signer's node, if it was named by that.
    pub(super) fn home(&self) -> Option<&Path> {
        self.signer.home.as_deref()
    }
}

impl SignerPlace {
    fn read(&self, client: &ApiClient) -> Result<(NodeKeys, GenesisHash), Failure> {
        match (&self.home, &self.key) {
            (Some(home), _) => {
                let home = Home::new(home);
                Ok((
                    NodeKeys::read(&home.keys_file())?,
                    read_genesis(&home.genesis_file())?.hash,
                ))
            }
            (None, Some(file)) => Ok((
                NodeKeys::read(file)?,
                client.genesis_hash().map_err(Failure::failed)?,
            )),
            (None, None) => unreachable!("clap asks for one of the two"),
        }
    }
}

impl Wait {
    pub(super) fn follow(&self, client: &ApiClient, id: &TxId) -> Outcome {
        if !self.wait {
            println!("{id} submitted");
            return Ok(ExitCode::SUCCESS);
        }
        let view = client
            .transaction(id, Duration::from_secs(self.timeout))
            .map_err(Failure::failed)?;
        println!("{}", line(id, &view));
        Ok(if view.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Encodes and signs an entity's call, valid from now for as long as the chain allows.
pub(crate) fn signed_call(
    client: &ApiClient,
    keys: &NodeKeys,
    genesis: GenesisHash,
    call: Call,
) -> Result<Vec<u8>, TxError> {
    let window = client.window_blocks()?;
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(TxError::Entropy)?;
    let sender = keys.operator.public();
    let transaction = Transaction {
        genesis,
        sender,
        entity: client.entity_of(&sender)?,
        lane: Lane::Routine,
        valid_until: client.head()?.plus(window),
        nonce,
        call,
    };
    let signed = Signed::sign(transaction, genesis, &keys.operator.signer());
    Ok(codec::encode(signed.signed()))
}

/// Why a transaction could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TxError {
    /// The node does not say what the chain allows.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The operating system gives no randomness.
    #[error("no randomness from the operating system: {0}")]
    Entropy(getrandom::Error),
}

impl From<TxError> for Failure {
    fn from(error: TxError) -> Self {
        Self::failed(error)
    }
}

/// How a transaction stands, in one line that begins with its id.
pub(super) fn line(id: &TxId, view: &TransactionView) -> String {
    let mut line = format!("{id} {}", view.status);
    if let Some(height) = view.height {
        line.push_str(&format!(" at height {height}"));
    }
    match &view.outcome {
        Some(serde_json::Value::String(outcome)) => line.push_str(&format!(", {outcome}")),
        Some(outcome) => match outcome["reason"].as_str() {
            Some(reason) => line.push_str(&format!(
                ", failed: {reason} (contract {}, code {})",
                outcome["contract"], outcome["code"]
            )),
            None => line.push_str(&format!(", failed: {outcome}")),
        },
        None => {}
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_height_and_the_stable_name_of_a_refusal() {
        let id = TxId([7; 32]);
        let view = |outcome: serde_json::Value| TransactionView {
            status: "final".to_owned(),
            height: Some(12),
            outcome: Some(outcome),
        };

        let good = line(&id, &view(serde_json::json!("ok")));
        let refused = line(
            &id,
            &view(serde_json::json!({"contract": 5, "code": 7, "reason": "unknown_member"})),
        );

        assert_eq!(good, format!("{id} final at height 12, ok"));
        assert_eq!(
            refused,
            format!("{id} final at height 12, failed: unknown_member (contract 5, code 7)")
        );
    }
}
