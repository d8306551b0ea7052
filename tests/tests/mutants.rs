//! The sabotages that `make mutants` tries (`tests/mutants`) fit the code as it is.
//!
//! Running them takes long; that they still apply is looked at in every `make test`, without git, so that who changes a
//! sabotaged line learns of it at once. A patch that no longer fits is to be made anew, not dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// One patch: what it does, and per file the lines it expects and those it puts in their place.
struct Sabotage {
    name: String,
    headers: BTreeMap<String, String>,
    hunks: Vec<Hunk>,
}

struct Hunk {
    file: String,
    before: Vec<String>,
    after: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sabotages() -> Vec<Sabotage> {
    let folder = root().join("tests/mutants");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder of the sabotages is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|it| it == "patch"))
        .collect();
    paths.sort();
    paths.iter().map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Sabotage {
    let text = fs::read_to_string(path).expect("readable");
    let name = path.file_stem().expect("named").to_string_lossy();
    let mut sabotage = Sabotage {
        name: name.into_owned(),
        headers: BTreeMap::new(),
        hunks: Vec::new(),
    };
    let mut file = String::new();
    for line in text.lines() {
        if let Some((key, value)) = line.strip_prefix("# ").and_then(|it| it.split_once(": ")) {
            sabotage.headers.insert(key.into(), value.into());
        } else if let Some(path) = line.strip_prefix("+++ b/") {
            file = path.into();
        } else if line.starts_with("@@ ") {
            sabotage.hunks.push(Hunk {
                file: file.clone(),
                before: Vec::new(),
                after: Vec::new(),
            });
        } else if let Some(hunk) = sabotage
            .hunks
            .last_mut()
            .filter(|_| !line.starts_with("diff ") && !line.starts_with("--- a/"))
        {
            let rest = line.get(1..).unwrap_or_default().to_owned();
            match line.chars().next() {
                Some('-') => hunk.before.push(rest),
                Some('+') => hunk.after.push(rest),
                Some(' ') | None => {
                    hunk.before.push(rest.clone());
                    hunk.after.push(rest);
                }
                Some(other) => panic!("{}: a line starts with {other:?}", sabotage.name),
            }
        }
    }
    sabotage
}

/// Applies a hunk; an error says where it does not fit.
fn apply(lines: &mut Vec<String>, hunk: &Hunk) -> Result<(), String> {
    let at: Vec<usize> = lines
        .windows(hunk.before.len().max(1))
        .enumerate()
        .filter(|(_, window)| *window == hunk.before)
        .map(|(at, _)| at)
        .collect();
    match at.as_slice() {
        [at] => {
            lines.splice(*at..at + hunk.before.len(), hunk.after.iter().cloned());
            Ok(())
        }
        [] => Err(format!("the lines it changes are not in {}", hunk.file)),
        [..] => Err(format!(
            "the lines it changes are in {} more than once",
            hunk.file
        )),
    }
}

/// Every sabotage has its place in the code, once, and changes something.
#[test]
fn every_sabotage_applies_to_the_code_as_it_is() {
    let mut unfit = Vec::new();

    for sabotage in sabotages() {
        let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for hunk in &sabotage.hunks {
            let lines = files.entry(&hunk.file).or_insert_with(|| {
                fs::read_to_string(root().join(&hunk.file))
                    .unwrap_or_default()
                    .lines()
                    .map(String::from)
                    .collect()
            });
            assert_ne!(hunk.before, hunk.after, "{}", sabotage.name);
            if let Err(reason) = apply(lines, hunk) {
                unfit.push(format!("{}: {reason}", sabotage.name));
            }
        }
        assert!(!sabotage.hunks.is_empty(), "{} is empty", sabotage.name);
    }

    assert!(unfit.is_empty(), "make these anew: {unfit:#?}");
}

/// The table of `make mutants` says what was done and what it breaks; and the list does not shrink unnoticed.
#[test]
fn every_sabotage_says_what_it_breaks() {
    let sabotages = sabotages();
    let mut said = BTreeSet::new();

    for sabotage in &sabotages {
        let header = |key: &str| {
            let value = sabotage.headers.get(key).map(String::as_str);
            value.unwrap_or_else(|| panic!("{} has no line `# {key}: ..`", sabotage.name))
        };
        assert!(!header("breaks").is_empty(), "{}", sabotage.name);
        assert!(
            said.insert(header("sabotage")),
            "{} is there twice",
            sabotage.name
        );
    }

    assert!(sabotages.len() >= 24, "{} sabotages", sabotages.len());
}
