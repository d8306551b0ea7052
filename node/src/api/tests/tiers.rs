//! Attestations, and the events of a transaction on its way.

use super::Node;
use super::chain::{MEMBERS, key};
use crate::api::STREAMS_MAX;
use crate::tiers::CommitteeVote;
use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures::StreamExt as _;
use salus_primitives::attestation::{ATTESTATION_MAX, Attestation};
use salus_primitives::block::Block;
use salus_primitives::certificate::Statement;
use salus_primitives::codec;
use salus_primitives::ids::{EntityId, Seat};
use salus_primitives::signed::{Signable as _, signing_digest};
use salus_primitives::transaction::TxId;
use serde_json::Value;
use std::time::Instant;
use tower::ServiceExt as _;

/// The next block, which holds one transaction, as a node that found it valid learns of it.
fn propose(node: &Node) -> (Block, TxId) {
    let block = node.chain.next_block(1);
    let id = block.transactions[0].body.id();
    node.tiers
        .learn(block.id(), &block, &[id], vec![Instant::now()]);
    (block, id)
}

/// A member of the block's committee has voted.
fn attest(node: &Node, block: &Block, seat: u16) {
    let header = &block.header;
    let statement = Statement::Notarize {
        epoch: header.epoch,
        view: header.view,
        block: header.id(),
    };
    let genesis = &node.chain.genesis;
    let digest = signing_digest(Statement::DOMAIN, genesis.hash, &statement.content());
    let seat = Seat::new(seat);
    let entity = genesis
        .first
        .validators
        .validator(seat)
        .expect("a seat")
        .entity;
    let member = (0u8..)
        .zip(MEMBERS)
        .find(|(_, name)| EntityId::of_name(name) == entity);
    node.tiers.attest(CommitteeVote {
        block: header.id(),
        view: header.view,
        seat,
        signature: key(member.expect("a member").0, 2).signer().sign(&digest),
    });
}

/// The others of the committee of four have voted, too.
fn attest_others(node: &Node, block: &Block, seat: u16) {
    for other in (0..4).filter(|other| *other != seat) {
        attest(node, block, other);
    }
}

async fn attestation(node: &Node, id: &TxId) -> Attestation {
    let answer = node
        .get(&format!("/v1/transactions/{id}/attestation"))
        .await;
    assert_eq!(answer.content_type(), "application/octet-stream");
    codec::decode(&answer.body, ATTESTATION_MAX).expect("an attestation")
}

/// Votes of the committee, before and after its block is final, under a header that the light client checks.
#[tokio::test]
async fn an_attestation_holds_and_outlives_the_finality_of_its_block() {
    let node = Node::start().await;
    let (block, id) = propose(&node);
    let genesis = node.chain.genesis.clone();
    let check = |attestation: &Attestation| {
        attestation
            .verify(
                genesis.hash,
                &genesis.first.validators,
                &genesis.first.lanes,
            )
            .expect("holds")
    };

    attest(&node, &block, 2);
    let partly = check(&attestation(&node, &id).await);
    node.tiers.finalize(&[block.id()], block.header.height);
    assert_eq!(node.grow(1), [id]);
    attest_others(&node, &block, 2);
    let whole = check(&attestation(&node, &id).await);

    assert_eq!((partly.votes, partly.verifiers), (1, 4));
    assert!(whole.is_complete() && !partly.is_complete());
    assert_eq!((whole.transaction, whole.block), (id, block.id()));
}

#[tokio::test]
async fn who_waits_gets_the_attestation_of_the_whole_committee() {
    let node = Node::start().await;
    let (block, id) = propose(&node);
    attest(&node, &block, 0);

    let path = format!("/v1/transactions/{id}/attestation?timeout_ms=30000");
    let (answer, ()) = tokio::join!(node.get(&path), async {
        tokio::task::yield_now().await;
        attest_others(&node, &block, 0);
    });

    let attestation: Attestation = codec::decode(&answer.body, ATTESTATION_MAX).expect("decodes");
    assert_eq!(attestation.votes.len(), 4);
}

#[tokio::test]
async fn without_an_attestation_the_answer_says_why() {
    let node = Node::start().await;
    let (unknown, pending) = (TxId([1; 32]), TxId([2; 32]));
    node.pending.insert(pending);
    let included = node.grow(1)[0];
    let (lost, in_lost) = propose(&node);
    attest(&node, &lost, 0);
    node.tiers.finalize(&[], lost.header.height);

    for (id, code) in [
        (unknown, "unknown_transaction"),
        (pending, "not_yet"),
        (included, "not_kept"),
        (in_lost, "unknown_transaction"),
    ] {
        let answer = node
            .get(&format!("/v1/transactions/{id}/attestation"))
            .await;
        assert_eq!(answer.refusal(), (404, code.to_owned()));
    }
}

/// Attested is no more than attested: it is pending for whoever asks for finality, and its receipt and proof are not there.
#[tokio::test]
async fn an_attested_transaction_is_not_final() {
    let node = Node::start().await;
    let (block, id) = propose(&node);
    node.pending.insert(id);
    attest(&node, &block, 0);
    attest_others(&node, &block, 0);

    let status = node
        .get(&format!("/v1/transactions/{id}?wait=final&timeout_ms=1"))
        .await
        .json();

    assert_eq!(status["status"], "pending");
    assert_eq!(status["tier"], "attested");
    assert_eq!(status["attesting"]["votes"], 4);
    assert_eq!(status["attesting"]["verifiers"], 4);
    assert!(status["height"].is_null() && status["outcome"].is_null());
    for what in ["receipt", "proof"] {
        let answer = node.get(&format!("/v1/transactions/{id}/{what}")).await;
        assert_eq!(answer.refusal(), (404, "not_yet".to_owned()), "{what}");
    }
}

async fn follow(node: &Node, id: &TxId) -> BodyDataStream {
    let request = Request::get(format!("/v1/transactions/{id}/events")).body(Body::empty());
    let response = node
        .router
        .clone()
        .oneshot(request.expect("a request"))
        .await
        .expect("infallible");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body().into_data_stream()
}

/// The data of the next event.
async fn next(events: &mut BodyDataStream) -> Value {
    let event = events.next().await.expect("an event").expect("bytes");
    let text = std::str::from_utf8(&event).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "event: progress");
    serde_json::from_str(lines[1].strip_prefix("data: ").expect("data")).expect("JSON")
}

#[tokio::test]
async fn events_follow_a_transaction_from_tier_to_tier() {
    let node = Node::start().await;
    let (block, id) = propose(&node);
    node.pending.insert(id);
    let mut events = follow(&node, &id).await;

    assert_eq!(next(&mut events).await["tier"], "pending");
    attest(&node, &block, 0);
    let one = next(&mut events).await;
    assert_eq!(one["tier"], "pending");
    assert_eq!(one["attesting"]["votes"], 1);
    // of others' blocks nothing is told
    node.tiers
        .finalize(&[], block.header.height.previous().expect("not block 0"));
    attest_others(&node, &block, 0);
    let both = next(&mut events).await;
    assert_eq!(both["tier"], "attested");
    assert_eq!(both["status"], "pending");
    node.grow(1);
    let done = next(&mut events).await;
    assert_eq!(done["tier"], "final");
    assert_eq!(done["outcome"], "ok");
    node.grow(0);
    assert_eq!(next(&mut events).await["tier"], "proven");
    assert!(
        events.next().await.is_none(),
        "there is nothing more to tell"
    );
}

/// A block that is lost takes its attestation with it: what was attested waits again.
#[tokio::test]
async fn events_tell_that_an_attestation_is_lost() {
    let node = Node::start().await;
    let (block, id) = propose(&node);
    node.pending.insert(id);
    attest(&node, &block, 0);
    attest_others(&node, &block, 0);
    let mut events = follow(&node, &id).await;
    assert_eq!(next(&mut events).await["tier"], "attested");

    node.tiers.finalize(&[], block.header.height);

    let lost = next(&mut events).await;
    assert_eq!(lost["tier"], "pending");
    assert!(lost["attesting"].is_null());
}

/// A receipt comes with the committee's votes as long as the node has them in memory.
#[tokio::test]
async fn a_receipt_carries_the_votes_that_are_kept() {
    let node = Node::start().await;
    let (block, id) = propose(&node);
    attest(&node, &block, 0);
    node.tiers.finalize(&[block.id()], block.header.height);
    assert_eq!(node.grow(1), [id]);
    let path = format!("/v1/transactions/{id}/receipt");

    let receipt = node.get(&path).await.json();

    let kept = attestation(&node, &id).await;
    assert_eq!(receipt["attestation"], hex::encode(codec::encode(&kept)));
    let other = node.grow(1)[0];
    let path = format!("/v1/transactions/{other}/receipt");
    assert!(node.get(&path).await.json()["attestation"].is_null());
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_node() {
    let node = Node::start().await;
    let (_, id) = propose(&node);
    node.pending.insert(id);
    let path = format!("/v1/transactions/{id}/events");
    let mut events = follow(&node, &id).await;
    let streams = std::sync::Arc::clone(&node.api.limits.streams);
    assert_eq!(streams.available_permits(), STREAMS_MAX - 1);
    let others = streams
        .try_acquire_many(STREAMS_MAX as u32 - 1)
        .expect("all but one are free");

    assert_eq!(node.get(&path).await.refusal(), (503, "busy".to_owned()));
    next(&mut events).await;
    node.stop.send_replace(true);

    assert!(events.next().await.is_none());
    drop((events, others));
    assert_eq!(
        streams.available_permits(),
        STREAMS_MAX,
        "a client that is gone leaves its place"
    );
    let unknown = node
        .get(&format!("/v1/transactions/{}/events", TxId([1; 32])))
        .await;
    assert_eq!(unknown.refusal(), (404, "unknown_transaction".to_owned()));
}
