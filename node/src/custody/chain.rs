//! Reads what the key service needs to know from the final chain of this node.

use super::FactsError;
use super::facts::{DepositFacts, DeviceFacts, Order, PersonFacts, ReleaseFacts};
use super::vault::Statement;
use salus_contracts::native::{access, identity};
use salus_primitives::access::{AccessEvent, Requester};
use salus_primitives::calls::ACCESS;
use salus_primitives::codec;
use salus_primitives::crypto::exchange::ExchangePublic;
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::custody::PrekeyRequest;
use salus_primitives::ids::{EntityId, Height};
use salus_primitives::state::{StateRead, StateReadError};
use salus_primitives::time::Timestamp;
use salus_primitives::transaction::TxId;
use salus_storage::ledger::{Ledger, LedgerError};

/// The final chain, for one entity's key service.
///
/// What ends by time has ended when the last block says so or this machine's clock: an idle chain makes no blocks, and a grant must not outlive its
/// end for that.
#[derive(Clone, Copy)]
pub(crate) struct FinalChain<'a> {
    pub(crate) ledger: &'a Ledger,
    /// Whose key service asks.
    pub(crate) entity: EntityId,
    /// By this machine's clock.
    pub(crate) clock: Timestamp,
}

impl FinalChain<'_> {
    /// Who may deposit what.
    pub(crate) fn deposit(&self, asked: &PrekeyRequest) -> Result<DepositFacts, FactsError> {
        let snapshot = self.ledger.snapshot()?;
        let state = snapshot.state();
        let height = snapshot.head().height;
        let period = &asked.period;
        let person = identity::person(&state, &period.subject)?.map(|registered| PersonFacts {
            relation: registered.person.relation,
            is_custodian: registered.person.custodians.contains(&self.entity),
        });
        let now = self.now(height)?;
        Ok(DepositFacts {
            height,
            custody_key: self.custody_key(&state)?,
            device: device(&state, asked, height)?,
            person,
            generation: access::generation(&state, &period.subject, now)?.unwrap_or_default(),
            is_erased: access::is_erased(&state, &period.subject, period.category, period.day)?,
        })
    }

    /// What is to be known of a request; `None` if there is none that is final and was allowed.
    pub(crate) fn release(&self, request: &TxId) -> Result<Option<ReleaseFacts>, FactsError> {
        let snapshot = self.ledger.snapshot()?;
        let state = snapshot.state();
        let Some(allowed) = access::allowed_request(&state, request)? else {
            return Ok(None);
        };
        let asked = allowed.asked;
        let mut erased = Vec::new();
        if let Some(registered) = identity::person(&state, &asked.subject)?
            && let Some(dossier) = access::dossier(&state, &registered)?
        {
            erased.extend(
                dossier
                    .erased
                    .iter()
                    .filter(|days| days.category == asked.category)
                    .map(|days| (days.first, days.last)),
            );
        }
        let now = self.now(snapshot.head().height)?;
        Ok(Some(ReleaseFacts {
            custody_key: self.custody_key(&state)?,
            asked,
            recipient: exchange_key(&state, &allowed.requester)?,
            is_open: access::releasable(&state, request, now)?.is_some(),
            is_released: allowed.released_by.contains(&self.entity),
            erased,
        }))
    }

    /// The orders to erase of the heights above `after`, and up to which height these are all there are.
    pub(crate) fn orders(&self, after: Height) -> Result<(Vec<Order>, Height), FactsError> {
        // before the events, so that none of a later block is skipped
        let head = self.ledger.head().height;
        let (from, mut limit) = (after.next(), ORDERS_PAGE);
        let (events, up_to) = loop {
            let mut events = self.ledger.events(ACCESS, ORDERED, from, limit)?;
            let Some(last) = events.last().map(|event| event.height) else {
                break (events, head);
            };
            if events.len() < limit {
                break (events, head);
            }
            // the last block may have more than were read
            if events.first().is_some_and(|event| event.height < last) {
                events.retain(|event| event.height < last);
                break (events, last.previous().unwrap_or(after));
            }
            limit = limit.saturating_mul(2);
        };
        let snapshot = self.ledger.snapshot()?;
        let state = snapshot.state();
        let mut orders = Vec::new();
        for event in &events {
            let decoded = codec::decode::<AccessEvent>(&event.data, event.data.len())
                .map_err(|error| StateReadError(error.to_string()))?;
            let AccessEvent::ErasureOrdered {
                order,
                subject,
                category,
                first_day,
                last_day,
            } = decoded
            else {
                continue;
            };
            orders.push(Order {
                order,
                subject,
                category,
                first_day,
                last_day,
                awaits_us: self.awaits(&state, &Statement::Erased(order))?,
            });
        }
        Ok((orders, up_to.max(after)))
    }

    /// Which of these statements the chain does not wait for: it has them, or never asked for them.
    pub(crate) fn settled(&self, statements: &[Statement]) -> Result<Vec<Statement>, FactsError> {
        let snapshot = self.ledger.snapshot()?;
        let state = snapshot.state();
        let mut settled = Vec::new();
        for statement in statements {
            if !self.awaits(&state, statement)? {
                settled.push(*statement);
            }
        }
        Ok(settled)
    }

    fn awaits(&self, state: &dyn StateRead, statement: &Statement) -> Result<bool, StateReadError> {
        Ok(match statement {
            Statement::Released(request) => access::allowed_request(state, request)?
                .is_some_and(|allowed| !allowed.released_by.contains(&self.entity)),
            Statement::Erased(order) => access::erasure(state, order)?
                .is_some_and(|erasure| erasure.missing.contains(&self.entity)),
        })
    }

    fn custody_key(&self, state: &dyn StateRead) -> Result<Option<PublicKey>, StateReadError> {
        Ok(identity::custody_key(state, &self.entity)?.map(|registered| registered.key))
    }

    fn now(&self, height: Height) -> Result<Timestamp, LedgerError> {
        let time = self.ledger.header(height)?.map(|header| header.time);
        Ok(time.unwrap_or_default().max(self.clock))
    }
}

/// A device that may act in the next block.
fn device(
    state: &dyn StateRead,
    asked: &PrekeyRequest,
    height: Height,
) -> Result<Option<DeviceFacts>, StateReadError> {
    let Some(device) = identity::device(state, &asked.device)? else {
        return Ok(None);
    };
    if identity::revoked_at(state, &device)?.is_some() {
        return Ok(None);
    }
    let owner = identity::entity(state, &device.owner)?;
    if owner.is_none_or(|owner| owner.revoked_at.is_some()) {
        return Ok(None);
    }
    Ok(Some(DeviceFacts {
        owner: device.owner,
        key: device.key_at(height.next()),
    }))
}

/// What secrets are wrapped with for who asked. Whether they may act still is for [`access::releasable`] to say.
fn exchange_key(
    state: &dyn StateRead,
    requester: &Requester,
) -> Result<Option<ExchangePublic>, StateReadError> {
    Ok(match requester {
        Requester::Practitioner(id) => {
            identity::practitioner(state, id)?.map(|who| who.keys.exchange_key)
        }
        Requester::Person(id) => identity::person(state, id)?
            .and_then(|who| who.person.keys)
            .map(|keys| keys.exchange_key),
        Requester::Entity(id) => identity::entity(state, id)?.map(|who| who.exchange_key),
    })
}

/// The topic of [`AccessEvent::ErasureOrdered`].
const ORDERED: u16 = 9;
/// Orders that are read at once.
const ORDERS_PAGE: usize = 1_024;
