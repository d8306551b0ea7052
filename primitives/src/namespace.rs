//! Every hash and signature domain of Salus, in one list.
//!
//! A domain is a BLAKE3 derive-key context: hashes of one use can never be taken for hashes of another. A signature
//! covers `domain(genesis hash ‖ content digest)`, so it is bound to its use and to its chain.

/// What a digest is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "each variant is explained by its context string"
)]
pub enum Domain {
    BlockId,
    DeviceId,
    EntityId,
    EnvelopeCommitment,
    EnvelopeKey,
    EpochConfig,
    Handle,
    JournalRecord,
    KeystoreKey,
    MerkleLeaf,
    MerkleNode,
    MerkleRoot,
    PeriodKeyWrap,
    Pseudonym,
    ReadingId,
    RecordKey,
    ScheduleSeed,
    StateTree,
    StateKey,
    Statement,
    TransactionId,
    TransactionLeaf,
    TransactionSignature,
    ValidatorSet,
    VoteSignature,
}

impl Domain {
    /// All domains, for the test that no two share a context.
    pub const ALL: [Self; 25] = [
        Self::BlockId,
        Self::DeviceId,
        Self::EntityId,
        Self::EnvelopeCommitment,
        Self::EnvelopeKey,
        Self::EpochConfig,
        Self::Handle,
        Self::JournalRecord,
        Self::KeystoreKey,
        Self::MerkleLeaf,
        Self::MerkleNode,
        Self::MerkleRoot,
        Self::PeriodKeyWrap,
        Self::Pseudonym,
        Self::ReadingId,
        Self::RecordKey,
        Self::ScheduleSeed,
        Self::StateTree,
        Self::StateKey,
        Self::Statement,
        Self::TransactionId,
        Self::TransactionLeaf,
        Self::TransactionSignature,
        Self::ValidatorSet,
        Self::VoteSignature,
    ];

    /// The BLAKE3 derive-key context. Changing one is a hard fork.
    #[must_use]
    pub const fn context(self) -> &'static str {
        match self {
            Self::BlockId => "salus v1 block id: hash of an encoded header",
            Self::DeviceId => "salus v1 device id: hardware id and registration id",
            Self::EntityId => "salus v1 entity id: hash of a member's name",
            Self::EnvelopeCommitment => "salus v1 envelope: commitment to key, nonce and data",
            Self::EnvelopeKey => "salus v1 envelope: cipher key of a record key",
            Self::EpochConfig => "salus v1 epoch: its validators and lanes",
            Self::Handle => "salus v1 record handle of a period key",
            Self::JournalRecord => "salus v1 journal record checksum",
            Self::KeystoreKey => "salus v1 key of an encrypted store at rest",
            Self::MerkleLeaf => "salus v1 merkle leaf",
            Self::MerkleNode => "salus v1 merkle node",
            Self::MerkleRoot => "salus v1 merkle root: leaf count and top",
            Self::PeriodKeyWrap => "salus v1 hpke wrap of a period key",
            Self::Pseudonym => "salus v1 pseudonym of a patient in one relation",
            Self::ReadingId => "salus v1 reading id",
            Self::RecordKey => "salus v1 record key of a period key",
            Self::ScheduleSeed => "salus v1 schedule seed of an epoch",
            Self::StateTree => "salus v1 state tree",
            Self::StateKey => "salus v1 state key",
            Self::Statement => "salus v1 consensus statement",
            Self::TransactionId => "salus v1 transaction id: hash of an unsigned body",
            Self::TransactionLeaf => "salus v1 transaction leaf: id and signature",
            Self::TransactionSignature => "salus v1 signature of a transaction",
            Self::ValidatorSet => "salus v1 validator set",
            Self::VoteSignature => "salus v1 signature of a vote",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_domains_share_a_context() {
        let contexts: std::collections::BTreeSet<_> =
            Domain::ALL.iter().map(|domain| domain.context()).collect();

        assert_eq!(contexts.len(), Domain::ALL.len());
    }
}
