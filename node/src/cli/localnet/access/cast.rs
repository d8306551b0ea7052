//! Who plays: entities by their operators' keys, people by wallets that `salus-edge` made.

use super::CALL_LIMIT;
use super::bedside::{CUSTODIANS, KeyService};
use crate::cli::localnet::LocalnetError;
use crate::cli::localnet::homes::Homes;
use crate::cli::localnet::validators::Validators;
use crate::cli::tx::signed_call;
use crate::client::ApiClient;
use crate::home::Home;
use crate::keys::NodeKeys;
use salus_primitives::access::{AccessEvent, Purpose};
use salus_primitives::audit::AuditExport;
use salus_primitives::calls::{
    ACCESS, AGREEMENTS, Agreement, AgreementsCall, CommunicationMode, IDENTITY, IdentityCall,
    PersonKeys, Profession, Role,
};
use salus_primitives::codec;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{EntityId, GenesisHash, PractitionerId};
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::relation::RelationSecret;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, TxId};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What became of a call, as far as the story tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Allowed,
    Denied,
    Done,
    Failed,
}

impl Said {
    /// From what `salus-edge access` prints.
    pub(super) fn of(answer: &Value) -> Self {
        if answer["outcome"] != "ok" {
            return Self::Failed;
        }
        let decided = answer["events"]
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|event| event.get("Decided"));
        match decided.map(|decided| &decided["decision"]) {
            None => Self::Done,
            Some(decision) if decision == "Denied" => Self::Denied,
            Some(_) => Self::Allowed,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Done => "done",
            Self::Failed => "refused",
        }
    }
}

/// The card of a wallet.
#[derive(Deserialize)]
struct Card {
    key: PublicKey,
    exchange_key: ExchangePublic,
}

/// Everybody, registered.
pub(super) struct Cast<'a> {
    edge: &'a Path,
    homes: &'a Homes,
    client: ApiClient,
    folder: PathBuf,
    hospital: NodeKeys,
    institute: NodeKeys,
    patient: Pseudonym,
    patient_name: String,
    salt: [u8; 32],
}

impl<'a> Cast<'a> {
    /// Makes everybody's keys and registers them: hospital B and the insurer with the ministry, practitioners with their employers, the patient, a
    /// minor, and the guardian with the hospital.
    pub(super) fn gather(
        edge: &'a Path,
        homes: &'a Homes,
        validators: &Validators,
        services: &[KeyService],
    ) -> Result<Self, LocalnetError> {
        let folder = homes.root().join("people");
        std::fs::create_dir_all(&folder).map_err(|source| LocalnetError::File {
            action: "make",
            path: folder.clone(),
            source,
        })?;
        let member = |name: &str| -> Result<NodeKeys, LocalnetError> {
            let found = homes.validators().iter().find(|home| home.name == name);
            let home =
                found.map_or_else(|| Home::new(homes.root().join(name)), |it| it.home.clone());
            Ok(NodeKeys::read(&home.keys_file())?)
        };
        let relation = RelationSecret(random()?);
        let patient = relation.person("patient-1");
        let cast = Self {
            edge,
            homes,
            client: validators.hospital().client().clone(),
            folder,
            hospital: member("hospital")?,
            institute: member("institute")?,
            patient,
            patient_name: patient.to_string(),
            salt: relation.salt("patient-1"),
        };
        let ministry = member("ministry")?;
        let hospital_b = cast.found(&ministry, "hospital-b", Role::Hospital)?;
        let insurer = cast.found(&ministry, "insurer", Role::Insurer)?;
        for service in services {
            let key: PublicKey = service
                .key
                .parse()
                .map_err(|error| failed("a custodian's key", &error))?;
            let call = IdentityCall::SetCustodyKey { key };
            cast.call(&member(&service.name)?, IDENTITY, &call)?;
        }
        cast.employ(&hospital_b, "hospital-b", "nurse-b", Profession::Nurse)?;
        cast.employ(
            &hospital_b,
            "hospital-b",
            "physician-b",
            Profession::Physician,
        )?;
        cast.employ(
            &hospital_b,
            "hospital-b",
            "officer-b",
            Profession::PrivacyOfficer,
        )?;
        cast.employ(
            &insurer,
            "insurer",
            "claims-handler",
            Profession::ClaimsHandler,
        )?;
        cast.employ(
            &cast.institute,
            "institute",
            "researcher",
            Profession::Researcher,
        )?;
        let guardian = relation.person("guardian-1");
        cast.admit("guardian", guardian, relation.salt("guardian-1"))?;
        cast.admit("patient", patient, cast.salt)?;
        Ok(cast)
    }

    pub(super) fn genesis(&self) -> GenesisHash {
        self.homes.genesis().hash
    }

    /// The patient's pseudonym.
    pub(super) fn patient(&self) -> &str {
        &self.patient_name
    }

    /// A pseudonym of nobody.
    pub(super) fn stranger(&self) -> String {
        RelationSecret(self.salt).person("nobody").to_string()
    }

    /// Says something about access, and gives what `salus-edge` printed of the proven outcome.
    pub(super) fn access(&self, who: &str, arguments: &[&str]) -> Result<Value, LocalnetError> {
        let output = self.run(who, arguments)?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let text = String::from_utf8_lossy(&output.stderr);
            failed(who, &text.trim())
        })
    }

    /// The same for what must not come off: why it did not, or `ok`.
    pub(super) fn refused<S: AsRef<str>>(
        &self,
        who: &str,
        arguments: &[S],
    ) -> Result<String, LocalnetError> {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let output = self.run(who, &arguments)?;
        if output.status.success() {
            return Ok("ok".to_owned());
        }
        match serde_json::from_slice::<Value>(&output.stdout) {
            Ok(answer) => {
                let outcome = &answer["outcome"];
                let (Some(contract), Some(code)) =
                    (outcome["contract"].as_u64(), outcome["code"].as_u64())
                else {
                    return Err(failed(who, &answer));
                };
                let name = u16::try_from(contract).ok().zip(u16::try_from(code).ok());
                let name = name.and_then(|(contract, code)| {
                    let contract = salus_primitives::ids::ContractId::new(contract);
                    salus_contracts::registry::reason_name(contract, code)
                });
                Ok(format!("refused: {}", name.unwrap_or("unknown")))
            }
            Err(_) => Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    /// Grants, and gives the grant's id.
    pub(super) fn grant(&self, who: &str, arguments: &[String]) -> Result<String, LocalnetError> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let answer = self.access(who, &arguments)?;
        match (Said::of(&answer), answer["id"].as_str()) {
            (Said::Done, Some(id)) => Ok(id.to_owned()),
            _ => Err(failed("a grant", &answer)),
        }
    }

    /// Hospital and institute agree on research. Gives the agreement's id.
    pub(super) fn agree(&self) -> Result<String, LocalnetError> {
        let mut parties = ["hospital", "institute"].map(EntityId::of_name);
        parties.sort_unstable();
        let now = now();
        let agreement = Agreement {
            parties: parties.to_vec(),
            receivers: vec![Role::Institute],
            categories: [Category::VitalSigns].into_iter().collect(),
            purposes: [Purpose::Research].into_iter().collect(),
            mode: CommunicationMode::Continuous,
            from: now,
            until: now.plus_millis(MONTH_MS),
        };
        let id = self.call(
            &self.institute,
            AGREEMENTS,
            &AgreementsCall::Propose(agreement),
        )?;
        self.call(
            &self.hospital,
            AGREEMENTS,
            &AgreementsCall::Accept(id.into()),
        )?;
        Ok(id.to_string())
    }

    pub(super) fn end_agreement(&self, id: &str) -> Result<(), LocalnetError> {
        let id = id.parse().map_err(|error| failed("an agreement", &error))?;
        self.call(&self.hospital, AGREEMENTS, &AgreementsCall::End(id))?;
        Ok(())
    }

    /// The patient's audit export.
    pub(super) fn export(&self) -> Result<Vec<u8>, LocalnetError> {
        Ok(self.client.audit(&self.patient, &Digest(self.salt))?)
    }

    /// Whether the patient's trail holds an event of this kind, as the guardian finds out.
    pub(super) fn trail_has(&self, kind: &str) -> Result<bool, LocalnetError> {
        Ok(self.count_of(kind)? > 0)
    }

    fn count_of(&self, kind: &str) -> Result<usize, LocalnetError> {
        let bytes = self.export()?;
        let export: AuditExport = codec::decode(&bytes, bytes.len())
            .map_err(|error| failed("the audit export", &error))?;
        let audited = export
            .verify(self.genesis())
            .map_err(|error| failed("the audit export", &error))?;
        let events = audited
            .events
            .iter()
            .filter(|it| it.event.contract == ACCESS);
        let kinds = events
            .filter_map(|it| {
                let data = it.event.data.as_slice();
                codec::decode::<AccessEvent>(data, data.len()).ok()
            })
            .filter_map(|event| serde_json::to_value(event).ok());
        Ok(kinds.filter(|event| event.get(kind).is_some()).count())
    }

    /// An entity that the ministry registers.
    fn found(
        &self,
        ministry: &NodeKeys,
        name: &str,
        role: Role,
    ) -> Result<NodeKeys, LocalnetError> {
        let keys = NodeKeys::generate()?;
        let public = keys.public();
        let call = IdentityCall::RegisterEntity {
            name: name.to_owned(),
            role,
            key: public.operator,
            exchange_key: public.exchange,
        };
        self.call(ministry, IDENTITY, &call)?;
        Ok(keys)
    }

    /// A practitioner with a wallet.
    fn employ(
        &self,
        employer: &NodeKeys,
        entity: &str,
        name: &str,
        profession: Profession,
    ) -> Result<(), LocalnetError> {
        let keys = self.wallet(name, entity)?;
        let practitioner = PractitionerId(random()?);
        let call = IdentityCall::RegisterPractitioner {
            practitioner,
            profession,
            keys,
        };
        self.call(employer, IDENTITY, &call).map(drop)
    }

    /// A person of the hospital with a wallet.
    fn admit(&self, name: &str, person: Pseudonym, salt: [u8; 32]) -> Result<(), LocalnetError> {
        let keys = self.wallet(name, "hospital")?;
        let mut custodians = CUSTODIANS.map(EntityId::of_name);
        custodians.sort_unstable();
        let call = IdentityCall::RegisterPerson {
            person,
            salt,
            keys: Some(keys),
            of_age_at: None,
            custodians: custodians.to_vec(),
        };
        self.call(&self.hospital, IDENTITY, &call).map(drop)
    }

    /// Makes a wallet with `salus-edge person new`.
    fn wallet(&self, name: &str, entity: &str) -> Result<PersonKeys, LocalnetError> {
        let output = Command::new(self.edge)
            .args(["person", "new", "--entity", entity, "--out"])
            .arg(self.wallet_of(name))
            .stdin(Stdio::null())
            .output()
            .map_err(|source| self.spawn_error(source))?;
        let card: Card = serde_json::from_slice(&output.stdout)
            .map_err(|_| failed("a wallet", &String::from_utf8_lossy(&output.stderr).trim()))?;
        Ok(PersonKeys {
            key: card.key,
            exchange_key: card.exchange_key,
        })
    }

    /// Where the proof of somebody's last call is.
    pub(super) fn proof_of(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.proof"))
    }

    /// How many events of this kind the patient's trail holds, as soon as it is so many, or in the end.
    pub(super) fn wait_for(&self, kind: &str, count: usize) -> Result<usize, LocalnetError> {
        let end = Instant::now() + CALL_LIMIT;
        loop {
            let found = self.count_of(kind)?;
            if found >= count || Instant::now() >= end {
                return Ok(found);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub(super) fn wallet_of(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.wallet"))
    }

    fn run(&self, who: &str, arguments: &[&str]) -> Result<std::process::Output, LocalnetError> {
        Command::new(self.edge)
            .arg("access")
            .args(arguments)
            .arg("--wallet")
            .arg(self.wallet_of(who))
            .args(["--node", self.client.base()])
            .arg("--save-proof")
            .arg(self.proof_of(who))
            .args(["--genesis-hash", &self.genesis().to_string()])
            .stdin(Stdio::null())
            .output()
            .map_err(|source| self.spawn_error(source))
    }

    fn spawn_error(&self, source: std::io::Error) -> LocalnetError {
        LocalnetError::Spawn {
            what: self.edge.display().to_string(),
            source,
        }
    }

    /// An entity's call, done.
    fn call<T: serde::Serialize>(
        &self,
        keys: &NodeKeys,
        contract: salus_primitives::ids::ContractId,
        call: &T,
    ) -> Result<TxId, LocalnetError> {
        let call = Call::new(contract, call);
        let transaction = signed_call(&self.client, keys, self.genesis(), call)?;
        let id = self.client.submit(&transaction)?;
        let view = self.client.transaction(&id, CALL_LIMIT)?;
        if view.is_ok() {
            return Ok(id);
        }
        let outcome = view
            .outcome
            .map_or(view.status, |outcome| outcome.to_string());
        Err(failed("an entity's call", &outcome))
    }
}

/// The arguments of a grant of one kind of data for one purpose.
pub(super) fn grant(
    subject: &str,
    to: &str,
    categories: &str,
    purposes: &str,
    until: &str,
) -> Vec<String> {
    [
        "grant",
        "--subject",
        subject,
        "--to",
        to,
        "--categories",
        categories,
        "--purposes",
        purposes,
        "--until",
        until,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Lengths of what two answers say, but for the ids in them, which are of one length anyway.
pub(super) fn sizes(answer: &Value) -> (usize, usize) {
    let events = answer["events"].as_array().map_or(0, Vec::len);
    (events, answer["events"].to_string().len())
}

pub(super) fn failed(what: &str, problem: &dyn std::fmt::Display) -> LocalnetError {
    LocalnetError::Act {
        what: what.to_owned(),
        problem: problem.to_string(),
    }
}

fn random() -> Result<[u8; 32], LocalnetError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(crate::cli::tx::TxError::Entropy)?;
    Ok(bytes)
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

const MONTH_MS: u64 = 30 * 86_400_000;
