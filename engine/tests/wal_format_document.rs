//! The byte tables of `docs/formats/wal.md` are those of the code.

use engine::wal::layout::{self, Field};

/// Offset, bytes and field of each row of the table under `heading`.
fn table(heading: &str) -> Vec<(usize, usize, String)> {
    let document = include_str!("../../docs/formats/wal.md");
    let section = document.split("\n## ").find(|section| section.lines().next() == Some(heading));
    section
        .expect("the heading is there")
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let offset = cells.next()?.parse().ok()?;
            Some((offset, cells.next()?.parse().ok()?, cells.next()?.to_owned()))
        })
        .collect()
}

fn same(heading: &str, fields: &[Field], total: usize) {
    let expected: Vec<_> =
        fields.iter().map(|field| (field.offset, field.bytes, field.name.to_owned())).collect();
    assert_eq!(table(heading), expected, "{heading}");
    let mut end = 0;
    for field in fields {
        assert_eq!(field.offset, end, "{heading}: {} leaves a gap or overlaps", field.name);
        end += field.bytes;
    }
    assert_eq!(end, total, "{heading}");
}

#[test]
fn tables_equal_the_layout_and_leave_no_gap() {
    same("WAL header", &layout::wal_header::FIELDS, layout::WAL_HEADER_BYTES);
    same("Frame header", &layout::frame_header::FIELDS, layout::FRAME_HEADER_BYTES);
    same("Wal-index header", &layout::index_header::FIELDS, layout::INDEX_HEADER_BYTES);
    same("Shared memory", &layout::shm::FIELDS, layout::SHM_HEAD_BYTES);
}
