//! Whoever reads the place: restores and listings, beside a store that fails and objects that move up.

use super::*;
use crate::archive::judge::{Listed, Read};
use crate::archive::names;
use crate::archive::plan::Goal;
use crate::world::window::{Asked, Window};
use crate::world::{Inline, SimOutputFiles, standing_clock};
use engine::ltx::Decoder;
use engine::restore::{ReadLimits, Target};
use engine::store::StoreError;
use io_real::restore::{Catalog, Event, IfExists, Limits, Output, RestoreError, Restored, Restorer};
use io_real::verify::Verifier;
use io_sim::s3::Answer;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use tokio::sync::mpsc::UnboundedReceiver;

impl World<'_> {
    fn target(&self, goal: Goal) -> Target {
        let newest = self.history.newest().into_inner();
        let nth = |which: u64, count: u64| Txid::new(1 + which % count).expect("from 1 on");
        match goal {
            Goal::Newest => Target::Latest,
            Goal::Txid { which } => Target::Txid(nth(which, newest + 2)),
            Goal::Time { which, late_ms } => {
                let time = self.history.state(nth(which, newest)).expect("a state that was").time;
                Target::Timestamp(Timestamp::from_millis(time.as_millis() + late_ms))
            }
        }
    }

    pub(super) fn restore(&mut self, goal: Goal, seed: u64, meanwhile: Option<u32>) -> Checked {
        let mut draw = Random::new(seed, Stream::Archive);
        let target = self.target(goal);
        let (catalog, requests) = self.catalog(&mut draw);
        let (tell, planned) = mpsc::channel();
        let restorer = Restorer::new(
            catalog,
            Arc::new(Inline),
            Arc::new(move |event| {
                if let Event::ListedAgain { .. } = event {
                    let _ = tell.send(String::new());
                }
                if let Event::Planned(plan) = event {
                    // Who listens is there as long as the restore is.
                    let _ = tell.send(plan.to_string());
                }
            }),
        );
        let files = SimOutputFiles::new(&self.disk, self.process.pid(), self.process.vfs_name());
        let place = self.place.clone();
        let work = async move {
            let output = Output::on(Arc::new(files), Path::new(OUTPUT), IfExists::Replace)?;
            let mut survey = restorer.survey(&place).await?;
            restorer.restore(&mut survey, target, &output, false).await
        };
        let before = self.judge();
        let was = self.disk.peek(OUTPUT);
        let result = self.wait_for(work, requests, meanwhile, &mut draw)?;
        for plan in planned.try_iter() {
            if plan.is_empty() {
                self.coverage.reached(Reached::RestoreListedAgain);
            }
            self.trace.record("plan", &plan.replace('\n', " | "), &[], &[]);
        }
        let left = Around::look(&self.disk, OUTPUT);
        if !left.is_tidy() {
            return Err(Violation::new(13, format!("a restore left {left:?}")));
        }
        let well = self.is_well();
        let changed = !before.shelf.items.keys().eq(self.shelf.items.keys());
        let read = Read { target, result, before: was, after: self.disk.peek(OUTPUT), well, changed };
        self.count(&read.result);
        before.restored(&self.judge(), &read)
    }

    fn count(&mut self, result: &Result<Restored, RestoreError>) {
        let is_damaged = self.shelf.is_damaged();
        let state = match result {
            Ok(_) if is_damaged => Reached::RestoreAroundDamage,
            Ok(_) => Reached::Restored,
            Err(RestoreError::Plan(_)) if is_damaged => Reached::RestoreRefusedDamage,
            Err(RestoreError::Plan(_)) => Reached::RestoreAtNoPoint,
            Err(RestoreError::NewerFormat { .. }) => Reached::NewerRefused,
            Err(_) => return,
        };
        self.coverage.reached(state);
    }

    pub(super) fn list(&mut self, checked: bool) -> Checked {
        let mut draw = self.draw.clone();
        let (catalog, requests) = self.catalog(&mut draw);
        let restorer = Restorer::new(catalog, Arc::new(Inline), Arc::new(|_| ()));
        let place = self.place.clone();
        let work = async move {
            let mut survey = restorer.survey(&place).await?;
            if checked { survey.points_checked().await } else { survey.points().await }
        };
        let result = self.wait_for(work, requests, None, &mut draw)?;
        let well = self.is_well();
        self.coverage.reached(Reached::PointsChecked);
        self.judge().listed(&Listed { result, checked, well })?;
        if checked { self.verify() } else { Ok(()) }
    }

    /// Reads everything. No state is a database of SQLite's, so what restores say is left out.
    fn verify(&mut self) -> Checked {
        let mut draw = self.draw.clone();
        let (catalog, requests) = self.catalog(&mut draw);
        let files = SimOutputFiles::new(&self.disk, self.process.pid(), self.process.vfs_name());
        let verifier = Verifier::new(catalog, Arc::new(Inline), Arc::new(|_| ()));
        let place = self.place.clone();
        let work = async move {
            let scratch = Output::on(Arc::new(files), Path::new(SCRATCH), IfExists::Refuse)?;
            Ok(verifier.deep(&place, &scratch).await?.report)
        };
        let result = self.wait_within(EVERYTHING_WITHIN, work, requests, None, &mut draw)?;
        let left = Around::look(&self.disk, SCRATCH);
        if !left.is_tidy() {
            return Err(Violation::new(13, format!("verify left {left:?}")));
        }
        let there = self.store.peek_all();
        let is_broken = |(key, item): (&ObjectKey, &Item)| {
            let object = there.get(&self.key(*key));
            let is_whole = object.is_some_and(|object| is_whole(&object.bytes, self.settings.lock_byte));
            (item.is_damaged && !is_whole).then_some(*key)
        };
        let broken: BTreeSet<ObjectKey> = self.shelf.items.iter().filter_map(is_broken).collect();
        self.judge().verified(&result, &broken, self.is_well())
    }

    pub(super) fn places(&mut self) -> Checked {
        let mut draw = self.draw.clone();
        let (catalog, requests) = self.catalog(&mut draw);
        let work = async move { Ok(catalog.places().await?) };
        let result = self.wait_for(work, requests, None, &mut draw)?;
        let there = self.store.peek_all();
        let expected = names::places(there.keys().map(String::as_str));
        match result {
            Ok(found) => {
                let found = found.iter().map(|place| place.folder().to_owned()).collect();
                if expected == found {
                    return Ok(());
                }
                Err(Violation::new(2, format!("the places are {expected:?}, and were listed as {found:?}")))
            }
            Err(_) if !self.is_well() => Ok(()),
            Err(error) => Err(Violation::new(2, format!("the places cannot be listed: {error}"))),
        }
    }

    fn is_well(&self) -> bool {
        self.settings.store_fault_ppm == 0
    }

    pub(super) fn judge(&self) -> Judge {
        Judge {
            history: self.history.clone(),
            shelf: self.shelf.clone(),
            saying: self.saying,
            is_newer: self.is_newer,
        }
    }

    fn catalog(&self, draw: &mut Random) -> (Catalog, UnboundedReceiver<Asked>) {
        let (window, requests) = Window::new(self.settings.list_keys_max);
        let limits = Limits {
            requests_in_flight: *draw.pick(&[1, 3, 16]),
            read: ReadLimits {
                gap_bytes_max: *draw.pick(&[0, 1000, 64 << 10]),
                request_bytes_max: *draw.pick(&[64, 700, 10_000, 4 << 20]),
            },
            lock_byte: self.settings.lock_byte,
            ..Limits::default()
        };
        (Catalog::new(Arc::new(window), self.settings.layout, limits), requests)
    }

    /// Lets a reader work, and answers what it asks; after so many answers objects move up and go.
    fn wait_for<T>(
        &mut self,
        work: impl Future<Output = Result<T, RestoreError>>,
        requests: UnboundedReceiver<Asked>,
        meanwhile: Option<u32>,
        draw: &mut Random,
    ) -> Result<Result<T, RestoreError>, Violation> {
        self.wait_within(ENDS_WITHIN, work, requests, meanwhile, draw)
    }

    fn wait_within<T>(
        &mut self,
        within: Duration,
        work: impl Future<Output = Result<T, RestoreError>>,
        mut requests: UnboundedReceiver<Asked>,
        mut meanwhile: Option<u32>,
        draw: &mut Random,
    ) -> Result<Result<T, RestoreError>, Violation> {
        let mut moved = Ok(());
        let outcome = standing_clock::block_on(async {
            let (mut work, mut late) = (pin!(work), pin!(tokio::time::sleep(within)));
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut work => return Some(outcome),
                    () = &mut late => return None,
                    Some(asked) = requests.recv() => {
                        if meanwhile == Some(0) {
                            moved = self.move_up(draw);
                        }
                        meanwhile = meanwhile.and_then(|left| left.checked_sub(1));
                        let answer = self.answer(&asked, draw);
                        // Who asked may have given up.
                        let _ = asked.answer.send(answer);
                    }
                }
            }
        });
        moved?;
        outcome.ok_or_else(|| Violation::new(29, format!("a reader is not done after {within:?}")))
    }

    fn answer(&self, asked: &Asked, draw: &mut Random) -> Answer {
        if draw.ppm(self.settings.store_fault_ppm) {
            return Err(match draw.below(3) {
                0 => StoreError::Retryable("500".into()),
                1 => StoreError::Ambiguous("cut off".into()),
                _ => StoreError::Throttled { retry_after: Some(Duration::from_millis(draw.below(3000))) },
            });
        }
        self.store.apply(&asked.request)
    }

    /// What a daemon does while somebody reads: what lies inside a new object goes, from the levels below.
    fn move_up(&mut self, draw: &mut Random) -> Checked {
        let before: BTreeSet<ObjectKey> = self.shelf.items.keys().copied().collect();
        self.compact(draw.below(3) as u8, draw.range(2, 8), 0)?;
        let Some(made) = self.shelf.items.keys().find(|key| !before.contains(*key)).copied() else {
            return Ok(());
        };
        let is_inside = |key: &ObjectKey| key.level() < made.level() && made.range().covers(key.range());
        for key in before.into_iter().filter(is_inside) {
            if self.shelf.is_spare(&self.history, key) {
                self.remove(key);
            }
        }
        Ok(())
    }
}

/// Whether an object is consistent with itself.
fn is_whole(mut bytes: &[u8], lock_byte: LockByte) -> bool {
    let mut decoder = Decoder::new(lock_byte);
    while let Ok(item) = decoder.read(&mut bytes) {
        if item.is_none() {
            return decoder.finish().is_ok();
        }
    }
    false
}

/// A reader is done within this, whatever the store does.
const ENDS_WITHIN: Duration = Duration::from_secs(3600);
/// Who reads every object, 64 bytes at a time and one request after the other, beside a store that fails, needs longer.
const EVERYTHING_WITHIN: Duration = Duration::from_secs(7 * 24 * 3600);
const OUTPUT: &str = "/restored/app.db";
const SCRATCH: &str = "/restored/verify.db";
