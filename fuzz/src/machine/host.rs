//! A machine that follows one database: what it has, what it was told, and what it has asked for.

use super::source::{FakeDatabase, Image};
use engine::db::PageSums;
use engine::replicate::{
    CachedSums, DatabaseConfig, LocalState, Notice, RequestId, SourceJob, StateChange, StateJob, Status,
    StoreRequest,
};

/// One database and its daemon.
pub(super) struct Host {
    pub(super) config: DatabaseConfig,
    pub(super) database: FakeDatabase,
    pub(super) state: LocalState,
    /// Everything it said since it began.
    pub(super) notices: Vec<Notice>,
    /// What it waits for, in the order in which it was asked.
    pub(super) asked: Vec<(RequestId, Asked)>,
    /// What the application had committed when the end was asked for, and after each commit since: one of these is
    /// in the store if the end says that everything is.
    pub(super) at_the_end: Vec<Image>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Source(SourceJob),
    State(StateJob),
    Store(StoreRequest),
}

impl Host {
    /// Places in `asked` of what may be answered next: jobs on the source are done in order, so are those on the
    /// local state; the store answers as it likes.
    pub(super) fn answerable(&self) -> Vec<usize> {
        let first = |is: fn(&Asked) -> bool| self.asked.iter().position(|(_, asked)| is(asked));
        let source = first(|asked| matches!(asked, Asked::Source(_)));
        let state = first(|asked| matches!(asked, Asked::State(_)));
        let is_store = |at: &usize| matches!(self.asked[*at].1, Asked::Store(_));
        let store = (0..self.asked.len()).filter(is_store);
        source.into_iter().chain(state).chain(store).collect()
    }

    /// The last that it told.
    pub(super) fn status(&self) -> Option<Status> {
        let mut newest_first = self.notices.iter().rev();
        newest_first.find_map(|notice| match notice {
            Notice::Status(status) => Some(*status),
            _ => None,
        })
    }

    /// Its end, if it came to it: whether everything is in the store.
    pub(super) fn stopped(&self) -> Option<bool> {
        self.notices.iter().find_map(|notice| match notice {
            Notice::Stopped { complete, .. } => Some(*complete),
            _ => None,
        })
    }
}

/// Writes a change, as the local state of a host does.
pub(super) fn save(state: &mut LocalState, change: StateChange) {
    state.own.extend(change.add_own);
    if let Some(confirmed) = change.confirmed {
        state.confirmed = Some(confirmed);
        state.pending.retain(|record| record.txid > confirmed.txid);
    }
    state.pending.extend(change.add_pending);
    if let Some(new) = change.sums {
        // Only what is marked dirty is written; the rest is as it was.
        let mut sums = state.sums.take().map_or_else(PageSums::new, |old| old.sums);
        sums.resize(new.sums.page_count());
        for chunk in new.sums.dirty_chunks() {
            sums.load_chunk(chunk, &new.sums.chunk(chunk)).expect("a chunk of the same size");
        }
        state.sums = Some(CachedSums { sums, ..new });
    }
    state.fenced_by = change.fenced_by.or(state.fenced_by);
}
