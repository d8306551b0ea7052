//! The API over a small real chain in memory: real blocks, receipts, certificates and proofs; only the runtime is played.

mod chain;
mod epochs;
mod keys;
mod limits;
mod members;
mod operation;
mod reading;
mod submitting;
mod tiers;

use super::{Api, Audience};
use crate::custody::speaker::Running;
use crate::handle::{
    AdmitError, DiskStatus, NodeHandle, NodeStatus, PeerStatus, PendingTransactions, Shared,
    Standing,
};
use crate::runtime::admission::{self, Submission};
use crate::runtime::consensus::Question;
use crate::runtime::disk::Disk;
use crate::telemetry::metrics::Metrics;
use crate::tiers::Tiers;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use chain::Chain;
use salus_network::{Inbound, Network, NetworkConfig, NetworkId, NetworkSecret};
use salus_primitives::ids::{Epoch, Height, View};
use salus_primitives::lane::Lane;
use salus_primitives::state::StateRoot;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

/// A node whose runtime is this test.
struct Node {
    chain: Chain,
    handle: NodeHandle,
    metrics: Arc<Metrics>,
    pending: Arc<PendingTransactions>,
    tiers: Arc<Tiers>,
    status: watch::Sender<NodeStatus>,
    final_height: watch::Sender<Height>,
    stop: watch::Sender<bool>,
    disk: Arc<Disk>,
    submissions: Option<mpsc::Receiver<Submission>>,
    questions: Option<mpsc::Receiver<Question>>,
    router: Router,
    api: Api,
    _inbound: Inbound,
}

/// What the API answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Node {
    async fn start() -> Self {
        Self::of(Chain::new()).await
    }

    async fn of(chain: Chain) -> Self {
        Self::custodian(chain, None).await
    }

    async fn custodian(chain: Chain, key_service: Option<Running>) -> Self {
        let network_id = NetworkId::new(*chain.genesis.hash.as_bytes());
        let address = "/ip4/127.0.0.1/tcp/0".parse().expect("an address");
        let (network, inbound) = Network::start(
            NetworkConfig::new(network_id, vec![address]),
            &NetworkSecret::new([200; 32]),
            Vec::new(),
        )
        .await
        .expect("the network starts");
        let metrics = Arc::new(Metrics::new());
        let pending = Arc::new(PendingTransactions::default());
        let tiers = Arc::new(Tiers::default());
        let disk = Arc::new(Disk::new(std::env::temp_dir(), 0, Arc::clone(&metrics)));
        let (submissions, queue) = admission::queue();
        let (questions, asked) = mpsc::channel(4);
        let (status, status_watch) = watch::channel(status(&chain));
        let (final_height, final_watch) = watch::channel(chain.ledger.head().height);
        let handle = NodeHandle::new(Arc::new(Shared {
            genesis: Arc::new(chain.genesis.clone()),
            ledger: Arc::clone(&chain.ledger),
            submissions,
            status: status_watch,
            final_height: final_watch,
            pending: Arc::clone(&pending),
            tiers: Arc::clone(&tiers),
            network,
            metrics: Arc::clone(&metrics),
            disk: Arc::clone(&disk),
            questions,
            key_service,
        }));
        let (stop, stopping) = watch::channel(false);
        let api = Api::new(handle.clone(), Arc::clone(&metrics), stopping);
        Self {
            router: api.clone().router(Audience::Operators),
            api,
            chain,
            handle,
            metrics,
            pending,
            tiers,
            status,
            final_height,
            stop,
            disk,
            submissions: Some(queue),
            questions: Some(asked),
            _inbound: inbound,
        }
    }

    /// Answers every submission with a verdict, as the runtime would.
    fn decide(&mut self, verdict: impl Fn(TxId) -> Result<TxId, AdmitError> + Send + 'static) {
        let mut queue = self.submissions.take().expect("decided once");
        tokio::spawn(async move {
            while let Some(submission) = queue.recv().await {
                if let Submission::Client { transaction, reply } = submission {
                    // one lane below: its entity has used up what it asked for
                    let lane = Lane::Bulk;
                    let answer = verdict(transaction.body.id()).map(|id| (id, lane));
                    let _ = reply.send(answer);
                }
            }
        });
    }

    /// Makes one more block final, with this many transactions, and tells the API.
    fn grow(&self, transactions: u32) -> Vec<TxId> {
        let ids = self.chain.grow(transactions);
        self.final_height
            .send_replace(self.chain.ledger.head().height);
        ids
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Request::get(path).body(Body::empty()).expect("a request"))
            .await
    }

    async fn post(&self, body: Vec<u8>) -> Answer {
        let request = Request::post("/v1/transactions")
            .header("content-type", "application/octet-stream")
            .body(Body::from(body))
            .expect("a request");
        self.call(request).await
    }

    async fn call(&self, request: Request<Body>) -> Answer {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX)
            .await
            .expect("a body")
            .to_vec();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Calls with another method than the path takes.
    async fn call_as(&self, method: Method, path: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .expect("a request");
        self.call(request).await
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    /// The code of a refusal, which must have a message too.
    fn code(&self) -> String {
        let json = self.json();
        assert!(
            json["error"]["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{json}"
        );
        json["error"]["code"].as_str().expect("a code").to_owned()
    }

    fn refusal(&self) -> (u16, String) {
        (self.status.as_u16(), self.code())
    }

    fn content_type(&self) -> &str {
        self.headers["content-type"].to_str().expect("text")
    }
}

fn status(chain: &Chain) -> NodeStatus {
    let entity = |seat: usize| chain.genesis.first.validators.validators()[seat].entity;
    NodeStatus {
        final_height: Height::ZERO,
        final_time: Timestamp::default(),
        head_height: Height::new(5),
        epoch: Epoch::new(1),
        view: View::new(7),
        manager: Some(entity(1)),
        is_manager: false,
        standing: Standing::Votes,
        catching_up: false,
        peers: vec![PeerStatus {
            entity: entity(1),
            connected: true,
        }],
        mempool: [1, 2, 3, 4],
        final_transactions: [0; 4],
        state_root: StateRoot::default(),
        halted: None,
        disk: DiskStatus::default(),
        ready: true,
    }
}
