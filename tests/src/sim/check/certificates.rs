//! What a certificate must be, counted here once more: the code under test does not judge itself.

use super::{Checks, Identity};
use crate::sim::property::Property;
use salus_primitives::certificate::{Certificate, Statement};
use salus_primitives::codec;
use salus_primitives::namespace::Domain;
use salus_primitives::signed::{Signable, signing_digest};
use salus_primitives::validators::ValidatorSet;
use std::collections::BTreeSet;

impl Checks {
    /// An honest node passes a certificate on, or has a block final by it.
    pub(in crate::sim) fn on_certificate(&mut self, node: &Identity, certificate: &Certificate) {
        let digest = Domain::Statement.hash(&[&codec::encode(certificate)]);
        if !self.certified.insert(digest) {
            return;
        }
        let epoch = certificate.statement.epoch();
        let problem = match self.set(epoch) {
            None => Some("of an epoch that has not begun"),
            Some(set) => problem(certificate, set, self.genesis.hash),
        };
        if let Some(problem) = problem {
            self.violate(
                Property::CertificatesHold,
                format!(
                    "{} rests on a certificate of {:?} that is {problem}",
                    node.name, certificate.statement
                ),
            );
        }
    }
}

/// Distinct seats of the set, more than two thirds of its weight, every signature under the key the set names.
fn problem(
    certificate: &Certificate,
    set: &ValidatorSet,
    genesis: salus_primitives::ids::GenesisHash,
) -> Option<&'static str> {
    let digest = signing_digest(Statement::DOMAIN, genesis, &certificate.statement.content());
    let mut seats = BTreeSet::new();
    let mut weight = 0;
    for (seat, signature) in &certificate.votes {
        let Some(validator) = set.validator(*seat) else {
            return Some("signed by a seat that is none");
        };
        if !seats.insert(*seat) {
            return Some("signed twice by one seat");
        }
        if !validator.key.verifies(&digest, signature) {
            return Some("badly signed");
        }
        weight += validator.weight;
    }
    let total: u64 = set.validators().iter().map(|v| v.weight).sum();
    let faulty = (total - 1) / 3;
    (weight < total - faulty).then_some("short of a quorum")
}
