//! What adaptation is worth: latency and cost by lane, policy against policy, in virtual time.
//!
//! Nodes are those of the [simulator](crate::sim): the production replica, execution and ledger. Around them stands a [`world`] with distances,
//! uplinks and processors of stated speed, counted in microseconds. Nothing fails here; the simulator's properties are checked all the
//! same. Everything follows from the seed.
//!
//! [`founding`] makes the chain, [`load`] says what clients ask for, [`cost`] what work takes, and [`report`] what came of it.

mod clients;
mod cluster;
pub mod cost;
pub mod founding;
pub mod load;
pub mod plot;
mod record;
pub mod report;
mod station;
mod uplink;
pub mod world;

use cluster::Cluster;
use load::Load;
use report::Row;
use salus_primitives::crypto::sign::remembering_verdicts;
use salus_primitives::lane::Lane;
use salus_primitives::lanes::Policy;
use world::World;

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// Draws who submits what when.
    pub seed: u64,
    /// How many validators, 4 at least.
    pub validators: usize,
    /// What clients ask for.
    pub load: Load,
    /// How blocks are configured.
    pub policy: Policy,
    /// How long transactions are submitted that count, in virtual seconds.
    pub seconds: u64,
}

/// How long blocks keep the next one from being proposed, in virtual microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holds {
    /// The longest of an emergency block: it is small, so this is a round of votes.
    pub emergency_us: u64,
    /// The longest of a bulk block.
    pub bulk_us: u64,
    /// By how much the latter may be longer.
    pub bound_us: u64,
}

/// Why a run gives no figures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExperimentError {
    /// A property of the simulator was violated.
    #[error("{0}")]
    Violated(String),
    /// The devices were not registered in time.
    #[error("the network registered no devices within {0} virtual seconds")]
    NotReady(u64),
}

impl Experiment {
    /// Runs it: one row a lane.
    ///
    /// # Errors
    /// [`ExperimentError`].
    pub fn run(&self) -> Result<Vec<Row>, ExperimentError> {
        // what one node checked, the others check alike: only the virtual time counts
        remembering_verdicts(|| {
            let mut cluster = Cluster::new(self, World::new(self.validators));
            cluster.carry_out()?;
            Ok(report::rows(self, &cluster))
        })
    }

    /// Runs it, and says how long blocks kept the next ones from being proposed.
    ///
    /// # Errors
    /// [`ExperimentError`].
    pub fn holds(&self) -> Result<Holds, ExperimentError> {
        remembering_verdicts(|| {
            let mut cluster = Cluster::new(self, World::new(self.validators));
            cluster.carry_out()?;
            let longest = |lane: Lane| {
                let of_lane = cluster.record.holds().filter(|(of, _)| *of == lane);
                of_lane.map(|(_, us)| us).max().unwrap_or_default()
            };
            Ok(Holds {
                emergency_us: longest(Lane::Emergency),
                bulk_us: longest(Lane::Bulk),
                bound_us: cluster.hold_max_us(),
            })
        })
    }
}
