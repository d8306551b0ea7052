//! What a node knows of one view.

use crate::clock::Monotonic;
use crate::proposal::{Proposal, VerifiedProposal};
use crate::tally::Tally;
use crate::vote::Vote;
use salus_primitives::certificate::VerifiedCertificate;

/// One view: its proposal, the votes seen, and what this node said in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ViewState {
    /// The first proposal of its manager.
    pub(crate) proposal: Option<Candidate>,
    /// Its manager signed two proposals.
    pub(crate) equivocated: bool,
    pub(crate) notarize: Tally,
    pub(crate) finalize: Tally,
    pub(crate) nullify: Tally,
    pub(crate) notarization: Option<VerifiedCertificate>,
    /// When this node entered it, if it did; or, if nothing was due then, when something first was.
    pub(crate) entered_at: Option<Monotonic>,
    pub(crate) own: OwnVotes,
    /// Whether this node's vote may still be given after the quorum's (rule 4).
    pub(crate) late: Late,
}

/// A proposal and what is known of its validity.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) proposal: VerifiedProposal,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Something it depends on is missing: its parent, the parent's roots, a certificate, or time.
    Undecided,
    /// Its content is being checked.
    Checking,
    /// It may be notarised.
    Valid,
    /// Its manager is at fault.
    Invalid,
}

/// What became of the vote that this node did not give before it left the view (rule 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Late {
    /// It may be given, if the block turns out to be valid.
    #[default]
    Open,
    /// The block's content is being checked.
    Checking,
    /// It was given, or never will be.
    Closed,
}

/// What this node has signed in a view. Restored from the journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnVotes {
    pub(crate) proposal: Option<Box<Proposal>>,
    pub(crate) notarize: Option<Vote>,
    pub(crate) finalize: Option<Vote>,
    pub(crate) nullify: Option<Vote>,
}

impl ViewState {
    /// The verdict on its proposal.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.proposal.as_ref().map(|candidate| candidate.verdict)
    }
}
