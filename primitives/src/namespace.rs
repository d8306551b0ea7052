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
    AuditTrail,
    BlockId,
    DepositReceipt,
    DepositSignature,
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
    ModelId,
    PeriodClaim,
    PeriodKeyWrap,
    PersonSalt,
    PractitionerId,
    PrekeyRequest,
    PrekeySignature,
    Pseudonym,
    QuerySignature,
    ReadingId,
    RecordKey,
    ReleaseSignature,
    ScheduleSeed,
    StateKey,
    StatePath,
    StateTree,
    Statement,
    TransactionId,
    TransactionLeaf,
    TransactionSignature,
    ValidatorSet,
    VoteSignature,
}

impl Domain {
    /// All domains, for the test that no two share a context.
    pub const ALL: [Self; 37] = [
        Self::AuditTrail,
        Self::BlockId,
        Self::DepositReceipt,
        Self::DepositSignature,
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
        Self::ModelId,
        Self::PeriodClaim,
        Self::PeriodKeyWrap,
        Self::PersonSalt,
        Self::PractitionerId,
        Self::PrekeyRequest,
        Self::PrekeySignature,
        Self::Pseudonym,
        Self::QuerySignature,
        Self::ReadingId,
        Self::RecordKey,
        Self::ReleaseSignature,
        Self::ScheduleSeed,
        Self::StateKey,
        Self::StatePath,
        Self::StateTree,
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
            Self::AuditTrail => "salus v1 audit trail of a patient: link to the event before",
            Self::BlockId => "salus v1 block id: hash of an encoded header",
            Self::DepositReceipt => "salus v1 signature of a custodian under a deposit",
            Self::DepositSignature => "salus v1 signature of a device under a deposited key",
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
            Self::ModelId => "salus v1 device model id: hash of its name",
            Self::PeriodClaim => "salus v1 signature of a device under what a handle stands for",
            Self::PeriodKeyWrap => "salus v1 hpke wrap of a period key",
            Self::PersonSalt => "salus v1 salt of the paths of a person",
            Self::PractitionerId => "salus v1 pseudonym of a practitioner",
            Self::PrekeyRequest => "salus v1 signature of a device that asks for a one-time key",
            Self::PrekeySignature => "salus v1 signature of a custodian under one-time keys",
            Self::Pseudonym => "salus v1 pseudonym of a patient in one relation",
            Self::QuerySignature => "salus v1 signature of a query",
            Self::ReadingId => "salus v1 reading id",
            Self::RecordKey => "salus v1 record key of a period key",
            Self::ReleaseSignature => "salus v1 signature of a custodian under released keys",
            Self::ScheduleSeed => "salus v1 schedule seed of an epoch",
            Self::StateKey => "salus v1 state key",
            Self::StatePath => "salus v1 path of what the state keeps of a person",
            Self::StateTree => "salus v1 state tree",
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
