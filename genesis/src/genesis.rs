//! A genesis that follows every rule.

use crate::spec::{GenesisSpec, MemberSpec};
use salus_contracts::genesis::GenesisMember;
use salus_contracts::native::blockcfg::bounds::{self, BoundsError};
use salus_contracts::native::blockcfg::first_lanes;
use salus_contracts::native::blockcfg::policy::{self, PolicyError};
use salus_contracts::native::identity::{exchange_key_is_usable, name_is_valid};
use salus_contracts::native::staking::{PARTICIPATION_MAX, genesis_election};
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::KeyError;
use salus_primitives::epoch::EpochConfig;
use salus_primitives::ids::{EntityId, Epoch};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::BlockPolicy;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::time::Timestamp;
use salus_primitives::validators::{SetError, Validator, ValidatorSet};
use std::collections::{BTreeMap, BTreeSet};

/// A checked genesis, in an order that does not depend on the file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    pub(crate) chain: String,
    pub(crate) time: Timestamp,
    pub(crate) parameters: ChainParameters,
    pub(crate) policy: BlockPolicy,
    pub(crate) participation_percent: u8,
    /// Ascending by entity id, like the validators, who are elected from them.
    pub(crate) members: Vec<GenesisMember>,
    pub(crate) first: EpochConfig,
    pub(crate) second: EpochConfig,
}

/// Which field breaks which rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct GenesisError {
    /// The field's path, such as `members.ministry.weight`.
    pub field: String,
    /// What is wrong with it, and what would be right.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A name that is no name.
    #[error("{0:?} is no name; use 1 to 64 lower-case letters and digits, with . _ - inside")]
    BadName(String),
    /// Two members have one name.
    #[error("another member is called {0:?} too; give each its own name")]
    RepeatedName(String),
    /// A signing key that may not be registered.
    #[error("{0}; make another with `salus keys new`")]
    BadKey(KeyError),
    /// An exchange key that nothing can be wrapped for.
    #[error("{0} is no usable X25519 key; make another with `salus keys new`")]
    BadExchangeKey(ExchangePublic),
    /// One key in two places.
    #[error("the same key stands at {0}; every key has one use")]
    SharedKey(String),
    /// Too few or too many members, or weights that do not add up.
    #[error("{0}")]
    Set(SetError),
    /// A member without weight.
    #[error("the weight is 0; every member's is at least 1")]
    NoWeight,
    /// A member that alone could block or fake a quorum.
    #[error(
        "the weight is {weight} of {total}; it must be less than a third, so lower it or raise others"
    )]
    TooHeavy {
        /// Its weight.
        weight: u64,
        /// The whole weight.
        total: u64,
    },
    /// A number is too small or too large.
    #[error("{found} is out of bounds; it must be {minimum} to {maximum}")]
    Range {
        /// Its value.
        found: u64,
        /// The least allowed.
        minimum: u64,
        /// The most allowed.
        maximum: u64,
    },
    /// An epoch that the validators' reports about the one before could fill.
    #[error(
        "epochs of {found} blocks are too short: with {seats} seats and {per_block} of the validators' reports in a block of the routine lane there must be at least {minimum}, or an idle chain's epochs follow one another for ever; make them longer, seats fewer, or lanes.routine.min_transactions or block_bytes greater"
    )]
    EpochTooShort {
        /// Blocks in an epoch.
        found: u64,
        /// The least allowed.
        minimum: u64,
        /// The most validators.
        seats: u16,
        /// How many of their reports fit into one block.
        per_block: u64,
    },
    /// A lane that nobody may use.
    #[error("the list is empty; name at least one role")]
    NoRoles,
    /// A role stands twice.
    #[error("a role stands twice; name each once")]
    RepeatedRole,
    /// Nothing counts in a lane.
    #[error("latency, security and cost all weigh 0; one must weigh more")]
    NoWeights,
    /// Someone may use a lane but not the next lower one.
    #[error("a role of the lane above is missing; what is over a quota counts in the lane below")]
    RolesNarrow,
    /// The lowest lane has a quota.
    #[error("there is no lower lane for what is over it; use 0, without bound")]
    QuotaOfLowest,
    /// Lanes that are not the four.
    #[error("the lanes must be emergency, monitoring, routine and bulk")]
    Lanes,
}

impl GenesisSpec {
    /// Checks every rule: names, keys (each legal and used once), weights, lanes and bounds.
    ///
    /// # Errors
    /// [`GenesisError`] names the first field that breaks one, and the fix.
    pub fn check(&self) -> Result<Genesis, GenesisError> {
        if !name_is_valid(&self.chain) {
            return Err(error("chain", Problem::BadName(self.chain.clone())));
        }
        let parameters = self.parameters();
        bounds::check(&parameters)?;
        let policy = self.policy();
        policy::check(&policy, &parameters)?;
        let participation_percent = self.consensus.participation_percent;
        check_participation(participation_percent)?;
        check_names(&self.members)?;
        check_keys(&self.members)?;
        let mut members: Vec<GenesisMember> = self.members.iter().map(member).collect();
        members.sort_by_key(|member| member.entity);
        let first = Epoch::ZERO.next();
        // the members together must be a legal set, also where not all of them get a seat
        ValidatorSet::new(first, members.iter().map(validator).collect())
            .map_err(|problem| set_error(problem, &members))?;
        let elected = |epoch| {
            let validators = genesis_election(&members, &parameters, epoch)
                .expect("of four members with weight four are elected");
            EpochConfig {
                lanes: first_lanes(&policy, &parameters, &validators),
                validators,
            }
        };
        let (first, second) = (elected(first), elected(first.next()));
        Ok(Genesis {
            chain: self.chain.clone(),
            time: self.genesis_time.0,
            parameters,
            policy,
            participation_percent,
            members,
            first,
            second,
        })
    }

    /// The chain's parameters in canonical order, unchecked.
    fn parameters(&self) -> ChainParameters {
        let consensus = &self.consensus;
        ChainParameters {
            tenure: consensus.tenure,
            delta_ms: consensus.delta_ms,
            delta_max_ms: consensus.delta_max_ms,
            skip_after: consensus.skip_after,
            heartbeat_ms: consensus.heartbeat_ms,
            window_blocks: consensus.window_blocks,
            block_bytes: consensus.block_bytes,
            epoch_blocks: consensus.epoch_blocks,
            seats: consensus.seats,
            proposal_blocks: consensus.proposal_blocks,
        }
    }

    /// What is said of lanes in canonical order, unchecked.
    fn policy(&self) -> BlockPolicy {
        let lanes = self.lanes.iter().map(|(lane, spec)| spec.parameters(lane));
        BlockPolicy {
            model: self.model,
            lanes: lanes.collect(),
        }
    }
}

fn check_participation(percent: u8) -> Result<(), GenesisError> {
    if percent <= PARTICIPATION_MAX {
        return Ok(());
    }
    let problem = Problem::Range {
        found: percent.into(),
        minimum: 0,
        maximum: PARTICIPATION_MAX.into(),
    };
    Err(error("consensus.participation_percent", problem))
}

fn check_names(members: &[MemberSpec]) -> Result<(), GenesisError> {
    let mut names = BTreeSet::new();
    for (index, member) in members.iter().enumerate() {
        let field = || format!("members[{index}].name");
        if !name_is_valid(&member.name) {
            return Err(error(field(), Problem::BadName(member.name.clone())));
        }
        if !names.insert(&member.name) {
            return Err(error(field(), Problem::RepeatedName(member.name.clone())));
        }
    }
    Ok(())
}

fn check_keys(members: &[MemberSpec]) -> Result<(), GenesisError> {
    let mut uses: BTreeMap<[u8; 32], String> = BTreeMap::new();
    for member in members {
        let path = |field: &str| format!("members.{}.{field}", member.name);
        for (field, key) in [
            ("operator_key", member.operator_key),
            ("validator_key", member.validator_key),
            ("network_key", member.network_key),
        ] {
            key.check()
                .map_err(|problem| error(path(field), Problem::BadKey(problem)))?;
            use_once(&mut uses, key.0, path(field))?;
        }
        let field = path("exchange_key");
        if !exchange_key_is_usable(&member.exchange_key) {
            return Err(error(field, Problem::BadExchangeKey(member.exchange_key)));
        }
        use_once(&mut uses, member.exchange_key.0, field)?;
    }
    Ok(())
}

fn use_once(
    uses: &mut BTreeMap<[u8; 32], String>,
    key: [u8; 32],
    field: String,
) -> Result<(), GenesisError> {
    match uses.insert(key, field.clone()) {
        None => Ok(()),
        Some(other) => Err(error(field, Problem::SharedKey(other))),
    }
}

fn member(spec: &MemberSpec) -> GenesisMember {
    GenesisMember {
        entity: EntityId::of_name(&spec.name),
        name: spec.name.clone(),
        role: spec.role,
        operator_key: spec.operator_key,
        validator_key: spec.validator_key,
        network_key: spec.network_key,
        exchange_key: spec.exchange_key,
        weight: spec.weight,
    }
}

fn validator(member: &GenesisMember) -> Validator {
    Validator {
        entity: member.entity,
        key: member.validator_key,
        network_key: member.network_key,
        weight: member.weight,
    }
}

/// Names the member that makes the set illegal.
fn set_error(problem: SetError, members: &[GenesisMember]) -> GenesisError {
    let weight_of = |entity: EntityId| {
        members
            .iter()
            .find(|member| member.entity == entity)
            .map_or_else(
                || "members".to_owned(),
                |member| format!("members.{}.weight", member.name),
            )
    };
    match problem {
        SetError::NoWeight(entity) => error(weight_of(entity), Problem::NoWeight),
        SetError::TooHeavy {
            entity,
            weight,
            total,
        } => error(weight_of(entity), Problem::TooHeavy { weight, total }),
        SetError::Size { .. }
        | SetError::Overflow
        | SetError::Order(_)
        | SetError::SharedKey(_) => error("members", Problem::Set(problem)),
    }
}

impl From<BoundsError> for GenesisError {
    fn from(problem: BoundsError) -> Self {
        let BoundsError {
            field,
            found,
            minimum,
            maximum,
        } = problem;
        let problem = Problem::Range {
            found,
            minimum,
            maximum,
        };
        error(field, problem)
    }
}

impl From<PolicyError> for GenesisError {
    fn from(problem: PolicyError) -> Self {
        let of = |lane: Lane, field: &str, problem| error(format!("lanes.{lane}.{field}"), problem);
        match problem {
            PolicyError::Range(range) => range.into(),
            PolicyError::EpochTooShort {
                found,
                minimum,
                seats,
                per_block,
            } => error(
                "consensus.epoch_blocks",
                Problem::EpochTooShort {
                    found,
                    minimum,
                    seats,
                    per_block,
                },
            ),
            PolicyError::Lanes => error("lanes", Problem::Lanes),
            PolicyError::NoWeights(lane) => of(lane, "weights", Problem::NoWeights),
            PolicyError::NoRoles(lane) => of(lane, "roles", Problem::NoRoles),
            PolicyError::RoleOrder(lane) => of(lane, "roles", Problem::RepeatedRole),
            PolicyError::RolesNarrow(lane) => of(lane, "roles", Problem::RolesNarrow),
            PolicyError::QuotaOfLowest(lane) => of(lane, "quota", Problem::QuotaOfLowest),
        }
    }
}

fn error(field: impl Into<String>, problem: Problem) -> GenesisError {
    GenesisError {
        field: field.into(),
        problem,
    }
}
