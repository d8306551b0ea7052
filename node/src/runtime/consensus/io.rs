//! The consensus thread's ends of all queues, and the order in which it looks at them.

use super::Question;
use crate::execution::Executed;
use crate::handle::{NodeStatus, PendingTransactions};
use crate::home::Home;
use crate::runtime::admission::{Admitted, Submissions};
use crate::runtime::disk::Disk;
use crate::runtime::execution::Command;
use crate::runtime::roster::{Own, Roster};
use crate::telemetry::metrics::Metrics;
use crate::tiers::Tiers;
use crate::wire::Request;
use salus_network::{Inbound, InboundFrame, NetworkHandle, PeerEvent, PeerKey};
use salus_primitives::ids::BlockId;
use salus_primitives::validators::ValidatorSet;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use tokio::sync::{mpsc, watch};

/// What the thread hears and whom it tells.
pub(crate) struct Io {
    pub(crate) inbound: Inbound,
    pub(crate) network: NetworkHandle,
    pub(crate) executed: mpsc::UnboundedReceiver<(BlockId, Executed)>,
    pub(crate) admitted: mpsc::Receiver<Admitted>,
    pub(crate) questions: mpsc::Receiver<Question>,
    pub(crate) execution: std_mpsc::Sender<Command>,
    pub(crate) server: std_mpsc::SyncSender<(PeerKey, Request)>,
    pub(crate) submissions: Submissions,
    pub(crate) status: watch::Sender<NodeStatus>,
    pub(crate) pending: Arc<PendingTransactions>,
    pub(crate) tiers: Arc<Tiers>,
    /// Of the present epoch.
    pub(crate) validators: Arc<ValidatorSet>,
    /// Follows the ledger, a little behind the replica.
    pub(crate) roster: watch::Receiver<Arc<Roster>>,
    pub(crate) own: Own,
    pub(crate) home: Home,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Something that arrived.
pub(super) enum Event {
    Stop,
    /// A thread ended that this one cannot do without.
    Lost(&'static str),
    Peer(PeerEvent),
    Executed(BlockId, Executed),
    Frame(InboundFrame),
    Admitted(Admitted),
    /// By an operator.
    Asked(Question),
    /// Who takes part has changed.
    Roster,
    Timer,
}

impl Io {
    /// Waits for the next event, the urgent ones first.
    pub(super) async fn next(&mut self, wakeup: tokio::time::Instant) -> Event {
        let timer = tokio::time::sleep_until(wakeup);
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stop| *stop) => Event::Stop,
            executed = self.executed.recv() => {
                executed.map_or(Event::Lost("execution"), |(id, executed)| Event::Executed(id, executed))
            }
            Ok(()) = self.roster.changed() => Event::Roster,
            Some(event) = self.inbound.events.recv() => Event::Peer(event),
            Some(frame) = self.inbound.consensus.recv() => Event::Frame(frame),
            () = timer => Event::Timer,
            admitted = self.admitted.recv() => {
                admitted.map_or(Event::Lost("admission"), Event::Admitted)
            }
            Some(question) = self.questions.recv() => Event::Asked(question),
            Some(frame) = self.inbound.data.recv() => Event::Frame(frame),
        }
    }

    /// An event that is there already, of those that decide on finality.
    pub(super) fn urgent(&mut self) -> Option<Event> {
        if let Ok((id, executed)) = self.executed.try_recv() {
            return Some(Event::Executed(id, executed));
        }
        self.inbound.consensus.try_recv().map(Event::Frame)
    }

    /// One of each kind that waits behind the urgent ones, which never run dry while a peer floods them.
    pub(super) fn ordinary(&mut self) -> [Option<Event>; 3] {
        [
            self.questions.try_recv().ok().map(Event::Asked),
            self.admitted.try_recv().ok().map(Event::Admitted),
            self.inbound.data.try_recv().map(Event::Frame),
        ]
    }
}
