//! LTX objects: whole, in pieces, and by their index.

use crate::input::pieces;
use engine::ltx::index::{self, Tail};
use engine::ltx::{
    DecodeError, Decoder, Encoder, HEADER_BYTES, Header, Item, Trailer, Version, decode_page, read_any,
    version,
};
use engine::types::{LockByte, Pgno};

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

type Decoded = (Header, Vec<(Pgno, Vec<u8>)>, Trailer);

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Decoded, DecodeError> {
    let mut decoder = Decoder::new(LockByte::SQLITE);
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
