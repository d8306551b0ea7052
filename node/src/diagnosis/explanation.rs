//! What an operator reads, and a program.

use super::facts::{Facts, Link};
use super::finding::{Finding, findings};
use super::verdict::{Verdict, final_age_ms};
use crate::handle::Standing;
use crate::wire::Condition;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The whole answer. Heights and views are those of the node that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The member whose node answers.
    pub asked: String,
    /// Whether the chain makes progress.
    pub verdict: Verdict,
    /// That in a sentence.
    pub summary: String,
    /// The epoch.
    pub epoch: u64,
    /// The view.
    pub view: u64,
    /// The height of its last final block.
    pub final_height: u64,
    /// How long ago a block became final.
    pub final_age_ms: u64,
    /// The weight that makes a quorum.
    pub quorum_weight: u64,
    /// The weight of all validators.
    pub total_weight: u64,
    /// What is the matter, causes before what follows from them.
    pub findings: Vec<Told>,
    /// The validators, as the node that was asked sees them.
    pub members: Vec<MemberLine>,
}

/// A finding in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// Whether it rests on what peers say of themselves.
    pub is_claim: bool,
    /// What is the matter.
    pub what: String,
    /// What an operator can do.
    pub advice: String,
}

/// One validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLine {
    /// Its name.
    pub name: String,
    /// Its weight.
    pub weight: u64,
    /// `own`, `connected`, `lost` or `never`.
    pub link: String,
    /// How long ago anything of it came last.
    pub heard_ms: Option<u64>,
    /// What it says of itself: `votes`, `observes`, `catches_up`, `disk_full` or `halted`; null if it did not answer.
    pub condition: Option<String>,
    /// The last final height that it claims.
    pub final_height: Option<u64>,
    /// The view that it claims to be in.
    pub view: Option<u64>,
}

impl Explanation {
    /// What follows from the facts.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let verdict = Verdict::of(facts);
        let findings: Vec<Told> = findings(facts, verdict)
            .into_iter()
            .map(|finding| Told {
                is_claim: finding.is_claim(&facts.own),
                what: finding.what(),
                advice: finding.advice(),
                finding,
            })
            .collect();
        let final_age_ms = final_age_ms(facts);
        Self {
            asked: facts.own.clone(),
            verdict,
            summary: summary(verdict, final_age_ms, findings.is_empty()),
            epoch: facts.account.epoch.get(),
            view: facts.account.view.get(),
            final_height: facts.account.final_height.get(),
            final_age_ms,
            quorum_weight: facts.quorum_weight,
            total_weight: facts.total_weight,
            findings,
            members: facts.seats.iter().map(|seat| line(facts, seat)).collect(),
        }
    }

    /// Says of the asked node itself why it does not vote. First, if that is why the others refuse it.
    #[must_use]
    pub fn standing(mut self, standing: Standing) -> Self {
        let asked = Finding::Observes {
            who: self.asked.clone(),
        };
        let is_asked = |told: &Told| told.finding == asked;
        let Some(index) = self.findings.iter().position(is_asked) else {
            return self;
        };
        if standing == Standing::Votes {
            return self;
        }
        let mut told = self.findings.remove(index);
        told.what = format!("{} does not vote: {}", self.asked, standing.name());
        told.advice = standing.explanation();
        let index = match standing {
            Standing::NotAdmitted | Standing::Retired => 0,
            _ => index,
        };
        self.findings.insert(index, told);
        self
    }

    /// The answer for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}\n{}: epoch {}, view {}, last final height {}\n",
            self.summary, self.asked, self.epoch, self.view, self.final_height
        );
        for told in &self.findings {
            let claim = if told.is_claim {
                " (by its own account)"
            } else {
                ""
            };
            // writing to a String cannot fail
            let _ = write!(text, "\n* {}{claim}\n  {}\n", told.what, told.advice);
        }
        let _ = write!(
            text,
            "\n{:<20} {:>7}  {:<10} {:>10}  {:<11} {:>8} {:>8}\n",
            "member", "weight", "link", "heard", "says it", "final", "view"
        );
        for member in &self.members {
            let number = |value: Option<u64>| value.map_or("-".to_owned(), |n| n.to_string());
            let _ = writeln!(
                text,
                "{:<20} {:>7}  {:<10} {:>10}  {:<11} {:>8} {:>8}",
                member.name,
                member.weight,
                member.link,
                member
                    .heard_ms
                    .map_or("-".to_owned(), |ms| format!("{} ago", duration(ms))),
                member.condition.as_deref().unwrap_or("nothing"),
                number(member.final_height),
                number(member.view),
            );
        }
        text
    }
}

fn summary(verdict: Verdict, final_age_ms: u64, is_well: bool) -> String {
    let age = duration(final_age_ms);
    let well = if is_well { "; all is well" } else { "" };
    match verdict {
        Verdict::Progressing => {
            format!("the chain makes progress: the last final block is {age} old{well}")
        }
        Verdict::Idle => {
            format!(
                "the chain is idle, nothing waits to be final: the last final block is {age} old{well}"
            )
        }
        Verdict::Stuck => format!("nothing has become final for {age}, though something waits"),
    }
}

fn line(facts: &Facts, seat: &super::facts::SeatFacts) -> MemberLine {
    let account = facts.account_of(seat);
    let position = seat.position;
    MemberLine {
        name: seat.name.clone(),
        weight: seat.weight,
        link: match seat.link {
            Link::Own => "own",
            Link::Connected { .. } => "connected",
            Link::Lost { .. } => "lost",
            Link::Never => "never",
        }
        .to_owned(),
        heard_ms: seat.heard_ms,
        condition: account.map(|account| name_of(account.condition).to_owned()),
        final_height: account
            .map(|account| account.final_height)
            .or(position.map(|at| at.final_height))
            .map(|height| height.get()),
        view: account
            .map(|account| account.view)
            .or(position.map(|at| at.view))
            .map(|view| view.get()),
    }
}

const fn name_of(condition: Condition) -> &'static str {
    match condition {
        Condition::Votes => "votes",
        Condition::Observes => "observes",
        Condition::CatchesUp => "catches_up",
        Condition::DiskFull { .. } => "disk_full",
        Condition::Halted(_) => "halted",
    }
}

/// A time span in two significant parts at most, for people.
pub(super) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}
