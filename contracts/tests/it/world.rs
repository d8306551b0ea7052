//! A small chain state with five members, and short ways to call its contracts.

use salus_contracts::context::BlockContext;
use salus_contracts::executor::{BlockOutcome, Executor, Refusal};
use salus_contracts::genesis::{GenesisMember, genesis_writes};
use salus_contracts::native::blockcfg;
use salus_contracts::native::blockcfg::quota::{self, Demotions};
use salus_contracts::native::governance;
use salus_contracts::native::staking::{self, Member};
use salus_contracts::registry::reason_name;
use salus_primitives::calls::{
    BLOCKCFG, BlockcfgCall, Change, Delegation, GOVERNANCE, GovernanceCall, IDENTITY, IdentityCall,
    Observed, ObservedSeat, Part, RECORDS, RecordsCall, Role, STAKING, StakingCall, ValidatorKeys,
};
use salus_primitives::certificate::Statement;
use salus_primitives::codec::Blob;
use salus_primitives::crypto::cipher::{Envelope, SIZE_CLASSES, Suite, TAG_LENGTH};
use salus_primitives::crypto::exchange::{ExchangePublic, ExchangeSecret};
use salus_primitives::crypto::sign::{PublicKey, SecretKey, Signature};
use salus_primitives::evidence::Evidence;
use salus_primitives::hash::Digest;
use salus_primitives::ids::{
    BlockId, ContractId, DeviceId, EntityId, Epoch, GenesisHash, Height, View,
};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::{BlockModel, BlockPolicy, LaneParameters, LaneWeights, Policy};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::reading::{Handle, ReadingId, SealedReading};
use salus_primitives::receipt::{Outcome, Receipt};
use salus_primitives::signed::Signed;
use salus_primitives::state::MemoryState;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, SignedTransaction, Transaction};

/// The members' numbers: their keys and names follow from these.
pub(crate) const HOSPITAL: u8 = 1;
pub(crate) const PHARMACY: u8 = 2;
pub(crate) const INSURER: u8 = 3;
pub(crate) const INSTITUTE: u8 = 4;
pub(crate) const MINISTRY: u8 = 5;

/// A state, the height it is at, and the executor that moves it.
pub(crate) struct World {
    pub(crate) state: MemoryState,
    pub(crate) height: u64,
    pub(crate) executor: Executor,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(&founders())
    }

    /// A chain of other members.
    pub(crate) fn of(members: &[GenesisMember]) -> Self {
        Self::with_seats(members, parameters().seats)
    }

    /// A chain with another number of seats.
    pub(crate) fn with_seats(members: &[GenesisMember], seats: u16) -> Self {
        let parameters = ChainParameters {
            seats,
            ..parameters()
        };
        Self::with(members, &parameters, &policy())
    }

    /// A chain of the five members whose lanes have these quotas; the lowest has none.
    pub(crate) fn with_quotas(quotas: [u32; 3]) -> Self {
        let mut policy = policy();
        for (lane, quota) in policy.lanes.iter_mut().zip(quotas) {
            lane.quota = quota;
        }
        Self::with(&founders(), &parameters(), &policy)
    }

    fn with(members: &[GenesisMember], parameters: &ChainParameters, policy: &BlockPolicy) -> Self {
        let mut state = MemoryState::default();
        state.apply(&genesis_writes(
            members,
            parameters,
            policy,
            PARTICIPATION,
            "test",
        ));
        Self {
            state,
            height: 0,
            executor: Executor::default(),
        }
    }

    /// Hospitals 1, 2, 3 and so on, of these weights.
    pub(crate) fn weighing(weights: &[u64]) -> Self {
        let members: Vec<GenesisMember> = (1u8..)
            .zip(weights)
            .map(|(n, weight)| GenesisMember {
                weight: *weight,
                ..member(n, Role::Hospital)
            })
            .collect();
        Self::of(&members)
    }

    /// Executes empty blocks up to a height.
    pub(crate) fn advance_to(&mut self, height: u64) {
        while self.height < height {
            self.block(&[]);
        }
    }

    /// Lets members propose and sign a change until it passes.
    pub(crate) fn enact(&mut self, signers: &[u8], change: Change) {
        let proposal = propose(signers[0], change.clone());
        assert_eq!(self.run(proposal.clone()), "ok", "{change:?}");
        for signer in &signers[1..] {
            assert_eq!(self.run(sign(*signer, &proposal)), "ok", "{change:?}");
            let id = proposal.body.id();
            if governance::proposal(&self.state, &id)
                .expect("memory")
                .is_none()
            {
                return;
            }
        }
        panic!("{change:?} has not passed");
    }

    /// The member of number `n`.
    pub(crate) fn member(&self, n: u8) -> Option<Member> {
        staking::member(&self.state, &entity_id(n)).expect("memory")
    }

    /// The validators of an epoch, as numbers with weights.
    pub(crate) fn validators(&self, epoch: u64) -> Option<Vec<(u8, u64)>> {
        let set = staking::set(&self.state, Epoch::new(epoch)).expect("memory")?;
        let mut validators: Vec<_> = set
            .validators()
            .iter()
            .map(|validator| (number(&validator.entity), validator.weight))
            .collect();
        validators.sort_unstable();
        Some(validators)
    }

    pub(crate) fn with_executor(executor: Executor) -> Self {
        Self {
            executor,
            ..Self::new()
        }
    }

    /// What the next block would hold, without taking effect.
    pub(crate) fn outcome(&self, transactions: &[SignedTransaction]) -> BlockOutcome {
        self.executor
            .execute_block(self.next(), transactions, &self.state, &self.demotions())
            .expect("memory does not fail")
    }

    /// In which lanes the next block's transactions count.
    pub(crate) fn demotions(&self) -> Demotions {
        let parameters = blockcfg::parameters(&self.state).expect("a chain");
        quota::demotions(&self.state, &parameters, self.next().height).expect("memory")
    }

    /// Executes the next block and takes it over.
    pub(crate) fn block(&mut self, transactions: &[SignedTransaction]) -> Vec<Receipt> {
        let outcome = self.outcome(transactions);
        self.height += 1;
        self.state.apply(&outcome.writes);
        outcome.receipts
    }

    /// Executes one transaction as a block, and says what became of it: `ok` or the reason.
    pub(crate) fn run(&mut self, transaction: SignedTransaction) -> &'static str {
        let receipts = self.block(&[transaction]);
        reason(&receipts[0])
    }

    pub(crate) fn check(&self, transaction: &SignedTransaction) -> Result<(), Refusal> {
        self.executor
            .check(&transaction.body, self.next().height, &self.state)
            .expect("memory does not fail")
    }

    pub(crate) fn next(&self) -> BlockContext {
        BlockContext {
            height: Height::new(self.height + 1),
            time: Timestamp::from_millis(1_000 * (self.height + 1)),
        }
    }
}

fn founders() -> Vec<GenesisMember> {
    [
        (HOSPITAL, Role::Hospital),
        (PHARMACY, Role::Pharmacy),
        (INSURER, Role::Insurer),
        (INSTITUTE, Role::Institute),
        (MINISTRY, Role::Ministry),
    ]
    .map(|(n, role)| member(n, role))
    .into()
}

/// `ok`, or the stable name of why not.
pub(crate) fn reason(receipt: &Receipt) -> &'static str {
    match receipt.outcome {
        Outcome::Ok => "ok",
        Outcome::Failed { contract, code } => {
            reason_name(contract, code).expect("every code has a name")
        }
    }
}

pub(crate) fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

pub(crate) fn key(n: u8) -> PublicKey {
    secret(n).public()
}

pub(crate) fn exchange_key(n: u8) -> ExchangePublic {
    ExchangeSecret::from_bytes([n; 32]).public()
}

pub(crate) fn name(n: u8) -> String {
    format!("entity-{n}")
}

pub(crate) fn entity_id(n: u8) -> EntityId {
    EntityId::of_name(&name(n))
}

pub(crate) fn device_id(n: u8) -> DeviceId {
    DeviceId::derive(&[n], b"registration")
}

/// So many members of weight 1, whose keys follow from larger numbers.
pub(crate) fn many(count: usize) -> Vec<GenesisMember> {
    (0u64..)
        .take(count)
        .map(|n| {
            let key = |kind: u8| {
                let mut seed = [kind; 32];
                seed[..8].copy_from_slice(&n.to_be_bytes());
                SecretKey::from_seed(seed).public()
            };
            let name = format!("member-{n}");
            GenesisMember {
                entity: EntityId::of_name(&name),
                name,
                operator_key: key(1),
                validator_key: key(2),
                network_key: key(3),
                ..member(1, Role::Hospital)
            }
        })
        .collect()
}

pub(crate) fn member(n: u8, role: Role) -> GenesisMember {
    GenesisMember {
        entity: entity_id(n),
        name: name(n),
        role,
        operator_key: key(n),
        validator_key: key(n + 200),
        network_key: key(n + 220),
        exchange_key: exchange_key(n),
        weight: 1,
    }
}

/// The share of votes asked of members, in percent.
pub(crate) const PARTICIPATION: u8 = 50;

pub(crate) fn parameters() -> ChainParameters {
    ChainParameters {
        tenure: 8,
        delta_ms: 250,
        delta_max_ms: 4000,
        skip_after: 2,
        heartbeat_ms: 10_000,
        window_blocks: 4096,
        block_bytes: 1 << 20,
        epoch_blocks: 10,
        seats: 5,
        proposal_blocks: 20,
    }
}

pub(crate) fn policy() -> BlockPolicy {
    let all = Role::ALL.to_vec();
    let lane = |lane, roles| LaneParameters {
        lane,
        policy: Policy::Exact,
        weights: LaneWeights {
            latency: 1,
            security: 1,
            cost: 1,
        },
        min_verifiers: 2,
        max_verifiers: 2,
        min_transactions: 1,
        max_transactions: 64,
        transaction_bytes: 512,
        roles,
        quota: 0,
        wait_max_ms: 1_000,
        reserved_percent: 0,
    };
    let mut routine = lane(Lane::Routine, all.clone());
    // epochs of ten blocks have room for what 64 validators report
    routine.min_transactions = 64;
    BlockPolicy {
        model: BlockModel {
            security_scale: 1,
            security_exponent: 2,
            broadcast_ps_per_bit: 1_000,
            vote_bytes: 170,
            hold_max_ms: 100,
            response_us: 5_000,
            rate_kbps: 100_000,
        },
        lanes: vec![
            lane(Lane::Emergency, vec![Role::Hospital]),
            lane(Lane::Monitoring, vec![Role::Hospital, Role::Pharmacy]),
            routine,
            lane(Lane::Bulk, all),
        ],
    }
}

pub(crate) fn staking(sender: u8, call: &StakingCall) -> SignedTransaction {
    transaction(sender, Lane::Routine, Call::new(STAKING, call))
}

pub(crate) fn delegate_whole(sender: u8, candidate: u8) -> SignedTransaction {
    let delegation = Delegation::Whole(entity_id(candidate));
    staking(sender, &StakingCall::Delegate(delegation))
}

/// Parts in canonical order.
pub(crate) fn delegate_parts(sender: u8, parts: &[(u8, u64)]) -> SignedTransaction {
    let mut parts: Vec<Part> = parts
        .iter()
        .map(|(n, weight)| Part {
            candidate: entity_id(*n),
            weight: *weight,
        })
        .collect();
    parts.sort_unstable_by_key(|part| part.candidate);
    staking(sender, &StakingCall::Delegate(Delegation::Parts(parts)))
}

/// Proposes; its id is what others sign.
pub(crate) fn propose(sender: u8, change: Change) -> SignedTransaction {
    let call = Call::new(GOVERNANCE, &GovernanceCall::Propose(change));
    transaction(sender, Lane::Routine, call)
}

/// Signs what a transaction proposed.
pub(crate) fn sign(sender: u8, proposal: &SignedTransaction) -> SignedTransaction {
    let call = Call::new(GOVERNANCE, &GovernanceCall::Sign(proposal.body.id()));
    transaction(sender, Lane::Routine, call)
}

/// The keys that the validator of founder `n` begins with.
pub(crate) fn validator_keys(n: u8) -> ValidatorKeys {
    member(n, Role::Hospital).keys()
}

/// The number whose [`entity_id`] this is.
pub(crate) fn number(entity: &EntityId) -> u8 {
    (0..=255)
        .find(|n| entity_id(*n) == *entity)
        .expect("a numbered entity")
}

/// Two notarise votes in view 1 of an epoch, by a founder in the seat it has in that epoch.
pub(crate) fn evidence(world: &World, epoch: u64, n: u8) -> Evidence {
    let set = staking::set(&world.state, Epoch::new(epoch))
        .expect("memory")
        .expect("a known epoch");
    let seat = set.seat_of(&entity_id(n)).expect("a validator");
    let vote = |block: u8| {
        let statement = Statement::Notarize {
            epoch: Epoch::new(epoch),
            view: View::new(1),
            block: BlockId([block; 32]),
        };
        Signed::sign(statement, GENESIS, &secret(n + 200).signer()).into_signed()
    };
    Evidence::new(seat, vote(1), vote(2))
}

pub(crate) fn report(sender: u8, evidence: &Evidence) -> SignedTransaction {
    staking(sender, &StakingCall::Report(Box::new(evidence.clone())))
}

/// What a validator saw of an epoch: all votes in all views, but for those of these members.
pub(crate) fn observed(world: &World, epoch: u64, views: u32, votes: &[(u8, u32)]) -> Observed {
    let epoch = Epoch::new(epoch);
    let set = staking::set(&world.state, epoch)
        .expect("memory")
        .expect("a known epoch");
    let of = |entity: &EntityId| {
        let said = votes.iter().find(|(n, _)| entity_id(*n) == *entity);
        said.map_or(views, |(_, votes)| *votes)
    };
    let seats = set
        .validators()
        .iter()
        .map(|validator| saw(of(&validator.entity)))
        .collect();
    Observed {
        epoch,
        views,
        seats,
    }
}

/// What governance says of a lane.
pub(crate) fn lane(world: &World, lane: Lane) -> LaneParameters {
    let policy = blockcfg::policy(&world.state).expect("memory");
    policy.lane(lane).expect("all four").clone()
}

/// A call of the block configuration contract.
pub(crate) fn set_price(sender: u8, price: u32) -> SignedTransaction {
    let call = Call::new(BLOCKCFG, &BlockcfgCall::SetPrice { price });
    transaction(sender, Lane::Routine, call)
}

/// So many votes, and no answer to an own proposal.
pub(crate) const fn saw(votes: u32) -> ObservedSeat {
    ObservedSeat {
        votes,
        response_us: None,
        rate_kbps: None,
    }
}

/// By the validator key of founder `n`.
pub(crate) fn observe(n: u8, observed: &Observed) -> SignedTransaction {
    staking(n + 200, &StakingCall::Observe(observed.clone()))
}

/// The chain that [`transaction`] names.
pub(crate) const GENESIS: GenesisHash = GenesisHash([9; 32]);

/// Whose key a number is: founders and what they register have numbers up to 20, devices are the hospital's unless
/// [`of_entity`] says otherwise, and validators vote with the keys from 201 on.
fn entity_of_key(sender: u8) -> EntityId {
    match sender {
        0..=20 => entity_id(sender),
        201..=220 => entity_id(sender - 200),
        _ => entity_id(HOSPITAL),
    }
}

/// The same transaction by a sender of another entity.
pub(crate) fn of_entity(n: u8, mut transaction: SignedTransaction) -> SignedTransaction {
    transaction.body.entity = entity_id(n);
    transaction
}

/// A transaction by key number `sender`. Execution does not look at signatures.
pub(crate) fn transaction(sender: u8, lane: Lane, call: Call) -> SignedTransaction {
    Signed {
        body: Transaction {
            genesis: GENESIS,
            sender: key(sender),
            entity: entity_of_key(sender),
            lane,
            valid_until: Height::new(1000),
            nonce: [0; 16],
            call,
        },
        signature: Signature([0; 64]),
    }
}

pub(crate) fn identity(sender: u8, call: &IdentityCall) -> SignedTransaction {
    transaction(sender, Lane::Routine, Call::new(IDENTITY, call))
}

pub(crate) fn register_entity(sender: u8, n: u8, role: Role) -> SignedTransaction {
    identity(
        sender,
        &IdentityCall::RegisterEntity {
            name: name(n),
            role,
            key: key(n),
            exchange_key: exchange_key(n),
        },
    )
}

/// Device `n` with key `n`.
pub(crate) fn register_device(sender: u8, n: u8) -> SignedTransaction {
    let (device, key) = (device_id(n), key(n));
    identity(sender, &IdentityCall::register_device(device, key))
}

pub(crate) fn rotate(sender: u8, device: u8, to: u8) -> SignedTransaction {
    let (device, key) = (device_id(device), key(to));
    identity(sender, &IdentityCall::rotate_device_key(device, key))
}

pub(crate) fn revoke_device(sender: u8, device: u8) -> SignedTransaction {
    let device = device_id(device);
    identity(sender, &IdentityCall::RevokeDevice { device })
}

pub(crate) fn revoke_entity(sender: u8, entity: u8) -> SignedTransaction {
    let entity = entity_id(entity);
    identity(sender, &IdentityCall::RevokeEntity { entity })
}

pub(crate) fn sealed(device: u8, reading: u8) -> SealedReading {
    SealedReading {
        device: device_id(device),
        handle: Handle([7; 32]),
        reading: ReadingId([reading; 32]),
        envelope: Envelope {
            suite: Suite::Twofish256EaxBlake3,
            nonce: [reading; 16],
            commitment: Digest([8; 32]),
            ciphertext: Blob(vec![reading; SIZE_CLASSES[0] + TAG_LENGTH]),
        },
    }
}

pub(crate) fn submit(sender: u8, lane: Lane, reading: SealedReading) -> SignedTransaction {
    transaction(
        sender,
        lane,
        Call::new(RECORDS, &RecordsCall::Submit(reading)),
    )
}

/// Reading `reading` of device `n` signed with key `n`.
pub(crate) fn reading(n: u8, reading: u8) -> SignedTransaction {
    submit(n, Lane::Routine, sealed(n, reading))
}

pub(crate) fn raw(sender: u8, contract: u16, payload: Vec<u8>) -> SignedTransaction {
    let call = Call {
        contract: ContractId::new(contract),
        payload: Blob(payload),
    };
    transaction(sender, Lane::Routine, call)
}
