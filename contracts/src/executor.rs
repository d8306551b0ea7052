//! From a block's transactions to its writes and receipts.

use crate::caller::{Caller, Principal};
use crate::context::{BlockContext, Context, Occasion};
use crate::error::{Halt, StableError, stable_errors};
use crate::meter::{LimitExceeded, Limits};
use crate::native::blockcfg::quota::{Charges, Demotions};
use crate::native::identity::{self, NoPrincipal};
use crate::native::{blockcfg, staking};
use crate::overlay::Overlay;
use crate::registry::{Failure, Registry};
use salus_primitives::ids::{ContractId, Height};
use salus_primitives::lane::Lane;
use salus_primitives::lanes::EpochLanes;
use salus_primitives::parameters::ChainParameters;
use salus_primitives::receipt::{Event, Outcome, Receipt};
use salus_primitives::state::{StateRead, StateReadError, WriteSet};
use salus_primitives::transaction::{SignedTransaction, Transaction, TxId};

/// Executes blocks. A pure function of block and state: equal input gives equal bytes on every node.
#[derive(Clone, Debug)]
pub struct Executor {
    registry: Registry,
    limits: Limits,
}

/// What a block does to the state, and what became of its transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockOutcome {
    /// All changes of the block, against the state before it.
    pub writes: WriteSet,
    /// One receipt per transaction, in order.
    pub receipts: Vec<Receipt>,
}

/// Why a transaction fails, as its receipt would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("contract {contract} refuses with code {code}: {reason}")]
pub struct Refusal {
    /// Who refuses: a contract, or the executor.
    pub contract: ContractId,
    /// The stable code.
    pub code: u16,
    /// The stable name of the code.
    pub reason: &'static str,
}

stable_errors! {
    /// Why a transaction fails before, or regardless of, the contract it calls. Codes of [`ContractId::EXECUTOR`].
    pub enum ExecutorError {
        /// No principal has or had this key.
        UnknownSender = 1, "unknown_sender", "the sender's key belongs to nobody";
        /// The sender is a device that was revoked.
        DeviceRevoked = 2, "device_revoked", "the sending device was revoked";
        /// The sender is an entity that was revoked, or its device, its practitioner or its key service.
        EntityRevoked = 3, "entity_revoked", "the entity that answers for the sender was revoked";
        /// The sender's key was replaced.
        KeyRotated = 4, "key_rotated", "the sender has another key now";
        /// The sender's role may not use the lane.
        LaneNotAllowed = 5, "lane_not_allowed", "the sender's role may not use this lane";
        /// There is no such contract at this height.
        UnknownContract = 6, "unknown_contract", "there is no such contract";
        /// The payload is no call of the contract.
        UndecodableCall = 7, "undecodable_call", "the payload is no call of this contract";
        /// Over [`Limits::reads`].
        TooManyReads = 8, "too_many_reads", "the call reads too many values";
        /// Over [`Limits::writes`].
        TooManyWrites = 9, "too_many_writes", "the call writes too many values";
        /// Over [`Limits::bytes`].
        TooManyBytes = 10, "too_many_bytes", "the call writes too many bytes";
        /// Over [`Limits::events`].
        TooManyEvents = 11, "too_many_events", "the call emits too many events";
        /// The sender is of another entity than the transaction names.
        WrongEntity = 12, "wrong_entity", "the transaction names another entity than its sender's";
        /// The sender is a practitioner who was revoked.
        PractitionerRevoked = 13, "practitioner_revoked", "the sending practitioner was revoked";
        /// The sender's key holds from a later block on.
        KeyNotYetValid = 14, "key_not_yet_valid", "the sender's key holds from a later block on";
    }
}

impl Default for Executor {
    fn default() -> Self {
        Self::new(Registry::standard(), Limits::STANDARD)
    }
}

impl Executor {
    /// An executor of the given contracts.
    #[must_use]
    pub const fn new(registry: Registry, limits: Limits) -> Self {
        Self { registry, limits }
    }

    /// Executes a block's transactions in order over the state after its parent.
    ///
    /// Signatures, chain, window and replay are the admission's and the proposal check's to look at, not this function's. Who may
    /// use which lane, and in which lane a transaction counts, follows from the state *before* the block, like the block's
    /// configuration: `demotions` are those of that state. Who the sender is, and whether it is revoked, follows from the state just
    /// before its transaction. After the last block of an epoch, what
    /// validators measured of one another is taken over, the validators of the epoch after the next are elected and its lanes
    /// configured, see [`blockcfg::measure`], [`staking::close_epoch`] and [`blockcfg::close_epoch`].
    ///
    /// # Errors
    /// [`StateReadError`] if the store fails; there is no outcome then.
    ///
    /// # Panics
    /// If `demotions` are of another epoch than the block.
    pub fn execute_block(
        &self,
        block: BlockContext,
        transactions: &[SignedTransaction],
        state: &dyn StateRead,
        demotions: &Demotions,
    ) -> Result<BlockOutcome, StateReadError> {
        let parameters = blockcfg::parameters(state)?;
        assert_eq!(
            demotions.epoch(),
            parameters.epoch_at(block.height),
            "demotions are those of the state before the block"
        );
        let lanes = lanes_at(&parameters, block.height, state)?;
        let rules = Rules {
            parameters: &parameters,
            lanes: &lanes,
        };
        let mut overlay = Overlay::new(state);
        let mut charges = Charges::new(&lanes);
        let mut receipts = Vec::with_capacity(transactions.len());
        for (index, transaction) in (0u32..).zip(transactions) {
            let transaction = &transaction.body;
            let id = transaction.id();
            let lane = demotions.lane_of(transaction);
            let sender = sender(transaction, block.height, rules, &overlay)?;
            match sender.map(|caller| caller.principal) {
                Ok(
                    Principal::Entity { .. }
                    | Principal::Device { .. }
                    | Principal::Practitioner { .. }
                    | Principal::Person { .. }
                    | Principal::Custodian { .. },
                ) => {
                    charges.charge(&overlay, lane, transaction.entity)?;
                }
                Ok(Principal::Validator { .. }) | Err(_) => {}
            }
            let result = match sender.and_then(|caller| allowed(transaction, rules, caller)) {
                Ok(caller) => self.execute(block, id, transaction, caller, rules, &overlay)?,
                Err(error) => Err(error.into()),
            };
            let (outcome, events) = match result {
                Ok((writes, events)) => {
                    overlay.merge(writes);
                    (Outcome::Ok, events)
                }
                Err(Refusal { contract, code, .. }) => {
                    (Outcome::Failed { contract, code }, Vec::new())
                }
            };
            receipts.push(Receipt {
                transaction: id,
                index,
                lane,
                outcome,
                events,
            });
        }
        let writes = charges.finish(&overlay)?;
        overlay.merge(writes);
        if let Some(ended) = parameters.epoch_ending_at(block.height) {
            let writes = blockcfg::measure(&overlay, &parameters, ended)?;
            overlay.merge(writes);
            let writes = staking::close_epoch(&overlay, &parameters, ended)?;
            overlay.merge(writes);
            let writes = blockcfg::close_epoch(&overlay, &parameters, ended)?;
            overlay.merge(writes);
        }
        Ok(BlockOutcome {
            writes: overlay.into_writes(),
            receipts,
        })
    }

    /// Whether a transaction has any hope over `state`: its sender may act and use the lane, the contract exists and
    /// its call decodes and makes sense from this sender. For admission; what it lets through can still fail when executed.
    /// `next` is the height of the block after `state`. A contract that is registered but not active yet passes.
    ///
    /// # Errors
    /// [`StateReadError`] if the store fails. A [`Refusal`] is the answer, not an error of this function.
    pub fn check(
        &self,
        transaction: &Transaction,
        next: Height,
        state: &dyn StateRead,
    ) -> Result<Result<(), Refusal>, StateReadError> {
        let parameters = blockcfg::parameters(state)?;
        let lanes = lanes_at(&parameters, next, state)?;
        let rules = Rules {
            parameters: &parameters,
            lanes: &lanes,
        };
        let caller = sender(transaction, next, rules, state)?
            .and_then(|caller| allowed(transaction, rules, caller));
        let caller = match caller {
            Ok(caller) => caller,
            Err(error) => return Ok(Err(error.into())),
        };
        let contract = transaction.call.contract;
        let Some(entry) = self.registry.contract(contract) else {
            return Ok(Err(ExecutorError::UnknownContract.into()));
        };
        match entry.admit(&caller, transaction.call.payload.as_slice()) {
            Ok(()) => Ok(Ok(())),
            Err(failure) => refusal(contract, failure).map(Err),
        }
    }

    fn execute(
        &self,
        block: BlockContext,
        id: TxId,
        transaction: &Transaction,
        caller: Caller,
        rules: Rules<'_>,
        state: &dyn StateRead,
    ) -> Result<Result<(WriteSet, Vec<Event>), Refusal>, StateReadError> {
        let contract = transaction.call.contract;
        let Some(entry) = self.registry.active(contract, block.height) else {
            return Ok(Err(ExecutorError::UnknownContract.into()));
        };
        let occasion = Occasion {
            block,
            transaction: id,
            genesis: transaction.genesis,
            parameters: rules.parameters,
        };
        let mut context = Context::new(contract, caller, occasion, state, self.limits);
        match entry.execute(&mut context, transaction.call.payload.as_slice()) {
            Ok(()) => Ok(Ok(context.finish())),
            Err(failure) => refusal(contract, failure).map(Err),
        }
    }
}

/// What holds for all transactions of a block.
#[derive(Clone, Copy)]
struct Rules<'a> {
    parameters: &'a ChainParameters,
    lanes: &'a EpochLanes,
}

/// The lanes of the block at a height.
fn lanes_at(
    parameters: &ChainParameters,
    height: Height,
    state: &dyn StateRead,
) -> Result<EpochLanes, StateReadError> {
    let epoch = parameters.epoch_at(height);
    blockcfg::lanes(state, epoch)?
        .ok_or_else(|| StateReadError(format!("the state holds no lanes of epoch {epoch}")))
}

/// Who sends, if it may act in the block of this height and is of the entity that the transaction names.
fn sender(
    transaction: &Transaction,
    height: Height,
    rules: Rules<'_>,
    state: &dyn StateRead,
) -> Result<Result<Caller, ExecutorError>, StateReadError> {
    let key = transaction.sender;
    let epoch = rules.parameters.epoch_at(height);
    let principal = match identity::principal_of_key(state, &key, height, epoch)? {
        Ok(principal) => principal,
        Err(none) => return Ok(Err(none.into())),
    };
    if principal.entity() != transaction.entity {
        return Ok(Err(ExecutorError::WrongEntity));
    }
    Ok(Ok(Caller { key, principal }))
}

/// The sender, if it may use the lane that it asks for; those below are open to the same roles and more.
///
/// A validator uses the routine lane, whatever its role, and no other: what validators say of one another must not depend on
/// whether genesis lets insurers, say, into a lane.
fn allowed(
    transaction: &Transaction,
    rules: Rules<'_>,
    caller: Caller,
) -> Result<Caller, ExecutorError> {
    let allowed = match caller.principal {
        Principal::Validator { .. } => transaction.lane == Lane::Routine,
        Principal::Entity { role, .. }
        | Principal::Device { role, .. }
        | Principal::Practitioner { role, .. }
        | Principal::Person { role, .. }
        | Principal::Custodian { role, .. } => rules
            .lanes
            .lane(transaction.lane)
            .is_some_and(|lane| lane.parameters.roles.contains(&role)),
    };
    if allowed {
        Ok(caller)
    } else {
        Err(ExecutorError::LaneNotAllowed)
    }
}

/// What a failure looks like in a receipt, unless it is the store's.
fn refusal(contract: ContractId, failure: Failure) -> Result<Refusal, StateReadError> {
    match failure {
        Failure::Undecodable => Ok(ExecutorError::UndecodableCall.into()),
        Failure::Refused { code, reason } => Ok(Refusal {
            contract,
            code,
            reason,
        }),
        Failure::Halted(Halt::Limit(limit)) => Ok(ExecutorError::from(limit).into()),
        Failure::Halted(Halt::Unreadable(error)) => Err(error),
    }
}

impl From<ExecutorError> for Refusal {
    fn from(error: ExecutorError) -> Self {
        Self {
            contract: ContractId::EXECUTOR,
            code: error.code(),
            reason: error.reason(),
        }
    }
}

impl From<NoPrincipal> for ExecutorError {
    fn from(none: NoPrincipal) -> Self {
        match none {
            NoPrincipal::Unknown => Self::UnknownSender,
            NoPrincipal::DeviceRevoked => Self::DeviceRevoked,
            NoPrincipal::EntityRevoked => Self::EntityRevoked,
            NoPrincipal::KeyRotated => Self::KeyRotated,
            NoPrincipal::PractitionerRevoked => Self::PractitionerRevoked,
            NoPrincipal::KeyNotYetValid => Self::KeyNotYetValid,
        }
    }
}

impl From<LimitExceeded> for ExecutorError {
    fn from(limit: LimitExceeded) -> Self {
        match limit {
            LimitExceeded::Reads => Self::TooManyReads,
            LimitExceeded::Writes => Self::TooManyWrites,
            LimitExceeded::Bytes => Self::TooManyBytes,
            LimitExceeded::Events => Self::TooManyEvents,
        }
    }
}
