//! A validator that says something else of the others than what its node saw of them.

use super::{Adversary, Letter, Lie, Stand, VIEWS_KEPT};
use salus_node::wire::Frame;
use salus_primitives::calls::{Observed, ObservedSeat, STAKING, StakingCall};
use salus_primitives::codec;
use salus_primitives::lanes::{RATE_KBPS_MAX, RESPONSE_US_MAX};
use salus_primitives::signed::Signed;
use salus_primitives::transaction::{Call, SignedTransaction, TRANSACTION_MAX};

impl Adversary {
    /// Puts a lie in the place of its node's report, the same one for everybody.
    pub(super) fn misreport(&mut self, stand: &Stand, letters: &mut [Letter]) {
        for letter in letters {
            let Lie::Frame(Frame::Transactions(transactions)) = &mut letter.content else {
                continue;
            };
            for transaction in transactions {
                if let Some(lie) = self.lie_for(stand, transaction) {
                    *transaction = lie;
                }
            }
        }
        while self.misreported.len() > VIEWS_KEPT {
            self.misreported.pop_first();
        }
    }

    fn lie_for(&mut self, stand: &Stand, truth: &SignedTransaction) -> Option<SignedTransaction> {
        let signers = self.signers.iter();
        let signer = signers
            .into_iter()
            .find(|signer| signer.public() == truth.body.sender)?
            .clone();
        let id = truth.body.id();
        if let Some(lie) = self.misreported.get(&id) {
            return Some(lie.clone());
        }
        if truth.body.call.contract != STAKING {
            return None;
        }
        let payload = truth.body.call.payload.as_slice();
        let call = codec::decode::<StakingCall>(payload, TRANSACTION_MAX).ok()?;
        let StakingCall::Observe(observed) = call else {
            return None;
        };
        let mut body = truth.body.clone();
        body.call = Call::new(STAKING, &StakingCall::Observe(self.falsified(observed)));
        let lie = Signed::sign(body, stand.genesis.hash, &signer).into_signed();
        // its own node sends the lie on from now on, if the lie comes back to it
        self.misreported.insert(lie.body.id(), lie.clone());
        self.misreported.insert(id, lie.clone());
        self.count("reports_falsified", 1);
        Some(lie)
    }

    /// All fast, all slow, nothing, or anything; and votes that were not there.
    fn falsified(&mut self, mut observed: Observed) -> Observed {
        let way = self.dice.below(4);
        let views = observed.views;
        for seat in &mut observed.seats {
            let votes = *self.dice.pick(&[0, views, seat.votes]);
            let any = |dice: &mut super::Dice, most: u32| {
                let value = 1 + dice.below(most.into());
                dice.percent(80)
                    .then(|| u32::try_from(value).unwrap_or(most))
            };
            let (response_us, rate_kbps) = match way {
                0 => (Some(1), Some(RATE_KBPS_MAX)),
                1 => (Some(RESPONSE_US_MAX), Some(1)),
                2 => (None, None),
                _ => (
                    any(&mut self.dice, RESPONSE_US_MAX),
                    any(&mut self.dice, RATE_KBPS_MAX),
                ),
            };
            *seat = ObservedSeat {
                votes,
                response_us,
                rate_kbps,
            };
        }
        observed
    }
}
