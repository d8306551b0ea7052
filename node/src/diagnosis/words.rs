//! The findings in words: what is the matter, and what an operator can do.

use super::explanation::duration;
use super::finding::{Finding, Turn, VoteKind};
use salus_primitives::validators::SEATS_MIN;

impl Finding {
    /// Whether it rests on what others than the asked node, `own`, say of themselves.
    pub(super) fn is_claim(&self, own: &str) -> bool {
        match self {
            Self::Halted { who, .. }
            | Self::DiskFull { who, .. }
            | Self::Observes { who }
            | Self::Behind { who, .. } => who != own,
            Self::OtherRoots { .. } | Self::Clock { .. } => true,
            Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::NotHeard { .. }
            | Self::NoLegalSet { .. }
            | Self::TooFewVoters { .. }
            | Self::QuorumMissing { .. }
            | Self::Turns { .. } => false,
        }
    }

    /// What is the matter, in a sentence.
    pub(super) fn what(&self) -> String {
        let since = |for_ms: &Option<u64>, never: &str| {
            for_ms.map_or(never.to_owned(), |ms| format!("for {}", duration(ms)))
        };
        match self {
            Self::Halted {
                who,
                height,
                own_root,
                certified_root,
            } => format!(
                "{who} has stopped for good: a quorum certified a block of height {height} on the state {certified_root}, its own is {own_root}"
            ),
            Self::OtherRoots { height, opinions } => {
                let held: Vec<String> = opinions
                    .iter()
                    .map(|opinion| format!("{} hold {}", opinion.who.join(", "), opinion.root))
                    .collect();
                format!("after height {height} states differ: {}", held.join("; "))
            }
            Self::DiskFull { who, for_ms } => format!(
                "the disk of {who} has been full for {}: it votes and commits nothing",
                duration(*for_ms)
            ),
            Self::Unreachable {
                who,
                for_ms,
                reached_by,
            } => {
                let others = if reached_by.is_empty() {
                    "nobody who answers has one".to_owned()
                } else {
                    format!("{} have one", reached_by.join(", "))
                };
                let since = since(for_ms, "since this node started");
                format!("no connection to {who} {since}; {others}")
            }
            Self::Silent { who, for_ms } => {
                let since = since(for_ms, "since it connected");
                format!("{who} is connected and has said nothing {since}")
            }
            Self::NotHeard { who } => format!(
                "{who} sent so much that no honest node sends that it is not listened to for a while"
            ),
            Self::Observes { who } => format!("{who} has a seat, or had one, and does not vote"),
            Self::Behind { who, height, by } => {
                format!("{who} stands at height {height}, {by} final blocks behind")
            }
            Self::NoLegalSet { eligible, kept } => {
                let kept = if kept.is_empty() {
                    "nobody else is among them".to_owned()
                } else {
                    format!("with them {}, who would have no seat", kept.join(", "))
                };
                format!(
                    "no legal set can be elected: {} of the {SEATS_MIN} members it needs stand with weight and keys ({}); the present validators go on, {kept}",
                    eligible.len(),
                    eligible.join(", ")
                )
            }
            Self::Clock { who, ahead_ms } => {
                let side = if *ahead_ms < 0 { "behind" } else { "ahead of" };
                let by = duration(ahead_ms.unsigned_abs());
                format!("the clock of {who} is {by} {side} the others")
            }
            Self::TooFewVoters {
                weight,
                quorum,
                short_by,
                missing,
            } => format!(
                "too few can vote: weight {weight} of {quorum}, {short_by} short; without a vote: {}",
                missing.join(", ")
            ),
            Self::QuorumMissing {
                vote,
                view,
                weight,
                quorum,
                short_by,
                missing,
            } => {
                let vote = match vote {
                    VoteKind::Notarize => "notarise",
                    VoteKind::Nullify => "nullify",
                    VoteKind::Finalize => "finalise",
                };
                format!(
                    "{vote} votes of view {view}: weight {weight} of {quorum} seen, {short_by} short; not seen of {}",
                    missing.join(", ")
                )
            }
            Self::Turns {
                present,
                proposed,
                next,
            } => {
                let has = if *proposed { "has" } else { "has not" };
                let able = |turn: &Turn| if turn.is_able { "" } else { " (cannot)" };
                let next: Vec<String> = next
                    .iter()
                    .map(|turn| format!("{}{} from view {}", turn.manager, able(turn), turn.view))
                    .collect();
                format!(
                    "it is the turn of {}{} in view {}, and it {has} proposed; then {}",
                    present.manager,
                    able(present),
                    present.view,
                    next.join(", ")
                )
            }
        }
    }

    /// What an operator can do.
    pub(super) fn advice(&self) -> String {
        match self {
            Self::Halted { who, .. } => format!(
                "keep {who}'s data as evidence, compare versions and hardware, then rebuild its store from the others; a restart alone changes nothing"
            ),
            Self::OtherRoots { .. } => {
                "do not restart anything: keep the data of each side, and compare versions; the side with a quorum is the chain".to_owned()
            }
            Self::DiskFull { who, .. } => {
                format!("make room on {who}'s disk; it goes on by itself, without a restart")
            }
            Self::Unreachable { who, reached_by, .. } => {
                if reached_by.is_empty() {
                    format!("see whether {who}'s node runs and its address is right; then the network on its side")
                } else {
                    format!("{who}'s node runs: look at the network between it and this node, and at its address in node.toml")
                }
            }
            Self::Silent { who, .. } => format!(
                "{who}'s process hangs or is stopped, or its disk does: look at it, and restart it if it stays so"
            ),
            Self::NotHeard { who } => format!(
                "ask {who}'s operator for its version and log; this node listens again by itself"
            ),
            Self::Observes { who } => format!(
                "if {who} lost its journal, have governance rotate its validator key; if its key was rotated, give its node the new one"
            ),
            Self::Behind { who, .. } => {
                format!("{who} fetches the blocks by itself; if it stays behind, look at its network and disk")
            }
            Self::NoLegalSet { .. } => {
                "have more members stand: `salus tx stand` or `return`, weight delegated to them, a release or an admission by governance; the election at the end of the epoch then makes a new set".to_owned()
            }
            Self::Clock { who, .. } => format!("set {who}'s clock, and let it be kept (NTP)"),
            Self::TooFewVoters { short_by, .. } => format!(
                "bring back members with a weight of {short_by} together; nothing becomes final before, and nothing is lost"
            ),
            Self::QuorumMissing { .. } => {
                "look at those whose votes are missing; votes are said again until they arrive".to_owned()
            }
            Self::Turns { present, .. } => {
                if present.is_able {
                    "nothing: a manager that does not propose in time is passed over".to_owned()
                } else {
                    format!("nothing, if a quorum is there: it passes over {}", present.manager)
                }
            }
        }
    }
}
