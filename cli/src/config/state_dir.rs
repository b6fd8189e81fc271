//! Where this host keeps its state.

use super::environment::Surroundings;
use super::origin::Origin;
use super::values::Values;
use std::path::{Path, PathBuf};

/// The state directory; it may not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    /// Absolute.
    pub path: PathBuf,
    /// Where it was chosen.
    pub origin: Origin,
    /// Whether it is the last resort beside the database, which deserves a warning.
    pub is_last_resort: bool,
}

/// What the choice needs to know of the disk.
pub trait StateDirFacts {
    /// Whether the directory exists or can be made, and files can be made in it.
    fn is_usable(&self, dir: &Path) -> bool;
}

impl<F: Fn(&Path) -> bool> StateDirFacts for F {
    fn is_usable(&self, dir: &Path) -> bool {
        self(dir)
    }
}

impl StateDir {
    /// What was configured, else `$STATE_DIRECTORY`, `/var/lib/walsync` for root, `$XDG_STATE_HOME/walsync` or
    /// `~/.local/state/walsync`; if none of these is usable, `.walsync-state` beside `database`.
    ///
    /// A configured directory is taken without asking whether it is usable: a wrong one must be an error.
    pub fn resolve(
        values: &Values,
        surroundings: &Surroundings,
        database: &Path,
        facts: &dyn StateDirFacts,
    ) -> StateDir {
        let absolute = |dir: &str| surroundings.working_dir.join(dir);
        if let Some(dir) = values.text("state.dir") {
            let (path, origin) = (absolute(dir), values.origin("state.dir"));
            return StateDir { path, origin, is_last_resort: false };
        }
        let environment =
            |name: &'static str, dir: PathBuf| (dir, Origin::Environment { variable: name.to_owned() });
        let variable = |name: &'static str| Some((name, surroundings.environment.non_empty(name)?));
        // systemd separates several directories by colons.
        let systemd = variable("STATE_DIRECTORY")
            .map(|(name, dirs)| environment(name, absolute(dirs.split(':').next().unwrap_or(dirs))));
        let root = surroundings.is_root.then(|| (PathBuf::from("/var/lib/walsync"), Origin::Default));
        let home = || {
            let xdg = variable("XDG_STATE_HOME").filter(|(_, dir)| Path::new(dir).is_absolute());
            let home = variable("HOME").filter(|(_, dir)| Path::new(dir).is_absolute());
            xdg.map(|(name, dir)| environment(name, Path::new(dir).join("walsync"))).or_else(|| {
                home.map(|(name, dir)| environment(name, Path::new(dir).join(".local/state/walsync")))
            })
        };
        let chosen = systemd.or(root).or_else(home).filter(|(path, _)| facts.is_usable(path));
        if let Some((path, origin)) = chosen {
            return StateDir { path, origin, is_last_resort: false };
        }
        let beside = surroundings.working_dir.join(database).with_file_name(".walsync-state");
        StateDir { path: beside, origin: Origin::Default, is_last_resort: true }
    }

    /// Looks at the disk without changing it: an existing writable directory, or one whose nearest existing
    /// ancestor is a writable directory.
    pub fn is_usable_on_disk(dir: &Path) -> bool {
        use rustix::fs::Access;
        let existing = dir.ancestors().find(|ancestor| ancestor.exists());
        existing.is_some_and(|found| {
            found.is_dir() && rustix::fs::access(found, Access::WRITE_OK | Access::EXEC_OK).is_ok()
        })
    }
}
