//! How the code must read, where a machine can tell: every file says what it is, none grows too long, nothing
//! is left half done. (What each dependency is for is checked in `dependencies_document.rs`.)

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longer than this, a file holds more than one idea.
const LINES_MAX: usize = 600;
const CRATES: &[&str] = &["engine", "io-real", "io-sim", "sim", "cli", "fuzz", "tests"];

#[test]
fn every_source_file_says_what_it_is() {
    let silent = sources().into_iter().filter(|f| !f.is_test && !f.text.starts_with("//!"));
    assert_none(silent.map(|file| file.name).collect(), "does not begin with `//!`");
}

#[test]
fn no_source_file_is_too_long() {
    let lines = |file: &Source| file.text.lines().count();
    let long = sources().into_iter().filter(|file| !file.is_test && lines(file) > LINES_MAX);
    let long = long.map(|file| format!("{} ({} lines)", file.name, lines(&file)));
    assert_none(long.collect(), &format!("is longer than {LINES_MAX} lines"));
}

#[test]
fn nothing_is_left_half_done() {
    // Put together here, so that this file may be read too.
    let words = ["todo", "unimplemented", "dbg"].map(|word| format!("{word}!"));
    let words: Vec<String> =
        words.into_iter().chain(["ignore", "ignore ="].map(|w| format!("#[{w}"))).collect();
    let mut found = lines_with(|_, code| words.iter().any(|word| code.contains(word.as_str())));
    found.extend(lines_with_comments(|line| ["TODO", "FIXME", "XXX"].iter().any(|w| has_mark(line, w))));
    assert_none(found, "is not finished, or not run");
}

#[test]
fn only_tests_unwrap() {
    let found = lines_with(|file, code| !file.is_test && code.contains(".unwrap()"));
    assert_none(found, "unwraps outside tests: handle it, or `expect` the reason why it cannot fail");
}

#[test]
fn unsafe_code_is_where_it_belongs() {
    // The SQLite VFS and file-control code; the allocator's settings; a counting allocator in a test.
    let allowed =
        ["io-real/src/sqlite/", "io-sim/src/sqlite_vfs/", "cli/src/allocator.rs", "fuzz/tests/corpus.rs"];
    let unsafe_code = |code: &str| {
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|w| code.contains(w))
    };
    let found = lines_with(|file, code| {
        !file.is_test && !allowed.iter().any(|place| file.name.starts_with(place)) && unsafe_code(code)
    });
    assert_none(found, "has unsafe code");
}

#[test]
fn sources_are_found_and_tests_are_told_apart() {
    let sources = sources();
    let is_test =
        |name: &str| sources.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("no {name}")).is_test;
    assert!(!is_test("engine/src/ltx/decoder.rs"));
    assert!(!is_test("tests/src/s3/server.rs"), "the test server is written like everything else");
    assert!(is_test("engine/src/ltx/tests/codec.rs"));
    assert!(is_test("engine/src/wal/sample.rs"), "compiled for tests only");
    assert!(is_test("tests/tests/style.rs"));
}

struct Source {
    /// Its path from the workspace's root.
    name: String,
    text: String,
    /// Compiled for tests only.
    is_test: bool,
}

/// Every Rust file of the workspace.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut paths = Vec::new();
    for folder in
        CRATES.iter().flat_map(|name| ["src", "tests", "benches"].map(|part| root.join(name).join(part)))
    {
        rust_files(&folder, &mut paths);
    }
    let texts: Vec<(PathBuf, String)> =
        paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).expect("readable"))).collect();
    let only_tests: BTreeSet<PathBuf> =
        texts.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let source = |(path, text): (PathBuf, String)| {
        let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
        let below_crate = name.split_once('/').expect("in a crate").1;
        let is_test = only_tests.contains(&path)
            || !below_crate.starts_with("src/")
            || below_crate.split('/').any(|part| part == "tests" || part == "tests.rs");
        Source { name, text, is_test }
    };
    texts.into_iter().map(source).collect()
}

/// Files of modules that are declared under `#[cfg(test)]`.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = path.parent().expect("in a folder");
    let lines: Vec<&str> = text.lines().collect();
    let declared = lines
        .windows(2)
        .filter(|pair| pair[0] == "#[cfg(test)]")
        .filter_map(|pair| pair[1].trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';'));
    declared.map(|name| folder.join(format!("{name}.rs"))).collect()
}

/// `file:line` of every line of code, outside comments and inline test modules, that `is` says.
fn lines_with(is: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in sources() {
        let lines: Vec<&str> = file.text.lines().collect();
        let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with('{'));
        for (number, line) in (1..).zip(&lines[..tests.unwrap_or(lines.len())]) {
            let code = line.split_once("//").map_or(*line, |(code, _)| code);
            if is(&file, code) {
                found.push(format!("{}:{number}", file.name));
            }
        }
    }
    found
}

/// The same of whole lines.
fn lines_with_comments(is: impl Fn(&str) -> bool) -> Vec<String> {
    let this = "tests/tests/style.rs";
    let mut found = Vec::new();
    for file in sources().into_iter().filter(|file| file.name != this) {
        let lines = (1..).zip(file.text.lines()).filter(|(_, line)| is(line));
        found.extend(lines.map(|(number, _)| format!("{}:{number}", file.name)));
    }
    found
}

/// A mark for later work, not a part of a name.
fn has_mark(line: &str, mark: &str) -> bool {
    line.match_indices(mark).any(|(at, _)| {
        let around = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        around(line[..at].chars().next_back()) && around(line[at + mark.len()..].chars().next())
    })
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

fn assert_none(found: Vec<String>, what: &str) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}
