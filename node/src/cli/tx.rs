//! `salus tx`: a member's own transactions, from its operator's key to their receipts.

use super::keys::parse_role;
use super::status::Node;
use super::{Failure, Outcome};
use crate::client::{ApiClient, ClientError, TransactionView};
use crate::home::{Home, read_genesis};
use crate::keys::NodeKeys;
use clap::{Args, Subcommand};
use salus_primitives::calls::{IDENTITY, IdentityCall, Role};
use salus_primitives::codec;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{DeviceId, GenesisHash};
use salus_primitives::lane::Lane;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, Transaction, TxId};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Binds a device to its owner, and a signing key to the device. The owner is a hospital or a pharmacy.
    RegisterDevice(RegisterDevice),
    /// Gives a device another signing key.
    RotateDeviceKey(RegisterDevice),
    /// Ends a device: nothing is accepted from it any more.
    RevokeDevice(RevokeDevice),
    /// Admits an entity that is not a member. Only a ministry can.
    RegisterEntity(RegisterEntity),
    /// Submits an encoded, signed transaction from a file.
    Submit(Submit),
    /// Shows how a transaction stands.
    Status(Status),
}

#[derive(Debug, Args)]
pub(super) struct RegisterDevice {
    /// The device's unique key, as `salus-edge device new` prints it.
    #[arg(long, value_name = "HEX")]
    device_id: DeviceId,
    /// The device's public signing key.
    #[arg(long, value_name = "HEX")]
    device_key: PublicKey,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(super) struct RevokeDevice {
    /// The device's unique key.
    #[arg(long, value_name = "HEX")]
    device_id: DeviceId,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(super) struct RegisterEntity {
    /// Its name: lower-case letters and digits, with . _ - inside.
    #[arg(long)]
    name: String,
    /// hospital, pharmacy, insurer, institute or ministry.
    #[arg(long, value_parser = parse_role)]
    role: Role,
    /// The key its own transactions are signed with.
    #[arg(long, value_name = "HEX")]
    operator_key: PublicKey,
    /// The key that secrets are wrapped for.
    #[arg(long, value_name = "HEX")]
    exchange_key: ExchangePublic,
    #[command(flatten)]
    sending: Sending,
}

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
struct Wait {
    /// Waits until the transaction is final; fails if it is not in time, or if its contract refused it.
    #[arg(long)]
    wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, requires = "wait", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

#[derive(Debug, Args)]
pub(super) struct Submit {
    /// The encoded transaction.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// The transaction's id.
    id: TxId,
    #[command(flatten)]
    node: Node,
    #[command(flatten)]
    wait: Wait,
}

pub(super) fn run(command: Command) -> Outcome {
    match command {
        Command::RegisterDevice(RegisterDevice {
            device_id,
            device_key,
            sending,
        }) => sending.send(&IdentityCall::RegisterDevice {
            device: device_id,
            key: device_key,
        }),
        Command::RotateDeviceKey(RegisterDevice {
            device_id,
            device_key,
            sending,
        }) => sending.send(&IdentityCall::RotateDeviceKey {
            device: device_id,
            key: device_key,
        }),
        Command::RevokeDevice(RevokeDevice { device_id, sending }) => {
            sending.send(&IdentityCall::RevokeDevice { device: device_id })
        }
        Command::RegisterEntity(RegisterEntity {
            name,
            role,
            operator_key,
            exchange_key,
            sending,
        }) => sending.send(&IdentityCall::RegisterEntity {
            name,
            role,
            key: operator_key,
            exchange_key,
        }),
        Command::Submit(Submit { file, node, wait }) => {
            let bytes = std::fs::read(&file).map_err(|source| {
                Failure::usage(format!("cannot read {}: {source}", file.display()))
            })?;
            let client = node.client()?;
            let id = client.submit(&bytes).map_err(Failure::failed)?;
            wait.follow(&client, &id)
        }
        Command::Status(Status { id, node, wait }) => {
            let client = node.client()?;
            if wait.wait {
                return wait.follow(&client, &id);
            }
            let view = client
                .transaction(&id, Duration::ZERO)
                .map_err(Failure::failed)?;
            println!("{}", line(&id, &view));
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl Sending {
    fn send(&self, call: &IdentityCall) -> Outcome {
        let client = self.node.client()?;
        let (keys, genesis) = self.signer.read(&client)?;
        let transaction = identity_transaction(&client, &keys, genesis, call)?;
        let id = client.submit(&transaction).map_err(Failure::failed)?;
        self.wait.follow(&client, &id)
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
    fn follow(&self, client: &ApiClient, id: &TxId) -> Outcome {
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

/// Encodes and signs a call of the identity contract, valid from now for as long as the chain allows.
pub(crate) fn identity_transaction(
    client: &ApiClient,
    keys: &NodeKeys,
    genesis: GenesisHash,
    call: &IdentityCall,
) -> Result<Vec<u8>, TxError> {
    let window = client.window_blocks()?;
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(TxError::Entropy)?;
    let transaction = Transaction {
        genesis,
        sender: keys.operator.public(),
        lane: Lane::Routine,
        valid_until: client.head()?.plus(window),
        nonce,
        call: Call::new(IDENTITY, call),
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

fn line(id: &TxId, view: &TransactionView) -> String {
    let mut line = format!("{id} {}", view.status);
    if let Some(height) = view.height {
        line.push_str(&format!(" at height {height}"));
    }
    match &view.outcome {
        Some(serde_json::Value::String(outcome)) => line.push_str(&format!(", {outcome}")),
        Some(outcome) => line.push_str(&format!(", failed: {outcome}")),
        None => {}
    }
    line
}
