//! Restores that an operator makes while the run goes on: `walsync restore` on a machine of its own.

use super::judge::Judged;
use super::*;
use crate::oracle::restored::{Around, COMPANIONS};
use crate::plan::{Goal, Mishap, Operation, Restoration};
use crate::world::restoring::{Order, Restoring, Strike};
use crate::world::standing_clock;
use crate::world::window::Damage;
use engine::types::Timestamp;
use io_real::restore::{IfExists, RestoreError, Restored};
use std::pin::pin;

/// How a restore ended.
enum Ended {
    /// By itself.
    Done(Result<Restored, RestoreError>),
    /// Its process died, or its machine did.
    Died,
}

impl World<'_> {
    pub(super) fn restore(&mut self, restoration: Restoration) -> Checked {
        let Some(target) = self.target(restoration.goal) else { return Ok(()) };
        let disk = self.restored_to();
        let path = output(restoration.output);
        // A sync that failed has left pages that no later one writes: with a power cut that breaks SQLite's own file, the
        // local state (docs/faults.md). Such a disk keeps its power.
        let keeps_power = disk.stats().failed_fsyncs > 0;
        let mishap = if keeps_power { restoration.mishap.without_cut() } else { restoration.mishap };
        let restoration = Restoration { mishap, ..restoration };
        // Names that an earlier restore changed are durable by now, whatever that did.
        disk.calm(|| {
            let operator = Process::start(&disk);
            disk.fsync_directory(operator.pid(), FOLDER).expect("calm");
        });
        let before = Around::look(&disk, &path);
        let stats_before = disk.stats();
        let newest = self.mirror.txid();
        let mut draw = Random::new(restoration.seed, Stream::Restore);
        let (restoring, ended) = self.play_restore(&disk, &path, restoration, target, &mut draw)?;
        let told = restoring.take_told();
        let misread = restoring.misread();
        let listings = restoring.listings;
        let now_there = self.store.peek_below(&self.place.prefix()).into_keys();
        let came = now_there.filter(|key| !restoring.listed.contains(key)).collect();
        let missed = matches!(restoring.damage, Damage::Late { missed: true, .. });
        self.end_restore(&disk, restoring);
        let after = Around::look(&disk, &path);
        let stats = disk.stats();
        let failed_renames = stats.failed_renames - stats_before.failed_renames;
        if failed_renames > 0 {
            self.coverage.reached(Reached::RestoreRenameFailed);
        }
        let names_stayed = stats.failed_unlinks > stats_before.failed_unlinks;
        let sync_failed = stats.failed_fsyncs > stats_before.failed_fsyncs;
        let judged = Judged {
            restoration,
            target,
            newest,
            path,
            before,
            after,
            told,
            missed,
            misread,
            came,
            listings,
            names_stayed,
            failed_renames,
            sync_failed,
        };
        self.recorded(&judged)?;
        match ended {
            Ended::Died => self.struck(&judged),
            Ended::Done(Ok(restored)) => self.succeeded(&disk, &judged, &restored),
            Ended::Done(Err(error)) => self.failed(&judged, &error),
        }
    }

    /// Somebody's database, with what belongs to it, comes to lie where a restore will write.
    pub(super) fn occupy(&mut self, number: u8, companions: u8) -> Checked {
        let (disk, path) = (self.restored_to(), output(number));
        let operator = Process::start(&disk);
        let put = |path: &str, bytes: &[u8]| {
            let file = disk.open(operator.pid(), path, OpenMode::Create).expect("calm");
            file.truncate(0)
                .and_then(|()| file.write_at(0, bytes))
                .and_then(|()| file.fsync())
                .expect("calm");
        };
        let database = self.machines[0].disk.peek(DATABASE).unwrap_or_default();
        disk.calm(|| {
            put(&path, &database);
            for (bit, suffix) in COMPANIONS.iter().enumerate() {
                let beside = format!("{path}{suffix}");
                match companions & 1 << bit {
                    0 => drop(disk.unlink(operator.pid(), &beside)),
                    _ => put(&beside, beside.as_bytes()),
                }
            }
            disk.fsync_directory(operator.pid(), FOLDER).expect("calm");
        });
        Ok(())
    }

    /// The disk of the machine that is restored to.
    fn restored_to(&mut self) -> SimDisk {
        let (seed, clock, trace, crash) = (self.seed, self.clock, self.trace, self.settings.faults.crash);
        let made = || {
            let disk = SimDisk::new(seed, RESTORING_MACHINE, &clock.machine(), trace);
            disk.set_crash_policy(crash);
            disk
        };
        self.restored_to.get_or_insert_with(made).clone()
    }

    /// What is asked for; `None` while there is nothing to ask for.
    fn target(&self, goal: Goal) -> Option<Target> {
        let nth = |which: u64| {
            let count = self.announced.len().max(1) as u64;
            self.announced.keys().nth((which % count) as usize).copied()
        };
        match goal {
            Goal::Newest => Some(Target::Latest),
            Goal::Slot { which } => nth(which).map(Target::Txid),
            Goal::Time { which, late_ms } => {
                let times = &self.mirror.times;
                let txid = nth(which)?;
                let time = times.get(&txid)?.as_millis();
                let next = times.range(txid + 1..).next().map_or(i64::MAX, |(_, next)| next.as_millis());
                let late_ms = i64::try_from(late_ms).ok()?.min(next.saturating_sub(time + 1)).max(0);
                Some(Target::Timestamp(Timestamp::from_millis(time + late_ms)))
            }
            Goal::Beyond => Some(Target::Txid(self.mirror.txid()? + 1000)),
            Goal::BeforeFirst => Some(Target::Timestamp(Timestamp::from_millis(0))),
        }
    }

    /// Runs a restore to its end, or its death, while the rest of the world goes on.
    fn play_restore(
        &mut self,
        disk: &SimDisk,
        path: &str,
        restoration: Restoration,
        target: Target,
        draw: &mut Random,
    ) -> Result<(Restoring, Ended), Violation> {
        let mut network = Network::new(restoration.seed, &self.store, self.trace);
        if restoration.faulty_network {
            network.set_faults(self.settings.faults.network);
        }
        let order = Order {
            place: self.place.clone(),
            target,
            output: path.to_owned(),
            if_exists: if restoration.replaces { IfExists::Replace } else { IfExists::Refuse },
            checks_integrity: restoration.checks_integrity,
            lock_byte: lock_byte(self.settings),
            list_keys_max: self.settings.list_keys_max,
        };
        let strike = match restoration.mishap {
            Mishap::Kill { operations, finished: true } => Strike::Kill { operations },
            Mishap::Cut { operations, finished: true } => Strike::Cut { operations },
            _ => Strike::Nothing,
        };
        let damage = self.damage(restoration.mishap);
        let (mut restoring, work) = Restoring::start(disk, order, (network, damage), strike, draw);
        let pid = restoring.process.pid();
        match restoration.mishap {
            Mishap::Kill { operations, finished: false } => disk.kill_in(pid, operations),
            Mishap::Cut { operations, finished: false } => disk.cut_power_in(operations),
            Mishap::Full { room_bytes } => disk.set_capacity_bytes(Some(disk.used_bytes() + room_bytes)),
            Mishap::Errors { ppm } => {
                // There are few names, so they fail more often, where they do so in this run.
                let drawn = self.settings.faults.daemon_disk;
                let of_names = |drawn_ppm: u32| if drawn_ppm > 0 { ppm * 4 } else { 0 };
                let faults = DiskFaults {
                    rename_fails_ppm: of_names(drawn.rename_fails_ppm),
                    unlink_fails_ppm: of_names(drawn.unlink_fails_ppm),
                    read_eio_ppm: ppm,
                    write_eio_ppm: ppm,
                    fsync_eio_ppm: ppm,
                    ..DiskFaults::default()
                };
                disk.set_faults_of(pid, faults);
            }
            Mishap::NamesStick { ppm } => {
                disk.set_faults_of(pid, DiskFaults { rename_fails_ppm: ppm, ..DiskFaults::default() })
            }
            Mishap::Unreadable => {
                disk.set_faults_of(pid, DiskFaults { read_eio_ppm: ALWAYS, ..DiskFaults::default() })
            }
            _ => {}
        }
        let ended = standing_clock::block_on(self.beside(&mut restoring, work, restoration.beside, draw));
        Ok((restoring, ended?))
    }

    /// Polls a restore and lets everything else happen at its time. The runtime's clock stands still while anything is
    /// ready, and goes on to the next timer when nothing is.
    async fn beside(
        &mut self,
        restoring: &mut Restoring,
        work: impl Future<Output = Result<Restored, RestoreError>>,
        mut transactions: u32,
        draw: &mut Random,
    ) -> Result<Ended, Violation> {
        let (began, elapsed) = (self.clock.mono(), standing_clock::stopwatch());
        let mut work = pin!(work);
        let objects = self.store.peek_below(&self.place.prefix());
        let bytes: u64 = objects.values().map(|object| object.bytes.len() as u64).sum();
        let requests = u32::try_from(bytes / restoring.request_bytes_max).unwrap_or(u32::MAX);
        let ends_within = ENDS_WITHIN + requests * PER_REQUEST;
        loop {
            // Disks let time pass by themselves.
            let behind = self.clock.mono().since(began).saturating_sub(elapsed());
            if !behind.is_zero() {
                standing_clock::advance(behind).await;
            }
            let passed = elapsed();
            if passed > ends_within {
                return Err(Violation::new(29, format!("a restore is not over after {passed:?}")));
            }
            self.let_happen(began.after(passed))?;
            if transactions > 0 && draw.ppm(TRANSACTION_PPM) {
                transactions -= 1;
                self.operate(Operation::Transaction { seed: draw.next_u64(), statements: 2 })?;
            }
            if !restoring.process.is_alive() {
                return Ok(Ended::Died);
            }
            let now = self.clock.mono();
            restoring.carry(now);
            let next = restoring.next_at().map_or(SLICE, |at| at.since(now).min(SLICE));
            tokio::select! {
                biased;
                outcome = &mut work => {
                    let died = !restoring.process.is_alive();
                    return Ok(if died { Ended::Died } else { Ended::Done(outcome) });
                }
                Some(asked) = restoring.requests.recv() => {
                    let keys = || self.store.peek_below(&self.place.prefix()).into_keys().collect();
                    restoring.send(self.clock.mono(), asked, keys);
                }
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    /// The process ends, if it has not died, and the machine comes back, if its power went.
    fn end_restore(&mut self, disk: &SimDisk, restoring: Restoring) {
        let Restoring { process, .. } = restoring;
        disk.set_capacity_bytes(None);
        disk.spare_power();
        if !disk.is_powered() {
            self.coverage.reached(Reached::RestorePowerCut);
            process.kill(|| ());
            disk.power_cycle();
        } else if !process.is_alive() {
            self.coverage.reached(Reached::RestoreKilled);
            process.kill(|| ());
        }
    }

    /// The object that a mishap is about, as this reader sees it.
    fn damage(&self, mishap: Mishap) -> Damage {
        let objects = self.store.peek_below(&self.place.prefix());
        let mut objects: Vec<_> = objects.into_iter().filter(|(key, _)| key.ends_with(".ltx")).collect();
        objects.sort_by_key(|(key, object)| (std::cmp::Reverse(object.modified), key.clone()));
        let nth = |which: u64| {
            let count = objects.len().max(1) as u64;
            objects.get((which % count) as usize).map(|(key, object)| (key.clone(), object.bytes.len() * 8))
        };
        let damage = match mishap {
            Mishap::Rot { which, bit } => {
                nth(which).map(|(key, bits)| Damage::Rotten { key, bit: (bit % bits as u64) as usize })
            }
            Mishap::Gone { which } => nth(which).map(|(key, _)| Damage::Gone { key }),
            Mishap::Late { which, found, reads } => {
                nth(which).map(|(key, _)| Damage::Late { key, found, reads, missed: false })
            }
            _ => None,
        };
        damage.unwrap_or(Damage::None)
    }
}

fn output(number: u8) -> String {
    format!("{FOLDER}/{number}.db")
}

/// Where it is restored to.
const FOLDER: &str = "/restored";
/// Its number among the machines.
const RESTORING_MACHINE: u32 = 2;
/// A restore is over within this and its requests' own time, whatever the store does.
const ENDS_WITHIN: Duration = Duration::from_secs(3600);
/// For each request that the objects of the place take, read twice.
const PER_REQUEST: Duration = Duration::from_millis(100);
/// So long the world may stand still for a restore that waits.
const SLICE: Duration = Duration::from_millis(20);
const TRANSACTION_PPM: u32 = 100_000;
const ALWAYS: u32 = 1_000_000;
