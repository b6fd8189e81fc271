//! The local state of one database on one machine: what was saved stays, whatever dies. It keeps page checksums as the
//! real one does, chunk by chunk, so that a chunk that was not marked is an old one.

use engine::db::PageSums;
use engine::replicate::{CachedSums, LocalState, StateChange};

/// What a machine knows of a database.
#[derive(Clone, Debug, Default)]
pub struct SavedState {
    state: LocalState,
}

impl SavedState {
    /// Everything.
    pub fn load(&self) -> LocalState {
        self.state.clone()
    }

    /// Takes a change, as one.
    pub fn save(&mut self, change: StateChange) {
        let state = &mut self.state;
        if let Some(node) = change.add_own.filter(|node| !state.own.contains(node)) {
            state.own.push(node);
        }
        state.pending.extend(change.add_pending);
        if let Some(confirmed) = change.confirmed {
            state.confirmed = Some(confirmed);
            state.pending.retain(|record| record.txid > confirmed.txid);
        }
        if let Some(sums) = change.sums {
            state.sums = merged(state.sums.take(), sums);
        }
        if let Some(by) = change.fenced_by {
            state.fenced_by = Some(by);
        }
    }
}

/// Chunks that are not dirty stay as they were saved. Loading notices what does not fit together.
fn merged(before: Option<CachedSums>, mut new: CachedSums) -> Option<CachedSums> {
    let saved = before.filter(|before| before.page_size == new.page_size);
    let mut sums = PageSums::unknown(new.sums.page_count());
    let dirty: Vec<u32> = new.sums.dirty_chunks().collect();
    for chunk in 0..new.sums.chunk_count() {
        let old = saved.as_ref().filter(|s| chunk < s.sums.chunk_count() && !dirty.contains(&chunk));
        let bytes = old.map_or_else(|| new.sums.chunk(chunk), |saved| saved.sums.chunk(chunk));
        sums.load_chunk(chunk, &bytes).expect("a chunk of such a state");
    }
    let fits = sums.checksum() == new.sums.checksum();
    new.sums = sums;
    fits.then_some(new)
}
