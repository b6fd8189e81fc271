//! One followed database, as the engine's [`SourceJob`]s see it.

use super::image::ImageReader;
use super::look::Wanted;
use super::source::Source;
use super::stage::Stager;
use crate::port::Files;
use crate::seal::seal;
use engine::ltx::Header;
use engine::replicate::{HandOver, PageSet, Sealed, SourceAnswer, SourceError, SourceJob};
use engine::types::LockByte;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a session must be told.
#[derive(Clone)]
pub struct SessionConfig {
    /// SQLite's name of the file system; the default one when `None`.
    pub vfs: Option<String>,
    /// The database; may be a symbolic link, and need not exist yet.
    pub path: PathBuf,
    /// The same file system, beside SQLite.
    pub files: Arc<dyn Files>,
    /// Where SQLite's lock page is.
    pub lock_byte: LockByte,
    /// Waits for a fraction of a millisecond, and gives how long it was: [`pause`](crate::files::pause). Where time is
    /// simulated others act meanwhile.
    pub pause: fn(Duration) -> Duration,
}

/// Does the work on one source database. Calls block, for seconds if SQLite does; the session may move between
/// threads from call to call.
///
/// Dropping it is [`SourceJob::Close`].
pub struct Session {
    config: SessionConfig,
    source: Option<Source>,
    /// An attempt to open it has changed the journal mode, and this was not told, because the attempt failed later on.
    entered_wal_mode: bool,
    /// Counts anchors: pages that were chosen under one must not be read under another.
    anchors: u64,
    /// Counts image pins for the same reason.
    images: u64,
}

/// What pages are read under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Under {
    /// The anchor of this number.
    Anchor(u64),
    /// The image pin of this number.
    Image(u64),
}

impl Session {
    /// A session that has nothing open.
    pub fn new(config: SessionConfig) -> Session {
        Session { config, source: None, entered_wal_mode: false, anchors: 0, images: 0 }
    }

    /// Does one job, as its documentation says.
    ///
    /// # Errors
    /// Any [`SourceError`]; of a job that needs the database also [`SourceError::Io`] when nothing is open. After
    /// [`SourceError::Replaced`] everything but opening and closing fails with it.
    pub fn run(&mut self, job: SourceJob) -> Result<SourceAnswer, SourceError> {
        match job {
            SourceJob::Open { enter_wal_mode } => {
                self.close();
                let (source, opened) =
                    Source::open(&self.config, enter_wal_mode, &mut self.entered_wal_mode)?;
                self.source = Some(source);
                Ok(SourceAnswer::Opened(opened))
            }
            SourceJob::Look { from, pages_before, bytes_max, hand_over } => {
                let (config, source) = self.open()?;
                let looked = source.look(config, from, pages_before, bytes_max, hand_over);
                // One that fails half-way may have moved it.
                let moved =
                    looked.as_ref().map_or(hand_over == HandOver::Restart, |looked| looked.handed_over);
                self.anchors += u64::from(moved);
                looked.map(SourceAnswer::Looked)
            }
            SourceJob::Survey { as_of } => {
                self.anchors += 1;
                let (config, source) = self.open()?;
                source.survey(config, as_of).map(|surveyed| SourceAnswer::Surveyed(Box::new(surveyed)))
            }
            SourceJob::PinImage { from, pages_before, bytes_max } => {
                self.images += 1;
                let (config, source) = self.open()?;
                let wanted = Wanted::new(from, pages_before, bytes_max, config.lock_byte);
                source.pin_image(config, &wanted).map(SourceAnswer::ImagePinned)
            }
            SourceJob::UnpinImage => {
                self.images += 1;
                if let Some(source) = &mut self.source {
                    source.image = None;
                }
                Ok(SourceAnswer::ImageUnpinned)
            }
            SourceJob::Measure => {
                let (config, source) = self.open()?;
                source.measure(config).map(SourceAnswer::Measured)
            }
            SourceJob::Seal { header, pages } => self.seal(&header, pages).map(SourceAnswer::Sealed),
            SourceJob::Checkpoint(mode) => {
                let (config, source) = self.open()?;
                source.checkpoint(config, mode).map(SourceAnswer::Checkpointed)
            }
            SourceJob::Close => {
                self.close();
                Ok(SourceAnswer::Closed)
            }
        }
    }

    /// Starts to encode an object piece by piece; jobs that leave the anchor where it is may run in between.
    pub fn stage(&self, header: &Header, pages: PageSet) -> Stager {
        let under = match pages {
            PageSet::Image(_) => Under::Image(self.images),
            PageSet::Memory(_) | PageSet::Pinned(_) => Under::Anchor(self.anchors),
        };
        Stager::new(header, pages, self.config.lock_byte, under)
    }

    fn seal(&mut self, header: &Header, pages: PageSet) -> Result<Sealed, SourceError> {
        let pages = match pages {
            PageSet::Memory(pages) => return Ok(seal(header, pages, self.config.lock_byte)),
            pinned @ (PageSet::Pinned(_) | PageSet::Image(_)) => pinned,
        };
        let mut body = Vec::new();
        let mut stager = self.stage(header, pages);
        loop {
            if let super::Progress::Done(staged) = stager.step(self, &mut body)? {
                assert_eq!(staged.size_bytes, body.len() as u64);
                return Ok(Sealed { body: body.into(), sha256: staged.sha256 });
            }
        }
    }

    /// For the stager: pages under the pin that was there when it began.
    pub(super) fn reader(&mut self, header: &Header, under: Under) -> Result<ImageReader<'_>, SourceError> {
        let unstable = |why: &str| Err(SourceError::Unstable(why.into()));
        let stays = match under {
            Under::Anchor(number) => number == self.anchors,
            Under::Image(number) => number == self.images,
        };
        if !stays {
            return unstable("the pin has moved or is gone");
        }
        let (_, source) = self.open()?;
        source.usable()?;
        let (connection, page_size) = match (under, &source.image) {
            (Under::Anchor(_), _) => (source.anchor(), source.anchored.page_size),
            (Under::Image(_), Some(image)) if image.is_held() => (image.connection(), image.page_size()),
            (Under::Image(_), _) => return unstable("the image is not pinned any more"),
        };
        if page_size != header.page_size() {
            return unstable("the page size is another");
        }
        ImageReader::new(connection, header.page_size())
    }

    /// For the stager: whether the files are still ours.
    pub(super) fn check(&mut self) -> Result<(), SourceError> {
        let (config, source) = self.open()?;
        source.check(config).map(drop)
    }

    fn open(&mut self) -> Result<(&SessionConfig, &mut Source), SourceError> {
        let source =
            self.source.as_mut().ok_or_else(|| SourceError::Io("the database is not open".into()))?;
        Ok((&self.config, source))
    }

    fn close(&mut self) {
        self.source = None;
        self.anchors += 1;
        self.images += 1;
    }
}
