//! `salus tx people`: what an entity says of its patients and practitioners. Nobody is named: ids derive from the entity's relation secret.

use super::names::parse_entity;
use super::sending::Sending;
use crate::cli::{Failure, Outcome};
use crate::relation;
use clap::{Args, Subcommand, ValueEnum};
use salus_primitives::calls::{IDENTITY, IdentityCall, PersonKeys, Profession};
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{EntityId, PractitionerId};
use salus_primitives::reading::Pseudonym;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::Call;
use std::path::PathBuf;

/// An entity's people.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum People {
    /// Registers a patient, or somebody who acts for one. Prints the pseudonym and the salt, which the person and the custodians need.
    Register(Register),
    /// Gives a person keys who has none yet and is of age.
    SetKeys(SetKeys),
    /// Registers somebody who works for the entity.
    RegisterPractitioner(RegisterPractitioner),
    /// Changes a practitioner's keys.
    RotatePractitionerKeys(RotatePractitionerKeys),
    /// Ends a practitioner.
    RevokePractitioner(OfPractitioner),
    /// Lets a guardian act for a minor, or (a ministry) for an adult who cannot act.
    AppointGuardian(AppointGuardian),
    /// Ends that somebody acts for a person.
    EndRepresentation(EndRepresentation),
    /// Says that two pseudonyms are one patient.
    Merge(Merge),
    /// Says that a pseudonym that was merged is another patient after all.
    Split(OfPerson),
    /// Offers to hold keys: the key service signs with this key.
    SetCustodyKey(SetCustodyKey),
}

/// Whom the entity knows by which id.
#[derive(Debug, Args)]
struct Local {
    /// The entity's secret, as `salus keys relation` makes it.
    #[arg(long, value_name = "FILE")]
    relation_secret: PathBuf,
    /// The entity's own id for this person, such as the number of a file. Only what derives from it with the secret leaves this machine.
    #[arg(long, value_name = "ID")]
    local_id: String,
}

/// Somebody's public keys, as `salus-edge person new` prints them.
#[derive(Debug, Args)]
struct Keys {
    /// For signatures.
    #[arg(long, value_name = "HEX")]
    public_key: PublicKey,
    /// That secrets are wrapped for.
    #[arg(long, value_name = "HEX")]
    exchange_key: ExchangePublic,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Register {
    #[command(flatten)]
    local: Local,
    /// For signatures; a minor may have none.
    #[arg(long, value_name = "HEX", requires = "exchange_key")]
    public_key: Option<PublicKey>,
    /// That secrets are wrapped for.
    #[arg(long, value_name = "HEX", requires = "public_key")]
    exchange_key: Option<ExchangePublic>,
    /// When a minor comes of age: milliseconds since 1 January 1970.
    #[arg(long, value_name = "MS")]
    of_age_at_ms: Option<u64>,
    /// The names of the entities whose key services hold the keys of this person's records; two at least.
    #[arg(long, value_parser = parse_entity, value_delimiter = ',', required = true)]
    custodians: Vec<EntityId>,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SetKeys {
    /// Whose.
    #[arg(long, value_name = "HEX")]
    person: Pseudonym,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RegisterPractitioner {
    #[command(flatten)]
    local: Local,
    /// As what.
    #[arg(long, value_enum)]
    profession: ProfessionName,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RotatePractitionerKeys {
    /// Whose.
    #[arg(long, value_name = "HEX")]
    practitioner: PractitionerId,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct OfPractitioner {
    /// Whom.
    #[arg(long, value_name = "HEX")]
    practitioner: PractitionerId,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AppointGuardian {
    /// For whom.
    #[arg(long, value_name = "HEX")]
    person: Pseudonym,
    /// Who: a registered person with keys.
    #[arg(long, value_name = "HEX")]
    guardian: Pseudonym,
    /// When that ends, in milliseconds since 1 January 1970; if it is not given, when a minor comes of age.
    #[arg(long, value_name = "MS")]
    until_ms: Option<u64>,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EndRepresentation {
    /// For whom.
    #[arg(long, value_name = "HEX")]
    person: Pseudonym,
    /// Who acts no more.
    #[arg(long, value_name = "HEX")]
    representative: Pseudonym,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Merge {
    /// The pseudonym that is given up for new data.
    #[arg(long, value_name = "HEX")]
    person: Pseudonym,
    /// The one that stays.
    #[arg(long, value_name = "HEX")]
    into: Pseudonym,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct OfPerson {
    /// Whom.
    #[arg(long, value_name = "HEX")]
    person: Pseudonym,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SetCustodyKey {
    /// The key service's public key, as `salus custody init` prints it.
    #[arg(long, value_name = "HEX")]
    custody_key: PublicKey,
    #[command(flatten)]
    sending: Sending,
}

/// Professions by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum ProfessionName {
    Physician,
    Nurse,
    Pharmacist,
    ClaimsHandler,
    Researcher,
    PublicHealthOfficer,
    PrivacyOfficer,
}

impl From<ProfessionName> for Profession {
    fn from(name: ProfessionName) -> Self {
        match name {
            ProfessionName::Physician => Self::Physician,
            ProfessionName::Nurse => Self::Nurse,
            ProfessionName::Pharmacist => Self::Pharmacist,
            ProfessionName::ClaimsHandler => Self::ClaimsHandler,
            ProfessionName::Researcher => Self::Researcher,
            ProfessionName::PublicHealthOfficer => Self::PublicHealthOfficer,
            ProfessionName::PrivacyOfficer => Self::PrivacyOfficer,
        }
    }
}

impl From<Keys> for PersonKeys {
    fn from(keys: Keys) -> Self {
        Self {
            key: keys.public_key,
            exchange_key: keys.exchange_key,
        }
    }
}

impl People {
    pub(super) fn send(self) -> Outcome {
        let (call, sending) = match self {
            Self::Register(register) => register.call()?,
            Self::SetKeys(SetKeys {
                person,
                keys,
                sending,
            }) => {
                let keys = keys.into();
                (IdentityCall::SetPersonKeys { person, keys }, sending)
            }
            Self::RegisterPractitioner(RegisterPractitioner {
                local,
                profession,
                keys,
                sending,
            }) => {
                let practitioner =
                    relation::read(&local.relation_secret)?.practitioner(&local.local_id);
                println!("practitioner {practitioner}");
                let call = IdentityCall::RegisterPractitioner {
                    practitioner,
                    profession: profession.into(),
                    keys: keys.into(),
                };
                (call, sending)
            }
            Self::RotatePractitionerKeys(RotatePractitionerKeys {
                practitioner,
                keys,
                sending,
            }) => {
                let keys = keys.into();
                let call = IdentityCall::RotatePractitionerKeys { practitioner, keys };
                (call, sending)
            }
            Self::RevokePractitioner(OfPractitioner {
                practitioner,
                sending,
            }) => (IdentityCall::RevokePractitioner { practitioner }, sending),
            Self::AppointGuardian(AppointGuardian {
                person,
                guardian,
                until_ms,
                sending,
            }) => {
                let call = IdentityCall::AppointGuardian {
                    person,
                    guardian,
                    until: until_ms.map(Timestamp::from_millis),
                };
                (call, sending)
            }
            Self::EndRepresentation(EndRepresentation {
                person,
                representative,
                sending,
            }) => {
                let call = IdentityCall::EndRepresentation {
                    person,
                    representative,
                };
                (call, sending)
            }
            Self::Merge(Merge {
                person,
                into,
                sending,
            }) => (IdentityCall::Merge { person, into }, sending),
            Self::Split(OfPerson { person, sending }) => (IdentityCall::Split { person }, sending),
            Self::SetCustodyKey(SetCustodyKey {
                custody_key: key,
                sending,
            }) => (IdentityCall::SetCustodyKey { key }, sending),
        };
        sending.send(Call::new(IDENTITY, &call))
    }
}

impl Register {
    fn call(self) -> Result<(IdentityCall, Sending), Failure> {
        let secret = relation::read(&self.local.relation_secret)?;
        let person = secret.person(&self.local.local_id);
        let salt = secret.salt(&self.local.local_id);
        println!("person {person}\nsalt {}", hex::encode(salt));
        let keys = match (self.public_key, self.exchange_key) {
            (Some(key), Some(exchange_key)) => Some(PersonKeys { key, exchange_key }),
            (_, _) => None,
        };
        let mut custodians = self.custodians;
        custodians.sort_unstable();
        let call = IdentityCall::RegisterPerson {
            person,
            salt,
            keys,
            of_age_at: self.of_age_at_ms.map(Timestamp::from_millis),
            custodians,
        };
        Ok((call, self.sending))
    }
}
