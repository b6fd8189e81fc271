//! One life of `walsync restore`: the real `Restorer` in a simulated process, on a machine of its own.
//!
//! Its code is async; who plays the run polls it, carries its requests and lets time pass for both.

use super::files::SimFiles;
use super::output::SimOutputFiles;
use super::window::{Asked, Damage, Window};
use engine::key::{Layout, Place};
use engine::replicate::RestoreProof;
use engine::restore::{ReadLimits, Target};
use engine::types::{Instant, LockByte, Txid};
use io_real::port::Work;
use io_real::restore::{
    Catalog, Event, IfExists, Limits, Observer, Output, Recorder, RestoreError, Restored, Restorer,
};
use io_real::state::StateStore;
use io_sim::disk::{Pid, SimDisk};
use io_sim::network::{ClientId, Network, RequestId};
use io_sim::process::Process;
use io_sim::random::Random;
use io_sim::s3::{Answer, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{mpsc, oneshot};

/// The local state of the machine that is restored to.
pub(super) const STATE: &str = "/state/state.db";

/// What a restore is told to do.
pub(super) struct Order {
    pub(super) place: Place,
    pub(super) target: Target,
    pub(super) output: String,
    pub(super) if_exists: IfExists,
    pub(super) checks_integrity: bool,
    pub(super) lock_byte: LockByte,
    pub(super) list_keys_max: usize,
}

/// What strikes when the file is finished and lacks its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strike {
    Nothing,
    Kill { operations: u64 },
    Cut { operations: u64 },
}

/// What a restore says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It means to make this state.
    Planned(Txid),
    /// It found an object damaged.
    Damaged,
    /// It tells of a finished file.
    Recorded {
        /// Which is durable.
        durable: bool,
        /// And the local state knows of it.
        saved: bool,
    },
}

/// A living restore, but for the future that is its work.
pub(super) struct Restoring {
    pub(super) process: Process,
    network: Network,
    client: ClientId,
    pub(super) damage: Damage,
    pub(super) requests: mpsc::UnboundedReceiver<Asked>,
    waiting: BTreeMap<RequestId, (Request, oneshot::Sender<Answer>)>,
    told: Receiver<Told>,
    /// The most bytes that it asks for at once.
    pub(super) request_bytes_max: u64,
    /// Keys that were there when it began to list the place the last time, and when it began the last listing that it ended.
    began_with: BTreeSet<String>,
    pub(super) listed: BTreeSet<String>,
    /// So often it began to list the place.
    pub(super) listings: u32,
}

impl Restoring {
    /// Starts the process; its work is the second value.
    pub(super) fn start(
        disk: &SimDisk,
        order: Order,
        (network, damage): (Network, Damage),
        strike: Strike,
        draw: &mut Random,
    ) -> (Restoring, impl Future<Output = Result<Restored, RestoreError>> + use<>) {
        let process = Process::start(disk);
        let (window, requests) = Window::new(order.list_keys_max);
        let (tell, told) = channel();
        let limits = Limits {
            requests_in_flight: *draw.pick(&[1, 3, 16]),
            read: ReadLimits {
                gap_bytes_max: *draw.pick(&[0, 1000, 64 << 10]),
                // A few bytes cut every field; of one byte each, a restore would be more events than a run may have.
                request_bytes_max: *draw.pick(&[7, 10_000, 4 << 20]),
            },
            lock_byte: order.lock_byte,
            ..Limits::default()
        };
        let request_bytes_max = limits.read.request_bytes_max;
        let catalog = Catalog::new(Arc::new(window), Layout::S3, limits);
        let recorder = recorder(disk, &process, strike, tell.clone());
        let restorer = Restorer::new(catalog, Arc::new(Inline), observer(tell)).recording(recorder);
        let files = Arc::new(SimOutputFiles::new(disk, process.pid(), process.vfs_name()));
        let work = async move {
            let output = Output::on(files, Path::new(&order.output), order.if_exists)?;
            let mut survey = restorer.survey(&order.place).await?;
            restorer.restore(&mut survey, order.target, &output, order.checks_integrity).await
        };
        let (client, waiting) = (ClientId(0), BTreeMap::new());
        let (began_with, listed) = (BTreeSet::new(), BTreeSet::new());
        let restoring = Restoring {
            process,
            network,
            client,
            damage,
            requests,
            waiting,
            told,
            request_bytes_max,
            began_with,
            listed,
            listings: 0,
        };
        (restoring, work)
    }

    /// Sends a request. `keys`: what the place holds now.
    pub(super) fn send(&mut self, now: Instant, asked: Asked, keys: impl FnOnce() -> BTreeSet<String>) {
        // Levels are listed from the lowest up.
        if matches!(&asked.request, Request::List { prefix, after: None, .. } if prefix.ends_with("/0000/")) {
            self.began_with = keys();
            self.listings += 1;
        }
        let id = self.network.submit(now, self.client, asked.request.clone());
        self.waiting.insert(id, (asked.request, asked.answer));
    }

    /// Lets the network do what is due, and hands answers over.
    pub(super) fn carry(&mut self, now: Instant) {
        while let Some(answered) = self.network.poll(now) {
            let (request, answer) = self.waiting.remove(&answered.id).expect("each request is answered once");
            let is_last_level =
                matches!(&request, Request::List { prefix, .. } if prefix.ends_with("/0009/"));
            if is_last_level && answered.answer.is_ok() {
                self.listed.clone_from(&self.began_with);
            }
            // Who asked may have given up.
            let _ = answer.send(self.damage.seen_through(&request, answered.answer));
        }
    }

    /// When the network does something next.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.network.next_at()
    }

    /// Keys of objects that were not what they are for this reader, on the way or where they lie.
    pub(super) fn misread(&self) -> BTreeSet<String> {
        self.network.misread().iter().cloned().chain(self.damage.spoils().map(str::to_owned)).collect()
    }

    /// What it said since the last time.
    pub(super) fn take_told(&self) -> Vec<Told> {
        self.told.try_iter().collect()
    }
}

fn observer(tell: Sender<Told>) -> Observer {
    Arc::new(move |event| {
        let told = match event {
            Event::Planned(plan) => Told::Planned(plan.txid()),
            Event::Damaged { .. } => Told::Damaged,
            Event::ListedAgain { .. } | Event::NoWayAround { .. } | Event::Downloaded(_) => return,
        };
        // Who listens may be gone.
        let _ = tell.send(told);
    })
}

/// Keeps what a later `watch` needs, as the command does; then strikes.
fn recorder(disk: &SimDisk, process: &Process, strike: Strike, tell: Sender<Told>) -> Recorder {
    let (disk, pid, vfs) = (disk.clone(), process.pid(), process.vfs_name().to_owned());
    Arc::new(move |path, proof| {
        let durable = is_durable(&disk, proof);
        let saved = save(&disk, pid, &vfs, path, proof);
        match strike {
            Strike::Nothing => {}
            Strike::Kill { operations } => disk.kill_in(pid, operations),
            Strike::Cut { operations } => disk.cut_power_in(operations),
        }
        let _ = tell.send(Told::Recorded { durable, saved });
    })
}

fn save(disk: &SimDisk, pid: Pid, vfs: &str, path: &Path, proof: &RestoreProof) -> bool {
    let files = Arc::new(SimFiles { disk: disk.clone(), pid });
    let state = StateStore::open(Some(vfs), Path::new(STATE), files);
    state.is_ok_and(|mut state| state.save_restored(super::files::text(path), proof).is_ok())
}

/// Whether a power cut now would leave the file that a proof is about.
fn is_durable(disk: &SimDisk, proof: &RestoreProof) -> bool {
    let is_it = |path: &String| disk.peek_stat(path).is_some_and(|stat| stat.inode == proof.file.inode);
    disk.peek_paths().into_iter().find(is_it).is_some_and(|path| disk.peek_durable(&path))
}

/// Work is done at once.
pub(crate) struct Inline;

impl Work for Inline {
    fn start(&self, job: Box<dyn FnOnce() + Send>) {
        job();
    }
}
