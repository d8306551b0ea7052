//! Certificates that are none.

use super::{Adversary, Letter, Stand};
use salus_consensus::message::Message;
use salus_node::wire::Frame;
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::crypto::sign::Signature;
use salus_primitives::ids::{Seat, View};

impl Adversary {
    /// Now and then a certificate that does not hold, to everyone.
    pub(super) fn send_forged(&mut self, stand: &Stand, to: &[usize], letters: &mut Vec<Letter>) {
        if !self.dice.percent(8) {
            return;
        }
        let Some(certificate) = self.forged(stand) else {
            return;
        };
        self.count("certificates_forged", 1);
        for to in to {
            let message = Message::Certificates(vec![certificate.clone()]);
            letters.push(Letter::now(*to, Frame::Consensus(message)));
        }
    }

    /// A certificate made of what was heard, which does not hold.
    pub(super) fn forged(&mut self, stand: &Stand) -> Option<Certificate> {
        let (statement, mut votes) = self.memory.any_votes(&mut self.dice)?;
        if let Some(own) = stand.sign(statement)
            && votes.iter().all(|(seat, _)| *seat != own.seat)
        {
            votes.push((own.seat, own.signature));
            votes.sort_unstable_by_key(|(seat, _)| *seat);
        }
        let (statement, votes) = match self.dice.below(6) {
            0 | 1 => (statement, short_of_a_quorum(stand, votes)),
            2 => {
                // one vote counted as often as it takes
                let mut votes = short_of_a_quorum(stand, votes);
                if let Some(vote) = votes.first().copied() {
                    votes.extend([vote; 4]);
                }
                votes.sort_unstable_by_key(|(seat, _)| *seat);
                (statement, votes)
            }
            3 => (of_a_later_view(statement), votes),
            4 => {
                // every seat has signed, each with the adversary's own signature
                let signature = stand.sign(statement)?.signature;
                let seats = stand.validators.seats();
                (statement, seats.map(|seat| (seat, signature)).collect())
            }
            _ => {
                let mut votes = votes;
                let beyond = u16::try_from(stand.validators.len()).unwrap_or(u16::MAX);
                let signature = votes.first().map(|(_, signature)| *signature)?;
                votes.push((Seat::new(beyond), signature));
                (statement, short_but_for_last(stand, votes))
            }
        };
        Some(Certificate { statement, votes })
    }
}

/// As many of the votes as weigh one less than a quorum, or as near below it as dropping one by one gets.
fn short_of_a_quorum(stand: &Stand, votes: Vec<(Seat, Signature)>) -> Vec<(Seat, Signature)> {
    let set = &stand.validators;
    let weigh = |votes: &[(Seat, Signature)]| -> u64 {
        votes.iter().map(|(seat, _)| set.weight(*seat)).sum()
    };
    // the quorum as the model has it, whatever the code under test says
    let quorum = set.total_weight() - (set.total_weight() - 1) / 3;
    let mut votes = votes;
    votes.sort_by_key(|(seat, _)| set.weight(*seat));
    while weigh(&votes) >= quorum {
        let excess = weigh(&votes) + 1 - quorum;
        let lightest_enough = votes
            .iter()
            .position(|(seat, _)| set.weight(*seat) >= excess)
            .unwrap_or(0);
        votes.remove(lightest_enough);
    }
    votes.sort_unstable_by_key(|(seat, _)| *seat);
    votes
}

/// Short of a quorum, with the last vote left as it is.
fn short_but_for_last(stand: &Stand, mut votes: Vec<(Seat, Signature)>) -> Vec<(Seat, Signature)> {
    let last = votes.pop();
    let mut votes = short_of_a_quorum(stand, votes);
    votes.extend(last);
    votes
}

fn of_a_later_view(statement: Statement) -> Statement {
    let later = |view: View| view.plus(1);
    match statement {
        Statement::Notarize { epoch, view, block } => Statement::Finalize { epoch, view, block },
        Statement::Finalize { epoch, view, block } => Statement::Notarize {
            epoch,
            view: later(view),
            block,
        },
        Statement::Nullify { epoch, view } => Statement::Nullify {
            epoch,
            view: later(view),
        },
    }
}
