//! What is wrong with a place, and what merely lies about in it.

use crate::key::ObjectKey;

/// What a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing is stored at all.
    Empty,
    /// TXIDs are missing on the way to an object.
    Gap,
    /// An object does not continue what is before it.
    Unlinked,
    /// The first image lacks the claim by which it counts.
    Unclaimed,
    /// An object is not what it claims to be: header, page index, length, content.
    Damaged,
    /// A point cannot be restored, or SQLite finds faults in what comes out.
    Restore,
    /// `manifest.json` cannot be read.
    Manifest,
    /// The index in `manifest.json` contradicts the objects.
    Index,
    /// There is no `manifest.json`. No fault.
    NoManifest,
    /// Objects are not in the index yet. No fault.
    Unindexed,
    /// A slot that arrived after it was settled; it counts for nothing. No fault.
    Late,
    /// It belongs to no chain, and no point needs it. No fault.
    Stranger,
}

impl Kind {
    /// Every kind; faults first.
    pub const ALL: &'static [Kind] = &[
        Kind::Empty,
        Kind::Gap,
        Kind::Unlinked,
        Kind::Unclaimed,
        Kind::Damaged,
        Kind::Restore,
        Kind::Manifest,
        Kind::Index,
        Kind::NoManifest,
        Kind::Unindexed,
        Kind::Late,
        Kind::Stranger,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Empty => "empty",
            Kind::Gap => "gap",
            Kind::Unlinked => "unlinked",
            Kind::Unclaimed => "unclaimed",
            Kind::Damaged => "damaged",
            Kind::Restore => "restore",
            Kind::Manifest => "manifest",
            Kind::Index => "index",
            Kind::NoManifest => "no-manifest",
            Kind::Unindexed => "unindexed",
            Kind::Late => "late",
            Kind::Stranger => "stranger",
        }
    }

    /// Whether it makes a place not ok.
    pub fn is_fault(self) -> bool {
        !matches!(self, Kind::NoManifest | Kind::Unindexed | Kind::Late | Kind::Stranger)
    }
}

/// One thing that is wrong, or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about.
    pub kind: Kind,
    /// The object, as listings name it; `manifest.json`; or the key of what is no object.
    pub object: Option<Box<str>>,
    /// What is the matter, in one line.
    pub message: String,
}

impl Problem {
    pub(super) fn of(kind: Kind, key: ObjectKey, message: impl Into<String>) -> Problem {
        Problem { kind, object: Some(key.to_string().into()), message: message.into() }
    }
}

/// What came of looking at a place.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Report {
    /// Faults, by kind.
    pub problems: Vec<Problem>,
    /// What is told and is no fault.
    pub notes: Vec<Problem>,
    /// Objects that were looked at.
    pub objects_count: usize,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether something is said against `manifest.json`: it may have been rewritten since it was read.
    pub fn blames_manifest(&self) -> bool {
        self.problems.iter().any(|problem| matches!(problem.kind, Kind::Index | Kind::Manifest))
    }

    pub(super) fn add(&mut self, problem: Problem) {
        let list = if problem.kind.is_fault() { &mut self.problems } else { &mut self.notes };
        list.push(problem);
    }

    pub(super) fn sorted(mut self) -> Report {
        self.problems.sort_by_key(|problem| problem.kind);
        self.notes.sort_by_key(|problem| problem.kind);
        self
    }
}
