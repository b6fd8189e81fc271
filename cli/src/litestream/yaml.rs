//! YAML text to nodes with lines. Scalars stay text, as they were written: a key id of digits is no number.

use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::BTreeMap;

/// A value, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: u32,
    pub(super) data: Data,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// Nothing, or `null`.
    Null,
    Text(String),
    List(Vec<Node>),
    /// In the order of the file, each key once.
    Map(Vec<(String, Node)>),
}

/// Text that is not a configuration file of Litestream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// It cannot be read as YAML.
    #[error("line {line}: not YAML: {message}")]
    Syntax {
        /// From 1.
        line: u32,
        /// Why.
        message: String,
    },
    /// A list or a text, not keys with values; or several documents.
    #[error("a configuration of Litestream's is one YAML document of keys and values")]
    NoKeys,
    /// Nothing to replicate.
    #[error("it names no database: `dbs` is missing or empty")]
    NoDatabases,
    /// Deeper, or larger with its aliases, than any configuration.
    #[error("line {line}: more, or more deeply nested, than a configuration can be")]
    TooMuch {
        /// From 1.
        line: u32,
    },
}

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Node, YamlError> {
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError::Syntax {
            line: line(error.marker().line()),
            message: error.info().to_owned(),
        })?;
        reader.take(event, line(span.start.line()))?;
    }
    let mut documents = reader.documents.into_iter();
    match (documents.next(), documents.next()) {
        (Some(document), None) => Ok(document),
        _ => Err(YamlError::NoKeys),
    }
}

/// Puts nodes together as their parts come.
#[derive(Default)]
struct Reader {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

/// A list or mapping whose end has not come.
struct Open {
    node: Node,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<String>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, line: u32) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let data = match (&*text, style) {
                    ("" | "~" | "null" | "Null" | "NULL", ScalarStyle::Plain) => Data::Null,
                    (text, _) => Data::Text(text.to_owned()),
                };
                self.came(Node { line, data }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.open(Data::List(Vec::new()), anchor, line),
            Event::MappingStart(anchor, _) => self.open(Data::Map(Vec::new()), anchor, line),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.came(open.node, open.anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.map_or(Node { line, data: Data::Null }, |node| Node { line, ..node });
                self.nodes += size(&node);
                self.came(node, 0)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, data: Data, anchor: usize, line: u32) -> Result<(), YamlError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(YamlError::TooMuch { line });
        }
        self.open.push(Open { node: Node { line, data }, anchor, key: None });
        Ok(())
    }

    fn came(&mut self, node: Node, anchor: usize) -> Result<(), YamlError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(YamlError::TooMuch { line: node.line });
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match (&mut open.node.data, open.key.take()) {
            (Data::List(items), _) => items.push(node),
            (Data::Map(_), None) => match node.data {
                Data::Text(key) => open.key = Some(key),
                // A key of another kind is none of Litestream's, and is told as such.
                _ => open.key = Some("?".to_owned()),
            },
            (Data::Map(entries), Some(key)) => {
                if entries.iter().any(|(known, _)| *known == key) {
                    let message = format!("`{key}` is there twice");
                    return Err(YamlError::Syntax { line: node.line, message });
                }
                entries.push((key, node));
            }
            (Data::Null | Data::Text(_), _) => {}
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    match &node.data {
        Data::Null | Data::Text(_) => 1,
        Data::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Data::Map(entries) => 1 + entries.iter().map(|(_, node)| size(node)).sum::<usize>(),
    }
}

fn line(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A configuration of Litestream's is 5 deep.
const DEPTH_MAX: usize = 32;
/// Thousands of databases with a dozen keys each.
const NODES_MAX: usize = 200_000;
