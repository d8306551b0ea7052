//! The consensus thread: one replica, its journal, its timers. Nothing here waits for anything but the journal's sync.

use crate::handle::{NodeRole, NodeStatus, PeerStatus, PendingTransactions};
use crate::home::NodeFiles;
use crate::replica::{Effect, Input, Note, Origin, Replica};
use crate::runtime::RunError;
use crate::runtime::admission::{Admitted, Reply, Submission, Submissions};
use crate::runtime::clock::Clock;
use crate::runtime::execution::Command;
use crate::telemetry::metrics::Metrics;
use crate::wire::{Frame, Request};
use salus_consensus::config::{Config, Roots};
use salus_consensus::message::Message;
use salus_contracts::genesis::GenesisMember;
use salus_network::{Inbound, InboundFrame, NetworkHandle, PeerEvent, PeerKey};
use salus_primitives::codec;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{BlockId, EntityId, Height};
use salus_primitives::lane::Lane;
use salus_primitives::transaction::TxId;
use salus_storage::journal::VoteJournal;
use salus_storage::ledger::Ledger;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};

/// Everything the thread needs.
pub(crate) struct Setup {
    pub(crate) origin: Origin,
    pub(crate) journal: Option<Box<dyn VoteJournal>>,
    pub(crate) inbound: Inbound,
    pub(crate) network: NetworkHandle,
    pub(crate) executed: mpsc::Receiver<(BlockId, Roots)>,
    pub(crate) admitted: mpsc::Receiver<Admitted>,
    pub(crate) execution: std_mpsc::Sender<Command>,
    pub(crate) server: std_mpsc::SyncSender<(PeerKey, Request)>,
    pub(crate) submissions: Submissions,
    pub(crate) status: watch::Sender<NodeStatus>,
    pub(crate) pending: Arc<PendingTransactions>,
    pub(crate) role: NodeRole,
    pub(crate) members: Vec<GenesisMember>,
    pub(crate) own: EntityId,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Inputs taken in before their effects are carried out together: votes that fall together share one sync.
const GATHER: usize = 64;
/// Journal size at which it is rewritten, in bytes.
const JOURNAL_REWRITE_BYTES: u64 = 32 * 1024 * 1024;

/// Starts the thread; the receiver gets its result when it ends.
pub(crate) fn spawn(setup: Setup) -> Result<oneshot::Receiver<Result<(), RunError>>, RunError> {
    let (result, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .name("consensus".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            let outcome = match runtime {
                Ok(runtime) => runtime.block_on(async {
                    let mut node = Consensus::start(setup)?;
                    node.run().await
                }),
                Err(_) => Err(RunError::Thread("consensus")),
            };
            if let Err(error) = &outcome {
                tracing::error!(%error, "the consensus thread ends");
            }
            // nobody listens only if the process ends
            let _ = result.send(outcome);
        })
        .map_err(|_| RunError::Thread("consensus"))?;
    Ok(receiver)
}

struct Consensus {
    replica: Replica,
    effects: Vec<Effect>,
    clock: Clock,
    replies: HashMap<TxId, Vec<Reply>>,
    /// The final height each peer last claimed.
    claimed: BTreeMap<PublicKey, Height>,
    halted: Option<String>,
    journal: Option<Box<dyn VoteJournal>>,
    io: Io,
}

/// The thread's ends of all queues.
struct Io {
    inbound: Inbound,
    network: NetworkHandle,
    executed: mpsc::Receiver<(BlockId, Roots)>,
    admitted: mpsc::Receiver<Admitted>,
    execution: std_mpsc::Sender<Command>,
    server: std_mpsc::SyncSender<(PeerKey, Request)>,
    submissions: Submissions,
    status: watch::Sender<NodeStatus>,
    pending: Arc<PendingTransactions>,
    config: Config,
    members: Vec<GenesisMember>,
    own: EntityId,
    role: NodeRole,
    metrics: Arc<Metrics>,
    stopping: watch::Receiver<bool>,
}

/// Something that arrived.
enum Event {
    Stop,
    Peer(PeerEvent),
    Executed(BlockId, Roots),
    Frame(InboundFrame),
    Admitted(Admitted),
    Timer,
}

impl Consensus {
    fn start(setup: Setup) -> Result<Self, RunError> {
        let clock = Clock::new();
        let mut effects = Vec::new();
        let config = setup.origin.config.clone();
        let replica = Replica::restore(setup.origin, clock.now(), &mut effects);
        let mut node = Self {
            replica,
            effects,
            clock,
            replies: HashMap::new(),
            claimed: BTreeMap::new(),
            halted: None,
            journal: setup.journal,
            io: Io {
                inbound: setup.inbound,
                network: setup.network,
                executed: setup.executed,
                admitted: setup.admitted,
                execution: setup.execution,
                server: setup.server,
                submissions: setup.submissions,
                status: setup.status,
                pending: setup.pending,
                config,
                members: setup.members,
                own: setup.own,
                role: setup.role,
                metrics: setup.metrics,
                stopping: setup.stopping,
            },
        };
        node.carry_out()?;
        Ok(node)
    }

    async fn run(&mut self) -> Result<(), RunError> {
        loop {
            let now = self.clock.now();
            let wakeup = self
                .replica
                .wakeup(now)
                .map(|at| tokio::time::Instant::from_std(self.clock.instant(at)));
            let event = self.io.next(wakeup).await;
            if !self.take(event) {
                return Ok(());
            }
            for _ in 0..GATHER {
                match self.io.ready() {
                    Some(event) => {
                        self.take(event);
                    }
                    None => break,
                }
            }
            self.carry_out()?;
            self.publish();
        }
    }

    /// Takes in one event; false ends the thread.
    fn take(&mut self, event: Event) -> bool {
        let now = self.clock.now();
        let input = match event {
            Event::Stop => return false,
            Event::Timer => Input::Tick,
            Event::Executed(block, roots) => Input::Executed { block, roots },
            Event::Peer(PeerEvent::Connected { peer }) => {
                tracing::info!(%peer, "connected");
                Input::Connected(PublicKey(*peer.as_bytes()))
            }
            Event::Peer(PeerEvent::Disconnected { peer, reason }) => {
                tracing::info!(%peer, %reason, "disconnected");
                Input::Disconnected(PublicKey(*peer.as_bytes()))
            }
            Event::Peer(PeerEvent::Refused { peer, reason }) => {
                tracing::warn!(?peer, %reason, "a connection was refused");
                return true;
            }
            Event::Frame(frame) => match Frame::decode(&frame.bytes) {
                Ok(decoded) => {
                    let from = PublicKey(*frame.peer.as_bytes());
                    if let Frame::Consensus(Message::Status(status)) = &decoded {
                        self.claimed.insert(from, status.final_height);
                    }
                    Input::Frame {
                        from,
                        frame: decoded,
                    }
                }
                Err(error) => {
                    tracing::warn!(peer = %frame.peer, %error, "a frame cannot be read");
                    self.io.metrics.peer_fault("malformed_frame");
                    return true;
                }
            },
            Event::Admitted(admitted) => {
                for (transaction, reply) in admitted.transactions.iter().zip(admitted.replies) {
                    self.replies
                        .entry(transaction.id())
                        .or_default()
                        .push(reply);
                }
                Input::Transactions {
                    transactions: admitted.transactions,
                    source: admitted.source,
                }
            }
        };
        self.replica.handle(now, input, &mut self.effects);
        true
    }

    /// Carries out the gathered effects: first everything to persist, with one sync, then the rest in order. To have
    /// more on disk than rule 8 asks for before a send is always safe.
    fn carry_out(&mut self) -> Result<(), RunError> {
        let effects = std::mem::take(&mut self.effects);
        let (persist, rest): (Vec<_>, Vec<_>) = effects
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Persist(_)));
        self.persist(persist)?;
        for effect in rest {
            match effect {
                Effect::Persist(_) => unreachable!("partitioned above"),
                Effect::Send(peer, frame) => {
                    let (channel, bytes) = frame.encode();
                    let peer = PeerKey::new(peer.0);
                    if let Err(error) = self.io.network.send(peer, channel, bytes.into()) {
                        tracing::debug!(%peer, %error, "a frame was not sent");
                    }
                }
                Effect::Broadcast(frame) => {
                    let (channel, bytes) = frame.encode();
                    match self.io.network.broadcast(channel, bytes.into()) {
                        Ok(report) => {
                            tracing::trace!(queued = report.queued, "broadcast");
                        }
                        Err(error) => tracing::warn!(%error, "a frame cannot be sent to anyone"),
                    }
                }
                Effect::Execute { id, block } => self.execute(Command::Execute { id, block })?,
                Effect::Commit {
                    blocks,
                    certificate,
                } => self.execute(Command::Commit {
                    blocks: blocks.into_iter().map(|(id, _)| id).collect(),
                    finalization: Box::new(certificate.certificate().clone()),
                })?,
                Effect::Serve(peer, request) => {
                    // a full queue drops the request; the peer asks again
                    let _ = self.io.server.try_send((PeerKey::new(peer.0), request));
                }
                Effect::Admitted { id, result, .. } => self.answer(id, result),
                Effect::Expired(ids) => {
                    for id in ids {
                        self.io.pending.remove(&id);
                    }
                }
                Effect::Verify(transactions) => {
                    if let Err(error) = self.io.submissions.send(Submission::Peer(transactions)) {
                        tracing::debug!(%error, "forwarded transactions were dropped");
                    }
                }
                Effect::Note(note) => self.note(note),
                Effect::Diverged(divergence) => {
                    let reason = format!(
                        "a quorum holds other roots than this node after height {}: {:?} against own {:?}",
                        divergence.header.height,
                        divergence.header.parent_state_root,
                        divergence.own
                    );
                    tracing::error!(evidence = ?divergence.certificate, "{reason}");
                    self.halted = Some(reason);
                }
            }
        }
        self.compact_journal()
    }

    fn persist(&mut self, effects: Vec<Effect>) -> Result<(), RunError> {
        let Some(journal) = self.journal.as_mut().filter(|_| !effects.is_empty()) else {
            return Ok(());
        };
        let records: Vec<Vec<u8>> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Persist(entry) => Some(codec::encode(entry)),
                _ => None,
            })
            .collect();
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        journal.append(&slices)?;
        let start = Instant::now();
        journal.sync()?;
        self.io
            .metrics
            .journal_sync_seconds(start.elapsed().as_secs_f64());
        Ok(())
    }

    /// Shortens a long journal to what still counts. What it forgets is below the last final block, so that block must be
    /// durable first: a node that lost it would stand in views whose votes it no longer knows.
    fn compact_journal(&mut self) -> Result<(), RunError> {
        let Some(journal) = self
            .journal
            .as_mut()
            .filter(|journal| journal.size_bytes() > JOURNAL_REWRITE_BYTES)
        else {
            return Ok(());
        };
        let (done, synced) = std_mpsc::channel();
        self.io
            .execution
            .send(Command::Sync(done))
            .map_err(|_| RunError::Thread("execution"))?;
        synced.recv().map_err(|_| RunError::Thread("execution"))?;
        let live: Vec<Vec<u8>> = self
            .replica
            .engine()
            .live_entries()
            .iter()
            .map(codec::encode)
            .collect();
        let slices: Vec<&[u8]> = live.iter().map(Vec::as_slice).collect();
        journal.rewrite(&slices)?;
        tracing::info!(
            bytes = journal.size_bytes(),
            "the vote journal was rewritten"
        );
        Ok(())
    }

    fn execute(&self, command: Command) -> Result<(), RunError> {
        self.io
            .execution
            .send(command)
            .map_err(|_| RunError::Thread("execution"))
    }

    fn answer(&mut self, id: TxId, result: Result<(), crate::mempool::PoolError>) {
        if result.is_ok() {
            self.io.pending.insert(id);
        }
        for reply in self.replies.remove(&id).unwrap_or_default() {
            let answer = result.map(|()| id).map_err(Into::into);
            // a client that is gone needs no answer
            drop(reply.send(answer));
        }
    }

    fn note(&self, note: Note) {
        match note {
            Note::PeerFault { peer, kind, reason } => {
                tracing::warn!(%peer, reason, "a peer is at fault");
                self.io.metrics.peer_fault(kind.name());
            }
            Note::Nullified {
                view,
                manager,
                cause,
            } => match cause {
                Some(cause) => {
                    tracing::info!(%view, %manager, cause = cause.name(), "gave up a view");
                    self.io.metrics.nullified(Some(cause));
                }
                None => {
                    tracing::debug!(%view, %manager, "a view was nullified");
                    self.io.metrics.nullified(None);
                }
            },
            Note::InvalidProposal { manager, reason } => {
                tracing::warn!(%manager, reason, "a proposal is not valid");
                self.io.metrics.peer_fault("invalid_proposal");
            }
            Note::Equivocation {
                seat,
                first,
                second,
            } => {
                tracing::error!(%seat, ?first, ?second, "a validator contradicted itself");
                self.io.metrics.peer_fault("equivocation");
            }
        }
    }

    /// Tells the API where the node stands.
    fn publish(&self) {
        let engine = self.replica.engine();
        let connected = self.io.network.peers();
        let validators = &self.io.config.validators;
        let manager = validators
            .validator(engine.manager_of(engine.view()))
            .map(|validator| validator.entity);
        let behind = engine.is_behind() || self.credible_height() > engine.final_height().next();
        let ready = !behind && self.halted.is_none() && self.has_heard();
        let mempool = self.replica.mempool().counts();
        let metrics = &self.io.metrics;
        metrics.view(engine.view(), engine.is_manager());
        metrics.head(engine.head_height(), engine.head_time());
        metrics.ready(ready);
        metrics.peers(connected.len());
        for lane in Lane::ALL {
            metrics.mempool(lane, mempool[lane.index()]);
        }
        self.io.status.send_modify(|status| {
            status.head_height = engine.head_height();
            status.view = engine.view();
            status.manager = manager;
            status.is_manager = engine.is_manager();
            status.catching_up = behind;
            status.peers = self
                .io
                .members
                .iter()
                .filter(|member| member.entity != self.io.own)
                .map(|member| PeerStatus {
                    entity: member.entity,
                    connected: connected.contains(&PeerKey::new(member.network_key.0)),
                })
                .collect();
            status.mempool = mempool;
            status.halted.clone_from(&self.halted);
            status.role = self.io.role;
            status.ready = ready;
        });
    }

    /// The greatest height that validators of more than the faulty weight claim to be final: at least one of them is
    /// honest.
    fn credible_height(&self) -> Height {
        let validators = &self.io.config.validators;
        let mut claims: Vec<(Height, u64)> = self
            .claimed
            .iter()
            .filter_map(|(peer, height)| {
                let seat = validators.seat_of_network_key(peer)?;
                Some((*height, validators.weight(seat)))
            })
            .collect();
        claims.sort_unstable_by(|a, b| b.cmp(a));
        let mut weight = 0;
        for (height, of) in claims {
            weight += of;
            if weight > validators.fault_weight() {
                return height;
            }
        }
        Height::ZERO
    }

    /// Whether validators of more than the faulty weight have said where they stand.
    fn has_heard(&self) -> bool {
        let validators = &self.io.config.validators;
        let heard: u64 = self
            .claimed
            .keys()
            .filter_map(|peer| validators.seat_of_network_key(peer))
            .map(|seat| validators.weight(seat))
            .sum();
        heard > validators.fault_weight()
    }
}

impl Io {
    /// Waits for the next event, the urgent ones first.
    async fn next(&mut self, wakeup: Option<tokio::time::Instant>) -> Event {
        let timer = async {
            match wakeup {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stop| *stop) => Event::Stop,
            Some((id, roots)) = self.executed.recv() => Event::Executed(id, roots),
            Some(event) = self.inbound.events.recv() => Event::Peer(event),
            Some(frame) = self.inbound.consensus.recv() => Event::Frame(frame),
            () = timer => Event::Timer,
            Some(admitted) = self.admitted.recv() => Event::Admitted(admitted),
            Some(frame) = self.inbound.data.recv() => Event::Frame(frame),
            else => Event::Stop,
        }
    }

    /// An event that is there already, of those that decide on finality.
    fn ready(&mut self) -> Option<Event> {
        if let Ok((id, roots)) = self.executed.try_recv() {
            return Some(Event::Executed(id, roots));
        }
        self.inbound.consensus.try_recv().map(Event::Frame)
    }
}

/// What a node says of itself before its first event.
pub(crate) fn initial_status(files: &NodeFiles, ledger: &Ledger, role: NodeRole) -> NodeStatus {
    let head = ledger.head();
    NodeStatus {
        final_height: head.height,
        final_time: files.genesis.block.header.time,
        head_height: head.height,
        epoch: files.genesis.validators.epoch(),
        view: salus_primitives::ids::View::ZERO,
        manager: None,
        is_manager: false,
        role,
        catching_up: false,
        peers: Vec::new(),
        mempool: [0; 4],
        final_transactions: [0; 4],
        state_root: head.state_root,
        halted: None,
        ready: false,
    }
}
