//! `salus tx`: a member's own transactions, from its operator's key to their receipts.

mod agreements;
mod governance;
mod lanes;
mod names;
mod people;
mod sending;
mod staking;

use super::keys::parse_role;
use super::status::Node;
use super::{Failure, Outcome};
use clap::{Args, Subcommand};
use salus_primitives::calls::{
    DEVICES_IN_BATCH_MAX, IDENTITY, IdentityCall, NewDevice, Role, StakingCall,
};
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{DeviceId, Height, ModelId};
use salus_primitives::transaction::{Call, TRANSACTION_MAX, TxId};
use sending::{Sending, Wait, line};
use serde::Deserialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) use sending::{TxError, signed_call};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Binds a device to its owner, and a signing key to the device. The owner is a hospital or a pharmacy.
    RegisterDevice(RegisterDevice),
    /// Binds many devices, from a file of what `salus-edge device new` printed, one a line.
    RegisterDevices(RegisterDevices),
    /// Gives a device another signing key.
    RotateDeviceKey(RotateDeviceKey),
    /// Ends a device: nothing is accepted from it any more.
    RevokeDevice(RevokeDevice),
    /// Ends all devices of a model: the signer's own, or, if a ministry signs, everybody's.
    RevokeModel(RevokeModel),
    /// What an entity says of its patients and practitioners.
    #[command(subcommand)]
    People(people::People),
    /// Agreements of entities to exchange data.
    #[command(subcommand)]
    Agreement(agreements::AgreementCommand),
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
pub(super) struct RegisterDevices {
    /// The cards: one JSON object a line, with `device_id` and `public_key`.
    #[arg(long, value_name = "FILE")]
    cards: PathBuf,
    /// The maker's name of the model, by which all of its devices can be revoked together.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(super) struct RotateDeviceKey {
    /// The device's unique key.
    #[arg(long, value_name = "HEX")]
    device_id: DeviceId,
    /// The device's new public signing key.
    #[arg(long, value_name = "HEX")]
    device_key: PublicKey,
    /// The first block in which the new key holds and the old one does not; without it, from the next transaction on.
    #[arg(long, value_name = "HEIGHT")]
    from: Option<u64>,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(super) struct RevokeModel {
    /// The maker's name of the model, as the devices were registered with.
    #[arg(long, value_name = "NAME")]
    model: String,
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
        Command::RegisterDevices(devices) => devices.send(),
        Command::RotateDeviceKey(RotateDeviceKey {
            device_id,
            device_key,
            from,
            sending,
        }) => sending.send(identity(&IdentityCall::RotateDeviceKey {
            device: device_id,
            key: device_key,
            from: from.map(Height::new),
        })),
        Command::RevokeModel(RevokeModel { model, sending }) => {
            sending.send(identity(&IdentityCall::RevokeModel {
                model: ModelId::of_name(&model),
            }))
        }
        Command::People(people) => people.send(),
        Command::Agreement(agreement) => agreement.send(),
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

/// What `salus-edge device new` prints, as far as it is registered.
#[derive(Deserialize)]
struct Card {
    device_id: DeviceId,
    public_key: PublicKey,
}

impl RegisterDevices {
    /// As many transactions as it takes; with `--wait`, one after the other.
    fn send(&self) -> Outcome {
        let limit = CARDS_BYTES_MAX;
        let unreadable = |problem: &dyn std::fmt::Display| {
            Failure::usage(format!("cannot read {}: {problem}", self.cards.display()))
        };
        let bytes = crate::bounded::read(&self.cards, limit).map_err(|error| unreadable(&error))?;
        let mut devices = Vec::new();
        for (line, card) in
            (1..).zip(serde_json::Deserializer::from_slice(&bytes).into_iter::<Card>())
        {
            let card = card.map_err(|error| unreadable(&format!("card {line}: {error}")))?;
            devices.push(NewDevice {
                device: card.device_id,
                key: card.public_key,
            });
        }
        devices.sort_unstable_by_key(|device| device.device);
        let model = self.model.as_deref().map(ModelId::of_name);
        let mut outcome = ExitCode::SUCCESS;
        for batch in devices.chunks(DEVICES_IN_BATCH_MAX) {
            let devices = batch.to_vec();
            let call = identity(&IdentityCall::RegisterDevices { model, devices });
            let code = self.sending.send(call)?;
            if code != ExitCode::SUCCESS {
                outcome = code;
            }
        }
        Ok(outcome)
    }
}

/// A hundred thousand cards.
const CARDS_BYTES_MAX: u64 = 32 * 1024 * 1024;

fn identity(call: &IdentityCall) -> Call {
    Call::new(IDENTITY, call)
}
