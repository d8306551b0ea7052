use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

/// A server that answers its one connection with `answer`, whatever was asked; keeps the connection when `hold`.
fn serve(answer: Vec<u8>, hold: bool) -> NodeApi {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer).unwrap();
        let _ = stream.write_all(&answer);
        if hold {
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    NodeApi::new(base, Duration::from_millis(300))
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A full lane is told with the time to wait: the precise one of the body before the header's, within bounds.
#[test]
fn full_lane_tells_how_long_to_wait() {
    for (headers, body, expected) in [
        (
            "retry-after: 2\r\n",
            r#"{"error":{"code":"lane_full","message":"","retry_after_ms":250}}"#,
            250,
        ),
        ("retry-after: 2\r\n", "", 2_000),
        ("", "", 500),
        ("retry-after: 86400\r\n", "", 30_000),
    ] {
        let error = serve(answer("429 Too Many Requests", headers, body), false)
            .submit(b"x")
            .unwrap_err();
        assert!(
            matches!(error, HttpError::LaneFull { retry_after } if retry_after.as_millis() == expected),
            "{error:?}"
        );
    }
}

/// A refusal carries the node's code, cleaned of what could trick a terminal.
#[test]
fn refusal_carries_its_code() {
    let body = r#"{"error":{"code":"bad_signature\u001b[2J","message":"x"}}"#;
    let error = serve(answer("400 Bad Request", "", body), false)
        .submit(b"x")
        .unwrap_err();

    assert_eq!(error.to_string(), "refused (HTTP 400): bad_signature?[2J");
}

/// What is no HTTP, no JSON, unfinished or silent is an error, each of its kind.
#[test]
fn garbage_and_silence_are_errors() {
    let garbage = serve(b"\x00\xff garbage\r\n\r\n".to_vec(), false)
        .submit(b"x")
        .unwrap_err();
    assert!(matches!(garbage, HttpError::NoAnswer(_)), "{garbage:?}");

    let no_json = serve(answer("200 OK", "", "{"), false).head().unwrap_err();
    assert!(
        matches!(no_json, HttpError::Malformed { what: "head" }),
        "{no_json:?}"
    );

    let cut = serve(
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec(),
        false,
    )
    .head()
    .unwrap_err();
    assert!(matches!(cut, HttpError::NoAnswer(_)), "{cut:?}");

    let silent = serve(Vec::new(), true).submit(b"x").unwrap_err();
    assert!(matches!(silent, HttpError::NoAnswer(_)), "{silent:?}");

    let slow = serve(
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec(),
        true,
    )
    .head()
    .unwrap_err();
    assert!(matches!(slow, HttpError::NoAnswer(_)), "{slow:?}");
}

/// A body beyond the limit is not read to its end.
#[test]
fn oversized_body_is_refused() {
    let error = serve(answer("200 OK", "", &"x".repeat(100_000)), false)
        .head()
        .unwrap_err();

    assert!(
        matches!(
            error,
            HttpError::TooLong {
                limit: JSON_BYTES_MAX
            }
        ),
        "{error:?}"
    );
}

/// States and proofs are read; a 404 means that there is nothing yet.
#[test]
fn states_and_proofs_are_read() {
    let id = TxId([1; 32]);
    let body = r#"{"id":"01","status":"final","height":7,"outcome":"ok"}"#;
    let progress = serve(answer("200 OK", "", body), false)
        .wait_final(&id, Duration::ZERO)
        .unwrap();
    assert_eq!(progress.status, Progress::Final);

    let missing = answer(
        "404 Not Found",
        "",
        r#"{"error":{"code":"not_yet","message":""}}"#,
    );
    assert_eq!(
        serve(missing.clone(), false)
            .wait_final(&id, Duration::ZERO)
            .unwrap()
            .status,
        Progress::Unknown
    );
    assert_eq!(
        serve(missing, false).proof(&id, Duration::ZERO).unwrap(),
        None
    );
    let proof = serve(answer("200 OK", "", "abc"), false)
        .proof(&id, Duration::ZERO)
        .unwrap();
    assert_eq!(proof, Some(b"abc".to_vec()));
}

/// Only plain HTTP addresses with a host are accepted.
#[test]
fn addresses_are_checked() {
    assert_eq!(
        "http://127.0.0.1:80/"
            .parse::<HttpUrl>()
            .unwrap()
            .to_string(),
        "http://127.0.0.1:80"
    );
    assert_eq!("https://a".parse::<HttpUrl>(), Err(UrlError::Scheme));
    for text in [
        "http://",
        "http:///x",
        "http://a b",
        "http://user@host",
        "http://:80",
    ] {
        assert_eq!(text.parse::<HttpUrl>(), Err(UrlError::Host), "{text}");
    }
}

/// Steps are taken as they come, other events and comments are passed over, and a connection that ends early is an end.
#[test]
fn steps_are_taken_until_the_stream_ends() {
    let id = TxId([1; 32]);
    let pending = r#"data: {"status":"pending","attesting":{"votes":1,"verifiers":2,"more":7}}"#;
    let events = format!(
        ":\n\nevent: progress\n{pending}\n\nid: 7\ndata:{{\"status\":\"final\",\"attesting\":null}}\n\n"
    );
    let cut_off = format!("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{events}");
    for answer in [answer("200 OK", "", &events), cut_off.into_bytes()] {
        let mut steps = Vec::new();
        let take = |step| {
            steps.push(step);
            true
        };

        serve(answer, false)
            .steps(&id, Duration::ZERO, take)
            .unwrap();

        let (votes, verifiers) = (1, 2);
        let attesting = Some(Attesting { votes, verifiers });
        let step = |status, attesting| Step { status, attesting };
        assert_eq!(
            steps,
            [
                step(Progress::Pending, attesting),
                step(Progress::Final, None)
            ]
        );
    }
}

/// A node that refuses, tells nonsense, or nothing for ever.
#[test]
fn steps_end_whatever_a_node_does() {
    let id = TxId([1; 32]);
    let follow = |answer: Vec<u8>, hold| {
        serve(answer, hold).steps(&id, Duration::ZERO, |_| panic!("no step"))
    };
    let busy = r#"{"error":{"code":"busy","message":""}}"#;

    let refused = follow(answer("503 Unavailable", "", busy), false);
    assert!(matches!(refused, Err(HttpError::Unavailable { .. })));
    let nonsense = follow(
        answer("200 OK", "", "data: {\"status\":\"lost\"}\n\n"),
        false,
    );
    assert!(matches!(nonsense, Err(HttpError::Malformed { .. })));
    let silent = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n".to_vec();
    assert!(follow(silent, true).is_ok(), "its time is over");
    let endless = ": nothing\n".repeat(500_000);
    assert!(follow(answer("200 OK", "", &endless), false).is_ok());
}
