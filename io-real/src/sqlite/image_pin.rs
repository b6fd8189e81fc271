//! The image pin: a third connection that stands on one commit while a full image is read, whatever becomes of the anchor
//! (docs/decisions/0021-an-image-has-a-pin-of-its-own.md).
//!
//! It is an ordinary reader. It keeps checkpoints from copying what is newer and the log from being begun anew, so it is
//! there only while a full image is made, and says when it may be in the way.

use super::connection::Connection;
use super::image::View;
use super::log::Log;
use super::look::{Wanted, in_memory};
use super::session::SessionConfig;
use super::source::Source;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{ImagePinned, Looked, Snapshot, SourceError};
use engine::types::{LockByte, PageSize, Pgno};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A connection with an open read transaction. Dropping it ends that.
pub(super) struct ImagePin {
    connection: Connection,
    snapshot: Snapshot,
}

impl ImagePin {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn page_size(&self) -> PageSize {
        self.snapshot.page_size
    }

    /// SQLite ends a transaction by itself after some errors.
    pub(super) fn is_held(&self) -> bool {
        self.connection.pinned()
    }
}

impl Source {
    /// See [`SourceJob::PinImage`](engine::replicate::SourceJob::PinImage).
    pub(super) fn pin_image(
        &mut self,
        config: &SessionConfig,
        wanted: &Wanted,
    ) -> Result<ImagePinned, SourceError> {
        self.image = None;
        let checked = self.check(config)?;
        let connection = Connection::open(&self.paths.database, config.vfs.as_deref())?;
        let (snapshot, view) = self.pin(&connection, self.anchor(), checked.index)?;
        // The path may have come to name another file since it was looked at.
        let checked = self.check(config)?;
        let tail = self.tail(&connection, &snapshot, view, wanted)?;
        let whole = tail.as_ref().is_none_or(|tail| in_memory(tail, &snapshot));
        let frames = match whole {
            true => Some(Arc::new(frames(&connection, &snapshot, view, config.lock_byte)?)),
            false => None,
        };
        if frames.is_some() {
            self.image = Some(ImagePin { connection, snapshot });
        }
        let looked = Looked {
            snapshot,
            tail,
            handed_over: false,
            backfilled: false,
            copying: false,
            image_in_the_way: false,
            wal_bytes: checked.wal_bytes,
        };
        Ok(ImagePinned { looked, frames })
    }

    /// Whether a checkpoint that keeps the writers out waits for readers, while an image is pinned.
    ///
    /// One that waits has the checkpoint lock, and nobody has slot 0 alone, as one that copies does. To ask for a lock is to
    /// have it for a moment, in which a checkpoint of the application would find it taken: so it is asked only while an
    /// image is pinned, by looks that are some 50 ms apart.
    pub(super) fn image_in_the_way(&self) -> bool {
        // The connection that is free has no transaction whose locks it could give back.
        let free = self.free();
        if self.image.is_none() || free.pinned() || free.guards() {
            return false;
        }
        free.may_checkpoint().is_ok_and(|may| !may) && free.may_share(0).unwrap_or(false)
    }
}

/// Pages of the image that lie in the log, with their newest frame.
fn frames(
    on: &Connection,
    snapshot: &Snapshot,
    view: View,
    lock_byte: LockByte,
) -> Result<BTreeMap<Pgno, u32>, SourceError> {
    let mut frames = BTreeMap::new();
    let View::Log { backfilled } = view else { return Ok(frames) };
    if mutated(Mutant::ImageIgnoresLog) {
        return Ok(frames);
    }
    let lock_page = lock_byte.pgno(snapshot.page_size);
    let is_in = |pgno: Pgno| pgno.into_inner() <= snapshot.pages && pgno != lock_page;
    Log::open(on, snapshot)?.newest_of(snapshot.end.frames, is_in, |pgno, frame| {
        frames.insert(pgno, frame);
    })?;
    // Older frames are in the database file, which no checkpoint changes beyond the pin.
    frames.retain(|_, frame| *frame > backfilled);
    Ok(frames)
}
