//! `salus tx stand`, `delegate` and what else a member says about its own seat and weight.

use super::names::{parse_entity, parse_part};
use super::sending::Sending;
use crate::cli::{Failure, Outcome};
use clap::Args;
use salus_primitives::calls::{Delegation, Part, STAKING, StakingCall};
use salus_primitives::codec;
use salus_primitives::evidence::Evidence;
use salus_primitives::ids::EntityId;
use salus_primitives::transaction::{Call, TRANSACTION_MAX};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A call that needs nothing but its sender.
#[derive(Debug, Args)]
pub(in crate::cli) struct Simple {
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Delegate {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    sending: Sending,
}

/// To whom the weight goes.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// The whole weight, however much it becomes, to this member.
    #[arg(long, value_name = "MEMBER", value_parser = parse_entity)]
    to: Option<EntityId>,
    /// A part of the weight, as in pharmacy=3. May be given up to 32 times; what is in no part is delegated to nobody.
    #[arg(long = "part", value_name = "MEMBER=WEIGHT", value_parser = parse_part)]
    parts: Vec<Part>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Report {
    /// Two contradicting votes of a validator: the encoded evidence, as bytes or in hexadecimal.
    #[arg(long, value_name = "FILE")]
    evidence: PathBuf,
    #[command(flatten)]
    sending: Sending,
}

impl Simple {
    pub(super) fn send(&self, call: &StakingCall) -> Outcome {
        self.sending.send(Call::new(STAKING, call))
    }
}

impl Delegate {
    pub(super) fn send(&self) -> Outcome {
        let call = StakingCall::Delegate(self.target.delegation());
        self.sending.send(Call::new(STAKING, &call))
    }
}

impl Target {
    /// In the order that the contract asks for. A member named twice is left for the contract to refuse.
    fn delegation(&self) -> Delegation {
        match self.to {
            Some(candidate) => Delegation::Whole(candidate),
            None => {
                let mut parts = self.parts.clone();
                parts.sort_unstable_by_key(|part| part.candidate);
                Delegation::Parts(parts)
            }
        }
    }
}

impl Report {
    pub(super) fn send(&self) -> Outcome {
        let evidence = read_evidence(&self.evidence)?;
        let call = StakingCall::Report(Box::new(evidence));
        self.sending.send(Call::new(STAKING, &call))
    }
}

fn read_evidence(path: &Path) -> Result<Evidence, Failure> {
    let refused =
        |problem: &dyn std::fmt::Display| Failure::usage(format!("{}: {problem}", path.display()));
    let mut bytes = Vec::new();
    // twice as many digits as bytes, and a line's end
    let limit = 2 * TRANSACTION_MAX as u64 + 2;
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|source| refused(&format!("cannot be read: {source}")))?;
    if let Ok(decoded) = hex::decode(bytes.trim_ascii()) {
        bytes = decoded;
    }
    codec::decode(&bytes, TRANSACTION_MAX)
        .map_err(|error| refused(&format!("this is not evidence: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::certificate::Statement;
    use salus_primitives::crypto::sign::Signature;
    use salus_primitives::ids::{BlockId, Epoch, Seat, View};
    use salus_primitives::signed::Signed;

    fn evidence() -> Evidence {
        let vote = |block: u8| Signed {
            body: Statement::Notarize {
                epoch: Epoch::new(1),
                view: View::new(3),
                block: BlockId([block; 32]),
            },
            signature: Signature([block; 64]),
        };
        Evidence::new(Seat::new(2), vote(1), vote(2))
    }

    /// What a program wrote and what a person pasted are the same evidence; anything else is refused with the file's name.
    #[test]
    fn evidence_is_read_as_bytes_or_digits() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("evidence");
        let bytes = codec::encode(&evidence());

        for content in [
            bytes.clone(),
            format!("{}\n", hex::encode(&bytes)).into_bytes(),
        ] {
            std::fs::write(&file, content).expect("written");
            assert_eq!(read_evidence(&file).expect("evidence"), evidence());
        }

        std::fs::write(&file, b"nothing").expect("written");
        let failure = read_evidence(&file).expect_err("refused");
        assert_eq!(failure.code, 2);
        assert!(failure.chain().contains(&file.display().to_string()));
    }

    #[test]
    fn parts_are_sent_in_the_contracts_order() {
        let part = |n: u8, weight| Part {
            candidate: EntityId([n; 32]),
            weight,
        };
        let target = Target {
            to: None,
            parts: vec![part(9, 1), part(2, 5)],
        };

        assert_eq!(
            target.delegation(),
            Delegation::Parts(vec![part(2, 5), part(9, 1)])
        );
    }
}
