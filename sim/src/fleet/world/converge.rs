//! The end of the faults: the store comes to hold what the applications committed, for every database.

use super::*;

impl World<'_> {
    /// Property 29: without faults everything that was committed is in the store, soon, whatever the number of databases.
    pub(super) fn converge(&mut self) -> Checked {
        self.chaos = false;
        for network in [&mut self.network, &mut self.by_hand] {
            network.set_faults(NetworkFaults::default());
            network.set_outage_until(Instant::default());
        }
        for machine in &mut self.machines {
            machine.paused_until = Instant::default();
            machine.state_fails_until = Instant::default();
            machine.ending = machine.ending.map(|_| Duration::ZERO);
        }
        self.mend()?;
        // A commit may wait for its interval, and two machines learn of each other by turns.
        let interval = self.settings.max_interval;
        let nudge_seconds = NUDGE_SECONDS + interval.as_secs();
        let begun_at = self.clock.mono();
        // A file that was put back may equal the store for a moment, while what was read before is on its way.
        let mut is_steady = false;
        for second in 0.. {
            self.all_are_followed()?;
            if second % nudge_seconds == 0 {
                self.nudge(second / nudge_seconds);
            }
            if second % nudge_seconds == nudge_seconds - 1 {
                self.permit_where_all_are_fenced()?;
            }
            self.pass(Duration::from_secs(1))?;
            let missing: Vec<usize> = (0..self.places.len()).filter(|p| !self.has_converged(*p)).collect();
            if missing.is_empty() && is_steady {
                return Ok(());
            }
            is_steady = missing.is_empty();
            let patience = |place: &usize| {
                // The third time that two are made to commit to a damaged place comes as the time is over.
                let model = &self.places[*place];
                let awaits_nudge = model.is_rotted() && model.copies.iter().all(|copy| copy.wanted);
                CONVERGE + 4 * interval + Duration::from_secs(if awaits_nudge { nudge_seconds } else { 0 })
            };
            let passed = self.clock.mono().since(begun_at);
            if let Some(place) = missing.into_iter().find(|place| passed >= patience(place)) {
                return Err(Violation::new(29, self.not_converged(place, passed)));
            }
        }
        unreachable!("ends within {CONVERGE:?}")
    }

    /// What others did is undone as far as that can be, and daemons look at their places anew.
    fn mend(&mut self) -> Checked {
        for place in 0..self.places.len() {
            self.places[place].copies.iter_mut().for_each(|copy| copy.refused = None);
            self.undo(place)?;
            for machine in 0..MACHINES {
                let living = self.machines[machine].life.is_some() && self.places[place].harm.any;
                if let Some(seat) = self.places[place].copies[machine].seat.filter(|_| living) {
                    self.stop_seat(machine, seat)?;
                }
            }
        }
        Ok(())
    }

    fn all_are_followed(&mut self) -> Checked {
        for machine in 0..MACHINES {
            if machine == 0 || self.places.iter().any(|place| place.copies[machine].wanted) {
                self.start_daemon(machine)?;
            }
            if self.machines[machine].life.is_some() {
                for place in 0..self.places.len() {
                    self.add(machine, place)?;
                }
            }
        }
        for place in 0..self.places.len() {
            self.recreated(place)?;
        }
        Ok(())
    }

    /// Who was overtaken while idle learns of it with the next commit.
    fn nudge(&mut self, round: u64) {
        for place in 0..self.places.len() {
            // Who takes over what is damaged reads it three times first: an owner that writes meanwhile is always faster.
            if self.places[place].is_rotted() && !round.is_multiple_of(3) {
                continue;
            }
            let copies = &self.places[place].copies;
            if copies.iter().all(|copy| copy.wanted) {
                let going: Vec<usize> = (0..MACHINES).filter(|m| !copies[*m].fenced).collect();
                going.into_iter().for_each(|machine| self.burst(place, machine, 1, 0));
            }
        }
    }

    /// Where a copy of the local state made strangers of both, an operator says who goes on.
    fn permit_where_all_are_fenced(&mut self) -> Checked {
        for place in 0..self.places.len() {
            let model = &mut self.places[place];
            let fenced = model.copies.iter().all(|copy| copy.fenced || !copy.wanted);
            let Some(seat) = model.copies[0].seat.filter(|_| fenced) else { continue };
            model.copies[0].insists = true;
            model.ownership.permit(0);
            self.stop_seat(0, seat)?;
        }
        Ok(())
    }

    pub(super) fn has_converged(&self, place: usize) -> bool {
        let model = &self.places[place];
        let going = |m: &usize| model.copies[*m].wanted && !model.copies[*m].fenced;
        let active: Vec<usize> = (0..MACHINES).filter(going).collect();
        let [only] = active[..] else { return false };
        self.follows_quietly(place, only) && model.is_stored(only)
    }

    pub(super) fn follows_quietly(&self, place: usize, machine: usize) -> bool {
        let (Some(seat), Some(life)) =
            (self.places[place].copies[machine].seat, &self.machines[machine].life)
        else {
            return false;
        };
        let seat = &life.seats[seat];
        seat.following && seat.stop_asked.is_none()
    }

    fn not_converged(&self, place: usize, passed: Duration) -> String {
        let model = &self.places[place];
        let text = |machine: usize| {
            let copy = &model.copies[machine];
            let (fenced, followed, stored) =
                (copy.fenced, self.follows_quietly(place, machine), model.is_stored(machine));
            format!(
                "machine {machine}: wanted {}, fenced {fenced}, followed {followed}, stored {stored}",
                copy.wanted
            )
        };
        let all: Vec<String> = (0..MACHINES).map(text).collect();
        format!("place {place} is not in the store after {passed:?}; {}", all.join("; "))
    }

    /// Who owns a place.
    pub(super) fn owner(&self, place: usize) -> usize {
        usize::from(self.places[place].copies[0].fenced)
    }
}

/// Everything converges within this much simulated time after the last fault.
const CONVERGE: Duration = Duration::from_secs(300);
/// How often two machines that both believe to own a place commit meanwhile.
const NUDGE_SECONDS: u64 = 50;
