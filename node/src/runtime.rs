//! The runtime: carries out the replica's effects, in order.
//!
//! Threads: *consensus* (this node's replica, its journal, its timers), *execution* (contracts and commits), *admission*
//! (signatures of transactions), *serve* (ledger reads for peers), and tokio's, which move frames and answer HTTP. Each
//! talks to the others by bounded queues; what cannot be queued is refused or said again, never waited for by a vote.

pub(crate) mod admission;
mod clock;
pub(crate) mod consensus;
mod directory;
pub(crate) mod disk;
mod execution;
mod roster;
mod serve;

use crate::api::{self, Audience};
use crate::custody;
use crate::custody::home::KeyServiceError;
use crate::custody::speaker::Running;
use crate::execution::ExecutionError;
use crate::handle::{NodeHandle, PendingTransactions, Shared, Standing};
use crate::home::{NodeFiles, journal_identity};
use crate::keys::{KeysError, NodeKeys};
use crate::mempool::MempoolLimits;
use crate::origin::{self, OriginError};
use crate::replica::Member;
use crate::telemetry::metrics::Metrics;
use crate::tiers::Tiers;
use directory::{Directory, Membership};
use disk::Disk;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use roster::{Own, OwnJournal, Roster};
use salus_consensus::journal::{JOURNAL_ENTRY_MAX, JournalEntry};
use salus_contracts::native::staking::MEMBERS_MAX;
use salus_network::{AdmittedPeer, Network, NetworkConfig, NetworkId, NetworkSecret};
use salus_primitives::codec;
use salus_primitives::state::StateReadError;
use salus_storage::journal::{FileJournal, JournalError, VoteJournal};
use salus_storage::ledger::{Ledger, LedgerError, Retention};
use salus_storage::rocks::RocksStore;
use salus_storage::store::Store;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

/// Why a node did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store cannot be opened or written.
    #[error("the store in {path}: {source}")]
    Store {
        /// Where it is.
        path: String,
        /// What is wrong.
        source: LedgerError,
    },
    /// The journal cannot be opened or written.
    #[error("the vote journal: {0}")]
    Journal(#[from] JournalError),
    /// A journal record is none.
    #[error("the vote journal holds a record that cannot be read: {0}")]
    JournalEntry(codec::CodecError),
    /// The network did not start.
    #[error("the network: {0}")]
    Network(#[from] salus_network::StartError),
    /// The API did not start, or failed.
    #[error("the API at {address}: {source}")]
    Api {
        /// Where it was to listen.
        address: String,
        /// What is wrong.
        source: std::io::Error,
    },
    /// Execution failed: the disk, or a bug.
    #[error("execution: {0}")]
    Execution(#[from] ExecutionError),
    /// The operating system gives no randomness.
    #[error("no randomness from the operating system: {0}")]
    Entropy(getrandom::Error),
    /// The keys cannot be replaced by those that were rotated to.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The key service cannot be opened.
    #[error(transparent)]
    KeyService(#[from] KeyServiceError),
    /// The state does not tell who takes part.
    #[error("the state does not tell who takes part: {0}")]
    State(#[from] StateReadError),
    /// The ledger does not tell where to start.
    #[error("the ledger does not tell where to start: {0}")]
    Origin(#[from] OriginError),
    /// A thread could not be started or ended without saying why.
    #[error("the {0} thread ended")]
    Thread(&'static str),
}

/// How a run ended, if not by a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to stop.
    Stopped,
    /// The node is to be run again: the chain has rotated its keys to those that wait in its home, or its store has caught up with
    /// its vote journal.
    RunAnew,
}

/// Batches of transactions between admission and the consensus thread.
const ADMITTED_QUEUE: usize = 16;

/// Questions of operators that wait for the consensus thread.
const QUESTIONS: usize = 16;

/// Runs a node until `shutdown` completes, until it is to run anew, or until it cannot go on.
///
/// A validator changes its key by running anew, in this process: then the new key has its own journal, replayed, from the first view
/// of its epoch, in the one way in which every start has it.
///
/// # Errors
/// [`RunError`]. A graceful stop is `Ok`: everything committed is durable then.
pub async fn run(
    files: NodeFiles,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Ended, RunError> {
    let genesis = Arc::new(files.genesis.clone());
    for name in files.config.unknown_to(&genesis.members) {
        tracing::warn!(
            name,
            "node.toml names a peer that genesis does not know; it is dialed once governance has admitted it"
        );
    }
    let metrics = Arc::new(Metrics::new());
    let ledger = Arc::new(open_ledger(&files)?);
    let keys = acting_keys(&files, &ledger)?;
    let (journal, replayed) = open_journal(&files, keys)?;
    let behind = origin::behind(&ledger, &replayed);
    let own = Own {
        entity: files.member.entity,
        name: files.member.name.clone(),
        keys: keys.public().of_validator(),
        journal: match (&journal, behind) {
            (None, _) => OwnJournal::Missing,
            (Some(_), Some(height)) => OwnJournal::Ahead(height),
            (Some(_), None) => OwnJournal::Ready,
        },
    };
    // nothing is to be signed, and nothing of it to be forgotten
    let journal = journal.filter(|_| behind.is_none());
    let roster = Roster::read(&ledger, &genesis.parameters, &own.keys.validator_key)?;
    let standing = roster.standing(&own);
    if standing != Standing::Votes {
        let means = standing.explanation();
        tracing::warn!(member = own.name, standing = standing.name(), "{means}");
    }
    let member = Member {
        entity: own.entity,
        signers: match journal {
            Some(_) => vec![keys.validator.signer()],
            None => Vec::new(),
        },
    };
    let limits = MempoolLimits {
        lane_count_max: files.config.mempool.lane_transactions_max,
        lane_bytes_max: files.config.mempool.lane_bytes_max,
    };
    let origin = origin::read(&genesis, &ledger, member, replayed, limits, seeded()?)?;
    let key_service = open_key_service(&files)?;
    // before anything runs: a port that is taken is found before the first vote
    let addresses = files.config.api;
    let operators = bind(addresses.listen).await?;
    let clients = match addresses.clients {
        Some(address) => Some(bind(address).await?),
        None => None,
    };

    let directory = Directory::new(&files);
    let admitted = directory.admitted(&roster, &own.entity);
    let (network, inbound) = start_network(&files, keys, admitted).await?;
    let (roster_sender, roster_watch) = watch::channel(Arc::new(roster));
    let counters = network.clone();
    metrics.watch_network(move || counters.counters());
    let (status, status_watch) =
        watch::channel(consensus::initial_status(&files, &ledger, standing));
    let (final_sender, final_watch) = watch::channel(ledger.head().height);
    let pending = Arc::new(PendingTransactions::default());
    let tiers = Arc::new(Tiers::default());
    let (executed_sender, executed) = mpsc::unbounded_channel();
    let (admitted_sender, admitted) = mpsc::channel(ADMITTED_QUEUE);
    let (submissions, submission_queue) = admission::queue();
    let (stop, stopping) = watch::channel(false);
    let (questions, question_queue) = mpsc::channel(QUESTIONS);

    let disk = Arc::new(Disk::new(
        files.home.data_folder(),
        files.config.storage.disk_reserve_bytes,
        Arc::clone(&metrics),
    ));

    let execution = execution::spawn(
        Arc::clone(&ledger),
        execution::Reports {
            executed: executed_sender,
            final_height: final_sender,
            pending: Arc::clone(&pending),
            membership: Membership {
                parameters: genesis.parameters.clone(),
                own: own.clone(),
                directory,
                network: network.clone(),
                roster: roster_sender,
            },
            metrics: Arc::clone(&metrics),
            disk: Arc::clone(&disk),
            stopping: stopping.clone(),
        },
    )?;
    let admission = admission::spawn(
        submission_queue,
        admission::Checks {
            genesis: genesis.hash,
            ledger: Arc::clone(&ledger),
            metrics: Arc::clone(&metrics),
        },
        admitted_sender,
        seeded()?,
    )?;
    let server = serve::spawn(Arc::clone(&ledger), network.clone())?;
    let shared = Arc::new(Shared {
        genesis: Arc::clone(&genesis),
        ledger: Arc::clone(&ledger),
        submissions: submissions.clone(),
        status: status_watch,
        final_height: final_watch,
        pending: Arc::clone(&pending),
        tiers: Arc::clone(&tiers),
        network: network.clone(),
        metrics: Arc::clone(&metrics),
        disk: Arc::clone(&disk),
        questions,
        key_service: key_service.clone(),
    });
    let handle = NodeHandle::new(shared);

    let mut consensus = consensus::spawn(consensus::Setup {
        journal,
        io: consensus::Io {
            inbound,
            network: network.clone(),
            executed,
            admitted,
            questions: question_queue,
            execution: execution.commands.clone(),
            server: server.requests.clone(),
            submissions,
            status,
            pending,
            tiers,
            validators: Arc::clone(&origin.config.validators),
            roster: roster_watch,
            own,
            home: files.home.clone(),
            metrics: Arc::clone(&metrics),
            disk,
            stopping: stopping.clone(),
        },
        origin,
    })?;
    tracing::info!(
        api = ?operators.local_addr().ok(),
        clients = ?clients.as_ref().and_then(|listener| listener.local_addr().ok()),
        peers = ?network.listen_addresses(),
        genesis = %genesis.hash,
        height = %ledger.head().height,
        "node started"
    );
    let mut apis = tokio::task::JoinSet::new();
    let listeners = [
        (Some(operators), Audience::Operators),
        (clients, Audience::Clients),
    ];
    for (listener, audience) in listeners {
        let Some(listener) = listener else { continue };
        let mut stop = stopping.clone();
        apis.spawn(api::serve(
            listener,
            audience,
            handle.clone(),
            Arc::clone(&metrics),
            async move {
                // an error means that the sender is gone, which is a stop as well
                let _ = stop.wait_for(|stop| *stop).await;
            },
        ));
    }
    if let Some(key_service) = key_service {
        tracing::info!(key = %key_service.service.public_key(), "this node is a custodian: its key service runs");
        let running = key_service.run(handle.clone(), stopping.clone());
        apis.spawn(async move {
            running.await;
            Ok(())
        });
    }
    // the last handles must go with the API
    drop((handle, metrics));

    let result = tokio::select! {
        () = shutdown => {
            tracing::info!("stopping");
            None
        }
        result = &mut consensus => Some(result),
    };
    // a receiver that is gone has stopped already
    let _ = stop.send(true);
    let result = match result {
        Some(result) => result,
        None => consensus.await,
    };
    while let Some(api) = apis.join_next().await {
        match api {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the API did not stop cleanly"),
            Err(error) => tracing::error!(%error, "the API failed"),
        }
    }
    network.shutdown().await;
    // dropping the senders ends the threads once they have done what was queued
    let joined = tokio::task::spawn_blocking(move || {
        drop(server.requests);
        drop(execution.commands);
        let execution = execution.thread.join();
        drop(admission.join());
        drop(server.thread.join());
        execution
    })
    .await;
    let executed = match joined {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => return Err(RunError::Thread("execution")),
    };
    // an execution error is the cause of a consensus thread that lost its executor
    executed?;
    let ended = result.unwrap_or(Err(RunError::Thread("consensus")))?;
    ledger
        .sync()
        .map_err(|source| store_error(&files, source))?;
    tracing::info!(height = %ledger.head().height, "stopped");
    Ok(ended)
}

/// Opens the key service, if `node.toml` says that there is one.
fn open_key_service(files: &NodeFiles) -> Result<Option<Running>, RunError> {
    let Some(unlock) = &files.config.custody else {
        return Ok(None);
    };
    let entity = files.member.entity;
    let service = custody::home::open(
        &files.home.custody_folder(),
        &unlock.within(files.home.root()),
        files.genesis.hash,
        entity,
    )?;
    Ok(Some(Running {
        service: Arc::new(service),
        entity,
    }))
}

/// The keys to run with: those that wait in the home if the chain names them for this member, else the others. Once no set in force
/// names the old validator key, the old keys are replaced for good.
fn acting_keys<'a>(files: &'a NodeFiles, ledger: &Ledger) -> Result<&'a NodeKeys, RunError> {
    let Some(next) = &files.next_keys else {
        return Ok(&files.keys);
    };
    let old = files.keys.validator.public();
    let roster = Roster::read(ledger, &files.genesis.parameters, &old)?;
    if roster.keys_of(&files.member.entity) != Some(next.public().of_validator()) {
        tracing::info!(key = %next.validator.public(), "another validator key waits for governance to rotate to it");
        return Ok(&files.keys);
    }
    tracing::info!(key = %next.validator.public(), "governance has rotated the validator key to this one");
    if !roster.has_seat(&old) {
        // an epoch that needs the old key must not come back with a loss of power
        ledger.sync().map_err(|source| store_error(files, source))?;
        files.home.adopt_next_keys()?;
        tracing::info!(%old, "the old validator key is in force nowhere any more; its keys are replaced");
    }
    Ok(next)
}

fn open_ledger(files: &NodeFiles) -> Result<Ledger, RunError> {
    let folder = files.home.store_folder();
    let store = if folder.exists() {
        RocksStore::open(&folder)
    } else {
        RocksStore::create(&folder)
    }
    .map_err(|error| store_error(files, error.into()))?;
    let store: Arc<dyn Store> = Arc::new(store);
    Ledger::open(
        store,
        &origin::first_block(&files.genesis),
        Retention::default(),
    )
    .map_err(|source| store_error(files, source))
}

fn store_error(files: &NodeFiles, source: LedgerError) -> RunError {
    RunError::Store {
        path: files.home.store_folder().display().to_string(),
        source,
    }
}

type OpenJournal = (Option<Box<dyn VoteJournal>>, Vec<JournalEntry>);

/// Opens the journal; without one the node observes.
fn open_journal(files: &NodeFiles, keys: &NodeKeys) -> Result<OpenJournal, RunError> {
    let validator = keys.validator.public();
    let identity = journal_identity(files.genesis.hash, &validator);
    let path = files.home.journal_of(&validator);
    let (journal, replay) = match FileJournal::open(&path, identity) {
        Ok(opened) => opened,
        Err(JournalError::Missing { .. }) => return Ok((None, Vec::new())),
        // that of the home's first key, where this key's own is gone
        Err(JournalError::Foreign { found, .. })
            if found.genesis == identity.genesis && path == files.home.journal_file() =>
        {
            return Ok((None, Vec::new()));
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(torn) = &replay.torn {
        tracing::warn!(
            ?torn,
            "the last run ended while writing; what was never sent is dropped"
        );
    }
    let entries = replay
        .entries
        .iter()
        .map(|bytes| codec::decode(bytes, JOURNAL_ENTRY_MAX).map_err(RunError::JournalEntry))
        .collect::<Result<_, _>>()?;
    Ok((Some(Box::new(journal)), entries))
}

/// Binds where the API is to answer.
async fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Api {
            address: address.to_string(),
            source,
        })
}

async fn start_network(
    files: &NodeFiles,
    keys: &NodeKeys,
    admitted: Vec<AdmittedPeer>,
) -> Result<(salus_network::NetworkHandle, salus_network::Inbound), RunError> {
    let network = NetworkId::new(*files.genesis.hash.as_bytes());
    let mut config = NetworkConfig::new(network, files.config.listen.clone());
    config.transport.peers_max = PEERS_MAX;
    let secret = NetworkSecret::new(*keys.network.seed());
    Ok(Network::start(config, &secret, admitted).await?)
}

/// The validators of the epoch before, of this one and of the next, and every member under the key of elections to come.
const PEERS_MAX: usize = 4 * MEMBERS_MAX;

fn seeded() -> Result<ChaCha20Rng, RunError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(RunError::Entropy)?;
    Ok(ChaCha20Rng::from_seed(seed))
}
