use super::*;
use proptest::prelude::*;

fn key(level: u8, min: u64, max: u64) -> ObjectKey {
    let range = TxidRange::new(Txid::new(min).unwrap(), Txid::new(max).unwrap()).unwrap();
    ObjectKey::new(Level::new(level).unwrap(), range).unwrap()
}

#[test]
fn names_are_litestreams_in_both_layouts() {
    assert_eq!(key(0, 0x1f, 0x1f).name(Layout::S3), "0000/000000000000001f-000000000000001f.ltx");
    assert_eq!(key(9, 1, 0x2f).name(Layout::S3), "0009/0000000000000001-000000000000002f.ltx");
    assert_eq!(key(3, 3, 0xd).name(Layout::Tree), "ltx/3/0000000000000003-000000000000000d.ltx");
    assert_eq!(Layout::of_scheme("s3"), Layout::S3);
    assert_eq!(Layout::of_scheme("file"), Layout::Tree);
}

#[test]
fn whatever_is_not_an_object_is_ignored() {
    let s3 = [
        "",
        "manifest.json",
        "sync/x",
        "0000",
        "0000/",
        "000a/0000000000000001-0000000000000001.ltx",
        "00/0000000000000001-0000000000000001.ltx",
        "0x01/0000000000000001-0000000000000001.ltx",
        "ltx/0/0000000000000001-0000000000000001.ltx",
        "0000/0000000000000001-0000000000000001.ltx.tmp",
        "0000/0000000000000001-0000000000000001.ltx#1",
        "0000/x/0000000000000001-0000000000000001.ltx",
        "0000/0000000000000002-0000000000000001.ltx",
        "0000/0000000000000000-0000000000000001.ltx",
        "0000/000000000000000A-000000000000000A.ltx",
        "0000/00000001-00000001.ltx",
        "0009/0000000000000002-0000000000000003.ltx",
        "000\u{e9}/0000000000000001-0000000000000001.ltx",
    ];
    for name in s3 {
        assert_eq!(ObjectKey::parse(Layout::S3, name), None, "{name}");
    }
    for name in [
        "0000/0000000000000001-0000000000000001.ltx",
        "ltx/10/0000000000000001-0000000000000001.ltx",
        "ltx//0000000000000001-0000000000000001.ltx",
        "ltx/00/0000000000000001-0000000000000001.ltx",
    ] {
        assert_eq!(ObjectKey::parse(Layout::Tree, name), None, "{name}");
    }
}

proptest! {
    #[test]
    fn parse_reads_back_every_name(level in 0u8..=9, a in 1u64.., b in 1u64..) {
        let min = if level == 9 { 1 } else { a.min(b) };
        let key = key(level, min, a.max(b));
        for layout in [Layout::S3, Layout::Tree] {
            prop_assert_eq!(ObjectKey::parse(layout, &key.name(layout)), Some(key));
        }
    }

    #[test]
    fn no_name_makes_parse_panic(name in "\\PC{0,60}") {
        for layout in [Layout::S3, Layout::Tree] {
            if let Some(key) = ObjectKey::parse(layout, &name) {
                prop_assert_eq!(key.name(layout), name.clone());
            }
        }
    }
}
