//! Whose home it is: what keys, genesis and configuration say together.

use super::HomeError;
use crate::keys::PublicKeys;
use salus_genesis::block::GenesisBlock;
use salus_primitives::ids::EntityId;

/// Whose node it is: a member, or an entity that is to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeMember {
    /// Its id, which derives from the name.
    pub entity: EntityId,
    /// The name it is registered under.
    pub name: String,
    /// Whether genesis names it. Who is none has to be admitted by governance.
    pub founder: bool,
}

/// The member that holds these keys: a founder by its operator key, which stays whatever rotates, or else whom `name` says.
///
/// # Errors
/// [`HomeError::NotAMember`], [`HomeError::OtherMember`], [`HomeError::OtherKey`].
pub fn member_of(
    genesis: &GenesisBlock,
    public: &PublicKeys,
    name: Option<&str>,
) -> Result<NodeMember, HomeError> {
    let founder = genesis
        .members
        .iter()
        .find(|founder| founder.operator_key == public.operator);
    let name = match (founder, name) {
        (Some(founder), Some(name)) if founder.name != name => {
            return Err(HomeError::OtherMember {
                name: name.to_owned(),
                founder: founder.name.clone(),
            });
        }
        (Some(founder), _) if founder.exchange_key != public.exchange => {
            return Err(other_key(&founder.name, "exchange"));
        }
        (Some(founder), _) => &founder.name,
        (None, None) => {
            return Err(HomeError::NotAMember {
                public: Box::new(*public),
                chain: genesis.chain.clone(),
            });
        }
        (None, Some(name)) if genesis.members.iter().any(|member| member.name == name) => {
            return Err(other_key(name, "operator"));
        }
        (None, Some(name)) => name,
    };
    Ok(NodeMember {
        entity: EntityId::of_name(name),
        name: name.to_owned(),
        founder: founder.is_some(),
    })
}

/// Checks that a founder's new home has the keys that genesis names: none has been rotated yet.
///
/// # Errors
/// [`HomeError::OtherKey`].
pub fn check_founding_keys(genesis: &GenesisBlock, public: &PublicKeys) -> Result<(), HomeError> {
    let founder = genesis
        .members
        .iter()
        .find(|founder| founder.operator_key == public.operator);
    match founder {
        Some(founder) if founder.validator_key != public.validator => {
            Err(other_key(&founder.name, "validator"))
        }
        Some(founder) if founder.network_key != public.network => {
            Err(other_key(&founder.name, "network"))
        }
        Some(_) | None => Ok(()),
    }
}

fn other_key(name: &str, which: &'static str) -> HomeError {
    HomeError::OtherKey {
        name: name.to_owned(),
        which,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::keys::{NodeKeys, Rotation};
    use salus_genesis::instant::Instant;
    use salus_genesis::presets;
    use salus_genesis::spec::{GenesisSpec, MemberSpec};
    use salus_primitives::calls::Role;
    use salus_primitives::time::Timestamp;

    /// Four founders, a to d, with their keys.
    pub(in crate::home) fn chain() -> (GenesisBlock, Vec<NodeKeys>) {
        let keys: Vec<NodeKeys> = (0..4)
            .map(|_| NodeKeys::generate().expect("randomness"))
            .collect();
        let preset = presets::local();
        let members = ["a", "b", "c", "d"].into_iter().zip(&keys);
        let spec = GenesisSpec {
            chain: "test".into(),
            genesis_time: Instant(Timestamp::from_millis(1_000)),
            consensus: preset.consensus,
            model: preset.model,
            lanes: preset.lanes,
            members: members
                .map(|(name, keys)| MemberSpec {
                    name: name.into(),
                    role: Role::Hospital,
                    operator_key: keys.operator.public(),
                    validator_key: keys.validator.public(),
                    network_key: keys.network.public(),
                    exchange_key: keys.exchange.public(),
                    weight: 1,
                })
                .collect(),
        };
        (spec.check().expect("legal").build(), keys)
    }

    /// The operator's key stays when the others rotate, so that the home remains its member's.
    #[test]
    fn a_founder_is_known_by_its_operator_key_also_after_a_rotation() {
        let (genesis, keys) = chain();
        let rotated = keys[1].rotated(Rotation::ValidatorAndNetwork);
        let rotated = rotated.expect("randomness").public();

        let member = member_of(&genesis, &rotated, None).expect("b");

        assert_eq!((member.name.as_str(), member.founder), ("b", true));
        assert!(check_founding_keys(&genesis, &keys[1].public()).is_ok());
        assert!(matches!(
            check_founding_keys(&genesis, &rotated),
            Err(HomeError::OtherKey {
                which: "validator",
                ..
            })
        ));
    }

    /// Who is no founder says its name; nobody gets a founder's by that.
    #[test]
    fn a_newcomer_has_to_say_its_name_and_cannot_take_a_founders() {
        let (genesis, keys) = chain();
        let newcomer = NodeKeys::generate().expect("randomness").public();

        let member = member_of(&genesis, &newcomer, Some("clinic")).expect("a newcomer");

        assert_eq!(member.entity, EntityId::of_name("clinic"));
        assert!(!member.founder);
        assert!(matches!(
            member_of(&genesis, &newcomer, None),
            Err(HomeError::NotAMember { .. })
        ));
        assert!(matches!(
            member_of(&genesis, &newcomer, Some("a")),
            Err(HomeError::OtherKey { .. })
        ));
        assert!(matches!(
            member_of(&genesis, &keys[0].public(), Some("clinic")),
            Err(HomeError::OtherMember { .. })
        ));
    }
}
