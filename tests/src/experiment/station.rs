//! A node with its processors and its uplink.

use super::cost;
use super::uplink::{Parcel, Uplink};
use crate::sim::node::Node;
use salus_node::execution::Executed;
use salus_node::mempool::Source;
use salus_node::replica::Input;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{BlockId, Height};
use salus_primitives::transaction::VerifiedTransaction;
use std::collections::VecDeque;
use std::rc::Rc;

/// One validator's machine.
pub(super) struct Station {
    pub(super) node: Node,
    /// What waits for the processor, the urgent first.
    inbox: [VecDeque<Task>; 2],
    pub(super) is_working: bool,
    pub(super) executes_until_us: u64,
    pub(super) uplink: Uplink,
    /// Up to where finality was looked at.
    pub(super) final_height: Height,
}

/// What a processor has to do.
pub(super) enum Task {
    Frame { from: usize, parcel: Rc<Parcel> },
    Executed { id: BlockId, executed: Executed },
    Submit(Box<VerifiedTransaction>),
    Tick,
}

impl Station {
    pub(super) fn new(node: Node) -> Self {
        Self {
            node,
            inbox: Default::default(),
            is_working: false,
            executes_until_us: 0,
            uplink: Uplink::default(),
            final_height: Height::ZERO,
        }
    }

    /// What is urgent on the wire is urgent here.
    pub(super) fn push(&mut self, task: Task) {
        let is_data = match &task {
            Task::Frame { parcel, .. } => !parcel.is_urgent,
            Task::Submit(_) => true,
            Task::Executed { .. } | Task::Tick => false,
        };
        self.inbox[usize::from(is_data)].push_back(task);
    }

    /// What an idle processor takes next.
    pub(super) fn take(&mut self) -> Option<Task> {
        if self.is_working {
            return None;
        }
        let [urgent, data] = &mut self.inbox;
        urgent.pop_front().or_else(|| data.pop_front())
    }

    /// A task as the replica gets it, and what it costs.
    pub(super) fn price(&self, task: Task, network_keys: &[PublicKey]) -> (Input, u64) {
        match task {
            Task::Frame { from, parcel } => {
                let Parcel {
                    frame, bytes, ids, ..
                } = &*parcel;
                let cost = cost::of_frame(&self.node, frame, *bytes, ids);
                let input = Input::Frame {
                    from: network_keys[from],
                    frame: frame.clone(),
                };
                (input, cost)
            }
            Task::Executed { id, executed } => {
                let input = Input::Executed {
                    block: id,
                    executed,
                };
                (input, cost::INPUT_US)
            }
            Task::Submit(transaction) => {
                let input = Input::Transactions {
                    transactions: vec![*transaction],
                    source: Source::Client,
                };
                (input, cost::INPUT_US + cost::TRANSACTION_US)
            }
            Task::Tick => (Input::Tick, cost::INPUT_US),
        }
    }

    /// How long the execution of a block takes on the fastest machine.
    pub(super) fn execution_cost(&self, id: &BlockId) -> u64 {
        let replica = self.node.replica();
        let block = replica.and_then(|replica| replica.engine().body(id));
        block.map_or(cost::EXECUTE_BLOCK_US, |block| cost::of_execution(block))
    }

    /// The blocks that became final since it was asked last.
    pub(super) fn new_finals(&mut self) -> Vec<BlockId> {
        let height = self.node.final_height();
        let mut ids = Vec::new();
        while self.final_height < height {
            self.final_height = self.final_height.next();
            let ledger = self.node.ledger().expect("it runs");
            let header = ledger.header(self.final_height).expect("reads");
            ids.push(header.expect("final").id());
        }
        ids
    }
}
