//! Why nothing is final: from an account of facts to findings, each with what is the matter, who is concerned, for how long,
//! and what an operator can do. Pure; `runtime` gathers the facts, the API and `salus explain` show what comes of them.
//!
//! What peers say of themselves is *their claim*: a finding that rests on such says so, and nothing else rests on it.

mod explanation;
mod facts;
mod finding;
mod verdict;
mod words;

pub use explanation::{Explanation, MemberLine, Told};
pub use facts::{Facts, Link, NoLegalSet, SeatFacts, ViewFacts};
pub use finding::{Finding, Opinion, Turn, VoteKind, findings};
pub use verdict::Verdict;

#[cfg(test)]
pub(crate) mod tests;
