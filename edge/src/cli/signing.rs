//! Signing a call with a wallet, handing it in, and following it until it is proven.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use getrandom::SysRng;
use rand_core::TryRng;
use salus_edge::follow::{FollowError, Follower};
use salus_edge::http::HttpUrl;
use salus_edge::light::{LightClient, LightError};
use salus_edge::submit::{Delivery, Nodes, Stop, sign_call};
use salus_edge::wallet::Wallet;
use salus_primitives::access::AccessEvent;
use salus_primitives::calls::ACCESS;
use salus_primitives::codec;
use salus_primitives::ids::GenesisHash;
use salus_primitives::proof::Proven;
use salus_primitives::receipt::{Outcome, Receipt};
use salus_primitives::transaction::{Call, TxId};
use serde_json::{Value, json};

use super::{failure, usage_error};

/// Who signs, and where it goes.
#[derive(Args, Debug)]
pub(crate) struct Signing {
    /// Who signs.
    #[arg(long, value_name = "FILE", global = true)]
    wallet: Option<PathBuf>,
    /// A node's API; several may be given. None is trusted.
    #[arg(long, value_name = "URL", global = true)]
    node: Vec<HttpUrl>,
    /// The chain's genesis hash. Without it, the first node that answers is believed.
    #[arg(long, value_name = "HEX", global = true)]
    genesis_hash: Option<GenesisHash>,
    /// For how long to try, in seconds.
    #[arg(long, value_name = "N", default_value_t = 30, global = true, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
    /// Where to keep the proof of what became of it.
    #[arg(long, value_name = "FILE", global = true)]
    save_proof: Option<PathBuf>,
}

/// Why nothing came of a call.
#[derive(Debug, thiserror::Error)]
enum SigningError {
    #[error("name the signer's keys with --wallet FILE")]
    NoWallet,
    #[error("name a node with --node URL")]
    NoNode,
    #[error("the system has no randomness")]
    Entropy,
    #[error("no node answers")]
    NoAnswer,
    #[error("the chain: {0}")]
    Light(#[from] LightError),
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error("refused: {code}")]
    Refused { code: String },
    #[error("it did not get into a block in time; nothing was done")]
    Expired,
    #[error("the routine lane is full; try again in {0:?}")]
    Later(Duration),
    #[error("it is not known what became of it; ask for transaction {0}")]
    Unknown(TxId),
    #[error("cannot write {}: {source}", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl Signing {
    /// Makes the call once it is known who signs it, and prints what became of it as JSON.
    pub(crate) fn run(&self, call: impl FnOnce() -> Call) -> ExitCode {
        let wallet = match &self.wallet {
            Some(path) => match Wallet::load(path) {
                Ok(wallet) => wallet,
                Err(error) => return usage_error(&error),
            },
            None => return usage_error(&SigningError::NoWallet),
        };
        if self.node.is_empty() {
            return usage_error(&SigningError::NoNode);
        }
        match self.deliver(&wallet, call()) {
            Ok((id, receipt)) => {
                println!("{}", told(&id, &receipt));
                match receipt.value().outcome {
                    Outcome::Ok => ExitCode::SUCCESS,
                    Outcome::Failed { .. } => ExitCode::FAILURE,
                }
            }
            Err(error) => failure(&error),
        }
    }

    /// Signs the call, hands it in, and follows it until it is proven.
    fn deliver(
        &self,
        wallet: &Wallet,
        call: Call,
    ) -> Result<(TxId, Proven<Receipt>), SigningError> {
        let mut nonce = [0; 16];
        SysRng
            .try_fill_bytes(&mut nonce)
            .map_err(|_| SigningError::Entropy)?;
        let nodes = Nodes::new(self.node.clone(), CALL_LIMIT);
        let stop = Stop::default();
        std::thread::scope(|scope| {
            let limit = Duration::from_secs(self.timeout);
            let (done, ended) = std::sync::mpsc::channel::<()>();
            let stop = &stop;
            scope.spawn(move || {
                // an answer, or the time is up
                let _ = ended.recv_timeout(limit);
                stop.stop();
            });
            let result = self.deliver_until(wallet, call, nonce, &nodes, stop);
            drop(done);
            result
        })
    }

    fn deliver_until(
        &self,
        wallet: &Wallet,
        call: Call,
        nonce: [u8; 16],
        nodes: &Nodes,
        stop: &Stop,
    ) -> Result<(TxId, Proven<Receipt>), SigningError> {
        let (client, _) = nodes
            .anchor(stop, |anchor| LightClient::new(anchor, self.genesis_hash))
            .ok_or(SigningError::NoAnswer)??;
        let client = Follower::new(client);
        let valid_until = nodes.valid_until(stop).ok_or(SigningError::NoAnswer)?;
        let transaction = sign_call(client.genesis(), wallet, call, valid_until, nonce);
        let id = transaction.body.id();
        match nodes.deliver(&transaction, &client, stop, || {}) {
            Delivery::Proven { receipt, proof, .. } => {
                if let Some(path) = &self.save_proof {
                    std::fs::write(path, proof).map_err(|source| SigningError::Write {
                        path: path.clone(),
                        source,
                    })?;
                }
                Ok((id, receipt))
            }
            Delivery::Later(wait) => Err(SigningError::Later(wait)),
            Delivery::Expired => Err(SigningError::Expired),
            Delivery::Refused { code } => Err(SigningError::Refused { code }),
            Delivery::Forked(forked) => Err(FollowError::Forked(forked).into()),
            Delivery::Stopped => Err(SigningError::Unknown(id)),
        }
    }
}

/// What became of a call, from its proven receipt.
fn told(id: &TxId, receipt: &Proven<Receipt>) -> Value {
    let outcome = match receipt.value().outcome {
        Outcome::Ok => json!("ok"),
        Outcome::Failed { contract, code } => json!({"contract": contract, "code": code}),
    };
    let events: Vec<AccessEvent> = receipt
        .value()
        .events
        .iter()
        .filter(|event| event.contract == ACCESS)
        .filter_map(|event| codec::decode(event.data.as_slice(), EVENT_MAX).ok())
        .collect();
    json!({"id": id, "height": receipt.height(), "outcome": outcome, "events": events})
}

const CALL_LIMIT: Duration = Duration::from_secs(5);
const EVENT_MAX: usize = 4 * 1024;
