//! Everything that can happen in a run, by name: plans are lists of these.

use super::Restoration;
use serde::{Deserialize, Serialize};

/// What the application, the operator or fate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// A transaction of `statements` random statements, drawn from `seed`; some roll back.
    Transaction {
        /// Of its content.
        seed: u64,
        /// How many.
        statements: u32,
    },
    /// A transaction larger than the daemon's memory.
    Huge {
        /// Of its content.
        seed: u64,
    },
    /// Deletes most rows.
    DeleteMost,
    /// `VACUUM`.
    Vacuum,
    /// `PRAGMA incremental_vacuum`.
    IncrementalVacuum,
    /// The application checkpoints: 0 PASSIVE, 1 FULL, 2 RESTART, 3 TRUNCATE.
    Checkpoint {
        /// The mode.
        mode: u8,
    },
    /// The application closes its connections and opens them again.
    Reopen,
    /// A reader of the application opens a transaction, or ends the one it has.
    ToggleReader,
    /// The application dies at the nth disk operation from now.
    KillApplication {
        /// n
        operations: u64,
    },
    /// The daemon dies at the nth disk operation from now, or at once.
    KillDaemon {
        /// n
        operations: u64,
    },
    /// The daemon is stopped in order and started again after a while.
    StopDaemon,
    /// The daemon is started if it is not running.
    StartDaemon,
    /// The power is cut at the nth disk operation from now.
    CutPower {
        /// n
        operations: u64,
    },
    /// The store is unreachable for so long.
    Outage {
        /// Milliseconds.
        ms: u64,
    },
    /// The same, and nothing says so: requests get lost.
    Silence {
        /// Milliseconds.
        ms: u64,
    },
    /// The daemon's machine sleeps: its process does nothing for so long.
    PauseDaemon {
        /// Milliseconds.
        ms: u64,
    },
    /// The second machine starts to follow its copy.
    StartSecond,
    /// The second machine's application commits.
    SecondTransaction {
        /// Of its content.
        seed: u64,
    },
    /// Nothing.
    Rest,
    /// Nothing, until the daemon is about to checkpoint, or for a while: the worst moment for what comes next.
    AwaitCheckpoint,
    /// The application stops, an operator puts an earlier image in the database's place, and the application comes back.
    Replace {
        /// How.
        way: Way,
        /// Which of the images that were kept: the nth newest.
        back: u8,
        /// When the application comes back.
        away_ms: u64,
    },
    /// The application stops, an operator deletes `-wal` and `-shm`, and the application comes back.
    DeleteWal {
        /// When the application comes back.
        away_ms: u64,
    },
    /// The application deletes its database and, after a while, creates it anew.
    Recreate {
        /// How long there is no database.
        away_ms: u64,
    },
    /// The application leaves WAL mode (or is refused) and commits without it.
    LeaveWal {
        /// Of the content of the transaction that follows.
        seed: u64,
    },
    /// The application comes back to WAL mode.
    EnterWal,
    /// The application wants the file for itself, and commits if it gets it.
    Exclusive {
        /// Of the transaction's content.
        seed: u64,
        /// For how long.
        ms: u64,
    },
    /// The application leaves WAL mode, changes the page size by `VACUUM` and comes back.
    ChangePageSize {
        /// Bytes.
        page_size: u32,
    },
    /// Pages are gained that have no frames, as whole-page tools do it.
    GrowWithoutFrames {
        /// How many.
        pages: u32,
    },
    /// The daemon is killed (or stopped in order) and stays down for so long.
    KeepDown {
        /// Without a chance to end in order.
        kill: bool,
        /// Milliseconds.
        ms: u64,
    },
    /// The daemon is killed, and its state directory is lost.
    LoseState,
    /// An operator deletes the newest slots of the place, while the daemon is down after an orderly end.
    LoseHead {
        /// How many; 255: every object.
        slots: u8,
    },
    /// A lifecycle rule deletes an object of the chain: 0 the first image, else a slot in the middle.
    LoseObject {
        /// Which.
        which: u64,
    },
    /// A bit in the header of the newest slot rots, while the daemon is down after an orderly end.
    RotHead {
        /// Which of the 800.
        bit: u32,
    },
    /// An operator starts a daemon again that was refused or fenced.
    RestartFenced {
        /// Whose.
        machine: usize,
        /// `take_over` for this one life.
        take_over: Permit,
    },
    /// Somebody sets a machine's wall clock forward or back.
    JumpWall {
        /// Whose.
        machine: usize,
        /// By so many milliseconds.
        ms: i64,
    },
    /// Other programs fill the first machine's disk.
    FillDisk {
        /// What they leave.
        room_bytes: u64,
    },
    /// There is room on it again.
    FreeDisk,
    /// An operator restores a state, on a machine of its own.
    Restore(Restoration),
    /// Somebody's database comes to lie where an operator will restore to.
    Occupy {
        /// Which of the outputs.
        output: u8,
        /// What lies beside it, as bits: 1 `-wal`, 2 `-shm`, 4 `-journal`.
        companions: u8,
    },
}

/// How an operator puts another image in the database's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// `cp` over the same file; with `-wal` and `-shm` left where they are, or removed.
    Copy {
        /// Left.
        keeps_wal: bool,
    },
    /// `mv` of another file over it; with `-wal` and `-shm` left where they are, or removed.
    Move {
        /// Left.
        keeps_wal: bool,
    },
    /// SQLite's backup API, which is a transaction like any other; the application goes on.
    Backup,
}

/// What an operator allows when starting a daemon again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permit {
    /// What the configuration says.
    Configured,
    /// `if-identical`.
    IfIdentical,
    /// Whoever it is.
    Insist,
}
