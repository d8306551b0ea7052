//! What goes wrong, and for how long.

use super::Director;
use crate::sim::history::Moment;
use crate::sim::node::GENERATIONS;
use crate::sim::plan::Plan;
use crate::sim::scenario::Part;
use crate::sim::{SKEW_MAX_MS, Sim};
use salus_storage::journal::JournalFaults;
use salus_storage::memory::{FaultPlan, WriteFault};
use std::collections::BTreeSet;

impl Director<'_> {
    /// One fault, or the end of one.
    pub(super) fn fault(&mut self, sim: &mut Sim) {
        match self.dice.below(21) {
            0..=3 => self.change_weather(sim),
            4..=6 => self.cut_links(sim),
            7..=8 => {
                tell(sim, "all links are back".into());
                sim.heal();
            }
            9..=13 => self.crash(sim),
            14 => self.cut_power(sim),
            15..=16 => self.fail_disks(sim),
            17 => self.jump_clock(sim),
            18 => self.lose_votes(sim),
            19 => self.part_twins(sim),
            _ => {
                if let Some(member) = self.to_wipe.pop() {
                    self.wipe(sim, member);
                }
            }
        }
    }

    pub(super) fn restart_due(&mut self, sim: &mut Sim) {
        let now = sim.time_ms();
        for node in 0..sim.len() {
            if sim.node(node).is_running() {
                self.restarts.remove(&node);
            } else if !self.restarts.contains_key(&node) {
                let down = *self.dice.pick(&[10, 100, 500, 2_000, 6_000]);
                let down = self.dice.between(1, down);
                self.restarts.insert(node, now + down);
            }
        }
        let due: Vec<usize> = self
            .restarts
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(node, _)| *node)
            .collect();
        for node in due {
            self.restarts.remove(&node);
            sim.count("restarts", 1);
            sim.start(node);
        }
    }

    fn change_weather(&mut self, sim: &mut Sim) {
        let worst = self.scenario.worst;
        let plan = if self.dice.percent(40) {
            Plan::calm()
        } else {
            Plan {
                loss_percent: self.dice.between(0, worst.loss_percent),
                duplicate_percent: self.dice.between(0, worst.duplicate_percent),
                delay_ms_min: 0,
                delay_ms_max: self.dice.between(1, worst.delay_ms_max),
                execution_ms_max: self.dice.between(0, worst.execution_ms_max),
            }
        };
        sim.count("changes_of_weather", 1);
        tell(sim, format!("weather: {plan:?}"));
        sim.set_plan(plan);
    }

    /// In two, both ways or one; or one node from some others.
    fn cut_links(&mut self, sim: &mut Sim) {
        let order = self.dice.order(sim.len());
        let at = 1 + self.dice.index(order.len() - 1);
        let (one, other) = order.split_at(at);
        if self.dice.percent(50) {
            sim.count("partitions", 1);
            tell(sim, format!("{one:?} and {other:?} are parted"));
            sim.partition(one, other);
        } else {
            sim.count("partitions_one_way", 1);
            tell(sim, format!("{other:?} do not hear {one:?}"));
            sim.cut(one, other);
        }
    }

    /// A node dies now, or at some effect of what it does next.
    fn crash(&mut self, sim: &mut Sim) {
        let node = self.dice.index(sim.len());
        if !sim.node(node).is_running() {
            return;
        }
        if self.dice.percent(70) {
            sim.crash_within(node, 60);
            sim.count("crashes_at_an_effect", 1);
        } else {
            sim.crash(node);
        }
    }

    fn cut_power(&mut self, sim: &mut Sim) {
        if self.dice.percent(60) {
            return;
        }
        sim.count("power_cuts", 1);
        tell(sim, "the power is gone everywhere".into());
        sim.cut_power();
    }

    fn fail_disks(&mut self, sim: &mut Sim) {
        let node = self.dice.index(sim.len());
        if !sim.node(node).is_running() {
            return;
        }
        let after = self.dice.below(8);
        let mut journal = JournalFaults::default();
        let mut store = FaultPlan::default();
        match self.dice.below(4) {
            0 => journal.append = Some(after),
            1 => journal.sync = Some(after),
            2 => store.write = Some((after, WriteFault::Lost)),
            _ => store.write = Some((after, WriteFault::Kept)),
        }
        sim.count("write_errors_planned", 1);
        sim.let_disks_fail(node, journal, store);
    }

    fn jump_clock(&mut self, sim: &mut Sim) {
        let member = self.dice.index(self.scenario.parts.len());
        if self.scenario.parts[member] == Part::Honest {
            let offset = SKEW_MAX_MS.cast_signed();
            let offset = offset - self.dice.below(2 * SKEW_MAX_MS + 1).cast_signed();
            sim.count("clock_jumps", 1);
            sim.set_clock(member, offset);
        }
    }

    fn lose_votes(&mut self, sim: &mut Sim) {
        let latest = sim
            .views
            .last_key_value()
            .map(|(epoch, view)| (*epoch, *view));
        if let Some((epoch, view)) = latest {
            let view = view.plus(self.dice.between(1, 3));
            sim.count("views_of_lost_votes", 1);
            sim.lose_votes_of(epoch, view);
        }
    }

    /// Each of two twins gets its own half of the others, until the next time.
    pub(super) fn part_twins(&mut self, sim: &mut Sim) {
        for (one, other) in self.twins.clone() {
            let mut sides = [BTreeSet::new(), BTreeSet::new()];
            for node in (0..sim.len()).filter(|node| *node != one && *node != other) {
                sides[self.dice.index(2)].insert(node);
            }
            let [first, second] = sides;
            sim.count("twins_parted", 1);
            sim.set_side(one, first);
            sim.set_side(other, second);
        }
    }

    /// The member's machine is replaced; governance gives it a key that never voted.
    pub(super) fn wipe(&mut self, sim: &mut Sim, member: usize) {
        if sim.node(member).is_running() {
            sim.crash(member);
        }
        sim.count("wiped", 1);
        let generation = self.politics.next_generation(member);
        sim.start_wiped(member);
        self.restarts.remove(&member);
        if generation < GENERATIONS && self.dice.percent(50) {
            sim.crash(member);
            sim.start_renewed(member, generation);
            self.politics.rotate(sim, &mut self.dice, member);
        }
    }
}

fn tell(sim: &mut Sim, what: String) {
    sim.clock_checks();
    sim.checks.note(Moment::Fault(what));
}
