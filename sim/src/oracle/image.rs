//! The application's database as a fresh connection sees it: the truth that restores are compared with.

use crate::outcome::Violation;
use crc_fast::CrcAlgorithm;
use engine::store::Sha256;
use io_sim::process::Process;
use rusqlite::config::DbConfig;
use rusqlite::serialize::{Data, OwnedData};
use std::ops::Deref;

/// The bytes of a database, in SQLite's own memory where SQLite gave them: images are made after each statement, and each
/// copy of one shows in what a run costs.
pub enum Image {
    /// Of SQLite.
    OfSqlite(OwnedData),
    /// Copied, or empty.
    Copied(Vec<u8>),
}

impl Deref for Image {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Image::OfSqlite(data) => data,
            Image::Copied(bytes) => bytes,
        }
    }
}

/// Reads the whole image through SQLite, without faults and without leaving a trace on the disk.
///
/// Fresh, because a writer keeps bytes of freed pages in its cache that it never writes; without a checkpoint
/// at the close, because looking must not change what the daemon meets. For the same reason a database that is
/// missing or empty (a power cut before its first sync) is no image, and is not opened.
pub fn observe(process: &Process, path: &str) -> Result<Image, Violation> {
    if process.disk().peek_stat(path).is_none_or(|file| file.size_bytes == 0) {
        return Ok(Image::Copied(Vec::new()));
    }
    process.disk().unseen(|| {
        let open = || -> rusqlite::Result<Image> {
            let mut connection = process.open(path)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            Ok(match connection.serialize("main")? {
                Data::Owned(data) => Image::OfSqlite(data),
                Data::Shared(data) => Image::Copied(data.to_vec()),
            })
        };
        open()
            .map_err(|error| Violation::new(0, format!("the application's database is unreadable: {error}")))
    })
}

/// What an image is known by: the SHA-256 of the CRC-64s of its parts. An image is made after each statement; hashing all
/// of it would be half of what a run costs, and two images that differ by chance differ in these.
pub fn digest(image: &[u8]) -> Sha256 {
    let image = significant(image);
    let mut parts = (image.len() as u64).to_le_bytes().to_vec();
    for part in image.chunks(PART_BYTES) {
        parts.extend_from_slice(&crc_fast::checksum(CrcAlgorithm::Crc64Nvme, part).to_le_bytes());
    }
    Sha256::of(&parts)
}

const PART_BYTES: usize = 4096;

/// Whether two images are one state.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    significant(one) == significant(other)
}

/// The pages that the header counts, which are all that SQLite shows. A transaction that added pages and took that back
/// (`ROLLBACK TO`) may commit with the file that much longer: the log says so, and a copy of the file has them, too. So may
/// the first commit after a power cut that took back the truncation with which a VACUUM ends, and which SQLite does not sync.
fn significant(image: &[u8]) -> &[u8] {
    let number = |at: usize| image.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let counted = number(CHANGE_COUNTER) == number(VERSION_VALID_FOR);
    let shape = super::restart::page_bytes(image).zip(number(PAGE_COUNT).filter(|_| counted));
    let Some((page_bytes, pages)) = shape else { return image };
    let bytes = page_bytes * pages as usize;
    let few_more = bytes > 0 && bytes < image.len() && image.len() <= bytes + EXCESS_PAGES_MAX * page_bytes;
    if few_more { &image[..bytes] } else { image }
}

/// More would be a truncation that was forgotten.
const EXCESS_PAGES_MAX: usize = 64;

/// Offsets in page 1.
const CHANGE_COUNTER: usize = 24;
const PAGE_COUNT: usize = 28;
const VERSION_VALID_FOR: usize = 92;

/// Property 3: SQLite finds nothing wrong with a restored image.
pub fn integrity(image: &[u8]) -> Result<(), Violation> {
    let check = || -> rusqlite::Result<String> {
        let mut connection = rusqlite::Connection::open_in_memory()?;
        let mut image = image.to_vec();
        // An image in memory cannot be in WAL mode.
        image[18..20].copy_from_slice(&[1, 1]);
        connection.deserialize_read_exact("main", &image[..], image.len(), false)?;
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))
    };
    match check() {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => Err(Violation::new(3, format!("integrity_check: {answer}"))),
        Err(error) => Err(Violation::new(3, format!("a restored image does not open: {error}"))),
    }
}
