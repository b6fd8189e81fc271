//! The local state of one database on one machine: what was saved stays, whatever dies. It keeps page checksums as the
//! real one does, chunk by chunk, so that a chunk that was not marked is an old one.

use super::mischief::Damage;
use engine::db::PageSums;
use engine::db::{CHUNK_BYTES, ChunkError};
use engine::replicate::{CachedSums, LocalState, RestoreProof, StateChange};
use engine::types::Txid;

/// What a machine knows of a database.
#[derive(Clone, Debug, Default)]
pub struct SavedState {
    state: LocalState,
    /// What its rows of page checksums are like when they are read next.
    damaged: Option<Damage>,
}

impl SavedState {
    /// Everything. Page checksums that do not decode are none.
    pub fn load(&mut self) -> LocalState {
        if let Some(damage) = self.damaged.take() {
            self.state.sums = self.state.sums.take().filter(|cached| reads(&cached.sums, damage).is_ok());
        }
        self.state.clone()
    }

    /// Rows are damaged where they lie.
    pub fn damage(&mut self, how: Damage) {
        self.damaged = Some(how);
    }

    /// The newest slot of which it knows that it is there.
    pub fn confirmed(&self) -> Option<Txid> {
        self.state.confirmed.map(|confirmed| confirmed.txid)
    }

    /// A restore leaves what it knows of the file that it made.
    pub fn restored(&mut self, proof: RestoreProof) {
        self.state.restored = Some(proof);
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
            // Theirs are worth more than a restore's.
            state.restored = None;
            self.damaged = None;
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

/// Reads damaged rows back, as the real local state does.
fn reads(sums: &PageSums, damage: Damage) -> Result<(), ChunkError> {
    let mut read = PageSums::unknown(sums.page_count());
    let Some(last) = sums.chunk_count().checked_sub(1) else { return Ok(()) };
    let mut row = sums.chunk(last);
    match damage {
        Damage::Short => read.load_chunk(last, &row[..CHUNK_BYTES / 2]),
        Damage::Beyond => read.load_chunk(last + 1, &row),
        Damage::Impossible => {
            row[..8].fill(1);
            read.load_chunk(last, &row)
        }
        Damage::Gone => Err(ChunkError::Length { chunk: last, bytes: 0 }),
    }
}
