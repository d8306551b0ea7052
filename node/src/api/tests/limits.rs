//! Bounds, and the server over real connections.

use super::Node;
use crate::api::{Audience, SUBMISSIONS_MAX, WAITERS_MAX, serve};
use salus_primitives::transaction::{TRANSACTION_MAX, TxId};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Beyond the bound a call that would wait is told to come back; one that would not wait is answered.
#[tokio::test]
async fn waiters_are_bounded() {
    let node = Node::start().await;
    let others = node
        .api
        .limits
        .waiters
        .try_acquire_many(WAITERS_MAX as u32)
        .expect("all free");
    let id = TxId([1; 32]);

    for path in [
        format!("/v1/transactions/{id}?wait=final"),
        format!("/v1/transactions/{id}/proof?timeout_ms=1"),
    ] {
        let answer = node.get(&path).await;
        assert_eq!(answer.refusal(), (503, "busy".to_owned()));
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(
        node.get(&format!("/v1/transactions/{id}"))
            .await
            .status
            .as_u16(),
        200
    );

    drop(others);
    let path = format!("/v1/transactions/{id}?wait=final&timeout_ms=1");
    assert_eq!(node.get(&path).await.status.as_u16(), 200);
}

/// Clients are told what they name by an id, and nothing of others or of the node.
#[tokio::test]
async fn clients_do_not_see_blocks_and_how_the_node_is() {
    let mut node = Node::start().await;
    let for_operators = [
        "/v1/blocks/latest",
        "/v1/blocks/latest/raw",
        "/v1/explain",
        "/status",
        "/metrics",
        "/metrics/libp2p",
    ];
    let for_all = ["/v1/head", "/v1/genesis", "/v1/epochs", "/livez"];
    for path in for_operators.iter().filter(|path| **path != "/v1/explain") {
        assert_eq!(node.get(path).await.status.as_u16(), 200, "{path}");
    }

    node.router = node.api.clone().router(Audience::Clients);

    for path in for_operators {
        assert_eq!(node.get(path).await.status.as_u16(), 404, "{path}");
    }
    for path in for_all {
        assert_eq!(node.get(path).await.status.as_u16(), 200, "{path}");
    }
}

#[tokio::test]
async fn submissions_are_bounded() {
    let node = Node::start().await;
    let _others = node
        .api
        .limits
        .submissions
        .try_acquire_many(SUBMISSIONS_MAX as u32)
        .expect("all free");

    assert_eq!(node.post(vec![1]).await.refusal(), (503, "busy".to_owned()));
}

/// Waiting ends with the node, not only with the timeout.
#[tokio::test]
async fn a_stop_answers_who_waits() {
    let node = Node::start().await;
    let id = TxId([1; 32]);
    node.pending.insert(id);

    let path = format!("/v1/transactions/{id}?wait=final&timeout_ms=30000");
    let (answer, ()) = tokio::join!(node.get(&path), async {
        tokio::task::yield_now().await;
        node.stop.send_replace(true);
    });

    assert_eq!(answer.json()["status"], "pending");
}

struct Served {
    node: Node,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), crate::api::ApiError>>,
}

async fn served() -> Served {
    let node = Node::start().await;
    // an address of its own: nobody takes over the port when this server has left it
    static HOST: AtomicU8 = AtomicU8::new(2);
    let host = Ipv4Addr::new(127, 0, 0, HOST.fetch_add(1, Ordering::Relaxed));
    let listener = TcpListener::bind((host, 0)).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(serve(
        listener,
        Audience::Operators,
        node.handle.clone(),
        Arc::clone(&node.metrics),
        async {
            let _ = stopped.await;
        },
    ));
    Served {
        node,
        address,
        stop,
        server,
    }
}

/// Sends bytes on a new connection and reads until the other side closes it.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    // the server may refuse before it has read everything
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Whatever bytes come over a connection, the next client is served.
#[tokio::test]
async fn hostile_connections_harm_nobody() {
    let served = served().await;
    let huge_head = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(100_000)
    );
    let announced = format!(
        "POST /v1/transactions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
        TRANSACTION_MAX + 1
    );
    for (bytes, expected) in [
        (
            b"\x16\x03\x01 no http at all\r\n\r\n".as_slice(),
            "HTTP/1.1 400",
        ),
        (huge_head.as_bytes(), "HTTP/1.1 431"),
        (announced.as_bytes(), "HTTP/1.1 413"),
        (b"".as_slice(), ""),
    ] {
        let answer = if bytes.is_empty() {
            drop(TcpStream::connect(served.address).await.expect("connects"));
            String::new()
        } else {
            exchange(served.address, bytes).await
        };
        assert!(answer.starts_with(expected), "{answer}");
    }

    let good = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = exchange(served.address, good).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A client that announces too much is told so at once, though it keeps its connection and sends nothing of the body.
#[tokio::test]
async fn an_announced_length_beyond_the_limit_is_refused_before_the_body() {
    let served = served().await;
    for length in [TRANSACTION_MAX as u64 + 1, 1 << 40, u64::MAX - 2] {
        let head = format!(
            "POST /v1/transactions HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\ncontent-length: {length}\r\n\r\n",
        );
        let mut stream = TcpStream::connect(served.address).await.expect("connects");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut start = [0; 12];

        stream.read_exact(&mut start).await.expect("an answer");

        assert_eq!(String::from_utf8_lossy(&start), "HTTP/1.1 413", "{length}");
    }
}

/// At the stop, idle connections are closed, long polls are answered, and `serve` returns.
#[tokio::test]
async fn the_server_stops_gracefully() {
    let served = served().await;
    let id = TxId([1; 32]);
    served.node.pending.insert(id);
    let idle = TcpStream::connect(served.address).await.expect("connects");
    let poll = format!(
        "GET /v1/transactions/{id}?wait=final&timeout_ms=30000 HTTP/1.1\r\nhost: x\r\n\r\n"
    );
    let address = served.address;
    let waiting = tokio::spawn(async move { exchange(address, poll.as_bytes()).await });
    while !served.node.metrics.encode().contains("salus_api_waiters 1") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    served.stop.send(()).expect("runs");

    let answer = waiting.await.expect("ends");
    assert!(answer.contains("\"status\":\"pending\""), "{answer}");
    served
        .server
        .await
        .expect("ends")
        .expect("nothing was cut off");
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}
