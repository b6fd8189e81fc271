//! A database, or a directory of them, and its replica.

use super::replica::{Replica, replica};
use super::settings::{Found, Keys};
use super::table::{LeftOut, Table, Taken};
use super::value;
use crate::config::Pattern;
use std::path::Path;

/// One entry of `dbs`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Database {
    /// A path, or a pattern.
    pub(super) path: String,
    /// Files that match get their places from their paths.
    pub(super) is_pattern: bool,
    pub(super) replica: Replica,
    /// Keys of `[[databases]]`.
    pub(super) keys: Keys,
    /// For what is said about it.
    pub(super) line: u32,
    /// The same.
    pub(super) key: String,
}

/// Reads an entry; `None`: it is left out, which is told.
pub(super) fn database(mut table: Table, general: &Table, left_out: &mut Vec<LeftOut>) -> Option<Database> {
    let (line, key) = (table.line(), table.key("path"));
    let path = table.text("path", left_out);
    let dir = table.text("dir", left_out);
    let path = match (path, dir) {
        (Some(path), None) => Some((literal(&path, left_out)?, false)),
        (None, Some(dir)) => Some((pattern(&dir, &mut table, left_out), true)),
        (_, Some(dir)) => {
            left_out.push(dir.left_out("`path` and `dir` exclude each other: this entry is left out"));
            None
        }
        (None, None) => {
            let reason = "neither `path` nor `dir`: this entry is left out".to_owned();
            left_out.push(LeftOut { line, key: key.clone(), reason });
            None
        }
    };
    let (path, is_pattern) = path?;
    if !path.contains("${")
        && let Err(error) = Pattern::parse(&path, Path::new("/"))
    {
        left_out.push(LeftOut { line, key, reason: format!("{error}: this entry is left out") });
        return None;
    }
    let mut found = Found { keys: Keys::new(), left_out };
    found.snapshot(&mut table);
    found.text(&mut table, "min-checkpoint-page-count", "sync.checkpoint_pages");
    for (name, reason) in WITHOUT {
        table.without(name, reason, found.left_out);
    }
    let mut keys = found.keys;
    let replica = one_replica(&mut table, left_out);
    table.rest_is_unknown(left_out);
    let Some(own) = replica else {
        let reason = "no replica: this entry is left out".to_owned();
        left_out.push(LeftOut { line, key, reason });
        return None;
    };
    let mut replica = replica_of(own, general, left_out)?;
    keys.append(&mut replica.keys);
    Some(Database { path, is_pattern, replica, keys, line, key })
}

fn replica_of(own: Table, general: &Table, left_out: &mut Vec<LeftOut>) -> Option<Replica> {
    replica(own.or(general), left_out)
}

/// `replica`, or the only one of `replicas`.
fn one_replica(table: &mut Table, left_out: &mut Vec<LeftOut>) -> Option<Table> {
    let one = table.table("replica", left_out);
    let mut several = table.tables("replicas", left_out).into_iter();
    let first = one.or_else(|| several.next());
    for further in several {
        let reason = "a database has one replica: this one is left out".to_owned();
        left_out.push(LeftOut { line: further.line(), key: further.key("url"), reason });
    }
    first
}

/// The path of one file.
fn literal(path: &Taken, left_out: &mut Vec<LeftOut>) -> Option<String> {
    let text = value::path(&path.text);
    if text.replace("${", "").contains(['*', '?', '[', '{']) {
        let reason = "walsync takes `*`, `?`, `[` and `{` in a path for wildcards: name the file as an argument of `walsync watch`";
        left_out.push(path.left_out(reason));
        return None;
    }
    Some(text)
}

/// `dir`, `pattern` and `recursive` as one path with wildcards.
fn pattern(dir: &Taken, table: &mut Table, left_out: &mut Vec<LeftOut>) -> String {
    let pattern = table.text("pattern", left_out).map_or_else(|| "*".to_owned(), |pattern| pattern.text);
    let recursive = table.text("recursive", left_out);
    let depth = if recursive.is_some_and(|flag| value::flag(&flag.text) == Some(true)) { "**/" } else { "" };
    if let Some(watch) = table.text("watch", left_out)
        && value::flag(&watch.text) == Some(false)
    {
        left_out.push(watch.left_out("walsync follows files that appear later as well"));
    }
    left_out.push(dir.left_out(
        "walsync names places by paths without `.db`, Litestream with it: these databases begin a history of their own beside Litestream's",
    ));
    format!("{}/{depth}{pattern}", value::path(&dir.text).trim_end_matches('/'))
}

/// Keys of a database for which walsync has nothing, or something else.
const WITHOUT: [(&str, &str); 9] = [
    ("meta-path", "walsync keeps nothing beside the database but a lock file; see `[state] dir`"),
    ("meta-dir", "walsync keeps nothing beside the databases but lock files; see `[state] dir`"),
    ("monitor-interval", "walsync is told when a file changes, and looks every second besides"),
    ("checkpoint-interval", "walsync checkpoints after `sync.checkpoint_pages`, and when it is quiet"),
    ("busy-timeout", "walsync waits for no lock of the application's"),
    ("max-checkpoint-page-count", "walsync lets the log go after `sync.max_wal_bytes`"),
    ("truncate-page-n", "walsync empties the log when it is quiet"),
    ("max-sync-wal-bytes", "walsync cuts large changes into objects by itself"),
    ("restore-if-db-not-exists", "run `walsync restore NAME --if-missing` before `walsync watch`"),
];
