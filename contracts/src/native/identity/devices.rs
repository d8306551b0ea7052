//! Calls about devices and their models.

use super::error::IdentityError;
use super::event::IdentityEvent;
use super::state::{
    Device, Holder, NextKey, OwnedModel, device_slot, owned_model_slot, revoked_model_slot,
};
use super::{Outcome, bind_key, numbers};
use crate::context::Context;
use crate::error::ContractError;
use salus_primitives::calls::{DEVICES_IN_BATCH_MAX, NewDevice, Role};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{DeviceId, EntityId, Height, ModelId};

/// What can be said of a batch without state. Keys come last: they cost the most.
pub(super) fn check_batch(devices: &[NewDevice]) -> Result<(), IdentityError> {
    if !(1..=DEVICES_IN_BATCH_MAX).contains(&devices.len()) {
        return Err(IdentityError::BatchOutOfBounds);
    }
    if !devices.is_sorted_by(|one, next| one.device < next.device) {
        return Err(IdentityError::DevicesOutOfOrder);
    }
    for new in devices {
        new.key.check()?;
    }
    Ok(())
}

pub(super) fn register(
    context: &mut Context<'_>,
    model: Option<ModelId>,
    devices: Vec<NewDevice>,
) -> Outcome {
    let owner = context.caller().principal.entity();
    let height = context.height();
    // the batch was bounded before
    let count = u32::try_from(devices.len()).map_err(|_| IdentityError::BatchOutOfBounds)?;
    if let Some(model) = model {
        let slot = owned_model_slot(&model, &owner);
        let mut owned = context.load(&slot)?.unwrap_or_default();
        if owned.revoked_at.is_some() || context.load(&revoked_model_slot(&model))?.is_some() {
            return Err(IdentityError::ModelRevoked.into());
        }
        owned.devices = owned.devices.saturating_add(count);
        context.store(&slot, &owned)?;
    }
    numbers::count(context, |numbers| {
        numbers.devices = numbers.devices.saturating_add(count);
    })?;
    for new in &devices {
        let slot = device_slot(&new.device);
        if context.load(&slot)?.is_some() {
            return Err(IdentityError::DeviceExists.into());
        }
        bind_key(context, new.key, Holder::Device(new.device))?;
        let device = Device {
            owner,
            model,
            key: new.key,
            key_since: height,
            next: None,
            registered_at: height,
            revoked_at: None,
        };
        context.store(&slot, &device)?;
    }
    context.emit(&IdentityEvent::DevicesRegistered {
        owner,
        model,
        devices,
    })?;
    Ok(())
}

pub(super) fn rotate_key(
    context: &mut Context<'_>,
    id: DeviceId,
    key: PublicKey,
    from: Option<Height>,
) -> Outcome {
    let height = context.height();
    let device = load(context, &id)?;
    if device.owner != context.caller().principal.entity() {
        return Err(IdentityError::NotTheOwner.into());
    }
    if is_revoked(context, &device)? {
        return Err(IdentityError::DeviceRevoked.into());
    }
    if from.is_some_and(|from| from <= height) {
        return Err(IdentityError::HeightNotAhead.into());
    }
    bind_key(context, key, Holder::Device(id))?;
    let mut device = device.settled(height);
    match from {
        // in place of one that was scheduled before: the owner's last word counts
        Some(from) => device.next = Some(NextKey { key, from }),
        None => {
            device.key = key;
            device.key_since = height;
            device.next = None;
        }
    }
    context.store(&device_slot(&id), &device)?;
    context.emit(&IdentityEvent::DeviceKeyRotated {
        device: id,
        key,
        from: from.unwrap_or(height),
    })?;
    Ok(())
}

pub(super) fn revoke(context: &mut Context<'_>, id: DeviceId) -> Outcome {
    let mut device = load(context, &id)?;
    let principal = context.caller().principal;
    let by = principal.entity();
    if device.owner != by && principal.role() != Role::Ministry {
        return Err(IdentityError::NotTheOwner.into());
    }
    if is_revoked(context, &device)? {
        return Err(IdentityError::DeviceRevoked.into());
    }
    device.revoked_at = Some(context.height());
    context.store(&device_slot(&id), &device)?;
    context.emit(&IdentityEvent::DeviceRevoked { device: id, by })?;
    Ok(())
}

pub(super) fn revoke_model(context: &mut Context<'_>, model: ModelId) -> Outcome {
    let principal = context.caller().principal;
    let by = principal.entity();
    let owner = if principal.role() == Role::Ministry {
        revoke_everybodys(context, model)?;
        None
    } else {
        revoke_own(context, model, by)?;
        Some(by)
    };
    context.emit(&IdentityEvent::ModelRevoked { model, owner, by })?;
    Ok(())
}

fn revoke_everybodys(context: &mut Context<'_>, model: ModelId) -> Outcome {
    let slot = revoked_model_slot(&model);
    if context.load(&slot)?.is_some() {
        return Err(IdentityError::ModelAlreadyRevoked.into());
    }
    numbers::count(context, |numbers| {
        numbers.models = numbers.models.saturating_add(1);
    })?;
    let height = context.height();
    context.store(&slot, &height)?;
    Ok(())
}

/// An entity ends what it has: rows for models that it never had would be rows without end.
fn revoke_own(context: &mut Context<'_>, model: ModelId, owner: EntityId) -> Outcome {
    let slot = owned_model_slot(&model, &owner);
    let owned: OwnedModel = context.load(&slot)?.ok_or(IdentityError::UnknownModel)?;
    if owned.revoked_at.is_some() {
        return Err(IdentityError::ModelAlreadyRevoked.into());
    }
    let revoked_at = Some(context.height());
    context.store(
        &slot,
        &OwnedModel {
            revoked_at,
            ..owned
        },
    )?;
    Ok(())
}

fn load(context: &mut Context<'_>, id: &DeviceId) -> Result<Device, ContractError<IdentityError>> {
    Ok(context
        .load(&device_slot(id))?
        .ok_or(IdentityError::UnknownDevice)?)
}

/// Whether a device or its model was revoked, see [`revoked_at`](super::revoked_at).
fn is_revoked(
    context: &mut Context<'_>,
    device: &Device,
) -> Result<bool, ContractError<IdentityError>> {
    if device.revoked_at.is_some() {
        return Ok(true);
    }
    let Some(model) = device.model else {
        return Ok(false);
    };
    let owned = context.load(&owned_model_slot(&model, &device.owner))?;
    Ok(owned.is_some_and(|owned| owned.revoked_at.is_some())
        || context.load(&revoked_model_slot(&model))?.is_some())
}
