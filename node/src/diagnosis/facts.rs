//! What is known when an operator asks.

use crate::replica::Claim;
use crate::wire::{Account, Condition};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::View;

/// Everything a diagnosis rests on. Times are ages in milliseconds.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The member whose node was asked.
    pub own: String,
    /// What it says of itself.
    pub account: Account,
    /// The validators of its epoch, in the order of their seats; its own among them, if it has one.
    pub seats: Vec<SeatFacts>,
    /// `Q`.
    pub quorum_weight: u64,
    /// `W`.
    pub total_weight: u64,
    /// `f`.
    pub fault_weight: u64,
    /// The view it is in.
    pub view: ViewFacts,
    /// The chain's delta, as long as no term fails.
    pub delta_ms: u64,
    /// Set if by the state after the last final block no legal set can be elected.
    pub no_legal_set: Option<NoLegalSet>,
}

/// Fewer than four may be elected, so that the present validators go on (E1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoLegalSet {
    /// Who may be elected.
    pub eligible: Vec<String>,
    /// Who has a seat in the next epoch and may not be elected: jailed, inactive, stepped down, retired, or without weight.
    pub kept: Vec<String>,
}

/// One validator, seen from the node that was asked.
#[derive(Clone, Debug)]
pub struct SeatFacts {
    /// The member's name.
    pub name: String,
    /// Its weight.
    pub weight: u64,
    /// Its network key.
    pub network_key: PublicKey,
    /// The connection to it.
    pub link: Link,
    /// How long ago anything of it came last; `None` if nothing ever did.
    pub heard_ms: Option<u64>,
    /// It was at fault too often and is not listened to for a while.
    pub is_muted: bool,
    /// Where it said it stands, unasked.
    pub position: Option<Claim>,
    /// What it answered to this question, if it did.
    pub account: Option<Account>,
    /// How far its clock is ahead of this node's, if it answered.
    pub clock_ahead_ms: i64,
}

/// The connection to a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// This is the node that was asked.
    Own,
    /// It is up.
    Connected {
        /// For how long.
        for_ms: u64,
    },
    /// It was up, and is not.
    Lost {
        /// For how long.
        for_ms: u64,
    },
    /// It never was, since this node started.
    Never,
}

/// The view a node is in. Seats are positions in [`Facts::seats`].
#[derive(Clone, Debug, Default)]
pub struct ViewFacts {
    /// The view.
    pub view: View,
    /// Who proposes in it.
    pub manager: usize,
    /// The first views and managers of the terms that follow.
    pub next: Vec<(View, usize)>,
    /// Whether the proposal is here.
    pub proposed: bool,
    /// Who notarised the block with most weight behind it.
    pub notarize: Vec<usize>,
    /// Who gave the view up.
    pub nullify: Vec<usize>,
    /// The latest notarised view that is not final, and who finalises it.
    pub finalize: Option<(View, Vec<usize>)>,
}

impl Facts {
    /// The name of a seat.
    pub(super) fn name(&self, seat: usize) -> String {
        self.seats
            .get(seat)
            .map_or_else(|| format!("seat {seat}"), |seat| seat.name.clone())
    }

    /// What a seat's node says of itself; of the own seat, what this node says.
    pub(super) fn account_of<'a>(&'a self, seat: &'a SeatFacts) -> Option<&'a Account> {
        match seat.link {
            Link::Own => Some(&self.account),
            Link::Connected { .. } | Link::Lost { .. } | Link::Never => seat.account.as_ref(),
        }
    }

    /// Whether a seat can vote, as far as this node can tell.
    pub(super) fn is_able(&self, seat: &SeatFacts) -> bool {
        !seat.is_muted
            && self
                .account_of(seat)
                .is_some_and(|account| account.condition == Condition::Votes)
    }

    /// The weight of the seats that this holds for.
    pub(super) fn weight(&self, holds: impl Fn(&SeatFacts) -> bool) -> u64 {
        self.seats
            .iter()
            .filter(|seat| holds(seat))
            .fold(0, |sum: u64, seat| sum.saturating_add(seat.weight))
    }
}
