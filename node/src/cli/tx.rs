//! `salus tx`: a member's own transactions, from its operator's key to their receipts.

mod governance;
mod lanes;
mod names;
mod sending;
mod staking;

use super::keys::parse_role;
use super::status::Node;
use super::{Failure, Outcome};
use clap::{Args, Subcommand};
use salus_primitives::calls::{IDENTITY, IdentityCall, Role, StakingCall};
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::DeviceId;
use salus_primitives::transaction::{Call, TRANSACTION_MAX, TxId};
use sending::{Sending, Wait, line};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) use sending::{TxError, signed_call};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Binds a device to its owner, and a signing key to the device. The owner is a hospital or a pharmacy.
    RegisterDevice(RegisterDevice),
    /// Gives a device another signing key.
    RotateDeviceKey(RegisterDevice),
    /// Ends a device: nothing is accepted from it any more.
    RevokeDevice(RevokeDevice),
    /// Registers an entity that is not a member. Only a ministry can.
    RegisterEntity(RegisterEntity),
    /// The member stands as a candidate for a seat.
    Stand(staking::Simple),
    /// The member stands no longer.
    StepDown(staking::Simple),
    /// The member delegates its weight, in place of what it delegated before.
    Delegate(staking::Delegate),
    /// The member delegates nothing any more.
    Withdraw(staking::Simple),
    /// The member, set inactive for missed votes, is ready to validate again.
    Return(staking::Simple),
    /// The member says what its validator's work costs; 1 until it does.
    Price(lanes::Price),
    /// Reports a validator that broke the protocol.
    Report(staking::Report),
    /// Proposes a change of who the members are or how blocks are configured, and signs it by that. More than two thirds of all weight must sign.
    #[command(subcommand)]
    Propose(governance::Propose),
    /// Signs a proposal. With the signature that makes it pass, the change takes effect.
    Sign(governance::Sign),
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
        }) => sending.send(identity(&IdentityCall::register_device(
            device_id, device_key,
        ))),
        Command::RotateDeviceKey(RegisterDevice {
            device_id,
            device_key,
            sending,
        }) => sending.send(identity(&IdentityCall::rotate_device_key(
            device_id, device_key,
        ))),
        Command::RevokeDevice(RevokeDevice { device_id, sending }) => {
            sending.send(identity(&IdentityCall::RevokeDevice { device: device_id }))
        }
        Command::RegisterEntity(RegisterEntity {
            name,
            role,
            operator_key,
            exchange_key,
            sending,
        }) => sending.send(identity(&IdentityCall::RegisterEntity {
            name,
            role,
            key: operator_key,
            exchange_key,
        })),
        Command::Stand(simple) => simple.send(&StakingCall::Stand),
        Command::StepDown(simple) => simple.send(&StakingCall::StepDown),
        Command::Delegate(delegate) => delegate.send(),
        Command::Withdraw(simple) => simple.send(&StakingCall::Withdraw),
        Command::Return(simple) => simple.send(&StakingCall::Return),
        Command::Price(price) => price.send(),
        Command::Report(report) => report.send(),
        Command::Propose(propose) => propose.send(),
        Command::Sign(sign) => sign.send(),
        Command::Submit(Submit { file, node, wait }) => {
            let limit = TRANSACTION_MAX as u64;
            let bytes = crate::bounded::read(&file, limit).map_err(|source| {
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

fn identity(call: &IdentityCall) -> Call {
    Call::new(IDENTITY, call)
}
