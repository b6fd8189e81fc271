//! CRC-64/GO-ISO, and the checksum of one page.

use crate::types::{Checksum, Pgno};
use crc_fast::{CrcAlgorithm, Digest};
use std::fmt;

/// CRC-64/GO-ISO, the checksum of LTX (`hash/crc64` with the ISO table in Go), in pieces.
///
/// A plain value of a few hundred bytes: making one allocates nothing.
#[derive(Clone, Copy)]
pub struct Crc64(Digest);

impl Crc64 {
    /// Of no bytes yet.
    #[inline]
    pub fn new() -> Crc64 {
        Crc64(Digest::new(CrcAlgorithm::Crc64GoIso))
    }

    /// Appends `bytes`.
    #[inline]
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The plain CRC of all bytes so far.
    #[inline]
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }

    /// The CRC with bit 63 set, as LTX stores it: never 0, because 0 means "none".
    #[inline]
    pub fn checksum(&self) -> Checksum {
        Checksum::new(self.value())
    }
}

impl Default for Crc64 {
    fn default() -> Crc64 {
        Crc64::new()
    }
}

impl fmt::Debug for Crc64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crc64({:016x})", self.value())
    }
}

/// The database checksum of a database without pages. `NO_PAGES ^ a ^ b` is that of a database with two
/// pages: `^` on [`Checksum`] keeps bit 63 set, and the same page again takes it out.
pub const NO_PAGES: Checksum = Checksum::new(0);

/// The checksum of a page at its place: CRC over the page number (big-endian u32) and the page, bit 63 set.
///
/// The database checksum is the XOR of these over all pages but the lock page, which has no content
/// (superfly/ltx, `ChecksumPage`; LiteFS uses the same).
#[inline]
pub fn page_checksum(pgno: Pgno, page: &[u8]) -> Checksum {
    let mut crc = Crc64::new();
    crc.update(&pgno.into_inner().to_be_bytes());
    crc.update(page);
    crc.checksum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use litetx::PageChecksum as _;
    use proptest::prelude::*;

    #[test]
    fn crc_has_the_check_value_of_the_catalogue() {
        let mut crc = Crc64::new();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xb909_56c7_75a4_1001);
    }

    #[test]
    fn page_checksum_equals_that_of_litetx_at_every_page_size() {
        for shift in 9..=16 {
            let page: Vec<u8> = (0..1_u32 << shift).map(|i| (i * i / 7) as u8).collect();
            for pgno in [1, 2, 70_000, u32::MAX] {
                let pgno = Pgno::new(pgno).unwrap();
                assert_eq!(page_checksum(pgno, &page), page.page_checksum(pgno));
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(bytes in prop::collection::vec(any::<u8>(), 0..2000), cut in 0_usize..2000) {
            let cut = cut.min(bytes.len());
            let mut pieces = Crc64::new();
            pieces.update(&bytes[..cut]);
            pieces.update(&bytes[cut..]);
            let mut whole = Crc64::new();
            whole.update(&bytes);
            prop_assert_eq!(pieces.value(), whole.value());
        }
    }
}
