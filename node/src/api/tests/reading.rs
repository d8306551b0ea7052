//! Transactions, blocks, headers and proofs.

use super::Node;
use salus_primitives::block::{BLOCK_MAX, Block};
use salus_primitives::codec;
use salus_primitives::ids::Height;
use salus_primitives::proof::{
    ANCHOR_MAX, FinalityProof, GenesisAnchor, RECEIPT_PROOF_MAX, ReceiptProof,
};
use salus_primitives::receipt::Outcome;
use salus_primitives::transaction::TxId;

#[tokio::test]
async fn a_transaction_is_unknown_pending_or_final() {
    let node = Node::start().await;
    let included = node.grow(3);
    let (unknown, pending) = (TxId([1; 32]), TxId([2; 32]));
    node.pending.insert(pending);

    let of = async |id: &TxId| node.get(&format!("/v1/transactions/{id}")).await.json();

    assert_eq!(of(&unknown).await["status"], "unknown");
    assert_eq!(of(&pending).await["status"], "pending");
    let done = of(&included[0]).await;
    assert_eq!(done["status"], "final");
    assert_eq!(done["height"], 1);
    assert_eq!(done["index"], 0);
    assert_eq!(done["lane"], "routine");
    assert_eq!(done["outcome"], "ok");
    let failed = of(&included[2]).await;
    assert_eq!(failed["status"], "final");
    assert_eq!(failed["outcome"]["reason"], "unknown_sender");
    assert_eq!(failed["outcome"]["contract"], 0);
    assert_eq!(failed["outcome"]["code"], 1);
}

/// Who waits is answered as soon as the transaction is final.
#[tokio::test]
async fn waiting_ends_with_finality() {
    let node = Node::start().await;
    let id = node.chain.transaction(Height::new(1), 0).body.id();
    node.pending.insert(id);

    let path = format!("/v1/transactions/{id}?wait=final&timeout_ms=30000");
    let (answer, ids) = tokio::join!(node.get(&path), async {
        tokio::task::yield_now().await;
        node.grow(1)
    });

    assert_eq!(ids, [id]);
    assert_eq!(answer.json()["status"], "final");
}

/// The proof of a receipt exists once the next block is final; it convinces who knows genesis alone.
#[tokio::test]
async fn a_proof_comes_with_the_next_block_and_holds() {
    let node = Node::start().await;
    let ids = node.grow(3);
    for id in &ids {
        let early = node.get(&format!("/v1/transactions/{id}/proof")).await;
        assert_eq!(early.refusal(), (404, "not_yet".to_owned()));
    }
    let path = format!("/v1/transactions/{}/proof?timeout_ms=30000", ids[0]);
    let (answer, _) = tokio::join!(node.get(&path), async {
        tokio::task::yield_now().await;
        node.grow(0)
    });
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.content_type(), "application/octet-stream");

    let anchor: GenesisAnchor =
        codec::decode(&node.get("/v1/genesis").await.body, ANCHOR_MAX).expect("an anchor");
    let genesis = anchor.check().expect("a consistent anchor");
    assert_eq!(genesis, node.chain.genesis.hash);
    for (index, id) in ids.iter().enumerate() {
        let bytes = node.get(&format!("/v1/transactions/{id}/proof")).await.body;
        let proof: ReceiptProof = codec::decode(&bytes, RECEIPT_PROOF_MAX).expect("a proof");
        let proven = proof
            .verify(genesis, &anchor.first.validators, id)
            .expect("it holds");
        assert_eq!(proven.height(), Height::new(1));
        assert_eq!(proven.value().outcome == Outcome::Ok, index != 2);
        assert!(
            proof
                .verify(genesis, &anchor.first.validators, &TxId([0; 32]))
                .is_err()
        );
    }

    let unknown = node
        .get(&format!("/v1/transactions/{}/proof", TxId([1; 32])))
        .await;
    assert_eq!(unknown.refusal(), (404, "unknown_transaction".to_owned()));
}

#[tokio::test]
async fn a_receipt_carries_its_proof_once_there_is_one() {
    let node = Node::start().await;
    let id = node.grow(1)[0];
    let path = format!("/v1/transactions/{id}/receipt");

    let early = node.get(&path).await.json();
    assert!(early["proof"].is_null());
    assert_eq!(early["events"][0]["data"], "ab");
    assert_eq!(early["outcome"], "ok");

    node.grow(0);
    let later = node.get(&path).await.json();
    let raw = node.get(&format!("/v1/transactions/{id}/proof")).await.body;
    assert_eq!(later["proof"], hex::encode(raw));
    assert_eq!(later["block"], early["block"]);

    node.pending.insert(TxId([2; 32]));
    let pending = node
        .get(&format!("/v1/transactions/{}/receipt", TxId([2; 32])))
        .await;
    assert_eq!(pending.refusal(), (404, "not_yet".to_owned()));
}

/// A block is found by height, by id and as the latest; its raw form has the id that its JSON says.
#[tokio::test]
async fn blocks_and_headers_go_by_height_id_and_latest() {
    let node = Node::start().await;
    node.grow(2);
    node.grow(1);
    let by_height = node.get("/v1/blocks/2").await.json();
    let id = by_height["header"]["id"].as_str().expect("an id");

    assert_eq!(node.get("/v1/blocks/latest").await.json(), by_height);
    assert_eq!(
        node.get(&format!("/v1/blocks/{id}")).await.json(),
        by_height
    );
    assert_eq!(node.get("/v1/headers/2").await.json(), by_height["header"]);
    assert_eq!(by_height["transactions"].as_array().map(Vec::len), Some(1));
    assert_eq!(by_height["transactions"][0]["payload_bytes"], 250);
    assert_eq!(by_height["transactions"][0]["outcome"], "ok");

    let raw = node.get("/v1/blocks/2/raw").await;
    let block: Block = codec::decode(&raw.body, BLOCK_MAX).expect("a block");
    assert_eq!(block.id().to_string(), id);
    assert!(block.body_matches());

    let zero = node.get("/v1/headers/0").await.json();
    assert_eq!(zero["id"], node.chain.genesis.hash.to_string());
    let head = node.get("/v1/head").await.json();
    assert_eq!(head["height"], 2);
    assert_eq!(head["id"], id);
    assert_eq!(
        head["state_root"],
        node.chain.ledger.head().state_root.to_string()
    );
}

#[tokio::test]
async fn finality_of_a_header_is_given_in_both_forms() {
    let node = Node::start().await;
    node.grow(1);
    let genesis = &node.chain.genesis;

    let bytes = node.get("/v1/headers/1/finality").await.body;
    let proof: FinalityProof = codec::decode(&bytes, RECEIPT_PROOF_MAX).expect("a proof");
    let proven = proof
        .verify(genesis.hash, &genesis.first.validators)
        .expect("it holds");
    assert_eq!(proven.height(), Height::new(1));

    for path in [
        "/v1/headers/1?certificate",
        "/v1/headers/latest?certificate=true",
    ] {
        let json = node.get(path).await.json();
        assert_eq!(json["id"], proven.block().to_string());
        let certificate = &json["finality"]["certificate"];
        assert_eq!(certificate["kind"], "finalize");
        assert_eq!(certificate["block"], json["id"]);
        assert_eq!(certificate["votes"].as_array().map(Vec::len), Some(3));
    }
}

#[tokio::test]
async fn the_chain_describes_itself() {
    let node = Node::start().await;

    let validators = node.get("/v1/validators").await.json();
    assert_eq!(validators["quorum_weight"], 3);
    let names: Vec<_> = validators["validators"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|validator| validator["name"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names.len(), 4);
    assert!(names.contains(&"ministry".to_owned()));

    let parameters = node.get("/v1/parameters").await.json();
    let expected = node.chain.genesis.parameters.window_blocks;
    assert_eq!(parameters["window_blocks"], expected);

    let genesis = node.get("/v1/genesis.json").await.json();
    assert_eq!(genesis["genesis_hash"], node.chain.genesis.hash.to_string());
    assert_eq!(genesis["chain"], "salus-test");
    let fixed = genesis["parameters"].as_object().expect("an object");
    for (name, value) in fixed {
        assert_eq!(&parameters[name], value, "{name}");
    }
}

/// What is no name of anything is refused without repeating it.
#[tokio::test]
async fn garbage_in_paths_and_queries_is_refused() {
    let node = Node::start().await;
    let long = "9".repeat(5_000);
    let id = TxId([1; 32]);
    let cases = [
        (format!("/v1/transactions/{long}"), 400, "bad_path"),
        ("/v1/transactions/xyz/proof".to_owned(), 400, "bad_path"),
        (
            "/v1/transactions/%ff%fe/receipt".to_owned(),
            400,
            "bad_path",
        ),
        (format!("/v1/blocks/{long}"), 400, "bad_path"),
        ("/v1/blocks/-1".to_owned(), 400, "bad_path"),
        ("/v1/headers/%00".to_owned(), 400, "bad_path"),
        ("/v1/blocks/99".to_owned(), 404, "unknown_block"),
        (format!("/v1/blocks/{}", u64::MAX), 404, "unknown_block"),
        (
            format!("/v1/headers/{}/finality", u64::MAX),
            404,
            "unknown_block",
        ),
        (
            format!("/v1/blocks/{}/raw", "a".repeat(64)),
            404,
            "unknown_block",
        ),
        (
            format!("/v1/headers/{}?certificate", "a".repeat(64)),
            404,
            "unknown_block",
        ),
        // block 0 has no certificate: it is final by itself
        ("/v1/headers/0/finality".to_owned(), 404, "not_yet"),
        (
            format!("/v1/transactions/{id}?wait=forever"),
            400,
            "bad_query",
        ),
        (
            format!("/v1/transactions/{id}?timeout_ms=-1"),
            400,
            "bad_query",
        ),
        (
            format!("/v1/transactions/{id}?patience=1"),
            400,
            "bad_query",
        ),
        (
            format!("/v1/transactions/{id}/proof?timeout_ms={long}"),
            400,
            "bad_query",
        ),
        (
            "/v1/headers/0?certificate=maybe".to_owned(),
            400,
            "bad_query",
        ),
    ];
    for (path, status, code) in cases {
        let answer = node.get(&path).await;
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{path}");
        assert!(answer.body.len() < 500, "{path}");
    }
}
