//! What a vote rests on in the node that signs it, judged by other code than the engine's.

use super::property::Property;
use salus_consensus::config::Timing;
use salus_consensus::engine::Engine;
use salus_consensus::message::LIST_MAX;
use salus_primitives::certificate::Statement;
use salus_primitives::ids::{BlockId, View};
use std::collections::BTreeSet;

/// What is wrong with a vote that an engine has just signed.
///
/// The engine may have gone on since: what it has made final meanwhile was right, or other properties say so.
pub(super) fn lacking(
    engine: &Engine,
    timing: Timing,
    statement: &Statement,
) -> Option<(Property, &'static str)> {
    if engine.epoch() != statement.epoch() || statement.view() <= engine.final_view() {
        return None;
    }
    match statement {
        Statement::Finalize { block, .. } => engine
            .body(block)
            .is_none()
            .then_some((Property::FinalizesWhatItHas, "and does not have the block")),
        Statement::Notarize { view, block, .. } => {
            let justified = Held::by(engine, timing)?.justify(*view, block, engine)?;
            (!justified).then_some((
                Property::JustifiedOnly,
                "on a parent that no certificates of its own justify",
            ))
        }
        Statement::Nullify { .. } => None,
    }
}

/// The certificates that a node holds above its last final block.
struct Held {
    timing: Timing,
    certified: BTreeSet<(View, BlockId)>,
    nullified: BTreeSet<View>,
}

impl Held {
    /// None if there are more than an engine tells at once.
    fn by(engine: &Engine, timing: Timing) -> Option<Self> {
        let certificates = engine.certificates_from(View::ZERO.next());
        if certificates.len() >= LIST_MAX {
            return None;
        }
        let mut held = Self {
            timing,
            certified: BTreeSet::from([(engine.final_view(), engine.final_id())]),
            nullified: BTreeSet::new(),
        };
        for certificate in certificates {
            match certificate.statement {
                Statement::Notarize { view, block, .. }
                | Statement::Finalize { view, block, .. } => {
                    held.certified.insert((view, block));
                }
                Statement::Nullify { view, .. } => {
                    held.nullified.insert(view);
                }
            }
        }
        Some(held)
    }

    /// Rule 2: inside a term the parent is the block of the view before; at its start, every view since the parent's is covered
    /// by a nullification of it or of an earlier view of its term. The last block of an epoch, named again, stands for its own
    /// parent.
    fn justify(&self, view: View, block: &BlockId, engine: &Engine) -> Option<bool> {
        let header = &engine.body(block)?.header;
        let on = if header.view < view {
            *block
        } else {
            header.parent
        };
        let mut of = self
            .certified
            .iter()
            .filter(|(at, other)| *other == on && *at < view)
            .map(|(at, _)| *at);
        Some(if self.timing.starts_term(view) {
            of.any(|at| (at.get() + 1..view.get()).all(|between| self.covers(View::new(between))))
        } else {
            of.any(|at| at.next() == view)
        })
    }

    fn covers(&self, view: View) -> bool {
        let term = self.timing.term(view);
        self.nullified
            .iter()
            .any(|at| *at <= view && self.timing.term(*at) == term)
    }
}
