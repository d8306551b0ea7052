//! Members as operators write them: by name, or by id.

use salus_contracts::native::identity::name_is_valid;
use salus_primitives::calls::Part;
use salus_primitives::ids::EntityId;

/// A member's name, or its id of 64 hexadecimal digits.
pub(super) fn parse_entity(text: &str) -> Result<EntityId, String> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    if name_is_valid(text) {
        return Ok(EntityId::of_name(text));
    }
    Err(
        "write a name of lower-case letters and digits, with . _ - inside, or an id of 64 hexadecimal digits"
            .to_owned(),
    )
}

/// `MEMBER=WEIGHT`.
pub(super) fn parse_part(text: &str) -> Result<Part, String> {
    let (member, weight) = text
        .rsplit_once('=')
        .ok_or("write it as MEMBER=WEIGHT, as in pharmacy=3")?;
    Ok(Part {
        candidate: parse_entity(member)?,
        weight: weight
            .parse()
            .map_err(|_| "a weight is a whole number, as in pharmacy=3")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_named_by_name_or_id_and_by_nothing_else() {
        let id = EntityId::of_name("st-mary");

        assert_eq!(parse_entity("st-mary"), Ok(id));
        assert_eq!(parse_entity(&id.to_string()), Ok(id));
        for text in ["", "St Mary", "-a"] {
            assert!(parse_entity(text).is_err(), "{text}");
        }
        assert_eq!(
            parse_part("st-mary=3"),
            Ok(Part {
                candidate: id,
                weight: 3
            })
        );
        for text in ["st-mary", "st-mary=", "st-mary=-1", "=3"] {
            assert!(parse_part(text).is_err(), "{text}");
        }
    }
}
