//! What a replica starts from, read from the ledger: the epoch of its head, that epoch's validators, the replay window.
//!
//! The runtime and the simulator start a node in this one way.

use crate::execution;
use crate::mempool::{Mempool, MempoolLimits};
use crate::proposer::Proposer;
use crate::proposer::turns::LaneTurns;
use crate::replica::{Member, Origin};
use rand_chacha::ChaCha20Rng;
use salus_consensus::config::{Base, Config, Roots, Timing};
use salus_consensus::journal::{self, JournalEntry};
use salus_contracts::native::blockcfg::quota;
use salus_genesis::block::GenesisBlock;
use salus_primitives::epoch::EpochConfig;
use salus_primitives::ids::{Epoch, Height, View};
use salus_primitives::receipt::receipt_root;
use salus_primitives::state::StateReadError;
use salus_storage::ledger::{FirstBlock, Ledger, LedgerError};
use std::sync::Arc;

/// Why a ledger does not tell where to start. It is damaged, or we have a bug.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateReadError),
    /// The head has no header.
    #[error("the ledger has no header at its head, height {0}")]
    NoHeader(Height),
    /// The state does not say how the epoch is.
    #[error("the state names no validators or lanes of epoch {0}")]
    NoEpoch(Epoch),
}

/// What a ledger begins with.
#[must_use]
pub fn first_block(genesis: &GenesisBlock) -> FirstBlock<'_> {
    FirstBlock {
        block: &genesis.block,
        writes: &genesis.writes,
        epochs: [&genesis.first, &genesis.second],
    }
}

/// The final height that the ledger must reach before the journal's key may vote again; none if it is there. A store can be lost, or
/// be an older one, without its journal: then what the journal left out when it was shortened is known nowhere.
#[must_use]
pub fn behind(ledger: &Ledger, journal: &[JournalEntry]) -> Option<Height> {
    let floor = journal::floor(journal);
    (ledger.head().height < floor).then_some(floor)
}

/// Reads where a replica starts. After the last block of an epoch it starts in the next one. If the ledger is [`behind`] the journal, the
/// replica observes, and leaves the journal as it is.
///
/// # Errors
/// [`OriginError`].
pub fn read(
    genesis: &GenesisBlock,
    ledger: &Ledger,
    mut member: Member,
    mut journal: Vec<JournalEntry>,
    limits: MempoolLimits,
    entropy: ChaCha20Rng,
) -> Result<Origin, OriginError> {
    if behind(ledger, &journal).is_some() {
        member.signers.clear();
        journal.clear();
    }
    let parameters = &genesis.parameters;
    let head = ledger.head();
    let epoch = parameters.epoch_at(head.height.next());
    let EpochConfig { validators, lanes } = epoch_config(ledger, epoch)?;
    let validators = Arc::new(validators);
    let next = Arc::new(epoch_config(ledger, epoch.next())?);
    let header = ledger
        .header(head.height)?
        .ok_or(OriginError::NoHeader(head.height))?;
    let receipts = ledger.receipts(head.height)?.unwrap_or_default();
    // what the ledger took was checked; a damaged record is as good as none
    let certificate = ledger
        .finalization(head.height)?
        .filter(|_| header.epoch == epoch)
        .and_then(|certificate| certificate.verified(genesis.hash, &validators).ok());
    let view = match &certificate {
        Some(certificate) => certificate.view(),
        None if header.epoch == epoch => header.view,
        None => View::ZERO,
    };
    let config = Config {
        genesis: genesis.hash,
        voter: member.voter(&validators),
        validators: Arc::clone(&validators),
        timing: Timing::from(parameters),
        base: Base {
            id: head.id,
            header,
            view,
            roots: Roots {
                state: head.state_root,
                receipts: receipt_root(&receipts),
            },
        },
        boundary: parameters.last_height(epoch),
    };
    let demotions = quota::demotions(&ledger.state(), parameters, head.height.next())?;
    let demotions = Arc::new(demotions);
    let window = parameters.window_blocks;
    let recent = ledger.recent_transactions(window)?;
    Ok(Origin {
        certificate,
        config,
        journal,
        mempool: Mempool::new(genesis.hash, window, limits, head.height, recent, demotions),
        proposer: Proposer {
            genesis: genesis.hash,
            validators,
            lanes: Arc::new(lanes),
            next,
            parameters: parameters.clone(),
            turns: LaneTurns::default(),
        },
        member,
        entropy,
    })
}

/// An epoch, as the state after the ledger's head has it.
///
/// # Errors
/// [`OriginError`].
pub fn epoch_config(ledger: &Ledger, epoch: Epoch) -> Result<EpochConfig, OriginError> {
    execution::epoch_config(&ledger.state(), epoch)?.ok_or(OriginError::NoEpoch(epoch))
}
