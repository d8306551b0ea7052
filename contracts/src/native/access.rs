//! Who may see whose data: grants, requests, broken glasses and erasure (`docs/access.md`, rules R1 to R10).

pub mod decide;
pub mod dossier;
