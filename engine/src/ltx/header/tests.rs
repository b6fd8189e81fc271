use super::*;
use crate::types::{NodeId, Timestamp};

fn header() -> Header {
    let txids = TxidRange::new(Txid::new(2).unwrap(), Txid::new(3).unwrap()).unwrap();
    Header::new(PageSize::new(4096).unwrap(), Pgno::new(9).unwrap(), txids, Timestamp::from_millis(-1))
}

fn chained() -> Header {
    let node = NodeId::new(7).unwrap();
    header().with_chain(Chain { node, before: None, after: Checksum::new(5), claim: false })
}

fn altered(header: &Header, field: Range<usize>, value: &[u8]) -> Result<Header, HeaderError> {
    let mut bytes = header.encode();
    bytes[field].copy_from_slice(value);
    Header::decode(&bytes)
}

#[test]
fn header_without_a_tag_is_unchained_whatever_its_free_bytes_hold() {
    let mut bytes = header().encode();
    bytes[layout::NODE_ID.start..layout::TAG.start].fill(0xab);
    bytes[layout::TAG_VERSION].fill(9);
    assert_eq!(Header::decode(&bytes), Ok(header()));
}

#[test]
fn tag_that_a_newer_version_wrote_is_refused() {
    let newer = |version, flags| Err(HeaderError::TagVersion { version, flags });
    assert_eq!(altered(&chained(), layout::TAG_VERSION, &[2]), newer(2, 0));
    assert_eq!(altered(&chained(), layout::TAG_FLAGS, &[2]), newer(1, 2));
}

#[test]
fn tag_needs_a_writer_and_checksums_with_bit_63() {
    let chain = Err(HeaderError::Chain);
    assert_eq!(altered(&chained(), layout::NODE_ID, &[0; 8]), chain);
    assert_eq!(altered(&chained(), layout::AFTER, &[0; 8]), chain);
    assert_eq!(altered(&chained(), layout::AFTER, &[1; 8]), chain);
    assert_eq!(altered(&chained(), layout::BEFORE, &[1; 8]), chain);
    assert!(altered(&chained(), layout::BEFORE, &[0x81; 8]).is_ok());
}

#[test]
fn nothing_continues_an_unknown_state() {
    let first = chained().chain().unwrap();
    let next = Chain { before: Some(first.after), after: Checksum::new(6), ..first };
    assert!(next.continues(&first));
    assert!(!first.continues(&next), "before is none");
    assert!(!next.continues(&next));
}

#[test]
fn flags_decide_which_pre_apply_checksum_is_legal() {
    let untracked = &2_u32.to_be_bytes();
    let with = |flags: &[u8], pre_apply: u64| {
        let mut bytes = header().encode();
        bytes[layout::FLAGS].copy_from_slice(flags);
        bytes[layout::PRE_APPLY].copy_from_slice(&pre_apply.to_be_bytes());
        Header::decode(&bytes).map(|header| header.pre_apply())
    };
    let sum = Checksum::new(3);
    assert_eq!(with(&[0; 4], sum.into_inner()), Ok(Some(sum)));
    assert_eq!(with(&[0; 4], 0), Err(HeaderError::PreApply(0)));
    assert_eq!(with(&[0; 4], 3), Err(HeaderError::PreApply(3)), "no bit 63");
    assert_eq!(with(untracked, 0), Ok(None));
    assert_eq!(with(untracked, sum.into_inner()), Err(HeaderError::PreApply(sum.into_inner())));
    assert_eq!(with(&[0, 0, 0, 1], 0), Err(HeaderError::Version1));
    assert_eq!(with(&[0, 0, 0, 4], 0), Err(HeaderError::Flags(4)));
}

#[test]
fn snapshot_builds_on_nothing() {
    let mut bytes = header().encode();
    bytes[layout::FLAGS].fill(0);
    bytes[layout::TXID_MIN].copy_from_slice(&1_u64.to_be_bytes());
    assert_eq!(Header::decode(&bytes).map(|header| header.pre_apply()), Ok(None));
    let sum = Checksum::new(3).into_inner();
    bytes[layout::PRE_APPLY].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(Header::decode(&bytes), Err(HeaderError::PreApply(sum)));
}

#[test]
fn wal_span_needs_an_offset_and_fits_an_i64() {
    let salts = Salts(1, 2);
    assert_eq!(WalSpan::new(0, 0, salts), None);
    assert_eq!(WalSpan::new(32, i64::MAX as u64 - 31, salts), None);
    assert!(WalSpan::new(32, i64::MAX as u64 - 32, salts).is_some());
    assert_eq!(WalSpan::new(u64::MAX, 1, salts), None);
    let refused =
        |field, value: &[u8]| matches!(altered(&header(), field, value), Err(HeaderError::WalSpan { .. }));
    assert!(refused(layout::WAL_SALT_1, &[1; 4]));
    assert!(refused(layout::WAL_SALT_2, &[1; 4]));
    assert!(refused(layout::WAL_SIZE, &[1; 8]));
    assert!(refused(layout::WAL_OFFSET, &[0x80; 8]));
}

#[test]
fn impossible_fields_are_refused() {
    assert_eq!(Header::decode(&header().encode()[..99]), Err(HeaderError::Truncated(99)));
    assert_eq!(altered(&header(), layout::MAGIC, b"LTX2"), Err(HeaderError::Magic));
    for size in [0_u32, 256, 513, 131_072] {
        assert_eq!(
            altered(&header(), layout::PAGE_SIZE, &size.to_be_bytes()),
            Err(HeaderError::PageSize(size))
        );
    }
    assert_eq!(altered(&header(), layout::COMMIT, &[0; 4]), Err(HeaderError::NoPages));
    let txids = |min: u64, max| {
        (altered(&header(), layout::TXID_MIN, &min.to_be_bytes()), HeaderError::Txids { min, max })
    };
    for (result, error) in [txids(0, 3), txids(4, 3)] {
        assert_eq!(result, Err(error));
    }
}

#[test]
fn snapshot_begins_with_transaction_1() {
    assert!(!header().is_snapshot());
    let snapshot = Header { txids: TxidRange::up_to(Txid::new(3).unwrap()), ..header() };
    assert!(snapshot.is_snapshot());
}
