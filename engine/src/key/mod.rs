//! Names of objects in a store, and what a listing of a place means.
//!
//! [`Place`] is a database's folder, [`Layout`] how names are spelled in it, [`ObjectKey`] one LTX object's
//! level and TXIDs, [`PlaceListing`] everything a place holds, in order. Names from a store are outside
//! input: whatever is not an object of ours or Litestream's is ignored, never a panic.

mod listing;
mod litestream_0_3;
mod object;
mod place;

pub use listing::{ListingBuilder, ModifiedIs, ObjectInfo, PlaceListing};
pub use litestream_0_3::{GENERATIONS_FOLDER, is_of_litestream_0_3};
pub use object::{Layout, ObjectKey};
pub use place::{MANIFEST_NAME, Place, PlaceError, RESERVED_FOLDER, is_place};
