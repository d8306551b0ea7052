//! `salus tx propose set-lane` and `set-model`, and `salus tx price`: what blocks are configured by.

use super::sending::Sending;
use crate::cli::keys::parse_role;
use crate::cli::{Failure, Outcome};
use clap::{Args, ValueEnum};
use salus_primitives::calls::{BLOCKCFG, BlockcfgCall, Change, Role};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::{
    BlockModel, BlockPolicy, LaneParameters, LaneWeights, PRICE_MAX, Policy,
};
use salus_primitives::transaction::Call;
use serde::Deserialize;

/// What is not given stays as the node has it now.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetLane {
    /// Which lane: emergency, monitoring, routine or bulk.
    lane: Lane,
    #[command(flatten)]
    changes: LaneChanges,
    #[command(flatten)]
    pub(super) sending: Sending,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct LaneChanges {
    /// How verifiers and the size of blocks are chosen.
    #[arg(long, value_enum)]
    policy: Option<PolicyName>,
    /// How much latency, security and cost count, as in 8,1,1.
    #[arg(long, value_name = "L,S,C", value_parser = parse_weights)]
    weights: Option<LaneWeights>,
    /// Fewest verifiers that attest a block.
    #[arg(long, value_name = "N")]
    min_verifiers: Option<u16>,
    /// Most verifiers; beyond the seats, all.
    #[arg(long, value_name = "N")]
    max_verifiers: Option<u16>,
    /// Least value of the most transactions in a block.
    #[arg(long, value_name = "N")]
    min_transactions: Option<u32>,
    /// Most transactions in a block.
    #[arg(long, value_name = "N")]
    max_transactions: Option<u32>,
    /// Bytes of a typical transaction.
    #[arg(long, value_name = "BYTES")]
    transaction_bytes: Option<u32>,
    /// The roles that may use the lane, as in hospital,pharmacy.
    #[arg(long, value_name = "ROLES", value_delimiter = ',', value_parser = parse_role)]
    roles: Option<Vec<Role>>,
    /// Transactions that an entity may have in the lane in an epoch; 0 is no bound.
    #[arg(long, value_name = "N")]
    quota: Option<u32>,
    /// How long the lane waits, in milliseconds, before it gets every second block.
    #[arg(long, value_name = "MS")]
    wait_max_ms: Option<u32>,
    /// Of a hundred blocks made while the lane waits, it gets at least as many.
    #[arg(long, value_name = "PERCENT")]
    reserved_percent: Option<u8>,
}

/// What is not given stays as the node has it now.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetModel {
    #[command(flatten)]
    changes: ModelChanges,
    #[command(flatten)]
    pub(super) sending: Sending,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct ModelChanges {
    /// The paper's kappa.
    #[arg(long, value_name = "N")]
    security_scale: Option<u32>,
    /// The paper's q.
    #[arg(long, value_name = "N")]
    security_exponent: Option<u8>,
    /// What it takes the manager to send a bit to one more verifier, in picoseconds; the paper's psi.
    #[arg(long, value_name = "PS")]
    broadcast_ps_per_bit: Option<u32>,
    /// Bytes of a verifier's vote.
    #[arg(long, value_name = "BYTES")]
    vote_bytes: Option<u32>,
    /// For how long the checking of one block may hold up the next, in milliseconds.
    #[arg(long, value_name = "MS")]
    hold_max_ms: Option<u32>,
    /// How long a validator takes to answer, in microseconds, until others have measured it.
    #[arg(long, value_name = "US")]
    response_us: Option<u32>,
    /// How fast it takes a proposal in, in kilobits a second, until others have measured it.
    #[arg(long, value_name = "KBPS")]
    rate_kbps: Option<u32>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Price {
    /// The price of a unit of capacity, against the 1 of a member that says none.
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(PRICE_MAX)))]
    price: u32,
    #[command(flatten)]
    sending: Sending,
}

/// The policies by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PolicyName {
    /// The least utility over all subsets of verifiers and all block sizes.
    Exact,
    /// The same over the fastest verifiers alone.
    Fastest,
    /// As many as fastest would take, by turns.
    Rotating,
    /// The most verifiers, by turns, and the largest blocks.
    Fixed,
}

/// What of `GET /v1/lanes` is used.
#[derive(Debug, Deserialize)]
struct Now {
    policy: BlockPolicy,
}

impl SetLane {
    pub(super) fn change(&self) -> Result<Change, Failure> {
        let policy = policy_now(&self.sending)?;
        let now = policy.lane(self.lane).ok_or_else(|| {
            Failure::failed(format!("the node says nothing of lane {}", self.lane))
        })?;
        Ok(Change::SetLane(self.changes.over(now)))
    }
}

impl SetModel {
    pub(super) fn change(&self) -> Result<Change, Failure> {
        let policy = policy_now(&self.sending)?;
        Ok(Change::SetModel(self.changes.over(&policy.model)))
    }
}

impl Price {
    pub(super) fn send(&self) -> Outcome {
        let call = BlockcfgCall::SetPrice { price: self.price };
        self.sending.send(Call::new(BLOCKCFG, &call))
    }
}

fn policy_now(sending: &Sending) -> Result<BlockPolicy, Failure> {
    let now: Now = sending
        .client()?
        .json("/v1/lanes")
        .map_err(Failure::failed)?;
    Ok(now.policy)
}

impl LaneChanges {
    fn over(&self, now: &LaneParameters) -> LaneParameters {
        // exhaustive, so that a new parameter gets its option
        let LaneParameters {
            lane,
            policy,
            weights,
            min_verifiers,
            max_verifiers,
            min_transactions,
            max_transactions,
            transaction_bytes,
            roles,
            quota,
            wait_max_ms,
            reserved_percent,
        } = now.clone();
        let mut given = self.roles.clone();
        if let Some(given) = &mut given {
            given.sort_unstable();
        }
        LaneParameters {
            lane,
            policy: self.policy.map_or(policy, Policy::from),
            weights: self.weights.unwrap_or(weights),
            min_verifiers: self.min_verifiers.unwrap_or(min_verifiers),
            max_verifiers: self.max_verifiers.unwrap_or(max_verifiers),
            min_transactions: self.min_transactions.unwrap_or(min_transactions),
            max_transactions: self.max_transactions.unwrap_or(max_transactions),
            transaction_bytes: self.transaction_bytes.unwrap_or(transaction_bytes),
            roles: given.unwrap_or(roles),
            quota: self.quota.unwrap_or(quota),
            wait_max_ms: self.wait_max_ms.unwrap_or(wait_max_ms),
            reserved_percent: self.reserved_percent.unwrap_or(reserved_percent),
        }
    }
}

impl ModelChanges {
    fn over(&self, now: &BlockModel) -> BlockModel {
        // exhaustive, so that a new constant gets its option
        let BlockModel {
            security_scale,
            security_exponent,
            broadcast_ps_per_bit,
            vote_bytes,
            hold_max_ms,
            response_us,
            rate_kbps,
        } = *now;
        BlockModel {
            security_scale: self.security_scale.unwrap_or(security_scale),
            security_exponent: self.security_exponent.unwrap_or(security_exponent),
            broadcast_ps_per_bit: self.broadcast_ps_per_bit.unwrap_or(broadcast_ps_per_bit),
            vote_bytes: self.vote_bytes.unwrap_or(vote_bytes),
            hold_max_ms: self.hold_max_ms.unwrap_or(hold_max_ms),
            response_us: self.response_us.unwrap_or(response_us),
            rate_kbps: self.rate_kbps.unwrap_or(rate_kbps),
        }
    }
}

impl From<PolicyName> for Policy {
    fn from(name: PolicyName) -> Self {
        match name {
            PolicyName::Exact => Self::Exact,
            PolicyName::Fastest => Self::Fastest,
            PolicyName::Rotating => Self::Rotating,
            PolicyName::Fixed => Self::Fixed,
        }
    }
}

fn parse_weights(text: &str) -> Result<LaneWeights, String> {
    let weights: Vec<u32> = text
        .split(',')
        .map(|weight| weight.trim().parse())
        .collect::<Result<_, _>>()
        .map_err(|error| format!("weights are whole numbers, as in 8,1,1: {error}"))?;
    match weights[..] {
        [latency, security, cost] => Ok(LaneWeights {
            latency,
            security,
            cost,
        }),
        _ => Err("weights are three: of latency, security and cost, as in 8,1,1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        changes: LaneChanges,
    }

    fn bulk() -> LaneParameters {
        let bulk = salus_genesis::presets::local().lanes.bulk;
        bulk.parameters(Lane::Bulk)
    }

    /// Roles are put in the order that the contract asks for.
    #[test]
    fn what_is_not_given_stays() {
        let line = Line::try_parse_from([
            "set-lane",
            "--policy",
            "fixed",
            "--weights",
            "1, 8,1",
            "--roles",
            "ministry,hospital",
        ])
        .expect("a proposal");

        let changed = line.changes.over(&bulk());

        let expected = LaneParameters {
            policy: Policy::Fixed,
            weights: LaneWeights {
                latency: 1,
                security: 8,
                cost: 1,
            },
            roles: vec![Role::Hospital, Role::Ministry],
            ..bulk()
        };
        assert_eq!(changed, expected);
    }

    #[test]
    fn a_proposal_that_changes_nothing_and_weights_that_are_not_three_are_refused() {
        for line in [vec!["set-lane"], vec!["set-lane", "--weights", "1,8"]] {
            assert!(Line::try_parse_from(line).is_err());
        }
        assert!(parse_weights("1,8,-1").is_err());
    }
}
