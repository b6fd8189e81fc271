//! docs/formats/ltx.md says where the bytes are; this looks there.

use super::*;

const DOCUMENT: &str = include_str!("../../../../docs/formats/ltx.md");

/// The rows (offset, bytes, name) of the table under a heading.
fn table(heading: &str) -> Vec<[&'static str; 3]> {
    let (_, after) = DOCUMENT.split_once(&format!("\n## {heading}\n")).expect(heading);
    let section = after.split("\n## ").next().unwrap_or(after);
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let rows: Vec<_> = rows
        .map(|row| {
            let mut cells = row.trim_matches('|').split('|').map(str::trim);
            std::array::from_fn(|_| cells.next().expect("three cells"))
        })
        .collect();
    assert!(!rows.is_empty(), "{heading} has a table");
    rows
}

/// Compares the documented places with what must be there; every field is documented, and only those.
fn check(
    rows: &[[&str; 3]],
    object: &[u8],
    place: impl Fn(&str, &str) -> (usize, usize),
    expected: &[(&str, &[u8])],
) {
    assert_eq!(rows.len(), expected.len());
    for ([offset, bytes, name], (expected_name, content)) in rows.iter().zip(expected) {
        assert_eq!(name, expected_name);
        let (offset, bytes) = place(offset, bytes);
        assert_eq!(&object[offset..offset + bytes], *content, "{name}");
    }
}

fn sample() -> (Header, Vec<u8>, Vec<u8>) {
    let header = header(512, 9, 2, 4);
    let page = page(512, 3);
    let object = encode(&header, LockByte::SQLITE, &vec![(pgno(3), page.clone())]);
    (header, page, object)
}

#[test]
fn header_table_is_what_is_written() {
    let (header, _, object) = sample();
    let number = |number: u64| number.to_be_bytes();
    let (wal, chain) = (header.wal().unwrap(), header.chain().unwrap());
    let expected: &[(&str, &[u8])] = &[
        ("magic", b"LTX1"),
        ("flags", &[0, 0, 0, 2]),
        ("page size", &[0, 0, 2, 0]),
        ("commit", &[0, 0, 0, 9]),
        ("min txid", &number(2)),
        ("max txid", &number(4)),
        ("timestamp", &header.timestamp().as_millis().to_be_bytes()),
        ("pre-apply checksum", &number(0)),
        ("wal offset", &number(wal.offset())),
        ("wal size", &number(wal.size())),
        ("wal salt 1", &wal.salts().0.to_be_bytes()),
        ("wal salt 2", &wal.salts().1.to_be_bytes()),
        ("node id", &number(chain.node.get())),
        ("before", &number(chain.before.unwrap().into_inner())),
        ("after", &number(chain.after.into_inner())),
        ("tag", b"WS"),
        ("tag version", &[1]),
        ("tag flags", &[1]),
    ];
    let rows = table("Header");
    let place = |offset: &str, bytes: &str| (offset.parse().unwrap(), bytes.parse().unwrap());
    check(&rows, &object, place, expected);
    let mut end = 0;
    for [offset, bytes, name] in rows {
        assert_eq!(place(offset, bytes).0, end, "{name} follows the field before");
        end += place(offset, bytes).1;
    }
    assert_eq!(end, HEADER_BYTES);
}

#[test]
fn page_frame_table_is_what_is_written() {
    let (_, page, object) = sample();
    let mut block = vec![0; page_frame::block_bytes_max(512)];
    let length = lz4_flex::block::compress_into(&page, &mut block).unwrap();
    let expected: &[(&str, &[u8])] = &[
        ("page number", &[0, 0, 0, 3]),
        ("page flags", &[0, 1]),
        ("block size", &(length as u32).to_be_bytes()),
        ("block", &block[..length]),
    ];
    let place = |offset: &str, bytes: &str| {
        let bytes = if bytes == "block size" { length } else { bytes.parse().unwrap() };
        (HEADER_BYTES + offset.parse::<usize>().unwrap(), bytes)
    };
    check(&table("Page frame"), &object, place, expected);
}

#[test]
fn end_table_is_what_is_written() {
    let (_, _, object) = sample();
    let frame_bytes = object.len() - HEADER_BYTES - 6 - 5 - 8 - TRAILER_BYTES;
    let index = [3, 100, frame_bytes as u8 | 0x80, (frame_bytes >> 7) as u8, 0];
    let file_checksum = decode([&object[..]], LockByte::SQLITE).unwrap().2.file;
    let expected: &[(&str, &[u8])] = &[
        ("end of pages", &[0; 6]),
        ("page index", &index),
        ("index size", &5_u64.to_be_bytes()),
        ("post-apply checksum", &[0; 8]),
        ("file checksum", &file_checksum.into_inner().to_be_bytes()),
    ];
    let place = |offset: &str, bytes: &str| {
        let (fixed, variable) =
            offset.strip_suffix(" - index").map_or((offset, 0), |fixed| (fixed, index.len()));
        let from_end = fixed.strip_prefix('-').unwrap().parse::<usize>().unwrap() + variable;
        let bytes = if bytes == "index" { index.len() } else { bytes.parse().unwrap() };
        (object.len() - from_end, bytes)
    };
    check(&table("End of the object"), &object, place, expected);
}

#[test]
fn tag_in_the_document_is_the_tag() {
    assert!(DOCUMENT.contains("`WS`") && DOCUMENT.contains("110 %"));
    assert_eq!(page_frame::block_bytes_max(1000), 20 + 1100);
}
