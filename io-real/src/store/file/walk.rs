//! Listings of a directory tree, in the order of keys, and the sweep of what crashes left.

use super::directories::Directories;
use super::disk::Stat;
use super::error::classify;
use crate::port::Listing;
use engine::store::StoreError;
use engine::types::Timestamp;
use std::io;
use std::path::{Path, PathBuf};

/// A directory tree, and what is known of its syncs.
pub(super) struct Tree<'a> {
    pub(super) root: &'a Path,
    pub(super) directories: &'a Directories,
}

/// All objects below `prefix` after the key `after`, at most `objects_max`.
pub(super) fn list(
    tree: &Tree<'_>,
    prefix: &str,
    after: Option<&str>,
    objects_max: usize,
) -> Result<Listing, StoreError> {
    let mut listing = Listing::default();
    walk(tree, prefix, DEPTH_MAX, &mut |entry| {
        let (path, key) = match entry {
            Entry::Folder { key } => {
                let before = after.is_some_and(|after| after >= key.as_str() && !after.starts_with(key));
                return Ok(if before { Step::Skip } else { Step::Enter });
            }
            Entry::File { key, .. } if after.is_some_and(|after| key.as_str() <= after) => {
                return Ok(Step::Skip);
            }
            Entry::File { path, key } => (path, key),
        };
        if listing.objects.len() == objects_max {
            listing.next = listing.objects.last().map(|object| object.key.clone());
            return Ok(Step::Stop);
        }
        // A file that goes away during the walk is not there.
        match Stat::of(path) {
            Ok(stat) => listing.objects.push(stat.meta(key.clone())),
            Err(StoreError::Missing) => {}
            Err(error) => return Err(error),
        }
        Ok(Step::Skip)
    })?;
    Ok(listing)
}

/// The direct children of `prefix` after `after`, at most `children_max`. Folders without an object are not
/// there, as on S3.
pub(super) fn list_folder(
    tree: &Tree<'_>,
    prefix: &str,
    after: Option<&str>,
    children_max: usize,
) -> Result<Listing, StoreError> {
    let mut listing = Listing::default();
    let mut last = None;
    for entry in children(tree, prefix)? {
        if after.is_some_and(|after| entry.key() <= after) {
            continue;
        }
        let full = listing.objects.len() + listing.folders.len() == children_max;
        match &entry {
            Entry::Folder { key } if has_object(tree, key)? => {
                if !full {
                    listing.folders.push(key.clone());
                }
            }
            Entry::Folder { .. } => continue,
            Entry::File { path, key } => match Stat::of(path) {
                Ok(stat) if !full => listing.objects.push(stat.meta(key.clone())),
                Ok(_) => {}
                Err(StoreError::Missing) => continue,
                Err(error) => return Err(error),
            },
        }
        if full {
            listing.next = last;
            break;
        }
        last = Some(entry.key().to_owned());
    }
    Ok(listing)
}

/// A file that never got its name.
pub(super) struct Abandoned {
    /// The name that it was to get, as a key.
    pub(super) key: String,
    path: PathBuf,
}

/// The staged files below `prefix` that nobody touched since `before`.
pub(super) fn abandoned(root: &Path, prefix: &str, before: Timestamp) -> Result<Vec<Abandoned>, StoreError> {
    let mut found = Vec::new();
    let mut folders = vec![prefix.to_owned()];
    while let Some(folder) = folders.pop() {
        for (name, path, is_dir) in names(root, &folder)? {
            if is_dir && folder.matches('/').count() < DEPTH_MAX {
                folders.push(format!("{folder}{name}/"));
            }
            // The time of the entry, not of the content: the latter is a writer's timestamp just before the
            // file gets its name.
            if let Some(target) = staged_for(&name).filter(|_| !is_dir)
                && Stat::of(&path).is_ok_and(|stat| stat.changed < before)
            {
                found.push(Abandoned { key: format!("{folder}{target}"), path });
            }
        }
    }
    Ok(found)
}

/// Removes them; how many. The first that stays although it should go is told when all others are gone.
pub(super) fn remove_all(files: Vec<Abandoned>) -> Result<usize, StoreError> {
    let (mut removed, mut failed) = (0, None);
    for Abandoned { path, .. } in files {
        match std::fs::remove_file(&path) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => failed = failed.or_else(|| Some(classify(&path, &error))),
        }
    }
    failed.map_or(Ok(removed), Err)
}

/// Whether a file name is one of ours that is no object's.
pub(super) fn is_hidden(name: &str) -> bool {
    name.contains('#')
}

/// The name that a staged file was to get; `None` for every other file.
fn staged_for(name: &str) -> Option<&str> {
    let (target, mark) = name.rsplit_once('#')?;
    (!mark.is_empty() && mark.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(target)
}

enum Entry {
    File {
        path: PathBuf,
        key: String,
    },
    /// The key ends in `/`.
    Folder {
        key: String,
    },
}

impl Entry {
    fn key(&self) -> &str {
        match self {
            Entry::File { key, .. } | Entry::Folder { key } => key,
        }
    }
}

/// What to do after an entry.
#[derive(PartialEq, Eq)]
enum Step {
    /// Go into it, if it is a folder.
    Enter,
    /// Leave it out.
    Skip,
    /// End the walk.
    Stop,
}

fn walk(
    tree: &Tree<'_>,
    folder: &str,
    depth: usize,
    visit: &mut dyn FnMut(&Entry) -> Result<Step, StoreError>,
) -> Result<Step, StoreError> {
    for entry in children(tree, folder)? {
        let step = match (visit(&entry)?, &entry) {
            (Step::Enter, Entry::Folder { key }) if depth > 0 => walk(tree, key, depth - 1, visit)?,
            (step, _) => step,
        };
        if step == Step::Stop {
            return Ok(Step::Stop);
        }
    }
    Ok(Step::Enter)
}

fn has_object(tree: &Tree<'_>, folder: &str) -> Result<bool, StoreError> {
    let mut found = false;
    walk(tree, folder, DEPTH_MAX, &mut |entry| {
        found = matches!(entry, Entry::File { .. });
        Ok(if found { Step::Stop } else { Step::Enter })
    })?;
    Ok(found)
}

/// What is directly in `folder`, in the order of keys: a folder sorts as its name with `/`.
fn children(tree: &Tree<'_>, folder: &str) -> Result<Vec<Entry>, StoreError> {
    let dir = tree.root.join(folder);
    tree.directories.settle(&dir).map_err(|error| classify(&dir, &error))?;
    let mut entries: Vec<Entry> = names(tree.root, folder)?
        .into_iter()
        .filter(|(name, _, is_dir)| *is_dir || !is_hidden(name))
        .map(|(name, path, is_dir)| match is_dir {
            true => Entry::Folder { key: format!("{folder}{name}/") },
            false => Entry::File { path, key: format!("{folder}{name}") },
        })
        .collect();
    entries.sort_by(|left, right| left.key().cmp(right.key()));
    Ok(entries)
}

/// Name, path, and whether it is a directory (links are followed). Names that are not UTF-8 are no keys; a
/// directory that does not exist is empty.
fn names(root: &Path, folder: &str) -> Result<Vec<(String, PathBuf, bool)>, StoreError> {
    let dir = root.join(folder);
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        // A file where a folder is looked for: nothing is below it. Only the root must be a directory.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory && !folder.is_empty() => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(classify(&dir, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| classify(&dir, &error))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = entry.path();
        // Directories say what their entries are, so only links cost a look.
        let is_dir = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => Ok(kind.is_dir()),
            _ => path.metadata().map(|metadata| metadata.is_dir()),
        };
        match is_dir {
            Ok(is_dir) => found.push((name, path, is_dir)),
            // Gone meanwhile, or a link to nothing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(classify(&path, &error)),
        }
    }
    Ok(found)
}

/// Deeper than any key of ours; ends circles of links.
const DEPTH_MAX: usize = 32;
