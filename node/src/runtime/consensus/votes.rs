//! The vote journal as the consensus thread uses it: durable before anything is said, and shortened beside that.

use crate::replica::Effect;
use crate::runtime::RunError;
use salus_consensus::journal::JournalEntry;
use salus_primitives::codec;
use salus_storage::journal::VoteJournal;
use std::sync::mpsc::{Receiver, TryRecvError};

/// The journal of a validator, or none: an observer says nothing that it must not forget.
pub(super) struct Votes {
    journal: Option<Box<dyn VoteJournal>>,
    shortening: Option<Shortening>,
    /// What was left when it was shortened last.
    shortened_bytes: u64,
}

/// The journal to be, while the ledger is made durable up to what it leaves out.
struct Shortening {
    records: Vec<Vec<u8>>,
    /// Tells when the ledger is durable; `None` once it has.
    synced: Option<Receiver<()>>,
}

/// Least size at which a journal is shortened, in bytes. One that is long because all of it still counts is shortened when it has
/// doubled, not again and again.
const REWRITE_BYTES: u64 = 32 * 1024 * 1024;

impl Votes {
    pub(super) const fn new(journal: Option<Box<dyn VoteJournal>>) -> Self {
        Self {
            journal,
            shortening: None,
            shortened_bytes: 0,
        }
    }

    /// Makes what is to be persisted durable, with one sync. True if there was anything.
    pub(super) fn persist(&mut self, effects: &[Effect]) -> Result<bool, RunError> {
        let Some(journal) = &mut self.journal else {
            return Ok(false);
        };
        let records: Vec<Vec<u8>> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Persist(entry) => Some(codec::encode(entry)),
                _ => None,
            })
            .collect();
        if records.is_empty() {
            return Ok(false);
        }
        journal.append(&slices(&records))?;
        journal.sync()?;
        if let Some(shortening) = &mut self.shortening {
            shortening.records.extend(records);
        }
        Ok(true)
    }

    /// Whether it is time for [`Votes::shorten`].
    pub(super) fn is_long(&self) -> bool {
        let limit = REWRITE_BYTES.max(self.shortened_bytes.saturating_mul(2));
        self.shortening.is_none()
            && self
                .journal
                .as_ref()
                .is_some_and(|journal| journal.size_bytes() > limit)
    }

    /// Begins to shorten the journal to `live`, which still counts. What that forgets is below the last final block, so that
    /// block must be durable first, which `synced` tells: a node that lost it would stand in views whose votes it no longer
    /// knows. Votes do not wait for it; they go into both journals.
    pub(super) fn shorten(&mut self, live: &[JournalEntry], synced: Receiver<()>) {
        let records = live.iter().map(codec::encode).collect();
        self.shortening = Some(Shortening {
            records,
            synced: Some(synced),
        });
    }

    /// Puts the shorter journal in place of the long one, as soon as that is safe. If there is no room for it, the next call
    /// tries again.
    pub(super) fn finish_shortening(&mut self) -> Result<(), RunError> {
        let (Some(journal), Some(shortening)) = (&mut self.journal, &mut self.shortening) else {
            return Ok(());
        };
        if let Some(synced) = &shortening.synced {
            match synced.try_recv() {
                Ok(()) => shortening.synced = None,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(RunError::Thread("execution")),
            }
        }
        journal.rewrite(&slices(&shortening.records))?;
        self.shortening = None;
        self.shortened_bytes = journal.size_bytes();
        tracing::info!(
            bytes = journal.size_bytes(),
            "the vote journal was rewritten"
        );
        Ok(())
    }
}

fn slices(records: &[Vec<u8>]) -> Vec<&[u8]> {
    records.iter().map(Vec::as_slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_consensus::vote::Vote;
    use salus_primitives::certificate::Statement;
    use salus_primitives::crypto::sign::Signature;
    use salus_primitives::hash::Digest;
    use salus_primitives::ids::{Epoch, GenesisHash, Seat, View};
    use salus_storage::journal::{
        JournalError, JournalFaults, JournalIdentity, MemoryJournal, UnsyncedFate,
    };
    use std::sync::mpsc::channel;

    const IDENTITY: JournalIdentity = JournalIdentity {
        genesis: GenesisHash([1; 32]),
        validator: Digest([2; 32]),
    };

    fn vote(view: u64) -> JournalEntry {
        JournalEntry::Vote(Vote {
            statement: Statement::Nullify {
                epoch: Epoch::new(1),
                view: View::new(view),
            },
            seat: Seat::new(0),
            signature: Signature([0; 64]),
        })
    }

    fn persist(votes: &mut Votes, view: u64) -> Result<bool, RunError> {
        votes.persist(&[Effect::Persist(vote(view))])
    }

    /// What a restart after a loss of power finds.
    fn kept(disk: &MemoryJournal) -> Vec<Vec<u8>> {
        disk.crash(UnsyncedFate::Lost);
        disk.open(IDENTITY).expect("opens").1.entries
    }

    /// Votes between the beginning and the end of a rewrite are in the old journal and in the new one; nothing is forgotten
    /// before the ledger is durable.
    #[test]
    fn votes_cast_while_the_journal_is_shortened_are_kept_either_way() {
        for finished in [false, true] {
            let disk = MemoryJournal::create(IDENTITY);
            let mut votes = Votes::new(Some(Box::new(disk.clone())));
            assert!(persist(&mut votes, 1).expect("writes"));
            assert!(persist(&mut votes, 2).expect("writes"));
            let (synced, receiver) = channel();

            votes.shorten(&[vote(2)], receiver);
            assert!(persist(&mut votes, 3).expect("writes"));
            votes.finish_shortening().expect("not yet");
            if finished {
                synced.send(()).expect("listens");
                votes.finish_shortening().expect("rewrites");
                assert!(persist(&mut votes, 4).expect("writes"));
            }

            let expected: &[u64] = if finished { &[2, 3, 4] } else { &[1, 2, 3] };
            let expected: Vec<Vec<u8>> =
                expected.iter().map(|v| codec::encode(&vote(*v))).collect();
            assert_eq!(kept(&disk), expected);
        }
    }

    /// The execution thread failed to make the ledger durable: the node ends, with the long journal.
    #[test]
    fn a_ledger_that_cannot_be_synced_ends_the_node_and_keeps_the_journal() {
        let disk = MemoryJournal::create(IDENTITY);
        let mut votes = Votes::new(Some(Box::new(disk.clone())));
        persist(&mut votes, 1).expect("writes");
        let (synced, receiver) = channel();
        votes.shorten(&[], receiver);

        drop(synced);

        assert!(matches!(
            votes.finish_shortening(),
            Err(RunError::Thread("execution"))
        ));
        assert_eq!(kept(&disk).len(), 1);
    }

    /// No room for a vote, and none for the shorter journal: both are said, nothing is lost, and both go on when there is.
    #[test]
    fn a_full_disk_delays_votes_and_shortening_and_loses_neither() {
        let disk = MemoryJournal::create(IDENTITY);
        let mut votes = Votes::new(Some(Box::new(disk.clone())));
        persist(&mut votes, 1).expect("writes");
        let (synced, receiver) = channel();
        votes.shorten(&[], receiver);
        synced.send(()).expect("listens");

        disk.set_full(true);
        let refused = [persist(&mut votes, 2).map(drop), votes.finish_shortening()];

        for refused in refused {
            assert!(matches!(
                refused,
                Err(RunError::Journal(JournalError::DiskFull { .. }))
            ));
        }
        disk.set_full(false);
        assert!(persist(&mut votes, 2).expect("writes"));
        votes.finish_shortening().expect("rewrites");
        assert_eq!(kept(&disk), [codec::encode(&vote(2))]);
    }

    /// Without finality for long all of a long journal counts: it is not written anew with every vote.
    #[test]
    fn a_journal_of_which_all_counts_is_shortened_when_it_has_doubled() {
        let mut votes = Votes::new(Some(Box::new(MemoryJournal::create(IDENTITY))));
        let long = vec![0; 1024 * 1024];
        let grow = |votes: &mut Votes, records: usize| {
            let journal = votes.journal.as_mut().expect("a journal");
            for _ in 0..records {
                journal.append(&[&long]).expect("room");
            }
        };
        grow(&mut votes, 33);
        assert!(votes.is_long());
        let (synced, receiver) = channel();
        synced.send(()).expect("listens");
        votes.shortening = Some(Shortening {
            records: vec![long.clone(); 33],
            synced: Some(receiver),
        });
        votes.finish_shortening().expect("rewrites");

        assert!(!votes.is_long());
        grow(&mut votes, 30);
        assert!(!votes.is_long());
        grow(&mut votes, 5);
        assert!(votes.is_long());
    }

    #[test]
    fn a_journal_that_cannot_be_written_is_an_error_and_an_observer_has_none() {
        let disk = MemoryJournal::create(IDENTITY);
        disk.set_faults(JournalFaults {
            append: None,
            sync: Some(0),
        });
        let mut votes = Votes::new(Some(Box::new(disk)));
        assert!(matches!(persist(&mut votes, 1), Err(RunError::Journal(_))));

        let mut observer = Votes::new(None);
        assert!(!persist(&mut observer, 1).expect("nothing to do"));
    }
}
