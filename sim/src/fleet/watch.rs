//! Rules of one followed database that its commands tell: what it may build on, how often it asks, how much it holds.
//! Properties 10, 24, 31 and 34.

use super::settings::FleetSettings;
use crate::oracle::pace::Pace;
use crate::outcome::Violation;
use engine::manifest::{Manifest, ManifestError};
use engine::replicate::{PageSet, RequestId, SourceJob, StoreAnswer, StoreRequest};
use engine::store::{Condition, StoreError};
use engine::types::{Instant, Now, Txid, parse_txid_hex};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

type Checked = Result<(), Violation>;

/// What one life has asked for one database.
#[derive(Debug, Default)]
pub struct Watch {
    /// Requests to the store that are under way.
    asked: BTreeMap<RequestId, Asked>,
    /// When what was seen of the place was asked for; the newest last.
    seen: VecDeque<Now>,
    /// A write of which only a read can tell whether it is there.
    unproven: Option<Now>,
    /// The object that was written last.
    written: String,
    pace: Pace,
    /// The object whose write failed, how often in a row, and when the last time.
    unwritten: Option<(String, u32, Instant)>,
    /// Failures in a row, and when the first came.
    failures: Option<(Instant, u32)>,
    /// It has looked since it was opened: from then on slots come of what was looked at.
    follows: bool,
    /// The newest slot that was encoded since, and when first.
    slot: Option<(Txid, Instant)>,
    /// The objects that go up in parts.
    staged: BTreeMap<RequestId, String>,
    /// The newest slot that was announced.
    durable: Option<Txid>,
    /// The place is kept in shape as well.
    upkeep: bool,
    /// Requests that merge, and what became of the newest.
    merges: BTreeSet<RequestId>,
    merging: Option<RequestId>,
    /// Page bytes of the slot under way.
    slot_bytes: u64,
    stops: bool,
    /// It said that the place is of a newer version.
    too_new: bool,
    /// The manifest that it read last is of a newer version.
    reads_newer: bool,
}

#[derive(Clone, Debug)]
struct Asked {
    at: Now,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    List,
    /// An object under this key.
    Write(String),
    /// Of a full image beside the slots.
    Beside,
    /// Of the manifest.
    Manifest,
    /// Of an object that this life has written: where nobody looks whether a key is free it is read before it is written
    /// again, and may be there.
    ReadOwn,
    Other,
}

impl Watch {
    /// An end was asked for: intervals count no more.
    pub fn stops(&mut self) {
        self.stops = true;
    }

    /// A merge is under way.
    pub fn merges_now(&self) -> bool {
        self.merging.is_some_and(|id| self.asked.contains_key(&id))
    }

    /// It said that the place is of a newer version: nothing may be written there.
    pub fn is_too_new(&mut self) {
        self.too_new = true;
    }

    /// A job is asked of the source.
    pub fn job(&mut self, settings: &FleetSettings, now: Instant, job: &SourceJob) -> Checked {
        match job {
            SourceJob::Open { .. } => {
                (self.follows, self.slot, self.slot_bytes) = (false, None, 0);
                // What is sent after a comparison may be something else under the same key.
                self.unwritten = None;
            }
            SourceJob::Look { bytes_max, .. } | SourceJob::PinImage { bytes_max, .. } => {
                self.follows = true;
                if bytes_max + self.slot_bytes > settings.memory_bytes {
                    let message =
                        format!("a look for {bytes_max} bytes beside a slot of {}", self.slot_bytes);
                    return Err(Violation::new(24, message));
                }
            }
            SourceJob::Seal { header, pages } if self.follows && !is_image(pages) => {
                let txid = header.txids().max();
                self.slot_bytes = memory_bytes(pages);
                return self.starts_slot(settings, now, txid);
            }
            _ => {}
        }
        Ok(())
    }

    /// A slot went up.
    pub fn durable(&mut self, txid: Txid) {
        self.slot_bytes = 0;
        self.durable = Some(txid);
    }

    /// A request is asked of the store.
    pub fn request(
        &mut self,
        settings: &FleetSettings,
        now: Now,
        id: RequestId,
        request: &StoreRequest,
    ) -> Checked {
        let kind = match request {
            StoreRequest::List { .. } => Kind::List,
            StoreRequest::Put { key, condition: Condition::IfAbsent, .. } if key.ends_with(".ltx") => {
                Kind::Write(key.clone())
            }
            StoreRequest::Merge { .. } => {
                self.merges.insert(id);
                self.merging = Some(id);
                Kind::Other
            }
            StoreRequest::Complete { staged } if self.merges.contains(staged) => {
                self.merging = Some(id);
                Kind::Other
            }
            StoreRequest::Complete { staged } => {
                Kind::Write(self.staged.get(staged).cloned().unwrap_or_default())
            }
            StoreRequest::Get { key, .. } if key.ends_with(MANIFEST) => Kind::Manifest,
            StoreRequest::Get { key, .. } if settings.unconditional && *key == self.written => Kind::ReadOwn,
            StoreRequest::Stage { header, key, .. } => {
                self.staged.insert(id, key.clone());
                if self.follows && !is_snapshot(key) {
                    self.slot_bytes = 0;
                    self.starts_slot(settings, now.mono, header.txids().max())?;
                }
                Kind::Other
            }
            _ => Kind::Other,
        };
        // Without conditions what is there is looked at before and after.
        let beside = self.follows && self.subject(request).is_some_and(is_snapshot);
        let writes = !is_read(request);
        if self.too_new || self.reads_newer && writes {
            let message = format!("{request:?} to a place of a newer version");
            return Err(Violation::new(34, message));
        }
        if let Kind::Write(key) = &kind {
            self.builds_on_fresh(settings, now)?;
            match beside {
                true => self.is_confirmed(key)?,
                false => {
                    self.written.clone_from(key);
                    self.paused_enough(key, now.mono)?;
                }
            }
        }
        let kind = if beside { Kind::Beside } else { kind };
        self.pace.asks(id, request, now.mono)?;
        self.asked.insert(id, Asked { at: now, kind });
        self.upkeep = settings.upkeep.is_some();
        let upkeep = if self.upkeep { UPKEEP_UNDER_WAY_MAX + UPKEEP_GIVEN_UP_MAX } else { 0 };
        if self.asked.len() > UNDER_WAY_MAX + upkeep {
            return Err(Violation::new(24, format!("{} requests of one database at once", self.asked.len())));
        }
        Ok(())
    }

    /// It was answered.
    pub fn answered(&mut self, now: Now, id: RequestId, result: &Result<StoreAnswer, StoreError>) -> Checked {
        let Some(asked) = self.asked.remove(&id) else { return Ok(()) };
        self.pace.answered(id, now.mono, result.as_ref().err());
        if asked.kind == Kind::Manifest {
            self.reads_newer = match result {
                Ok(StoreAnswer::Got(got)) => is_newer(&got.bytes),
                // Whoever wrote it has taken it away.
                Err(StoreError::Missing) => false,
                _ => self.reads_newer,
            };
        }
        match (result, asked.kind) {
            // Slots go on whatever becomes of it.
            (_, Kind::Beside) => return Ok(()),
            (Ok(_), kind) => {
                (self.failures, self.unwritten) = (None, None);
                match kind {
                    Kind::List | Kind::Write(_) | Kind::ReadOwn => self.saw(asked.at),
                    Kind::Manifest | Kind::Other | Kind::Beside => {
                        let got = matches!(result, Ok(StoreAnswer::Got(_)));
                        self.unproven.take_if(|_| got).into_iter().for_each(|at| self.saw(at));
                    }
                }
                return Ok(());
            }
            (Err(StoreError::Refused), Kind::Write(_)) => {
                self.unproven = Some(asked.at);
                return Ok(());
            }
            // A place without a folder.
            (Err(StoreError::Missing), Kind::List) => {
                self.saw(asked.at);
                return Ok(());
            }
            (Err(StoreError::Refused | StoreError::Missing | StoreError::Conflict), _) => return Ok(()),
            (Err(StoreError::Ambiguous(_)), Kind::Write(key)) => {
                self.write_failed(&key, now.mono);
                self.unproven = Some(asked.at);
            }
            (Err(_), Kind::Write(key)) => self.write_failed(&key, now.mono),
            _ => {}
        }
        let (since, failures) = self.failures.get_or_insert((now.mono, 0));
        *failures += 1;
        // Headers are read side by side, each with pauses of its own.
        let side_by_side = if self.upkeep { UPKEEP_UNDER_WAY_MAX as u32 } else { 1 };
        let takes = PAUSE_MIN * (*failures / side_by_side).saturating_sub(FAILURES_QUICK);
        if now.mono.since(*since) < takes {
            let message = format!("{failures} failures in a row in {:?}", now.mono.since(*since));
            return Err(Violation::new(31, message));
        }
        Ok(())
    }

    /// Property 5 of a full image: its slot was announced before.
    fn is_confirmed(&self, key: &str) -> Checked {
        let name = key.rsplit('/').next().and_then(|name| name.strip_suffix(".ltx"));
        let max = name.and_then(|name| name.split_once('-')).and_then(|(_, max)| parse_txid_hex(max).ok());
        if max > self.durable {
            let message = format!("{key} is written, and durable is {:?}", self.durable);
            return Err(Violation::new(5, message));
        }
        Ok(())
    }

    /// The key of an object that a request is about.
    fn subject<'a>(&'a self, request: &'a StoreRequest) -> Option<&'a str> {
        match request {
            StoreRequest::Put { key, .. }
            | StoreRequest::Stage { key, .. }
            | StoreRequest::Get { key, .. } => Some(key),
            StoreRequest::Complete { staged } | StoreRequest::Discard { staged } => {
                self.staged.get(staged).map(String::as_str)
            }
            _ => None,
        }
    }

    fn saw(&mut self, at: Now) {
        self.seen.push_back(at);
        if self.seen.len() > SEEN_MAX {
            self.seen.pop_front();
        }
    }

    fn write_failed(&mut self, key: &str, now: Instant) {
        let before =
            self.unwritten.take().filter(|(unwritten, ..)| unwritten == key).map_or(0, |(_, n, _)| n);
        self.unwritten = Some((key.to_owned(), before + 1, now));
    }

    /// Pauses between the attempts at one object grow: at least by half of what they double to.
    fn paused_enough(&self, key: &str, now: Instant) -> Checked {
        let Some((_, failures, at)) = self.unwritten.as_ref().filter(|(unwritten, ..)| unwritten == key)
        else {
            return Ok(());
        };
        let pause = FIRST_PAUSE * (1 << (failures - 1).min(DOUBLINGS_MAX));
        if now.since(*at) < pause {
            let message = format!("{key} is sent again {:?} after failure {failures}", now.since(*at));
            return Err(Violation::new(31, message));
        }
        Ok(())
    }

    fn starts_slot(&mut self, settings: &FleetSettings, now: Instant, txid: Txid) -> Checked {
        let before = self.slot.filter(|(before, _)| *before < txid);
        if self.slot.is_none_or(|(before, _)| before < txid) {
            self.slot = Some((txid, now));
        }
        match before {
            Some((before, at)) if now.since(at) < settings.min_interval && !self.stops => {
                let message = format!("slot {txid} follows {before} after {:?}", now.since(at));
                Err(Violation::new(31, message))
            }
            _ => Ok(()),
        }
    }

    /// Rule 8 of the slots: nothing is written on the strength of what was seen longer ago than half the time that slots
    /// stay, by either clock.
    fn builds_on_fresh(&self, settings: &FleetSettings, now: Now) -> Checked {
        let age = |seen: &Now| {
            let wall_ms = now.wall.as_millis().abs_diff(seen.wall.as_millis());
            now.mono.since(seen.mono).max(Duration::from_millis(wall_ms))
        };
        let youngest = self.seen.iter().map(age).min();
        match youngest {
            Some(age) if age <= settings.l0_retention / 2 => Ok(()),
            age => {
                let message = format!("an object is sent on top of what was seen {age:?} ago");
                Err(Violation::new(10, message))
            }
        }
    }
}

fn is_newer(manifest: &[u8]) -> bool {
    matches!(Manifest::decode(manifest), Err(ManifestError::Newer { .. }))
}

/// Whether a request leaves the store as it is.
pub(super) fn is_read(request: &StoreRequest) -> bool {
    match request {
        StoreRequest::Get { .. }
        | StoreRequest::List { .. }
        | StoreRequest::Hash { .. }
        | StoreRequest::Page { .. }
        | StoreRequest::Digest { .. } => true,
        StoreRequest::Put { .. }
        | StoreRequest::Stage { .. }
        | StoreRequest::Complete { .. }
        | StoreRequest::Discard { .. }
        | StoreRequest::Merge { .. }
        | StoreRequest::Delete { .. }
        | StoreRequest::DeleteIfMatch { .. } => false,
    }
}

fn memory_bytes(pages: &PageSet) -> u64 {
    match pages {
        PageSet::Memory(pages) => pages.values().map(|page| page.len() as u64).sum(),
        PageSet::Pinned(_) | PageSet::Image(_) => 0,
    }
}

fn is_image(pages: &PageSet) -> bool {
    matches!(pages, PageSet::Image(_))
}

fn is_snapshot(key: &str) -> bool {
    key.contains("/0009/")
}

/// A slot, or a listing, the manifest, a full image, and what phases that are over had asked.
const UNDER_WAY_MAX: usize = 8;
/// Headers that are read side by side, a merge.
const UPKEEP_UNDER_WAY_MAX: usize = 9;
/// Headers that a pass had asked for which was given up since: where the store is silent they stay for half a minute.
const UPKEEP_GIVEN_UP_MAX: usize = 8;
/// The engine may build on a somewhat older one than the newest, after a jump of the wall clock.
const SEEN_MAX: usize = 4;
const MANIFEST: &str = "/manifest.json";
/// The shortest pause after one failure, and how often it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const DOUBLINGS_MAX: u32 = 8;
/// So many failures may come while pauses still are short.
const FAILURES_QUICK: u32 = 24;
/// From then on each takes at least this long: a fraction of the longest pause.
const PAUSE_MIN: Duration = Duration::from_secs(4);
