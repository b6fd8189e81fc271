//! What is said about a run that failed: as text for people, as one JSON line for programs.

use super::Kind;
use engine::store::{Fatal, StoreError};
use engine::types::Txid;
use serde::{Serialize, Serializer};
use std::error::Error;
use std::fmt;

/// Why a run failed. The text is `error: what (db, object, txid)`, then the causes, then the hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    kind: Kind,
    what: String,
    database: Option<String>,
    object: Option<String>,
    txid: Option<Txid>,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    /// A failure of this kind; `what` is what failed, in one line without a full stop.
    pub fn new(kind: Kind, what: impl Into<String>) -> Failure {
        let what = one_line(&what.into());
        let (database, object, txid, hint) = (None, None, None, None);
        Failure(Box::new(Parts { kind, what, database, object, txid, causes: Vec::new(), hint }))
    }

    /// Arguments or configuration are wrong: exit 2.
    pub fn usage(what: impl Into<String>) -> Failure {
        Failure::new(Kind::Usage, what)
    }

    /// The answer is no: exit 1.
    pub fn no(what: impl Into<String>) -> Failure {
        Failure::new(Kind::No, what)
    }

    /// A command or key whose turn has not come: exit 2.
    pub fn not_in_this_version(thing: impl fmt::Display) -> Failure {
        Failure::usage(format!("{thing}: not in this version"))
    }

    /// A store's error while `what` was being done.
    pub fn of_store(what: impl Into<String>, error: &StoreError) -> Failure {
        let failure = Failure::new(Kind::of_store_error(error), what);
        // Stores name the rule that was broken, not what to look at.
        let failure = match error {
            StoreError::Fatal { kind: Fatal::Denied, .. } => {
                failure.cause("access was refused: wrong credentials, none, or without the right")
            }
            _ => failure,
        };
        failure.because(error)
    }

    /// Names the database, as NAME or path.
    #[must_use]
    pub fn database(mut self, name: impl fmt::Display) -> Failure {
        self.0.database = Some(name.to_string());
        self
    }

    /// Names the object by its key.
    #[must_use]
    pub fn object(mut self, key: impl fmt::Display) -> Failure {
        self.0.object = Some(key.to_string());
        self
    }

    /// Names the transaction.
    #[must_use]
    pub fn txid(mut self, txid: Txid) -> Failure {
        self.0.txid = Some(txid);
        self
    }

    /// Adds a cause and all that caused it.
    #[must_use]
    pub fn because(mut self, cause: &dyn Error) -> Failure {
        let mut next = Some(cause);
        while let Some(error) = next.filter(|_| self.0.causes.len() < CAUSES_MAX) {
            self.0.causes.push(one_line(&error.to_string()));
            next = error.source();
        }
        self
    }

    /// Adds a cause in words.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Failure {
        if self.0.causes.len() < CAUSES_MAX {
            self.0.causes.push(one_line(&cause.to_string()));
        }
        self
    }

    /// Says what to do about it: a command that can be pasted.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Failure {
        self.0.hint = Some(one_line(&hint.to_string()));
        self
    }

    /// Who must act.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What failed, alone.
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// The database, where one is named.
    pub fn database_name(&self) -> Option<&str> {
        self.0.database.as_deref()
    }

    /// The object, where one is named.
    pub fn object_key(&self) -> Option<&str> {
        self.0.object.as_deref()
    }

    /// The transaction, where one is named.
    pub fn transaction(&self) -> Option<Txid> {
        self.0.txid
    }

    /// What failed, with the names in brackets and without causes.
    pub fn headline(&self) -> String {
        let parts = &self.0;
        let names = [
            parts.database.as_ref().map(|name| format!("db {name}")),
            parts.object.as_ref().map(|key| format!("object {key}")),
            parts.txid.map(|txid| format!("txid {txid}")),
        ];
        let names: Vec<String> = names.into_iter().flatten().collect();
        if names.is_empty() { parts.what.clone() } else { format!("{} ({})", parts.what, names.join(", ")) }
    }

    /// The causes, outermost first, each one line.
    pub fn causes(&self) -> &[String] {
        &self.0.causes
    }

    /// What to do about it.
    pub fn hint_text(&self) -> &str {
        self.0.hint.as_deref().unwrap_or(self.0.kind.default_hint())
    }

    /// The line for `--json`, without a line end.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("text and numbers always become JSON")
    }
}

/// The documented fields of an error under `--json`.
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = &self.0;
        let mut error = parts.what.clone();
        for cause in &parts.causes {
            error.push_str(": ");
            error.push_str(cause);
        }
        let line = Line {
            error,
            kind: parts.kind.name(),
            database: parts.database.as_deref(),
            object: parts.object.as_deref(),
            txid: parts.txid.map(|txid| txid.to_string()),
            hint: self.hint_text(),
            exit_code: parts.kind.exit_code(),
        };
        line.serialize(serializer)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.headline())?;
        for cause in self.causes() {
            writeln!(f, "  caused by: {cause}")?;
        }
        write!(f, "hint: {}", self.hint_text())
    }
}

impl Error for Failure {}

#[derive(Serialize)]
struct Line<'a> {
    error: String,
    kind: &'static str,
    database: Option<&'a str>,
    object: Option<&'a str>,
    txid: Option<String>,
    hint: &'a str,
    exit_code: u8,
}

/// Line ends and control characters of foreign text must not break "an error is one line".
fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A configuration with more problems than this shows the first ones.
const CAUSES_MAX: usize = 100;
