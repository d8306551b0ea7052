//! How many one-time keys devices may ask for: each costs the custodian a write and room on its disk.

use salus_primitives::ids::{DeviceId, EntityId};
use salus_primitives::time::Timestamp;
use std::collections::BTreeMap;

/// Counts what was given out within the hour, in memory: a restart forgets it, and no more than that.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    since: Timestamp,
    devices: BTreeMap<DeviceId, u32>,
    entities: BTreeMap<EntityId, u32>,
}

impl Allowance {
    /// Counts one more for a device of this entity; `false` if that is too many.
    pub(super) fn take(&mut self, device: DeviceId, owner: EntityId, now: Timestamp) -> bool {
        if now.millis_since(self.since) >= HOUR_MS || now < self.since {
            *self = Self {
                since: now,
                ..Self::default()
            };
        }
        let of_device = self.devices.get(&device).copied().unwrap_or(0);
        let of_entity = self.entities.get(&owner).copied().unwrap_or(0);
        if of_device >= DEVICE_HOUR_MAX || of_entity >= ENTITY_HOUR_MAX {
            return false;
        }
        self.devices.insert(device, of_device.saturating_add(1));
        self.entities.insert(owner, of_entity.saturating_add(1));
        true
    }
}

/// New one-time keys that a device may ask for in an hour.
pub(super) const DEVICE_HOUR_MAX: u32 = 1_024;
/// New one-time keys that all devices of an entity may ask for in an hour. Bounds the number of devices that are counted, too.
pub(super) const ENTITY_HOUR_MAX: u32 = 32_768;
const HOUR_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceId = DeviceId([1; 32]);
    const OTHER: DeviceId = DeviceId([2; 32]);
    const OWNER: EntityId = EntityId([3; 32]);

    #[test]
    fn a_device_gets_so_many_an_hour_and_does_not_take_those_of_others() {
        let mut allowance = Allowance::default();
        let now = Timestamp::from_millis(5 * HOUR_MS);

        let given = (0..2 * DEVICE_HOUR_MAX).filter(|_| allowance.take(DEVICE, OWNER, now));

        assert_eq!(given.count(), DEVICE_HOUR_MAX as usize);
        assert!(allowance.take(OTHER, OWNER, now));
        assert!(!allowance.take(DEVICE, OWNER, now.plus_millis(HOUR_MS - 1)));
        assert!(allowance.take(DEVICE, OWNER, now.plus_millis(HOUR_MS)));
    }

    #[test]
    fn an_entity_gets_so_many_for_all_its_devices() {
        let mut allowance = Allowance::default();
        let now = Timestamp::from_millis(HOUR_MS);

        for device in 0..ENTITY_HOUR_MAX {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&device.to_le_bytes());
            assert!(allowance.take(DeviceId(id), OWNER, now));
        }

        assert!(!allowance.take(DeviceId([9; 32]), OWNER, now));
        assert!(allowance.take(DeviceId([9; 32]), EntityId([4; 32]), now));
    }
}
