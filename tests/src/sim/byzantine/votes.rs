//! Votes that no honest member signs.

use super::{Adversary, Letter, Lie, Stand, vote_frame};
use salus_consensus::message::Message;
use salus_consensus::vote::Vote;
use salus_node::wire::Frame;
use salus_primitives::certificate::Statement;
use salus_primitives::ids::{BlockId, View};

impl Adversary {
    /// Beside its node's vote, one that this excludes: for some, and now and then in what it says again every delta.
    pub(super) fn vote_twice(&mut self, stand: &Stand, frame: &Frame, letters: &mut Vec<Letter>) {
        let own: Vec<Vote> = match frame {
            Frame::Consensus(Message::Vote { vote, .. }) => vec![*vote],
            Frame::Consensus(Message::Proposal(proposal)) => vec![proposal.vote],
            Frame::Consensus(Message::Status(status)) if self.dice.percent(30) => {
                status.votes.clone()
            }
            _ => return,
        };
        let other: Vec<Frame> = own
            .iter()
            .filter_map(|vote| self.contradiction(stand, vote.statement))
            .filter_map(|statement| stand.sign(statement))
            .map(vote_frame)
            .collect();
        if other.is_empty() {
            return;
        }
        let some = self.dice.between(20, 100);
        let mut extra = Vec::new();
        letters.retain(|letter| {
            if !self.dice.percent(some) {
                return true;
            }
            extra.extend(
                other
                    .iter()
                    .cloned()
                    .map(|frame| Letter::now(letter.to, frame)),
            );
            // to these, it may be all they hear
            self.dice.percent(50)
        });
        self.count("votes_doubled", extra.len() as u64);
        letters.extend(extra);
    }

    /// Something that excludes a statement.
    fn contradiction(&mut self, stand: &Stand, statement: Statement) -> Option<Statement> {
        let (epoch, view) = (statement.epoch(), statement.view());
        let known = self.memory.proposed_in(epoch, view);
        let mut another = |than: BlockId| {
            let other = known.iter().copied().find(|id| *id != than);
            match other {
                Some(other) => Some(other),
                None if self.dice.percent(30) => {
                    let mut id = than;
                    id.0[0] ^= 1;
                    Some(id)
                }
                None => None,
            }
        };
        match statement {
            Statement::Notarize { block, .. } => {
                let block = another(block)?;
                Some(Statement::Notarize { epoch, view, block })
            }
            Statement::Finalize { block, .. } => {
                if self.dice.percent(60) {
                    return Some(Statement::Nullify { epoch, view });
                }
                let block = known.iter().copied().find(|id| *id != block)?;
                Some(Statement::Finalize { epoch, view, block })
            }
            Statement::Nullify { .. } => {
                let last = view.get().div_ceil(stand.tenure()) * stand.tenure();
                (view.get()..=last).map(View::new).find_map(|view| {
                    let block = self.memory.proposed_in(epoch, view).into_iter().next()?;
                    Some(Statement::Finalize { epoch, view, block })
                })
            }
        }
    }

    /// Gives up views near and far, with the entry certificate of another.
    pub(super) fn nullify_ahead(&mut self, stand: &Stand, to: &[usize], letters: &mut Vec<Letter>) {
        if !self.dice.percent(25) {
            return;
        }
        let (epoch, present) = (stand.epoch, stand.view.get());
        let first_of_next = present.div_ceil(stand.tenure()) * stand.tenure() + 1;
        let views = [
            present,
            present + 1,
            first_of_next,
            first_of_next + stand.tenure(),
            present + self.dice.below(64),
            present + 64,
            present + 65,
            present.saturating_sub(1 + self.dice.below(8)).max(1),
            u64::MAX,
        ];
        for _ in 0..self.dice.between(1, 6) {
            let view = View::new(*self.dice.pick(&views));
            let Some(vote) = stand.sign(Statement::Nullify { epoch, view }) else {
                return;
            };
            let entry = self
                .memory
                .any_certificate(&mut self.dice)
                .filter(|_| self.dice.percent(30));
            self.count("views_nullified_in_spam", 1);
            for to in to {
                let entry = entry.clone();
                let frame = Frame::Consensus(Message::Vote { vote, entry });
                letters.push(Letter::now(*to, frame));
            }
        }
    }

    /// Its votes, signed with a key that the set does not name.
    pub(super) fn use_other_keys(&mut self, stand: &Stand, letters: &mut [Letter]) {
        let Some(voter) = &stand.voter else {
            return;
        };
        let mut signed = 0;
        for letter in letters {
            let Lie::Frame(Frame::Consensus(message)) = &mut letter.content else {
                continue;
            };
            let vote = match message {
                Message::Vote { vote, .. } => vote,
                Message::Proposal(proposal) => &mut proposal.vote,
                Message::Certificates(_) | Message::Status(_) => continue,
            };
            if self.dice.percent(20) {
                let signer = self.dice.pick(&self.signers);
                *vote = stand.sign_with(vote.statement, voter, signer);
                signed += 1;
            }
        }
        self.count("votes_under_other_keys", signed);
    }
}
