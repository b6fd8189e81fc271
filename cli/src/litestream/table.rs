//! Keys that are taken one by one; what nobody took at the end has no equivalent, and is told.

use super::value;
use super::yaml::{Data, Node};
use serde::Serialize;

/// A key of the file that has no equivalent, or none that is the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeftOut {
    /// Line of its value, from 1.
    pub line: u32,
    /// As a path, as in `dbs[0].replica.endpoint`.
    pub key: String,
    /// Why, and what to do instead.
    pub reason: String,
}

/// A value that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) line: u32,
    pub(super) key: String,
    /// With variables as walsync expands them.
    pub(super) text: String,
}

impl Taken {
    /// Says that it is left out.
    pub(super) fn left_out(&self, reason: impl Into<String>) -> LeftOut {
        LeftOut { line: self.line, key: self.key.clone(), reason: reason.into() }
    }

    /// Whether it is a variable, so that nobody knows its value here.
    pub(super) fn is_variable(&self) -> bool {
        self.text.contains("${")
    }
}

/// The keys of one mapping, and those of the file that stand in for missing ones.
#[derive(Clone, Debug)]
pub(super) struct Table {
    path: String,
    entries: Vec<Entry>,
    line: u32,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    node: Node,
    /// It stands at the top of the file, for all replicas.
    is_general: bool,
}

impl Table {
    /// `None`: no mapping.
    pub(super) fn of(path: &str, node: Node) -> Option<Table> {
        let entries = match node.data {
            Data::Map(entries) => entries,
            Data::Null => Vec::new(),
            Data::Text(_) | Data::List(_) => return None,
        };
        let entry = |(name, node)| Entry { name, node, is_general: false };
        let entries = entries.into_iter().map(entry).collect();
        Some(Table { path: path.to_owned(), entries, line: node.line })
    }

    pub(super) fn line(&self) -> u32 {
        self.line
    }

    /// The path of one of its keys.
    pub(super) fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a value of any kind, with its path.
    pub(super) fn node(&mut self, name: &str) -> Option<(String, Node)> {
        let at = self.entries.iter().position(|entry| entry.name == name)?;
        let Entry { name, node, is_general } = self.entries.remove(at);
        Some((if is_general { name } else { self.key(&name) }, node))
    }

    /// Takes a text; one that is no text is told. An empty one is as good as none.
    pub(super) fn text(&mut self, name: &str, left_out: &mut Vec<LeftOut>) -> Option<Taken> {
        let (key, Node { line, data }) = self.node(name)?;
        match data {
            Data::Text(text) => {
                let text = value::with_braces(&text);
                (!text.is_empty()).then_some(Taken { line, key, text })
            }
            Data::Null => None,
            Data::List(_) | Data::Map(_) => {
                left_out.push(LeftOut { line, key, reason: "one value was expected".to_owned() });
                None
            }
        }
    }

    /// Takes a mapping.
    pub(super) fn table(&mut self, name: &str, left_out: &mut Vec<LeftOut>) -> Option<Table> {
        let (key, node) = self.node(name)?;
        let line = node.line;
        let table = Table::of(&key, node);
        if table.is_none() {
            left_out.push(LeftOut { line, key, reason: "keys and values were expected".to_owned() });
        }
        table
    }

    /// Takes a list of mappings.
    pub(super) fn tables(&mut self, name: &str, left_out: &mut Vec<LeftOut>) -> Vec<Table> {
        let Some((key, Node { line, data })) = self.node(name) else { return Vec::new() };
        let items = match data {
            Data::List(items) => items,
            Data::Null => Vec::new(),
            Data::Text(_) | Data::Map(_) => {
                left_out.push(LeftOut { line, key, reason: "a list was expected".to_owned() });
                return Vec::new();
            }
        };
        let mut tables = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            let (path, line) = (format!("{key}[{at}]"), item.line);
            match Table::of(&path, item) {
                Some(table) => tables.push(table),
                None => left_out.push(LeftOut {
                    line,
                    key: path,
                    reason: "keys and values were expected".to_owned(),
                }),
            }
        }
        tables
    }

    /// Takes the value of a key for which walsync has nothing, if it is there, and tells why.
    pub(super) fn without(&mut self, name: &str, reason: &str, left_out: &mut Vec<LeftOut>) {
        if let Some((key, node)) = self.node(name)
            && node.data != Data::Null
        {
            left_out.push(LeftOut { line: node.line, key, reason: reason.to_owned() });
        }
    }

    /// Tells of every key that nobody took, but for those that are meant for other replicas.
    pub(super) fn rest_is_unknown(self, left_out: &mut Vec<LeftOut>) {
        for entry in self.entries.iter().filter(|entry| !entry.is_general) {
            left_out.push(LeftOut {
                line: entry.node.line,
                key: self.key(&entry.name),
                reason: "walsync knows no key of Litestream's of that name".to_owned(),
            });
        }
    }

    /// Takes the keys with these names, which are meant for all replicas.
    pub(super) fn general(&mut self, names: &[&str]) -> Table {
        let is_general = |entry: &Entry| names.contains(&entry.name.as_str());
        let (general, own) = std::mem::take(&mut self.entries).into_iter().partition(is_general);
        self.entries = own;
        Table { path: self.path.clone(), entries: general, line: self.line }
    }

    /// These keys, and those of `general` for what is missing.
    pub(super) fn or(mut self, general: &Table) -> Table {
        for entry in &general.entries {
            if !self.entries.iter().any(|own| own.name == entry.name) {
                self.entries.push(Entry { is_general: true, ..entry.clone() });
            }
        }
        self
    }

    /// Forgets the keys with these names that are meant for other replicas.
    pub(super) fn forget_general(&mut self, names: &[&str]) {
        self.entries.retain(|entry| !entry.is_general || !names.contains(&entry.name.as_str()));
    }
}
