//! Handing in transactions.

use super::Node;
use crate::handle::AdmitError;
use crate::mempool::PoolError;
use axum::body::Body;
use axum::http::Request;
use salus_contracts::executor::{ExecutorError, Refusal};
use salus_primitives::codec;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::ids::{GenesisHash, Height};
use salus_primitives::lane::Lane;
use salus_primitives::signed::BadSignature;
use salus_primitives::transaction::{TRANSACTION_MAX, TxId};
use std::time::Duration;

fn transaction(node: &Node) -> (TxId, Vec<u8>) {
    let signed = node.chain.transaction(Height::new(50), 0);
    (signed.body.id(), codec::encode(&signed))
}

#[tokio::test]
async fn a_new_transaction_is_accepted_and_a_repeated_one_says_how_it_stands() {
    let mut node = Node::start().await;
    let (id, bytes) = transaction(&node);
    node.decide(Ok);
    let first = node.post(bytes.clone()).await;
    assert_eq!(first.status.as_u16(), 202);
    assert_eq!(first.json()["id"], id.to_string());
    assert_eq!(first.json()["status"], "pending");
    assert_eq!(first.json()["lane"], "bulk", "where it waits");

    let mut node = Node::start().await;
    node.decide(|id| Err(PoolError::AlreadyPending { id }.into()));
    node.pending.insert(id);
    let pending = node.post(bytes.clone()).await;
    assert_eq!(pending.status.as_u16(), 200);
    assert_eq!(pending.json()["status"], "pending");

    let mut node = Node::start().await;
    let included = node.grow(1)[0];
    let height = Height::new(1);
    node.decide(move |_| {
        Err(PoolError::AlreadyFinal {
            id: included,
            height,
        }
        .into())
    });
    let done = node.post(bytes).await;
    assert_eq!(done.status.as_u16(), 200);
    assert_eq!(done.json()["status"], "final");
    assert_eq!(done.json()["outcome"], "ok");
}

/// Every reason of the node has its own code and a status that says whose turn it is.
#[tokio::test]
async fn every_refusal_has_its_code_and_status() {
    let other = GenesisHash([9; 32]);
    let height = Height::new(3);
    let cases: [(AdmitError, u16, &str); 8] = [
        (
            PoolError::WrongChain {
                found: other,
                expected: other,
            }
            .into(),
            409,
            "wrong_chain",
        ),
        (
            PoolError::Expired {
                valid_until: height,
                next: height,
            }
            .into(),
            409,
            "expired",
        ),
        (
            PoolError::WindowTooFar {
                valid_until: height,
                latest: height,
            }
            .into(),
            409,
            "window_too_far",
        ),
        (
            BadSignature {
                key: PublicKey([1; 32]),
            }
            .into(),
            400,
            "bad_signature",
        ),
        (
            Refusal::from(ExecutorError::UnknownSender).into(),
            422,
            "unknown_sender",
        ),
        (
            PoolError::LaneFull {
                lane: Lane::Routine,
                retry_after: Duration::from_millis(1_250),
            }
            .into(),
            429,
            "lane_full",
        ),
        (
            AdmitError::Busy {
                retry_after: Duration::from_millis(250),
            },
            503,
            "busy",
        ),
        (AdmitError::Stopping, 503, "stopping"),
    ];
    for (error, status, code) in cases {
        let mut node = Node::start().await;
        let (_, bytes) = transaction(&node);
        node.decide(move |_| Err(error.clone()));

        let answer = node.post(bytes).await;

        assert_eq!(answer.refusal(), (status, code.to_owned()));
        if code == "lane_full" {
            assert_eq!(answer.headers["retry-after"], "2");
            assert_eq!(answer.json()["error"]["retry_after_ms"], 1_250);
        }
        let series =
            format!("salus_transactions_rejected_total{{lane=\"routine\",reason=\"{code}\"}} 1");
        assert!(node.metrics.encode().contains(&series), "{series}");
    }
}

/// Bytes that are no transaction are refused before anything else looks at them, and counted.
#[tokio::test]
async fn wrong_bytes_are_refused_at_the_door() {
    let node = Node::start().await;
    let (_, good) = transaction(&node);
    let mut trailing = good.clone();
    trailing.push(0);
    for bytes in [
        Vec::new(),
        vec![0xff; 300],
        good[..good.len() - 1].to_vec(),
        trailing,
    ] {
        let answer = node.post(bytes).await;
        assert_eq!(answer.refusal(), (400, "malformed".to_owned()));
    }

    let large = node.post(vec![0; TRANSACTION_MAX + 1]).await;
    assert_eq!(large.refusal(), (413, "too_large".to_owned()));

    let pieces = [vec![0u8; TRANSACTION_MAX], vec![0]].map(Ok::<_, std::io::Error>);
    let unannounced = Request::post("/v1/transactions")
        .header("content-type", "application/octet-stream")
        .body(Body::from_stream(futures::stream::iter(pieces)))
        .expect("a request");
    let large = node.call(unannounced).await;
    assert_eq!(large.refusal(), (413, "too_large".to_owned()));

    let text = node.metrics.encode();
    for (reason, count) in [("malformed", 4), ("too_large", 2)] {
        let series = format!(
            "salus_transactions_rejected_total{{lane=\"none\",reason=\"{reason}\"}} {count}"
        );
        assert!(text.contains(&series), "{series}");
    }
}

#[tokio::test]
async fn a_transaction_is_sent_as_octets() {
    let mut node = Node::start().await;
    node.decide(Ok);
    let (_, bytes) = transaction(&node);
    for (kind, status) in [
        (None, 415),
        (Some("application/json"), 415),
        (Some("Application/Octet-Stream; charset=x"), 202),
    ] {
        let mut request = Request::post("/v1/transactions");
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = node
            .call(request.body(Body::from(bytes.clone())).expect("a request"))
            .await;
        assert_eq!(answer.status.as_u16(), status, "{kind:?}");
    }
}

/// A node whose runtime is gone says so instead of hanging.
#[tokio::test]
async fn a_stopped_runtime_is_told() {
    let mut node = Node::start().await;
    node.submissions = None;
    let (_, bytes) = transaction(&node);

    assert_eq!(
        node.post(bytes).await.refusal(),
        (503, "stopping".to_owned())
    );
}
