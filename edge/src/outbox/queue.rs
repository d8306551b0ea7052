//! Which item is next: a pure schedule.

use std::collections::{BTreeMap, BTreeSet};

use salus_primitives::lane::Lane;

use super::ItemId;

/// Items that wait, most urgent and oldest first, some of them until a time.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: BTreeSet<(Lane, ItemId)>,
    later: BTreeSet<(u64, Lane, ItemId)>,
    places: BTreeMap<ItemId, Place>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Ready(Lane),
    Later(u64, Lane),
}

impl Queue {
    pub(super) fn insert(&mut self, id: ItemId, lane: Lane) {
        self.remove(id);
        self.ready.insert((lane, id));
        self.places.insert(id, Place::Ready(lane));
    }

    pub(super) fn insert_later(&mut self, id: ItemId, lane: Lane, due_ms: u64) {
        self.remove(id);
        self.later.insert((due_ms, lane, id));
        self.places.insert(id, Place::Later(due_ms, lane));
    }

    pub(super) fn remove(&mut self, id: ItemId) {
        match self.places.remove(&id) {
            Some(Place::Ready(lane)) => drop(self.ready.remove(&(lane, id))),
            Some(Place::Later(due, lane)) => drop(self.later.remove(&(due, lane, id))),
            None => {}
        }
    }

    /// Takes the most urgent item that is due, unless it is less urgent than `least`.
    pub(super) fn take(&mut self, now_ms: u64, least: Lane) -> Option<ItemId> {
        while let Some(&(due, lane, id)) = self.later.first()
            && due <= now_ms
        {
            self.insert(id, lane);
        }
        let &(lane, id) = self.ready.first()?;
        if lane > least {
            return None;
        }
        self.remove(id);
        Some(id)
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Urgent before old, old before new, and nothing before its time.
    #[test]
    fn urgent_goes_first_and_nothing_before_its_time() {
        let mut queue = Queue::default();
        queue.insert(ItemId(1), Lane::Routine);
        queue.insert(ItemId(2), Lane::Routine);
        queue.insert(ItemId(3), Lane::Emergency);
        queue.insert_later(ItemId(4), Lane::Emergency, 100);

        assert_eq!(queue.take(0, Lane::Bulk), Some(ItemId(3)));
        assert_eq!(queue.take(99, Lane::Emergency), None);
        assert_eq!(queue.take(99, Lane::Bulk), Some(ItemId(1)));
        assert_eq!(queue.take(100, Lane::Bulk), Some(ItemId(4)));
        assert_eq!(queue.take(100, Lane::Bulk), Some(ItemId(2)));
        assert_eq!(queue.take(100, Lane::Bulk), None);
    }

    /// An item stands in one place only.
    #[test]
    fn item_stands_in_one_place() {
        let mut queue = Queue::default();
        queue.insert(ItemId(1), Lane::Routine);
        queue.insert_later(ItemId(1), Lane::Routine, 50);

        assert_eq!(queue.len(), 1);
        assert_eq!(queue.take(49, Lane::Bulk), None);
        assert_eq!(queue.take(50, Lane::Bulk), Some(ItemId(1)));
        queue.remove(ItemId(1));
        assert_eq!(queue.len(), 0);
    }
}
