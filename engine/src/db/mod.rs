//! What a database *is*, in 8 bytes: checksums of pages, and of all pages together.
//!
//! Both ends of the flow use them: the writer notes them in the header of every object, a restore proves with
//! them that the bytes on disk equal the bytes the writer had, and a restart finds the pages that changed.

mod checksum;
mod fingerprint;
mod page_sums;

pub use checksum::{Crc64, NO_PAGES, page_checksum};
pub use fingerprint::Fingerprint;
pub use page_sums::{CHUNK_BYTES, CHUNK_PAGES, ChunkError, PageSums};
