//! Where the present view stands, for operators: whose turn it is, who was seen to vote what, and since when.

use super::Engine;
use crate::tally::Tally;
use salus_primitives::certificate::Statement;
use salus_primitives::ids::{Seat, Term, View};

/// What a node sees of the view it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The view.
    pub view: View,
    /// Who proposes in it.
    pub manager: Seat,
    /// Whether its manager's proposal is here.
    pub proposed: bool,
    /// Who notarised the block with most weight behind it.
    pub notarize: Vec<Seat>,
    /// Who gave the view up.
    pub nullify: Vec<Seat>,
    /// The latest notarised view above the last final one, and who finalises its block.
    pub finalize: Option<(View, Vec<Seat>)>,
}

impl Engine {
    /// What this node sees of the present view.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let state = self.views.get(&self.view);
        let nullify = state.map(|state| seats(&state.nullify, |_| true));
        let finalize = self.views.iter().rev().find_map(|(view, state)| {
            let block = state.notarization.as_ref()?.statement().block();
            let voters = seats(&state.finalize, |statement| statement.block() == block);
            Some((*view, voters))
        });
        Standing {
            view: self.view,
            manager: self.manager_of(self.view),
            proposed: state.is_some_and(|state| state.proposal.is_some()),
            notarize: state
                .map(|state| self.heaviest(&state.notarize))
                .unwrap_or_default(),
            nullify: nullify.unwrap_or_default(),
            finalize,
        }
    }

    /// The first views and managers of the terms after the present one.
    #[must_use]
    pub fn next_turns(&self, count: u64) -> Vec<(View, Seat)> {
        let term = self.timing().term(self.view).get();
        (1..=count)
            .map(|ahead| Term::new(term.saturating_add(ahead)))
            .map(|term| (self.timing().first_view(term), self.schedule.manager(term)))
            .collect()
    }

    /// Whether this node has a seat in this epoch, and the key to vote with.
    #[must_use]
    pub const fn is_voter(&self) -> bool {
        self.config.voter.is_some()
    }

    /// Whether there is something to do (rule 1).
    #[must_use]
    pub const fn has_work(&self) -> bool {
        self.work_since.is_some()
    }

    /// Who voted for the statement with most weight.
    fn heaviest(&self, tally: &Tally) -> Vec<Seat> {
        let validators = &self.config.validators;
        let heaviest = tally
            .votes()
            .values()
            .map(|vote| vote.statement)
            .max_by_key(|statement| tally.weight(statement, validators));
        heaviest.map_or_else(Vec::new, |heaviest| {
            seats(tally, |statement| *statement == heaviest)
        })
    }
}

fn seats(tally: &Tally, counts: impl Fn(&Statement) -> bool) -> Vec<Seat> {
    tally
        .votes()
        .iter()
        .filter(|(_, vote)| counts(&vote.statement))
        .map(|(seat, _)| *seat)
        .collect()
}
