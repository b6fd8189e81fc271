//! One database of the world: its application, what the store should hold of it, and the oracles that compare.

use crate::oracle::image::{self, digest};
use crate::oracle::mirror::Mirror;
use crate::oracle::restore::Snapshot;
use crate::oracle::states::States;
use crate::oracle::stop::{self, Asked};
use crate::outcome::Violation;
use crate::settings::Settings;
use crate::workload::Application;
use crate::world::config::lock_byte;
use engine::key::Place;
use engine::replicate::{Hint, SourceId, Status};
use engine::restore::Target;
use engine::types::{Instant, NodeId, Txid};
use io_sim::disk::{FileStat, SimDisk};
use io_sim::process::Process;
use io_sim::s3::SimS3;
use std::collections::BTreeMap;

/// A database.
pub(super) struct Database {
    // Connections go before processes: fields drop in order.
    pub(super) application: Application,
    observer: Process,
    pub(super) path: String,
    pub(super) place: Place,
    pub(super) settings: Settings,
    pub(super) mirror: Mirror,
    /// Its states; one application alone writes it, and the oracles know that by a number.
    states: BTreeMap<usize, States>,
    /// The writer ids of all lives.
    pub(super) own: Vec<NodeId>,
    announced: Vec<Txid>,
    /// Its number in the life that follows it.
    pub(super) followed: Option<SourceId>,
    /// When it is added again.
    pub(super) add_at: Option<Instant>,
    /// What was last said of it.
    pub(super) status: Option<Status>,
    stop_asked: Option<Asked>,
    /// What this life told of trouble.
    pub(super) troubles: u64,
    file_then: Option<FileStat>,
}

type Checked = Result<(), Violation>;

/// The only writer.
const WRITER: usize = 0;

impl Database {
    pub(super) fn start(
        number: usize,
        settings: &Settings,
        disk: &SimDisk,
        store: &SimS3,
    ) -> Result<Database, Violation> {
        let path = format!("/app/db{number}.db");
        let place = Place::new(&format!("prod/db{number}")).expect("a legal folder");
        let application = disk.calm(|| Application::start(disk, &path, settings));
        let application = application.map_err(|e| Violation::new(0, format!("the application: {e}")))?;
        let mut database = Database {
            application,
            observer: Process::start(disk),
            mirror: Mirror::new(place.clone(), store, lock_byte(settings)),
            states: BTreeMap::new(),
            own: Vec::new(),
            announced: Vec::new(),
            followed: None,
            add_at: None,
            status: None,
            stop_asked: None,
            troubles: 0,
            file_then: None,
            settings: settings.clone(),
            path,
            place,
        };
        database.observe()?;
        Ok(database)
    }

    /// The application did something: what is the database now?
    pub(super) fn observe(&mut self) -> Checked {
        let image = image::observe(&self.observer, &self.path)?;
        self.states.entry(WRITER).or_default().now(digest(&image), image);
        Ok(())
    }

    /// What a watcher of the files would hint at.
    pub(super) fn hint(&mut self, disk: &SimDisk) -> Hint {
        let file = disk.peek_stat(&self.path);
        let written = std::mem::replace(&mut self.file_then, file) != file;
        if written { Hint::Database } else { Hint::Log }
    }

    /// An orderly end is asked for.
    pub(super) fn stop_is_asked(&mut self) {
        let states = self.states().len();
        if self.followed.is_some() {
            self.stop_asked.get_or_insert(Asked { states });
        }
    }

    /// Properties 1, 5, 6, 7 and 16 at the moment of the announcement.
    pub(super) fn durable(&mut self, txid: Txid) -> Checked {
        let own = &self.own;
        let writer_of = |node: NodeId| own.contains(&node).then_some(WRITER);
        self.mirror.announced(txid, own, &mut self.states, &writer_of)?;
        self.mirror.take_applied();
        self.announced.push(txid);
        Ok(())
    }

    /// Property 29 of an end.
    pub(super) fn stopped(&mut self, complete: bool) -> Checked {
        stop::check(self.stop_asked.take(), complete, &self.states[&WRITER], false, self.troubles)
    }

    /// Nobody follows it any more.
    pub(super) fn is_let_go(&mut self) {
        self.followed = None;
        self.status = None;
        self.stop_asked = None;
        self.troubles = 0;
    }

    /// Whether it is followed, and no end of that was asked for.
    pub(super) fn is_followed(&self) -> bool {
        self.status == Some(Status::Following) && self.stop_asked.is_none()
    }

    /// Pages in which the store differs from each of the newest states.
    pub(super) fn differences(&self) -> String {
        let page_bytes = crate::oracle::restart::page_bytes(self.mirror.image());
        page_bytes.map_or_else(String::new, |bytes| self.states().differences(self.mirror.image(), bytes))
    }

    /// Whether everything that was committed was announced.
    pub(super) fn has_converged(&self) -> bool {
        let Some(last) = self.states().last_image() else { return false };
        self.mirror.txid().is_some() && image::same(self.mirror.image(), last)
    }

    /// Properties 1, 3, 4 and 19, at the end.
    pub(super) fn check_everything(&mut self, store: &SimS3) -> Checked {
        let before = self.states().last();
        self.observe()?;
        if self.states().last() != before {
            return Err(Violation::new(19, format!("{} changed without its application", self.path)));
        }
        let snapshot = Snapshot::take(store, &self.place, lock_byte(&self.settings));
        let (txid, database) = snapshot.restore(Target::Latest)?;
        if Some(txid) < self.mirror.txid() || digest(&database) != digest(self.mirror.image()) {
            return Err(Violation::new(1, format!("the newest restore of {} is slot {txid}", self.path)));
        }
        image::integrity(&database)?;
        let stride = self.announced.len().div_ceil(RESTORES_MAX).max(1);
        for txid in self.announced.iter().step_by(stride) {
            let (_, database) = snapshot.restore(Target::Txid(*txid))?;
            if self.mirror.contents.get(txid) != Some(&digest(&database)) {
                return Err(Violation::new(4, format!("slot {txid} is not what was announced")));
            }
        }
        Ok(())
    }

    fn states(&self) -> &States {
        &self.states[&WRITER]
    }
}

/// Announced slots that are restored at the end.
const RESTORES_MAX: usize = 6;
