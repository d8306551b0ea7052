//! `salus-edge verify`: checks a proof, an attestation or the evidence of a conflict from files alone, or with the changes of validators from a node.

use std::fs::File;
use std::io::Seek as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use salus_edge::follow::{
    ChangesError, FollowError, FollowFileError, follow, follow_file, start_at, start_at_file,
};
use salus_edge::http::{HttpUrl, NodeApi};
use salus_edge::light::{LightClient, LightError, Pin, decode_state};
use salus_edge::odds::Odds;
use salus_edge::submit::Stop;
use salus_primitives::attestation::{ATTESTATION_MAX, Attested};
use salus_primitives::codec;
use salus_primitives::conflict::{CONFLICT_MAX, ConflictEvidence, Forked};
use salus_primitives::ids::{ContractId, GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::proof::{ANCHOR_MAX, AtHeight, Proven, RECEIPT_PROOF_MAX, STATE_PROOF_MAX};
use salus_primitives::receipt::{Outcome, Receipt};
use salus_primitives::records::{RECORD_PROOF_MAX, Record};
use salus_primitives::state::StateKey;
use salus_primitives::validators::ValidatorSet;
use serde_json::{Value, json};

use super::{FileError, read_file, usage_error};

#[derive(Args, Debug)]
pub(crate) struct VerifyOptions {
    /// The chain's anchor: block 0 and its first validators.
    #[arg(long, value_name = "FILE")]
    anchor: PathBuf,
    /// The receipt proof.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present_any = ["attestation", "state", "record", "conflict"],
        conflicts_with_all = ["attestation", "state", "record", "conflict"]
    )]
    proof: Option<PathBuf>,
    /// An attestation in place of a proof: the votes of the block's committee, which make nothing final. Exits with 0 if the whole committee
    /// has voted.
    #[arg(long, value_name = "FILE")]
    attestation: Option<PathBuf>,
    /// A proof of what the state holds under a key, as `salus proof state` writes it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["attestation", "record", "conflict"])]
    state: Option<PathBuf>,
    /// The key that the state proof must be about, as CONTRACT:HEX. Without it, the proof says what it is about.
    #[arg(long, value_name = "KEY", requires = "state")]
    key: Option<Key>,
    /// The state proof must be of the state after just this block.
    #[arg(
        long,
        value_name = "N",
        requires = "state",
        conflicts_with = "not_before"
    )]
    height: Option<u64>,
    /// The state proof must be of the state after this block or a later one.
    #[arg(long, value_name = "N", requires = "state")]
    not_before: Option<u64>,
    /// A proof that a reading is recorded, as `salus proof record` writes it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["attestation", "conflict"])]
    record: Option<PathBuf>,
    /// The evidence of two final blocks of one height. Exits with 0 if it is one.
    #[arg(long, value_name = "FILE", conflicts_with = "attestation")]
    conflict: Option<PathBuf>,
    /// Start from this epoch and not from genesis, as EPOCH:DIGEST; --epochs or --node must have the change that leads to it.
    #[arg(long, value_name = "PIN")]
    checkpoint: Option<Pin>,
    /// The lane in which the attested transaction was sent: an attestation in a more urgent one, where fewer verifiers may be enough, is refused.
    #[arg(long, value_name = "LANE", requires = "attestation")]
    lane: Option<Lane>,
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

/// A key of the state, as CONTRACT:HEX.
#[derive(Clone, Debug)]
struct Key(StateKey);

impl std::str::FromStr for Key {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a key is written as CONTRACT:HEX, a number and hexadecimal digits";
        let (contract, key) = text.split_once(':').ok_or(wrong)?;
        let contract = ContractId::new(contract.parse().map_err(|_| wrong)?);
        let key = hex::decode(key).map_err(|_| wrong)?;
        Ok(Self(StateKey::tree(contract, key)))
    }
}

/// Why nothing is proven.
#[derive(Debug, thiserror::Error)]
enum VerifyError {
    #[error(
        "nothing to verify: name a file with --proof, --state, --record, --conflict or --attestation"
    )]
    Nothing,
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
    #[error("--checkpoint needs --epochs or --node, for the change that leads to it")]
    NoChange,
}

/// A key, and what the state holds under it.
type StateClaim = (StateKey, Proven<Option<Vec<u8>>>);

impl VerifyOptions {
    pub(crate) fn run(self) -> ExitCode {
        let claims = [
            ("--attestation", &self.attestation, ATTESTATION_MAX),
            ("--proof", &self.proof, RECEIPT_PROOF_MAX),
            ("--state", &self.state, STATE_PROOF_MAX),
            ("--record", &self.record, RECORD_PROOF_MAX),
            ("--conflict", &self.conflict, CONFLICT_MAX),
        ];
        let given = claims
            .into_iter()
            .find_map(|(option, path, limit)| Some((option, path.as_ref()?, limit)));
        let Some((option, path, limit)) = given else {
            return usage_error(&VerifyError::Nothing);
        };
        let files = read_file("--anchor", &self.anchor, ANCHOR_MAX)
            .and_then(|anchor| Ok((anchor, read_file(option, path, limit)?)))
            .and_then(|(anchor, claim)| Ok((anchor, claim, self.open_epochs()?)));
        let (anchor, claim, epochs) = match files {
            Ok(files) => files,
            Err(error) => return usage_error(&error),
        };
        let result = if self.attestation.is_some() {
            self.check(&anchor, epochs, |client| self.attestation(client, &claim))
                .map(|(client, attested)| self.print_attested(&client, &attested))
        } else if self.state.is_some() {
            self.check(&anchor, epochs, |client| self.state(client, &claim))
                .map(|(client, (key, proven))| self.print_state(&client, &key, &proven))
        } else if self.record.is_some() {
            self.check(&anchor, epochs, |client| client.record(&claim))
                .map(|(client, proven)| self.print_record(&client, &proven))
        } else if self.conflict.is_some() {
            self.check(&anchor, epochs, |client| conflict(client, &claim))
                .map(|(_, forked)| self.print_forked(&forked))
        } else {
            self.check(&anchor, epochs, |client| client.any_receipt(&claim))
                .map(|(client, receipt)| self.print_proven(&client, &receipt))
        };
        result.unwrap_or_else(|error| {
            let what = if self.attestation.is_some() {
                "attested"
            } else {
                "proven"
            };
            if self.json {
                println!("{}", json!({what: false, "reason": error.to_string()}));
            } else {
                println!("not {what}: {error}");
            }
            ExitCode::FAILURE
        })
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

    /// Checks with what is known at genesis, then with the file's changes, then with a node's.
    fn check<T>(
        &self,
        anchor: &[u8],
        epochs: Option<File>,
        check: impl Fn(&LightClient) -> Result<T, LightError>,
    ) -> Result<(LightClient, T), VerifyError> {
        let mut client = LightClient::new(anchor, self.genesis_hash)?;
        if let Some(pin) = self.checkpoint {
            client = match (&epochs, &self.node) {
                // followed again from its beginning, below
                (Some(file), _) => {
                    let mut file: &File = file;
                    let started = start_at_file(file, &client, pin)?;
                    file.rewind()
                        .map_err(ChangesError::Disk)
                        .map_err(FollowFileError::Changes)?;
                    started
                }
                (None, Some(node)) => {
                    start_at(&NodeApi::new(node.clone(), CALL_LIMIT), &client, pin)?
                }
                (None, None) => return Err(VerifyError::NoChange),
            };
        }
        if let (Err(LightError::UnknownEpoch { need, .. }), Some(epochs)) = (check(&client), epochs)
        {
            follow_file(epochs, &mut client, need)?;
        }
        if let (Err(LightError::UnknownEpoch { need, .. }), Some(node)) =
            (check(&client), &self.node)
        {
            let node = NodeApi::new(node.clone(), CALL_LIMIT);
            follow(&node, &mut client, need, &Stop::default())?;
        }
        match check(&client) {
            Ok(checked) => Ok((client, checked)),
            Err(error @ LightError::UnknownEpoch { .. }) => Err(VerifyError::Missing(error)),
            Err(error) => Err(error.into()),
        }
    }

    fn state(&self, client: &LightClient, claim: &[u8]) -> Result<StateClaim, LightError> {
        let proof = decode_state(claim)?;
        let key = self
            .key
            .as_ref()
            .map_or_else(|| proof.state_key(), |Key(key)| key.clone());
        let at = match (self.height, self.not_before) {
            (Some(height), _) => AtHeight::Exactly(Height::new(height)),
            (None, earliest) => AtHeight::NotBefore(Height::new(earliest.unwrap_or_default())),
        };
        let proven = client.check_state(&proof, &key, at)?;
        Ok((key, proven))
    }

    fn print_state(
        &self,
        client: &LightClient,
        key: &StateKey,
        proven: &Proven<Option<Vec<u8>>>,
    ) -> ExitCode {
        let value = proven.value().as_ref().map(hex::encode);
        if self.json {
            let shown = json!({
                "proven": true,
                "genesis_hash": client.genesis(),
                "contract": key.contract,
                "key": hex::encode(&key.key),
                "value": value,
                "after_height": proven.height(),
                "after_block": proven.block(),
                "epoch": proven.epoch(),
                "weight": proven.weight(),
            });
            println!("{shown}");
        } else {
            println!("proven: what contract {} holds", key.contract);
            println!("key     {}", hex::encode(&key.key));
            match value {
                Some(value) => println!("value   {value}"),
                None => println!("value   none: nothing is there"),
            }
            println!(
                "after   height {} (block {})",
                proven.height(),
                proven.block()
            );
            println!("what came later is not shown by it");
        }
        ExitCode::SUCCESS
    }

    fn print_record(&self, client: &LightClient, proven: &Proven<Record>) -> ExitCode {
        let Record {
            transaction,
            sealed,
        } = proven.value();
        if self.json {
            let shown = json!({
                "proven": true,
                "genesis_hash": client.genesis(),
                "transaction": transaction,
                "device": sealed.device,
                "handle": sealed.handle,
                "reading": sealed.reading,
                "height": proven.height(),
                "block": proven.block(),
                "epoch": proven.epoch(),
                "weight": proven.weight(),
            });
            println!("{shown}");
        } else {
            println!("proven: reading {} is recorded", sealed.reading);
            println!("handle  {}", sealed.handle);
            println!("device  {}", sealed.device);
            println!("by      transaction {transaction}");
            println!("height  {} (block {})", proven.height(), proven.block());
        }
        ExitCode::SUCCESS
    }

    fn print_forked(&self, forked: &Forked) -> ExitCode {
        if self.json {
            let shown = json!({
                "proven": true,
                "height": forked.height,
                "blocks": [forked.first, forked.second],
                "epochs": forked.epochs,
            });
            println!("{shown}");
        } else {
            println!("proven: two final blocks of height {}", forked.height);
            println!(
                "one     {} (signed in epoch {})",
                forked.first, forked.epochs[0]
            );
            println!(
                "other   {} (signed in epoch {})",
                forked.second, forked.epochs[1]
            );
        }
        ExitCode::SUCCESS
    }

    fn attestation(&self, client: &LightClient, claim: &[u8]) -> Result<Attested, LightError> {
        let attested = client.any_attestation(claim)?;
        match self.lane {
            Some(lane) => client.attestation(claim, &attested.transaction, lane),
            None => Ok(attested),
        }
    }

    /// Succeeds if the whole committee has voted: the tier is reached.
    fn print_attested(&self, client: &LightClient, attested: &Attested) -> ExitCode {
        let odds = Odds::known(client, attested);
        if self.json {
            let value = json!({
                "attested": attested.is_complete(),
                "votes": attested.votes,
                "verifiers": attested.verifiers,
                "transaction": attested.transaction,
                "genesis_hash": client.genesis(),
                "height": attested.height,
                "block": attested.block,
                "epoch": attested.epoch,
                "view": attested.view,
                "lane": attested.lane,
                "seats": attested.seats,
                "corruptible_seats": attested.corruptible,
                "forger_heights": attested.heights,
                "score": odds.map(|odds| odds.score),
                "security": odds.map(|odds| odds.security),
                "all_corrupt_here": odds.map(|odds| odds.all_corrupt_here),
                "all_corrupt": odds.map(|odds| odds.all_corrupt),
                "all_corrupt_if_chosen": odds.map(|odds| odds.all_corrupt_if_chosen),
            });
            println!("{value}");
        } else {
            let only = if attested.is_complete() { "" } else { " only" };
            println!(
                "attested by {} of {}{only}: transaction {}",
                attested.votes, attested.verifiers, attested.transaction
            );
            println!("this is not final: the block may still be lost, and the transaction with it");
            println!("chain    {}", client.genesis());
            println!("height   {} (block {})", attested.height, attested.block);
            println!("epoch    {}, view {}", attested.epoch, attested.view);
            let word = match self.lane {
                Some(asked) => format!("sent in {asked}"),
                None => "as the header says; name the one it was sent in with --lane".to_owned(),
            };
            println!("lane     {} ({word})", attested.lane);
            if let Some(odds) = odds {
                println!(
                    "security S = {}, {:.4} of what the lane's most verifiers would give",
                    odds.score, odds.security
                );
                println!(
                    "all corrupt with probability {:.3e} at most, if {} of {} seats are and chance chose which: {:.3e} at a height, and a forger had {} to choose from; {} against who chose the seats by the committee",
                    odds.all_corrupt,
                    attested.corruptible,
                    attested.seats,
                    odds.all_corrupt_here,
                    attested.heights,
                    odds.all_corrupt_if_chosen
                );
            }
        }
        if attested.is_complete() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn print_proven(&self, client: &LightClient, proven: &Proven<Receipt>) -> ExitCode {
        let receipt = proven.value();
        if self.json {
            println!("{}", to_json(client, proven));
            return ExitCode::SUCCESS;
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
        ExitCode::SUCCESS
    }
}

/// Follows the changes that come with the evidence, and checks it.
fn conflict(client: &LightClient, claim: &[u8]) -> Result<Forked, LightError> {
    let evidence: ConflictEvidence =
        codec::decode(claim, CONFLICT_MAX).map_err(|reason| LightError::Encoding {
            what: "evidence of a conflict",
            reason,
        })?;
    let mut client = client.clone();
    for change in evidence.changes {
        if change.header.epoch == client.epoch() {
            client.advance_by(change)?;
        }
    }
    client.check_conflict(&evidence.conflict)
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
