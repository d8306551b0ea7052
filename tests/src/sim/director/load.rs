//! What clients send: new things, old things, things that are about to expire.

use super::Director;
use crate::sim::Sim;
use salus_primitives::lane::Lane;

/// How many transactions clients remember, to send them again.
const SENT_MAX: usize = 256;

impl Director<'_> {
    /// A client does something.
    pub(super) fn load(&mut self, sim: &mut Sim) {
        let running: Vec<usize> = sim.obeying().collect();
        if running.is_empty() {
            return;
        }
        let node = *self.dice.pick(&running);
        let lane = *self.dice.pick(&Lane::ALL);
        let window = sim.genesis.parameters.window_blocks;
        match self.dice.below(20) {
            0..=10 => self.send(sim, node, lane, window / 2),
            11..=12 => {
                let blocks = self.dice.between(1, 3);
                sim.count("transactions_about_to_expire", 1);
                self.send(sim, node, lane, blocks);
            }
            // as late as may be: what is sent again then stands at the very edge of the window
            13 => {
                let blocks = window + self.dice.below(2);
                self.send(sim, node, lane, blocks);
            }
            14..=16 => self.send_again(sim, node),
            17 => {
                for _ in 0..self.dice.between(4, 20) {
                    self.send(sim, node, lane, window / 2);
                }
            }
            _ => self.politics.act(sim, &mut self.dice, node),
        }
    }

    fn send(&mut self, sim: &mut Sim, node: usize, lane: Lane, valid_for: u64) {
        let transaction = sim.device(node, lane, valid_for);
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(transaction.clone());
        sim.offer(node, transaction);
    }

    fn send_again(&mut self, sim: &mut Sim, node: usize) {
        if self.sent.is_empty() {
            return;
        }
        let height = sim.node(node).final_height();
        let ending: Vec<usize> = (0..self.sent.len())
            .filter(|index| {
                let last = self.sent[*index].body().valid_until;
                (1..=3).contains(&last.since(height))
            })
            .collect();
        let index = match ending.first() {
            None => self.dice.index(self.sent.len()),
            // sent longest ago: the others never had long to live, and this one is at the edge of the window
            Some(oldest) if self.dice.percent(60) => *oldest,
            Some(_) => *self.dice.pick(&ending),
        };
        sim.count("transactions_sent_again", 1);
        let transaction = self.sent[index].clone();
        sim.offer(node, transaction);
    }
}
