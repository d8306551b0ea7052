//! Frames that are none, positions that are none, answers to nothing, and transactions that nobody can use.

use super::{Adversary, Behaviour, Letter, Lie, Stand};
use salus_consensus::message::{LIST_MAX, Message, Status};
use salus_node::wire::{Frame, Request, Response, TRANSACTIONS_MAX};
use salus_primitives::calls::{IDENTITY, STAKING, StakingCall};
use salus_primitives::certificate::Statement;
use salus_primitives::codec::{self, Blob};
use salus_primitives::crypto::sign::Signature;
use salus_primitives::evidence::Evidence;
use salus_primitives::ids::{BlockId, Epoch, Height, Seat, View};
use salus_primitives::lane::Lane;
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, SignedTransaction, TRANSACTION_MAX, Transaction};

impl Adversary {
    /// Now and then something that no honest node sends.
    pub(super) fn babble(
        &mut self,
        stand: &Stand,
        to: &[usize],
        frame: &Frame,
        letters: &mut Vec<Letter>,
    ) {
        if !self.dice.percent(8) || to.is_empty() {
            return;
        }
        self.count("garbage_sent", 1);
        let to = *self.dice.pick(to);
        let content = match self.dice.below(7) {
            0 => {
                let length = self.dice.index(300);
                Lie::Bytes(self.dice.bytes(length))
            }
            1 => {
                let mut bytes = codec::encode(frame);
                let at = self.dice.index(bytes.len());
                bytes[at] ^= 1 << self.dice.below(8);
                Lie::Bytes(bytes)
            }
            2 => {
                let mut bytes = codec::encode(frame);
                let length = self.dice.index(bytes.len());
                bytes.truncate(length);
                Lie::Bytes(bytes)
            }
            3 => match self.memory.any_certificate(&mut self.dice) {
                Some(certificate) => {
                    let many = vec![certificate; LIST_MAX + 1];
                    Lie::Frame(Frame::Consensus(Message::Certificates(many)))
                }
                None => return,
            },
            4 | 5 => Lie::Frame(Frame::Consensus(Message::Status(self.false_status(stand)))),
            _ => {
                let from = Height::new(self.dice.below(stand.final_height.get() + 3));
                let request = match self.dice.below(3) {
                    0 => Request::Range { from },
                    1 => Request::Finalization(from),
                    _ => Request::Certificates { from: View::ZERO },
                };
                for _ in 0..40 {
                    letters.push(Letter::now(to, Frame::Request(request)));
                }
                return;
            }
        };
        letters.push(Letter {
            to,
            after_ms: 0,
            content,
        });
    }

    /// A position that is none.
    fn false_status(&mut self, stand: &Stand) -> Status {
        let far = [0, 1, 9, 1_000, u64::MAX / 2];
        let far = |dice: &mut super::Dice| *dice.pick(&far);
        Status {
            epoch: Epoch::new(match self.dice.below(4) {
                0 => stand.epoch.get().saturating_add(far(&mut self.dice)),
                1 => 0,
                _ => stand.epoch.get(),
            }),
            view: stand.view.plus(far(&mut self.dice)),
            final_view: View::new(far(&mut self.dice)),
            final_height: stand.final_height.plus(far(&mut self.dice)),
            votes: Vec::new(),
            entry: self.memory.any_certificate(&mut self.dice),
        }
    }

    /// Changes what its node answers.
    pub(super) fn answer_falsely(&mut self, stand: &Stand, letters: &mut [Letter]) {
        for letter in letters {
            let Lie::Frame(Frame::Response(response)) = &mut letter.content else {
                continue;
            };
            if !self.dice.percent(50) {
                continue;
            }
            self.count("answers_falsified", 1);
            match response {
                Response::Body(block) => {
                    if self.dice.percent(50) {
                        block.transactions.pop();
                    } else {
                        block.header.time = block.header.time.plus_millis(1);
                    }
                    if let Some(first) = block.transactions.first().cloned() {
                        block.transactions.push(first);
                    }
                }
                Response::Certificates(certificates) => {
                    certificates.extend(self.forged(stand));
                }
                Response::Range {
                    blocks,
                    trail,
                    finalization,
                } => match self.dice.pick(&[0, 1, 2, 2, 2, 3, 4, 4]) {
                    0 => {
                        let at = self.dice.index(blocks.len().max(1));
                        if at < blocks.len() {
                            blocks.remove(at);
                        }
                    }
                    1 => {
                        if let Some(block) = blocks.last_mut() {
                            block.transactions.pop();
                        }
                    }
                    2 => {
                        // a chain of its own making, as long as its parents fit
                        if let Some(block) = blocks.last_mut() {
                            block.header.time = block.header.time.plus_millis(1);
                            let id = block.id();
                            let (epoch, view) = (
                                finalization.statement.epoch(),
                                finalization.statement.view(),
                            );
                            finalization.statement =
                                salus_primitives::certificate::Statement::Finalize {
                                    epoch,
                                    view,
                                    block: id,
                                };
                        }
                    }
                    3 => {
                        finalization.votes.truncate(1);
                    }
                    // the last blocks as headers only, of which one may be another
                    _ => {
                        let from = blocks.len().min(1 + self.dice.index(blocks.len().max(1)));
                        let rest = blocks.split_off(from);
                        trail.splice(0..0, rest.into_iter().map(|block| block.header));
                        if self.dice.percent(50)
                            && let Some(header) = trail.first_mut()
                        {
                            header.time = header.time.plus_millis(1);
                        }
                    }
                },
                Response::Diagnosis(_) => {}
            }
        }
    }

    /// Forwards what nobody can use.
    pub(super) fn send_transactions(
        &mut self,
        stand: &Stand,
        to: &[usize],
        letters: &mut Vec<Letter>,
    ) {
        if !self.dice.percent(15) || to.is_empty() {
            return;
        }
        let height = stand.final_height;
        let window = stand.genesis.parameters.window_blocks;
        let mut transactions = Vec::new();
        for _ in 0..self.dice.between(1, 5) {
            let until = match self.dice.below(5) {
                0 => height,
                1 => height.plus(1),
                2 => height.plus(window + 1 + self.dice.below(4)),
                _ => height.plus(window / 2),
            };
            let mut transaction = self.transaction(stand, until);
            match self.dice.below(4) {
                0 => transaction.signature.0[7] ^= 1,
                1 => transaction.body.sender.0 = [2; 32],
                _ => {}
            }
            transactions.push(transaction);
        }
        let old = self.memory.blocks();
        let old = old.flat_map(|(_, block)| block.transactions.iter()).take(6);
        transactions.extend(old.cloned());
        if self.behaviours.contains(&Behaviour::Garbage) && self.dice.percent(5) {
            let first = transactions[0].clone();
            transactions = vec![first; TRANSACTIONS_MAX + 1];
        }
        if self.dice.percent(10) {
            transactions.push(self.forged_report(stand, height.plus(window / 2)));
        }
        if self.dice.percent(3) {
            transactions = vec![self.huge(stand, height.plus(window / 2))];
        }
        self.count("bad_transactions_sent", transactions.len() as u64);
        let to = *self.dice.pick(to);
        letters.push(Letter::now(to, Frame::Transactions(transactions)));
    }

    /// A transaction by its own operator, sometimes in the name of another member.
    pub(super) fn transaction(&mut self, stand: &Stand, until: Height) -> SignedTransaction {
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&self.dice.bytes(16));
        let entity = if self.dice.percent(25) {
            self.dice.pick(stand.validators.validators()).entity
        } else {
            self.entity
        };
        let body = Transaction {
            genesis: stand.genesis.hash,
            sender: self.operator.public(),
            entity,
            lane: *self.dice.pick(&Lane::ALL),
            valid_until: until,
            nonce,
            call: Call {
                contract: IDENTITY,
                payload: Blob(self.dice.bytes(8)),
            },
        };
        Signed::sign(body, stand.genesis.hash, &self.operator).into_signed()
    }

    /// Larger than any block's, for the most urgent lane.
    fn huge(&mut self, stand: &Stand, until: Height) -> SignedTransaction {
        let mut body = self.transaction(stand, until).body;
        body.lane = Lane::Emergency;
        body.call.payload = Blob(self.dice.bytes(TRANSACTION_MAX));
        Signed::sign(body, stand.genesis.hash, &self.operator).into_signed()
    }

    /// A contradiction that some seat never signed.
    fn forged_report(&mut self, stand: &Stand, until: Height) -> SignedTransaction {
        let seats = u16::try_from(stand.validators.len()).unwrap_or(u16::MAX);
        let seat = Seat::new(u16::try_from(self.dice.below(seats.into())).unwrap_or(0));
        let (epoch, view) = (stand.epoch, View::new(1 + self.dice.below(40)));
        let mut vote = |block: u8| {
            let mut signature = Signature([0; 64]);
            signature.0.copy_from_slice(&self.dice.bytes(64));
            Signed {
                body: Statement::Notarize {
                    epoch,
                    view,
                    block: BlockId([block; 32]),
                },
                signature,
            }
        };
        let report = StakingCall::Report(Box::new(Evidence::new(seat, vote(1), vote(2))));
        let mut body = self.transaction(stand, until).body;
        body.lane = Lane::Routine;
        body.call = Call::new(STAKING, &report);
        Signed::sign(body, stand.genesis.hash, &self.operator).into_signed()
    }
}
