//! The configuration of one run, drawn from its seed.

use engine::key::Layout;
use engine::types::{LockByte, PageSize};
use io_sim::random::{Random, Stream};

/// Everything about a run that is not a deed of its plan.
#[derive(Clone, Debug)]
pub struct ArchiveSettings {
    /// The place's folder.
    pub place: &'static str,
    /// How its objects are named.
    pub layout: Layout,
    /// Page size of the first state.
    pub page_size: PageSize,
    /// Where the lock page is.
    pub lock_byte: LockByte,
    /// Keys of one page of a listing.
    pub list_keys_max: usize,
    /// Deeds of the plan.
    pub deeds: usize,
    /// Answers of the store that are errors, of a million, while it is not well.
    pub store_fault_ppm: u32,
}

impl ArchiveSettings {
    /// Draws them.
    pub fn of_seed(seed: u64) -> ArchiveSettings {
        let mut draw = Random::indexed(seed, Stream::Archive, 1);
        ArchiveSettings {
            place: draw.pick::<&str>(&["prod/app", "", "a", "a/b/c/d"]),
            layout: *draw.pick(&[Layout::S3, Layout::Tree]),
            page_size: draw_page_size(&mut draw),
            lock_byte: if draw.ppm(700_000) { LockByte::moved(65536) } else { LockByte::SQLITE },
            list_keys_max: *draw.pick(&[2, 7, 1000]),
            deeds: 40 + draw.below_usize(60),
            store_fault_ppm: *draw.pick(&[0, 50_000, 300_000]),
        }
    }

    /// One line for the head of a report.
    pub fn line(&self) -> String {
        format!("{self:?}")
    }
}

/// Any of the sizes, mostly those of which many pages fit before the moved lock page.
pub(super) fn draw_page_size(draw: &mut Random) -> PageSize {
    PageSize::new(*draw.pick(&[512, 1024, 4096, 4096, 8192, 65536])).expect("a legal size")
}
