//! What happens next, and when, in virtual time.

use std::collections::BTreeMap;

/// Events to come: by their time, and those of one time in the order in which they were planned.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    planned: u64,
    events: BTreeMap<(u64, u64), T>,
}

impl<T> Agenda<T> {
    pub(crate) const fn new() -> Self {
        Self {
            planned: 0,
            events: BTreeMap::new(),
        }
    }

    pub(crate) fn plan(&mut self, at: u64, event: T) {
        self.planned += 1;
        self.events.insert((at, self.planned), event);
    }

    /// When the next event is due.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next event with its time.
    pub(crate) fn pop(&mut self) -> Option<(u64, T)> {
        self.events.pop_first().map(|((at, _), event)| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_of_planning() {
        let mut agenda = Agenda::new();
        for (at, event) in [(5, 'c'), (3, 'a'), (5, 'd'), (3, 'b')] {
            agenda.plan(at, event);
        }

        assert_eq!(agenda.next_at(), Some(3));
        let mut events = Vec::new();
        while let Some(next) = agenda.pop() {
            events.push(next);
        }
        assert_eq!(events, [(3, 'a'), (3, 'b'), (5, 'c'), (5, 'd')]);
        assert_eq!(agenda.next_at(), None);
    }
}
