//! Full images that somebody asks for, at times of a database whose medium has lost a page.

use super::*;
use engine::replicate::SourceId;
use engine::types::Pgno;

impl World<'_> {
    /// Behind a deed somebody may ask for a full image.
    pub(super) fn ask_for_image(&mut self) -> Checked {
        if !self.images.ppm(self.settings.image_ppm) {
            return Ok(());
        }
        let (place, machine) =
            (self.images.below_usize(self.places.len()), self.images.below_usize(MACHINES));
        let rots = self.images.ppm(ROTS_PPM);
        let copy = &mut self.places[place].copies[machine];
        let (Some(seat), true) = (copy.seat, self.machines[machine].life.is_some()) else { return Ok(()) };
        let files = copy.database.as_mut().and_then(|database| database.files.as_mut());
        if let Some(files) = files.filter(|_| rots) {
            files.rot(1 + self.images.below(u64::from(files.image().len().max(1))) as u32);
        }
        let id = SourceId(u32::try_from(seat).expect("thousands"));
        self.hand(machine, Event::SnapshotRequested(id))
    }

    /// A full image is said to be in the store, with its slot: it holds what the slot does.
    pub(super) fn image_is_there(&mut self, machine: usize, place: usize, txid: Txid, sent: bool) -> Checked {
        self.medium_recovers(machine, place);
        let model = &self.places[place];
        if !sent || model.harm.any {
            return Ok(());
        }
        self.coverage.reached(Reached::SnapshotTaken);
        // One that was spoiled as it was written is found by who reads it.
        if self.places[place].custody.has_spoiled() {
            return Ok(());
        }
        self.places[place].mirror.check_snapshot(txid)
    }

    /// One was refused: a page is rotten then.
    pub(super) fn image_was_refused(&mut self, machine: usize, place: usize, pages: &[Pgno]) -> Checked {
        let rotten = self.medium_recovers(machine, place);
        let named: Vec<u32> = pages.iter().map(|pgno| pgno.into_inner()).collect();
        if rotten.is_none_or(|rotten| named != [rotten]) {
            return Err(Violation::new(21, format!("pages {named:?} are said to be rotten, not {rotten:?}")));
        }
        self.coverage.reached(Reached::RotInDatabase);
        Ok(())
    }

    /// The medium gives the page again; which one it was.
    pub(super) fn medium_recovers(&mut self, machine: usize, place: usize) -> Option<u32> {
        let database = self.places[place].copies[machine].database.as_mut()?;
        database.files.as_mut()?.mend()
    }
}

/// Of a million full images so many are asked for of a database that has rotted.
const ROTS_PPM: u32 = 200_000;
