//! Who lets things happen: faults and clients, at times and to nodes that the seed chooses.

mod faults;
mod load;
mod membership;
mod politics;
mod rare;

use super::Sim;
use super::byzantine::Behaviour;
use super::history::Moment;
use super::scenario::{Dice, Part, Scenario};
use politics::Politics;
use rare::Rare;
use salus_primitives::ids::EntityId;
use salus_primitives::transaction::VerifiedTransaction;
use std::collections::{BTreeMap, VecDeque};

/// Draws what happens next.
pub(super) struct Director<'a> {
    scenario: &'a Scenario,
    dice: Dice,
    /// Pairs of nodes of one member.
    twins: Vec<(usize, usize)>,
    next_fault_ms: u64,
    next_load_ms: u64,
    /// Nodes that are down, and when they start again.
    restarts: BTreeMap<usize, u64>,
    /// Members that are still to lose their disks.
    to_wipe: Vec<usize>,
    /// What clients sent, to be sent again.
    sent: VecDeque<VerifiedTransaction>,
    politics: Politics,
    rare: Rare,
}

impl<'a> Director<'a> {
    /// Starts the cluster: faulty members first declared, then every node.
    pub(super) fn start(scenario: &'a Scenario, sim: &mut Sim) -> Self {
        let mut dice = Dice::new(scenario.options.seed, 2);
        let mut twins = Vec::new();
        for (member, part) in (0..).zip(&scenario.parts) {
            let entity = EntityId::of_name(&sim.keys[member].name);
            match part {
                Part::Honest => {
                    let offset = super::SKEW_MAX_MS.cast_signed();
                    let offset = offset - dice.below(2 * super::SKEW_MAX_MS + 1).cast_signed();
                    sim.set_clock(member, offset);
                }
                Part::Byzantine(behaviours) => {
                    sim.checks.declare_byzantine(entity);
                    sim.corrupt(member, behaviours);
                    if behaviours.contains(&Behaviour::Twin) {
                        let twin = sim.add_twin(member);
                        sim.corrupt(twin, &[]);
                        twins.push((member, twin));
                    }
                }
                Part::Wiped => sim.checks.declare_absent(entity),
                Part::HourOff(offset) => {
                    sim.checks.declare_absent(entity);
                    sim.set_clock(member, *offset);
                }
            }
        }
        let mut director = Self {
            scenario,
            dice,
            twins,
            next_fault_ms: scenario.fault_every_ms,
            next_load_ms: 1,
            restarts: BTreeMap::new(),
            to_wipe: scenario.members(|part| *part == Part::Wiped),
            sent: VecDeque::new(),
            politics: Politics::new(scenario),
            rare: Rare::new(scenario),
        };
        director.part_twins(sim);
        for node in 0..sim.len() {
            sim.start(node);
        }
        director
    }

    /// Lets faults and load happen until the scenario's views are gone through.
    pub(super) fn rough_phase(&mut self, sim: &mut Sim) {
        let limit_ms = sim.time_ms() + self.scenario.views.saturating_mul(VIEW_MS_MAX);
        while sim.views() < self.scenario.views && sim.time_ms() < limit_ms && sim.goes_on() {
            let next = self.next_at();
            while sim.agenda.next_at().is_some_and(|at| at <= next)
                && sim.goes_on()
                && sim.views() < self.scenario.views
            {
                sim.step();
            }
            if sim.views() >= self.scenario.views || !sim.goes_on() {
                break;
            }
            sim.run_until(next);
            self.act(sim);
        }
    }

    /// Ends all faults but the Byzantine ones.
    pub(super) fn end_faults(&mut self, sim: &mut Sim) {
        sim.clock_checks();
        sim.checks
            .note(Moment::Fault("the last fault is over".into()));
        sim.set_plan(super::plan::Plan::calm());
        sim.lose_no_votes();
        sim.heal();
        self.make_room_everywhere(sim);
        for member in std::mem::take(&mut self.to_wipe) {
            self.wipe(sim, member);
        }
        for node in 0..sim.len() {
            sim.nodes[node].live_on();
            if !sim.node(node).is_running() {
                sim.start(node);
            }
        }
        self.restarts.clear();
    }

    fn next_at(&self) -> u64 {
        self.restarts
            .values()
            .copied()
            .chain([self.next_fault_ms, self.next_load_ms, self.rare.next_at()])
            .min()
            .unwrap_or(self.next_load_ms)
    }

    fn act(&mut self, sim: &mut Sim) {
        let now = sim.time_ms();
        self.restart_due(sim);
        if self.next_load_ms <= now {
            let pause = self.dice.between(1, 2 * self.scenario.load_every_ms);
            self.next_load_ms = now + pause;
            self.load(sim);
        }
        if self.next_fault_ms <= now {
            let pause = self.dice.between(1, 2 * self.scenario.fault_every_ms);
            self.next_fault_ms = now + pause;
            self.fault(sim);
        }
        self.act_rarely(sim);
    }
}

/// Virtual time per view after which the rough phase ends, whether or not it got anywhere.
const VIEW_MS_MAX: u64 = 600;
