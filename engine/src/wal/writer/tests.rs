use super::super::sample::{FRAME, Log, content, pgno, scan};
use super::super::{ByteOrder, Stop};
use super::*;

#[test]
fn after_a_rewind_frames_overwrite_those_rolled_back() {
    let log = Log::new(ByteOrder::Little, &[(1, Some(1)), (2, None), (3, None), (4, None)]);
    let mut writer = WalWriter::new(log.header);
    writer.append(pgno(1), Some(1), &content(0), &mut Vec::new());
    let committed = writer.position();
    writer.append(pgno(2), None, &content(1), &mut Vec::new());
    writer.rewind(committed);
    assert_eq!(writer.next_offset() as usize, 32 + FRAME);
    let mut frame = Vec::new();
    writer.append(pgno(9), Some(9), &content(9), &mut frame);
    let mut bytes = log.bytes.clone();
    bytes[32 + FRAME..32 + 2 * FRAME].copy_from_slice(&frame);
    let (frames, stop, _) = scan(&log.header, &bytes, &[]);
    let pages: Vec<_> = frames.iter().map(|frame| frame.pgno).collect();
    assert_eq!(pages, [pgno(1), pgno(9)]);
    assert_eq!(stop, Some(Stop::BrokenChain), "frames of the same generation, but not of this chain");
}

#[test]
fn restart_begins_a_generation_at_the_start_of_the_log() {
    let mut writer = WalWriter::new(Log::new(ByteOrder::Big, &[]).header);
    writer.append(pgno(1), Some(1), &content(0), &mut Vec::new());
    let before = *writer.header();
    let after = *writer.restart(5);
    assert_eq!(after.salts(), Salts(before.salts().0 + 1, 5));
    assert_eq!(after.checkpoint_seq(), before.checkpoint_seq() + 1);
    assert_eq!((writer.position(), writer.next_offset()), (after.start(), 32));
}

#[test]
#[should_panic(expected = "at least one page")]
fn a_commit_of_no_pages_is_refused() {
    WalWriter::new(Log::new(ByteOrder::Big, &[]).header).append(
        pgno(1),
        Some(0),
        &content(0),
        &mut Vec::new(),
    );
}
