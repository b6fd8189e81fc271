//! The memory of a wal-index, in SQLite's regions of 32 KiB.

use crate::shared::Shared;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

/// Regions of memory that connections map. They stay where they are until the last holder is gone.
#[derive(Default)]
pub(crate) struct SharedMemory(Regions);

struct Regions(Shared<Vec<Region>>);

/// One region, owned: made by `Box::into_raw`, freed on drop.
struct Region(NonNull<[u64; REGION_WORDS]>);

// SAFETY: the memory is plain words without owner or destructor, so it may move to another thread with the
// world that it belongs to. A world has one thread at a time, and that thread runs SQLite too.
unsafe impl Send for Region {}

impl Default for Regions {
    fn default() -> Regions {
        Regions(Shared::new(Vec::new()))
    }
}

impl SharedMemory {
    /// The address of a region; null when it does not exist and `extend` does not ask for it.
    pub(crate) fn region(&self, index: usize, extend: bool) -> *mut c_void {
        let mut regions = self.0.0.lock();
        while extend && regions.len() <= index {
            regions.push(Region::zeroed());
        }
        regions.get(index).map_or(std::ptr::null_mut(), |region| region.0.as_ptr().cast())
    }

    /// A word of the first region, in native order; `None` where nothing is mapped.
    pub(crate) fn word(&self, index: usize) -> Option<u32> {
        let words = self.0.0.lock().first().map(Region::copy_out)?;
        let pair = words[index / 2].to_ne_bytes();
        let (first, second) = pair.split_first_chunk::<4>()?;
        Some(u32::from_ne_bytes(if index.is_multiple_of(2) { *first } else { second.try_into().ok()? }))
    }

    /// Changes it.
    pub(super) fn set_word(&self, index: usize, value: u32) {
        if let Some(region) = self.0.0.lock().first() {
            let mut words = region.copy_out();
            let mut pair = words[index / 2].to_ne_bytes();
            pair[index % 2 * 4..][..4].copy_from_slice(&value.to_ne_bytes());
            words[index / 2] = u64::from_ne_bytes(pair);
            region.copy_in(&words);
        }
    }

    /// What readers find their pages by: all words but those of read marks and locks.
    pub(crate) fn index_words(&self) -> Vec<u64> {
        let regions = self.0.0.lock();
        let mut words = Vec::with_capacity(regions.len() * REGION_WORDS);
        for region in regions.iter() {
            words.extend_from_slice(&*region.copy_out());
        }
        if let Some(marks) = words.get_mut(MARKS_AND_LOCKS) {
            marks.fill(0);
        }
        words
    }

    /// Length of the `-shm` file that this would be.
    pub(crate) fn size_bytes(&self) -> u64 {
        (self.0.0.lock().len() * REGION_BYTES) as u64
    }
}

/// A copy of shared memory, and where it came from.
pub(crate) struct SavedMemory {
    memory: Arc<SharedMemory>,
    regions: Vec<Box<[u64; REGION_WORDS]>>,
}

impl SavedMemory {
    /// Copies everything.
    pub(crate) fn of(memory: Arc<SharedMemory>) -> SavedMemory {
        let regions = memory.0.0.lock().iter().map(Region::copy_out).collect();
        SavedMemory { memory, regions }
    }

    /// Puts the copy back; regions that were added since become zeros, as a file that was never that long.
    pub(crate) fn restore(&self) {
        for (index, region) in self.memory.0.0.lock().iter().enumerate() {
            region.copy_in(self.regions.get(index).map_or(&[0; REGION_WORDS], |words| words));
        }
    }

    /// Whether nothing was written since.
    #[cfg(test)]
    pub(crate) fn is_current(&self) -> bool {
        SavedMemory::of(Arc::clone(&self.memory)).regions == self.regions
    }
}

impl Region {
    fn zeroed() -> Region {
        Region(NonNull::from(Box::leak(Box::new([0; REGION_WORDS]))))
    }

    fn copy_out(&self) -> Box<[u64; REGION_WORDS]> {
        // SAFETY: the pointer is to a live region that this value owns; SQLite, which writes to it through
        // its own pointers, is not running: the world's thread is here.
        Box::new(unsafe { self.0.as_ptr().read() })
    }

    fn copy_in(&self, words: &[u64; REGION_WORDS]) {
        // SAFETY: as in `copy_out`; plain words need no drop.
        unsafe { self.0.as_ptr().write(*words) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: made by `Box::leak` in `zeroed` and freed only here; whoever maps the region holds the
        // `SharedMemory` that owns it.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// `WALINDEX_PGSZ`: SQLite asks for no other size on systems whose pages are at most 32 KiB.
pub(super) const REGION_BYTES: usize = 32 * 1024;
const REGION_WORDS: usize = REGION_BYTES / 8;
/// Of `WalCkptInfo`, behind two copies of the header (SQLite's wal.c), what changes when somebody reads. Before it lie how
/// much was copied, and read mark 0, which is always 0.
const MARKS_AND_LOCKS: std::ops::Range<usize> = 13..17;
