use super::super::ByteOrder;
use super::super::sample::{FRAME, Log, content, lock_page, log, pgno, scan};
use super::*;
use proptest::prelude::*;

fn tail_of(log: &Log, bytes: &[u8]) -> Tail {
    let (frames, _, _) = scan(&log.header, bytes, &[]);
    let mut tail = Tail::new(log.header.start(), lock_page());
    for frame in frames {
        tail.push(frame);
    }
    tail
}

fn tail(frames: &[(u32, Option<u32>)]) -> Tail {
    let log = Log::new(ByteOrder::Little, frames);
    tail_of(&log, &log.bytes)
}

fn numbers(pages: impl Iterator<Item = Pgno>) -> Vec<u32> {
    pages.map(|pgno| pgno.into_inner()).collect()
}

/// What SQLite reads at the commit that ends at `end` frames: the newest frame of each page, without regard
/// to what the commits in between cut off.
fn newest(log: &Log, end: usize) -> Vec<(u32, u32)> {
    let pages = end.checked_sub(1).map_or(0, |last| log.frames[last].1.unwrap());
    (1..=pages)
        .filter_map(|page| {
            log.frames[..end].iter().rposition(|(pgno, _)| *pgno == page).map(|at| (page, at as u32 + 1))
        })
        .collect()
}

proptest! {
    #[test]
    fn truncation_at_each_byte_ends_at_the_last_complete_transaction(
        log in log(), place in any::<prop::sample::Index>(),
    ) {
        let length = 32 + place.index(log.bytes.len() - 31);
        let end = log.committed((length - 32) / FRAME);
        let tail = tail_of(&log, &log.bytes[..length]);
        prop_assert_eq!(tail.position().frames as usize, end);
        let expected = newest(&log, end);
        let found: Vec<_> = tail.pages().map(|(pgno, newest)| (pgno.into_inner(), newest.frame.get())).collect();
        prop_assert_eq!(&found, &expected);
        for (page, newest) in tail.into_pages() {
            let (_, frame) = expected.iter().find(|(number, _)| *number == page.into_inner()).unwrap();
            prop_assert_eq!(&newest.content[..], &content(*frame as usize - 1)[..]);
        }
    }

    #[test]
    fn growth_and_regrown_pages_are_those_that_no_frame_since_decides(log in log(), previous in 0u32..14) {
        let tail = tail_of(&log, &log.bytes);
        let end = log.committed(log.frames.len());
        let pages = end.checked_sub(1).map_or(0, |last| log.frames[last].1.unwrap());
        let (mut missing, mut regrown) = (Vec::new(), Vec::new());
        for page in 1..=pages {
            let frame = log.frames[..end].iter().rposition(|(pgno, _)| *pgno == page);
            let cut = log.frames[..end].iter().rposition(|(_, commit)| commit.is_some_and(|pages| pages < page));
            if page > previous && frame.is_none() {
                missing.push(page);
            } else if cut.is_some() && frame < cut {
                regrown.push(page);
            }
        }
        prop_assert_eq!(numbers(tail.missing_growth(previous)), missing);
        prop_assert_eq!(numbers(tail.regrown(previous)), regrown);
    }

    #[test]
    fn an_index_agrees_with_the_pages(log in log()) {
        let (frames, _, _) = scan(&log.header, &log.bytes, &[]);
        let mut index = Tail::<()>::new(log.header.start(), lock_page());
        let mut tail = Tail::new(log.header.start(), lock_page());
        for frame in frames {
            let end = index.push_with(&frame, ());
            prop_assert_eq!(tail.push(frame), end);
        }
        let places: Vec<_> = index.pages().map(|(pgno, newest)| (pgno, newest.frame)).collect();
        prop_assert_eq!(places, tail.pages().map(|(pgno, newest)| (pgno, newest.frame)).collect::<Vec<_>>());
    }
}

#[test]
fn frames_without_a_commit_are_kept_aside() {
    let tail = tail(&[(1, Some(2)), (1, None), (2, None)]);
    assert_eq!(tail.get(pgno(1)).unwrap().frame.get(), 1);
    assert!(tail.get(pgno(2)).is_none());
    assert_eq!((tail.open_frames(), tail.position().frames), (2, 1));
}

#[test]
fn nothing_is_said_before_the_first_commit() {
    let tail = tail(&[(1, None), (2, None)]);
    assert_eq!(tail.end(), None);
    assert_eq!(tail.position(), tail.start());
    assert_eq!(tail.missing_growth(0).count() + tail.regrown(9).count() + tail.into_pages().count(), 0);
}

#[test]
fn pages_past_the_final_commit_are_dropped() {
    let tail = tail(&[(1, None), (5, Some(5)), (1, Some(3))]);
    assert!(tail.get(pgno(5)).is_none());
    assert_eq!(numbers(tail.into_pages().map(|(pgno, _)| pgno)), [1]);
}

#[test]
fn a_page_cut_off_and_back_without_a_frame_reads_its_old_frame_and_is_named() {
    let tail = tail(&[(1, None), (5, Some(5)), (1, Some(3)), (1, Some(6))]);
    assert_eq!(tail.get(pgno(5)).unwrap().frame.get(), 2);
    assert_eq!(numbers(tail.missing_growth(3)), [4, 6]);
    assert_eq!(numbers(tail.regrown(3)), [5]);
    // With five pages before, 4 was there too: unchanged, unless a checkpoint ran at three pages.
    assert_eq!(numbers(tail.missing_growth(5)), [6]);
    assert_eq!(numbers(tail.regrown(5)), [4, 5]);
}

#[test]
fn lock_page_is_neither_kept_nor_missing() {
    let log = Log::new(ByteOrder::Little, &[(1, None), (3, None), (3, Some(3)), (1, Some(4))]);
    let (frames, _, _) = scan(&log.header, &log.bytes, &[]);
    let mut tail = Tail::new(log.header.start(), pgno(3));
    for frame in frames {
        tail.push(frame);
    }
    assert!(tail.get(pgno(3)).is_none());
    assert_eq!(tail.position().frames, 4);
    assert_eq!(numbers(tail.missing_growth(1)), [2, 4]);
}

#[test]
fn a_size_from_outside_is_not_allocated() {
    let tail = tail(&[(1, Some(u32::MAX))]);
    assert_eq!(tail.missing_growth(0).next(), Some(pgno(2)));
    assert_eq!(numbers(tail.missing_growth(u32::MAX - 2)), [u32::MAX - 1, u32::MAX]);
    assert_eq!(tail.missing_growth(u32::MAX).count(), 0);
}

#[test]
#[should_panic(expected = "frames come one after the other")]
fn a_frame_left_out_is_our_bug() {
    let log = Log::new(ByteOrder::Little, &[(1, None), (2, Some(2))]);
    let (mut frames, _, _) = scan(&log.header, &log.bytes, &[]);
    Tail::new(log.header.start(), lock_page()).push(frames.remove(1));
}
