//! `salus tx agreement`: what entities agree on before data are exchanged.

use super::names::parse_entity;
use super::sending::Sending;
use crate::cli::Outcome;
use crate::cli::keys::parse_role;
use clap::{Args, Subcommand, ValueEnum};
use salus_primitives::access::{AgreementId, Categories, Purpose, Purposes};
use salus_primitives::calls::{AGREEMENTS, Agreement, AgreementsCall, CommunicationMode, Role};
use salus_primitives::ids::EntityId;
use salus_primitives::reading::Category;
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::Call;

/// Agreements of entities. Active once all parties have signed.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AgreementCommand {
    /// Proposes one, and signs it by that. Its id is that of the transaction.
    Propose(Propose),
    /// Signs one.
    Accept(OfAgreement),
    /// Ends one, or declines to sign it, for good.
    End(OfAgreement),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Propose {
    /// The parties by name, the proposer among them.
    #[arg(long, value_parser = parse_entity, value_delimiter = ',', required = true)]
    parties: Vec<EntityId>,
    /// Which kinds of party receive data.
    #[arg(long, value_parser = parse_role, value_delimiter = ',', required = true)]
    receivers: Vec<Role>,
    /// Kinds of data, such as vital_signs,claims.
    #[arg(long, value_parser = parse_category, value_delimiter = ',', required = true)]
    categories: Vec<Category>,
    /// HL7 v3 codes, such as HRESCH.
    #[arg(long, value_parser = parse_purpose, value_delimiter = ',', required = true)]
    purposes: Vec<Purpose>,
    /// How data are exchanged.
    #[arg(long, value_enum, default_value_t = Mode::OnRequest)]
    mode: Mode,
    /// From when on: milliseconds since 1 January 1970.
    #[arg(long, value_name = "MS")]
    from_ms: u64,
    /// Until when; not any more at that time.
    #[arg(long, value_name = "MS")]
    until_ms: u64,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct OfAgreement {
    /// The agreement: the transaction that proposed it.
    #[arg(value_name = "HEX")]
    agreement: AgreementId,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    OnRequest,
    Continuous,
}

impl AgreementCommand {
    pub(super) fn send(self) -> Outcome {
        let (call, sending) = match self {
            Self::Propose(propose) => (AgreementsCall::Propose(propose.text()), propose.sending),
            Self::Accept(OfAgreement { agreement, sending }) => {
                (AgreementsCall::Accept(agreement), sending)
            }
            Self::End(OfAgreement { agreement, sending }) => {
                (AgreementsCall::End(agreement), sending)
            }
        };
        sending.send(Call::new(AGREEMENTS, &call))
    }
}

impl Propose {
    fn text(&self) -> Agreement {
        let mut parties = self.parties.clone();
        parties.sort_unstable();
        let mut receivers = self.receivers.clone();
        receivers.sort_unstable();
        Agreement {
            parties,
            receivers,
            categories: self.categories.iter().copied().collect::<Categories>(),
            purposes: self.purposes.iter().copied().collect::<Purposes>(),
            mode: match self.mode {
                Mode::OnRequest => CommunicationMode::OnRequest,
                Mode::Continuous => CommunicationMode::Continuous,
            },
            from: Timestamp::from_millis(self.from_ms),
            until: Timestamp::from_millis(self.until_ms),
        }
    }
}

fn parse_category(text: &str) -> Result<Category, String> {
    let found = Category::ALL.into_iter().find(|it| it.name() == text);
    found.ok_or_else(|| {
        let names: Vec<_> = Category::ALL.iter().map(|it| it.name()).collect();
        format!("one of {}", names.join(", "))
    })
}

fn parse_purpose(text: &str) -> Result<Purpose, String> {
    let found = Purpose::ALL.into_iter().find(|it| it.code() == text);
    found.ok_or_else(|| {
        let codes: Vec<_> = Purpose::ALL.iter().map(|it| it.code()).collect();
        format!("one of {}", codes.join(", "))
    })
}
