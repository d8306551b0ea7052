//! Who validates in which epoch, and the proofs by which a light client follows.

use super::error::Refused;
use super::query::parse_number;
use super::views::{ValidatorsView, json, octets};
use super::{Api, StateError};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use salus_contracts::native::blockcfg;
use salus_contracts::native::identity;
use salus_primitives::codec;
use salus_primitives::epoch::{EPOCH_PAGE_MAX, EpochChange};
use salus_primitives::hash::Digest;
use salus_primitives::ids::{BlockId, Epoch, Height};
use salus_primitives::lanes::{BlockPolicy, EpochLanes};
use salus_primitives::parameters::ChainParameters;
use salus_primitives::time::Timestamp;
use salus_storage::ledger::{Ledger, LedgerError, Snapshot};
use serde::{Deserialize, Serialize};

/// Which epochs.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    from: Option<u64>,
    count: Option<usize>,
}

/// Of which epoch.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EpochQuery {
    epoch: Option<u64>,
}

/// The epoch of the next block, and its blocks.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct PresentView {
    epoch: Epoch,
    first_height: Height,
    last_height: Height,
}

#[derive(Serialize)]
struct EpochsView {
    #[serde(flatten)]
    present: PresentView,
    epoch_blocks: u64,
    ended: Vec<EndedView>,
}

/// An epoch whose last block is final.
#[derive(Serialize)]
struct EndedView {
    epoch: Epoch,
    last_height: Height,
    last_block: BlockId,
    last_time_ms: Timestamp,
    /// The digest of the next epoch, and size and weight of the set that takes over.
    next_epoch: Digest,
    next_seats: usize,
    next_total_weight: u64,
}

#[derive(Serialize)]
struct WithNextView {
    #[serde(flatten)]
    present: ValidatorsView,
    next: Option<ValidatorsView>,
}

#[derive(Serialize)]
struct LanesView {
    #[serde(flatten)]
    lanes: EpochLanes,
    next: Option<EpochLanes>,
    policy: BlockPolicy,
}

#[derive(Serialize)]
struct ParametersView<'a> {
    #[serde(flatten)]
    parameters: &'a ChainParameters,
    #[serde(flatten)]
    present: PresentView,
}

impl PresentView {
    fn after(parameters: &ChainParameters, head: Height) -> Self {
        let epoch = parameters.epoch_at(head.next());
        let last_height = parameters.last_height(epoch);
        let before = epoch.previous().unwrap_or_default();
        Self {
            epoch,
            first_height: parameters.last_height(before).next(),
            last_height,
        }
    }
}

impl PageQuery {
    fn checked(query: Result<Query<Self>, QueryRejection>) -> Result<Self, Refused> {
        let refused = || Refused::bad_query("from, an epoch, and count, a number");
        query.map(|Query(query)| query).map_err(|_| refused())
    }

    fn count(self, at_most: usize) -> usize {
        self.count.unwrap_or(at_most).min(at_most)
    }
}

/// `GET /v1/epochs?from=E&count=N`: framed [`EpochChange`]s of consecutive epochs that have ended; none beyond the last.
pub(super) async fn changes(
    State(api): State<Api>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let query = PageQuery::checked(query)?;
    let first = Epoch::new(query.from.unwrap_or(1).max(1));
    let count = query.count(CHANGES_MAX);
    let page = api
        .read(move |ledger| {
            let mut page = Vec::new();
            let mut epoch = first;
            for _ in 0..count {
                let Some(change) = ledger.epoch_change(epoch)? else {
                    break;
                };
                let frame = change.framed();
                if page.len().saturating_add(frame.len()) > EPOCH_PAGE_MAX {
                    break;
                }
                page.extend_from_slice(&frame);
                epoch = epoch.next();
            }
            Ok(page)
        })
        .await?;
    Ok(octets(page))
}

/// `GET /v1/epochs/{epoch}`: the canonical bytes of the [`EpochChange`] that ends it.
pub(super) async fn change(
    State(api): State<Api>,
    epoch: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let epoch = epoch
        .ok()
        .and_then(|Path(text)| parse_number(&text))
        .map(Epoch::new)
        .ok_or_else(|| Refused::bad_path("an epoch, a number"))?;
    if epoch == Epoch::ZERO {
        return Err(Refused::unknown_epoch(
            "epoch 0 is block 0; /v1/genesis holds what follows it",
        ));
    }
    let change: Option<EpochChange> = api.read(move |ledger| ledger.epoch_change(epoch)).await?;
    match change {
        Some(change) => Ok(octets(codec::encode(&change))),
        None => Err(Refused::not_yet("the epoch has not ended yet")),
    }
}

/// `GET /v1/epochs.json?from=E&count=N`: the same for people; without `from` the last ones.
pub(super) async fn overview(
    State(api): State<Api>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let query = PageQuery::checked(query)?;
    let count = query.count(OVERVIEW_MAX);
    let parameters = &api.node.genesis().parameters;
    let (head, ended) = api
        .read(move |ledger| {
            let last = ledger.last_ended_epoch()?;
            let shown = u64::try_from(count).unwrap_or(u64::MAX);
            let latest = last.get().saturating_add(1).saturating_sub(shown);
            let first = query.from.unwrap_or(latest).max(1);
            let ended = (first..=last.get())
                .take(count)
                .map(|epoch| ended(ledger, Epoch::new(epoch)))
                .collect::<Result<Vec<_>, _>>()?;
            Ok((ledger.head().height, ended))
        })
        .await?;
    let view = EpochsView {
        present: PresentView::after(parameters, head),
        epoch_blocks: parameters.epoch_blocks,
        ended: ended.into_iter().flatten().collect(),
    };
    Ok(json(StatusCode::OK, &view))
}

fn ended(ledger: &Ledger, epoch: Epoch) -> Result<Option<EndedView>, LedgerError> {
    Ok(ledger.epoch_change(epoch)?.map(|change| EndedView {
        epoch,
        last_height: change.header.height,
        last_block: change.header.id(),
        last_time_ms: change.header.time,
        next_epoch: change.next.digest(),
        next_seats: change.next.validators.len(),
        next_total_weight: change.next.validators.total_weight(),
    }))
}

/// `GET /v1/validators`: those of the present epoch and of the next; with `?epoch=E` those of another.
pub(super) async fn validators(
    State(api): State<Api>,
    query: Result<Query<EpochQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(EpochQuery { epoch: asked }) =
        query.map_err(|_| Refused::bad_query("epoch, a number"))?;
    let parameters = api.node.genesis().parameters.clone();
    let (present, next) = api
        .read_state(move |ledger, snapshot| match asked {
            Some(epoch) => Ok((set_view(ledger, snapshot, Epoch::new(epoch))?, None)),
            None => {
                let epoch = parameters.epoch_at(snapshot.head().height.next());
                let present = set_view(ledger, snapshot, epoch)?;
                Ok((present, set_view(ledger, snapshot, epoch.next())?))
            }
        })
        .await?;
    let present = present.ok_or_else(|| {
        Refused::unknown_epoch("the validators of this epoch are not elected yet, or it is 0")
    })?;
    Ok(match asked {
        Some(_) => json(StatusCode::OK, &present),
        None => json(StatusCode::OK, &WithNextView { present, next }),
    })
}

fn set_view(
    ledger: &Ledger,
    snapshot: &Snapshot<'_>,
    epoch: Epoch,
) -> Result<Option<ValidatorsView>, StateError> {
    let Some(set) = ledger.validators(epoch)? else {
        return Ok(None);
    };
    let state = snapshot.state();
    let view = ValidatorsView::new(&set, |entity| {
        let entity = identity::entity(&state, entity)?;
        Ok::<_, StateError>(entity.map(|entity| (entity.name, entity.role)))
    })?;
    Ok(Some(view))
}

/// `GET /v1/lanes`: those of the present epoch and of the next, and what governance says now; with `?epoch=E` those of another.
pub(super) async fn lanes(
    State(api): State<Api>,
    query: Result<Query<EpochQuery>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(EpochQuery { epoch: asked }) =
        query.map_err(|_| Refused::bad_query("epoch, a number"))?;
    let parameters = api.node.genesis().parameters.clone();
    let view = api
        .read_state(move |ledger, snapshot| {
            let present = parameters.epoch_at(snapshot.head().height.next());
            let epoch = asked.map_or(present, Epoch::new);
            let Some(config) = ledger.epoch(epoch)? else {
                return Ok(None);
            };
            let next = ledger.epoch(epoch.next())?.filter(|_| asked.is_none());
            Ok(Some(LanesView {
                lanes: config.lanes,
                next: next.map(|next| next.lanes),
                policy: blockcfg::policy(&snapshot.state())?,
            }))
        })
        .await?;
    let view = view.ok_or_else(|| {
        Refused::unknown_epoch("the lanes of this epoch are not configured yet, or it is 0")
    })?;
    Ok(json(StatusCode::OK, &view))
}

/// `GET /v1/parameters`: the chain's, and its present epoch.
pub(super) async fn parameters(State(api): State<Api>) -> Response {
    let parameters = &api.node.genesis().parameters;
    let head = api.node.ledger().head().height;
    let view = ParametersView {
        parameters,
        present: PresentView::after(parameters, head),
    };
    json(StatusCode::OK, &view)
}

/// Most changes in a page. With sets of a few seats they are smaller than [`EPOCH_PAGE_MAX`] together.
const CHANGES_MAX: usize = 1_024;
/// Most epochs in an overview.
const OVERVIEW_MAX: usize = 100;
