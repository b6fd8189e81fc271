//! The whole file: one store, the places below it, and values that all databases share.

use super::database::{Database, database};
use super::replica::{GENERAL, Root};
use super::settings::{self, Keys};
use super::table::{LeftOut, Table};
use super::value;
use super::write::{self, Entry, Store};
use super::yaml::{self, YamlError};
use crate::config::Place;
use std::collections::BTreeSet;

/// What came of a file of Litestream's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The configuration of walsync.
    pub toml: String,
    /// What has no equivalent, in the order of the file.
    pub left_out: Vec<LeftOut>,
    /// Environment variables that it expands; walsync insists that each is set.
    pub variables: Vec<String>,
}

/// Reads `litestream.yml` of version 0.5 or 0.3; `name`: how it is called in the comment at the top.
///
/// # Errors
/// It is no such file, or names no database that this version can replicate.
pub fn import(text: &str, name: &str) -> Result<Imported, YamlError> {
    let mut table = Table::of("", yaml::read(text)?).ok_or(YamlError::NoKeys)?;
    let mut left_out = Vec::new();
    let general = table.general(&GENERAL);
    let entries = table.tables("dbs", &mut left_out);
    if entries.is_empty() {
        return Err(YamlError::NoDatabases);
    }
    let of_file = settings::of_file(&mut table, &mut left_out);
    table.rest_is_unknown(&mut left_out);
    let databases: Vec<Database> =
        entries.into_iter().filter_map(|entry| database(entry, &general, &mut left_out)).collect();
    let databases = of_one_store(each_once(databases, &mut left_out), &mut left_out);
    let (store, places) = store_and_places(&databases, &mut left_out);
    let shared = shared(&databases);
    let entries = databases.iter().zip(places).map(|(database, place)| {
        let own = database.keys.iter().filter(|(key, _)| !shared.contains_key(*key));
        let keys = own.map(|(key, value)| (*key, value.clone())).collect();
        entry(database, place, keys)
    });
    let entries: Vec<Entry> = entries.collect();
    let mut general = of_file;
    general.extend(shared);
    left_out.sort();
    left_out.dedup_by(|a, b| a.line == b.line && a.reason == b.reason);
    let toml = write::toml(name, store.as_ref(), &general, &entries, &left_out);
    let mut seen = BTreeSet::new();
    let uncommented: String = toml.lines().filter(|line| !line.starts_with('#')).collect();
    let variables = value::variables(&uncommented).into_iter().filter(|name| seen.insert(*name));
    let variables = variables.map(str::to_owned).collect();
    Ok(Imported { toml, left_out, variables })
}

/// Each path once: two entries for one file exclude each other.
fn each_once(databases: Vec<Database>, left_out: &mut Vec<LeftOut>) -> Vec<Database> {
    let mut seen = BTreeSet::new();
    let (first, again): (Vec<Database>, Vec<Database>) =
        databases.into_iter().partition(|database| seen.insert(database.path.clone()));
    left_out.extend(again.into_iter().map(|database| LeftOut {
        line: database.line,
        key: database.key,
        reason: format!("{} is there already: this entry is left out", database.path),
    }));
    first
}

/// The databases in the first one's store. Others are told: a configuration of this version has one store.
fn of_one_store(databases: Vec<Database>, left_out: &mut Vec<LeftOut>) -> Vec<Database> {
    let Some(first) = databases.first() else { return databases };
    let (root, store) = (first.replica.root.clone(), first.replica.store.clone());
    let (same, other): (Vec<Database>, Vec<Database>) = databases
        .into_iter()
        .partition(|database| database.replica.root == root && database.replica.store == store);
    left_out.extend(other.into_iter().map(|database| LeftOut {
        line: database.line,
        key: database.key,
        reason: "it has another store, or other credentials, than the first database: write it into a configuration of its own, for a walsync of its own".to_owned(),
    }));
    same
}

/// The URL of the folder above all places, and each place below it.
fn store_and_places(databases: &[Database], left_out: &mut Vec<LeftOut>) -> (Option<Store>, Vec<String>) {
    let Some(first) = databases.first() else { return (None, Vec::new()) };
    let mut folders: Option<Vec<&str>> = None;
    for database in databases {
        let place = &database.replica.place;
        let parts: Vec<&str> = place.split('/').collect();
        // A pattern's places lie below the replica's folder, others are it.
        let above = if database.is_pattern { &parts[..] } else { &parts[..parts.len() - 1] };
        folders = Some(match folders {
            None => above.to_vec(),
            Some(before) => {
                before.iter().zip(above).take_while(|(a, b)| a == b).map(|(part, _)| *part).collect()
            }
        });
    }
    let folder = folders.unwrap_or_default().join("/");
    let below = |place: &str| place.strip_prefix(&folder).unwrap_or(place).trim_start_matches('/').to_owned();
    let places = databases.iter().map(|database| {
        let place = below(&database.replica.place);
        let is_usable = place.contains("${") || Place::parse(&place).is_ok();
        if is_usable || (place.is_empty() && database.is_pattern) {
            return place;
        }
        let reason = match place.is_empty() {
            true => "its replica is the root of the bucket, where walsync keeps none".to_owned(),
            false => format!("`{place}` is no place that walsync can use"),
        };
        left_out.push(LeftOut {
            line: database.line,
            key: database.key.clone(),
            reason: format!("{reason}: it gets a folder of its own, and begins a new history"),
        });
        String::new()
    });
    let places = places.collect();
    let url = match &first.replica.root {
        Root::S3(bucket) if folder.is_empty() => format!("s3://{bucket}"),
        Root::S3(bucket) => format!("s3://{bucket}/{folder}"),
        Root::File if folder.is_empty() && first.replica.place.starts_with('/') => "file:///".to_owned(),
        Root::File if folder.is_empty() => ".".to_owned(),
        Root::File => folder,
    };
    (Some(Store { url, keys: first.replica.store.clone() }), places)
}

/// Values that every database has.
fn shared(databases: &[Database]) -> Keys {
    let Some((first, others)) = databases.split_first() else { return Keys::new() };
    let everywhere =
        |key: &str, value: &toml::Value| others.iter().all(|database| database.keys.get(key) == Some(value));
    let shared = first.keys.iter().filter(|(key, value)| everywhere(key, value));
    shared.map(|(key, value)| (*key, value.clone())).collect()
}

fn entry(database: &Database, place: String, keys: Keys) -> Entry {
    let path = database.path.clone();
    if database.is_pattern {
        return Entry { path, prefix: Some(place).filter(|prefix| !prefix.is_empty()), name: None, keys };
    }
    Entry { path, prefix: None, name: Some(place).filter(|name| !name.is_empty()), keys }
}
