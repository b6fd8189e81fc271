//! A second net below `clippy.toml`: words that must not occur in the engine's source at all, outside comments.
//!
//! Clippy resolves paths but runs only when somebody runs it, and a macro or a new function of std gets past
//! its list; this reads the text, on every `cargo test`.

#![allow(clippy::disallowed_methods, reason = "a test may read files")]
#![allow(clippy::unwrap_used, reason = "a test's helpers are tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// What would make the engine depend on more than its inputs.
const BANNED: &[&str] = &[
    "std::fs",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::env",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "SystemTime",
    "UNIX_EPOCH",
    "HashMap",
    "HashSet",
    "RandomState",
    "Mutex",
    "RwLock",
    "Condvar",
    "AtomicBool",
    "AtomicU32",
    "AtomicU64",
    "AtomicUsize",
    "OnceLock",
    "LazyLock",
    "mpsc",
    "rand::",
    "getrandom",
    "println!",
    "print!",
    "eprintln!",
    "eprint!",
    "tokio",
    "async fn",
    ".await",
    "unsafe",
    "static mut",
    "extern \"C\"",
];

#[test]
fn engine_source_has_no_clock_thread_random_number_or_io() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let files = rust_files(&source);
    assert!(files.len() > 50, "{} files of source", files.len());
    for path in files {
        let name = path.strip_prefix(&source).unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            let code = without_comment(line);
            let words = BANNED.iter().filter(|word| has_word(code, word));
            found.extend(words.map(|word| format!("{name}:{number}: {word}")));
        }
    }
    assert!(found.is_empty(), "the engine is a function of its inputs:\n{}", found.join("\n"));
}

#[test]
fn net_catches_what_it_is_for() {
    assert!(BANNED.iter().any(|word| has_word("let now = std::time::Instant::now();", word)));
    assert!(BANNED.iter().any(|word| has_word("use std::collections::{BTreeMap, HashMap};", word)));
    assert!(!BANNED.iter().any(|word| has_word(without_comment("x(); // no HashMap here"), word)));
    assert!(!BANNED.iter().any(|word| has_word("let operand = operand::new();", word)));
}

/// The word, not as a part of a longer one.
fn has_word(code: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    let (starts_inside, ends_inside) = (word.starts_with(inside), word.ends_with(inside));
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        !(starts_inside && before.ends_with(inside) || ends_inside && after.starts_with(inside))
    })
}

fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // What only tests compile may read golden files and make times.
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
