//! What genesis fixes for a whole chain. Part of the authenticated state, so that every node and light client agrees.

use crate::ids::{Epoch, Height};
use serde::{Deserialize, Serialize};

/// Parameters of consensus and admission. Those of lanes are governed: [`BlockPolicy`](crate::lanes::BlockPolicy).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainParameters {
    /// Consecutive views with one block manager.
    pub tenure: u64,
    /// The assumed bound on one message's way, in milliseconds; timers are multiples of it.
    pub delta_ms: u64,
    /// What delta grows to at most on consecutive failed terms, in milliseconds.
    pub delta_max_ms: u64,
    /// After how many silent terms in a row a manager is passed over at once.
    pub skip_after: u64,
    /// After how many milliseconds without a block an empty one is made.
    pub heartbeat_ms: u64,
    /// How many blocks ahead `valid_until` may lie; how long transaction ids are remembered.
    pub window_blocks: u64,
    /// Most bytes of encoded transactions in a block.
    pub block_bytes: u64,
    /// Blocks in an epoch: epoch `e` ends with the block of height `e * epoch_blocks`.
    pub epoch_blocks: u64,
    /// Most seats of an elected set. More than there are candidates means all.
    pub seats: u16,
    /// How many blocks a proposal of governance stays open.
    pub proposal_blocks: u64,
}

impl ChainParameters {
    /// The epoch whose block has this height; genesis alone is epoch 0.
    #[must_use]
    pub const fn epoch_at(&self, height: Height) -> Epoch {
        Epoch::new(height.get().div_ceil(self.epoch_length()))
    }

    /// The height of an epoch's last block.
    #[must_use]
    pub const fn last_height(&self, epoch: Epoch) -> Height {
        Height::new(epoch.get().saturating_mul(self.epoch_length()))
    }

    /// The epoch that ends with the block of this height, if one does.
    #[must_use]
    pub const fn epoch_ending_at(&self, height: Height) -> Option<Epoch> {
        if height.get().is_multiple_of(self.epoch_length()) {
            Some(self.epoch_at(height))
        } else {
            None
        }
    }

    /// Genesis is refused with a length of zero.
    const fn epoch_length(&self) -> u64 {
        if self.epoch_blocks == 0 {
            1
        } else {
            self.epoch_blocks
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_ends_at_its_multiple_and_the_next_block_is_the_next_epochs() {
        let parameters = ChainParameters {
            tenure: 8,
            delta_ms: 250,
            delta_max_ms: 4000,
            skip_after: 2,
            heartbeat_ms: 10_000,
            window_blocks: 4096,
            block_bytes: 1 << 20,
            epoch_blocks: 10,
            seats: 4,
            proposal_blocks: 100,
        };

        for (height, epoch, ends) in [
            (0, 0, true),
            (1, 1, false),
            (9, 1, false),
            (10, 1, true),
            (11, 2, false),
            (20, 2, true),
        ] {
            let (height, epoch) = (Height::new(height), Epoch::new(epoch));
            assert_eq!(parameters.epoch_at(height), epoch, "{height}");
            assert_eq!(parameters.epoch_ending_at(height), ends.then_some(epoch));
            assert_eq!(parameters.last_height(epoch) == height, ends);
        }
        assert_eq!(parameters.epoch_ending_at(Height::new(u64::MAX)), None);
    }
}
