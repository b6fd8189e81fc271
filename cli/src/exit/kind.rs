//! The table of failure kinds: exit code, name in JSON, and what to do when nothing better is known.

use engine::store::StoreError;

/// Why a run did not end with 0, by what the caller must do. Ordered from harmless to grave: the worst of
/// several is their maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The answer is no: no such database or point, a gap, a fault found, an unhealthy daemon.
    No,
    /// Arguments, configuration, an existing output, a local file that is missing or not permitted, a key.
    Usage,
    /// The store or the local disk cannot do it now.
    Unavailable,
    /// A database or object is not what it claims to be.
    Corrupt,
    /// Another writer holds the place, or another walsync this database.
    Fenced,
    /// A bug in walsync.
    Bug,
}

impl Kind {
    /// Every kind, harmless first.
    pub const ALL: [Kind; 6] =
        [Kind::No, Kind::Usage, Kind::Unavailable, Kind::Corrupt, Kind::Fenced, Kind::Bug];

    /// The process exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::No => 1,
            Kind::Usage => 2,
            Kind::Unavailable => 3,
            Kind::Corrupt => 4,
            Kind::Fenced => 5,
            Kind::Bug => 70,
        }
    }

    /// The word in `"kind"` of a JSON error.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::No => "no",
            Kind::Usage => "usage",
            Kind::Unavailable => "unavailable",
            Kind::Corrupt => "corrupt",
            Kind::Fenced => "fenced",
            Kind::Bug => "bug",
        }
    }

    /// A hint for a failure that brings none of its own.
    pub const fn default_hint(self) -> &'static str {
        match self {
            Kind::No => "walsync list",
            Kind::Usage => "walsync --help",
            Kind::Unavailable => "check `walsync config show`, then run the same command again",
            Kind::Corrupt => "walsync list NAME --points   # an earlier point may be whole",
            Kind::Fenced => "end the other writer, or continue here with: walsync watch --take-over",
            Kind::Bug => "report it with the output of: walsync version --verbose",
        }
    }

    /// What a store's error means for a command that cannot go on without the answer.
    ///
    /// [`StoreError::Missing`] is [`Kind::No`]: which object was looked for, and whether its absence is worse
    /// than that, only the caller knows.
    pub const fn of_store_error(error: &StoreError) -> Kind {
        match error {
            StoreError::Missing => Kind::No,
            StoreError::Refused
            | StoreError::Conflict
            | StoreError::Throttled { .. }
            | StoreError::Retryable(_)
            | StoreError::Ambiguous(_)
            | StoreError::Fatal { .. } => Kind::Unavailable,
        }
    }
}

/// The exit code of a run that signal number `signal` ended, 128 + n (1..=64 on Linux).
pub const fn exit_code_of_signal(signal: u8) -> u8 {
    128_u8.saturating_add(signal)
}
