//! A database's folder in the store, and how a folder is recognised as one.

use super::object::{ObjectKey, level_of_s3_folder};
use super::{Layout, ObjectInfo};
use crate::store::ObjectMeta;
use crate::types::Level;

/// The index and first claim at the root of a place.
pub const MANIFEST_NAME: &str = "manifest.json";

/// A folder below every place that is kept for later use; nothing in it is an object.
pub const RESERVED_FOLDER: &str = "sync";

/// The folder of one database: everything the store knows of it has a key below.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Without the `/` at the end; empty when the store's root itself is the place.
    folder: Box<str>,
}

impl Place {
    /// Checks a folder such as `prod/app`; a `/` at either end is dropped, an empty text is the store's root.
    ///
    /// # Errors
    /// Parts that are empty, `.` or `..`, that hold control characters, or that are named like the folders
    /// inside a place: the folder above would be taken for a database.
    pub fn new(folder: &str) -> Result<Place, PlaceError> {
        let folder = folder.trim_matches('/');
        if !folder.is_empty() {
            for part in folder.split('/') {
                check_part(part).map_err(|why| PlaceError { folder: folder.to_owned(), why })?;
            }
        }
        Ok(Place { folder: folder.into() })
    }

    /// The folder, without a `/` at the end; empty for the store's root.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// What every key of the place starts with: empty, or ending in `/`.
    pub fn prefix(&self) -> String {
        if self.folder.is_empty() { String::new() } else { format!("{}/", self.folder) }
    }

    /// The whole key of an object.
    pub fn object_key(&self, layout: Layout, object: ObjectKey) -> String {
        self.prefix() + &object.name(layout)
    }

    /// The whole prefix of a level: what to list.
    pub fn level_prefix(&self, layout: Layout, level: Level) -> String {
        self.prefix() + &layout.level_folder(level)
    }

    /// The whole key of the manifest.
    pub fn manifest_key(&self) -> String {
        self.prefix() + MANIFEST_NAME
    }

    /// A key's name below the place; `None` for a key elsewhere.
    pub fn name_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        if self.folder.is_empty() {
            return Some(key);
        }
        key.strip_prefix(&*self.folder)?.strip_prefix('/')
    }

    /// Whether a key can only be this place's own, whatever its name: directly in its folder, or in that of one of its
    /// levels. Another place may lie inside the folder.
    pub fn owns(&self, layout: Layout, key: &str) -> bool {
        self.is_in_level(layout, key)
            || !self.folder.is_empty() && self.name_of(key).is_some_and(|n| !n.contains('/'))
    }

    /// Whether a key lies in the folder of one of the place's levels, whatever its name.
    pub(super) fn is_in_level(&self, layout: Layout, key: &str) -> bool {
        self.name_of(key).is_some_and(|name| layout.is_in_level(name))
    }

    /// Reads one entry of a listing; `None` for everything that is not an object of this place.
    pub fn object_info(&self, layout: Layout, meta: &ObjectMeta) -> Option<ObjectInfo> {
        let key = ObjectKey::parse(layout, self.name_of(&meta.key)?)?;
        Some(ObjectInfo {
            key,
            size_bytes: meta.size_bytes,
            modified: meta.modified,
            arrived: meta.arrived,
            etag: meta.etag.clone(),
        })
    }
}

/// Whether a folder is a place, from its direct children: names of objects and of folders (ending in `/`),
/// both relative to the folder. It is when it has `manifest.json`, `ltx/` or a level folder.
pub fn is_place<'a>(
    objects: impl IntoIterator<Item = &'a str>,
    folders: impl IntoIterator<Item = &'a str>,
) -> bool {
    let is_inner = |folder: &str| folder == "ltx" || level_of_s3_folder(folder).is_some();
    objects.into_iter().any(|name| name == MANIFEST_NAME)
        || folders.into_iter().any(|folder| is_inner(folder.trim_end_matches('/')))
}

fn check_part(part: &str) -> Result<(), &'static str> {
    if part.is_empty() || part == "." || part == ".." {
        return Err("a part is empty, `.` or `..`");
    }
    if part.chars().any(char::is_control) {
        return Err("it holds a control character");
    }
    let inner = part == "ltx" || part == RESERVED_FOLDER || part == MANIFEST_NAME;
    if inner || level_of_s3_folder(part).is_some() {
        return Err("a part is named like something inside a place");
    }
    Ok(())
}

/// A folder that cannot hold a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{folder}` cannot be a database's place: {why}")]
pub struct PlaceError {
    folder: String,
    why: &'static str,
}

#[cfg(test)]
mod tests;
