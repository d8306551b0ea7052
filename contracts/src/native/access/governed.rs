//! What the access contract offers to governance. Whether a change is meant is governance's to know, and that it is within bounds:
//! [`BreakGlassRules::are_within_bounds`], [`Jurisdiction::is_valid`].

use super::Access;
use super::state::{break_glass_slot, jurisdiction_slot};
use crate::context::Context;
use crate::error::Halt;
use salus_primitives::access::AccessEvent;
use salus_primitives::calls::{BreakGlassRules, Jurisdiction};
use salus_primitives::ids::EntityId;

/// Gives a jurisdiction rules for breaking the glass.
pub(crate) fn set_break_glass(
    context: &mut Context<'_>,
    jurisdiction: Jurisdiction,
    rules: BreakGlassRules,
) -> Result<(), Halt> {
    context.within::<Access, _>(|context| {
        context.store(&break_glass_slot(&jurisdiction), &rules)?;
        context.emit(&AccessEvent::BreakGlassSet {
            jurisdiction,
            rules,
        })
    })
}

/// Puts an entity under a jurisdiction.
pub(crate) fn assign_jurisdiction(
    context: &mut Context<'_>,
    entity: EntityId,
    jurisdiction: Jurisdiction,
) -> Result<(), Halt> {
    context.within::<Access, _>(|context| {
        context.store(&jurisdiction_slot(&entity), &jurisdiction)?;
        context.emit(&AccessEvent::JurisdictionAssigned {
            entity,
            jurisdiction,
        })
    })
}
