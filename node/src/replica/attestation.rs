//! Who of a block's committee has notarised it: its attestation (DESIGN section 5).
//!
//! The committee's own notarise votes are all there is to it. They reach every node anyway, so every node gathers them: those that the
//! engine counts, and those that come after the engine has no use for them, because a quorum was faster than the committee. Of late votes
//! only what is still wanted has its signature checked, each seat's once a view; a wrong one is its sender's fault.
//!
//! An attestation is of one view. A block is proposed in one view only, but for the last block of an epoch (E3), whose committee
//! may attest it in several.

use super::attendance::votes_of;
use super::{Effect, Replica};
use salus_consensus::clock::Now;
use salus_consensus::message::{LIST_MAX, Message, Peer};
use salus_consensus::vote::{VerifiedVote, Vote};
use salus_primitives::block::Header;
use salus_primitives::certificate::Statement;
use salus_primitives::crypto::sign::Signature;
use salus_primitives::ids::{BlockId, Epoch, Height, Seat, View};
use salus_primitives::validators::ValidatorSet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The committees' votes of this epoch's latest views, and of the last views of the epoch before: its last blocks may be final before
/// their committees have voted.
#[derive(Debug)]
pub(super) struct Attestations {
    present: Gathering,
    before: Option<Gathering>,
}

/// One epoch's.
#[derive(Debug)]
struct Gathering {
    validators: Arc<ValidatorSet>,
    /// The latest view this node was in.
    view: View,
    /// Each seat's first notarise vote in a view.
    votes: BTreeMap<View, BTreeMap<Seat, (BlockId, Signature)>>,
    /// Blocks that this node, or a quorum, has found valid: what their headers say of their committees is so.
    subjects: BTreeMap<BlockId, Subject>,
}

#[derive(Debug)]
struct Subject {
    height: Height,
    view: View,
    /// Whether it is the last block of its epoch, which may be named again in later views.
    is_last: bool,
    /// Ascending.
    committee: Vec<Seat>,
}

/// How many views behind the present one votes are waited for. Each takes 100 bytes a seat.
const BEHIND: u64 = 64;
/// How many views ahead of the present one votes are kept: as many as the engine counts.
const AHEAD: u64 = 64;

impl Attestations {
    pub(super) const fn new(validators: Arc<ValidatorSet>) -> Self {
        Self {
            present: Gathering::new(validators),
            before: None,
        }
    }

    /// The next epoch has begun, with these validators.
    pub(super) fn begin_epoch(&mut self, validators: Arc<ValidatorSet>) {
        let ended = std::mem::replace(&mut self.present, Gathering::new(validators));
        self.before = Some(ended);
    }

    /// A block was found valid. Tells who has attested it already.
    pub(super) fn learn(&mut self, id: BlockId, header: &Header, effects: &mut Vec<Effect>) {
        if header.epoch != self.present.epoch() || self.present.subjects.contains_key(&id) {
            return;
        }
        let subject = Subject {
            height: header.height,
            view: header.view,
            is_last: header.next_epoch.is_some(),
            committee: header.config.committee.clone(),
        };
        self.present.subjects.insert(id, subject);
        let views: Vec<View> = self.present.votes.keys().copied().collect();
        for view in views {
            self.present.tell_all(&id, view, effects);
        }
    }

    /// Counts a vote whose signature was checked. Counting it again changes nothing.
    pub(super) fn count(&mut self, vote: &VerifiedVote, effects: &mut Vec<Effect>) {
        let epoch = vote.statement().epoch();
        if let Some(gathering) = self.of_epoch_mut(epoch) {
            gathering.count(vote, effects);
        }
    }

    /// This node is in a view of the present epoch: what lies far behind it is waited for no more.
    pub(super) fn enter(&mut self, view: View) {
        self.present.enter(view);
    }

    /// The validators to check a late vote with, if it is of a committee's member that has not been heard in its view.
    fn wants(&self, vote: &Vote) -> Option<&Arc<ValidatorSet>> {
        [Some(&self.present), self.before.as_ref()]
            .into_iter()
            .flatten()
            .find(|gathering| gathering.epoch() == vote.statement.epoch())
            .filter(|gathering| gathering.wants(vote))
            .map(|gathering| &gathering.validators)
    }

    fn of_epoch_mut(&mut self, epoch: Epoch) -> Option<&mut Gathering> {
        [Some(&mut self.present), self.before.as_mut()]
            .into_iter()
            .flatten()
            .find(|gathering| gathering.epoch() == epoch)
    }
}

impl Gathering {
    const fn new(validators: Arc<ValidatorSet>) -> Self {
        Self {
            validators,
            view: View::ZERO,
            votes: BTreeMap::new(),
            subjects: BTreeMap::new(),
        }
    }

    fn epoch(&self) -> Epoch {
        self.validators.epoch()
    }

    fn oldest(&self) -> View {
        View::new(self.view.get().saturating_sub(BEHIND))
    }

    fn enter(&mut self, view: View) {
        if view <= self.view {
            return;
        }
        self.view = view;
        let oldest = self.oldest();
        self.votes = self.votes.split_off(&oldest);
        self.subjects.retain(|_, subject| subject.view >= oldest);
    }

    fn is_waited_for(&self, view: View) -> bool {
        view >= self.oldest() && view <= self.view.plus(AHEAD)
    }

    fn wants(&self, vote: &Vote) -> bool {
        let Statement::Notarize { view, block, .. } = vote.statement else {
            return false;
        };
        let heard = |seats: &BTreeMap<Seat, _>| seats.contains_key(&vote.seat);
        self.is_waited_for(view)
            && !self.votes.get(&view).is_some_and(heard)
            && self.subjects.get(&block).is_some_and(|subject| {
                subject.is_voted_on_in(view) && subject.committee.binary_search(&vote.seat).is_ok()
            })
    }

    fn count(&mut self, vote: &VerifiedVote, effects: &mut Vec<Effect>) {
        let Statement::Notarize { view, block, .. } = *vote.statement() else {
            return;
        };
        if !self.is_waited_for(view) {
            return;
        }
        let seats = self.votes.entry(view).or_default();
        if seats.contains_key(&vote.seat()) {
            return;
        }
        seats.insert(vote.seat(), (block, vote.vote().signature));
        if let Some(subject) = self.subjects.get(&block) {
            effects.extend(subject.attested(block, view, vote.seat(), seats));
        }
    }

    /// Tells of all votes for a block in a view, as if they came one after the other.
    fn tell_all(&self, id: &BlockId, view: View, effects: &mut Vec<Effect>) {
        let (Some(subject), Some(seats)) = (self.subjects.get(id), self.votes.get(&view)) else {
            return;
        };
        let mut heard = BTreeMap::new();
        for (seat, vote) in seats.iter().filter(|(_, (block, _))| block == id) {
            heard.insert(*seat, *vote);
            effects.extend(subject.attested(*id, view, *seat, &heard));
        }
    }
}

impl Subject {
    /// Whether a vote of this view attests it. A liar may sign for any block in any view, and that is no attestation.
    const fn is_voted_on_in(&self, view: View) -> bool {
        let (own, view) = (self.view.get(), view.get());
        view == own || self.is_last && view > own
    }

    /// What `seat`'s vote adds to the block's attestation in a view; nothing, unless it is in the committee.
    fn attested(
        &self,
        block: BlockId,
        view: View,
        seat: Seat,
        seats: &BTreeMap<Seat, (BlockId, Signature)>,
    ) -> Option<Effect> {
        if !self.is_voted_on_in(view) {
            return None;
        }
        let voted = |seat: &Seat| seats.get(seat).filter(|(named, _)| *named == block);
        self.committee.binary_search(&seat).ok()?;
        let (_, signature) = voted(&seat)?;
        let votes = self.committee.iter().filter(|seat| voted(seat).is_some());
        Some(Effect::Attested {
            block,
            height: self.height,
            view,
            vote: (seat, *signature),
            votes: votes.count(),
            verifiers: self.committee.len(),
        })
    }
}

impl Replica {
    /// Looks in a message for votes of committees that the engine would not look at: those of views that are final, in the epoch before
    /// too, and those in certificates of what is known to be notarised. False if one of them is not genuine.
    pub(super) fn gather_late(
        &mut self,
        now: Now,
        from: Peer,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let late: Vec<Vote> = match message {
            Message::Certificates(certificates) => certificates
                .iter()
                .take(LIST_MAX)
                .filter(|certificate| self.engine.knows(&certificate.statement))
                .flat_map(|certificate| {
                    let statement = certificate.statement;
                    certificate.votes.iter().map(move |(seat, signature)| Vote {
                        seat: *seat,
                        statement,
                        signature: *signature,
                    })
                })
                .filter(|vote| self.attestations.wants(vote).is_some())
                .collect(),
            Message::Proposal(_) | Message::Vote { .. } | Message::Status(_) => votes_of(message)
                .iter()
                .filter(|vote| {
                    vote.statement.epoch() < self.engine.epoch()
                        || vote.statement.view() <= self.engine.final_view()
                })
                .filter(|vote| self.attestations.wants(vote).is_some())
                .copied()
                .collect(),
        };
        for vote in late {
            // wanted once: a list may hold it twice
            let Some(validators) = self.attestations.wants(&vote) else {
                continue;
            };
            match vote.verify(self.proposer.genesis, validators) {
                Ok(vote) => self.attestations.count(&vote, effects),
                Err(error) => {
                    self.fault(now, from, &error, effects);
                    return false;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salus_primitives::block::BlockConfig;
    use salus_primitives::crypto::sign::{PublicKey, SecretKey};
    use salus_primitives::hash::Digest;
    use salus_primitives::ids::{EntityId, GenesisHash};
    use salus_primitives::lane::Lane;
    use salus_primitives::state::StateRoot;
    use salus_primitives::time::Timestamp;
    use salus_primitives::validators::Validator;

    const GENESIS: GenesisHash = GenesisHash([1; 32]);

    fn key(epoch: u8, seat: u8) -> SecretKey {
        SecretKey::from_seed([epoch * 16 + seat; 32])
    }

    /// Five equal seats.
    fn validators(epoch: u8) -> Arc<ValidatorSet> {
        let validators = (0..5)
            .map(|n| Validator {
                entity: EntityId([n; 32]),
                key: key(epoch, n).public(),
                network_key: PublicKey([n + 100; 32]),
                weight: 1,
            })
            .collect();
        Arc::new(ValidatorSet::new(Epoch::new(epoch.into()), validators).expect("legal"))
    }

    /// A header with a committee of the seats 0, 2 and 4.
    fn header(epoch: u64, view: u64) -> Header {
        Header {
            height: Height::new(view),
            epoch: Epoch::new(epoch),
            view: View::new(view),
            parent: BlockId([1; 32]),
            time: Timestamp::from_millis(view),
            manager: Seat::new(1),
            lane: Lane::Emergency,
            config: BlockConfig {
                verifier_count: 3,
                transaction_limit: 8,
                committee: [0, 2, 4].map(Seat::new).to_vec(),
            },
            transaction_count: 0,
            transaction_root: Digest::default(),
            parent_state_root: StateRoot::default(),
            parent_receipt_root: Digest::default(),
            next_epoch: None,
        }
    }

    fn vote(epoch: u8, seat: u8, view: u64, block: BlockId) -> VerifiedVote {
        let statement = Statement::Notarize {
            epoch: Epoch::new(epoch.into()),
            view: View::new(view),
            block,
        };
        let signer = key(epoch, seat).signer();
        VerifiedVote::sign(statement, Seat::new(seat.into()), GENESIS, &signer)
    }

    /// Who was told to have attested, in which view, as how many of how many.
    fn told(effects: &[Effect]) -> Vec<(u16, u64, usize, usize)> {
        let attested = effects.iter().filter_map(|effect| match effect {
            Effect::Attested {
                view,
                vote,
                votes,
                verifiers,
                ..
            } => Some((vote.0.get(), view.get(), *votes, *verifiers)),
            _ => None,
        });
        attested.collect()
    }

    fn count(
        attestations: &mut Attestations,
        votes: &[VerifiedVote],
    ) -> Vec<(u16, u64, usize, usize)> {
        let mut effects = Vec::new();
        for vote in votes {
            attestations.count(vote, &mut effects);
        }
        told(&effects)
    }

    #[test]
    fn each_member_is_told_of_once_and_nobody_else() {
        let header = header(1, 3);
        let block = header.id();
        let mut attestations = Attestations::new(validators(1));
        attestations.learn(block, &header, &mut Vec::new());

        let votes = [2, 1, 2, 0, 3, 4, 0].map(|seat| vote(1, seat, 3, block));

        let expected = [(2, 3, 1, 3), (0, 3, 2, 3), (4, 3, 3, 3)];
        assert_eq!(count(&mut attestations, &votes), expected);
    }

    /// Votes overtake large proposals: what was said of a block before it is known is told when it is, once.
    #[test]
    fn votes_that_come_before_their_block_count() {
        let header = header(1, 3);
        let block = header.id();
        let mut attestations = Attestations::new(validators(1));
        let votes = [4, 1, 0].map(|seat| vote(1, seat, 3, block));
        assert_eq!(count(&mut attestations, &votes), []);

        let mut effects = Vec::new();
        attestations.learn(block, &header, &mut effects);
        attestations.learn(block, &header, &mut effects);

        assert_eq!(told(&effects), [(0, 3, 1, 3), (4, 3, 2, 3)]);
    }

    /// The last block of an epoch is proposed again; votes of two views are no attestation together.
    #[test]
    fn votes_of_different_views_do_not_add_up() {
        let header = Header {
            next_epoch: Some(Digest::default()),
            ..header(1, 3)
        };
        let block = header.id();
        let mut attestations = Attestations::new(validators(1));
        attestations.learn(block, &header, &mut Vec::new());

        let votes = [(0, 3), (2, 9), (4, 3), (0, 9)];
        let votes = votes.map(|(seat, view)| vote(1, seat, view, block));

        let expected = [(0, 3, 1, 3), (2, 9, 1, 3), (4, 3, 2, 3), (0, 9, 2, 3)];
        assert_eq!(count(&mut attestations, &votes), expected);
    }

    /// A faulty member that signs for a block in a view that it was not proposed in attests nothing.
    #[test]
    fn a_vote_of_another_view_than_the_blocks_is_no_attestation() {
        let header = header(1, 3);
        let block = header.id();
        let mut attestations = Attestations::new(validators(1));
        attestations.enter(View::new(4));
        attestations.learn(block, &header, &mut Vec::new());

        for view in [2, 4] {
            let vote = vote(1, 0, view, block);
            assert!(attestations.wants(vote.vote()).is_none());
            assert_eq!(count(&mut attestations, &[vote]), []);
        }
    }

    /// A member that votes twice in a view is counted for the block that it named first.
    #[test]
    fn a_double_vote_counts_once() {
        let (one, other) = (
            header(1, 3),
            Header {
                manager: Seat::new(2),
                ..header(1, 3)
            },
        );
        let mut attestations = Attestations::new(validators(1));
        for header in [&one, &other] {
            attestations.learn(header.id(), header, &mut Vec::new());
        }

        let votes = [vote(1, 0, 3, one.id()), vote(1, 0, 3, other.id())];

        assert_eq!(count(&mut attestations, &votes), [(0, 3, 1, 3)]);
    }

    /// A signature is worth checking only for a member of a known block's committee that has not been heard in the view.
    #[test]
    fn only_what_is_missing_is_wanted() {
        let header = header(1, 3);
        let block = header.id();
        let mut attestations = Attestations::new(validators(1));
        attestations.enter(View::new(5));
        let wants = |attestations: &Attestations, seat, view, block| {
            attestations
                .wants(vote(1, seat, view, block).vote())
                .is_some()
        };
        assert!(!wants(&attestations, 0, 3, block), "an unknown block");

        attestations.learn(block, &header, &mut Vec::new());
        count(&mut attestations, &[vote(1, 2, 3, block)]);

        assert!(wants(&attestations, 0, 3, block));
        assert!(!wants(&attestations, 2, 3, block), "heard");
        assert!(!wants(&attestations, 1, 3, block), "no member");
        assert!(!wants(&attestations, 0, 5 + AHEAD + 1, block), "far ahead");
        let other = vote(2, 0, 3, block);
        assert!(attestations.wants(other.vote()).is_none(), "another epoch");
        attestations.enter(View::new(3 + BEHIND));
        assert!(wants(&attestations, 0, 3, block));
        attestations.enter(View::new(4 + BEHIND));
        assert!(!wants(&attestations, 0, 3, block), "too late");
    }

    /// The last blocks of an epoch are final before all have voted for them: votes for them count in the next epoch, with the keys of
    /// their own, and no longer than that.
    #[test]
    fn votes_of_the_epoch_before_count() {
        let header = header(1, 3);
        let block = header.id();
        let mut attestations = Attestations::new(validators(1));
        attestations.learn(block, &header, &mut Vec::new());
        count(&mut attestations, &[vote(1, 0, 3, block)]);

        attestations.begin_epoch(validators(2));

        let late = vote(1, 2, 3, block);
        let set = attestations.wants(late.vote()).expect("wanted");
        assert!(late.vote().verify(GENESIS, set).is_ok());
        assert_eq!(count(&mut attestations, &[late]), [(2, 3, 2, 3)]);
        attestations.begin_epoch(validators(3));
        assert!(attestations.wants(vote(1, 4, 3, block).vote()).is_none());
    }

    /// A member that signs for any views and blocks takes a bounded room.
    #[test]
    fn votes_of_any_view_take_bounded_memory() {
        let mut attestations = Attestations::new(validators(1));
        for present in 0..300 {
            attestations.enter(View::new(present));
            for ahead in [0, 1, 63, 64, 65, 1 << 40] {
                let header = header(1, present);
                attestations.learn(header.id(), &header, &mut Vec::new());
                let block = BlockId([ahead as u8; 32]);
                count(&mut attestations, &[vote(1, 0, present + ahead, block)]);
            }
        }

        let present = &attestations.present;
        assert!(present.votes.len() as u64 <= BEHIND + AHEAD + 1);
        assert!(present.subjects.len() as u64 <= BEHIND + 1);
    }
}
