//! What a power cut leaves of one file: each unsynced sector is kept, torn or dropped on its own, whatever
//! the order in which it was written.

use super::inode::{Change, Inode};
use super::stat::DiskStats;
use crate::faults::CrashPolicy;
use crate::random::Random;

/// The medium's content while the unsynced changes are decided one after the other.
struct Survivor<'a> {
    image: Vec<u8>,
    /// The size that the medium's inode holds.
    size: usize,
    /// The size that the kernel showed at this point of the log.
    shown_size: usize,
    policy: CrashPolicy,
    random: &'a mut Random,
    stats: &'a mut DiskStats,
}

impl Inode {
    /// Decides what survived; afterwards that is both live and durable, and nobody has the file open.
    pub(super) fn crash(&mut self, policy: CrashPolicy, random: &mut Random, stats: &mut DiskStats) {
        let image = std::mem::take(&mut self.durable);
        let size = image.len();
        let mut survivor = Survivor { image, size, shown_size: size, policy, random, stats };
        for change in self.given_up.drain(..).chain(self.unsynced.drain(..)) {
            match change {
                Change::SetSize(size) => survivor.set_size(size),
                Change::Write { offset, bytes } => survivor.write(offset, &bytes),
            }
        }
        self.durable = survivor.finish();
        self.live.clone_from(&self.durable);
        self.changes += 1;
        self.users = 0;
    }
}

impl Survivor<'_> {
    fn set_size(&mut self, size: usize) {
        self.shown_size = size;
        if self.size_survives() {
            self.size = size;
            self.image.truncate(size);
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if end > self.shown_size {
            self.shown_size = end;
            if self.size_survives() {
                self.size = self.size.max(end);
            }
        }
        let sector = self.policy.sector_bytes as usize;
        let mut at = offset;
        while at < end {
            let sector_end = ((at / sector + 1) * sector).min(end);
            let survived = self.sector_bytes_that_survive(sector_end - at);
            self.put(at, &bytes[at - offset..at - offset + survived]);
            at = sector_end;
        }
    }

    fn size_survives(&mut self) -> bool {
        let kept = self.random.ppm(self.policy.keep_size_ppm);
        self.stats.sizes_lost += u64::from(!kept);
        kept
    }

    fn sector_bytes_that_survive(&mut self, count: usize) -> usize {
        if self.random.ppm(self.policy.keep_ppm) {
            self.stats.sectors_kept += 1;
            count
        } else if self.random.ppm(self.policy.torn_ppm) {
            self.stats.sectors_torn += 1;
            self.random.below_usize(count)
        } else {
            self.stats.sectors_dropped += 1;
            0
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.image.len() < at + bytes.len() {
            self.grow(at);
            self.image.resize((at + bytes.len()).max(self.image.len()), 0);
        }
        self.image[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Makes the image at least `size` long, with zeros or garbage.
    fn grow(&mut self, size: usize) {
        let old = self.image.len();
        if old < size {
            self.image.resize(size, 0);
            if self.policy.garbage_in_holes {
                self.random.fill(&mut self.image[old..]);
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.image.truncate(self.size);
        self.grow(self.size);
        self.image
    }
}
