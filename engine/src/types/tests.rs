use super::*;

#[test]
fn txid_text_is_16_hex_digits_or_decimal() {
    assert_eq!(parse_txid("00000000000000ff").unwrap().into_inner(), 255);
    assert_eq!(parse_txid("255").unwrap().into_inner(), 255);
    for bad in [
        "",
        "0",
        "ff",
        "0000000000000000",
        "+1",
        "00000000000000zz",
        "+000000000000001",
        "18446744073709551616",
    ] {
        assert!(parse_txid(bad).is_err(), "{bad}");
    }
}

#[test]
fn lock_page_follows_the_page_size() {
    let pgno = |size| LockByte::SQLITE.pgno(PageSize::new(size).unwrap()).into_inner();
    assert_eq!(pgno(4096), 262_145);
    assert_eq!(pgno(65536), 16_385);
    assert_eq!(pgno(512), 2_097_153);
}

#[test]
fn range_refuses_min_above_max() {
    let one = Txid::ONE;
    let two = one + 1;
    assert!(TxidRange::new(two, one).is_none());
    assert!(TxidRange::up_to(two).covers(TxidRange::single(one)));
}

#[test]
fn levels_end_at_nine() {
    assert!(Level::new(10).is_err());
    assert_eq!(Level::all().count(), 10);
}

#[test]
fn writer_id_is_16_hex_digits_and_nothing_else() {
    let id = NodeId::new(0xabc).unwrap();
    assert_eq!(NodeId::parse(&id.to_string()), Some(id));
    for bad in ["", "0000000000000000", "+000000000000abc", "abc", "000000000000xabc"] {
        assert_eq!(NodeId::parse(bad), None, "{bad}");
    }
}
