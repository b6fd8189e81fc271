//! What applications do: commit, checkpoint, close.

use super::*;
use engine::types::PageSize;

impl World<'_> {
    /// A new place, whose database the first machine follows from the next start on.
    pub(super) fn new_place(&mut self) -> usize {
        let number = self.places.len();
        let work = &mut self.work;
        let (page_size, pages) = (FleetSettings::page_size(work), 1 + work.below(PAGES_MAX) as u32);
        let (page_size, pages) = match self.settings.large {
            large if large > 0 && number == 0 => (PageSize::new(512).expect("the smallest"), large),
            _ if page_size.into_inner() == 65_536 => (page_size, pages + 80),
            _ => (page_size, pages),
        };
        let births = !work.ppm(NO_BIRTHS_PPM);
        let database = Database::new(number as u64, 1, page_size, pages, work.ppm(HALF), births);
        let place = PlaceModel::new(number as u64, database, self.settings.take_over, &self.store);
        self.places.push(place);
        number
    }

    /// An application commits, and checkpoints when the log has become long.
    pub(super) fn commit(&mut self, place: usize, machine: usize) {
        let model = &mut self.places[place];
        let Some(database) = &mut model.copies[machine].database else { return };
        let Some(image) = database.image() else { return };
        let old = image.len();
        let work = &mut self.work;
        if work.ppm(KEPT_PPM) {
            let kept = image.pages().to_vec();
            model.copies[machine].kept.push(kept);
            return self.commit(place, machine);
        }
        let size = match work.below(20) {
            0 => old + 1 + work.below(4) as u32,
            1 => old.saturating_sub(work.below(4) as u32).max(1),
            _ => old,
        };
        let count = 1 + work.below(5);
        let pages = (0..count).map(|_| 1 + work.below(u64::from(size)) as u32).collect();
        let transaction =
            Transaction { pages, size, fills_growth: true, rolled_back: work.ppm(ROLLED_BACK_PPM) };
        self.transact(place, machine, &transaction);
    }

    pub(super) fn transact(&mut self, place: usize, machine: usize, transaction: &Transaction) {
        let model = &mut self.places[place];
        let Some(database) = model.copies[machine].database.as_mut().filter(|d| d.files.is_some()) else {
            return;
        };
        database.commit(transaction, &mut self.work);
        let frames = database.files.as_ref().map_or(0, |files| files.log.frames().len());
        // As `wal_autocheckpoint` does; of every third application it is switched off.
        let checkpoints = frames >= [10, 1000, usize::MAX][place % 3] && database.copy_log();
        model.committed(machine);
        self.trace.record("commit", "", &[("place", place as u64), ("machine", machine as u64)], &[]);
        self.coverage.reached(Reached::Commit);
        self.hint(place, machine, Hint::Log);
        if checkpoints {
            self.hint(place, machine, Hint::Database);
        }
    }

    /// The files changed; a hint may come.
    pub(super) fn hint(&mut self, place: usize, machine: usize, hint: Hint) {
        if self.faults.ppm(self.settings.lost_hint_ppm) {
            self.coverage.reached(Reached::HintLost);
            return;
        }
        let owner = &self.machines[machine];
        if let Some(seat) = self.places[place].copies[machine].seat.filter(|_| owner.life.is_some()) {
            self.plan_turn(machine, Turn::Poke(seat, hint));
        }
    }

    pub(super) fn burst(&mut self, place: usize, machine: usize, commits: u32, gap_us: u64) {
        self.plan(Duration::ZERO, Due::Commit { place, machine, left: commits, gap_us });
    }

    pub(super) fn round(&mut self, every: u64) {
        for place in (0..self.places.len()).step_by(usize::try_from(every.max(1)).expect("small")) {
            self.burst(place, 0, 1, 0);
        }
    }

    pub(super) fn shrink(&mut self, place: usize) {
        let transaction = Transaction { pages: vec![1], size: 1, ..Transaction::default() };
        self.transact(place, 0, &transaction);
        self.coverage.reached(Reached::Shrank);
    }

    pub(super) fn grow(&mut self, place: usize) {
        // With frames of those pages in the log, from before they were cut off, a checkpoint would change what is read.
        let Some(database) = self.places[place].copies[0].database.as_mut().filter(|d| d.files.is_some())
        else {
            return;
        };
        if database.is_written() && !database.truncate(&mut self.work) {
            return;
        }
        let old = database.image().map_or(0, |image| image.len());
        let size = old + 1 + self.work.below(PAGES_MAX) as u32;
        self.transact(place, 0, &Transaction { pages: vec![1], size, ..Transaction::default() });
        self.coverage.reached(Reached::GrewWithoutFrames);
    }

    pub(super) fn checkpoint(&mut self, place: usize, truncate: bool) {
        let Some(database) = self.places[place].copies[0].database.as_mut().filter(|d| d.files.is_some())
        else {
            return;
        };
        let followed = database.pin.is_some();
        let done = if truncate { database.truncate(&mut self.work) } else { database.copy_log() };
        if done && truncate && followed {
            self.coverage.reached(Reached::ForeignTruncate);
        }
        if done && !followed {
            self.coverage.reached(Reached::CheckpointWhileDown);
        }
        self.hint(place, 0, Hint::Database);
    }

    pub(super) fn reopen(&mut self, place: usize) {
        if let Some(database) = self.places[place].copies[0].database.as_mut() {
            database.close();
        }
    }
}

/// Of a million databases, those on file systems that do not tell when a file was made.
const NO_BIRTHS_PPM: u32 = 50_000;
/// Pages of a new database, and of a growth.
const PAGES_MAX: u64 = 40;
const HALF: u32 = 500_000;
const ROLLED_BACK_PPM: u32 = 50_000;
/// An image is kept for an operator who wants it back.
const KEPT_PPM: u32 = 20_000;
