//! Why a restore failed, in words: what, why, and a command that gets further.

use super::find::{list_of, unreadable};
use crate::config::StoreSettings;
use crate::exit::{Failure, Kind};
use crate::output::format_timestamp;
use engine::restore::{Nearest, PlanError, PlanErrorKind, Wanted};
use io_real::restore::{OutputError, RestoreError};
use std::path::Path;

/// What was being restored when it failed.
pub(super) struct Context<'a> {
    /// The database, as the user calls it.
    pub(super) name: &'a str,
    /// The store.
    pub(super) store: &'a StoreSettings,
    /// The output, where there is one.
    pub(super) output: Option<&'a Path>,
}

impl Context<'_> {
    /// Words for an error.
    pub(super) fn failure(&self, error: &RestoreError) -> Failure {
        let failure = match error {
            RestoreError::Plan(error) => self.planning(error),
            RestoreError::Store(error) => unreadable(&self.store.url, error),
            RestoreError::Restless { .. } => {
                Failure::new(Kind::Unavailable, "the database changes too fast to be read").because(error)
            }
            RestoreError::NewerFormat { .. } => Failure::usage("a newer walsync wrote this database")
                .because(error)
                .hint("use the version of walsync that writes it"),
            RestoreError::NotProven { txid, .. } => {
                Failure::new(Kind::Corrupt, "the result is not the database that its writer had")
                    .txid(*txid)
                    .because(error)
            }
            RestoreError::Integrity { txid, problems } => {
                let failure = Failure::new(Kind::Corrupt, "integrity_check found faults").txid(*txid);
                problems.iter().fold(failure, |failure, problem| failure.cause(problem))
            }
            RestoreError::Output(error) => self.output(error),
        };
        let failure = failure.database(self.name);
        match failure.kind() {
            Kind::Corrupt => failure
                .hint(format!("walsync list {} --points   # an earlier point may be whole", self.name())),
            _ => failure,
        }
    }

    /// Words for an output that cannot be written.
    pub(super) fn output(&self, error: &OutputError) -> Failure {
        let name = self.name();
        match error {
            OutputError::Exists(paths) => {
                let there: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
                let output = self.output.map_or_else(String::new, |output| format!(" -o {}", word(output)));
                Failure::usage("the output exists")
                    .cause(there.join(", "))
                    .hint(format!("walsync restore {name}{output} --force   # replaces it"))
            }
            OutputError::NotAFile(_) => Failure::usage("the output cannot be replaced")
                .because(error)
                .hint(format!("walsync restore {name} -o restored.db")),
            OutputError::NoDirectory(dir) => Failure::usage("the output cannot be written")
                .because(error)
                .hint(format!("mkdir -p {}", word(dir))),
            OutputError::Followed { .. } => Failure::new(Kind::Fenced, "the output is in use")
                .because(error)
                .hint("end that walsync first, or restore to another path with -o"),
            OutputError::Denied { .. } => Failure::usage("the output cannot be written").because(error),
            OutputError::Disk { .. } => {
                Failure::new(Kind::Unavailable, "the output cannot be written").because(error)
            }
            OutputError::SetAside { error, moved } => {
                moved.iter().fold(self.output(error), |failure, moved| failure.cause(moved.to_string()))
            }
        }
    }

    fn planning(&self, error: &PlanError) -> Failure {
        let kind = match error.kind() {
            PlanErrorKind::Missing => Kind::No,
            PlanErrorKind::Corrupt => Kind::Corrupt,
        };
        let failure = match error {
            PlanError::Empty => return Failure::no("nothing of it is stored").hint(list_of(&self.store.url)),
            PlanError::BeyondNewest { wanted, .. } => {
                refused(kind, wanted).cause("it is beyond the newest point")
            }
            PlanError::BeforeFirst { wanted, .. } => {
                refused(kind, wanted).cause("it is before the first point")
            }
            PlanError::Compacted { wanted, inside, .. } => refused(kind, wanted)
                .cause(format!("it is no restore point any more: it lies inside {inside}")),
            PlanError::Gap { wanted, missing, .. } => {
                refused(kind, wanted).cause(format!("a gap: {missing} is missing"))
            }
            PlanError::Unlinked { wanted, left, right, .. } => {
                refused(kind, wanted).object(right).cause(format!("{right} does not continue {left}"))
            }
            PlanError::Damaged { wanted, object, why, .. } => {
                refused(kind, wanted).object(object).cause(format!("{object} is damaged: {why}"))
            }
            PlanError::Unclaimed { wanted, .. } => {
                refused(kind, wanted).cause("its first image was never claimed by its writer")
            }
        };
        let nearest = error.nearest();
        failure.cause(nearest).hint(self.another(nearest))
    }

    /// The command that restores the nearest point.
    fn another(&self, nearest: Nearest) -> String {
        let name = self.name();
        match (nearest.before.or(nearest.after), self.output) {
            (Some(txid), Some(output)) => {
                format!("walsync restore {name} -o {} --txid {txid}", word(output))
            }
            (Some(txid), None) => format!("walsync restore {name} --txid {txid}"),
            (None, _) => format!("walsync list {name} --points"),
        }
    }

    /// The database as a command takes it, with the store where that is not the default one. The store may be
    /// configured, but then it does no harm.
    fn name(&self) -> String {
        let name = word(Path::new(self.name));
        if self.store.is_default || self.name.contains("://") {
            return name;
        }
        format!("{name} -b {}", word(Path::new(&self.store.url.to_string())))
    }
}

fn refused(kind: Kind, wanted: &Wanted) -> Failure {
    match wanted {
        Wanted::Latest => Failure::new(kind, "the newest state cannot be restored"),
        Wanted::Txid(txid) => Failure::new(kind, "there is no such restore point").txid(*txid),
        Wanted::Timestamp(time) => {
            Failure::new(kind, format!("the state at {} cannot be restored", format_timestamp(*time)))
        }
    }
}

/// A path as a word of a shell's command line.
pub(super) fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_can_be_pasted() {
        assert_eq!(word(Path::new("/data/app-1.db")), "/data/app-1.db");
        assert_eq!(word(Path::new("my app.db")), "'my app.db'");
        assert_eq!(word(Path::new("it's")), r"'it'\''s'");
        assert_eq!(word(Path::new("$(x)")), "'$(x)'");
    }
}
