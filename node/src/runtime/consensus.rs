//! The consensus thread: one replica, its journal, its timers. Nothing here waits for anything but the journal's sync.

mod disk;
mod facts;
mod io;
mod status;
mod votes;

use crate::handle::Standing;
use crate::keys::NodeKeys;
use crate::replica::{Effect, Input, Origin, Replica};
use crate::runtime::admission::Reply;
use crate::runtime::clock::Clock;
use crate::runtime::disk::IDLE_LOOK;
use crate::runtime::execution::Command;
use crate::runtime::roster::OwnJournal;
use crate::runtime::{Ended, RunError};
use crate::tiers::{CommitteeVote, Completed};
use crate::wire::Frame;
use io::Event;
use salus_consensus::clock::Monotonic;
use salus_consensus::message::Message;
use salus_network::{PeerEvent, PeerKey};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{BlockId, Height};
use salus_primitives::lane::Lane;
use salus_primitives::transaction::TxId;
use salus_primitives::validators::ValidatorSet;
use salus_storage::journal::VoteJournal;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{self as std_mpsc, TrySendError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use votes::Votes;

pub(crate) use facts::Question;
pub(crate) use io::Io;
pub(crate) use status::initial_status;

/// Everything the thread needs.
pub(crate) struct Setup {
    pub(crate) origin: Origin,
    pub(crate) journal: Option<Box<dyn VoteJournal>>,
    pub(crate) io: Io,
}

/// Inputs taken in before their effects are carried out together: votes that fall together share one sync.
const GATHER: usize = 64;
/// How long that may take: a peer's dear messages do not hold up what is to be said.
const GATHER_TIME: Duration = Duration::from_millis(2);

/// Starts the thread; the receiver gets its result when it ends.
pub(crate) fn spawn(setup: Setup) -> Result<oneshot::Receiver<Result<Ended, RunError>>, RunError> {
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
    standing: Standing,
    votes: Votes,
    /// What waits behind a vote for which the disk had no room.
    held: Vec<Effect>,
    io: Io,
}

impl Consensus {
    fn start(setup: Setup) -> Result<Self, RunError> {
        let clock = Clock::new();
        let mut effects = Vec::new();
        let replica = Replica::restore(setup.origin, clock.now(), &mut effects);
        let standing = setup.io.roster.borrow().standing(&setup.io.own);
        let mut node = Self {
            replica,
            effects,
            clock,
            replies: HashMap::new(),
            claimed: BTreeMap::new(),
            halted: None,
            standing,
            votes: Votes::new(setup.journal),
            held: Vec::new(),
            io: setup.io,
        };
        node.look_at_disk()?;
        node.carry_out()?;
        Ok(node)
    }

    async fn run(&mut self) -> Result<Ended, RunError> {
        loop {
            let due = self.replica.wakeup(self.clock.now());
            let look = tokio::time::Instant::now() + IDLE_LOOK;
            let wakeup = due.map_or(look, |at| {
                tokio::time::Instant::from_std(self.clock.instant(at)).min(look)
            });
            let event = self.io.next(wakeup).await;
            self.look_at_disk()?;
            match event {
                Event::Stop => return Ok(Ended::Stopped),
                Event::Roster if self.follow_roster() => return Ok(Ended::RunAnew),
                Event::Roster => {}
                event => self.take(event)?,
            }
            self.gather(due)?;
            self.carry_out()?;
            self.publish();
            if self.has_caught_up() {
                return Ok(Ended::RunAnew);
            }
        }
    }

    /// Takes in what else is there: the urgent within bounds, then one of each other kind, then the timer if it is due. So
    /// none of them starves, whatever a peer sends.
    fn gather(&mut self, due: Option<Monotonic>) -> Result<(), RunError> {
        let start = Instant::now();
        for _ in 0..GATHER {
            let Some(event) = self.io.urgent() else {
                break;
            };
            self.take(event)?;
            if start.elapsed() > GATHER_TIME {
                break;
            }
        }
        for event in self.io.ordinary().into_iter().flatten() {
            self.take(event)?;
        }
        if due.is_some_and(|at| self.clock.now().monotonic >= at) {
            self.take(Event::Timer)?;
        }
        Ok(())
    }

    /// Takes in one event.
    fn take(&mut self, event: Event) -> Result<(), RunError> {
        let now = self.clock.now();
        let input = match event {
            // the loop's own
            Event::Stop | Event::Roster => return Ok(()),
            Event::Lost(thread) => return Err(RunError::Thread(thread)),
            Event::Timer => Input::Tick,
            Event::Asked(question) => {
                self.answer_operator(now, question);
                return Ok(());
            }
            Event::Executed(block, executed) => Input::Executed { block, executed },
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
                return Ok(());
            }
            Event::Frame(frame) => {
                let from = PublicKey(*frame.peer.as_bytes());
                if !self.replica.hears(now, &from) {
                    return Ok(());
                }
                self.decode(from, &frame.bytes)
            }
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
        Ok(())
    }

    /// Takes note of who takes part now. True if the node is to go on with the keys that wait in its home: the chain names those and
    /// no longer the ones of this run.
    fn follow_roster(&mut self) -> bool {
        let own = &self.io.own;
        let roster = self.io.roster.borrow_and_update().clone();
        let standing = roster.standing(own);
        if standing != self.standing {
            self.standing = standing;
            let means = standing.explanation();
            tracing::warn!(member = own.name, standing = standing.name(), "{means}");
        }
        match roster.keys_of(&own.entity) {
            Some(named) if named != own.keys => NodeKeys::read(&self.io.home.next_keys_file())
                .is_ok_and(|next| next.public().of_validator() == named),
            Some(_) | None => false,
        }
    }

    /// Whether a store that was behind the vote journal is so no more.
    fn has_caught_up(&self) -> bool {
        match self.io.own.journal {
            OwnJournal::Ahead(height) => self.replica.engine().final_height() >= height,
            OwnJournal::Ready | OwnJournal::Missing => false,
        }
    }

    fn decode(&mut self, from: PublicKey, bytes: &[u8]) -> Input {
        match Frame::decode(bytes) {
            Ok(frame) => {
                if let Frame::Consensus(Message::Status(status)) = &frame {
                    self.claimed.insert(from, status.final_height);
                }
                Input::Frame { from, frame }
            }
            Err(error) => Input::Malformed { from, error },
        }
    }

    /// Carries out the gathered effects: first everything to persist, with one sync, then the rest in order. To have
    /// more on disk than rule 8 asks for before a send is always safe.
    fn carry_out(&mut self) -> Result<(), RunError> {
        let effects = std::mem::take(&mut self.effects);
        let effects = self.persist(effects)?;
        for effect in effects {
            match effect {
                Effect::Persist(_) => {}
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
                Effect::Execute { id, block, ids } => {
                    let known_since = self.io.pending.since(&ids);
                    self.io.tiers.learn(id, &block, &ids, known_since);
                    self.execute(Command::Execute { id, block })?;
                }
                Effect::Attested {
                    block,
                    view,
                    vote: (seat, signature),
                    ..
                } => self.attest(CommitteeVote {
                    block,
                    view,
                    seat,
                    signature,
                }),
                Effect::Commit {
                    blocks,
                    certificate,
                } => {
                    if let Some((_, last)) = blocks.last() {
                        let height = last.header.height;
                        let ids: Vec<BlockId> = blocks.iter().map(|(id, _)| *id).collect();
                        self.io.tiers.finalize(&ids, height);
                        self.execute(Command::Commit {
                            blocks: ids,
                            finalization: Box::new(certificate.certificate().clone()),
                        })?;
                    }
                }
                Effect::Serve(peer, request) => {
                    match self.io.server.try_send((PeerKey::new(peer.0), request)) {
                        // a full queue drops the request; the peer asks again
                        Ok(()) | Err(TrySendError::Full(_)) => {}
                        Err(TrySendError::Disconnected(_)) => {
                            return Err(RunError::Thread("serve"));
                        }
                    }
                }
                Effect::Admitted { id, result, .. } => self.answer(id, result),
                Effect::Left(ids) => {
                    for id in ids {
                        self.io.pending.remove(&id);
                    }
                }
                Effect::Verify(transactions) => {
                    if let Err(error) = self.io.submissions.send_of_peer(transactions) {
                        tracing::debug!(%error, "forwarded transactions were dropped");
                    }
                }
                Effect::Note(note) => self.note(note),
                Effect::EpochBegun { validators, .. } => self.begin_epoch(validators),
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
        self.shorten_journal()
    }

    /// Never waits: the execution thread may have much to do before it gets to the sync.
    fn shorten_journal(&mut self) -> Result<(), RunError> {
        if self.replica.is_suspended() {
            return Ok(());
        }
        if self.votes.is_long() {
            // behind the commit of the last final block, which was asked for before
            let (done, synced) = std_mpsc::channel();
            self.execute(Command::Sync(done))?;
            let live = self.replica.live_entries();
            self.votes.shorten(&live, synced);
        }
        self.finish_shortening()
    }

    /// Who may connect follows from the ledger, as soon as it has the last block of the epoch before.
    fn begin_epoch(&mut self, validators: Arc<ValidatorSet>) {
        tracing::info!(epoch = %validators.epoch(), seats = validators.len(), "an epoch begins");
        self.io.validators = validators;
    }

    fn attest(&self, vote: CommitteeVote) {
        if let Some(Completed { lane, known_since }) = self.io.tiers.attest(vote) {
            for since in known_since {
                let seconds = since.elapsed().as_secs_f64();
                self.io.metrics.transaction_attested(lane, seconds);
            }
        }
    }

    fn execute(&self, command: Command) -> Result<(), RunError> {
        self.io
            .execution
            .send(command)
            .map_err(|_| RunError::Thread("execution"))
    }

    fn answer(&mut self, id: TxId, result: Result<Lane, crate::mempool::PoolError>) {
        if result.is_ok() {
            self.io.pending.insert(id);
        }
        for reply in self.replies.remove(&id).unwrap_or_default() {
            let answer = result.map(|lane| (id, lane)).map_err(Into::into);
            // a client that is gone needs no answer
            drop(reply.send(answer));
        }
    }
}
