//! No type is forgotten: what the source makes encodable has a vector.

use crate::groups;
use std::collections::BTreeSet;
use std::path::Path;

/// Where the types are that nodes must agree on.
const SOURCES: [&str; 5] = [
    "../primitives/src",
    "../consensus/src",
    "../contracts/src",
    "../node/src/wire.rs",
    "../node/src/wire",
];

#[test]
fn every_encodable_type_has_a_vector() {
    let mut declared = BTreeSet::new();
    for source in SOURCES {
        collect(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(source),
            &mut declared,
        );
    }
    assert!(declared.len() > 50, "the sources were read: {declared:?}");
    let groups = groups();
    let built: BTreeSet<String> = groups
        .values()
        .flatten()
        .map(|built| built.kind().to_owned())
        .collect();

    let missing: Vec<_> = declared.difference(&built).collect();

    assert!(
        missing.is_empty(),
        "no golden vector for {missing:?}: add one in tests/tests/golden"
    );
}

fn collect(path: &Path, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder of the workspace") {
            collect(&entry.expect("readable").path(), names);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        names.extend(encodable(
            &std::fs::read_to_string(path).expect("a source file"),
        ));
    }
}

/// The public types of a source text that derive or implement `Serialize`, before its tests.
fn encodable(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut names = Vec::new();
    let mut derives = false;
    let mut position = false;
    for line in source.lines().map(str::trim) {
        let identifier = |rest: &str| -> String {
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        };
        if line.starts_with("//") {
            continue;
        }
        if let Some(rest) = line
            .strip_prefix("pub struct ")
            .or_else(|| line.strip_prefix("pub enum "))
        {
            if derives {
                names.push(identifier(rest));
            }
            derives = false;
        } else if let Some(rest) = line.strip_prefix("fixed_bytes!(") {
            names.push(identifier(rest));
        } else if let Some(rest) = line.strip_prefix("impl Serialize for ") {
            names.push(identifier(rest));
        } else if line == "position! {" {
            position = true;
        } else if position {
            names.push(identifier(line));
            position = false;
        } else if ["struct ", "enum ", "fn ", "impl", "use "]
            .iter()
            .any(|item| line.starts_with(item))
        {
            derives = false;
        } else if line.contains("Serialize") {
            derives = true;
        }
    }
    // the macros' own parameter leaves an empty name
    names.retain(|name| !name.is_empty());
    names
}
