//! Pages as LZ4 frames. Real ones are among the fixtures; these have every option of the frame format.

use super::*;
use crate::db::Crc64;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use std::io::Write as _;

fn infos() -> impl Iterator<Item = FrameInfo> {
    (0..16_u32).map(|bits| {
        FrameInfo::new()
            .block_size(if bits & 1 == 0 { BlockSize::Max64KB } else { BlockSize::Max4MB })
            .block_mode(if bits & 1 == 0 { BlockMode::Independent } else { BlockMode::Linked })
            .block_checksums(bits & 2 != 0)
            .content_checksum(bits & 4 != 0)
            .content_size((bits & 8 != 0).then_some(4096))
    })
}

fn frame(info: FrameInfo, content: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// As Litestream put it together.
fn object(header: &Header, pages: &Pages, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut object = header.encode().to_vec();
    let mut crc = Crc64::new();
    crc.update(&object);
    let mut index = index::IndexWriter::default();
    for ((pgno, page), frame) in pages.iter().zip(frames) {
        let page_header = [&pgno.into_inner().to_be_bytes()[..], &[0, 0]].concat();
        index.push(*pgno, object.len() as u64, 6 + frame.len() as u64);
        crc.update(&page_header);
        crc.update(page);
        object.extend([&page_header[..], frame].concat());
    }
    let index = index.finish();
    let end = [&[0; 6][..], &index, &(index.len() as u64).to_be_bytes(), &[0; 8]].concat();
    crc.update(&end);
    object.extend(end);
    object.extend(crc.checksum().into_inner().to_be_bytes());
    object
}

#[test]
fn frames_with_every_option_are_read() {
    let header = header(4096, 9, 2, 2);
    let noise: Vec<u8> = (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let pages = vec![(pgno(1), page(4096, 1)), (pgno(2), vec![0; 4096]), (pgno(3), noise)];
    for info in infos() {
        let frames: Vec<_> = pages.iter().map(|(_, page)| frame(info.clone(), page)).collect();
        let object = object(&header, &pages, &frames);
        for piece_bytes in [1, 7, object.len()] {
            let read = decode(object.chunks(piece_bytes), LockByte::SQLITE).unwrap();
            assert_eq!((&read.0, &read.1), (&header, &pages), "{info:?}");
        }
        let frame = [&[0, 0, 0, 1, 0, 0][..], &frames[0]].concat();
        let mut read = vec![0; 4096];
        assert_eq!(decode_page(&frame, &mut read), Ok(pgno(1)));
        assert_eq!(read, pages[0].1);
    }
}

#[test]
fn frame_must_make_exactly_one_page() {
    let content = page(4096, 1);
    let info = FrameInfo::new().block_size(BlockSize::Max64KB);
    for (frame_bytes, legal) in [(4095, false), (4096, true), (4097, false)] {
        let frame = frame(info.clone(), &[&content[..], &[9]].concat()[..frame_bytes]);
        let frame = [&[0, 0, 0, 1, 0, 0][..], &frame].concat();
        let mut page = vec![0; 4096];
        assert_eq!(decode_page(&frame, &mut page).is_ok(), legal, "{frame_bytes}");
        for wrong in [&frame[..frame.len() - 1], &[&frame[..], &[0]].concat()] {
            let refused = Err(FrameError::Length(wrong.len()).into());
            assert!(!legal || decode_page(wrong, &mut page) == refused);
        }
    }
}

/// An empty stored block ends lz4_flex's reading early; what follows must not pass unseen.
#[test]
fn empty_block_before_the_end_mark_is_refused() {
    let content = page(4096, 1);
    let mut frame = frame(FrameInfo::new().block_size(BlockSize::Max64KB), &content);
    let end_mark = frame.len() - 4;
    frame.splice(end_mark..end_mark, [0, 0, 0, 0x80]);
    let frame = [&[0, 0, 0, 1, 0, 0][..], &frame].concat();
    let refused = Err(FrameError::Lz4 { pgno: pgno(1) }.into());
    assert_eq!(decode_page(&frame, &mut vec![0; 4096]), refused);
}
