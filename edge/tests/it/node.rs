//! A node's HTTP API over a [`Chain`] in memory, with faults on request.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use salus_edge::http::HttpUrl;
use salus_primitives::calls::RecordsCall;
use salus_primitives::codec;
use salus_primitives::ids::Epoch;
use salus_primitives::receipt::Outcome;
use salus_primitives::transaction::{SignedTransaction, TRANSACTION_MAX, TxId};

use crate::chain::Chain;

/// What a node does wrong. Counts say how often.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Submissions answered with 429.
    pub(crate) full: u32,
    /// Submissions answered with 503 and a time to wait.
    pub(crate) busy: u32,
    /// Submissions refused as expired.
    pub(crate) expired: u32,
    /// Submissions refused for their device.
    pub(crate) unknown_device: u32,
    /// Proofs with a changed byte.
    pub(crate) forged: u32,
    /// Proofs of calls that failed.
    pub(crate) failed: u32,
    /// States answered as unknown.
    pub(crate) forgotten: u32,
    /// Whether every answer is no HTTP.
    pub(crate) garbage: bool,
    /// Whether nothing becomes final.
    pub(crate) stuck: bool,
    /// Whether no committee votes.
    pub(crate) unattested: bool,
    /// Attestations with a changed byte.
    pub(crate) false_attestations: u32,
    /// Whether there are no events to follow, as in an earlier version.
    pub(crate) without_events: bool,
    /// How many epochs have ended; proofs are of the next one.
    pub(crate) ended: u64,
    /// After how many proofs an epoch ends; none does for 0.
    pub(crate) epoch_proofs: u32,
    /// Which changes of validators are served.
    pub(crate) changes: Changes,
}

/// What a node answers that is asked for the changes of validators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Changes {
    /// All it has.
    #[default]
    All,
    /// One in each answer.
    OneByOne,
    /// Nothing.
    Nothing,
    /// The first one, whatever was asked for, as often as it fits.
    Repeated,
    /// Those of another chain.
    OtherChain,
    /// Names of validators whom nobody elected.
    Forged,
    /// A change that is cut short.
    CutShort,
    /// Bytes without end.
    Endless,
    /// No such path, as an earlier version.
    NoSuchPath,
}

/// A running fake node.
pub(crate) struct FakeNode {
    pub(crate) url: HttpUrl,
    state: Arc<Mutex<State>>,
}

struct State {
    chain: Arc<Chain>,
    faults: Faults,
    transactions: BTreeMap<TxId, SignedTransaction>,
    submissions: u32,
    proofs: u32,
    /// In which epoch each transaction was proven last.
    proven: BTreeMap<TxId, Epoch>,
    /// From which epochs changes were asked for.
    asked: Vec<u64>,
}

impl FakeNode {
    pub(crate) fn start(chain: &Arc<Chain>, faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let state = State {
            chain: Arc::clone(chain),
            faults,
            transactions: BTreeMap::new(),
            submissions: 0,
            proofs: 0,
            proven: BTreeMap::new(),
            asked: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &state));
            }
        });
        Self { url, state }
    }

    pub(crate) fn set(&self, faults: Faults) {
        self.state.lock().unwrap().faults = faults;
    }

    /// How often something was submitted.
    pub(crate) fn submissions(&self) -> u32 {
        self.state.lock().unwrap().submissions
    }

    /// From which epochs changes of validators were asked for, in order.
    pub(crate) fn asked(&self) -> Vec<u64> {
        self.state.lock().unwrap().asked.clone()
    }

    /// Every transaction that was admitted.
    pub(crate) fn transactions(&self) -> Vec<SignedTransaction> {
        self.state
            .lock()
            .unwrap()
            .transactions
            .values()
            .cloned()
            .collect()
    }
}

struct Reply(u16, &'static str, Vec<u8>);

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some((method, target, body)) = read_request(&mut reader) {
        let garbage = state.lock().unwrap().faults.garbage;
        let mut stream = stream;
        if garbage {
            let _ = stream.write_all(b"\x16\x03\x01 this is not HTTP\n\n");
            return;
        }
        let Reply(status, headers, body) = state.lock().unwrap().answer(&method, &target, &body);
        let head = format!(
            "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        if stream
            .write_all(&[head.as_bytes(), &body].concat())
            .is_err()
        {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<(String, String, Vec<u8>)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, target, body))
}

impl State {
    fn answer(&mut self, method: &str, target: &str, body: &[u8]) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (method, parts.as_slice()) {
            ("GET", ["v1", "genesis"]) => Reply(200, "", self.chain.anchor()),
            ("GET", ["v1", "head"]) => Reply(200, "", br#"{"height":1,"time":5}"#.to_vec()),
            ("GET", ["v1", "parameters"]) => Reply(200, "", br#"{"window_blocks":100}"#.to_vec()),
            ("GET", ["v1", "epochs"]) => self.changes(query),
            ("POST", ["v1", "transactions"]) => self.submit(body),
            ("GET", ["v1", "transactions", id]) => self.status(id.parse().unwrap()),
            ("GET", ["v1", "transactions", id, "events"]) => self.events(id.parse().unwrap()),
            ("GET", ["v1", "transactions", id, "attestation"]) => {
                self.attestation(id.parse().unwrap())
            }
            ("GET", ["v1", "transactions", id, "proof"]) => self.proof(id.parse().unwrap()),
            _ => panic!("the edge asked for {method} {target}"),
        }
    }

    fn submit(&mut self, body: &[u8]) -> Reply {
        self.submissions += 1;
        if take(&mut self.faults.full) {
            let body = br#"{"error":{"code":"lane_full","message":"","retry_after_ms":10}}"#;
            return Reply(429, "retry-after: 1\r\n", body.to_vec());
        }
        if take(&mut self.faults.busy) {
            let body = br#"{"error":{"code":"busy","message":"","retry_after_ms":10}}"#;
            return Reply(503, "", body.to_vec());
        }
        if take(&mut self.faults.expired) {
            return refusal("expired");
        }
        if take(&mut self.faults.unknown_device) {
            return refusal("unknown_device");
        }
        let transaction: SignedTransaction =
            codec::decode(body, TRANSACTION_MAX).expect("canonical bytes");
        let call = transaction.body.call.payload.as_slice();
        codec::decode::<RecordsCall>(call, TRANSACTION_MAX)
            .expect("a call of the records contract");
        transaction.clone().check().expect("a valid signature");
        assert_eq!(transaction.body.genesis, self.chain.genesis());
        assert!(
            transaction.body.valid_until.get() <= 101,
            "within the window"
        );
        let id = transaction.body.id();
        self.transactions.insert(id, transaction);
        Reply(
            202,
            "",
            format!(r#"{{"id":"{id}","status":"pending"}}"#).into_bytes(),
        )
    }

    fn status(&mut self, id: TxId) -> Reply {
        let status = if take(&mut self.faults.forgotten) || !self.transactions.contains_key(&id) {
            "unknown"
        } else if self.faults.stuck {
            "pending"
        } else {
            "final"
        };
        Reply(
            200,
            "",
            format!(r#"{{"id":"{id}","status":"{status}","height":1,"outcome":"ok"}}"#)
                .into_bytes(),
        )
    }

    /// Everything at once: the way of a transaction whose committee of two is quick.
    fn events(&mut self, id: TxId) -> Reply {
        if self.faults.without_events {
            return not_found("no_such_path");
        }
        if take(&mut self.faults.forgotten) || !self.transactions.contains_key(&id) {
            return not_found("unknown_transaction");
        }
        let step = |status, votes| {
            let attesting = match votes {
                _ if self.faults.unattested => "null".to_owned(),
                0 => "null".to_owned(),
                votes => {
                    format!(r#"{{"height":1,"lane":"routine","votes":{votes},"verifiers":2}}"#)
                }
            };
            format!(
                "event: progress\ndata: {{\"id\":\"{id}\",\"status\":\"{status}\",\"attesting\":{attesting}}}\n\n:\n\n"
            )
        };
        let steps = [("pending", 0), ("pending", 1), ("pending", 2), ("final", 2)];
        let told = if self.faults.stuck { 1 } else { steps.len() };
        let events: String = steps[..told]
            .iter()
            .map(|(status, votes)| step(status, *votes))
            .collect();
        Reply(
            200,
            "content-type: text/event-stream\r\n",
            events.into_bytes(),
        )
    }

    fn attestation(&mut self, id: TxId) -> Reply {
        if self.faults.unattested {
            return not_found("not_kept");
        }
        let epoch = self.proven.get(&id).copied().unwrap_or(Epoch::new(1));
        let mut attestation = self.chain.attest(epoch, &self.transactions[&id], &[0, 2]);
        if take(&mut self.faults.false_attestations) {
            let last = attestation.len() - 1;
            attestation[last] ^= 1;
        }
        Reply(200, "", attestation)
    }

    fn changes(&mut self, query: &str) -> Reply {
        let from: u64 = query.strip_prefix("from=").unwrap().parse().unwrap();
        self.asked.push(from);
        let change = |epoch| self.chain.change(Epoch::new(epoch)).framed();
        let all = |from: u64| (from..=self.faults.ended).flat_map(change);
        let page = match self.faults.changes {
            Changes::All => all(from).collect(),
            Changes::OneByOne if from <= self.faults.ended => change(from),
            Changes::OneByOne | Changes::Nothing => Vec::new(),
            Changes::Repeated => change(1).repeat(500),
            Changes::OtherChain => Chain::new(77).change(Epoch::new(from)).framed(),
            Changes::Forged => {
                let mut forged = self.chain.change(Epoch::new(from));
                forged.next = Chain::new(77).epoch(Epoch::new(from + 1));
                forged.header.next_epoch = Some(forged.next.digest());
                forged.framed()
            }
            Changes::CutShort => change(from)[..100].to_vec(),
            Changes::Endless => vec![7; 8 * 1024 * 1024],
            Changes::NoSuchPath => {
                let body = br#"{"error":{"code":"no_such_path","message":""}}"#;
                return Reply(404, "", body.to_vec());
            }
        };
        Reply(200, "", page)
    }

    fn proof(&mut self, id: TxId) -> Reply {
        let outcome = if take(&mut self.faults.failed) {
            Outcome::Failed {
                contract: salus_primitives::calls::RECORDS,
                code: 4,
            }
        } else {
            Outcome::Ok
        };
        self.proofs += 1;
        if self.faults.epoch_proofs > 0 && self.proofs.is_multiple_of(self.faults.epoch_proofs) {
            self.faults.ended += 1;
        }
        let epoch = Epoch::new(self.faults.ended + 1);
        self.proven.insert(id, epoch);
        let transaction = &self.transactions[&id];
        let mut proof = self.chain.finalize_in(epoch, transaction, outcome);
        if take(&mut self.faults.forged) {
            let middle = proof.len() / 2;
            proof[middle] ^= 1;
        }
        Reply(200, "", proof)
    }
}

fn not_found(code: &str) -> Reply {
    let body = format!(r#"{{"error":{{"code":"{code}","message":""}}}}"#);
    Reply(404, "", body.into_bytes())
}

fn refusal(code: &str) -> Reply {
    Reply(
        400,
        "",
        format!(r#"{{"error":{{"code":"{code}","message":""}}}}"#).into_bytes(),
    )
}

fn take(count: &mut u32) -> bool {
    let left = *count > 0;
    *count = count.saturating_sub(1);
    left
}
