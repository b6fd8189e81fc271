//! LTX version 3, the object format of Litestream 0.5: one object holds the pages of a range of transactions.
//!
//! ```text
//! header | page frame ... | end of pages | page index | size of the index | trailer
//! ```
//!
//! [`Encoder`] and [`Decoder`] work in pieces and hold one page; [`index`] reads single pages through ranged
//! requests; [`read_any`] also reads version 1, as LiteFS wrote it. `docs/formats/ltx.md` has the byte tables.
//! Which object to make or to fetch is decided elsewhere; nothing here does IO.

mod decoder;
mod encoder;
mod error;
mod header;
pub mod index;
mod legacy_frame;
mod page_frame;
mod page_order;
mod trailer;
mod uvarint;
mod version1;

pub use decoder::{Decoder, Item};
pub use encoder::{Encoder, Finished};
pub use error::{DecodeError, FrameError};
pub use header::{Chain, HEADER_BYTES, Header, HeaderError, WalSpan};
pub use page_frame::{decode_page, frame_bytes_max};
pub use page_order::OrderError;
pub use trailer::{TRAILER_BYTES, Trailer};
pub use version1::{Version, read_any, version};

#[cfg(test)]
mod tests;
