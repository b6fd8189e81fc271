//! Contents of pages: made from (database, page, version), so that a page of 4 KiB is one number, and any byte that is
//! wrong is noticed.

use bytes::Bytes;
use engine::types::Pgno;

/// Which content a page has, among all that it ever had; 0: zeros, as a page has that was never written.
pub type Version = u64;

/// The bytes of a page of `page_bytes` bytes (a multiple of 8).
pub fn content(database: u64, pgno: u32, version: Version, page_bytes: usize) -> Bytes {
    let mut page = vec![0; page_bytes];
    write(database, pgno, version, &mut page);
    page.into()
}

/// The same, into a page of zeros.
pub fn write(database: u64, pgno: u32, version: Version, page: &mut [u8]) {
    if version == 0 {
        return;
    }
    let fill = fill(database, pgno, version).to_le_bytes();
    let (words, _) = page.as_chunks_mut::<8>();
    words.fill(fill);
    words[0] = version.to_le_bytes();
}

/// Reads what [`content`] makes; `None`: it is no page of this database and number, or damaged.
pub fn version(database: u64, pgno: u32, page: &[u8]) -> Option<Version> {
    let (words, rest) = page.as_chunks::<8>();
    let (first, others) = words.split_first()?;
    let version = u64::from_le_bytes(*first);
    let fill = if version == 0 { [0; 8] } else { fill(database, pgno, version).to_le_bytes() };
    (rest.is_empty() && others.iter().all(|word| *word == fill)).then_some(version)
}

/// What a page adds to the digest of an image. Not linear in the contents, as the database checksum is.
pub fn weight(pgno: u32, version: Version) -> u64 {
    mixed(version.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ u64::from(pgno) << 1 ^ 1)
}

/// A number of which page numbers, too.
pub fn number(pgno: u32) -> Pgno {
    Pgno::new(pgno).expect("pages are counted from 1")
}

fn fill(database: u64, pgno: u32, version: Version) -> u64 {
    mixed(mixed(version ^ database << 48) ^ u64::from(pgno))
}

fn mixed(x: u64) -> u64 {
    let x = (x ^ x >> 32).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ x >> 29).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_tells_its_version_and_any_wrong_bit() {
        for version in [0, 1, u64::MAX] {
            let page = content(3, 7, version, 512);
            assert_eq!(super::version(3, 7, &page), Some(version));
            let mut wrong = page.to_vec();
            for bit in [0, 70, 4095] {
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(super::version(3, 7, &wrong), None, "bit {bit}");
                wrong[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn page_of_another_place_is_none_of_ours() {
        let page = content(3, 7, 5, 512);
        assert_eq!((version(4, 7, &page), version(3, 8, &page)), (None, None));
    }
}
