//! Which lane the next block is for.

use salus_consensus::clock::Monotonic;
use salus_primitives::lane::Lane;
use salus_primitives::lanes::EpochLanes;

/// Since when the oldest transaction of each lane waits, in the order of [`Lane::ALL`]; nothing for a lane in which none waits.
pub type Waiting = [Option<Monotonic>; 4];

/// The order in which lanes get blocks: the most urgent lane in which something waits goes first, and each lane in which something
/// waits *earns* hundredths of a block from every block that is made, its `reserved_percent`, or 50 once its oldest transaction has
/// waited for longer than `wait_max_ms`. With a whole block earned it is *due*, and gets the next one, which it pays for; of several
/// that are due, the one that was passed over for the most blocks. After a block for a lower lane the next is the most urgent
/// lane's again, and costs it nothing but what it had earned.
///
/// Empty blocks do not count. So, in blocks with transactions made by managers that keep to this and see the same waiting:
/// - the most urgent lane in which something waits gets at least every second block: an emergency waits for one block of a lower
///   lane at most;
/// - a lane with a reserved share of `r` percent has its turn at the latest with block `ceil(100/r) + 6` after it had its last, and
///   one that has waited for longer than `wait_max_ms` with the eighth after that, whatever waits above and beside it. (Earning takes
///   `ceil(100/r)` blocks, or two. Two lanes at most were passed over for longer. A turn takes two blocks, and one of the turns a
///   third if more urgent lanes begin to wait meanwhile, one above the other.)
/// - as long as no lane has waited for longer than `wait_max_ms`, of any hundred blocks made while a lane waits it gets its reserved
///   share, less three. When others have waited too long, lower lanes that are due share every second block evenly, whatever they
///   have reserved.
///
/// No lane waits for its block to fill. Waiting adds to every latency, and saves only in the paper's cost, which is a score here:
/// every validator checks everything all the same. Under load blocks fill by themselves.
///
/// Local to a manager: what waits differs from node to node, so nobody is held to it. Counts the blocks of all managers, so that a
/// lane's turn does not depend on how often this node makes blocks.
#[derive(Clone, Debug, Default)]
pub struct LaneTurns {
    claims: [Claim; 4],
    /// The lane of the latest block.
    latest: Option<Lane>,
}

/// What a lane has a right to.
#[derive(Clone, Copy, Debug, Default)]
struct Claim {
    /// Hundredths of a block.
    earned: u32,
    /// Blocks made for other lanes while it waited, since its last turn.
    passed_over: u64,
}

/// What a block costs: all its hundredths.
const BLOCK: u32 = 100;
/// Most that a lane can have earned. Without a lane that has waited for too long less than this is ever earned: one block, and
/// 50 hundredths from each of the six blocks until its turn.
const EARNED_MAX: u32 = 4 * BLOCK;
/// What a lane earns that has waited for too long.
const OVERDUE: u32 = 50;

impl LaneTurns {
    /// The lane that the next block should be for; none if nothing waits.
    #[must_use]
    pub fn next(&self, waiting: &Waiting) -> Option<Lane> {
        let lanes = || {
            Lane::ALL
                .into_iter()
                .filter(|lane| waiting[lane.index()].is_some())
        };
        let first = lanes().next()?;
        if self.latest.is_some_and(|latest| latest > first) {
            return Some(first);
        }
        // the first one too, in whose place others have had turns
        let due = lanes()
            .filter(|lane| self.claims[lane.index()].earned >= BLOCK)
            // of equals the last is the greatest: the most urgent one
            .rev()
            .max_by_key(|lane| self.claims[lane.index()].passed_over);
        Some(due.unwrap_or(first))
    }

    /// A block with transactions was made for `lane`, and this waits beside them.
    pub fn made(&mut self, lane: Lane, now: Monotonic, waiting: &Waiting, lanes: &EpochLanes) {
        let first = Lane::ALL
            .into_iter()
            .find(|it| *it == lane || waiting[it.index()].is_some())
            .unwrap_or(lane);
        for other in Lane::ALL {
            let claim = &mut self.claims[other.index()];
            let served = other == lane;
            let Some(since) = waiting[other.index()].filter(|_| !served || other > first) else {
                // nothing is left of it, or it came first and owes nothing
                *claim = Claim::default();
                continue;
            };
            let rate = lanes.lane(other).map_or(0, |lane| {
                let overdue = now.millis_since(since) > lane.parameters.wait_max_ms.into();
                if overdue {
                    OVERDUE
                } else {
                    lane.parameters.reserved_percent.into()
                }
            });
            claim.earned = (claim.earned + rate).min(EARNED_MAX);
            if served {
                claim.earned = claim.earned.saturating_sub(BLOCK);
                claim.passed_over = 0;
            } else {
                claim.passed_over += 1;
            }
        }
        self.latest = Some(lane);
    }
}

#[cfg(test)]
mod tests;
