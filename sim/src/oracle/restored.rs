//! Properties 13 and 22: at the path of a restore there is what was there before, or the right database, whole; and in
//! between at most nothing, with the old database beside it.

use crate::outcome::Violation;
use engine::store::Sha256;
use io_sim::disk::SimDisk;
use std::collections::{BTreeMap, BTreeSet};
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
        // What earlier ones set aside stays until there is a new database.
        if self.files == before.files {
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

    /// Whether what an error says is true: of each pair, what had the first name before has the second now. Both are what
    /// names add to the path. Where the old database is set `aside`, it says so of all that does not have its name.
    pub fn is_where(&self, before: &Around, told: &[(&str, &str)], aside: bool) -> bool {
        let was_there = |name: &str| before.files.contains_key(name);
        let is_true =
            |(was, is): &(&str, &str)| was_there(was) && before.files.get(*was) == self.files.get(*is);
        let gone = [""].into_iter().chain(COMPANIONS);
        let gone = gone.filter(|name| was_there(name) && !self.files.contains_key(*name));
        told.iter().all(is_true) && (!aside || gone.eq(told.iter().map(|(was, _)| *was)))
    }

    /// Whether all of the old database is still there, under its names or set aside, the two make no mix, and what was
    /// set aside earlier is as it was.
    fn keeps(&self, before: &Around) -> bool {
        let (earlier, now) = (before.asides(), self.asides());
        let fresh = now.difference(&earlier).next();
        // Without a database what lies there belongs to the one that was set aside last.
        let last = earlier.last().filter(|_| before.database().is_none());
        fresh.into_iter().chain(last).any(|(_, aside)| self.moved_to(aside, before))
    }

    /// Whether nothing else happened than that some of the old database's files got names that begin so.
    fn moved_to(&self, aside: &str, before: &Around) -> bool {
        let mut expected = before.files.clone();
        for suffix in [""].into_iter().chain(COMPANIONS) {
            if self.files.contains_key(suffix) {
                continue;
            }
            if let Some(bytes) = expected.remove(suffix)
                && expected.insert(format!("{aside}{suffix}"), bytes).is_some()
            {
                return false;
            }
        }
        expected == self.files
    }

    /// What the names of databases that are set aside add to the path, after their lengths: the last one is the last.
    fn asides(&self) -> BTreeSet<(usize, &str)> {
        let names = self.files.keys().filter(|name| name.starts_with(ASIDE));
        names.map(|name| without_companion(name)).map(|name| (name.len(), name)).collect()
    }

    fn differences(&self, before: &Around) -> String {
        format!("before {before:?}, after {self:?}")
    }
}

/// The name of a database that a file belongs to.
fn without_companion(name: &str) -> &str {
    COMPANIONS.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
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

    #[test]
    fn an_error_names_all_that_is_set_aside_and_nothing_else() {
        let (before, aside) = (around(OLD), (".walsync-replaced", "old"));
        let log_aside = (".walsync-replaced-wal", "log");
        let all = [("", ".walsync-replaced"), ("-wal", ".walsync-replaced-wal")];
        assert!(around(&[aside, log_aside]).is_where(&before, &all, true));
        assert!(around(&[aside, ("-wal", "log")]).is_where(&before, &all[..1], true));
        assert!(around(&[("", "new"), aside, log_aside]).is_where(&before, &all, false));
        assert!(around(OLD).is_where(&before, &[], false));
        assert!(!around(&[aside, log_aside]).is_where(&before, &all[..1], true));
        assert!(!around(&[aside, log_aside]).is_where(&before, &[], true));
        assert!(!around(&[("", "new"), aside]).is_where(&before, &all, false));
        assert!(!around(OLD).is_where(&before, &all, false));
    }

    #[test]
    fn what_was_set_aside_earlier_stays_until_there_is_a_new_database() {
        let earlier = [(".walsync-replaced", "older"), (".walsync-replaced-wal", "its log")];
        let [database, log] = earlier;
        let before = [&earlier[..], OLD].concat();
        let aside = [(".walsync-replaced.2", "old"), (".walsync-replaced.2-wal", "log")];
        assert_eq!(left(&before, &before), Some(Left::Before));
        assert_eq!(left(&before, &[database, log, aside[0], aside[1]]), Some(Left::Aside));
        assert_eq!(left(&before, &[database, log, aside[0], ("-wal", "log")]), Some(Left::Aside));
        assert_eq!(left(&before, &[("", "new")]), Some(Left::New));
        for wrong in [
            &[("", "old"), ("-wal", "log")][..],
            &[database, ("", "old"), ("-wal", "log")],
            &[(".walsync-replaced", "old"), (".walsync-replaced-wal", "log")],
            &[database, aside[0], aside[1]],
            &[database, log, aside[0], (".walsync-replaced.3-wal", "log")],
        ] {
            assert_eq!(left(&before, wrong), None, "{wrong:?}");
        }
        // A log without a database is that of the last one, and is not put over its log.
        let before = [database, log, aside[0], ("-wal", "log")];
        assert_eq!(left(&before, &[database, log, aside[0], aside[1]]), Some(Left::Aside));
        assert_eq!(left(&before, &[database, (".walsync-replaced-wal", "log"), aside[0]]), None);
    }
}
