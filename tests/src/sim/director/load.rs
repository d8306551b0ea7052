//! What clients send: new things, old things, things that are about to expire.

use super::Director;
use crate::sim::Sim;
use salus_primitives::lane::Lane;

/// How many transactions clients remember, to send them again.
const SENT_MAX: usize = 64;

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
            13 => self.send(sim, node, lane, window),
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
        let index = self.dice.index(self.sent.len());
        sim.count("transactions_sent_again", 1);
        let transaction = self.sent[index].clone();
        sim.offer(node, transaction);
    }
}
