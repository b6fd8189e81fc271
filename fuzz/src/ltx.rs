//! LTX objects: whole, in pieces, and by their index.

use crate::input::{Input, pieces};
use engine::ltx::index::{self, Tail};
use engine::ltx::{
    Chain, DecodeError, Decoder, Encoder, HEADER_BYTES, Header, Item, Trailer, Version, WalSpan, decode_page,
    read_any, version,
};
use engine::types::{Checksum, LockByte, NodeId, PageSize, Pgno, Salts, Timestamp, Txid, TxidRange};

/// One object in pieces; the first byte says how long they are.
pub fn ltx_decoder(data: &[u8]) {
    let in_pieces = decode(pieces(data));
    let at_once = decode(data.get(1..).into_iter().filter(|object| !object.is_empty()));
    assert_eq!(in_pieces, at_once, "pieces make no difference");
    let Ok((header, pages, _)) = at_once else { return };
    let mut again = Vec::new();
    let mut encoder = Encoder::new(&header, LockByte::SQLITE, &mut again);
    for (pgno, page) in &pages {
        encoder.push(*pgno, page, &mut again);
    }
    encoder.finish(&mut again);
    let (_, pages_again, _) = decode([&again[..]].into_iter()).expect("what was encoded is legal");
    assert_eq!(pages, pages_again, "decode(encode(x)) = x");
}

/// An object's header, and an index in its last bytes; the first byte says how many are given.
pub fn ltx_index_tail(data: &[u8]) {
    let Some((given, object)) = data.split_first() else { return };
    let Ok(header) = Header::decode(object) else { return };
    assert_eq!(Header::decode(&header.encode()).map(|h| h.txids()), Ok(header.txids()));
    let size_bytes = object.len() as u64;
    let given = object.len() - object.len() * usize::from(*given) / 255;
    let last =
        |bytes: usize| index::decode(&object[object.len() - bytes..], size_bytes, &header, LockByte::SQLITE);
    let tail = match last(given) {
        Ok(Tail::NeedLast { bytes }) => {
            assert!(bytes > given as u64, "asks for more than it has");
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            if bytes > object.len() {
                return;
            }
            let tail = last(bytes);
            // The size of the index lies in the last bytes: a first answer with it is also the last.
            assert!(!matches!(tail, Ok(Tail::NeedLast { .. })) || given < index::TAIL_BYTES_MIN as usize);
            tail
        }
        other => other,
    };
    let Ok(Tail::Index { entries, .. }) = tail else { return };
    let mut page = vec![0; header.page_size().into_inner() as usize];
    let mut end = HEADER_BYTES as u64;
    for entry in entries {
        assert_eq!(entry.offset, end, "frames lie side by side");
        end += u64::from(entry.length);
        let range =
            usize::try_from(entry.offset).expect("in the object")..usize::try_from(end).expect("so too");
        let _ = decode_page(&object[range], &mut page);
    }
}

/// A whole object of either version.
pub fn ltx_read_any(data: &[u8]) {
    let mut pages = Vec::new();
    let result = read_any(data, LockByte::SQLITE, |pgno, page| pages.push((pgno, page.len())));
    assert!(pages.is_sorted_by(|a, b| a.0 < b.0), "ascending");
    if version(data) == Version::V3 {
        let by_decoder = decode(Some(data).into_iter().filter(|object| !object.is_empty()));
        assert_eq!(by_decoder.map(|(_, _, trailer)| trailer), result.map(|(_, trailer)| trailer));
    }
}

/// An object that a writer makes of what the input describes: whole and page by page, it comes back.
pub fn ltx_of_a_writer(data: &[u8]) {
    let mut input = Input(data);
    let header = header(&mut input);
    let page_bytes = header.page_size().into_inner() as usize;
    let mut pages = Vec::new();
    let mut object = Vec::new();
    let mut encoder = Encoder::new(&header, MOVED, &mut object);
    for number in 1..=header.commit().into_inner() {
        let pgno = Pgno::new(number).expect("above 0");
        let (kind, content) = (input.byte(), input.u64());
        if pgno == MOVED.pgno(header.page_size()) || kind & 1 == 1 && !header.is_snapshot() {
            continue;
        }
        let page = page(kind >> 1, content, page_bytes);
        encoder.push(pgno, &page, &mut object);
        pages.push((pgno, page));
    }
    let finished = encoder.finish(&mut object);
    assert_eq!(finished.size_bytes, object.len() as u64);
    let in_pieces = object.chunks(usize::from(input.byte()) * 16 + 1);
    let (decoded, decoded_pages, trailer) = decode_with(MOVED, in_pieces).expect("what was encoded is legal");
    assert_eq!((&decoded, &decoded_pages), (&header, &pages), "decode(encode(x)) = x");
    assert_eq!(trailer.file, finished.file_checksum);

    let tail = index::decode(&object, finished.size_bytes, &header, MOVED);
    let Ok(Tail::Index { entries, .. }) = tail else { panic!("the index of what was encoded: {tail:?}") };
    assert_eq!(entries.len(), pages.len(), "a place for each page");
    for (entry, (pgno, page)) in entries.iter().zip(&pages) {
        let start = usize::try_from(entry.offset).expect("in the object");
        let mut by_index = vec![0; page_bytes];
        let found = decode_page(&object[start..start + entry.length as usize], &mut by_index);
        assert_eq!((found, &by_index), (Ok(*pgno), page), "a page by its index");
    }
}

/// The lock page of a small database.
const MOVED: LockByte = LockByte::moved(65536);

fn header(input: &mut Input<'_>) -> Header {
    let kind = input.byte();
    let page_size = PageSize::new(512 << (kind & 7)).expect("a power of two up to 65536");
    // About the same bytes at each page size, and some pages beyond the lock page.
    let pages_max = (256 * 1024 / page_size.into_inner()).min(160);
    let commit = Pgno::new(u32::from(input.byte()) % pages_max + 1).expect("above 0");
    let first = input.u64() >> (input.byte() & 63);
    let min = Txid::new(first.max(1)).expect("above 0");
    let max = Txid::new(min.into_inner().saturating_add(u64::from(input.byte()))).expect("above 0");
    let txids = TxidRange::new(min, max).expect("min is at most max");
    let time = Timestamp::from_millis(i64::from_be_bytes(input.u64().to_be_bytes()));
    let mut header = Header::new(page_size, commit, txids, time);
    if kind & 8 != 0 {
        let (offset, size) = (input.u64() >> 1, u64::from(input.byte()));
        let salts = Salts(u32::from(input.byte()), u32::from(input.byte()));
        header = WalSpan::new(offset, size, salts).map_or(header.clone(), |span| header.with_wal(span));
    }
    if let Some(node) = NodeId::new(input.u64()).filter(|_| kind & 16 != 0) {
        let before = (kind & 32 != 0).then(|| Checksum::new(input.u64()));
        let after = Checksum::new(input.u64());
        header = header.with_chain(Chain { node, before, after, claim: kind & 64 != 0 });
    }
    header
}

/// Zeros, one byte over and over, or noise that does not compress.
fn page(kind: u8, content: u64, bytes: usize) -> Vec<u8> {
    match kind & 3 {
        0 => vec![0; bytes],
        1 => vec![content as u8; bytes],
        _ => {
            let mut state = content;
            let noise = |_| {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                (state >> 56) as u8
            };
            (0..bytes).map(noise).collect()
        }
    }
}

type Decoded = (Header, Vec<(Pgno, Vec<u8>)>, Trailer);

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Decoded, DecodeError> {
    decode_with(LockByte::SQLITE, pieces)
}

fn decode_with<'a>(
    lock_byte: LockByte,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Result<Decoded, DecodeError> {
    let mut decoder = Decoder::new(lock_byte);
    let (mut header, mut pages) = (None, Vec::new());
    for mut piece in pieces {
        while let Some(item) = decoder.read(&mut piece)? {
            match item {
                Item::Header(first) => header = Some(first),
                // Enough to compare; an object may hold more pages than an input should make us keep.
                Item::Page { pgno, page } => pages.push((pgno, page.to_vec())),
                Item::End(_) => {}
            }
        }
    }
    let trailer = decoder.finish()?;
    Ok((header.expect("a whole object has a header"), pages, trailer))
}
