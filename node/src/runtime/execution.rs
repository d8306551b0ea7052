//! The execution thread: executes and commits in the order asked, and reports.

use crate::execution::{Committed, Executed, Execution, ExecutionError};
use crate::handle::PendingTransactions;
use crate::runtime::RunError;
use crate::runtime::directory::Membership;
use crate::runtime::disk::Disk;
use crate::telemetry::metrics::Metrics;
use salus_primitives::block::Block;
use salus_primitives::certificate::Certificate;
use salus_primitives::ids::{BlockId, Height};
use salus_primitives::receipt::Outcome;
use salus_storage::ledger::Ledger;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// What the thread is asked to do. The queue is bounded by the blocks that are not final.
pub(crate) enum Command {
    Execute {
        id: BlockId,
        block: Arc<Block>,
    },
    Commit {
        blocks: Vec<BlockId>,
        finalization: Box<Certificate>,
    },
    /// Makes everything committed durable, then answers: the journal may forget what lies below.
    Sync(std_mpsc::Sender<()>),
}

/// Whom the thread tells.
pub(crate) struct Reports {
    /// Unbounded: one answer for each execution that the receiver asked for, and it may be busy.
    pub(crate) executed: mpsc::UnboundedSender<(BlockId, Executed)>,
    pub(crate) final_height: watch::Sender<Height>,
    pub(crate) pending: Arc<PendingTransactions>,
    pub(crate) membership: Membership,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) stopping: watch::Receiver<bool>,
}

pub(crate) struct ExecutionThread {
    pub(crate) commands: std_mpsc::Sender<Command>,
    pub(crate) thread: JoinHandle<Result<(), ExecutionError>>,
}

pub(crate) fn spawn(ledger: Arc<Ledger>, reports: Reports) -> Result<ExecutionThread, RunError> {
    let (commands, queue) = std_mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("execution".into())
        .spawn(move || {
            let mut last_time = ledger
                .header(ledger.head().height)?
                .map(|header| header.time);
            let mut execution = Execution::new(Arc::clone(&ledger));
            for command in queue {
                match command {
                    Command::Execute { id, block } => {
                        let start = Instant::now();
                        let executed = execution.execute(id, &block)?;
                        reports
                            .metrics
                            .execution_seconds(start.elapsed().as_secs_f64());
                        // the consensus thread is gone only when the node stops
                        let _ = reports.executed.send((id, executed));
                    }
                    Command::Commit {
                        blocks,
                        finalization,
                    } => {
                        for id in blocks {
                            if !reports.wait_for_room() {
                                return Ok(());
                            }
                            let own = finalization.statement.block() == Some(id);
                            let own = own.then_some(&*finalization);
                            let committed = execution.commit(id, own)?;
                            let header = &committed.block.header;
                            let interval = last_time.map(|last| header.time.millis_since(last));
                            last_time = Some(header.time);
                            let height = header.height;
                            reports
                                .membership
                                .follow(&ledger, height, &committed.receipts)?;
                            report(&reports, &committed, interval);
                        }
                    }
                    Command::Sync(done) => {
                        ledger.sync()?;
                        let _ = done.send(());
                    }
                }
            }
            Ok(())
        })
        .map_err(|_| RunError::Thread("execution"))?;
    Ok(ExecutionThread { commands, thread })
}

impl Reports {
    /// Waits while the disk is full, and every vote with it: a store that fails in the middle of a write needs a restart. False
    /// if the node stops meanwhile; what is not committed then is fetched again after the start.
    fn wait_for_room(&self) -> bool {
        while !self.disk.has_room() {
            if *self.stopping.borrow() {
                return false;
            }
            std::thread::sleep(ROOM_LOOK);
        }
        true
    }
}

/// How often a commit that waits for room looks whether there is.
const ROOM_LOOK: Duration = Duration::from_millis(100);

fn report(reports: &Reports, committed: &Committed, interval_ms: Option<u64>) {
    let header = &committed.block.header;
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds between two blocks"
    )]
    let interval = interval_ms.map(|ms| ms as f64 / 1_000.0);
    let count = committed.receipts.len();
    reports
        .metrics
        .final_block(header.lane, count, interval, header.height, header.time);
    for receipt in &committed.receipts {
        let waited = reports.pending.remove(&receipt.transaction);
        reports.metrics.transaction_final(
            receipt.lane,
            waited.map(|since| since.elapsed().as_secs_f64()),
        );
        if matches!(receipt.outcome, Outcome::Failed { .. }) {
            reports.metrics.transaction_failed(receipt.lane);
        }
    }
    // after the transactions have left the waiting ones: who wakes finds them in the ledger
    reports.final_height.send_replace(header.height);
}
