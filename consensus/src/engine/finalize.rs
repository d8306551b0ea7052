//! Rules 7, 10 and 11: finality, missing blocks, divergence.

use super::{Engine, FinalBlock, Wanted};
use crate::clock::{Monotonic, Now};
use crate::effect::{Divergence, Effect};
use salus_primitives::certificate::VerifiedCertificate;
use salus_primitives::ids::{BlockId, View};

/// A block that is final.
struct Certified {
    block: BlockId,
    certificate: VerifiedCertificate,
    /// Whether it is this very block that the certificate finalises, and not a descendant.
    is_own: bool,
}

/// How many missing blocks are fetched one by one before a range is asked for.
const NEAR: u64 = 8;

impl Engine {
    /// Rule 7: applies every finalisation whose blocks are here and executed, lowest first.
    pub(super) fn apply_finalizations(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.diverged {
            // the chain goes on, but this node's state is not the one it rests on (rule 11)
            return;
        }
        // what may still get this node's vote is forgotten with its view's finality (rule 4)
        while !self.is_checking_late()
            && let Some(certified) = self.next_final()
        {
            let Certified {
                block,
                certificate,
                is_own,
            } = certified;
            let Some(blocks) = self.branch(&block) else {
                return;
            };
            if let Some((id, block)) = blocks.last() {
                let Some(roots) = self.roots(id) else {
                    return;
                };
                // Without a finalisation of its own: a block was notarised in its header's view before it was in any other, so
                // that this is a view in which it was certified, as after a restart (Lemma 2).
                let view = if is_own {
                    certificate.view()
                } else {
                    block.header.view
                };
                self.last_final = FinalBlock {
                    id: *id,
                    header: block.header.clone(),
                    view,
                    roots,
                    certificate: is_own.then(|| certificate.clone()),
                };
                effects.push(Effect::Finalized {
                    blocks,
                    certificate,
                });
            } else {
                // the same block, final in a later view too
                self.last_final.view = self.last_final.view.max(certificate.view());
                self.last_final.certificate = Some(certificate);
            }
            self.failed_terms = 0;
            self.prune();
            self.advance(now);
        }
    }

    /// The block that becomes final next: all on the way to it are here and executed. By a finalisation of its own, the lowest first,
    /// or by a descendant's, as the end of a range (rule 10).
    fn next_final(&self) -> Option<Certified> {
        self.certified_final()
            .find(|certified| self.is_executed(&certified.block))
    }

    /// What certificates here make final.
    fn certified_final(&self) -> impl Iterator<Item = Certified> {
        let own = self.finalizations.values().filter_map(|certificate| {
            Some(Certified {
                block: certificate.statement().block()?,
                certificate: certificate.clone(),
                is_own: true,
            })
        });
        let range = self
            .range_end
            .iter()
            .filter(|end| end.block != self.last_final.id)
            .map(|end| Certified {
                block: end.block,
                certificate: end.finalization.clone(),
                is_own: false,
            });
        own.chain(range)
    }

    fn is_executed(&self, target: &BlockId) -> bool {
        self.branch(target)
            .is_some_and(|blocks| blocks.iter().all(|(id, _)| self.roots(id).is_some()))
    }

    /// Rule 7: forgets what lies at or below the last final view. Own nullify votes stay until their term is over (rule 6).
    fn prune(&mut self) {
        let FinalBlock {
            id, header, view, ..
        } = &self.last_final;
        let (id, height, view) = (*id, header.height, *view);
        let term = self.timing().term(view);
        self.views = self.views.split_off(&view.next());
        self.finalizations = self.finalizations.split_off(&view.next());
        self.nullifications = self.nullifications.split_off(&term);
        self.own_nullify = self.own_nullify.split_off(&term);
        self.blocks.retain(|other, block| {
            let header = &block.body.header;
            header.height > height && header.view > view && *other != id
        });
        if self
            .range_end
            .as_ref()
            .is_some_and(|end| !self.blocks.contains_key(&end.block))
        {
            self.range_end = None;
        }
        self.wanted
            .retain(|wanted, _| matches!(wanted, Wanted::Body(_)));
        self.witness.forget_before(self.watched_from());
    }

    /// Asks for the bodies that certificates name and this node lacks (rules 9, 10).
    pub(super) fn request_bodies(&mut self, now: Now) {
        let grace = now.monotonic.plus_millis(self.delta() / 4);
        let named: Vec<BlockId> = self
            .views
            .values()
            .filter_map(|state| state.notarization.as_ref())
            .chain(self.finalizations.values())
            .filter_map(|certificate| certificate.statement().block())
            .collect();
        let mut missing = std::collections::BTreeSet::new();
        let mut far = false;
        for tip in named {
            let mut id = tip;
            while id != self.last_final.id {
                let Some(block) = self.blocks.get_mut(&id) else {
                    missing.insert(id);
                    break;
                };
                // a certificate vouches for the ancestors too; this node may never see theirs
                block.trusted = true;
                let (height, parent) = (block.body.header.height, block.body.header.parent);
                let gap = height.since(self.last_final.header.height);
                let parent_missing =
                    parent != self.last_final.id && !self.blocks.contains_key(&parent);
                if parent_missing && gap > NEAR {
                    far = true;
                    break;
                }
                if gap <= 1 {
                    break;
                }
                id = parent;
            }
        }
        self.wanted.retain(|wanted, _| match wanted {
            Wanted::Body(id) => missing.contains(id),
            Wanted::Range => far,
            Wanted::Certificates => true,
        });
        for id in missing {
            self.want(Wanted::Body(id), grace);
        }
        if far {
            self.want(Wanted::Range, now.monotonic);
        }
    }

    fn want(&mut self, what: Wanted, at: Monotonic) {
        self.wanted.entry(what).or_insert(at);
    }

    /// Rule 9: notes that certificates from a view on are missing. They are asked for once a delta at most; but at once if an
    /// answer closed the gap up to a later view, because answers are bounded and come page by page.
    pub(super) fn want_certificates(&mut self, from: View, at: Monotonic) {
        let earliest = match self.certificates_asked {
            Some((asked, view)) if view >= from => at.max(asked.plus_millis(self.delta())),
            _ => at,
        };
        if self.certificates_from != from {
            self.certificates_from = from;
            self.wanted.remove(&Wanted::Certificates);
        }
        self.want(Wanted::Certificates, earliest);
    }

    /// Rules 9 and 10: asks for what is due, and again every delta.
    pub(super) fn fetch(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let again = now.monotonic.plus_millis(self.delta());
        let due: Vec<Wanted> = self
            .wanted
            .iter()
            .filter(|(_, at)| **at <= now.monotonic)
            .map(|(wanted, _)| *wanted)
            .collect();
        for wanted in due {
            self.wanted.insert(wanted, again);
            effects.push(match wanted {
                Wanted::Body(id) => Effect::FetchBody(id),
                Wanted::Range => Effect::FetchRange {
                    from: self.last_final.header.height.next(),
                },
                Wanted::Certificates => {
                    // asked again only if a proposal still waits for it
                    self.wanted.remove(&Wanted::Certificates);
                    self.certificates_asked = Some((now.monotonic, self.certificates_from));
                    Effect::FetchCertificates {
                        from: self.certificates_from,
                    }
                }
            });
        }
    }

    /// Rules 3 and 7: executes trusted blocks in the order of the chain.
    pub(super) fn request_executions(&mut self, effects: &mut Vec<Effect>) {
        loop {
            let next = self
                .blocks
                .iter()
                .find(|(_, block)| {
                    let parent = &block.body.header.parent;
                    let ready = *parent == self.last_final.id
                        || self
                            .blocks
                            .get(parent)
                            .is_some_and(|parent| parent.execution_requested);
                    block.trusted && !block.execution_requested && ready
                })
                .map(|(id, _)| *id);
            let Some(id) = next else {
                return;
            };
            if let Some(block) = self.blocks.get_mut(&id) {
                block.execution_requested = true;
                effects.push(Effect::Execute {
                    id,
                    block: block.body.clone(),
                });
            }
        }
    }

    /// Rule 11: a quorum notarised or finalised a header whose roots are not this node's own. Stop, with the evidence.
    pub(super) fn check_divergence(&mut self, effects: &mut Vec<Effect>) {
        if self.diverged {
            return;
        }
        let notarized = self.views.values().filter_map(|state| {
            let certificate = state.notarization.as_ref()?;
            Some((certificate.statement().block()?, certificate.clone()))
        });
        let finalized = self
            .certified_final()
            .map(|certified| (certified.block, certified.certificate));
        let mut found = None;
        for (block, certificate) in notarized.chain(finalized) {
            let mut next = Some(block);
            // a certified block vouches for the roots in its ancestors' headers as well
            while let Some(id) = next.filter(|id| *id != self.last_final.id) {
                let Some(block) = self.blocks.get(&id) else {
                    break;
                };
                let header = &block.body.header;
                if let Some(own) = self.roots(&header.parent)
                    && (own.state != header.parent_state_root
                        || own.receipts != header.parent_receipt_root)
                {
                    found = Some(Divergence {
                        block: id,
                        header: header.clone(),
                        own,
                        certificate: certificate.clone(),
                    });
                }
                next = Some(header.parent);
            }
        }
        if let Some(divergence) = found {
            self.diverged = true;
            effects.push(Effect::Diverged(Box::new(divergence)));
        }
    }

    /// The view of the last final block.
    #[must_use]
    pub const fn final_view(&self) -> View {
        self.last_final.view
    }
}
