//! HL7 FHIR R4 at the border: consents come in as rules, what happened goes out as audit events and provenance.
//!
//! Pure functions over JSON. Nothing of FHIR is on the chain.

pub mod audit;
pub mod consent;
mod moment;

pub use moment::Moment;
