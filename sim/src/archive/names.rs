//! Which keys make a place: a count of its own, over all keys of a store.

use std::collections::BTreeSet;

/// Keys below a place that are no objects of it, and some that make another place.
pub const STRAYS: &[&str] = &[
    "0000/0000000000000002-0000000000000002.ltx.tmp",
    "0000/000000000000000A-000000000000000A.ltx",
    "0000/0000000000000003-0000000000000002.ltx",
    "0000/0000000000000000-0000000000000002.ltx",
    "0009/0000000000000002-0000000000000003.ltx",
    "0000/0002-0003.ltx",
    "0000/readme",
    "000a/0000000000000001-0000000000000001.ltx",
    "ltx/0/notes.txt",
    "ltx/x/0000000000000001-0000000000000001.ltx",
    "ltx/10/0000000000000001-0000000000000001.ltx",
    "ltx/9/0000000000000004-0000000000000007.ltx",
    "sync/0000/0000000000000001-0000000000000001.ltx",
    "generations/0123456789abcdef/wal/1.wal.lz4",
    "inner/manifest.json",
    "inner/deeper/ltx/9/0000000000000001-0000000000000001.ltx",
    "other/0000/0000000000000001-0000000000000001.ltx",
    "manifest.json/x",
    "manifest.json.bak",
    "odd\u{7}name/manifest.json",
    "dot/./manifest.json",
];

/// Every folder that is a place; the store's root is the empty text.
pub fn places<'a>(keys: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for key in keys {
        let parts: Vec<&str> = key.split('/').collect();
        for depth in 0..parts.len() {
            let (folder, rest) = parts.split_at(depth);
            let is_last = rest.len() == 1;
            let names_a_place = match is_last {
                true => rest[0] == "manifest.json",
                false => is_inner(rest[0]),
            };
            if names_a_place && folder.iter().all(|part| is_legal(part)) {
                places.insert(folder.join("/"));
            }
        }
    }
    places
}

/// A folder inside a place.
fn is_inner(part: &str) -> bool {
    part == "ltx" || part.len() == 4 && part.starts_with("000") && part.as_bytes()[3].is_ascii_digit()
}

/// A part of a place's folder.
fn is_legal(part: &str) -> bool {
    let is_dots = part == "." || part == "..";
    let is_plain = !part.is_empty() && !part.chars().any(char::is_control);
    is_plain && !is_dots && !is_inner(part) && part != "sync" && part != "manifest.json"
}
