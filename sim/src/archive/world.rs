//! Plays the deeds of a plan.

use super::flaw::Flaw;
use super::history::History;
use super::judge::Judge;
use super::manifests::Saying;
use super::names;
use super::object::{Content, Tool};
use super::plan::{ArchivePlan, Damage, Deed};
use super::settings::{ArchiveSettings, draw_page_size};
use super::shelf::{Item, Shelf};
use crate::coverage::{Coverage, Reached};
use crate::frame;
use crate::oracle::restored::Around;
use crate::outcome::{Outcome, Violation};
use crate::world::Options;
use bytes::Bytes;
use engine::key::{Layout, ObjectKey, Place};
use engine::manifest::{Manifest, ManifestError};
use engine::store::Attributes;
use engine::types::{Level, LockByte, Timestamp, Txid, TxidRange};
use io_sim::clock::SimClock;
use io_sim::disk::SimDisk;
use io_sim::process::Process;
use io_sim::random::{Random, Stream};
use io_sim::s3::SimS3;
use io_sim::sqlite_vfs::SqliteRun;
use io_sim::trace::Trace;
use std::collections::BTreeSet;
use std::time::Duration;

/// Runs a plan in a fresh world.
pub fn run(plan: &ArchivePlan, settings: &ArchiveSettings, options: Options) -> Outcome {
    frame::run(plan.seed, options, |clock, trace, counts| {
        let disk = SimDisk::new(plan.seed, 0, clock, trace);
        let _sqlite = SqliteRun::start(&disk);
        let mut world = World::new(plan.seed, settings, clock, trace, disk);
        let result = world.play(&plan.steps);
        counts.coverage = std::mem::take(&mut world.coverage);
        result
    })
}

mod readers;

struct World<'a> {
    settings: &'a ArchiveSettings,
    clock: &'a SimClock,
    trace: &'a Trace,
    disk: SimDisk,
    process: Process,
    store: SimS3,
    place: Place,
    history: History,
    shelf: Shelf,
    tool: Tool,
    saying: Saying,
    /// The manifest is of a newer format.
    is_newer: bool,
    /// Slots that landed late.
    zombies: Vec<Txid>,
    draw: Random,
    coverage: Coverage,
}

type Checked = Result<(), Violation>;

impl<'a> World<'a> {
    fn new(
        seed: u64,
        settings: &'a ArchiveSettings,
        clock: &'a SimClock,
        trace: &'a Trace,
        disk: SimDisk,
    ) -> World<'a> {
        let mut draw = Random::indexed(seed, Stream::Archive, 3);
        let process = Process::start(&disk);
        let time = now(clock);
        World {
            settings,
            clock,
            trace,
            process,
            store: SimS3::new(&disk.clock(), trace),
            disk,
            place: Place::new(settings.place).expect("a legal folder"),
            history: History::new(settings.page_size, settings.lock_byte, time, &mut draw),
            shelf: Shelf::default(),
            tool: Tool::Litestream,
            saying: Saying::Nothing,
            is_newer: false,
            zombies: Vec::new(),
            draw,
            coverage: Coverage::default(),
        }
    }

    fn play(&mut self, steps: &[Deed]) -> Checked {
        for (number, deed) in steps.iter().enumerate() {
            self.trace.record("deed", &format!("{deed:?}"), &[], &[]);
            self.let_pass();
            // Before the first deed, but after who does it was said. A shorter plan may have lost the saying.
            let begins = match steps[0] {
                Deed::Use { .. } => number == 1,
                _ => number == 0,
            };
            if begins {
                self.begin()?;
                self.let_pass();
            }
            self.perform(*deed)?;
        }
        Ok(())
    }

    /// No two states are sealed in the same millisecond.
    fn let_pass(&self) {
        self.clock.advance_to(self.clock.mono().after(Duration::from_millis(10)));
    }

    /// The first image: where another tool puts it, or where walsync does.
    fn begin(&mut self) -> Checked {
        if self.tool == Tool::Walsync {
            self.write(ObjectKey::snapshot(Txid::ONE), true)?;
            self.let_pass();
            self.commit(0)
        } else {
            self.write(ObjectKey::slot(Txid::ONE), true)
        }
    }

    fn perform(&mut self, deed: Deed) -> Checked {
        match deed {
            Deed::Use { tool } => self.tool = tool,
            Deed::Commit { seed } => self.commit(seed)?,
            Deed::Resize { seed } => self.resize(seed)?,
            Deed::Compact { level, span, behind } => self.compact(level, span, behind)?,
            Deed::Snapshot => self.snapshot()?,
            Deed::Prune { seed } => self.prune(seed),
            Deed::Lose { which } => {
                if let Some(key) = self.shelf.nth(which) {
                    self.remove(key);
                }
            }
            Deed::LandLate { which } => self.land_late(which),
            Deed::Damage { which, damage } => self.damage(which, damage)?,
            Deed::Mend => self.mend(),
            Deed::Say { saying, seed } => self.say(saying, seed),
            Deed::Stray { which } => {
                let name = names::STRAYS[(which % names::STRAYS.len() as u64) as usize];
                self.put(&(self.place.prefix() + name), b"no object".to_vec());
            }
            Deed::Restore { goal, seed, meanwhile } => self.restore(goal, seed, meanwhile)?,
            Deed::List { checked } => self.list(checked)?,
            Deed::Places => self.places()?,
        }
        Ok(())
    }

    // --- Writers --------------------------------------------------------------------------------------

    fn commit(&mut self, seed: u64) -> Checked {
        let time = now(self.clock);
        self.history.commit(time, &mut Random::new(seed, Stream::Archive));
        self.write(ObjectKey::slot(self.history.newest()), false)
    }

    fn resize(&mut self, seed: u64) -> Checked {
        let mut draw = Random::new(seed, Stream::Archive);
        let page_size = draw_page_size(&mut draw);
        self.history.image(page_size, now(self.clock), &mut draw);
        self.write(ObjectKey::slot(self.history.newest()), true)?;
        self.snapshot()
    }

    fn compact(&mut self, level: u8, span: u64, behind: u64) -> Checked {
        let Some(max) = self.history.newest().into_inner().checked_sub(behind).filter(|max| *max > 0) else {
            return Ok(());
        };
        let min = max.saturating_sub(span).max(1);
        let txid = |number| Txid::new(number).expect("from 1 on");
        let page_size = |number| self.history.state(txid(number)).expect("a state that was").page_size;
        // Nobody makes one object of two page sizes.
        let from =
            (min.max(2) - 1..=max).rev().take_while(|number| page_size(*number) == page_size(max)).last();
        let min = if min == 1 && from == Some(1) { 1 } else { from.expect("its own page size") + 1 };
        let range = if min <= max { TxidRange::new(txid(min), txid(max)) } else { None };
        let level = Level::new(1 + level % 8).expect("1 to 8");
        if let Some(key) = range.and_then(|range| ObjectKey::new(level, range)) {
            self.write(key, false)?;
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Checked {
        self.write(ObjectKey::snapshot(self.history.newest()), true)
    }

    /// Puts an object down, unless it is there.
    fn write(&mut self, key: ObjectKey, image: bool) -> Checked {
        if self.shelf.items.contains_key(&key)
            || self.zombies.contains(&key.max()) && key.level() == Level::L0
        {
            return Ok(());
        }
        let sealed = self.history.state(key.max()).expect("a state that was").time;
        let is_late = key.level() == Level::SNAPSHOT
            && self.tool != Tool::Walsync
            && key.max() == self.history.newest();
        let time = if is_late { now(self.clock) } else { sealed };
        let lock_byte = self.settings.lock_byte;
        let bytes =
            self.shelf.write(&self.history, (key, image), (self.tool, time), lock_byte, &mut self.draw);
        self.judge().readable(&bytes, key.max(), lock_byte, true)?;
        self.put(&self.key(key), bytes);
        Ok(())
    }

    /// Some of what nobody needs goes.
    fn prune(&mut self, seed: u64) {
        let mut draw = Random::new(seed, Stream::Archive);
        let keys: Vec<ObjectKey> = self.shelf.items.keys().copied().collect();
        for key in keys {
            if draw.ppm(700_000) && self.shelf.is_spare(&self.history, key) {
                self.remove(key);
            }
        }
    }

    fn remove(&mut self, key: ObjectKey) {
        // What nobody contains any more would count; who cleans up takes the dead first.
        let (inside, left): (Vec<Txid>, Vec<Txid>) =
            self.zombies.iter().partition(|txid| key.level() > Level::L0 && key.range().contains(**txid));
        self.zombies = left;
        for txid in inside {
            self.store.remove(&self.key(ObjectKey::slot(txid)));
        }
        self.shelf.items.remove(&key);
        self.store.remove(&self.key(key));
    }

    /// A slot lands that a writer sent long ago, with another content; what contains it is there.
    fn land_late(&mut self, which: u64) {
        let Some(key) = self.shelf.nth(which).filter(|key| key.level() > Level::L0) else { return };
        let txid = key.min();
        let slot = ObjectKey::slot(txid);
        let is_free = !self.shelf.items.contains_key(&slot) && !self.zombies.contains(&txid);
        // A directory does not tell when a file came.
        if !is_free || self.settings.layout == Layout::Tree {
            return;
        }
        let mut state = self.history.state(txid).expect("a state that was").clone();
        state.pages.iter_mut().for_each(|page| *page = page.iter().map(|byte| byte ^ 1).collect());
        let content = Content {
            state: &state,
            ..Content::of(&self.history, slot, true, state.time, self.settings.lock_byte)
        };
        let bytes = content.write(self.tool, None, &mut self.draw);
        self.put(&self.key(slot), bytes);
        self.zombies.push(txid);
        self.coverage.reached(Reached::LandedLate);
    }

    fn key(&self, key: ObjectKey) -> String {
        self.place.object_key(self.settings.layout, key)
    }

    fn put(&self, key: &str, bytes: Vec<u8>) {
        self.store.overwrite(key, Bytes::from(bytes), Attributes::default());
    }

    // --- Mishaps --------------------------------------------------------------------------------------

    fn damage(&mut self, which: u64, damage: Damage) -> Checked {
        let Some(key) = self.shelf.nth(which) else { return Ok(()) };
        let item = &self.shelf.items[&key];
        let bytes = self.damaged(key, item, damage);
        if bytes == item.bytes {
            return Ok(());
        }
        self.read_whole(key, &bytes, damage)?;
        let same = match damage {
            Damage::Swap { with } => self.shelf.nth(with).filter(|other| other.range() == key.range()),
            _ => None,
        };
        let time = same.map(|other| self.shelf.items[&other].time);
        let item = self.shelf.items.get_mut(&key).expect("just found");
        (item.is_damaged, item.time_of_another) = (true, time);
        self.store.spoil(&self.key(key), bytes.into());
        Ok(())
    }

    /// Readers of whole objects, of both versions, take nothing wrong.
    fn read_whole(&mut self, key: ObjectKey, bytes: &[u8], damage: Damage) -> Checked {
        let (judge, lock_byte) = (self.judge(), self.settings.lock_byte);
        let is_version1 = matches!(damage, Damage::Flawed { flaw: Flaw::Version1 { .. } });
        if is_version1 && lock_byte == LockByte::SQLITE {
            judge.readable(bytes, key.max(), lock_byte, true)?;
            let mut spoilt = bytes.to_vec();
            let at = self.draw.below_usize(spoilt.len());
            spoilt[at] ^= 1 << self.draw.below(8);
            return judge.readable(&spoilt, key.max(), lock_byte, false);
        }
        match damage {
            // These are whole, and of other states.
            Damage::Swap { .. } => Ok(()),
            // An object that lacks a page is whole by itself.
            Damage::Flawed { flaw: Flaw::GrowthLeftOut } => judge.readable(bytes, key.max(), lock_byte, true),
            _ => judge.readable(bytes, key.max(), lock_byte, false),
        }
    }

    fn damaged(&self, key: ObjectKey, item: &Item, damage: Damage) -> Vec<u8> {
        let mut bytes = item.bytes.clone();
        match damage {
            Damage::Flip { bit } => {
                let at = (bit / 8) as usize % bytes.len();
                bytes[at] ^= 1 << (bit % 8);
            }
            Damage::Cut { bytes: less } => bytes.truncate(bytes.len().saturating_sub(less as usize)),
            Damage::Extend { bytes: more } => bytes.extend(vec![0; more as usize]),
            Damage::Blank { at, bytes: count, ones } => {
                let from = at as usize % bytes.len();
                let to = bytes.len().min(from + count as usize);
                bytes[from..to].fill(if ones { 0xff } else { 0 });
            }
            Damage::Swap { with } => {
                let other = self.shelf.nth(with).expect("there is one at least");
                bytes.clone_from(&self.shelf.items[&other].bytes);
            }
            Damage::Flawed { flaw } => {
                let content =
                    Content::of(&self.history, key, item.is_image, item.time, self.settings.lock_byte);
                bytes = content.write(
                    item.tool,
                    Some(flaw),
                    &mut Random::new(key.max().into_inner(), Stream::Archive),
                );
            }
        }
        bytes
    }

    fn mend(&mut self) {
        let damaged = self.shelf.items.iter_mut().filter(|(_, item)| item.is_damaged);
        let mended: Vec<_> = damaged
            .map(|(key, item)| {
                (item.is_damaged, item.time_of_another) = (false, None);
                (*key, item.bytes.clone())
            })
            .collect();
        for (key, bytes) in mended {
            self.store.spoil(&self.key(key), bytes.into());
        }
        self.say(Saying::Nothing, 0);
    }

    fn say(&mut self, saying: Saying, seed: u64) {
        self.saying = saying;
        let key = self.place.manifest_key();
        let bytes = saying.bytes(&self.shelf, &mut Random::new(seed, Stream::Archive));
        let read = bytes.as_deref().map(Manifest::decode);
        self.is_newer = matches!(read, Some(Err(ManifestError::Newer { .. })));
        match bytes {
            Some(bytes) => self.put(&key, bytes),
            None => {
                self.store.remove(&key);
            }
        }
    }
}

fn now(clock: &SimClock) -> Timestamp {
    Timestamp::from_millis(clock.now().wall.as_millis())
}
