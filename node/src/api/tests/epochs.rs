//! Epochs: from genesis to the present validators by what the API serves.

use super::Node;
use super::chain::Chain;
use salus_primitives::codec;
use salus_primitives::epoch::{EPOCH_CHANGE_MAX, EpochChange, Frames};
use salus_primitives::proof::{ANCHOR_MAX, GenesisAnchor};
use salus_primitives::validators::ValidatorSet;

const EPOCH_BLOCKS: u64 = 8;

/// A node that has `ended` epochs behind it, and one block of the next.
async fn node_after(ended: u64) -> Node {
    let node = Node::of(Chain::with_epochs(EPOCH_BLOCKS)).await;
    for _ in 0..ended * EPOCH_BLOCKS + 1 {
        node.grow(0);
    }
    node
}

fn decode(frame: &[u8]) -> EpochChange {
    codec::decode(frame, EPOCH_CHANGE_MAX).expect("a change")
}

/// Follows a page of changes from the validators it begins with.
fn follow(node: &Node, page: &[u8], mut known: ValidatorSet) -> ValidatorSet {
    for frame in Frames::new(page) {
        known = decode(frame.expect("framed"))
            .verify(node.chain.genesis.hash, &known)
            .expect("it holds")
            .validators;
    }
    known
}

/// Who knows genesis alone follows page by page to the validators that the node itself names, whatever the pages' sizes.
#[tokio::test]
async fn the_present_validators_follow_from_genesis_by_pages() {
    let node = node_after(20).await;
    let anchor: GenesisAnchor =
        codec::decode(&node.get("/v1/genesis").await.body, ANCHOR_MAX).expect("an anchor");
    let whole = node.get("/v1/epochs").await;
    assert_eq!(whole.content_type(), "application/octet-stream");

    for count in [1, 7, 1_000_000] {
        let (mut known, mut pages) = (anchor.first.validators.clone(), Vec::new());
        loop {
            let from = known.epoch();
            let path = format!("/v1/epochs?from={from}&count={count}");
            let page = node.get(&path).await.body;
            if page.is_empty() {
                break;
            }
            assert!(Frames::new(&page).count() <= count);
            known = follow(&node, &page, known);
            pages.extend(page);
        }
        assert_eq!(known.epoch().get(), 21);
        assert_eq!(pages, whole.body);
        let present = node.get("/v1/validators").await.json();
        assert_eq!(present["epoch"], 21);
        let keys = |n: usize| &present["validators"][n]["key"];
        for (n, validator) in known.validators().iter().enumerate() {
            assert_eq!(*keys(n), validator.key.to_string());
        }
    }
}

#[tokio::test]
async fn one_change_is_served_by_its_epoch() {
    let node = node_after(2).await;

    let second = node.get("/v1/epochs/2").await;
    let change = decode(&second.body);

    assert_eq!(change.header.epoch.get(), 2);
    assert_eq!(change.header.height.get(), 2 * EPOCH_BLOCKS);
    let page = node.get("/v1/epochs?from=2&count=1").await.body;
    assert_eq!(change.framed(), page);
    let refusals = [
        ("/v1/epochs/3".to_owned(), "not_yet"),
        (format!("/v1/epochs/{}", u64::MAX), "not_yet"),
        ("/v1/epochs/0".to_owned(), "unknown_epoch"),
    ];
    for (path, code) in refusals {
        let answer = node.get(&path).await;
        assert_eq!(answer.refusal(), (404, code.to_owned()), "{path}");
    }
}

/// Beyond the end there is nothing, in pages of any size; what is no number is refused.
#[tokio::test]
async fn pages_end_where_the_chain_ends() {
    let node = node_after(2).await;
    for query in [
        "from=3",
        "from=99",
        "count=0",
        &format!("from={}", u64::MAX),
    ] {
        let answer = node.get(&format!("/v1/epochs?{query}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.len()),
            (200, 0),
            "{query}"
        );
    }
    // genesis is no change
    let from_zero = node.get("/v1/epochs?from=0").await.body;
    assert_eq!(from_zero, node.get("/v1/epochs?from=1").await.body);
    for path in [
        "/v1/epochs?from=-1",
        "/v1/epochs?count=many",
        "/v1/epochs?until=3",
        "/v1/epochs.json?from=x",
        "/v1/validators?epoch=x",
        "/v1/validators?seat=1",
    ] {
        let answer = node.get(path).await;
        assert_eq!(answer.refusal(), (400, "bad_query".to_owned()), "{path}");
    }
    for path in ["/v1/epochs/+1", "/v1/epochs/-1", "/v1/epochs/0x1"] {
        assert_eq!(node.get(path).await.status, 400, "{path}");
    }
    let bad_path = node.get("/v1/epochs/last").await;
    assert_eq!(bad_path.refusal(), (400, "bad_path".to_owned()));
}

#[tokio::test]
async fn the_overview_says_where_the_chain_is() {
    let node = node_after(3).await;

    let overview = node.get("/v1/epochs.json").await.json();
    let parameters = node.get("/v1/parameters").await.json();

    for view in [&overview, &parameters] {
        assert_eq!(view["epoch"], 4);
        assert_eq!(view["first_height"], 3 * EPOCH_BLOCKS + 1);
        assert_eq!(view["last_height"], 4 * EPOCH_BLOCKS);
        assert_eq!(view["epoch_blocks"], EPOCH_BLOCKS);
    }
    let ended = overview["ended"].as_array().expect("a list");
    assert_eq!(ended.len(), 3);
    let change = decode(&node.get("/v1/epochs/3").await.body);
    assert_eq!(ended[2]["epoch"], 3);
    assert_eq!(ended[2]["last_block"], change.header.id().to_string());
    assert_eq!(ended[2]["next_epoch"], change.next.digest().to_string());
    let last_two = node.get("/v1/epochs.json?count=2").await.json();
    assert_eq!(last_two["ended"][0]["epoch"], 2);
    let second = node.get("/v1/epochs.json?from=2&count=1").await.json();
    assert_eq!(second["ended"].as_array().map(Vec::len), Some(1));
    assert_eq!(second["ended"][0]["epoch"], 2);
}

/// At genesis, in the middle of an epoch and right after its last block.
#[tokio::test]
async fn validators_are_those_of_the_next_block() {
    let node = Node::of(Chain::with_epochs(EPOCH_BLOCKS)).await;
    for height in 0..=2 * EPOCH_BLOCKS {
        let view = node.get("/v1/validators").await.json();

        let epoch = height / EPOCH_BLOCKS + 1;
        assert_eq!(view["epoch"], epoch, "at height {height}");
        assert_eq!(view["next"]["epoch"], epoch + 1, "at height {height}");
        assert_eq!(view["next"]["validators"].as_array().map(Vec::len), Some(4));
        let asked = node
            .get(&format!("/v1/validators?epoch={epoch}"))
            .await
            .json();
        assert_eq!(asked["validators"], view["validators"]);
        assert!(asked.get("next").is_none());
        for unknown in [0, epoch + 2] {
            let path = format!("/v1/validators?epoch={unknown}");
            assert_eq!(
                node.get(&path).await.refusal(),
                (404, "unknown_epoch".to_owned())
            );
        }
        node.grow(0);
    }
}
