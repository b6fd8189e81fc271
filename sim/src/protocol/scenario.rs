//! The scenarios: how a place begins, who wants it, and how much may go wrong.

use super::state::WRITERS_MAX;

/// When another writer's object is the head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TakeOver {
    /// Refuse.
    Never,
    /// Continue if the database equals the head, or a restore's proof does.
    IfIdentical,
    /// Continue.
    Always,
}

/// How a scenario begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// An empty place, and every writer has a database.
    Empty,
    /// The first writer follows; the others have a database of their own.
    Following,
    /// The first writer follows; the others have none.
    FollowingAlone,
}

/// What is deleted from outside, at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wipe {
    /// Level 0.
    Slots,
    /// Level 0 but for the newest slot.
    OldSlots,
    /// Every object.
    Everything,
}

/// How often each thing may still happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Faults {
    /// A daemon dies.
    pub crashes: u8,
    /// The database falls back to the last slot with it.
    pub power_cuts: u8,
    /// An answer is lost, or does not come in time.
    pub timeouts: u8,
    /// The store answers 409.
    pub conflicts: u8,
    /// A compaction runs.
    pub compactions: u8,
    /// A snapshot is made.
    pub snapshots: u8,
    /// Retention deletes an object.
    pub deletes: u8,
    /// A newest restore replaces a stopped writer's database.
    pub restores: u8,
    /// The first machine's disk is copied to the second.
    pub clones: u8,
    /// A lifecycle rule or an operator deletes what was promised.
    pub wipes: u8,
    /// A tick of every clock.
    pub ticks: u8,
}

/// One space to search.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// How it begins.
    pub start: Start,
    /// How many writers there are.
    pub writers: usize,
    /// What `take_over` says, for each.
    pub take_over: [TakeOver; WRITERS_MAX],
    /// Commits of each application.
    pub commits: [u8; WRITERS_MAX],
    /// Pages that commits change: 1 or 2.
    pub pages_written: usize,
    /// What may go wrong.
    pub faults: Faults,
    /// A tick is half the time that level 0 stays, and every clock is right. Otherwise nobody knows how long a
    /// machine slept.
    pub clocks_kept: bool,
    /// Two arrivals within one tick have the same date, and retention waits for one tick.
    pub coarse_dates: bool,
    /// A crash may lose the state directory.
    pub state_lost: bool,
    /// What is confirmed reaches the disk only with the next slot's record.
    pub saved_late: bool,
    /// Slots of both pages go up in parts.
    pub multipart: bool,
    /// Another's history cannot be read: who takes it over claims with an image.
    pub unreadable: bool,
    /// Retention also deletes compacted objects and snapshots that the policy no longer wants.
    pub thinning: bool,
    /// What a wipe takes.
    pub wipe: Wipe,
    /// A wipe comes while no daemon runs, and all but one are fenced: two that begin anew at different numbers
    /// are arbitrated by nothing.
    pub wiped_while_stopped: bool,
    /// Requests that may be under way at once.
    pub network_max: usize,
    /// No slot above this one is sent.
    pub txid_max: u8,
}

impl Scenario {
    /// The scenario of a name.
    pub fn named(name: &str) -> Option<Scenario> {
        Scenario::all().into_iter().find(|scenario| scenario.name == name)
    }

    /// Every scenario.
    pub fn all() -> Vec<Scenario> {
        use TakeOver::{Always, IfIdentical, Never};
        let base = Scenario::quiet();
        let faults = Faults::default();
        let cut = Faults { compactions: 1, deletes: 1, ..faults };
        vec![
            Scenario {
                name: "first-claim",
                about: "two writers want an empty place; one crash, one lost answer",
                start: Start::Empty,
                faults: Faults { crashes: 1, timeouts: 1, ..faults },
                ..base
            },
            Scenario {
                name: "claim-of-another",
                about: "a place is claimed and still empty when another takes it over",
                start: Start::Empty,
                commits: [0; 3],
                faults: Faults { crashes: 1, timeouts: 1, snapshots: 1, deletes: 1, ..faults },
                thinning: true,
                ..base
            },
            Scenario {
                name: "first-claim-old-requests",
                about: "requests for the first image land after retention deleted it",
                start: Start::Empty,
                faults: Faults { crashes: 1, snapshots: 1, deletes: 1, ..faults },
                thinning: true,
                ..base
            },
            Scenario {
                name: "rivals-for-an-image",
                about: "two writers want an empty place, and retention deletes the first image",
                start: Start::Empty,
                take_over: [Never; 3],
                commits: [0; 3],
                faults: Faults { snapshots: 1, deletes: 1, timeouts: 1, ..faults },
                thinning: true,
                ..base
            },
            Scenario {
                name: "take-over",
                about: "a writer takes over from one that runs; a lost answer, a 409",
                faults: Faults { timeouts: 1, conflicts: 1, ..faults },
                ..base
            },
            Scenario {
                name: "take-over-twice",
                about: "both writers may take over",
                take_over: [Always, Always, Never],
                faults: Faults { crashes: 1, ..faults },
                ..base
            },
            Scenario {
                name: "sleeper",
                about: "a writer sleeps while another takes over, compacts and deletes; no clock tells",
                commits: [1, 1, 0],
                pages_written: 1,
                faults: Faults { timeouts: 1, ..cut },
                ..base
            },
            Scenario {
                name: "sleeping-image",
                about: "an image claims a history that cannot be read, and lands late; no clock tells",
                commits: [2, 0, 0],
                pages_written: 1,
                faults: cut,
                unreadable: true,
                ..base
            },
            Scenario {
                name: "sleeper-with-clock",
                about: "the same, with clocks that tell",
                commits: [1, 0, 0],
                faults: Faults { ticks: 2, ..cut },
                clocks_kept: true,
                ..base
            },
            Scenario {
                name: "restored-copies",
                about: "a restored copy takes over where it is identical; state lost",
                start: Start::FollowingAlone,
                take_over: [IfIdentical, IfIdentical, Never],
                faults: Faults { crashes: 1, restores: 1, ..cut },
                state_lost: true,
                ..base
            },
            Scenario {
                name: "restored-and-written",
                about: "a restored copy is written to before it takes over",
                start: Start::FollowingAlone,
                take_over: [Never, IfIdentical, Never],
                commits: [2; 3],
                faults: Faults { restores: 1, ..faults },
                ..base
            },
            Scenario {
                name: "upper-levels",
                about: "snapshots and compactions while another takes over",
                faults: Faults { snapshots: 1, compactions: 1, ..faults },
                ..base
            },
            Scenario {
                name: "copied-state",
                about: "the first machine's disk is copied while it runs, and the copy runs too",
                start: Start::FollowingAlone,
                take_over: [Never; 3],
                faults: Faults { clones: 1, timeouts: 1, ..cut },
                ..base
            },
            Scenario {
                name: "restarts",
                about: "one writer dies twice and finds what its earlier lives sent",
                writers: 1,
                commits: [2; 3],
                faults: Faults { crashes: 2, timeouts: 1, ..cut },
                saved_late: true,
                ..base
            },
            Scenario {
                name: "power-cut",
                about: "the database falls back behind what was sent",
                writers: 1,
                commits: [2; 3],
                faults: Faults { power_cuts: 1, timeouts: 1, ..faults },
                saved_late: true,
                ..base
            },
            Scenario {
                name: "multipart",
                about: "slots in parts: lost answers, 409, completions that land late",
                writers: 1,
                commits: [2; 3],
                faults: Faults { crashes: 1, timeouts: 1, conflicts: 1, ..faults },
                multipart: true,
                ..base
            },
            Scenario {
                name: "multipart-rivals",
                about: "the same beside a writer that takes over",
                faults: Faults { timeouts: 1, conflicts: 1, ..faults },
                multipart: true,
                ..base
            },
            Scenario {
                name: "one-second",
                about: "an old claim lands within the second in which its slot was compacted and deleted",
                commits: [2, 0, 0],
                pages_written: 1,
                faults: Faults { ticks: 1, ..cut },
                coarse_dates: true,
                ..base
            },
            Scenario {
                name: "old-claim-thinned",
                about: "an old claim lands, and what shows that it is dead is no longer wanted",
                commits: [2, 0, 0],
                pages_written: 1,
                faults: Faults { compactions: 1, snapshots: 1, deletes: 2, ..faults },
                thinning: true,
                network_max: 2,
                ..base
            },
            Scenario {
                name: "thinning",
                about: "retention deletes at every level while requests of a fenced writer land",
                faults: Faults { compactions: 1, snapshots: 2, deletes: 3, ..faults },
                thinning: true,
                ..base
            },
            Scenario {
                name: "lifecycle",
                about: "a lifecycle rule deletes level 0",
                writers: 1,
                commits: [2; 3],
                faults: Faults { wipes: 1, crashes: 1, compactions: 1, snapshots: 1, ..faults },
                ..base
            },
            Scenario {
                name: "lifecycle-by-age",
                about: "a lifecycle rule deletes level 0 but for the newest slot",
                writers: 1,
                commits: [2; 3],
                faults: Faults { wipes: 1, crashes: 1, compactions: 1, snapshots: 1, ..faults },
                wipe: Wipe::OldSlots,
                ..base
            },
            Scenario {
                name: "lifecycle-of-a-stranger",
                about: "a lifecycle rule deletes level 0, and the state directory is lost",
                writers: 1,
                take_over: [Always; 3],
                commits: [2; 3],
                faults: Faults { wipes: 1, crashes: 1, compactions: 1, ..faults },
                state_lost: true,
                wiped_while_stopped: true,
                ..base
            },
            Scenario {
                name: "emptied",
                about: "an operator empties the place of a writer that had taken over",
                commits: [2; 3],
                faults: Faults { wipes: 1, crashes: 1, ..faults },
                wipe: Wipe::Everything,
                wiped_while_stopped: true,
                ..base
            },
            Scenario {
                name: "three",
                about: "three writers: one runs, one takes over, one has a restored copy",
                writers: 3,
                take_over: [Never, Always, IfIdentical],
                faults: Faults { restores: 1, ..cut },
                ..base
            },
            Scenario {
                name: "everything",
                about: "crashes, lost state, lost answers and retention at every level",
                faults: Faults {
                    crashes: 1,
                    timeouts: 1,
                    compactions: 1,
                    snapshots: 1,
                    deletes: 2,
                    ..faults
                },
                state_lost: true,
                thinning: true,
                ..base
            },
        ]
    }

    /// Two writers, of which the second may take over, and nothing goes wrong.
    fn quiet() -> Scenario {
        Scenario {
            name: "",
            about: "",
            start: Start::Following,
            writers: 2,
            take_over: [TakeOver::Never, TakeOver::Always, TakeOver::Never],
            commits: [1; 3],
            pages_written: 2,
            faults: Faults::default(),
            clocks_kept: false,
            coarse_dates: false,
            state_lost: false,
            saved_late: false,
            multipart: false,
            unreadable: false,
            thinning: false,
            wipe: Wipe::Slots,
            wiped_while_stopped: false,
            network_max: 3,
            txid_max: 6,
        }
    }
}
