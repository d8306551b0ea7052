//! Vectors of what nodes say to one another, and of what they write down before.

use crate::vectors::{Built, one, only};
use salus_consensus::journal::JournalEntry;
use salus_consensus::message::Message;
use salus_node::wire::{Condition, Frame, Request, Response};
use salus_primitives::ids::{Epoch, Height, View};
use salus_tests::fixtures;

pub(crate) fn consensus() -> Vec<Built> {
    let header = fixtures::block().header;
    let (notarize, finalize) = fixtures::statements(&header);
    let vote = fixtures::vote(fixtures::nullify(), 1);
    let certificate = fixtures::certificate(finalize);
    vec![
        one("notarize", fixtures::vote(notarize, 1)),
        one("finalize", fixtures::vote(finalize, 1)),
        one("nullify", vote),
        only(fixtures::proposal()).digest(header.id()),
        only(fixtures::status()),
        one(
            "proposal",
            Message::Proposal(Box::new(fixtures::proposal())),
        ),
        one("vote", Message::Vote { vote, entry: None }),
        one(
            "vote with entry",
            Message::Vote {
                vote,
                entry: Some(certificate.clone()),
            },
        ),
        one("certificates", Message::Certificates(vec![certificate])),
        one("status", Message::Status(fixtures::status())),
    ]
}

pub(crate) fn frames() -> Vec<Built> {
    let block = fixtures::block();
    let (_, finalize) = fixtures::statements(&block.header);
    let finalization = fixtures::certificate(finalize);
    let body = Request::Body(block.id());
    let responses = [
        ("body", Response::Body(Box::new(fixtures::next_block()))),
        (
            "certificates",
            Response::Certificates(vec![finalization.clone()]),
        ),
        (
            "range",
            Response::Range {
                blocks: vec![block],
                trail: vec![fixtures::next_block().header],
                finalization,
            },
        ),
    ];
    let mut vectors = vec![
        one("body", body),
        one("certificates", Request::Certificates { from: View::new(7) }),
        one(
            "range",
            Request::Range {
                from: Height::new(9),
            },
        ),
        one("finalization", Request::Finalization(Height::new(9))),
        one("diagnosis", Request::Diagnosis),
        one(
            "consensus",
            Frame::Consensus(Message::Vote {
                vote: fixtures::vote(finalize, 0),
                entry: None,
            }),
        ),
        one(
            "transactions",
            Frame::Transactions(fixtures::transactions()),
        ),
        one("request", Frame::Request(body)),
        one("response", Frame::Response(responses[0].1.clone())),
    ];
    let account = fixtures::account();
    let [.., last] = account.roots.as_slice() else {
        panic!("the fixture has roots");
    };
    vectors.push(only(*last));
    for (name, condition) in [
        ("votes", Condition::Votes),
        ("observes", Condition::Observes),
        ("catches up", Condition::CatchesUp),
        ("disk full", Condition::DiskFull { for_ms: 7 }),
        ("halted", Condition::Halted(fixtures::halt())),
    ] {
        vectors.push(one(name, condition));
    }
    vectors.push(only(fixtures::halt()));
    vectors.push(one(
        "diagnosis",
        Response::Diagnosis(Box::new(account.clone())),
    ));
    vectors.push(only(account));
    vectors.extend(responses.map(|(name, response)| one(name, response)));
    vectors
}

pub(crate) fn journal() -> Vec<Built> {
    let (notarize, _) = fixtures::statements(&fixtures::block().header);
    vec![
        one(
            "entry",
            JournalEntry::Entry(fixtures::certificate(fixtures::nullify())),
        ),
        one("body", JournalEntry::Body(fixtures::block())),
        one(
            "proposal",
            JournalEntry::Proposal(Box::new(fixtures::proposal())),
        ),
        one("vote", JournalEntry::Vote(fixtures::vote(notarize, 3))),
        one(
            "floor",
            JournalEntry::Floor {
                epoch: Epoch::new(3),
                height: Height::new(70),
            },
        ),
    ]
}
