//! The members and what they have before them to sign.

use super::error::Refused;
use super::views::json;
use super::{Api, StateError};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use salus_contracts::native::blockcfg::{self, Measured};
use salus_contracts::native::governance::{self, Proposal};
use salus_contracts::native::identity;
use salus_contracts::native::staking::{self, Absence, Member, Roll};
use salus_primitives::calls::{BreakGlassRules, Change, Delegation, Role, ValidatorKeys};
use salus_primitives::crypto::sign::PublicKey;
use salus_primitives::evidence::OffenceKind;
use salus_primitives::ids::{EntityId, Epoch, Height};
use salus_primitives::lanes::{BlockModel, LaneParameters};
use salus_primitives::state::{StateRead, StateReadError};
use salus_primitives::transaction::TxId;
use serde::Serialize;

#[derive(Serialize)]
struct MembersView {
    height: Height,
    total_weight: u64,
    /// What the signers of a proposal need for it to pass.
    weight_to_pass: u64,
    /// Members with a lesser share of the votes asked of them are set inactive.
    participation_percent: u8,
    members: Vec<MemberView>,
}

#[derive(Serialize)]
struct MemberView {
    #[serde(flatten)]
    who: EntityView,
    role: Option<Role>,
    weight: u64,
    admitted_at: Height,
    candidate: bool,
    /// The weight that all members delegate to it; null if it does not stand.
    delegated_weight: Option<u64>,
    /// The votes it missed, if it was set inactive for that and has not returned.
    inactive: Option<Absence>,
    jailed: Option<OffenceView>,
    keys: Option<ValidatorKeys>,
    /// To whom it delegates, and how much; empty if it delegates nothing.
    delegates: Vec<PartView>,
    /// What others measured of its validator; null where too few could.
    measured: Measured,
    /// What it calls its validator's work worth.
    price: u32,
}

/// An entity with its name.
#[derive(Serialize)]
struct EntityView {
    entity: EntityId,
    name: Option<String>,
}

#[derive(Serialize)]
struct PartView {
    #[serde(flatten)]
    to: EntityView,
    weight: u64,
}

#[derive(Serialize)]
struct OffenceView {
    epoch: Epoch,
    kind: OffenceKind,
}

#[derive(Serialize)]
struct ProposalsView {
    height: Height,
    total_weight: u64,
    weight_to_pass: u64,
    proposals: Vec<ProposalView>,
}

#[derive(Serialize)]
struct ProposalView {
    id: TxId,
    change: ChangeView,
    by: EntityView,
    expires_at: Height,
    /// Who signed, in order; with the weight each has now, null for who is no member any more.
    signers: Vec<SignerView>,
    signed_weight: u64,
    missing_weight: u64,
}

#[derive(Serialize)]
struct SignerView {
    #[serde(flatten)]
    who: EntityView,
    weight: Option<u64>,
}

/// What a proposal changes.
#[derive(Serialize)]
struct ChangeView {
    kind: &'static str,
    /// Whom it is about; nobody in particular, if it changes a parameter.
    #[serde(flatten)]
    of: Option<EntityView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<ValidatorKeys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    /// What governance would say of a lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<LaneParameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<BlockModel>,
    /// The name of a jurisdiction, and the rules it would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    jurisdiction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    break_glass: Option<BreakGlassRules>,
}

/// `GET /v1/members`: every member as the state after the last final block has it.
pub(super) async fn members(State(api): State<Api>) -> Result<Response, Refused> {
    let view = api
        .read_state(|_, snapshot| {
            let state = snapshot.state();
            let roll = staking::roll(&state)?;
            let standings = staking::standings(&state)?;
            let members = roll
                .iter()
                .map(|(id, weight)| {
                    let member = staking::member(&state, id)?.ok_or_else(|| missing(id))?;
                    let delegated = standings.get(id).copied();
                    member_view(&state, *id, weight, delegated, member)
                })
                .collect::<Result<_, StateReadError>>()?;
            Ok::<_, StateError>(MembersView {
                height: snapshot.head().height,
                total_weight: roll.total(),
                weight_to_pass: governance::weight_to_pass(roll.total()),
                participation_percent: staking::participation(&state)?,
                members,
            })
        })
        .await?;
    Ok(json(StatusCode::OK, &view))
}

/// `GET /v1/proposals`: those that can still be signed in the next block.
pub(super) async fn proposals(State(api): State<Api>) -> Result<Response, Refused> {
    let view = api
        .read_state(|_, snapshot| {
            let state = snapshot.state();
            let height = snapshot.head().height;
            let roll = staking::roll(&state)?;
            let proposals = governance::open_proposals(&state, height.next())?
                .into_iter()
                .map(|(id, proposal)| proposal_view(&state, &roll, id, &proposal))
                .collect::<Result<_, StateReadError>>()?;
            Ok::<_, StateError>(ProposalsView {
                height,
                total_weight: roll.total(),
                weight_to_pass: governance::weight_to_pass(roll.total()),
                proposals,
            })
        })
        .await?;
    Ok(json(StatusCode::OK, &view))
}

/// `GET /v1/keys/{key}`: the entity that answers for whoever has or had a key.
pub(super) async fn key(
    State(api): State<Api>,
    key: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let key: PublicKey = key
        .ok()
        .and_then(|Path(text)| text.parse().ok())
        .ok_or_else(|| Refused::bad_path("a key of 64 hexadecimal digits"))?;
    let view = api
        .read_state(move |_, snapshot| {
            let state = snapshot.state();
            let entity = identity::entity_of_key(&state, &key)?;
            let entity = entity.map(|entity| named(&state, entity)).transpose()?;
            Ok::<_, StateError>(entity)
        })
        .await?
        .ok_or_else(Refused::unknown_key)?;
    Ok(json(StatusCode::OK, &view))
}

fn member_view(
    state: &dyn StateRead,
    id: EntityId,
    weight: u64,
    delegated_weight: Option<u64>,
    member: Member,
) -> Result<MemberView, StateReadError> {
    let entity = identity::entity(state, &id)?;
    let delegates = match member.delegation {
        None => Vec::new(),
        Some(Delegation::Whole(to)) => vec![(to, weight)],
        Some(Delegation::Parts(parts)) => parts
            .into_iter()
            .map(|part| (part.candidate, part.weight))
            .collect(),
    };
    let delegates = delegates
        .into_iter()
        .map(|(to, weight)| {
            let to = named(state, to)?;
            Ok(PartView { to, weight })
        })
        .collect::<Result<_, StateReadError>>()?;
    let (name, role) = entity.map(|entity| (entity.name, entity.role)).unzip();
    Ok(MemberView {
        who: EntityView { entity: id, name },
        role,
        weight,
        admitted_at: member.admitted_at,
        candidate: member.candidate,
        delegated_weight,
        inactive: member.inactive,
        jailed: member.jailed.map(|offence| OffenceView {
            epoch: offence.epoch,
            kind: offence.kind,
        }),
        keys: member.keys,
        delegates,
        measured: blockcfg::measured(state, &id)?,
        price: blockcfg::price(state, &id)?,
    })
}

fn proposal_view(
    state: &dyn StateRead,
    roll: &Roll,
    id: TxId,
    proposal: &Proposal,
) -> Result<ProposalView, StateReadError> {
    let signers = proposal
        .signers
        .iter()
        .map(|signer| {
            Ok(SignerView {
                who: named(state, *signer)?,
                weight: roll.weight(signer),
            })
        })
        .collect::<Result<_, StateReadError>>()?;
    let signed_weight = roll.weight_of_all(&proposal.signers);
    Ok(ProposalView {
        id,
        change: change_view(state, &proposal.change)?,
        by: named(state, proposal.by)?,
        expires_at: proposal.expires_at,
        signers,
        signed_weight,
        missing_weight: governance::weight_to_pass(roll.total()).saturating_sub(signed_weight),
    })
}

fn change_view(state: &dyn StateRead, change: &Change) -> Result<ChangeView, StateReadError> {
    let mut view = ChangeView {
        kind: "",
        of: None,
        weight: None,
        keys: None,
        percent: None,
        lane: None,
        model: None,
        jurisdiction: None,
        break_glass: None,
    };
    let of = match *change {
        Change::SetWeight { member, weight } => {
            (view.kind, view.weight) = ("set_weight", Some(weight));
            Some(member)
        }
        Change::AdmitMember {
            entity,
            keys,
            weight,
        } => {
            (view.kind, view.weight, view.keys) = ("admit_member", Some(weight), keys);
            Some(entity)
        }
        Change::RetireMember { member } => {
            view.kind = "retire_member";
            Some(member)
        }
        Change::RotateKeys { member, keys } => {
            (view.kind, view.keys) = ("rotate_keys", Some(keys));
            Some(member)
        }
        Change::Release { member } => {
            view.kind = "release";
            Some(member)
        }
        Change::SetParticipation { percent } => {
            (view.kind, view.percent) = ("set_participation", Some(percent));
            None
        }
        Change::SetLane(ref parameters) => {
            (view.kind, view.lane) = ("set_lane", Some(parameters.clone()));
            None
        }
        Change::SetModel(model) => {
            (view.kind, view.model) = ("set_model", Some(model));
            None
        }
        Change::SetBreakGlass {
            jurisdiction,
            rules,
        } => {
            view.kind = "set_break_glass";
            (view.jurisdiction, view.break_glass) = (Some(jurisdiction.name()), Some(rules));
            None
        }
        Change::AssignJurisdiction {
            entity,
            jurisdiction,
        } => {
            (view.kind, view.jurisdiction) = ("assign_jurisdiction", Some(jurisdiction.name()));
            Some(entity)
        }
    };
    view.of = of.map(|entity| named(state, entity)).transpose()?;
    Ok(view)
}

fn named(state: &dyn StateRead, entity: EntityId) -> Result<EntityView, StateReadError> {
    let name = identity::entity(state, &entity)?.map(|entity| entity.name);
    Ok(EntityView { entity, name })
}

fn missing(id: &EntityId) -> StateReadError {
    StateReadError(format!("member {id} is named but missing"))
}
