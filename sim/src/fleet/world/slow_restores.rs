//! A restore that is under way while the place goes on: io-real's own, which lists, plans, and reads one object after the other
//! on a machine that sleeps in between. What it restores is right; and it does restore what is promised all the time.

use super::*;
use crate::fleet::by_hand::SlowRestore;
use crate::fleet::custody::NEWEST;
use crate::fleet::image::Image;
use crate::fleet::page;
use crate::world::window::{Asked, Window};
use crate::world::{Inline, SimOutputFiles, standing_clock};
use engine::key::Layout;
use engine::restore::{ReadLimits, Target};
use engine::store::StoreError;
use engine::types::PageSize;
use io_real::restore::{Catalog, IfExists, Limits, Output, ReadError, RestoreError, Restored, Restorer};
use io_sim::disk::SimDisk;
use io_sim::network;
use io_sim::process::Process;
use io_sim::s3::{Answer, Request};
use io_sim::sqlite_vfs::SqliteRun;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The machine that is restored to. Fields go in this order.
pub(super) struct Reader {
    process: Process,
    disk: SimDisk,
    _sqlite: SqliteRun,
}

/// What a restore waits for.
#[derive(Default)]
pub(super) struct Waiting {
    client: Option<ClientId>,
    answers: BTreeMap<network::RequestId, oneshot::Sender<Answer>>,
}

/// What was asked for.
#[derive(Clone, Copy)]
struct Wanted {
    place: usize,
    target: Target,
    /// Announced when it began: the state, or one before it.
    least: Txid,
}

impl World<'_> {
    pub(super) fn restore_slowly(&mut self, place: usize, restore: SlowRestore) -> Checked {
        self.check_changes()?;
        let promised: Vec<u64> = self.promised(place).into_keys().collect();
        let announced = self.places[place].mirror.txid().filter(|txid| *txid > Txid::ONE);
        let (Some(announced), Some(count)) = (announced, u64::try_from(promised.len()).ok()) else {
            return Ok(());
        };
        let nth = |which: u64| promised.get(usize::try_from(which % count.max(1)).expect("small"));
        let point = restore.which.and_then(nth).and_then(|n| Txid::new(*n).ok());
        let wanted = Wanted {
            place,
            target: point.map_or(Target::Latest, Target::Txid),
            least: point.unwrap_or(announced),
        };
        self.writes_on(place, restore.commits, restore.gap_us);
        let result = self.restore_beside(wanted, restore)?;
        self.check_changes()?;
        match result {
            Ok(restored) => self.is_right(wanted, &restored),
            Err(error) => self.may_fail(wanted, &error),
        }
    }

    /// The application commits again and again, for as long as faults strike.
    pub(super) fn writes_on(&mut self, place: usize, left: u32, gap_us: u64) {
        if left > 0 && self.chaos {
            self.commit(place, 0);
            self.plan(Duration::from_micros(gap_us), Due::WriteOn { place, left: left - 1, gap_us });
        }
    }

    fn promised(&self, place: usize) -> BTreeMap<u64, &'static str> {
        let Some(policy) = self.settings.upkeep.as_ref().and_then(|upkeep| upkeep.policy) else {
            return BTreeMap::new();
        };
        let now = self.store.clock().now().wall;
        let mut promised = self.places[place].custody.promised(now, &policy, self.clocks_are_right());
        // A later one may be in the store by now; that of `Latest` is looked at.
        promised.retain(|_, why| *why != NEWEST);
        promised
    }

    /// Property 1: whatever went meanwhile, it is that state, and for the newest none that was announced is passed over.
    fn is_right(&mut self, wanted: Wanted, restored: &Restored) -> Checked {
        let wrong = |message: String| Err(Violation::new(1, format!("{:?}: {message}", wanted.target)));
        let is_it = match wanted.target {
            Target::Txid(txid) => restored.txid == txid,
            _ => restored.txid >= wanted.least,
        };
        if !is_it {
            return wrong(format!("restored {} beside a daemon", restored.txid));
        }
        let database = self.reader().disk.peek(OUTPUT).unwrap_or_default();
        let Some(image) = image(wanted.place, restored.page_size, &database) else {
            return wrong(format!("{} has a page that nobody wrote", restored.txid));
        };
        // One that was not announced, yet, is nobody's promise.
        let known = self.places[wanted.place].mirror.contents.get(&restored.txid);
        if known.is_some_and(|known| *known != image.digest()) {
            return wrong(format!("{} is something else than was announced", restored.txid));
        }
        self.coverage.reached(Reached::Restored);
        Ok(())
    }

    /// Property 2: only what is not promised any more, or a store that fails, keeps it from ending well.
    fn may_fail(&mut self, wanted: Wanted, error: &RestoreError) -> Checked {
        self.trace.record("restore failed", &error.to_string(), &[], &[]);
        let least = wanted.least.into_inner();
        let is_promised = match wanted.target {
            Target::Txid(_) => self.promised(wanted.place).contains_key(&least),
            _ => true,
        };
        let excused = match error {
            RestoreError::Store(ReadError { error, .. }) => *error != StoreError::Missing,
            // A bit that comes wrong again and again is not told from one that lies wrong.
            // One that lies wrong has its inputs beside it, which who listed their level before they came does not know.
            RestoreError::Plan(_) | RestoreError::NotProven { .. } => {
                let told = error.to_string();
                let mut spoiled = self.places[wanted.place].custody.spoilt();
                !self.by_hand.misread().is_empty() || spoiled.any(|key| told.contains(&key.to_string()))
            }
            _ => false,
        };
        if excused || !is_promised {
            self.coverage.reached(Reached::RestoreAtNoPoint);
            return Ok(());
        }
        let message =
            format!("{:?}, at least {least}, is promised, and was not restored: {error}", wanted.target);
        Err(Violation::new(2, message))
    }

    /// Runs a restore to its end while everything else goes on.
    fn restore_beside(
        &mut self,
        wanted: Wanted,
        restore: SlowRestore,
    ) -> Result<Result<Restored, RestoreError>, Violation> {
        let mut draw = Random::indexed(self.hands.next_u64(), Stream::Fleet, 25);
        let (window, requests) = Window::new(self.settings.list_keys_max);
        let limits = Limits {
            requests_in_flight: restore.at_once,
            read: ReadLimits {
                gap_bytes_max: *draw.pick(&[0, 64 << 10]),
                request_bytes_max: *draw.pick(&[700, 4 << 20]),
            },
            lock_byte: LockByte::SQLITE,
            // With the shorter one a request that is lost is one that failed.
            timeout: Duration::from_secs(*draw.pick(&[30, 300, 300])),
        };
        let restorer = Restorer::new(
            Catalog::new(Arc::new(window), Layout::S3, limits),
            Arc::new(Inline),
            Arc::new(|_| ()),
        );
        let reader = self.reader();
        let files = SimOutputFiles::new(&reader.disk, reader.process.pid(), reader.process.vfs_name());
        let place = self.places[wanted.place].place.clone();
        let work = async move {
            let output = Output::on(Arc::new(files), Path::new(OUTPUT), IfExists::Replace)?;
            let mut survey = restorer.survey(&place).await?;
            restorer.restore(&mut survey, wanted.target, &output, false).await
        };
        self.clients += 1;
        let client = ClientId(self.clients);
        self.waiting = Waiting { client: Some(client), answers: BTreeMap::new() };
        let ended = standing_clock::block_on(self.beside(work, requests, restore, &mut draw));
        self.by_hand.disconnect(client);
        self.waiting = Waiting::default();
        ended
    }

    async fn beside(
        &mut self,
        work: impl Future<Output = Result<Restored, RestoreError>>,
        mut requests: mpsc::UnboundedReceiver<Asked>,
        restore: SlowRestore,
        draw: &mut Random,
    ) -> Result<Result<Restored, RestoreError>, Violation> {
        let (mut began, elapsed) = (self.clock.mono(), standing_clock::stopwatch());
        let client = self.waiting.client.expect("just set");
        let (mut work, mut sleeps, mut listings) = (pin!(work), restore.sleeps, 0);
        loop {
            // Its disk lets time pass by itself.
            let behind = self.clock.mono().since(began).saturating_sub(elapsed());
            if !behind.is_zero() {
                standing_clock::advance(behind).await;
            }
            let passed = elapsed();
            if passed > ENDS_WITHIN {
                return Err(Violation::new(29, format!("a restore is not over after {passed:?}")));
            }
            let now = self.clock.mono();
            self.pass(began.after(passed).since(now))?;
            let next = self.by_hand.next_at().map_or(SLICE, |at| at.since(self.clock.mono()).min(SLICE));
            tokio::select! {
                biased;
                outcome = &mut work => return Ok(outcome),
                Some(asked) = requests.recv() => {
                    let is_read = matches!(asked.request, Request::Get { .. } | Request::GetTail { .. });
                    if sleeps > 0 && draw.ppm(if is_read { READS_PPM } else { LISTS_PPM }) {
                        sleeps -= 1;
                        // Its clock stands still meanwhile.
                        let sleep = Duration::from_millis(draw.below(restore.sleep_ms_max));
                        self.pass(sleep)?;
                        began = began.after(sleep);
                    }
                    let Asked { request, answer } = asked;
                    if is_first_page(&request) {
                        listings += 1;
                        if listings > 1 {
                            self.coverage.reached(Reached::RestoreListedAgain);
                        }
                    }
                    let id = self.by_hand.submit(self.clock.mono(), client, request);
                    self.waiting.answers.insert(id, answer);
                }
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    /// Hands an answer to the restore that asked; whether it is of one.
    pub(super) fn is_for_reader(&mut self, answered: &Answered) -> bool {
        if self.waiting.client != Some(answered.client) {
            return false;
        }
        let answer = self.waiting.answers.remove(&answered.id).expect("each request is answered once");
        // Who asked may have given up.
        let _ = answer.send(answered.answer.clone());
        true
    }

    fn reader(&mut self) -> &Reader {
        let (seed, clock, trace) = (self.seed, self.clock, self.trace);
        self.reader.get_or_insert_with(|| {
            let disk = SimDisk::new(seed, RESTORING_MACHINE, &clock.machine(), trace);
            let sqlite = SqliteRun::start(&disk);
            Reader { process: Process::start(&disk), disk, _sqlite: sqlite }
        })
    }
}

/// Whether a place is listed from the beginning.
fn is_first_page(request: &Request) -> bool {
    matches!(request, Request::List { prefix, after: None, .. } if prefix.ends_with("/0000/"))
}

/// A database as the versions of its pages.
fn image(place: usize, page_size: PageSize, database: &[u8]) -> Option<Image> {
    let pages = database.chunks(page_size.into_inner() as usize).zip(1..);
    let versions: Option<Vec<u64>> =
        pages.map(|(bytes, pgno)| page::version(place as u64, pgno, bytes)).collect();
    versions.map(Image::new)
}

/// Of a million requests for an object, and for a page of a listing, those that it sleeps before.
const READS_PPM: u32 = 700_000;
const LISTS_PPM: u32 = 50_000;
/// Where it is restored to.
const OUTPUT: &str = "/restored/app.db";
/// Its number among the machines.
const RESTORING_MACHINE: u32 = 7;
/// By its own clock, whatever the store does.
const ENDS_WITHIN: Duration = Duration::from_secs(3600);
/// So long the world may stand still for a restore that waits.
const SLICE: Duration = Duration::from_secs(1);
