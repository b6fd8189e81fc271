//! What a command is about: a database by NAME or local path, or a place by URL.

use crate::exit::Failure;

/// A database of the store, as it was named. Whether a text is a NAME or a path is decided where the names
/// are known (`config::resolve`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The URL of a place.
    Url(String),
    /// `<prefix>/<name>`, `<name>`, or a local path.
    Named(String),
}

impl Target {
    /// # Errors
    /// Exit 2 for an empty text.
    pub(super) fn parse(text: String) -> Result<Target, Failure> {
        if text.trim_matches('/').is_empty() {
            return Err(Failure::usage("the database's NAME is empty").hint("walsync list"));
        }
        Ok(if text.contains("://") { Target::Url(text) } else { Target::Named(text) })
    }
}
