//! After everything has converged and no fault strikes any more: what must be exact then.

use super::*;
use crate::fleet::mischief::Damage;
use crate::fleet::sound;
use crate::oracle::idle;
use crate::oracle::restart::{self, Promise};
use crate::oracle::restore::Snapshot;
use crate::world::Asked;
use engine::restore::Target;
use engine::types::Txid;

impl World<'_> {
    /// Properties 1, 2 and 4, through the planner, on a sample of the places.
    pub(super) fn check_everything(&mut self) -> Checked {
        self.check_changes()?;
        let stride = self.places.len().div_ceil(PLACES_MAX);
        for place in (0..self.places.len()).step_by(stride) {
            self.restores(place)?;
        }
        Ok(())
    }

    fn restores(&self, place: usize) -> Checked {
        let model = &self.places[place];
        let snapshot = Snapshot::take(&self.store, &model.place, LockByte::SQLITE);
        let newest = model.mirror.txid().expect("converged");
        let slots: Vec<Txid> = model.announced.iter().copied().collect();
        let stride = slots.len().div_ceil(RESTORES_MAX).max(1);
        let sampled = slots.into_iter().step_by(stride).map(Target::Txid);
        for target in sampled.chain([Target::Latest]) {
            let meant = if let Target::Txid(txid) = target { txid } else { newest };
            let (txid, database) = match snapshot.restore(target) {
                // Property 21: what needs the damaged object, and nothing else, is an error.
                Err(_) if self.lacks_a_sound_base(place, meant) => continue,
                Err(_) if model.custody.rests_on_a_covered_image(meant.into_inner()) => continue,
                restored => restored?,
            };
            let wanted = if target == Target::Latest { newest } else { txid };
            let content = self.image_of(place, wanted, &database)?.digest();
            if model.mirror.contents.get(&wanted) != Some(&content) || txid < wanted {
                let message =
                    format!("{target:?} of place {place} restores to something else than announced");
                return Err(Violation::new(4, message));
            }
        }
        Ok(())
    }

    /// Whether an object rotted that every way to this slot needs.
    fn lacks_a_sound_base(&self, place: usize, txid: Txid) -> bool {
        let model = &self.places[place];
        let tells_arrivals = !self.settings.folders;
        model.harm.rotted && !sound::leads_to(&self.store, &model.place, txid, tells_arrivals)
    }

    /// The same of the newest slot: what goes on there may have to read it.
    fn newest_is_rotted(&self, place: usize) -> bool {
        self.lacks_a_sound_base(place, self.places[place].mirror.txid().expect("converged"))
    }

    /// The versions of the pages of a restored database.
    fn image_of(
        &self,
        place: usize,
        txid: Txid,
        database: &[u8],
    ) -> Result<super::super::image::Image, Violation> {
        // A point that was never folded has the newest one's.
        let sizes = &self.places[place].mirror.page_bytes;
        let page_bytes = sizes.get(&txid).or(sizes.values().next_back()).copied().expect("converged");
        let number = place as u64;
        let pages = database.chunks(page_bytes).zip(1..);
        let versions = pages.map(|(page, pgno)| super::super::page::version(number, pgno, page));
        let versions: Option<Vec<u64>> = versions.collect();
        let wrong = || Violation::new(1, format!("a restore of place {place} has a page that nobody wrote"));
        versions.map(super::super::image::Image::new).ok_or_else(wrong)
    }

    /// Properties 24, 29, 31, 32 and 34 in a calm world.
    pub(super) fn finale(&mut self) -> Checked {
        for place in 0..self.places.len() {
            let model = &self.places[place];
            // Each visit of others may make a daemon look at all of it anew.
            if model.harm.any || self.settings.upkeep.is_some() {
                continue;
            }
            let copies = (0..MACHINES).map(|m| &model.copies[m]);
            let starts: u64 = copies.clone().map(|copy| copy.starts).sum();
            let mut asked = self.asked(place, 0);
            asked.add(&self.asked(place, 1));
            // The listings of the days are not of the slots.
            asked.lists = 0;
            idle::run(&asked, model.announced.len() as u64, starts)?;
        }
        self.nobody_starves()?;
        self.idle_days()?;
        self.restarts()?;
        self.restored_restart()
    }

    /// Everything that this machine's lives asked of a place.
    fn asked(&self, place: usize, machine: usize) -> Asked {
        let copy = &self.places[place].copies[machine];
        let mut asked = copy.asked;
        if let (Some(seat), Some(life)) = (copy.seat, &self.machines[machine].life) {
            asked.add(&life.seats[seat].asked);
        }
        asked
    }

    /// All commit at once: what any of them waits for does not depend on how many there are. That hints come, or that
    /// they do not, makes a second.
    fn nobody_starves(&mut self) -> Checked {
        // What was on its way when the faults stopped may take all of the client's patience.
        self.pass(Duration::from_secs(60))?;
        for place in 0..self.places.len() {
            let owner = self.owner(place);
            self.burst(place, owner, 1, 0);
        }
        let interval = self.settings.max_interval.max(self.settings.min_interval);
        self.pass(interval + SLACK)?;
        let late = (0..self.places.len()).find(|place| !self.places[*place].is_stored(self.owner(*place)));
        match late {
            Some(place) => {
                Err(Violation::new(29, format!("a commit to place {place} waits for more than an interval")))
            }
            None => Ok(()),
        }
    }

    /// Property 31: a fleet without commits lists its places once a day, and asks for nothing else.
    fn idle_days(&mut self) -> Checked {
        let days = self.settings.idle_days;
        if days == 0 {
            return Ok(());
        }
        // Until everything is saved, and every log is emptied.
        self.pass(Duration::from_secs(20))?;
        self.rest()?;
        let count = self.places.len();
        let before: Vec<Asked> = (0..count).map(|place| self.asked(place, self.owner(place))).collect();
        for _ in 0..days {
            self.pass_slowly(daemons::DAY)?;
        }
        self.coverage.reached(Reached::IdleDays);
        for (place, before) in before.iter().enumerate() {
            let after = self.asked(place, self.owner(place));
            let (lists, requests) = (after.lists - before.lists, after.requests() - before.requests());
            let rewrites = after.rewrites - before.rewrites;
            // Timers come late, so that a day's listing may come with the next day.
            let expected = days * 4 / 5..=days * 17 / 16 + 2;
            if !expected.contains(&lists) || requests > lists + rewrites || rewrites > lists {
                let message =
                    format!("{days} days without a commit, place {place}: from {before:?} to {after:?}");
                return Err(Violation::new(31, message));
            }
        }
        Ok(())
    }

    /// Lets compaction and retention come to their end.
    fn rest(&mut self) -> Checked {
        let Some(upkeep) = &self.settings.upkeep else { return Ok(()) };
        let longest = upkeep.levels.iter().map(|(_, interval)| interval).max().unwrap_or_default();
        let l0 = upkeep.policy.map(|policy| policy.l0).unwrap_or_default();
        let all = longest * 2 + l0 * 4 + Duration::from_secs(120);
        // Where the store has the machine's clock, what that has passed counts a day after a listing, which comes once a day.
        let all = if self.settings.folders && self.has_slept { all + 2 * daemons::DAY } else { all };
        for _ in 0..REST_PIECES {
            self.pass_slowly(all / REST_PIECES)?;
        }
        let top = upkeep.levels.iter().map(|(level, _)| level).max();
        let (Some(top), Some(policy)) = (top, upkeep.policy) else { return Ok(()) };
        let now = self.store.clock().now().wall;
        self.places.iter().try_for_each(|model| model.custody.is_at_rest(now, &policy, top))
    }

    /// Property 32: a daemon that ends, in order or not, follows all its databases again within seconds, at no cost.
    fn restarts(&mut self) -> Checked {
        for kill in [true, false] {
            self.pass(Duration::from_secs(12) + self.settings.max_interval.max(self.settings.min_interval))?;
            self.rest()?;
            if kill {
                self.kill_daemon(0);
                self.plan(Duration::from_millis(100), Due::Start(0));
            } else {
                self.stop_daemon(0, Duration::from_millis(100))?;
            }
            let promise = if kill { Promise::OnePage } else { Promise::Nothing };
            let mut passed = Duration::ZERO;
            for (listing, place) in self.by_listing() {
                let until = Duration::from_secs(3) + listing;
                self.pass(until - passed)?;
                passed = until;
                if self.owner(place) != 0 {
                    continue;
                }
                if !self.follows_quietly(place, 0) {
                    let message =
                        format!("{until:?} after a restart (kill: {kill}) place {place} is not followed");
                    return Err(Violation::new(29, message));
                }
                let seat = self.places[place].copies[0].seat.expect("followed");
                if self.newest_is_rotted(place) {
                    continue;
                }
                promise.check(&self.seat(0, seat).asked)?;
            }
            self.coverage.reached(Reached::FreeRestart);
        }
        Ok(())
    }

    /// How long each place takes to list, the quickest first.
    fn by_listing(&self) -> Vec<(Duration, usize)> {
        let (keys_max, network) = (self.settings.list_keys_max, &self.settings.faults.network);
        let of = |place: &PlaceModel| restart::listing(&self.store, &place.place, keys_max, network);
        let mut all: Vec<_> = self.places.iter().map(of).zip(0..).collect();
        all.sort_unstable();
        all
    }

    /// Property 32 after a restore: what its record proves is neither downloaded nor sent again, also when nothing else is
    /// known of the pages and something was committed since.
    fn restored_restart(&mut self) -> Checked {
        self.stop_daemon(0, STAYS_DOWN)?;
        self.pass(Duration::from_secs(3))?;
        let mut restored = Vec::new();
        for place in 0..self.places.len() {
            let copy = &self.places[place].copies[0];
            let tells = copy.database.as_ref().is_some_and(|database| database.tells_births());
            if copy.fenced || !tells || self.newest_is_rotted(place) {
                continue;
            }
            if self.restore_over(place, 0, false) {
                self.places[place].copies[0].saved.damage(Damage::Gone);
                self.commit(place, 0);
                restored.push(place);
            }
        }
        self.start_daemon(0)?;
        let interval = self.settings.max_interval.max(self.settings.min_interval);
        let mut passed = Duration::ZERO;
        for (listing, place) in self.by_listing() {
            let until = interval + SLACK + listing;
            self.pass(until - passed)?;
            passed = until;
            if !restored.contains(&place) {
                continue;
            }
            let seat = self.places[place].copies[0].seat.filter(|_| self.follows_quietly(place, 0));
            let Some(seat) = seat.filter(|_| self.places[place].is_stored(0)) else {
                let message = format!("place {place} is not in the store after a restore and a start");
                return Err(Violation::new(29, message));
            };
            let asked = self.seat(0, seat).asked;
            // Retention may read what holds every page.
            let digests_max = if self.settings.upkeep.is_some() { u64::MAX } else { 0 };
            if asked.digests > digests_max || asked.puts + asked.images + asked.stages > 1 {
                let message = format!("after a restore and a commit place {place} asked for {asked:?}");
                return Err(Violation::new(32, message));
            }
            self.coverage.reached(Reached::FreeRestart);
        }
        Ok(())
    }
}

/// Late timers put off what upkeep does; it still gets a few of them after another.
const REST_PIECES: u32 = 40;
/// Until it is started again.
const STAYS_DOWN: Duration = Duration::from_secs(365 * 24 * 3600);
/// Places that are restored at the end, spread over all.
const PLACES_MAX: usize = 12;
/// Announced slots of a place that are restored.
const RESTORES_MAX: usize = 4;
/// A poll without a hint, a look, a slot on its way.
const SLACK: Duration = Duration::from_secs(4);
