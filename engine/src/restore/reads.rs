//! From the pages that are wanted of one object to ranged reads.

use crate::key::ObjectKey;
use crate::ltx::index::PageEntry;
use std::ops::Range;

/// How much of an object is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Only what holds wanted pages: right where the result's checksum proves them.
    Needed,
    /// Every byte, so that the object's own checksums can be computed: needed where nothing else vouches for
    /// the pages.
    Whole,
}

/// Bounds of a single read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes nobody wants that are read rather than starting another request.
    pub gap_bytes_max: u64,
    /// Bytes per request; a single page may need more.
    pub request_bytes_max: u64,
}

impl ReadLimits {
    /// Where a request costs about as much as 64 KiB of transfer, and a few requests of 8 MiB fill a line.
    pub const DEFAULT: ReadLimits = ReadLimits { gap_bytes_max: 64 << 10, request_bytes_max: 8 << 20 };
}

/// One read: bytes of an object, and the pages in them to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The object.
    pub object: ObjectKey,
    /// Bytes of the object.
    pub range: Range<u64>,
    /// The pages to write from it, ascending; their offsets are those in the object.
    pub pages: Vec<PageEntry>,
}

/// The byte after a frame.
pub(super) fn end_of(page: &PageEntry) -> u64 {
    page.offset + u64::from(page.length)
}

/// Groups wanted pages (ascending offsets, not overlapping) into reads.
///
/// With [`Reading::Whole`] the reads tile the object, and pages stay whole; an object of which no page is
/// wanted is not read at all.
pub(super) fn group(
    object: ObjectKey,
    object_bytes: u64,
    wanted: &[PageEntry],
    reading: Reading,
    limits: ReadLimits,
) -> Vec<Fetch> {
    let mut fetches: Vec<Fetch> = Vec::new();
    for page in wanted {
        let gap_bytes_max = if reading == Reading::Whole { u64::MAX } else { limits.gap_bytes_max };
        match fetches.last_mut() {
            Some(last)
                if page.offset - last.range.end <= gap_bytes_max
                    && end_of(page) - last.range.start <= limits.request_bytes_max =>
            {
                last.range.end = end_of(page);
                last.pages.push(*page);
            }
            _ => fetches.push(Fetch { object, range: page.offset..end_of(page), pages: vec![*page] }),
        }
    }
    if reading == Reading::Whole && !fetches.is_empty() {
        fetches = tile(object, object_bytes, fetches, limits.request_bytes_max);
    }
    fetches
}

/// Fills the spaces before, between and after the reads, in pieces of at most `request_bytes_max`.
fn tile(object: ObjectKey, object_bytes: u64, fetches: Vec<Fetch>, request_bytes_max: u64) -> Vec<Fetch> {
    let mut tiled = Vec::with_capacity(fetches.len() + 2);
    let mut at = 0;
    let fill = |tiled: &mut Vec<Fetch>, from: u64, to: u64| {
        let mut at = from;
        while at < to {
            let end = at.saturating_add(request_bytes_max.max(1)).min(to);
            tiled.push(Fetch { object, range: at..end, pages: Vec::new() });
            at = end;
        }
    };
    for mut fetch in fetches {
        if fetch.range.end - at <= request_bytes_max {
            fetch.range.start = at;
        } else {
            fill(&mut tiled, at, fetch.range.start);
        }
        at = fetch.range.end;
        tiled.push(fetch);
    }
    match tiled.last_mut() {
        Some(last) if object_bytes - last.range.start <= request_bytes_max => last.range.end = object_bytes,
        _ => fill(&mut tiled, at, object_bytes),
    }
    tiled
}
