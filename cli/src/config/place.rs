//! Places: where below the store a database's objects live, and the names people use for them.

use std::fmt;

/// A database's place relative to the store, `<prefix>/<name>`: one or more components joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(Box<str>);

/// Text that cannot be a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Nothing, or nothing between two slashes.
    #[error("`{0}` has an empty part")]
    EmptyPart(String),
    /// `.`, `..`, or a control character.
    #[error("`{0}` has a part that object keys cannot carry safely (`.`, `..`, control characters)")]
    UnsafePart(String),
    /// A part that the layout of a place uses itself.
    #[error("`{part}` in `{place}` is reserved: the folder above it would look like a database")]
    Reserved {
        /// The whole text.
        place: String,
        /// The offending part.
        part: String,
    },
    /// Longer than [`Place::BYTES_MAX`].
    #[error("`{0}...` is too long for an object key")]
    TooLong(String),
}

impl Place {
    /// Longest place: object keys end at 1024 bytes, and level, name and store prefix must follow.
    pub const BYTES_MAX: usize = 700;

    /// Checks `<prefix>/<name>`; the prefix may be empty, slashes around it do not count.
    pub fn new(prefix: &str, name: &str) -> Result<Place, PlaceError> {
        let prefix = prefix.trim_matches('/');
        Place::parse(&if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") })
    }

    /// Checks a whole place.
    pub fn parse(text: &str) -> Result<Place, PlaceError> {
        if text.len() > Place::BYTES_MAX {
            return Err(PlaceError::TooLong(text.chars().take(40).collect()));
        }
        for part in text.split('/') {
            if part.is_empty() {
                return Err(PlaceError::EmptyPart(text.to_owned()));
            }
            if part == "." || part == ".." || part.contains(char::is_control) {
                return Err(PlaceError::UnsafePart(text.to_owned()));
            }
            if is_reserved(part) {
                return Err(PlaceError::Reserved { place: text.to_owned(), part: part.to_owned() });
            }
        }
        Ok(Place(text.into()))
    }

    /// `<prefix>/<name>`, without slashes around it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `name`, or ends in `/name`.
    pub fn ends_with(&self, name: &str) -> bool {
        self.0.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a folder is recognised by as a place: `manifest.json`, `ltx/`, a level folder `0000` to `0009`.
fn is_reserved(part: &str) -> bool {
    let level = part.len() == 4 && part.starts_with("000") && part.ends_with(|c: char| c.is_ascii_digit());
    level || matches!(part, "ltx" | "manifest.json")
}
