//! What must hold after every event, and what it looks like when it does not.

use core::fmt;
use serde::{Serialize, Serializer};

/// Something that holds in every run, whatever up to f of the weight does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// No two blocks of one height are final.
    OneBlockAHeight,
    /// All nodes have the same root after a block, and none has reason to stop for another (rule 11).
    EqualRoots,
    /// No honest key signs two statements that exclude each other, crash or not (rules 3, 4, 6).
    NoContradiction,
    /// A node votes with its own seat and the very key that the epoch's set names, or not at all.
    NamedKeyOnly,
    /// A vote is in the journal before it is sent, and what it rests on: the block that it notarises, the notarisation that it
    /// finalises by, the certificate by which its view was entered (rule 8).
    PersistedBeforeSent,
    /// An honest node notarises only what certificates that it holds justify (rules 2 and 3).
    JustifiedOnly,
    /// Who signs a finalise vote has the block (rule 4).
    FinalizesWhatItHas,
    /// A certificate that an honest node passes on, or rests finality on, has a quorum of good signatures.
    CertificatesHold,
    /// Who is told to have attested a block is of its committee and has signed for it, and the attestation that is kept is one.
    AttestationsHold,
    /// No honest member attests two blocks in one view (rule 3).
    AttestsOnce,
    /// What is attested at a height that is not final is final nowhere in the ledger, which is all that is opened.
    AttestedIsNotFinal,
    /// No transaction is final twice, and what is final is on every honest node's disk.
    TransactionsOnce,
    /// No final transaction is expired, too far ahead, of another chain or a lower lane, or badly signed.
    TransactionsAdmissible,
    /// What is over its entity's quota by the blocks before counts in the next lower lane, and nothing else does.
    LanesCount,
    /// A final header follows from its parent: height, time, manager, configuration, roots, bounds.
    BlocksFollow,
    /// The set in force in an epoch is the one that the chain elected for it, and begins when the epoch before is final.
    ElectedSet,
    /// Honest nodes count as faulty, accuse and reject nobody but faulty members.
    OnlyTheFaultyBlamed,
    /// After the last fault a new block is final within two terms with honest managers.
    Progress,
    /// After the last fault every honest node gets everything that is final.
    FinalEverywhere,
    /// An idle chain says nothing between two heartbeats.
    IdleIsSilent,
    /// What a node keeps in memory and in its journal is bounded.
    Bounded,
    /// Two runs of one seed are the same run.
    SameTrace,
    /// Nothing panics, and nothing fails on a disk that does not.
    NoFailure,
    /// The faulty members weigh at most f in every epoch: else the scenario is at fault, not the code.
    WithinTheModel,
}

impl Property {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneBlockAHeight => "one_block_a_height",
            Self::EqualRoots => "equal_roots",
            Self::NoContradiction => "no_contradiction",
            Self::NamedKeyOnly => "named_key_only",
            Self::PersistedBeforeSent => "persisted_before_sent",
            Self::JustifiedOnly => "justified_only",
            Self::FinalizesWhatItHas => "finalizes_what_it_has",
            Self::CertificatesHold => "certificates_hold",
            Self::AttestationsHold => "attestations_hold",
            Self::AttestsOnce => "attests_once",
            Self::AttestedIsNotFinal => "attested_is_not_final",
            Self::TransactionsOnce => "transactions_once",
            Self::TransactionsAdmissible => "transactions_admissible",
            Self::LanesCount => "lanes_count",
            Self::BlocksFollow => "blocks_follow",
            Self::ElectedSet => "elected_set",
            Self::OnlyTheFaultyBlamed => "only_the_faulty_blamed",
            Self::Progress => "progress",
            Self::FinalEverywhere => "final_everywhere",
            Self::IdleIsSilent => "idle_is_silent",
            Self::Bounded => "bounded",
            Self::SameTrace => "same_trace",
            Self::NoFailure => "no_failure",
            Self::WithinTheModel => "within_the_model",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Property {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// What was seen.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {} ms: {}",
            self.property, self.at_ms, self.message
        )
    }
}
