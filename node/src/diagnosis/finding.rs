//! The findings, in the order in which one causes another.

use super::facts::{Facts, Link, SeatFacts};
use super::verdict::Verdict;
use crate::wire::Condition;
use salus_primitives::ids::Height;
use salus_primitives::state::StateRoot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One thing that is the matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// A node has stopped for good: a quorum holds another root than it does (rule 11).
    Halted {
        /// Which.
        who: String,
        /// After the block below this height.
        height: u64,
        /// Its own root, in hexadecimal.
        own_root: String,
        /// The quorum's.
        certified_root: String,
    },
    /// Nodes have different roots after the same height. They cannot agree on another block.
    OtherRoots {
        /// The lowest such height.
        height: u64,
        /// Each root with those who hold it, the most weight first.
        opinions: Vec<Opinion>,
    },
    /// A node's disk is full.
    DiskFull {
        /// Whose.
        who: String,
        /// For how long.
        for_ms: u64,
    },
    /// There is no connection to a node.
    Unreachable {
        /// Which.
        who: String,
        /// For how long; `None` if there never was one since the asked node started.
        for_ms: Option<u64>,
        /// Who is connected to it, by their own account.
        reached_by: Vec<String>,
    },
    /// A node is connected and says nothing.
    Silent {
        /// Which.
        who: String,
        /// For how long; `None` if it never said anything.
        for_ms: Option<u64>,
    },
    /// A node was at fault so often that the asked node does not listen to it for a while.
    NotHeard {
        /// Which.
        who: String,
    },
    /// A node has a seat and does not vote.
    Observes {
        /// Which.
        who: String,
    },
    /// A node lacks blocks that are final.
    Behind {
        /// Which.
        who: String,
        /// Its last final height.
        height: u64,
        /// How many blocks it lacks, as far as is known.
        by: u64,
    },
    /// Fewer than four members may be elected: the present validators go on, also those who would have no seat.
    NoLegalSet {
        /// Who may be elected.
        eligible: Vec<String>,
        /// Who has a seat for want of others.
        kept: Vec<String>,
    },
    /// A clock that goes wrong: blocks dated too far ahead are not voted for.
    Clock {
        /// Whose.
        who: String,
        /// How far it is ahead of the others', in milliseconds; negative if it is behind.
        ahead_ms: i64,
    },
    /// The nodes that can vote are not a quorum.
    TooFewVoters {
        /// Their weight.
        weight: u64,
        /// The weight of a quorum.
        quorum: u64,
        /// What is missing.
        short_by: u64,
        /// Who cannot vote.
        missing: Vec<String>,
    },
    /// Votes of one kind that have not come to a quorum.
    QuorumMissing {
        /// Votes of which kind.
        vote: VoteKind,
        /// In which view.
        view: u64,
        /// The weight of those seen.
        weight: u64,
        /// The weight of a quorum.
        quorum: u64,
        /// What is missing.
        short_by: u64,
        /// Whose votes were not seen.
        missing: Vec<String>,
    },
    /// Whose turn it is to propose.
    Turns {
        /// The present view and its manager.
        present: Turn,
        /// Whether its proposal is here.
        proposed: bool,
        /// The terms that follow.
        next: Vec<Turn>,
    },
}

/// A root and who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// The root in hexadecimal.
    pub root: String,
    /// Who has it.
    pub who: Vec<String>,
}

/// A view and its manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The view, the first of its term unless it is the present one.
    pub view: u64,
    /// Who proposes.
    pub manager: String,
    /// Whether it can, as far as is known.
    pub is_able: bool,
}

/// The three kinds of votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteKind {
    /// For a block.
    Notarize,
    /// To give the view up.
    Nullify,
    /// For a notarised block.
    Finalize,
}

/// Less than this many blocks behind is on the way, not behind.
const BEHIND: u64 = 8;
/// Who was heard of within this time is not silent, though it has not answered yet.
const SILENT_MS: u64 = 1_000;
/// How far clocks may differ before blocks are not voted for, in milliseconds (rule 3).
const CLOCK_MS: u64 = salus_consensus::config::CLOCK_LEAD_MS;

/// What is the matter, causes first.
#[must_use]
pub fn findings(facts: &Facts, verdict: Verdict) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(conditions(facts, |who, condition| match condition {
        Condition::Halted(halt) => Some(Finding::Halted {
            who,
            height: halt.height.get(),
            own_root: halt.own.to_string(),
            certified_root: halt.certified.to_string(),
        }),
        _ => None,
    }));
    found.extend(other_roots(facts));
    found.extend(conditions(facts, |who, condition| match condition {
        Condition::DiskFull { for_ms } => Some(Finding::DiskFull { who, for_ms }),
        _ => None,
    }));
    found.extend(facts.seats.iter().filter_map(|seat| link(facts, seat)));
    found.extend(conditions(facts, |who, condition| {
        (condition == Condition::Observes).then_some(Finding::Observes { who })
    }));
    found.extend(behind(facts));
    found.extend(facts.no_legal_set.clone().map(|it| Finding::NoLegalSet {
        eligible: it.eligible,
        kept: it.kept,
    }));
    found.extend(clocks(facts));
    found.extend(too_few(facts));
    let stuck = verdict == Verdict::Stuck;
    if stuck {
        found.extend(quorums(facts));
    }
    let manager_is_able = facts
        .seats
        .get(facts.view.manager)
        .is_some_and(|seat| facts.is_able(seat));
    if stuck || !manager_is_able && verdict == Verdict::Progressing {
        found.push(turns(facts));
    }
    found
}

/// Findings from what each node says of itself, the asked one first.
fn conditions(
    facts: &Facts,
    finding: impl Fn(String, Condition) -> Option<Finding>,
) -> Vec<Finding> {
    let own = finding(facts.own.clone(), facts.account.condition);
    let others = facts.seats.iter().filter_map(|seat| {
        let account = seat.account.as_ref().filter(|_| seat.link != Link::Own)?;
        finding(seat.name.clone(), account.condition)
    });
    own.into_iter().chain(others).collect()
}

fn other_roots(facts: &Facts) -> Option<Finding> {
    let mut by_height: BTreeMap<Height, BTreeMap<StateRoot, (u64, Vec<String>)>> = BTreeMap::new();
    let observer = facts.seats.iter().all(|seat| seat.link != Link::Own);
    let own = observer.then_some((&facts.account, 0, facts.own.clone()));
    let seats = facts
        .seats
        .iter()
        .filter_map(|seat| Some((facts.account_of(seat)?, seat.weight, seat.name.clone())));
    for (account, weight, name) in seats.chain(own) {
        for at in &account.roots {
            let roots = by_height.entry(at.height).or_default();
            let holders = roots.entry(at.root).or_default();
            holders.0 = holders.0.saturating_add(weight);
            holders.1.push(name.clone());
        }
    }
    let (height, roots) = by_height.into_iter().find(|(_, roots)| roots.len() > 1)?;
    let mut opinions: Vec<(u64, Opinion)> = roots
        .into_iter()
        .map(|(root, (weight, who))| {
            let root = root.to_string();
            (weight, Opinion { root, who })
        })
        .collect();
    opinions.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    Some(Finding::OtherRoots {
        height: height.get(),
        opinions: opinions.into_iter().map(|(_, opinion)| opinion).collect(),
    })
}

fn link(facts: &Facts, seat: &SeatFacts) -> Option<Finding> {
    let who = seat.name.clone();
    let unreachable = |for_ms| {
        let reached_by = facts
            .seats
            .iter()
            .filter(|other| {
                other
                    .account
                    .as_ref()
                    .is_some_and(|account| account.connected.contains(&seat.network_key))
            })
            .map(|other| other.name.clone())
            .collect();
        Finding::Unreachable {
            who: seat.name.clone(),
            for_ms,
            reached_by,
        }
    };
    match seat.link {
        Link::Own => None,
        Link::Lost { for_ms } => Some(unreachable(Some(for_ms))),
        Link::Never => Some(unreachable(None)),
        Link::Connected { .. } if seat.is_muted => Some(Finding::NotHeard { who }),
        Link::Connected { .. } if seat.account.is_some() => None,
        Link::Connected { .. } => {
            seat.heard_ms
                .is_none_or(|ms| ms > SILENT_MS)
                .then_some(Finding::Silent {
                    who,
                    for_ms: seat.heard_ms,
                })
        }
    }
}

fn behind(facts: &Facts) -> Vec<Finding> {
    let height_of = |seat: &SeatFacts| {
        let account = facts.account_of(seat).map(|account| account.final_height);
        account.or(seat.position.map(|at| at.final_height))
    };
    // the greatest height that more than the faulty weight claim, or that this node has itself
    let mut claims: Vec<(Height, u64)> = facts
        .seats
        .iter()
        .filter_map(|seat| Some((height_of(seat)?, seat.weight)))
        .collect();
    claims.sort_unstable_by(|a, b| b.cmp(a));
    let mut weight: u64 = 0;
    let credible = claims
        .into_iter()
        .find(|(_, of)| {
            weight = weight.saturating_add(*of);
            weight > facts.fault_weight
        })
        .map_or(Height::ZERO, |(height, _)| height);
    let head = credible.max(facts.account.final_height);
    let finding = |who: &str, height: Height| {
        let by = head.since(height);
        (by > BEHIND).then(|| Finding::Behind {
            who: who.to_owned(),
            height: height.get(),
            by,
        })
    };
    let own = finding(&facts.own, facts.account.final_height);
    let others = facts
        .seats
        .iter()
        .filter(|seat| matches!(seat.link, Link::Connected { .. }))
        .filter_map(|seat| finding(&seat.name, seat.account.as_ref()?.final_height));
    own.into_iter().chain(others).collect()
}

fn clocks(facts: &Facts) -> Vec<Finding> {
    let off =
        |seat: &SeatFacts| seat.account.is_some() && seat.clock_ahead_ms.unsigned_abs() > CLOCK_MS;
    let answered = facts.weight(|seat| seat.account.is_some());
    let wrong: Vec<&SeatFacts> = facts.seats.iter().filter(|seat| off(seat)).collect();
    // if most others differ from this node, it is this node that goes wrong
    if facts.weight(off) > answered / 2 {
        let mut ahead: Vec<i64> = wrong.iter().map(|seat| seat.clock_ahead_ms).collect();
        ahead.sort_unstable();
        let middle = ahead.get(ahead.len() / 2).copied().unwrap_or(0);
        return vec![Finding::Clock {
            who: facts.own.clone(),
            ahead_ms: middle.saturating_neg(),
        }];
    }
    wrong
        .into_iter()
        .map(|seat| Finding::Clock {
            who: seat.name.clone(),
            ahead_ms: seat.clock_ahead_ms,
        })
        .collect()
}

fn too_few(facts: &Facts) -> Option<Finding> {
    let weight = facts.weight(|seat| facts.is_able(seat));
    let short_by = facts
        .quorum_weight
        .checked_sub(weight)
        .filter(|by| *by > 0)?;
    Some(Finding::TooFewVoters {
        weight,
        quorum: facts.quorum_weight,
        short_by,
        missing: facts
            .seats
            .iter()
            .filter(|seat| !facts.is_able(seat))
            .map(|seat| seat.name.clone())
            .collect(),
    })
}

fn quorums(facts: &Facts) -> Vec<Finding> {
    let view = facts.view.view;
    let mut kinds = vec![
        (VoteKind::Notarize, view, &facts.view.notarize),
        (VoteKind::Nullify, view, &facts.view.nullify),
    ];
    if let Some((view, voters)) = &facts.view.finalize {
        kinds.push((VoteKind::Finalize, *view, voters));
    }
    kinds
        .into_iter()
        .filter_map(|(vote, view, voters)| {
            let weight = voters
                .iter()
                .filter_map(|seat| facts.seats.get(*seat))
                .fold(0, |sum: u64, seat| sum.saturating_add(seat.weight));
            let short_by = facts
                .quorum_weight
                .checked_sub(weight)
                .filter(|by| *by > 0)?;
            Some(Finding::QuorumMissing {
                vote,
                view: view.get(),
                weight,
                quorum: facts.quorum_weight,
                short_by,
                missing: (0..facts.seats.len())
                    .filter(|seat| !voters.contains(seat))
                    .map(|seat| facts.name(seat))
                    .collect(),
            })
        })
        .collect()
}

fn turns(facts: &Facts) -> Finding {
    let turn = |view: salus_primitives::ids::View, seat: usize| Turn {
        view: view.get(),
        manager: facts.name(seat),
        is_able: facts
            .seats
            .get(seat)
            .is_some_and(|seat| facts.is_able(seat)),
    };
    Finding::Turns {
        present: turn(facts.view.view, facts.view.manager),
        proposed: facts.view.proposed,
        next: facts
            .view
            .next
            .iter()
            .map(|(view, seat)| turn(*view, *seat))
            .collect(),
    }
}
