//! Reading objects for what they say: a hash, page checksums, one page. All of it verified.

use super::object::fold;
use super::requests::Requests;
use crate::port::Work;
use bytes::Bytes;
use engine::db::page_checksum;
use engine::ltx::{DecodeError, Decoder, Header, Item};
use engine::replicate::ObjectDigest;
use engine::store::{Fatal, Sha256, StoreError};
use engine::types::{Checksum, LockByte, Pgno};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use sha2::Digest as _;
use std::fmt;
use std::sync::Arc;

/// Objects of one chain that are read side by side.
const SIDE_BY_SIDE: usize = 4;

/// SHA-256 of an object that decodes: one bit that came wrong would make another's object of our own. What the store keeps
/// beside it must agree: a bit that changes no page makes an object that no restore takes. The second value: whether there was
/// something to compare it with.
pub(super) async fn hash(
    requests: &Requests,
    work: &Arc<dyn Work>,
    key: &str,
    lock_byte: LockByte,
) -> Result<(Sha256, bool), StoreError> {
    type Hashing = (sha2::Sha256, Decoder);
    fn step((hash, decoder): &mut Hashing, mut bytes: &[u8]) -> Result<(), DecodeError> {
        hash.update(bytes);
        while decoder.read(&mut bytes)?.is_some() {}
        Ok(())
    }
    let hashing = (sha2::Sha256::new(), Decoder::new(lock_byte));
    let hashed = fold(requests, work, key, hashing, step).await?;
    let ((hash, decoder), beside) = hashed.map_err(|error| damaged(key, error))?;
    decoder.finish().map_err(|error| damaged(key, error))?;
    let sha256 = Sha256(hash.finalize().into());
    if beside.is_some_and(|beside| beside != sha256) {
        return Err(damaged(key, "its SHA-256 is not the one in its metadata"));
    }
    Ok((sha256, beside.is_some()))
}

/// Headers and page checksums of objects, in the order of the keys.
pub(super) async fn digest(
    requests: &Requests,
    work: &Arc<dyn Work>,
    keys: &[String],
    lock_byte: LockByte,
) -> Result<Vec<ObjectDigest>, StoreError> {
    let one = |key: &'_ String| {
        let key = key.clone();
        async move {
            let reading = decode(requests, work, &key, lock_byte, Wanted::Checksums(Vec::new())).await?;
            match reading {
                (Some(header), Wanted::Checksums(pages)) => Ok(ObjectDigest { header, pages }),
                _ => {
                    unreachable!("a decoder that finished gave a header, and nothing changes what is wanted")
                }
            }
        }
    };
    stream::iter(keys).map(one).buffered(SIDE_BY_SIDE).try_collect().await
}

/// One page from the newest object that has it. The whole object is read: only then its checksum proves the
/// page.
pub(super) async fn page(
    requests: &Requests,
    work: &Arc<dyn Work>,
    keys: &[String],
    pgno: Pgno,
    lock_byte: LockByte,
) -> Result<Option<Bytes>, StoreError> {
    for key in keys {
        let reading = decode(requests, work, key, lock_byte, Wanted::Page(pgno, None)).await?;
        if let (_, Wanted::Page(_, Some(page))) = reading {
            return Ok(Some(page));
        }
    }
    Ok(None)
}

enum Wanted {
    Checksums(Vec<(Pgno, Checksum)>),
    Page(Pgno, Option<Bytes>),
}

struct Reading {
    decoder: Decoder,
    header: Option<Header>,
    wanted: Wanted,
}

async fn decode(
    requests: &Requests,
    work: &Arc<dyn Work>,
    key: &str,
    lock_byte: LockByte,
    wanted: Wanted,
) -> Result<(Option<Header>, Wanted), StoreError> {
    let reading = Reading { decoder: Decoder::new(lock_byte), header: None, wanted };
    let (reading, _) =
        fold(requests, work, key, reading, step).await?.map_err(|error| damaged(key, error))?;
    reading.decoder.finish().map_err(|error| damaged(key, error))?;
    Ok((reading.header, reading.wanted))
}

/// Where it lies or on its way: whoever asked reads it again before he believes it.
fn damaged(key: &str, why: impl fmt::Display) -> StoreError {
    StoreError::Fatal { kind: Fatal::Unsupported, message: format!("{key} is damaged: {why}").into() }
}

fn step(reading: &mut Reading, mut bytes: &[u8]) -> Result<(), DecodeError> {
    while let Some(item) = reading.decoder.read(&mut bytes)? {
        match (item, &mut reading.wanted) {
            (Item::Header(header), _) => reading.header = Some(header),
            (Item::Page { pgno, page }, Wanted::Checksums(pages)) => {
                pages.push((pgno, page_checksum(pgno, page)));
            }
            (Item::Page { pgno, page }, Wanted::Page(wanted, found)) => {
                if pgno == *wanted {
                    *found = Some(Bytes::copy_from_slice(page));
                }
            }
            (Item::End(_), _) => {}
        }
    }
    Ok(())
}
