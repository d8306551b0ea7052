//! The genesis file as written.

use crate::instant::Instant;
use core::fmt::Write as _;
use core::str::FromStr;
use salus_primitives::calls::Role;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::lane::Lane;
use salus_primitives::lanes::{BlockModel, LaneParameters, LaneWeights, Policy};
use serde::Deserialize;

/// A genesis file. Unknown and repeated fields are refused, none has a default: founders sign off what they can read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisSpec {
    /// The chain's name.
    pub chain: String,
    /// The time of block 0: RFC 3339, or milliseconds since the Unix epoch.
    pub genesis_time: Instant,
    /// Table `[consensus]`.
    pub consensus: ConsensusSpec,
    /// Table `[model]`.
    pub model: BlockModel,
    /// Tables `[lanes.*]`.
    pub lanes: LanesSpec,
    /// Tables `[[members]]`, in any order.
    pub members: Vec<MemberSpec>,
}

/// Table `[consensus]`. What most mean: [`ChainParameters`](salus_primitives::parameters::ChainParameters).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "the fields of ChainParameters, by the same names"
)]
pub struct ConsensusSpec {
    pub tenure: u64,
    pub delta_ms: u64,
    pub delta_max_ms: u64,
    pub skip_after: u64,
    pub heartbeat_ms: u64,
    pub window_blocks: u64,
    pub block_bytes: u64,
    pub epoch_blocks: u64,
    pub seats: u16,
    pub proposal_blocks: u64,
    /// The share of votes that is asked of members, in percent; 0 to 66, and 0 sets nobody inactive. Governance changes it.
    pub participation_percent: u8,
}

/// Tables `[lanes.*]`: every lane must be there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the lanes, by their names")]
pub struct LanesSpec {
    pub emergency: LaneSpec,
    pub monitoring: LaneSpec,
    pub routine: LaneSpec,
    pub bulk: LaneSpec,
}

/// One table `[lanes.*]`. What most mean: [`LaneParameters`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "the fields of LaneParameters, by the same names"
)]
pub struct LaneSpec {
    pub policy: Policy,
    pub weights: LaneWeights,
    pub min_verifiers: u16,
    pub max_verifiers: u16,
    pub min_transactions: u32,
    pub max_transactions: u32,
    pub transaction_bytes: u32,
    /// In any order.
    pub roles: Vec<Role>,
    pub quota: u32,
    pub wait_max_ms: u32,
    pub reserved_percent: u8,
}

/// One table `[[members]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberSpec {
    /// Its name; its id derives from it.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// The key its own transactions are signed with.
    pub operator_key: PublicKey,
    /// The key its validator votes with.
    pub validator_key: PublicKey,
    /// The key its validator connects with.
    pub network_key: PublicKey,
    /// The key that secrets are wrapped for.
    pub exchange_key: ExchangePublic,
    /// Its voting weight, which it delegates to itself at first; less than a third of all.
    pub weight: u64,
}

/// The file is not a genesis file. Says line, column and field, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("genesis file: {0}")]
pub struct SpecError(#[from] toml::de::Error);

impl FromStr for GenesisSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        Ok(toml::from_str(text)?)
    }
}

impl LanesSpec {
    /// The lanes with their names, most urgent first.
    pub fn iter(&self) -> impl Iterator<Item = (Lane, &LaneSpec)> {
        Lane::ALL.into_iter().map(|lane| {
            let spec = match lane {
                Lane::Emergency => &self.emergency,
                Lane::Monitoring => &self.monitoring,
                Lane::Routine => &self.routine,
                Lane::Bulk => &self.bulk,
            };
            (lane, spec)
        })
    }
}

impl LaneSpec {
    /// The parameters of a lane of which this is said, in canonical order.
    #[must_use]
    pub fn parameters(&self, lane: Lane) -> LaneParameters {
        let mut roles = self.roles.clone();
        roles.sort_unstable();
        LaneParameters {
            lane,
            policy: self.policy,
            weights: self.weights,
            min_verifiers: self.min_verifiers,
            max_verifiers: self.max_verifiers,
            min_transactions: self.min_transactions,
            max_transactions: self.max_transactions,
            transaction_bytes: self.transaction_bytes,
            roles,
            quota: self.quota,
            wait_max_ms: self.wait_max_ms,
            reserved_percent: self.reserved_percent,
        }
    }
}

impl GenesisSpec {
    /// The file that says this, with comments for those who sign it off. Parses back to an equal specification.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        self.write(&mut out)
            .expect("writing to a string does not fail");
        out
    }

    fn write(&self, out: &mut String) -> core::fmt::Result {
        let ConsensusSpec {
            tenure,
            delta_ms,
            delta_max_ms,
            skip_after,
            heartbeat_ms,
            window_blocks,
            block_bytes,
            epoch_blocks,
            seats,
            proposal_blocks,
            participation_percent,
        } = &self.consensus;
        let BlockModel {
            security_scale,
            security_exponent,
            broadcast_ps_per_bit,
            vote_bytes,
            hold_max_ms,
            response_us,
            rate_kbps,
        } = self.model;
        write!(
            out,
            "\
# Genesis of a Salus chain. Every member must hold the same file: its content determines the
# genesis hash, which stands under every signature. Order and spacing do not matter.

# Lower-case letters and digits, with . _ - inside.
chain = {chain}
# Time of block 0, RFC 3339.
genesis_time = \"{time}\"

[consensus]
# Consecutive views with one block manager.
tenure = {tenure}
# Assumed bound on one message's way; timers are multiples of it, and grow to delta_max_ms at most.
delta_ms = {delta_ms}
delta_max_ms = {delta_max_ms}
# A manager that was silent for this many terms in a row is passed over at once.
skip_after = {skip_after}
# An empty block is made after this long without one.
heartbeat_ms = {heartbeat_ms}
# How many blocks ahead a transaction may expire, and how long its id is remembered.
window_blocks = {window_blocks}
# Most bytes of transactions in a block.
block_bytes = {block_bytes}
# Validators are elected at the end of each epoch, this many blocks long, and take their seats one epoch later.
epoch_blocks = {epoch_blocks}
# Most validators; more than there are candidates means all.
seats = {seats}
# For how many blocks members can sign a proposal.
proposal_blocks = {proposal_blocks}
# Members whose votes were seen in less than this share of an epoch's views are set inactive, until they return; 0 for none.
participation_percent = {participation_percent}

# The model that chooses verifiers and block sizes. Security of m verifiers is security_scale * m^security_exponent; sending a bit to
# one more verifier takes the manager broadcast_ps_per_bit picoseconds; a vote has vote_bytes. Checking one block may hold up
# the next for hold_max_ms. Until they have measured one another, validators are taken to answer a proposal in
# response_us microseconds and to receive and check rate_kbps kilobits a second.
[model]
security_scale = {security_scale}
security_exponent = {security_exponent}
broadcast_ps_per_bit = {broadcast_ps_per_bit}
vote_bytes = {vote_bytes}
hold_max_ms = {hold_max_ms}
response_us = {response_us}
rate_kbps = {rate_kbps}

# Per lane, until governance changes it: how verifiers and block size are chosen (exact, fastest, rotating, fixed) and by what; how
# many verifiers attest a block (m; more than there are seats means all) and how many transactions it holds at most (theta);
# the bytes of a typical transaction; whose devices and operators may use it, and for how many transactions an epoch (0: any
# number; those beyond count in the next lower lane); after how long a wait it gets every second block; and how many of a
# hundred blocks made while it waits are its at least.
",
            chain = text(&self.chain),
            time = self.genesis_time,
        )?;
        for (lane, spec) in self.lanes.iter() {
            write_lane(out, lane, spec)?;
        }
        out.push_str(
            "\
# The members, each with its public keys: operator (signs its transactions), validator (votes),
# network (connects), exchange (secrets are wrapped for it). No weight may be a third of all or more.
",
        );
        for member in &self.members {
            write!(
                out,
                "\
[[members]]
name = {}
role = \"{}\"
operator_key = \"{}\"
validator_key = \"{}\"
network_key = \"{}\"
exchange_key = \"{}\"
weight = {}

",
                text(&member.name),
                member.role,
                member.operator_key,
                member.validator_key,
                member.network_key,
                member.exchange_key,
                member.weight,
            )?;
        }
        while out.ends_with("\n\n") {
            out.pop();
        }
        Ok(())
    }
}

fn write_lane(out: &mut String, lane: Lane, spec: &LaneSpec) -> core::fmt::Result {
    let LaneSpec {
        policy,
        weights:
            LaneWeights {
                latency,
                security,
                cost,
            },
        min_verifiers,
        max_verifiers,
        min_transactions,
        max_transactions,
        transaction_bytes,
        roles,
        quota,
        wait_max_ms,
        reserved_percent,
    } = spec;
    let roles: Vec<String> = roles.iter().map(|role| text(role.name())).collect();
    write!(
        out,
        "\
[lanes.{lane}]
policy = \"{policy}\"
weights = {{ latency = {latency}, security = {security}, cost = {cost} }}
min_verifiers = {min_verifiers}
max_verifiers = {max_verifiers}
min_transactions = {min_transactions}
max_transactions = {max_transactions}
transaction_bytes = {transaction_bytes}
roles = [{roles}]
quota = {quota}
wait_max_ms = {wait_max_ms}
reserved_percent = {reserved_percent}

",
        policy = policy.name(),
        roles = roles.join(", "),
    )
}

/// A string as TOML writes it.
fn text(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}
