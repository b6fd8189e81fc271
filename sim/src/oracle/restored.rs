//! Properties 13 and 22: at the path of a restore there is what was there before, or the right database, whole; and in
//! between at most nothing, with the old database beside it.

use crate::outcome::Violation;
use engine::store::Sha256;
use io_sim::disk::SimDisk;
use std::collections::BTreeMap;
use std::fmt;

/// What SQLite keeps beside a database.
pub const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
const ASIDE: &str = ".walsync-replaced";

/// The files at and around the path of a restore, as processes see them.
#[derive(Clone, PartialEq, Eq)]
pub struct Around {
    /// By what their names add to the path: the database itself is the empty one.
    files: BTreeMap<String, Vec<u8>>,
    /// Names of temporary files of restores to this path.
    pub temporaries: Vec<String>,
}

/// What a restore that did not succeed left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// What was there before.
    Before,
    /// The new database.
    New,
    /// Nothing under the name; the old database is set aside.
    Aside,
}

impl Around {
    /// Looks at a disk.
    pub fn look(disk: &SimDisk, path: &str) -> Around {
        let (folder, name) = path.rsplit_once('/').expect("an absolute path");
        let temporary = format!("{folder}/.{name}.walsync-restore-");
        let (mut files, mut temporaries) = (BTreeMap::new(), Vec::new());
        for there in disk.peek_paths() {
            if there.starts_with(&temporary) {
                temporaries.push(there);
            } else if let Some(rest) = there.strip_prefix(path) {
                files.insert(rest.to_owned(), disk.peek(&there).expect("just listed"));
            }
        }
        Around { files, temporaries }
    }

    /// The database under the name.
    pub fn database(&self) -> Option<&[u8]> {
        self.files.get("").map(Vec::as_slice)
    }

    /// Whether something lies at the path, or where SQLite would take it for a part of what is there.
    pub fn is_occupied(&self) -> bool {
        self.database().is_some() || self.has_companions()
    }

    /// Whether something lies beside the path that SQLite would take for a part of it.
    pub fn has_companions(&self) -> bool {
        COMPANIONS.iter().any(|suffix| self.files.contains_key(*suffix))
    }

    /// Names that a replacement that has come to its end does not leave.
    pub fn is_tidy(&self) -> bool {
        self.temporaries.is_empty() && !self.files.keys().any(|name| name.starts_with(ASIDE))
    }

    /// Nothing changed: a restore that ends with an error leaves things as they are, but for temporary files of its own
    /// where the disk `kept_names`.
    pub fn check_untouched(&self, before: &Around, kept_names: bool, why: &str) -> Result<(), Violation> {
        let none_new = self.temporaries.iter().all(|name| before.temporaries.contains(name));
        if self.files == before.files && (none_new || kept_names) {
            return Ok(());
        }
        Err(Violation::new(22, format!("{why}, and it left something: {}", self.differences(before))))
    }

    /// What a restore left that was struck, where `is_right` knows the databases that it may have made.
    pub fn left(&self, before: &Around, is_right: impl Fn(&[u8]) -> bool) -> Result<Left, Violation> {
        // What an earlier one set aside is the only copy, as long as nothing has the name.
        if self.named() == before.named() && (before.database().is_some() || self.keeps(before)) {
            return Ok(Left::Before);
        }
        match self.database() {
            Some(database) if !self.has_companions() && is_right(database) => Ok(Left::New),
            None if self.keeps(before) => Ok(Left::Aside),
            _ => {
                let message =
                    format!("a restore was struck, and what is there is wrong: {}", self.differences(before));
                Err(Violation::new(22, message))
            }
        }
    }

    /// The database and what belongs to it.
    fn named(&self) -> [Option<&Vec<u8>>; 4] {
        ["", COMPANIONS[0], COMPANIONS[1], COMPANIONS[2]].map(|suffix| self.files.get(suffix))
    }

    /// Whether all of the old database is still there, under its names or set aside, and the two make no mix.
    fn keeps(&self, before: &Around) -> bool {
        let aside = |around: &Around, suffix: &str| around.files.get(&format!("{ASIDE}{suffix}")).cloned();
        let old = match before.database() {
            Some(database) => Some(database.to_vec()),
            // Set aside by one that was struck earlier.
            None => aside(before, ""),
        };
        let companion = |suffix: &&str| {
            let (was, was_aside) = (before.files.get(*suffix), aside(before, suffix));
            let (is, is_aside) = (self.files.get(*suffix), aside(self, suffix));
            match was {
                Some(was) => is == Some(was) || is_aside.as_ref() == Some(was),
                // One that was set aside earlier belongs to the old database only if that was so as well.
                None if before.database().is_none() => is.is_none() && is_aside == was_aside,
                None => is.is_none() && is_aside.is_none(),
            }
        };
        aside(self, "") == old && COMPANIONS.iter().all(companion)
    }

    fn differences(&self, before: &Around) -> String {
        format!("before {before:?}, after {self:?}")
    }
}

/// Names, lengths, and a few digits that tell contents apart.
impl fmt::Debug for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for (name, bytes) in &self.files {
            let digest = Sha256::of(bytes).to_string();
            list.entry(&format_args!("{name:?}: {} bytes {}", bytes.len(), &digest[..6]));
        }
        list.entries(&self.temporaries).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Around, Left};

    /// Files by what they add to the path.
    fn around(files: &[(&str, &str)]) -> Around {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        Around { files, temporaries: Vec::new() }
    }

    fn left(before: &[(&str, &str)], after: &[(&str, &str)]) -> Option<Left> {
        around(after).left(&around(before), |database| database == b"new").ok()
    }

    const OLD: &[(&str, &str)] = &[("", "old"), ("-wal", "log")];

    #[test]
    fn old_database_whole_or_new_one_alone_is_right() {
        assert_eq!(left(OLD, OLD), Some(Left::Before));
        assert_eq!(left(OLD, &[("", "new")]), Some(Left::New));
        assert_eq!(left(OLD, &[("", "new"), (".walsync-replaced", "old")]), Some(Left::New));
        assert_eq!(left(&[], &[]), Some(Left::Before));
        for wrong in
            [&[("", "old")][..], &[("", "ne")], &[("", "new"), ("-wal", "log")], &[("-wal", "log")], &[]]
        {
            assert_eq!(left(OLD, wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn old_database_may_be_set_aside_with_all_that_belongs_to_it_and_nothing_else() {
        let aside = (".walsync-replaced", "old");
        let log_aside = (".walsync-replaced-wal", "log");
        assert_eq!(left(OLD, &[aside, ("-wal", "log")]), Some(Left::Aside));
        assert_eq!(left(OLD, &[aside, log_aside]), Some(Left::Aside));
        // Another restore goes on where one was struck.
        assert_eq!(left(&[aside, ("-wal", "log")], &[aside, log_aside]), Some(Left::Aside));
        assert_eq!(left(OLD, &[aside]), None);
        assert_eq!(left(OLD, &[aside, log_aside, (".walsync-replaced-journal", "another's")]), None);
        assert_eq!(left(OLD, &[log_aside, ("", "old")]), None);
    }
}
