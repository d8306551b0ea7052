//! What the block configuration contract offers to governance. Whether a change is meant is governance's to know, and that it is
//! within bounds: [`policy::check`](super::policy::check).

use super::event::BlockcfgEvent;
use super::{Blockcfg, measured_slot, policy_slot, price_slot};
use crate::context::Context;
use crate::error::Halt;
use salus_primitives::ids::EntityId;
use salus_primitives::lanes::{BlockModel, BlockPolicy, LaneParameters};
use salus_primitives::state::StateReadError;

/// What governance says of lanes now.
pub(crate) fn policy_of(context: &mut Context<'_>) -> Result<BlockPolicy, Halt> {
    let policy = context.within::<Blockcfg, _>(|context| context.load(&policy_slot()))?;
    policy.ok_or_else(|| StateReadError("the state holds no block policy".into()).into())
}

/// Changes a lane. `policy` has it in it already.
pub(crate) fn set_lane(
    context: &mut Context<'_>,
    policy: &BlockPolicy,
    parameters: LaneParameters,
) -> Result<(), Halt> {
    context.within::<Blockcfg, _>(|context| {
        context.store(&policy_slot(), policy)?;
        context.emit(&BlockcfgEvent::LaneSet { parameters })
    })
}

/// Changes the model. `policy` has it in it already.
pub(crate) fn set_model(
    context: &mut Context<'_>,
    policy: &BlockPolicy,
    model: BlockModel,
) -> Result<(), Halt> {
    context.within::<Blockcfg, _>(|context| {
        context.store(&policy_slot(), policy)?;
        context.emit(&BlockcfgEvent::ModelSet { model })
    })
}

/// Forgets a member that retires: what was measured of it, and its price.
pub(crate) fn forget(context: &mut Context<'_>, member: &EntityId) -> Result<(), Halt> {
    context.within::<Blockcfg, _>(|context| {
        context.remove(&measured_slot(member))?;
        context.remove(&price_slot(member))
    })
}
