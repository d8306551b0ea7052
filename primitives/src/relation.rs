//! How an entity names the people it knows, so that nobody else can tell who they are.

use crate::ids::PractitionerId;
use crate::namespace::Domain;
use crate::reading::Pseudonym;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An entity's secret, from which the pseudonyms of its patients and practitioners derive. Who has it and a list of local ids can tell who is
/// who; without it nothing on the chain leads to a local id. It never changes, and never leaves the entity.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RelationSecret(pub [u8; 32]);

impl core::fmt::Debug for RelationSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RelationSecret(..)")
    }
}

impl RelationSecret {
    /// The pseudonym of the person that the entity knows by this id, such as the number of a patient's file.
    #[must_use]
    pub fn person(&self, local_id: &str) -> Pseudonym {
        Pseudonym(Domain::Pseudonym.keyed(&self.0, &[local_id.as_bytes()]))
    }

    /// The salt of this person's paths in the state (`audit::person_path`).
    #[must_use]
    pub fn salt(&self, local_id: &str) -> [u8; 32] {
        Domain::PersonSalt.keyed(&self.0, &[local_id.as_bytes()])
    }

    /// The pseudonym of the practitioner whom the entity knows by this id.
    #[must_use]
    pub fn practitioner(&self, local_id: &str) -> PractitionerId {
        PractitionerId(Domain::PractitionerId.keyed(&self.0, &[local_id.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_depend_on_secret_and_id_and_tell_nothing_of_one_another() {
        let (one, other) = (RelationSecret([1; 32]), RelationSecret([2; 32]));

        assert_ne!(one.person("7"), other.person("7"));
        assert_ne!(one.person("7"), one.person("8"));
        assert_ne!(one.person("7").0, one.salt("7"));
        assert_ne!(one.person("7").0, one.practitioner("7").0);
        assert_eq!(format!("{one:?}"), "RelationSecret(..)");
    }
}
