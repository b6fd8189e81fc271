use super::super::WalWriter;
use super::super::sample::{FRAME, Log, content, log, pgno, scan};
use super::*;
use crate::types::{FrameChecksum, Salts};
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_chunking_gives_the_frames_of_one_chunk(
        log in log(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(log.bytes.len())).collect();
        let (whole, stop, _) = scan(&log.header, &log.bytes, &[]);
        prop_assert_eq!(stop, None);
        prop_assert_eq!(whole.len(), log.frames.len());
        for (index, (frame, written)) in whole.iter().zip(&log.frames).enumerate() {
            prop_assert_eq!(frame.number.get() as usize, index + 1);
            prop_assert_eq!((frame.pgno.into_inner(), frame.commit), *written);
            prop_assert_eq!(&frame.page[..], &content(index)[..]);
        }
        let (pieces, stop, _) = scan(&log.header, &log.bytes, &cuts);
        prop_assert_eq!(stop, None);
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn a_flipped_bit_ends_the_chain_there(log in log(), place in any::<prop::sample::Index>()) {
        prop_assume!(!log.frames.is_empty());
        let mut bytes = log.bytes.clone();
        let bit = place.index((bytes.len() - 32) * 8) + 32 * 8;
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (frames, stop, scanner) = scan(&log.header, &bytes, &[]);
        prop_assert_eq!(frames.len(), (bit / 8 - 32) / FRAME);
        prop_assert!(stop.is_some());
        prop_assert_eq!(scanner.position().frames as usize, frames.len());
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..3000),
        salted in any::<bool>(),
        cuts in proptest::collection::vec(0usize..3000, 0..5),
    ) {
        let log = Log::new(ByteOrder::Big, &[]);
        let mut bytes = [&log.header.encode()[..], &bytes].concat();
        if salted && bytes.len() >= 48 {
            bytes.copy_within(16..24, 40); // past the first check
        }
        let (frames, ..) = scan(&log.header, &bytes, &cuts);
        prop_assert!(frames.is_empty());
    }

    #[test]
    fn resuming_at_any_frame_gives_the_rest(log in log(), at in any::<prop::sample::Index>()) {
        let (whole, ..) = scan(&log.header, &log.bytes, &[]);
        let at = at.index(whole.len() + 1);
        let checksum = at.checked_sub(1).map_or(log.header.checksum(), |last| whole[last].checksum);
        let from = WalPosition { salts: log.header.salts(), frames: at as u32, checksum };
        let mut scanner = Scanner::new(&log.header, from, whole.len() as u32).unwrap();
        let mut rest = Vec::new();
        while let Some(wanted) = scanner.next_read() {
            let offset = wanted.offset as usize;
            scanner.push(Bytes::copy_from_slice(&log.bytes[offset..offset + wanted.bytes]));
            while let Scanned::Frame(frame) = scanner.next_frame() {
                rest.push(frame);
            }
        }
        prop_assert_eq!(scanner.next_frame(), Scanned::Stopped(Stop::Bound));
        prop_assert_eq!(&rest[..], &whole[at..]);
    }
}

#[test]
fn frames_of_an_earlier_generation_are_stale() {
    let old = Log::new(ByteOrder::Little, &[(1, None), (2, Some(2)), (3, Some(3))]);
    let mut writer = WalWriter::new(old.header);
    let mut bytes = writer.restart(77).encode().to_vec();
    writer.append(pgno(9), Some(9), &content(0), &mut bytes);
    let header = *writer.header();
    assert_eq!(header.salts(), Salts(0x1235, 77));
    bytes.extend_from_slice(&old.bytes[bytes.len()..]);
    let (frames, stop, scanner) = scan(&header, &bytes, &[]);
    assert_eq!((frames.len(), stop), (1, Some(Stop::Stale)));
    assert_eq!(scanner.position(), writer.position());
}

#[test]
fn zeros_behind_the_log_are_stale() {
    let mut log = Log::new(ByteOrder::Little, &[(1, Some(1))]);
    log.bytes.resize(log.bytes.len() + 2 * FRAME, 0);
    assert_eq!(scan(&log.header, &log.bytes, &[]).1, Some(Stop::Stale));
}

#[test]
fn page_zero_is_told_apart_from_a_broken_chain() {
    let mut log = Log::new(ByteOrder::Little, &[(1, Some(1)), (1, Some(1))]);
    log.bytes[32 + 3] = 0;
    assert_eq!(scan(&log.header, &log.bytes, &[]).1, Some(Stop::ZeroPage));
    log.bytes[32 + 3] = 2;
    assert_eq!(scan(&log.header, &log.bytes, &[]).1, Some(Stop::BrokenChain));
}

#[test]
fn nothing_behind_the_bound_is_given_out() {
    let log = Log::new(ByteOrder::Little, &[(1, Some(1)), (2, Some(2)), (3, Some(3))]);
    let mut scanner = Scanner::new(&log.header, log.header.start(), 2).unwrap();
    assert_eq!(scanner.next_read(), Some(ReadAt { offset: 32, bytes: 2 * FRAME }));
    scanner.push(Bytes::copy_from_slice(&log.bytes[32..]));
    assert!(matches!(scanner.next_frame(), Scanned::Frame(_)));
    assert!(matches!(scanner.next_frame(), Scanned::Frame(_)));
    assert_eq!(scanner.next_frame(), Scanned::Stopped(Stop::Bound));
    assert_eq!(scanner.next_read(), None);
}

#[test]
fn a_page_within_one_chunk_is_not_copied() {
    let log = Log::new(ByteOrder::Little, &[(1, None), (2, Some(2))]);
    let chunk = Bytes::copy_from_slice(&log.bytes[32..]);
    let range = chunk.as_ptr_range();
    let mut scanner = Scanner::new(&log.header, log.header.start(), u32::MAX).unwrap();
    scanner.push(chunk);
    for _ in 0..2 {
        let Scanned::Frame(frame) = scanner.next_frame() else { panic!("two frames") };
        assert!(range.contains(&frame.page.as_ptr()));
    }
}

#[test]
fn reads_are_whole_frames_of_at_most_64_kib_and_a_header() {
    for log in 9..=16 {
        let size = PageSize::new(1 << log).unwrap();
        let header = WalHeader::new(ByteOrder::Little, size, 0, Salts(1, 2));
        let mut scanner = Scanner::new(&header, header.start(), u32::MAX).unwrap();
        let frame_bytes = header.frame_bytes();
        let wanted = scanner.next_read().unwrap();
        assert_eq!(wanted.bytes % frame_bytes, 0);
        assert!(
            wanted.bytes <= Scanner::READ_BYTES_MAX && wanted.bytes + frame_bytes > Scanner::READ_BYTES_MAX
        );
        scanner.push(Bytes::from_static(&[0; 10])); // a short read
        assert_eq!(scanner.next_frame(), Scanned::NeedBytes);
        let rest = scanner.next_read().unwrap();
        assert_eq!((rest.offset, (rest.bytes + 10) % frame_bytes), (42, 0));
    }
}

#[test]
fn a_position_of_another_log_is_refused() {
    let log = Log::new(ByteOrder::Little, &[]);
    let start = log.header.start();
    let other_salts = WalPosition { salts: Salts(1, 1), ..start };
    let other_start = WalPosition { checksum: FrameChecksum(1, 1), ..start };
    for from in [other_salts, other_start] {
        assert_eq!(Scanner::new(&log.header, from, u32::MAX).unwrap_err(), ForeignPosition(from));
    }
}

#[test]
fn the_last_possible_frame_is_followed_by_the_bound() {
    let log = Log::new(ByteOrder::Little, &[]);
    let from = WalPosition { frames: u32::MAX, ..log.header.start() };
    let mut scanner = Scanner::new(&log.header, from, u32::MAX).unwrap();
    assert_eq!(scanner.next_read(), None);
    assert_eq!(scanner.next_frame(), Scanned::Stopped(Stop::Bound));
}
