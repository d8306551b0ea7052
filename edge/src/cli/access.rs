//! `salus-edge access`: rules, requests and reviews.

mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{ArgAction, Args, Subcommand, ValueEnum};
use salus_primitives::access::{
    AccessRequest, AgreementId, Categories, Extent, GrantId, Grantee, Passing, Purpose, Purposes,
    Sensitivity, Terms,
};
use salus_primitives::calls::{ACCESS, AccessCall, BreakGlassReason, ReviewVerdict};
use salus_primitives::codec;
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::{Call, TxId};
use words::When;

use super::signing::Signing;
use super::{read_file, usage_error};

#[derive(Args, Debug)]
pub(crate) struct AccessOptions {
    #[command(flatten)]
    signing: Signing,
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    #[command(flatten)]
    Call(CallCommand),
    /// Sign rules that `salus consent` made of a FHIR Consent, one after the other.
    Import {
        /// The calls.
        #[arg(long, value_name = "FILE")]
        calls: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum CallCommand {
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
    agreement: Option<AgreementId>,
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

impl AccessOptions {
    pub(crate) fn run(self) -> ExitCode {
        match &self.command {
            AccessCommand::Import { calls } => self.import(calls),
            AccessCommand::Call(command) => {
                self.signing.run(|| Call::new(ACCESS, &command.call(now())))
            }
        }
    }

    /// Rules only: a file from elsewhere must not make its reader ask for data, or destroy some.
    fn import(&self, path: &Path) -> ExitCode {
        let bytes = match read_file("--calls", path, CALLS_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) => return usage_error(&error),
        };
        let calls: Vec<AccessCall> = match codec::decode(&bytes, CALLS_BYTES_MAX) {
            Ok(calls) => calls,
            Err(error) => return usage_error(&error),
        };
        let only_rules = calls
            .iter()
            .all(|call| matches!(call, AccessCall::Grant(_) | AccessCall::Deny(_)));
        if !only_rules {
            return usage_error(&NotOnlyRules);
        }
        for call in &calls {
            let code = self.signing.run(|| Call::new(ACCESS, call));
            if code != ExitCode::SUCCESS {
                return code;
            }
        }
        ExitCode::SUCCESS
    }
}

/// A file of calls with others than rules.
#[derive(Debug, thiserror::Error)]
#[error("--calls holds other calls than rules; nothing was signed")]
struct NotOnlyRules;

const CALLS_BYTES_MAX: usize = 1024 * 1024;

impl CallCommand {
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

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
