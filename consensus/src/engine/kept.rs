//! What an engine keeps, counted (`docs/protocol.md`, Memory).

use super::{Engine, FINALIZATIONS_MAX, LOOKAHEAD, PROPOSALS_AHEAD};

/// How much an engine keeps at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Views of which it knows anything.
    pub views: u64,
    /// Bodies above the last final block.
    pub bodies: u64,
    /// Finalisations whose blocks are not all here.
    pub finalizations: u64,
    /// Terms with a nullification.
    pub nullifications: u64,
}

/// The most blocks of a range that was asked for; they come at once, and are final soon.
const RANGE_BLOCKS: u64 = 64;
/// Bodies of one view: its proposal, and what a certificate names instead.
const BODIES_OF_A_VIEW: u64 = 2;

impl Engine {
    /// What it keeps now.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Kept {
            views: count(self.views.len()),
            bodies: count(self.blocks.len()),
            finalizations: count(self.finalizations.len()),
            nullifications: count(self.nullifications.len()),
        }
    }

    /// The most it may keep, by how many views its own is ahead of the last final one: what peers send can make it keep no more.
    #[must_use]
    pub fn kept_max(&self) -> Kept {
        let views = self.lag().saturating_add(1);
        let ahead = views.saturating_add(PROPOSALS_AHEAD);
        Kept {
            views: views.saturating_add(LOOKAHEAD),
            bodies: ahead
                .saturating_mul(BODIES_OF_A_VIEW)
                .saturating_add(RANGE_BLOCKS),
            finalizations: u64::try_from(FINALIZATIONS_MAX).unwrap_or(u64::MAX),
            nullifications: views.saturating_add(1),
        }
    }
}

impl Kept {
    /// Whether this is no more than `most`, in any of the four.
    #[must_use]
    pub const fn is_within(&self, most: &Self) -> bool {
        self.views <= most.views
            && self.bodies <= most.bodies
            && self.finalizations <= most.finalizations
            && self.nullifications <= most.nullifications
    }
}
