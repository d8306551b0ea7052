//! What operators ask, and what every path has in common.

use super::Node;
use crate::diagnosis::Explanation;
use crate::diagnosis::tests::stuck;
use crate::runtime::consensus::Question;
use axum::http::Method;

#[tokio::test]
async fn readiness_names_what_is_missing_and_liveness_does_not_care() {
    let node = Node::start().await;
    assert_eq!(node.get("/readyz").await.status.as_u16(), 200);

    node.status.send_modify(|status| status.ready = false);
    assert_eq!(
        node.get("/readyz").await.refusal(),
        (503, "no_quorum".to_owned())
    );
    node.status.send_modify(|status| status.catching_up = true);
    assert_eq!(
        node.get("/readyz").await.refusal(),
        (503, "catching_up".to_owned())
    );
    node.disk.write_failed();
    assert_eq!(
        node.get("/readyz").await.refusal(),
        (503, "disk_full".to_owned())
    );
    node.status
        .send_modify(|status| status.halted = Some("diverged".to_owned()));
    assert_eq!(
        node.get("/readyz").await.refusal(),
        (503, "halted".to_owned())
    );
    node.stop.send_replace(true);
    assert_eq!(
        node.get("/readyz").await.refusal(),
        (503, "stopping".to_owned())
    );

    assert_eq!(node.get("/livez").await.status.as_u16(), 200);
}

#[tokio::test]
async fn status_says_where_the_node_stands() {
    let node = Node::start().await;
    node.grow(1);
    node.metrics
        .transaction_final(salus_primitives::lane::Lane::Monitoring, None);
    node.status
        .send_modify(|status| status.halted = Some("diverged".to_owned()));

    let status = node.get("/status").await.json();

    let head = node.chain.ledger.head();
    assert_eq!(status["final_height"], 1);
    assert_eq!(status["final_time_ms"], 1_001);
    assert_eq!(status["state_root"], head.state_root.to_string());
    assert_eq!(status["genesis_hash"], node.chain.genesis.hash.to_string());
    assert_eq!(status["role"], "validator");
    assert_eq!(status["halted"], "diverged");
    assert_eq!(status["disk"]["full_ms"], serde_json::Value::Null);
    assert!(status["disk"]["free_bytes"].is_u64());
    assert_eq!(status["lanes"]["monitoring"]["mempool"], 2);
    assert_eq!(status["lanes"]["monitoring"]["final"], 1);
    assert_eq!(status["peers"][0]["connected"], true);
    // named as in genesis, not by a hash
    assert_eq!(status["peers"][0]["name"], status["manager"]);
    assert!(
        status["manager"]
            .as_str()
            .is_some_and(|name| name.len() < 20)
    );
}

/// Both forms of metrics have the content type of their format, and pass the tool that knows it.
#[tokio::test]
async fn metrics_come_in_two_formats() {
    let node = Node::start().await;
    node.get("/v1/nothing").await;

    let ours = node.get("/metrics").await;
    assert_eq!(
        ours.content_type(),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = ours.text();
    assert!(
        text.contains("salus_api_responses_total{class=\"client_error\"} 1"),
        "{text}"
    );

    let libp2p = node.get("/metrics/libp2p").await;
    assert!(
        libp2p
            .content_type()
            .starts_with("application/openmetrics-text; version=1.0.0")
    );
    assert!(libp2p.text().ends_with("# EOF\n"));

    crate::telemetry::metrics::tests::check_with_promtool(&text);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_the_same_form() {
    let node = Node::start().await;
    for path in [
        "/",
        "/v1",
        "/v1/blocks",
        "/v2/head",
        "/metrics/",
        "/%2e%2e/etc/passwd",
    ] {
        let answer = node.get(path).await;
        assert_eq!(answer.refusal(), (404, "no_such_path".to_owned()), "{path}");
        assert_eq!(answer.content_type(), "application/json");
    }
    for (method, path) in [
        (Method::GET, "/v1/transactions"),
        (Method::POST, "/v1/head"),
        (Method::DELETE, "/v1/blocks/1"),
        (Method::PUT, "/status"),
    ] {
        let answer = node.call_as(method, path).await;
        assert_eq!(
            answer.refusal(),
            (405, "method_not_allowed".to_owned()),
            "{path}"
        );
    }
}

/// An operator is told what the node and its peers know; while the last peer has not answered, it is waited for.
#[tokio::test]
async fn explain_waits_for_the_peers_and_tells_what_is_found() {
    let mut node = Node::start().await;
    let mut questions = node.questions.take().expect("taken once");
    let runtime = tokio::spawn(async move {
        let (mut asked, mut told) = (0, 0);
        while let Some(question) = questions.recv().await {
            match question {
                Question::AskPeers => asked += 1,
                Question::Tell(reply) => {
                    told += 1;
                    let _ = reply.send((stuck(), told == 3));
                }
            }
            if told == 3 {
                break;
            }
        }
        (asked, told)
    });

    let answer = node.get("/v1/explain").await;

    assert_eq!(answer.status.as_u16(), 200);
    let explanation: Explanation = serde_json::from_value(answer.json()).expect("as documented");
    assert_eq!(explanation, Explanation::of(&stuck()));
    assert_eq!(runtime.await.expect("ends"), (1, 3));
}

/// Explanations cost every peer a message: few at a time, and none from a node that is stopping.
#[tokio::test]
async fn explanations_are_bounded() {
    let mut node = Node::start().await;
    let others = node
        .api
        .limits
        .explanations
        .try_acquire_many(4)
        .expect("all free");
    assert_eq!(
        node.get("/v1/explain").await.refusal(),
        (503, "busy".to_owned())
    );
    drop(others);

    drop(node.questions.take());

    assert_eq!(
        node.get("/v1/explain").await.refusal(),
        (503, "busy".to_owned())
    );
}
