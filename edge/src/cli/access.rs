//! `salus-edge access`: rules, requests and reviews, signed with a wallet and proven when done.

mod words;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{ArgAction, Args, Subcommand, ValueEnum};
use getrandom::SysRng;
use rand_core::TryRng;
use salus_edge::follow::Follower;
use salus_edge::http::HttpUrl;
use salus_edge::light::{LightClient, LightError};
use salus_edge::submit::{Delivery, Nodes, Stop, sign_call};
use salus_edge::wallet::Wallet;
use salus_primitives::access::{
    AccessEvent, AccessRequest, Categories, Extent, GrantId, Grantee, Passing, Purpose, Purposes,
    Sensitivity, Terms,
};
use salus_primitives::calls::{ACCESS, AccessCall, BreakGlassReason, ReviewVerdict};
use salus_primitives::codec;
use salus_primitives::ids::GenesisHash;
use salus_primitives::proof::Proven;
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::receipt::{Outcome, Receipt};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, TxId};
use serde_json::{Value, json};
use words::When;

use super::{failure, usage_error};

#[derive(Args, Debug)]
pub(crate) struct AccessOptions {
    /// Who signs.
    #[arg(long, value_name = "FILE", global = true)]
    wallet: Option<PathBuf>,
    /// A node's API; several may be given. None is trusted.
    #[arg(long, value_name = "URL", global = true)]
    node: Vec<HttpUrl>,
    /// The chain's genesis hash. Without it, the first node that answers is believed.
    #[arg(long, value_name = "HEX", global = true)]
    genesis_hash: Option<GenesisHash>,
    /// For how long to try, in seconds.
    #[arg(long, value_name = "N", default_value_t = 30, global = true, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
    /// Where to keep the proof of what became of it.
    #[arg(long, value_name = "FILE", global = true)]
    save_proof: Option<PathBuf>,
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    /// Permit, as the patient or for one.
    Grant(RuleOptions),
    /// Forbid, as the patient or for one. What is forbidden wins over what is permitted.
    Deny(RuleOptions),
    /// End a rule, and what was passed on from it.
    Revoke {
        /// Whose data.
        #[arg(long, value_name = "HEX")]
        subject: Pseudonym,
        /// The rule: the transaction that made it.
        #[arg(long, value_name = "HEX")]
        grant: GrantId,
    },
    /// Pass a grant on, once, to somebody by name.
    PassOn {
        /// Whose data.
        #[arg(long, value_name = "HEX")]
        subject: Pseudonym,
        /// The grant.
        #[arg(long, value_name = "HEX")]
        grant: GrantId,
        /// To whom.
        #[arg(long, value_parser = words::grantee)]
        to: Grantee,
        /// Until when.
        #[arg(long, value_parser = words::when)]
        until: When,
    },
    /// Ask to see data.
    Request(RequestOptions),
    /// Open without a grant, because a life is at stake.
    BreakGlass {
        #[command(flatten)]
        request: BreakOptions,
        /// Why.
        #[arg(long, value_enum)]
        reason: Reason,
    },
    /// Close the review of a broken glass.
    CloseReview {
        /// The transaction that broke it.
        #[arg(long, value_name = "HEX")]
        request: TxId,
        /// What the review found.
        #[arg(long, value_enum)]
        verdict: Verdict,
    },
    /// Exclude break-glass for a patient, or allow it again.
    ExcludeBreakGlass {
        /// Whose data.
        #[arg(long, value_name = "HEX")]
        subject: Pseudonym,
        /// Whether it is excluded.
        #[arg(long, action = ArgAction::Set)]
        excluded: bool,
    },
    /// Have all keys of a period destroyed. What was released before stays readable for who has it.
    Erase {
        /// Whose data.
        #[arg(long, value_name = "HEX")]
        subject: Pseudonym,
        /// Which kind.
        #[arg(long, value_parser = words::category)]
        category: Category,
        /// The first day, as in 2026-12-01.
        #[arg(long, value_parser = words::day)]
        first_day: u32,
        /// The last day.
        #[arg(long, value_parser = words::day)]
        last_day: u32,
    },
}

#[derive(Args, Debug)]
struct RuleOptions {
    /// Whose data.
    #[arg(long, value_name = "HEX")]
    subject: Pseudonym,
    /// To whom: entity:NAME, role:ROLE, NAME/PROFESSION, practitioner:HEX, person:HEX, or everybody (only to deny).
    #[arg(long, value_parser = words::grantee)]
    to: Grantee,
    /// Kinds of data, with commas, or all.
    #[arg(long, value_parser = words::categories)]
    categories: Categories,
    /// For what: TREAT, HPAYMT, HOPERAT, HRESCH, PUBHLTH (and BTG to deny), with commas.
    #[arg(long, value_parser = words::purposes)]
    purposes: Purposes,
    /// To permit: the most sensitive data it opens; to deny: the least sensitive it closes.
    #[arg(long, default_value = "N", value_parser = words::sensitivity)]
    sensitivity: Sensitivity,
    /// Which: all, a day, DAY..DAY, or DAY/DEVICE/READING.
    #[arg(long, default_value = "all", value_parser = words::extent)]
    extent: Extent,
    /// From when on; now if it is not given.
    #[arg(long, value_parser = words::when)]
    from: Option<When>,
    /// Until when, as in 1h or 2026-12-01T08:00:00Z.
    #[arg(long, value_parser = words::when)]
    until: When,
    /// Whether it may be passed on, once.
    #[arg(long)]
    may_pass_on: bool,
    /// The agreement that it rests on, and falls with.
    #[arg(long, value_name = "HEX")]
    agreement: Option<salus_primitives::access::AgreementId>,
}

#[derive(Args, Debug)]
struct RequestOptions {
    #[command(flatten)]
    data: BreakOptions,
    /// For what: TREAT, HPAYMT, HOPERAT, HRESCH or PUBHLTH.
    #[arg(long, value_parser = words::purpose)]
    purpose: Purpose,
}

/// Which data are asked for.
#[derive(Args, Debug)]
struct BreakOptions {
    /// Whose data.
    #[arg(long, value_name = "HEX")]
    subject: Pseudonym,
    /// Which kind.
    #[arg(long, value_parser = words::category)]
    category: Category,
    /// The most sensitive data asked for.
    #[arg(long, default_value = "N", value_parser = words::sensitivity)]
    sensitivity: Sensitivity,
    /// Which: a day, DAY..DAY, or DAY/DEVICE/READING.
    #[arg(long, value_parser = words::extent)]
    extent: Extent,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reason {
    LifeThreatening,
    Unconscious,
    DangerToOthers,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Verdict {
    Justified,
    Unjustified,
}

/// Why nothing came of a call.
#[derive(Debug, thiserror::Error)]
enum AccessError {
    #[error("name the signer's keys with --wallet FILE")]
    NoWallet,
    #[error("name a node with --node URL")]
    NoNode,
    #[error("the system has no randomness")]
    Entropy,
    #[error("no node answers")]
    NoAnswer,
    #[error("the chain: {0}")]
    Light(#[from] LightError),
    #[error("refused: {code}")]
    Refused { code: String },
    #[error("it did not get into a block in time; nothing was done")]
    Expired,
    #[error("the routine lane is full; try again in {0:?}")]
    Later(Duration),
    #[error("it is not known what became of it; ask for transaction {0}")]
    Unknown(TxId),
    #[error("cannot write {}: {source}", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl AccessOptions {
    pub(crate) fn run(self) -> ExitCode {
        let wallet = match &self.wallet {
            Some(path) => match Wallet::load(path) {
                Ok(wallet) => wallet,
                Err(error) => return usage_error(&error),
            },
            None => return usage_error(&AccessError::NoWallet),
        };
        if self.node.is_empty() {
            return usage_error(&AccessError::NoNode);
        }
        match self.deliver(&wallet) {
            Ok((id, receipt)) => {
                println!("{}", told(&id, &receipt));
                match receipt.value().outcome {
                    Outcome::Ok => ExitCode::SUCCESS,
                    Outcome::Failed { .. } => ExitCode::FAILURE,
                }
            }
            Err(error) => failure(&error),
        }
    }

    /// Signs the call, hands it in, and follows it until it is proven.
    fn deliver(&self, wallet: &Wallet) -> Result<(TxId, Proven<Receipt>), AccessError> {
        let mut nonce = [0; 16];
        SysRng
            .try_fill_bytes(&mut nonce)
            .map_err(|_| AccessError::Entropy)?;
        let nodes = Nodes::new(self.node.clone(), CALL_LIMIT);
        let stop = Stop::default();
        std::thread::scope(|scope| {
            let limit = Duration::from_secs(self.timeout);
            let (done, ended) = std::sync::mpsc::channel::<()>();
            let stop = &stop;
            scope.spawn(move || {
                // an answer, or the time is up
                let _ = ended.recv_timeout(limit);
                stop.stop();
            });
            let result = self.deliver_until(wallet, nonce, &nodes, stop);
            drop(done);
            result
        })
    }

    fn deliver_until(
        &self,
        wallet: &Wallet,
        nonce: [u8; 16],
        nodes: &Nodes,
        stop: &Stop,
    ) -> Result<(TxId, Proven<Receipt>), AccessError> {
        let (client, _) = nodes
            .anchor(stop, |anchor| LightClient::new(anchor, self.genesis_hash))
            .ok_or(AccessError::NoAnswer)??;
        let client = Follower::new(client);
        let valid_until = nodes.valid_until(stop).ok_or(AccessError::NoAnswer)?;
        let call = Call::new(ACCESS, &self.command.call(now()));
        let transaction = sign_call(client.genesis(), wallet, call, valid_until, nonce);
        let id = transaction.body.id();
        match nodes.deliver(&transaction, &client, stop, || {}) {
            Delivery::Proven { receipt, proof, .. } => {
                if let Some(path) = &self.save_proof {
                    std::fs::write(path, proof).map_err(|source| AccessError::Write {
                        path: path.clone(),
                        source,
                    })?;
                }
                Ok((id, receipt))
            }
            Delivery::Later(wait) => Err(AccessError::Later(wait)),
            Delivery::Expired => Err(AccessError::Expired),
            Delivery::Refused { code } => Err(AccessError::Refused { code }),
            Delivery::Stopped => Err(AccessError::Unknown(id)),
        }
    }
}

impl AccessCommand {
    fn call(&self, now: Timestamp) -> AccessCall {
        match self {
            Self::Grant(rule) => AccessCall::Grant(rule.terms(now)),
            Self::Deny(rule) => AccessCall::Deny(rule.terms(now)),
            Self::Revoke { subject, grant } => AccessCall::Revoke {
                subject: *subject,
                grant: *grant,
            },
            Self::PassOn {
                subject,
                grant,
                to,
                until,
            } => AccessCall::PassOn {
                subject: *subject,
                grant: *grant,
                to: *to,
                until: until.from(now),
            },
            Self::Request(request) => AccessCall::Request(request.data.asked(request.purpose)),
            Self::BreakGlass { request, reason } => AccessCall::BreakGlass {
                request: request.asked(Purpose::BreakGlass),
                reason: match reason {
                    Reason::LifeThreatening => BreakGlassReason::LifeThreatening,
                    Reason::Unconscious => BreakGlassReason::Unconscious,
                    Reason::DangerToOthers => BreakGlassReason::DangerToOthers,
                },
            },
            Self::CloseReview { request, verdict } => AccessCall::CloseReview {
                request: *request,
                verdict: match verdict {
                    Verdict::Justified => ReviewVerdict::Justified,
                    Verdict::Unjustified => ReviewVerdict::Unjustified,
                },
            },
            Self::ExcludeBreakGlass { subject, excluded } => AccessCall::ExcludeBreakGlass {
                subject: *subject,
                excluded: *excluded,
            },
            Self::Erase {
                subject,
                category,
                first_day,
                last_day,
            } => AccessCall::Erase {
                subject: *subject,
                category: *category,
                first_day: *first_day,
                last_day: *last_day,
            },
        }
    }
}

impl RuleOptions {
    fn terms(&self, now: Timestamp) -> Terms {
        Terms {
            subject: self.subject,
            grantee: self.to,
            categories: self.categories,
            sensitivity: self.sensitivity,
            purposes: self.purposes,
            extent: self.extent,
            from: self.from.map_or(now, |from| from.from(now)),
            until: self.until.from(now),
            passing: if self.may_pass_on {
                Passing::Once
            } else {
                Passing::Never
            },
            agreement: self.agreement,
        }
    }
}

impl BreakOptions {
    const fn asked(&self, purpose: Purpose) -> AccessRequest {
        AccessRequest {
            subject: self.subject,
            category: self.category,
            sensitivity: self.sensitivity,
            purpose,
            extent: self.extent,
        }
    }
}

/// What became of a call, from its proven receipt.
fn told(id: &TxId, receipt: &Proven<Receipt>) -> Value {
    let outcome = match receipt.value().outcome {
        Outcome::Ok => json!("ok"),
        Outcome::Failed { contract, code } => json!({"contract": contract, "code": code}),
    };
    let events: Vec<AccessEvent> = receipt
        .value()
        .events
        .iter()
        .filter(|event| event.contract == ACCESS)
        .filter_map(|event| codec::decode(event.data.as_slice(), EVENT_MAX).ok())
        .collect();
    json!({"id": id, "height": receipt.height(), "outcome": outcome, "events": events})
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

const CALL_LIMIT: Duration = Duration::from_secs(5);
const EVENT_MAX: usize = 4 * 1024;
