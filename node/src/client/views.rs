//! What the API answers, as far as the command line reads it: `docs/api.md` has the rest.

use salus_primitives::calls::ValidatorKeys;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::EntityId;
use salus_primitives::transaction::TxId;
use serde::Deserialize;

/// How a transaction stands.
#[derive(Clone, Debug, Deserialize)]
pub struct TransactionView {
    /// `pending`, `final` or `unknown`.
    pub status: String,
    /// The height of its block, when it is final.
    pub height: Option<u64>,
    /// `ok`, or the code of the failure, when it is final.
    pub outcome: Option<serde_json::Value>,
}

impl TransactionView {
    /// Whether it is in a final block, whatever came of it there.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.status == "final"
    }

    /// Whether it is in a final block and did what it says.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.is_final() && self.outcome.as_ref().is_some_and(|outcome| outcome == "ok")
    }
}

/// What a header says that tells two chains apart.
#[derive(Clone, Debug, Deserialize)]
pub struct HeaderView {
    /// The block's id.
    pub id: String,
    /// The root of the state after the parent.
    pub parent_state_root: String,
}

/// The part of `/status` that other commands need; `salus status` shows all of it.
#[derive(Clone, Debug, Deserialize)]
pub struct StatusView {
    /// The highest final height.
    pub final_height: u64,
    /// The root of the state after it.
    pub state_root: String,
    /// The name of the current block manager.
    pub manager: Option<String>,
    /// Why the node stopped taking part, if it did.
    pub halted: Option<String>,
}

/// The validators of an epoch.
#[derive(Clone, Debug, Deserialize)]
pub struct ValidatorsView {
    /// The epoch.
    pub epoch: u64,
    /// The weight of all.
    pub total_weight: u64,
    /// The weight of a quorum.
    pub quorum_weight: u64,
    /// In the order of their seats.
    pub validators: Vec<ValidatorView>,
    /// Those of the epoch after it, where the present ones were asked for.
    #[serde(default)]
    pub next: Option<Box<ValidatorsView>>,
}

/// One seat.
#[derive(Clone, Debug, Deserialize)]
pub struct ValidatorView {
    /// Its number.
    pub seat: u16,
    /// Whose.
    pub entity: EntityId,
    /// The entity's name.
    pub name: Option<String>,
    /// What its votes are signed with.
    pub key: PublicKey,
    /// What its connections are authenticated with.
    pub network_key: PublicKey,
    /// Its weight.
    pub weight: u64,
}

/// The members.
#[derive(Clone, Debug, Deserialize)]
pub struct MembersView {
    /// After which block.
    pub height: u64,
    /// The weight of all.
    pub total_weight: u64,
    /// What the signers of a proposal need.
    pub weight_to_pass: u64,
    /// Ascending by their ids.
    pub members: Vec<MemberView>,
}

/// One member.
#[derive(Clone, Debug, Deserialize)]
pub struct MemberView {
    /// Who.
    pub entity: EntityId,
    /// Its name.
    pub name: Option<String>,
    /// Its own weight.
    pub weight: u64,
    /// Whether it stands for a seat.
    pub candidate: bool,
    /// What all delegate to it, if it stands.
    pub delegated_weight: Option<u64>,
    /// The votes it missed, if it was set inactive for that.
    pub inactive: Option<serde_json::Value>,
    /// What it is jailed for.
    pub jailed: Option<serde_json::Value>,
    /// What it validates with in sets that are elected from now on.
    pub keys: Option<ValidatorKeys>,
    /// To whom it delegates.
    pub delegates: Vec<WeightView>,
}

/// An entity with a weight.
#[derive(Clone, Debug, Deserialize)]
pub struct WeightView {
    /// Who.
    pub entity: EntityId,
    /// Its name.
    pub name: Option<String>,
    /// How much; none for a signer that is no member any more.
    pub weight: Option<u64>,
}

/// What members have before them to sign.
#[derive(Clone, Debug, Deserialize)]
pub struct ProposalsView {
    /// The weight of all members.
    pub total_weight: u64,
    /// What the signers need.
    pub weight_to_pass: u64,
    /// By proposer and age.
    pub proposals: Vec<ProposalView>,
}

/// One open proposal.
#[derive(Clone, Debug, Deserialize)]
pub struct ProposalView {
    /// What one signs.
    pub id: TxId,
    /// What it changes.
    pub change: ChangeView,
    /// The last height at which it can be signed.
    pub expires_at: u64,
    /// Who signed, the proposer first.
    pub signers: Vec<WeightView>,
    /// Their weight now.
    pub signed_weight: u64,
    /// What is missing.
    pub missing_weight: u64,
}

/// What a proposal changes.
#[derive(Clone, Debug, Deserialize)]
pub struct ChangeView {
    /// `set_weight`, `admit_member`, `retire_member`, `rotate_keys`, `release` or `set_participation`.
    pub kind: String,
    /// Whom it is about, if somebody.
    pub entity: Option<EntityId>,
    /// Its name.
    pub name: Option<String>,
    /// The weight it gives.
    pub weight: Option<u64>,
    /// The keys it gives.
    pub keys: Option<ValidatorKeys>,
    /// The share of votes it asks of members.
    pub percent: Option<u8>,
}
