//! Which unusual things operators and applications do in a run.

use io_sim::random::{Random, Stream};

/// Classes of stories, each on or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperatorSwarm {
    /// After how many of a million steps a story is told.
    pub stories_ppm: u32,
    /// The database is replaced by an earlier image.
    pub replaces: bool,
    /// The database is deleted and created anew.
    pub recreates: bool,
    /// The WAL is deleted.
    pub deletes_wal: bool,
    /// The application leaves WAL mode, also to change the page size.
    pub leaves_wal: bool,
    /// The application locks the file exclusively.
    pub locks_exclusively: bool,
    /// Pages are gained without frames.
    pub grows: bool,
    /// The daemon is down for longer than a restart takes.
    pub keeps_down: bool,
    /// The state directory is lost.
    pub loses_state: bool,
    /// The newest slots are deleted.
    pub loses_head: bool,
    /// Objects that a chain needs are deleted.
    pub loses_objects: bool,
    /// The newest slot rots while nobody writes.
    pub rots: bool,
    /// Fenced daemons are started again by an operator.
    pub restarts_fenced: bool,
    /// The second machine begins with a copy of the first one's state directory.
    pub clones_state: bool,
    /// The first machine takes over by its configuration, too.
    pub first_takes_over: bool,
    /// Every point that a listing shows is restored at the end, by TXID and by time.
    pub checks_points: bool,
    /// At the end an hour passes in which nothing is committed.
    pub idle_hour: bool,
    /// The application writes on through long outages.
    pub outlasts: bool,
    /// The application commits without a rest for a while, and never checkpoints.
    pub never_rests: bool,
    /// The daemon lets go of a log longer than this while the store is away.
    pub wal_bytes_max: u64,
    /// At the end the daemon is stopped and killed, and started again, without a fault.
    pub restarts_at_end: bool,
    /// The store is silent for longer than that.
    pub silences: bool,
    /// States are restored while the run goes on.
    pub restores: bool,
}

impl OperatorSwarm {
    /// Draws them: half of all runs have none of the stories.
    pub fn of_seed(seed: u64, second_machine: bool) -> OperatorSwarm {
        let mut draw = Random::indexed(seed, Stream::Swarm, 2);
        let any = draw.ppm(500_000);
        let stories_ppm = *draw.pick(&[40_000, 120_000]);
        let mut on = || draw.ppm(350_000) && any;
        let (replaces, recreates, deletes_wal, leaves_wal) = (on(), on(), on(), on());
        let (locks_exclusively, grows, keeps_down) = (on(), on(), on());
        let (loses_state, loses_head, loses_objects) = (on(), on(), on());
        let (restarts_fenced, clones_state, first_takes_over) = (on(), on(), on());
        let mut silence = Random::indexed(seed, Stream::Swarm, 5);
        let silences = silence.ppm(150_000) && any;
        OperatorSwarm {
            stories_ppm,
            replaces,
            recreates,
            deletes_wal,
            leaves_wal,
            locks_exclusively,
            grows,
            keeps_down,
            // Who has lost its state is a stranger to its own place: with a second one the two would fight.
            loses_state,
            loses_head: loses_head && !second_machine,
            // A key that somebody freed is free for a second writer, too: nobody can tell.
            loses_objects: loses_objects && !second_machine,
            rots: Random::indexed(seed, Stream::Swarm, 4).ppm(100_000) && any && !second_machine,
            restarts_fenced: restarts_fenced && second_machine,
            clones_state: clones_state && second_machine,
            first_takes_over: first_takes_over && second_machine,
            checks_points: draw.ppm(100_000),
            // There the place is listed every minute.
            idle_hour: draw.ppm(60_000) && !loses_objects,
            restarts_at_end: draw.ppm(250_000),
            // Where the store is silent for long, mostly a log that may not become long.
            wal_bytes_max: match *draw.pick(&[100_000, 1 << 30, 1 << 30]) {
                _ if silences && silence.ppm(700_000) => 100_000,
                drawn => drawn,
            },
            outlasts: draw.ppm(100_000) && any,
            silences,
            never_rests: draw.ppm(200_000) && any,
            restores: draw.ppm(300_000),
        }
    }
}
