//! `salus tx propose` and `salus tx sign`: changes of who the members are. Those of lanes: `lanes.rs`.

use super::lanes::{SetLane, SetModel};
use super::names::parse_entity;
use super::sending::Sending;
use crate::cli::genesis::read_members;
use crate::cli::keys::read_next_keys;
use crate::cli::{Failure, Outcome};
use crate::home::{Home, member_name};
use clap::{Args, Subcommand};
use salus_primitives::calls::{Change, GOVERNANCE, GovernanceCall, ValidatorKeys};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::EntityId;
use salus_primitives::transaction::{Call, TxId};
use std::path::PathBuf;

/// A change for the members to sign. The proposal's id is that of the transaction.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Propose {
    /// Another voting weight for a member.
    SetWeight(SetWeight),
    /// A registered entity becomes a member.
    Admit(Admit),
    /// A member is one no longer.
    Retire(OfMember),
    /// Other keys for a member's validator; those that `salus keys rotate` made in the home, if no others are named.
    RotateKeys(RotateKeys),
    /// A jailed member may be elected again.
    Release(OfMember),
    /// The share of votes below which members are set inactive.
    SetParticipation(SetParticipation),
    /// What blocks of a lane are configured by, from the second epoch after the one in which it passes.
    SetLane(SetLane),
    /// The constants of the model by which verifiers are chosen, from the same epoch on.
    SetModel(SetModel),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SetWeight {
    /// Which member: its name or id.
    #[arg(value_parser = parse_entity)]
    member: EntityId,
    /// Its new weight; with 0 it stays a member and has no say.
    weight: u64,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Admit {
    /// Which entity: its name or id. Not needed with --entry.
    #[arg(value_parser = parse_entity, required_unless_present = "entry")]
    entity: Option<EntityId>,
    /// The newcomer's entry, as its `salus keys new` printed it: name, keys and weight.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["entity", "validator_key", "network_key"])]
    entry: Option<PathBuf>,
    /// Its voting weight; that of the entry if it is not given.
    #[arg(long, required_unless_present = "entry")]
    weight: Option<u64>,
    /// The key its votes are signed with. Without keys it gets no seat.
    #[arg(long, value_name = "HEX", requires = "network_key")]
    validator_key: Option<PublicKey>,
    /// The key its connections are authenticated with.
    #[arg(long, value_name = "HEX", requires = "validator_key")]
    network_key: Option<PublicKey>,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct OfMember {
    /// Which member: its name or id.
    #[arg(value_parser = parse_entity)]
    member: EntityId,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RotateKeys {
    /// Which member: its name or id. The one whose home it is, if it is not given.
    #[arg(value_parser = parse_entity, requires = "validator_key")]
    member: Option<EntityId>,
    /// The key its votes will be signed with.
    #[arg(
        long,
        value_name = "HEX",
        requires = "network_key",
        requires = "member"
    )]
    validator_key: Option<PublicKey>,
    /// The key its connections will be authenticated with; may be the present one.
    #[arg(long, value_name = "HEX", requires = "validator_key")]
    network_key: Option<PublicKey>,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SetParticipation {
    /// In percent; 0 to 66, and 0 sets nobody inactive.
    percent: u8,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Sign {
    /// The proposal: the id of the transaction that made it.
    proposal: TxId,
    #[command(flatten)]
    sending: Sending,
}

impl Propose {
    pub(super) fn send(&self) -> Outcome {
        let (change, sending) = match self {
            Self::SetWeight(SetWeight {
                member,
                weight,
                sending,
            }) => (
                Change::SetWeight {
                    member: *member,
                    weight: *weight,
                },
                sending,
            ),
            Self::Admit(admit) => (admit.change()?, &admit.sending),
            Self::Retire(OfMember { member, sending }) => {
                (Change::RetireMember { member: *member }, sending)
            }
            Self::RotateKeys(rotate) => (rotate.change()?, &rotate.sending),
            Self::Release(OfMember { member, sending }) => {
                (Change::Release { member: *member }, sending)
            }
            Self::SetParticipation(SetParticipation { percent, sending }) => {
                (Change::SetParticipation { percent: *percent }, sending)
            }
            Self::SetLane(set) => (set.change()?, &set.sending),
            Self::SetModel(set) => (set.change()?, &set.sending),
        };
        sending.send(Call::new(GOVERNANCE, &GovernanceCall::Propose(change)))
    }
}

impl Sign {
    pub(super) fn send(&self) -> Outcome {
        let call = GovernanceCall::Sign(self.proposal);
        self.sending.send(Call::new(GOVERNANCE, &call))
    }
}

impl Admit {
    fn change(&self) -> Result<Change, Failure> {
        let Some(file) = &self.entry else {
            let keys = self.validator_key.zip(self.network_key);
            return Ok(Change::AdmitMember {
                entity: self.entity.expect("clap asks for it without --entry"),
                keys: keys.map(|(validator_key, network_key)| ValidatorKeys {
                    validator_key,
                    network_key,
                }),
                weight: self.weight.expect("clap asks for it without --entry"),
            });
        };
        let entries = read_members(file)?;
        let [entry] = entries.as_slice() else {
            return Err(Failure::usage(format!(
                "{} has {} entries; admit one member at a time",
                file.display(),
                entries.len()
            )));
        };
        Ok(Change::AdmitMember {
            entity: EntityId::of_name(&entry.name),
            keys: Some(ValidatorKeys {
                validator_key: entry.validator_key,
                network_key: entry.network_key,
            }),
            weight: self.weight.unwrap_or(entry.weight),
        })
    }
}

impl RotateKeys {
    fn change(&self) -> Result<Change, Failure> {
        if let (Some(member), Some(validator_key), Some(network_key)) =
            (self.member, self.validator_key, self.network_key)
        {
            return Ok(Change::RotateKeys {
                member,
                keys: ValidatorKeys {
                    validator_key,
                    network_key,
                },
            });
        }
        let home = Home::new(self.sending.home().ok_or_else(|| {
            Failure::usage(
                "name the member and its keys, or the home in which `salus keys rotate` made them",
            )
        })?);
        let next = read_next_keys(&home)?;
        let public = next.public();
        Ok(Change::RotateKeys {
            member: EntityId::of_name(&member_name(&home)?),
            keys: ValidatorKeys {
                validator_key: public.validator,
                network_key: public.network,
            },
        })
    }
}
