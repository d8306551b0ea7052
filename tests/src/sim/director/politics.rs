//! Members who rotate keys, shift weight and delegate it, so that the sets of validators change under way.
//!
//! Faulty members may weigh at most f in every epoch, whichever of the changes under way take effect and when. So a change is made
//! only if every combination of what members may have by then keeps to that.

use crate::sim::Sim;
use crate::sim::node::GENERATIONS;
use crate::sim::scenario::{Dice, Part, Scenario};
use salus_contracts::native::staking::{Standing, elect};
use salus_primitives::calls::{
    Change, Delegation, GOVERNANCE, GovernanceCall, Part as DelegatedPart, STAKING, StakingCall,
    ValidatorKeys,
};
use salus_primitives::ids::{EntityId, Epoch};
use salus_primitives::lane::Lane;
use salus_primitives::transaction::{Call, TxId};

/// What is under way.
pub(super) struct Politics {
    pub(super) faulty: Vec<bool>,
    /// What each member may have delegated, by now or later: to whom how much.
    pub(super) choices: Vec<Vec<Choice>>,
    /// The key each member was last proposed.
    pub(super) generations: Vec<u8>,
    /// Members whose retirement was proposed. Nobody delegates to them any more: it would count for nobody after they came back.
    pub(super) retired: Vec<usize>,
    proposals: Vec<TxId>,
}

/// How a member's weight may lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    stands: bool,
    /// To which members, how much.
    pub(super) parts: Vec<(usize, u64)>,
}

impl Choice {
    /// No member any more.
    pub(super) const fn gone() -> Self {
        Self {
            stands: false,
            parts: Vec::new(),
        }
    }
}

/// Most members that change what they delegate in one run, and ways each may lie.
const CHANGING_MAX: usize = 3;
const CHOICES_MAX: usize = 3;

impl Politics {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let choices = (0..)
            .zip(&scenario.weights)
            .map(|(member, weight)| {
                vec![Choice {
                    stands: true,
                    parts: vec![(member, *weight)],
                }]
            })
            .collect();
        Self {
            faulty: scenario
                .parts
                .iter()
                .map(|part| *part != Part::Honest)
                .collect(),
            choices,
            generations: vec![0; scenario.parts.len()],
            retired: Vec::new(),
            proposals: Vec::new(),
        }
    }

    /// Something an operator does, at a node.
    pub(super) fn act(&mut self, sim: &mut Sim, dice: &mut Dice, node: usize) {
        self.sign(sim, dice);
        let member = dice.index(self.faulty.len());
        match dice.below(5) {
            0 | 1 => self.rotate(sim, dice, member),
            2 | 3 => self.delegate(sim, dice, member, node),
            _ => self.set_weight(sim, dice, member, node),
        }
    }

    /// The first key that a member was never proposed.
    pub(super) fn next_generation(&self, member: usize) -> u8 {
        self.generations[member] + 1
    }

    /// Proposes the next key of a member.
    pub(super) fn rotate(&mut self, sim: &mut Sim, dice: &mut Dice, member: usize) {
        let generation = self.next_generation(member);
        let running: Vec<usize> = sim.obeying().collect();
        if generation >= GENERATIONS || running.is_empty() {
            return;
        }
        self.generations[member] = generation;
        let keys = &sim.keys[member];
        let change = Change::RotateKeys {
            member: EntityId::of_name(&keys.name),
            keys: ValidatorKeys {
                validator_key: keys.validator_of(generation).public(),
                network_key: keys.network.public(),
            },
        };
        sim.count("key_rotations_proposed", 1);
        let node = *dice.pick(&running);
        self.propose(sim, member, node, change);
    }

    pub(super) fn propose(&mut self, sim: &mut Sim, member: usize, node: usize, change: Change) {
        let call = Call::new(GOVERNANCE, &GovernanceCall::Propose(change));
        let window = sim.genesis.parameters.window_blocks;
        let transaction = sim.signed(member, node, Lane::Routine, window, call);
        let id = sim.offer(node, transaction);
        self.proposals.push(id);
    }

    /// All members sign the proposals that are final.
    pub(super) fn sign(&mut self, sim: &mut Sim, dice: &mut Dice) {
        let running: Vec<usize> = sim.obeying().collect();
        if running.is_empty() {
            return;
        }
        let ready: Vec<TxId> = self
            .proposals
            .iter()
            .filter(|id| sim.checks.is_final(id))
            .copied()
            .collect();
        self.proposals.retain(|id| !ready.contains(id));
        let window = sim.genesis.parameters.window_blocks;
        for proposal in ready {
            for member in 0..self.faulty.len() {
                let node = *dice.pick(&running);
                let call = Call::new(GOVERNANCE, &GovernanceCall::Sign(proposal));
                let transaction = sim.signed(member, node, Lane::Monitoring, window, call);
                sim.offer(node, transaction);
            }
        }
    }

    /// An honest member shares its weight with another one, takes it back, or steps down.
    fn delegate(&mut self, sim: &mut Sim, dice: &mut Dice, member: usize, node: usize) {
        let (to, weight) = (dice.index(self.faulty.len()), self.weight(member));
        if self.faulty[member] || self.faulty[to] || self.retired.contains(&to) {
            return;
        }
        let part = dice.between(1, weight);
        let (choice, call) = match dice.below(4) {
            0 => {
                let mut choice = self.first(member);
                choice.stands = false;
                (choice, StakingCall::StepDown)
            }
            1 => (self.first(member), StakingCall::Stand),
            _ if to == member || part == weight => {
                let whole = Choice {
                    stands: true,
                    parts: vec![(to, weight)],
                };
                let to = EntityId::of_name(&sim.keys[to].name);
                (whole, StakingCall::Delegate(Delegation::Whole(to)))
            }
            _ => {
                let parts = vec![(member, weight - part), (to, part)];
                let mut delegated: Vec<DelegatedPart> = parts
                    .iter()
                    .map(|(candidate, weight)| DelegatedPart {
                        candidate: EntityId::of_name(&sim.keys[*candidate].name),
                        weight: *weight,
                    })
                    .collect();
                delegated.sort_by_key(|part| part.candidate);
                let choice = Choice {
                    stands: true,
                    parts,
                };
                (choice, StakingCall::Delegate(Delegation::Parts(delegated)))
            }
        };
        if self.admits(member, choice) {
            sim.count("delegations", 1);
            let window = sim.genesis.parameters.window_blocks;
            let call = Call::new(STAKING, &call);
            let transaction = sim.signed(member, node, Lane::Routine, window, call);
            sim.offer(node, transaction);
        }
    }

    /// Governance gives an honest member, which delegates all to itself, one more or one less.
    fn set_weight(&mut self, sim: &mut Sim, dice: &mut Dice, member: usize, node: usize) {
        let weight = match dice.below(2) {
            0 => self.weight(member) + 1,
            _ => self.weight(member).saturating_sub(1).max(1),
        };
        if self.faulty[member] || self.choices[member].len() > 1 {
            return;
        }
        let choice = Choice {
            stands: true,
            parts: vec![(member, weight)],
        };
        if self.admits(member, choice) {
            // its weight is not known from here on: it delegates nothing else any more
            let first = self.first(member);
            self.choices[member].resize(CHOICES_MAX, first);
            sim.count("weights_proposed", 1);
            let member_id = EntityId::of_name(&sim.keys[member].name);
            let change = Change::SetWeight {
                member: member_id,
                weight,
            };
            self.propose(sim, member, node, change);
        }
    }

    pub(super) fn weight(&self, member: usize) -> u64 {
        self.first(member).parts.iter().map(|(_, part)| part).sum()
    }

    fn first(&self, member: usize) -> Choice {
        self.choices[member][0].clone()
    }

    /// Adds a way a member's weight may lie, if the faulty stay within f whatever becomes of it.
    pub(super) fn admits(&mut self, member: usize, choice: Choice) -> bool {
        let changing = self.choices.iter().filter(|c| c.len() > 1).count();
        let own = &self.choices[member];
        if own.contains(&choice) {
            return true;
        }
        if own.len() >= CHOICES_MAX || (own.len() == 1 && changing >= CHANGING_MAX) {
            return false;
        }
        let mut choices = self.choices.clone();
        choices[member].push(choice);
        let safe = combinations(&choices).all(|combination| self.is_safe(&combination));
        if safe {
            self.choices = choices;
        }
        safe
    }

    fn is_safe(&self, combination: &[&Choice]) -> bool {
        let mut standings = vec![0; combination.len()];
        for choice in combination {
            for (to, weight) in &choice.parts {
                if combination[*to].stands {
                    standings[*to] += weight;
                }
            }
        }
        let candidates = (0u8..)
            .zip(&standings)
            .map(|(number, weight)| Standing {
                entity: EntityId([number; 32]),
                keys: keys_of(number),
                weight: *weight,
            })
            .collect();
        // without a legal set the present one continues, which was safe
        let Some(set) = elect(Epoch::new(3), candidates, u16::MAX) else {
            return true;
        };
        let faulty: u64 = set
            .validators()
            .iter()
            .filter(|validator| self.faulty[usize::from(validator.entity.0[0])])
            .map(|validator| validator.weight)
            .sum();
        faulty <= (set.total_weight() - 1) / 3
    }
}

/// Any keys, different for each.
const fn keys_of(number: u8) -> ValidatorKeys {
    use salus_primitives::crypto::sign::PublicKey;
    ValidatorKeys {
        validator_key: PublicKey([number; 32]),
        network_key: PublicKey([number + 100; 32]),
    }
}

/// Every way to take one of each.
fn combinations(of: &[Vec<Choice>]) -> impl Iterator<Item = Vec<&Choice>> {
    let count: usize = of.iter().map(Vec::len).product();
    (0..count).map(move |mut number| {
        of.iter()
            .map(|choices| {
                let choice = &choices[number % choices.len()];
                number /= choices.len();
                choice
            })
            .collect()
    })
}
