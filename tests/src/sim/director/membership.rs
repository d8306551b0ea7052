//! Members that governance retires and admits again, and members that were set inactive and return.

use super::politics::{Choice, Politics};
use crate::sim::Sim;
use crate::sim::node::GENERATIONS;
use crate::sim::scenario::Dice;
use salus_contracts::native::staking;
use salus_primitives::calls::{Change, STAKING, StakingCall, ValidatorKeys};
use salus_primitives::ids::EntityId;
use salus_primitives::lane::Lane;
use salus_primitives::transaction::Call;

impl Politics {
    /// Retires an honest member to whom nobody delegates; or admits one that was retired, with a key that never voted.
    pub(super) fn move_member(
        &mut self,
        sim: &mut Sim,
        dice: &mut Dice,
        member: usize,
        node: usize,
    ) {
        self.sign(sim, dice);
        if let Some(gone) = self
            .retired
            .iter()
            .copied()
            .find(|gone| !is_member(sim, node, *gone))
        {
            self.admit(sim, gone, node);
        } else if self.may_retire(member) && self.admits(member, Choice::gone()) {
            self.retired.push(member);
            sim.count("retirements_proposed", 1);
            let member_id = EntityId::of_name(&sim.keys[member].name);
            let change = Change::RetireMember { member: member_id };
            self.propose(sim, member, node, change);
        }
    }

    fn admit(&mut self, sim: &mut Sim, member: usize, node: usize) {
        let generation = self.next_generation(member);
        if generation >= GENERATIONS {
            return;
        }
        self.generations[member] = generation;
        let keys = &sim.keys[member];
        let change = Change::AdmitMember {
            entity: EntityId::of_name(&keys.name),
            keys: Some(ValidatorKeys {
                validator_key: keys.validator_of(generation).public(),
                network_key: keys.network.public(),
            }),
            weight: self.weight(member),
        };
        sim.count("admissions_proposed", 1);
        // who is no member proposes nothing
        let sponsor = (0..self.faulty.len()).find(|other| is_member(sim, node, *other));
        if let Some(sponsor) = sponsor {
            self.propose(sim, sponsor, node, change);
        }
    }

    /// Whether a member's leaving, and coming back, changes nothing but its own weight.
    fn may_retire(&self, member: usize) -> bool {
        let delegates = |choices: &Vec<Choice>| {
            choices
                .iter()
                .any(|choice| choice.parts.iter().any(|(to, _)| *to == member))
        };
        let by_others = (0..)
            .zip(&self.choices)
            .any(|(other, choices)| other != member && delegates(choices));
        !self.faulty[member] && self.choices[member].len() == 1 && !by_others
    }

    /// Members that missed too many votes say that they are back.
    pub(super) fn return_inactive(&mut self, sim: &mut Sim, node: usize) {
        for member in 0..self.faulty.len() {
            let id = EntityId::of_name(&sim.keys[member].name);
            let Some(ledger) = sim.node(node).ledger() else {
                return;
            };
            let known = staking::member(&ledger.state(), &id).expect("reads");
            if known.is_some_and(|known| known.inactive.is_some()) {
                sim.count("returns", 1);
                let window = sim.genesis.parameters.window_blocks;
                let call = Call::new(STAKING, &StakingCall::Return);
                let transaction = sim.signed(member, node, Lane::Routine, window, call);
                sim.offer(node, transaction);
            }
        }
    }
}

/// Whether a member is one by what a node has final.
fn is_member(sim: &Sim, node: usize, member: usize) -> bool {
    let id = EntityId::of_name(&sim.keys[member].name);
    sim.node(node).ledger().is_some_and(|ledger| {
        staking::member(&ledger.state(), &id)
            .expect("reads")
            .is_some()
    })
}
