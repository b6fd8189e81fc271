//! Objects of another tool: without our tag, written past the engine.

use super::source::page;
use super::world::{A, World};
use engine::key::{Layout, ObjectKey};
use engine::ltx::Header;
use engine::replicate::PageSet;
use engine::types::{Level, PageSize, Pgno, Timestamp, Txid, TxidRange};

/// Writes an object of ten-page databases at a level, over slots `min` to `max`, with these pages' contents.
pub(crate) fn plant(world: &mut World, level: u8, min: u64, max: u64, pages: &[(u32, u64)]) {
    let range = TxidRange::new(Txid::new(min).unwrap(), Txid::new(max).unwrap()).unwrap();
    let key = ObjectKey::new(Level::new(level).unwrap(), range).unwrap();
    let (size, commit) = (PageSize::new(512).unwrap(), Pgno::new(10).unwrap());
    let header = Header::new(size, commit, range, Timestamp::from_millis(1_700_000_000_000));
    let pages = pages.iter().map(|(number, content)| (Pgno::new(*number).unwrap(), page(*content)));
    let (body, _) = world.host(A).database.encode(&header, &PageSet::Memory(pages.collect()));
    let place = world.host(A).config.place.clone();
    world.store.plant(&place.object_key(Layout::S3, key), body);
}
