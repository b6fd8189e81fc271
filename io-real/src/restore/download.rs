//! A plan to a file: newest object first, each page once, many reads at a time.

use super::blocking::{Task, off_thread};
use super::error::Fault;
use super::object::Objects;
use super::page_writer::{PageFile, Written, write_pages};
use super::reads::Limits;
use super::whole::write_whole;
use crate::port::Work;
use engine::ltx::index::PageEntry;
use engine::restore::{Apply, ApplyError, Fetch, Plan, PlannedObject, Reading};
use futures::stream::{self, FuturesUnordered, StreamExt as _};
use std::sync::Arc;

/// What came of a plan, before its checksum was looked at.
pub(super) struct Downloaded {
    pub(super) apply: Apply,
    pub(super) written: Written,
}

/// Writes the pages of a plan and gives the file its length.
pub(super) async fn download(
    objects: &Arc<Objects>,
    work: &Arc<dyn Work>,
    plan: &Plan,
    to: PageFile,
    limits: &Limits,
) -> Result<Downloaded, Fault> {
    let mut apply = Apply::new(plan, limits.lock_byte, limits.read);
    let (reading, tasks_max) = match apply.reading() {
        Reading::Needed => (Reading::Needed, limits.requests_in_flight),
        // Each reads ahead by itself.
        Reading::Whole => (Reading::Whole, WHOLE_OBJECTS_MAX),
    };
    let planned: Vec<PlannedObject> = plan.newest_first().cloned().collect();
    let mut indexes = stream::iter(planned)
        .map(|object| {
            let objects = objects.clone();
            Task::spawn(async move {
                let (_, index) = objects.index(&object.info).await?;
                Ok::<_, Fault>((object, index))
            })
        })
        .buffered(INDEXES_AHEAD);
    let mut tasks = Tasks { running: FuturesUnordered::new(), written: Written::default() };
    while let Some((object, index)) = indexes.next().await.transpose()? {
        let (next, fetches) = feed(work, apply, object.clone(), index).await?;
        apply = next;
        match reading {
            Reading::Needed => {
                for fetch in fetches {
                    tasks.wait_for_less_than(tasks_max).await?;
                    let (objects, work) = (objects.clone(), work.clone());
                    let (info, to) = (object.info.clone(), to.clone());
                    tasks.start(async move {
                        let part = objects.read(&info, fetch.range.clone()).await?;
                        off_thread(&work, move || write_pages(to, &fetch, &part.bytes)).await
                    });
                }
            }
            Reading::Whole if fetches.is_empty() => {}
            Reading::Whole => {
                tasks.wait_for_less_than(tasks_max).await?;
                let (objects, work) = (objects.clone(), work.clone());
                let (info, to) = (object.info.clone(), to.clone());
                tasks.start(async move { write_whole(&objects, &work, &info, fetches, to).await });
            }
        }
    }
    tasks.wait_for_less_than(1).await?;
    let size_bytes = apply.finish().map_err(|error| blame(&error))?;
    let done = off_thread(work, {
        let to = to.clone();
        move || to.file.set_len(size_bytes)
    });
    done.await.map_err(|error| super::OutputError::of(&to.path, error))?;
    Ok(Downloaded { apply, written: tasks.written })
}

/// Feeds one page index; of a large database that takes a while.
async fn feed(
    work: &Arc<dyn Work>,
    mut apply: Apply,
    object: PlannedObject,
    index: Vec<PageEntry>,
) -> Result<(Apply, Vec<Fetch>), Fault> {
    let fed = move || apply.object(&object, index).map(|fetches| (apply, fetches));
    off_thread(work, fed).await.map_err(|error| blame(&error))
}

/// The object to plan around.
fn blame(error: &ApplyError) -> Fault {
    match error {
        ApplyError::BadIndex { object, .. } | ApplyError::PageMissing { object, .. } => {
            Fault::Damaged(*object, error.to_string())
        }
        ApplyError::WrongSize { .. } | ApplyError::WrongChecksum { .. } => {
            unreachable!("only the finished result is compared")
        }
    }
}

/// Reads under way.
struct Tasks {
    running: FuturesUnordered<Task<Result<Written, Fault>>>,
    written: Written,
}

impl Tasks {
    fn start(&mut self, task: impl Future<Output = Result<Written, Fault>> + Send + 'static) {
        self.running.push(Task::spawn(task));
    }

    async fn wait_for_less_than(&mut self, count: usize) -> Result<(), Fault> {
        while self.running.len() >= count
            && let Some(ended) = self.running.next().await
        {
            self.written.add(ended?);
        }
        Ok(())
    }
}

/// Objects that are read whole at one time.
const WHOLE_OBJECTS_MAX: usize = 4;
/// Page indexes that are read ahead. They are small but for a snapshot's, which comes last.
const INDEXES_AHEAD: usize = 8;
