//! `docs/dependencies.md` has a line for each direct dependency of each crate, and for nothing else.
#![allow(clippy::unwrap_used, reason = "helpers of tests; a failure is a failed test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[test]
fn every_direct_dependency_has_a_line() {
    assert_eq!(
        documented().difference(&direct()).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "not used any more"
    );
    assert_eq!(
        direct().difference(&documented()).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "without a line"
    );
}

#[test]
fn every_shared_version_is_used() {
    let shared: BTreeSet<String> = names(manifest(&root())["workspace"].get("dependencies")).collect();
    let used = of_all_crates();
    let unused: Vec<&String> = shared.difference(&used).collect();
    assert_eq!(unused, Vec::<&String>::new());
}

/// What the crates depend on, without each other.
fn direct() -> BTreeSet<String> {
    let ours: BTreeSet<String> = members().into_iter().collect();
    of_all_crates().difference(&ours).cloned().collect()
}

fn of_all_crates() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for member in members() {
        let manifest = manifest(&root().join(member));
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            all.extend(names(manifest.get(kind)));
        }
        for (_, target) in manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten() {
            all.extend(names(target.get("dependencies")));
        }
    }
    all
}

/// The names in the first column of the document's tables.
fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    cells.map(|(name, _)| name.to_owned()).collect()
}

fn members() -> Vec<String> {
    let manifest = manifest(&root());
    let members = manifest["workspace"]["members"].as_array().unwrap();
    members.iter().map(|member| member.as_str().unwrap().to_owned()).collect()
}

fn manifest(folder: &Path) -> toml::Table {
    std::fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap()
}

fn names(table: Option<&toml::Value>) -> impl Iterator<Item = String> {
    table.and_then(toml::Value::as_table).into_iter().flatten().map(|(name, _)| name.clone())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
