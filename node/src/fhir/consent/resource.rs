//! The parts of a FHIR R4 `Consent` that say something, and those that may be there without saying anything.

use crate::fhir::Moment;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The resource. Other fields are refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Consent {
    #[serde(rename = "resourceType")]
    _resource_type: ConsentType,
    pub(super) status: String,
    pub(super) scope: Concept,
    pub(super) patient: Reference,
    pub(super) date_time: Option<Moment>,
    #[serde(default)]
    pub(super) organization: Vec<Reference>,
    pub(super) policy_rule: Option<Concept>,
    pub(super) provision: Option<Provision>,
    // for people, or about the paper: nothing that a rule could say
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "meta")]
    _meta: Option<IgnoredAny>,
    #[serde(rename = "language")]
    _language: Option<IgnoredAny>,
    #[serde(rename = "text")]
    _text: Option<IgnoredAny>,
    #[serde(rename = "identifier")]
    _identifier: Option<IgnoredAny>,
    #[serde(rename = "category")]
    _category: Option<IgnoredAny>,
    #[serde(rename = "performer")]
    _performer: Option<IgnoredAny>,
    #[serde(rename = "sourceAttachment")]
    _source_attachment: Option<IgnoredAny>,
    #[serde(rename = "sourceReference")]
    _source_reference: Option<IgnoredAny>,
    #[serde(rename = "verification")]
    _verification: Option<IgnoredAny>,
}

#[derive(Clone, Debug, Deserialize)]
enum ConsentType {
    Consent,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Concept {
    #[serde(default)]
    pub(super) coding: Vec<Coding>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Coding {
    #[serde(default)]
    pub(super) code: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Reference {
    #[serde(default)]
    pub(super) reference: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Period {
    pub(super) start: Option<Moment>,
    pub(super) end: Option<Moment>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Provision {
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) period: Option<Period>,
    #[serde(default)]
    pub(super) actor: Vec<Actor>,
    #[serde(default)]
    pub(super) action: Vec<Concept>,
    #[serde(default)]
    pub(super) security_label: Vec<Coding>,
    #[serde(default)]
    pub(super) purpose: Vec<Coding>,
    #[serde(default)]
    pub(super) class: Vec<Coding>,
    #[serde(default)]
    pub(super) code: Vec<Concept>,
    pub(super) data_period: Option<Period>,
    #[serde(default)]
    pub(super) data: Vec<Data>,
    #[serde(default)]
    pub(super) provision: Vec<Provision>,
}

impl Provision {
    /// This provision with what it leaves to the one that it is nested in.
    pub(super) fn within(&self, outer: &Self) -> Self {
        let or = |own: &Vec<Coding>, outer: &Vec<Coding>| {
            if own.is_empty() {
                outer.clone()
            } else {
                own.clone()
            }
        };
        let or_concepts = |own: &Vec<Concept>, outer: &Vec<Concept>| {
            if own.is_empty() {
                outer.clone()
            } else {
                own.clone()
            }
        };
        Self {
            kind: self.kind.clone(),
            period: self.period.clone().or_else(|| outer.period.clone()),
            // recipients of the outer one, narrowed by whatever the inner one says of actors
            actor: outer.actor.iter().chain(&self.actor).cloned().collect(),
            action: or_concepts(&self.action, &outer.action),
            security_label: or(&self.security_label, &outer.security_label),
            purpose: or(&self.purpose, &outer.purpose),
            class: or(&self.class, &outer.class),
            code: or_concepts(&self.code, &outer.code),
            data_period: self
                .data_period
                .clone()
                .or_else(|| outer.data_period.clone()),
            data: outer.data.iter().chain(&self.data).cloned().collect(),
            provision: Vec::new(),
            _id: None,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Actor {
    pub(super) role: Concept,
    pub(super) reference: Reference,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Data {
    pub(super) reference: Reference,
}
