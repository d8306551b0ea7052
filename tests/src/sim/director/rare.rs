//! What some runs have and others have not: disks that fill up, members that leave and are admitted again, members that were set
//! inactive and return. Drawn with dice of their own, so that the other runs are what they are without.

use super::Director;
use crate::sim::Sim;
use crate::sim::history::Moment;
use crate::sim::scenario::{Dice, Scenario};
use std::collections::BTreeMap;

/// Which of these a run has, and what is under way.
pub(super) struct Rare {
    dice: Dice,
    fills_disks: bool,
    moves_members: bool,
    returns_members: bool,
    next_ms: u64,
    /// Nodes whose disks are full, and until when.
    full: BTreeMap<usize, u64>,
}

/// Longest time for which a disk is full, in milliseconds.
const FULL_MS_MAX: u64 = 3_000;

impl Rare {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut dice = Dice::new(scenario.options.seed, 3);
        let fills_disks = dice.percent(30);
        let moves_members = dice.percent(30);
        let mut rare = Self {
            dice,
            fills_disks,
            moves_members,
            returns_members: scenario.sets_members_inactive(),
            next_ms: 0,
            full: BTreeMap::new(),
        };
        rare.plan_next(0);
        rare
    }

    /// When something is due next.
    pub(super) fn next_at(&self) -> u64 {
        self.full
            .values()
            .copied()
            .chain([self.next_ms])
            .min()
            .unwrap_or(self.next_ms)
    }

    fn plan_next(&mut self, now: u64) {
        self.next_ms = if self.fills_disks || self.moves_members || self.returns_members {
            now + self.dice.between(50, 700)
        } else {
            u64::MAX
        };
    }
}

impl Director<'_> {
    /// Carries out what is due.
    pub(super) fn act_rarely(&mut self, sim: &mut Sim) {
        let now = sim.time_ms();
        let free: Vec<usize> = self
            .rare
            .full
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(node, _)| *node)
            .collect();
        for node in free {
            self.make_room(sim, node);
        }
        if self.rare.next_ms > now {
            return;
        }
        self.rare.plan_next(now);
        let running: Vec<usize> = sim.obeying().collect();
        if running.is_empty() {
            return;
        }
        let Rare {
            dice,
            fills_disks,
            moves_members,
            returns_members,
            ..
        } = &mut self.rare;
        let node = *dice.pick(&running);
        if *moves_members {
            let member = dice.index(self.scenario.parts.len());
            self.politics.move_member(sim, dice, member, node);
        }
        if *returns_members {
            self.politics.return_inactive(sim, node);
        }
        if *fills_disks && !self.rare.full.contains_key(&node) {
            self.fill_disk(sim, node);
        }
    }

    fn fill_disk(&mut self, sim: &mut Sim, node: usize) {
        let until = sim.time_ms() + self.rare.dice.between(1, FULL_MS_MAX);
        self.rare.full.insert(node, until);
        sim.count("disks_full", 1);
        let name = sim.node(node).identity().name.clone();
        sim.clock_checks();
        sim.checks
            .note(Moment::Fault(format!("the disk of {name} is full")));
        sim.set_disk_full(node, true);
    }

    /// There is room again on a node's disk.
    fn make_room(&mut self, sim: &mut Sim, node: usize) {
        self.rare.full.remove(&node);
        sim.set_disk_full(node, false);
    }

    /// There is room everywhere.
    pub(super) fn make_room_everywhere(&mut self, sim: &mut Sim) {
        for node in std::mem::take(&mut self.rare.full).into_keys() {
            sim.set_disk_full(node, false);
        }
    }
}
