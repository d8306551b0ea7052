//! What happened, for people: the last of it is printed with a violation.

use salus_primitives::certificate::Statement;
use salus_primitives::ids::{BlockId, Epoch, Height};
use std::collections::VecDeque;
use std::fmt::Write as _;

/// The last moments of a run, oldest first.
#[derive(Debug, Default)]
pub struct History(VecDeque<(u64, Moment)>);

/// One thing that is worth a line.
#[derive(Debug)]
pub enum Moment {
    /// A node signed a statement for the first time.
    Signed {
        /// Who.
        name: String,
        /// What.
        statement: Statement,
        /// Whether it is its proposal.
        proposes: bool,
    },
    /// A node gave a view up, and why.
    GaveUp {
        /// Who.
        name: String,
        /// Why.
        cause: &'static str,
    },
    /// A block is final for a node.
    Final {
        /// Who.
        name: String,
        /// Its height.
        height: Height,
        /// Its id.
        block: BlockId,
        /// How many transactions it has.
        transactions: usize,
    },
    /// An epoch began for a node.
    Epoch {
        /// Who.
        name: String,
        /// Which.
        epoch: Epoch,
    },
    /// A fault, or its end.
    Fault(String),
}

/// How many moments are kept.
const KEPT: usize = 600;

impl History {
    /// Notes a moment.
    pub fn note(&mut self, at_ms: u64, moment: Moment) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((at_ms, moment));
    }

    /// The last `views` views that anyone signed in, as lines.
    #[must_use]
    pub fn last_views(&self, views: usize) -> String {
        let mut seen = Vec::new();
        let mut from = 0;
        for (index, (_, moment)) in self.0.iter().enumerate().rev() {
            if let Moment::Signed { statement, .. } = moment {
                let position = (statement.epoch(), statement.view());
                if !seen.contains(&position) {
                    if seen.len() == views {
                        break;
                    }
                    seen.push(position);
                }
            }
            from = index;
        }
        let mut text = String::new();
        for (at_ms, moment) in self.0.iter().skip(from) {
            // writing to a string does not fail
            let _ = writeln!(text, "{:>9} ms  {}", at_ms, line(moment));
        }
        text
    }
}

fn line(moment: &Moment) -> String {
    match moment {
        Moment::Signed {
            name,
            statement,
            proposes,
        } => {
            let position = format!("epoch {} view {}", statement.epoch(), statement.view());
            let block = |block: &BlockId| hex::encode(&block.0[..4]);
            match statement {
                Statement::Notarize { block: id, .. } if *proposes => {
                    format!("{name} proposes {} in {position}", block(id))
                }
                Statement::Notarize { block: id, .. } => {
                    format!("{name} notarises {} in {position}", block(id))
                }
                Statement::Finalize { block: id, .. } => {
                    format!("{name} finalises {} in {position}", block(id))
                }
                Statement::Nullify { .. } => format!("{name} nullifies {position}"),
            }
        }
        Moment::GaveUp { name, cause } => format!("{name} gives up: {cause}"),
        Moment::Final {
            name,
            height,
            block,
            transactions,
        } => format!(
            "{name} has height {height} final: {} with {transactions} transactions",
            hex::encode(&block.0[..4])
        ),
        Moment::Epoch { name, epoch } => format!("{name} begins epoch {epoch}"),
        Moment::Fault(text) => format!("-- {text}"),
    }
}
