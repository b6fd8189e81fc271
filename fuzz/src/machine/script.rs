//! Bytes as what happens: the setup first, then one step after the other.

use crate::input::Input;
use engine::replicate::{SourceError, SourceJob, StoreRequest, TakeOver};
use engine::store::{Fatal, StoreError};
use std::time::Duration;

/// What the first bytes decide.
pub(super) struct Setup {
    /// Both databases live in one place: the second writer is a stranger to it.
    pub(super) one_place: bool,
    pub(super) take_over: TakeOver,
    /// In pages.
    pub(super) memory: u64,
    /// In pages.
    pub(super) part: u64,
    pub(super) max_changes: u32,
    pub(super) min_interval: Duration,
    pub(super) l0_retention: Duration,
}

/// One thing that happens.
pub(super) enum Step {
    /// One of the commands that wait is answered: which, and whether well.
    Answer { which: u8, well: bool },
    /// The application of a database writes some pages.
    Commit { second: bool, pages: u8, size: u8, is_told: bool },
    /// A hint that may mean nothing.
    Poke { second: bool, database_file: bool },
    /// Time passes up to the deadline of the machine.
    Deadline,
    /// Time passes, the deadline or not.
    Wait(Duration),
    /// The wall clock jumps by so many milliseconds.
    Jump(i64),
    /// The application checkpoints, begins or ends to read, or to copy the log at leisure.
    Application { second: bool, deed: u8 },
    /// A write that nobody waits for any more lands.
    Lands { which: u8 },
    /// The process dies and starts again; each bit says whether a request under way has acted.
    Restart { acted: u8 },
    /// An orderly end is asked for.
    Stop { second: bool },
}

/// What becomes of a request to the store that is not simply done.
pub(super) enum Trouble {
    /// It was done, and this is the answer.
    DoneBut(StoreError),
    /// It was not done, and this is the answer.
    Fails(StoreError),
    /// This is the answer, and it will be done.
    Later(StoreError),
    /// It is done, and a byte of what comes is wrong.
    Misread(usize),
}

impl Input<'_> {
    pub(super) fn setup(&mut self) -> Setup {
        let (kind, sizes, times) = (self.byte(), self.byte(), self.byte());
        let take_over = match kind >> 1 & 3 {
            0 => TakeOver::Never,
            1 => TakeOver::IfIdentical,
            2 => TakeOver::Always,
            _ => TakeOver::Insist,
        };
        Setup {
            one_place: kind & 1 == 1,
            take_over,
            memory: [0, 2, 7, 1000][usize::from(sizes & 3)],
            part: [2, 1000][usize::from(sizes >> 2 & 1)],
            max_changes: u32::from(sizes >> 3 & 3) * 5,
            min_interval: Duration::from_millis(u64::from(times & 3) * 400),
            l0_retention: Duration::from_secs(if times & 4 == 0 { 20 } else { 300 }),
        }
    }

    /// The next step; `None` at the end of the bytes.
    pub(super) fn step(&mut self) -> Option<Step> {
        if self.is_empty() {
            return None;
        }
        let kind = self.byte();
        let second = kind & 0x80 != 0;
        Some(match kind & 0x0f {
            0..=3 => Step::Answer { which: kind >> 4, well: true },
            4 | 5 => Step::Answer { which: kind >> 4, well: false },
            6 | 7 => {
                Step::Commit { second, pages: self.byte(), size: self.byte(), is_told: kind & 0x10 == 0 }
            }
            8 => Step::Poke { second, database_file: kind & 0x10 != 0 },
            9 | 10 => Step::Deadline,
            11 if kind & 0x10 == 0 => Step::Wait(Duration::from_millis(u64::from(self.byte()) * 16)),
            11 => Step::Wait(Duration::from_secs(u64::from(self.byte()))),
            12 => Step::Application { second, deed: kind >> 4 & 7 },
            13 => Step::Lands { which: kind >> 4 },
            14 if kind & 0x10 == 0 => Step::Restart { acted: self.byte() },
            14 => Step::Jump((i64::from(self.byte()) - 128) * 100_000),
            _ if kind & 0x70 == 0x70 => Step::Stop { second },
            _ => Step::Deadline,
        })
    }

    pub(super) fn store_trouble(&mut self, request: &StoreRequest) -> Trouble {
        let writes = matches!(request, StoreRequest::Put { .. } | StoreRequest::Complete { .. });
        let lost = || StoreError::Ambiguous("lost".into());
        let byte = self.byte();
        match byte & 0x0f {
            0 => Trouble::Fails(StoreError::Throttled { retry_after: Some(Duration::from_secs(2)) }),
            1 => Trouble::Fails(StoreError::Throttled { retry_after: None }),
            2 => Trouble::Fails(StoreError::Fatal { kind: Fatal::Denied, message: "denied".into() }),
            3 => Trouble::Fails(StoreError::Fatal { kind: Fatal::Full, message: "full".into() }),
            4 if writes => Trouble::Fails(lost()),
            5 | 6 if writes => Trouble::DoneBut(lost()),
            7 | 8 if writes => Trouble::Later(lost()),
            9 | 10 if writes => Trouble::DoneBut(StoreError::Refused),
            11 if writes => Trouble::Fails(StoreError::Conflict),
            12 if writes => Trouble::Fails(StoreError::Refused),
            4..=8 if matches!(request, StoreRequest::Get { .. }) => Trouble::Misread(usize::from(byte >> 4)),
            _ => Trouble::Fails(StoreError::Retryable("down".into())),
        }
    }

    pub(super) fn source_trouble(&mut self, job: &SourceJob) -> SourceError {
        let opens = matches!(job, SourceJob::Open { .. });
        match self.byte() & 0x0f {
            0..=3 => SourceError::Busy,
            4 | 5 => SourceError::Io("read error".into()),
            6 | 7 => SourceError::BadFrame { frame: 1, reason: "torn".into() },
            8 => SourceError::Replaced("cp".into()),
            9 => SourceError::Unstable("changed".into()),
            10 if opens => SourceError::Missing,
            11 if opens => SourceError::Held("another".into()),
            12 if opens => SourceError::NotWal("locked".into()),
            13 if opens => SourceError::Denied("mode 000".into()),
            14 if opens => SourceError::NotADatabase("noise".into()),
            15 if opens => SourceError::Library("too old".into()),
            _ => SourceError::Busy,
        }
    }
}
