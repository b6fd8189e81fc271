//! Paths of databases, possibly with wildcards: which files they mean, and what part of a file's path names it.

use globset::{GlobBuilder, GlobMatcher};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// An absolute path in which `*`, `?`, `[...]` and `{...}` stand for part of one component and `**` for any
/// number of folders. As in a shell, a wildcard does not match a leading dot, and `**` does not follow links.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(OsString),
    Wild { matcher: GlobMatcher, matches_dot: bool },
    AnyDepth,
}

/// A path that cannot be used as a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing.
    #[error("the path is empty")]
    Empty,
    /// A wildcard that is not one.
    #[error("`{part}` is not a wildcard: {reason}")]
    Glob {
        /// The component.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A path that ends in `**`, `/` or `..`: a folder, not a file.
    #[error("`{0}` names folders, not database files")]
    Folder(String),
}

impl Pattern {
    /// Reads a path; a relative one starts at `working_dir`.
    pub fn parse(text: &str, working_dir: &Path) -> Result<Pattern, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let mut parts = Vec::new();
        for component in working_dir.join(text).components() {
            let Component::Normal(name) = component else {
                if component == Component::ParentDir {
                    parts.push(Part::Literal(OsString::from("..")));
                }
                continue;
            };
            // Wildcards of the working directory's own name are not meant.
            let inherited = parts.len() < literal_parts(text, working_dir);
            parts.push(if inherited { Part::Literal(name.to_owned()) } else { Part::parse(name)? });
        }
        let folder = match parts.last() {
            None | Some(Part::AnyDepth) => true,
            Some(Part::Literal(name)) => name == "..",
            Some(Part::Wild { .. }) => false,
        };
        if folder || text.ends_with('/') {
            return Err(PatternError::Folder(text.to_owned()));
        }
        Ok(Pattern { text: text.to_owned(), parts })
    }

    /// Takes a path as it is, whatever characters it has.
    pub fn literal(path: &Path, working_dir: &Path) -> Result<Pattern, PatternError> {
        if path.as_os_str().is_empty() {
            return Err(PatternError::Empty);
        }
        let text = path.to_string_lossy().into_owned();
        let absolute = working_dir.join(path);
        let names = absolute.components().filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            _ => None,
        });
        let parts: Vec<Part> = names.map(Part::Literal).collect();
        let folder = matches!(parts.last(), None | Some(Part::Literal(_)) if absolute.file_name().is_none());
        if folder { Err(PatternError::Folder(text)) } else { Ok(Pattern { text, parts }) }
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it stands for more than one path.
    pub fn has_wildcard(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, Part::Literal(_)))
    }

    /// The folder below which every match lies: what to watch for files that appear.
    pub fn root(&self) -> PathBuf {
        let before_last = &self.parts[..self.parts.len() - 1];
        before_last.iter().map_while(Part::literal).fold(PathBuf::from("/"), |path, name| path.join(name))
    }

    /// The more it says literally, the more specific: no wildcard, then no `**`, then more literal characters.
    pub fn specificity(&self) -> (bool, bool, usize) {
        let any_depth = self.parts.iter().any(|part| matches!(part, Part::AnyDepth));
        let literal_bytes = self.parts.iter().map(Part::literal_bytes).sum();
        (!self.has_wildcard(), !any_depth, literal_bytes)
    }

    /// Whether it stands for the absolute path `path`. A path that is never a database does not match.
    pub fn matches(&self, path: &Path) -> bool {
        let names: Vec<&OsStr> = path.components().filter_map(normal).collect();
        matches_parts(&self.parts, &names) && !names.last().is_some_and(|name| is_never_a_database(name))
    }

    /// The part of a matching path that names the database: from the first wildcard on, else the file name.
    pub fn naming_part(&self, path: &Path) -> PathBuf {
        let first_wild = self.parts.iter().position(|part| !matches!(part, Part::Literal(_)));
        let first = first_wild.unwrap_or(self.parts.len() - 1);
        path.components().filter_map(normal).skip(first).collect()
    }

    /// The existing files that it stands for, sorted. Without a wildcard: the path, whether it exists or not.
    /// Folders that cannot be read are handed to `unreadable` and skipped.
    pub fn files(&self, unreadable: &mut dyn FnMut(&Path, io::Error)) -> Vec<PathBuf> {
        if !self.has_wildcard() {
            return vec![
                self.parts.iter().filter_map(Part::literal).fold(PathBuf::from("/"), |p, n| p.join(n)),
            ];
        }
        let mut found = Vec::new();
        walk(Path::new("/"), &self.parts, &mut found, unreadable);
        found.sort();
        found.dedup();
        found
    }
}

impl Part {
    fn parse(name: &OsStr) -> Result<Part, PatternError> {
        let Some(text) = name.to_str().filter(|text| text.contains(['*', '?', '[', '{'])) else {
            return Ok(Part::Literal(name.to_owned()));
        };
        if text == "**" {
            return Ok(Part::AnyDepth);
        }
        let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
        let glob = glob.map_err(|error| PatternError::Glob {
            part: text.to_owned(),
            reason: error.kind().to_string(),
        })?;
        Ok(Part::Wild { matcher: glob.compile_matcher(), matches_dot: text.starts_with('.') })
    }

    fn literal(&self) -> Option<&OsStr> {
        if let Part::Literal(name) = self { Some(name) } else { None }
    }

    fn literal_bytes(&self) -> usize {
        match self {
            Part::Literal(name) => name.len() + 1,
            Part::Wild { matcher, .. } => {
                1 + matcher.glob().glob().bytes().filter(|byte| !b"*?[]{}".contains(byte)).count()
            }
            Part::AnyDepth => 0,
        }
    }

    fn matches(&self, name: &OsStr) -> bool {
        match self {
            Part::Literal(literal) => literal == name,
            Part::Wild { matcher, matches_dot } => {
                (*matches_dot || !is_hidden(name)) && matcher.is_match(name)
            }
            Part::AnyDepth => !is_hidden(name),
        }
    }
}

/// SQLite's side files and our lock files are never databases, whatever a pattern says.
pub(super) fn is_never_a_database(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    ["-wal", "-shm", "-journal", "-walsync.lock"].iter().any(|suffix| name.ends_with(suffix.as_bytes()))
}

fn matches_parts(parts: &[Part], names: &[&OsStr]) -> bool {
    match (parts, names) {
        ([], []) => true,
        ([Part::AnyDepth, rest @ ..], names) => {
            let skippable = names.iter().take_while(|name| Part::AnyDepth.matches(name)).count();
            (0..=skippable).any(|skip| matches_parts(rest, &names[skip..]))
        }
        ([part, parts @ ..], [name, names @ ..]) => part.matches(name) && matches_parts(parts, names),
        _ => false,
    }
}

fn walk(
    folder: &Path,
    parts: &[Part],
    found: &mut Vec<PathBuf>,
    unreadable: &mut dyn FnMut(&Path, io::Error),
) {
    let Some((part, rest)) = parts.split_first() else { return };
    if let Part::Literal(name) = part {
        return step(folder.join(name), rest, found, unreadable);
    }
    if matches!(part, Part::AnyDepth) {
        walk(folder, rest, found, unreadable);
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return;
        }
        Err(error) => return unreadable(folder, error),
    };
    for entry in entries.filter_map(Result::ok).filter(|entry| part.matches(&entry.file_name())) {
        if !matches!(part, Part::AnyDepth) {
            step(entry.path(), rest, found, unreadable);
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), parts, found, unreadable);
        }
    }
}

fn step(
    path: PathBuf,
    rest: &[Part],
    found: &mut Vec<PathBuf>,
    unreadable: &mut dyn FnMut(&Path, io::Error),
) {
    if !rest.is_empty() {
        return walk(&path, rest, found, unreadable);
    }
    let named = path.file_name().is_some_and(|name| !is_never_a_database(name));
    if named && fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
        found.push(path);
    }
}

/// How many components of the joined path come from the working directory.
fn literal_parts(text: &str, working_dir: &Path) -> usize {
    if Path::new(text).is_absolute() { 0 } else { working_dir.components().filter_map(normal).count() }
}

fn normal(component: Component<'_>) -> Option<&OsStr> {
    match component {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        _ => None,
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}
