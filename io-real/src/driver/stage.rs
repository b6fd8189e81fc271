//! An object too large for memory: encoded in steps and sent in parts, while the next part is encoded.

use super::message::Message;
use super::perform::Performer;
use super::promise::LOST;
use super::uploads::Staged;
use crate::port::{Source, StagedObject, Upload};
use bytes::Bytes;
use engine::ltx::Header;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{Event, PageSet, RequestId, SourceError, SourceId, StoreAnswer};
use engine::store::{Attributes, StoreError};
use std::time::Duration;
use tokio::sync::oneshot;

/// What to stage.
pub(super) struct Stage {
    pub(super) key: String,
    pub(super) header: Header,
    pub(super) pages: PageSet,
    pub(super) attributes: Attributes,
    /// At least so many bytes per part but the last.
    pub(super) part_bytes: u64,
}

/// Why it did not come about.
enum Trouble {
    Source(SourceError),
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Store(error)
    }
}

/// S3 takes 10,000 parts.
const PARTS_MAX: u64 = 9_000;
/// A part that did not get through changes nothing that anybody sees: it is sent again a few times, before all
/// of the object is given up.
const PART_ATTEMPTS: u32 = 4;
/// Steps of one turn at the source: some milliseconds, for which a look may wait, and with it a checkpoint of the
/// application.
const STEPS_MAX: u32 = 16;
const PART_PAUSE: Duration = Duration::from_millis(200);

impl<S: Source> Performer<S> {
    /// Stages an object and keeps its upload under the request's id.
    pub(super) async fn stage(
        &self,
        id: RequestId,
        database: SourceId,
        stage: Stage,
    ) -> Result<StoreAnswer, StoreError> {
        for forgotten in self.uploads.take_of(database, &stage.key) {
            if mutated(Mutant::ForgottenUploadLeft) {
                continue;
            }
            self.give_up(forgotten).await;
        }
        let Stage { key, header, pages, attributes, part_bytes } = stage;
        let image_bytes =
            u64::from(header.commit().into_inner()) * u64::from(header.page_size().into_inner());
        let part_bytes = part_bytes.max(image_bytes / PARTS_MAX);
        let first = match self.encode(database, Encoding::Start(Box::new(header), pages), part_bytes).await {
            Ok(first) => first,
            Err(error) => return Ok(StoreAnswer::Unreadable(error)),
        };
        let mut upload = self.requests.upload(&key, &attributes).await?;
        match self.send_parts(id, database, first, &mut *upload, part_bytes).await {
            Ok(answer) => {
                self.uploads.keep(id, database, &key, Staged::Parts(upload));
                Ok(answer)
            }
            Err(trouble) => {
                let _ = self.requests.abort(&mut *upload).await;
                match trouble {
                    Trouble::Source(error) => Ok(StoreAnswer::Unreadable(error)),
                    Trouble::Store(error) => Err(error),
                }
            }
        }
    }

    /// In memory are the part that is sent and the one that is encoded.
    async fn send_parts(
        &self,
        id: RequestId,
        database: SourceId,
        mut piece: Piece<S>,
        upload: &mut dyn Upload,
        part_bytes: u64,
    ) -> Result<StoreAnswer, Trouble> {
        let mut size_bytes = 0;
        loop {
            size_bytes += piece.part.len() as u64;
            match piece.rest {
                Rest::Whole(object) => {
                    self.send_part(id, upload, piece.part).await?;
                    assert_eq!(object.size_bytes, size_bytes, "every byte went up");
                    return Ok(StoreAnswer::Staged { sha256: object.sha256, size_bytes });
                }
                Rest::More(encoding) => {
                    let sending = self.send_part(id, upload, piece.part);
                    let next = self.encode(database, encoding, part_bytes);
                    let (sent, next) = futures::future::join(sending, next).await;
                    sent?;
                    piece = next.map_err(Trouble::Source)?;
                }
            }
        }
    }

    /// The engine hears of each attempt: while parts fail, nothing goes up.
    pub(super) async fn send_part(
        &self,
        id: RequestId,
        upload: &mut dyn Upload,
        part: Bytes,
    ) -> Result<(), StoreError> {
        let mut attempt = 1;
        loop {
            match self.requests.part(upload, part.clone()).await {
                Err(error) if error.is_transient() && mutated(Mutant::PartTakenForSent) => return Ok(()),
                Err(error) if error.is_transient() && attempt < PART_ATTEMPTS => {
                    let _ = self.answers.send(Event::Part(id, Err(error)));
                    tokio::time::sleep(PART_PAUSE * 2_u32.pow(attempt)).await;
                    attempt += 1;
                }
                Err(error) if error.is_transient() && mutated(Mutant::PartTakenForSent) => return Ok(()),
                sent => {
                    if sent.is_ok() {
                        let _ = self.answers.send(Event::Part(id, Ok(())));
                    }
                    return sent;
                }
            }
        }
    }

    /// The next part, encoded where the source is.
    async fn encode(
        &self,
        database: SourceId,
        encoding: Encoding<S>,
        part_bytes: u64,
    ) -> Result<Piece<S>, SourceError> {
        let mut encoding = encoding;
        loop {
            let (answer, answered) = oneshot::channel();
            let task = move |source: &mut S| {
                let piece = encoding.next(source, part_bytes);
                // Whoever asked may be gone.
                let _ = answer.send(piece);
            };
            let _ = self.messages.send(Message::SourceTask(database, Box::new(task)));
            match answered.await.unwrap_or_else(|_| Err(SourceError::Io(LOST.into())))? {
                Next::Piece(piece) => return Ok(piece),
                Next::More(going) => encoding = going,
            }
        }
    }
}

/// What one turn at the source gave.
enum Next<S: Source> {
    Piece(Piece<S>),
    /// The part is not full: other jobs of the source come first.
    More(Encoding<S>),
}

/// One part, and what comes after it.
struct Piece<S: Source> {
    part: Bytes,
    rest: Rest<S>,
}

enum Rest<S: Source> {
    More(Encoding<S>),
    Whole(StagedObject),
}

/// An object of which some bytes are out.
enum Encoding<S: Source> {
    Start(Box<Header>, PageSet),
    Going {
        stager: S::Stager,
        /// Encoded, not yet in a part.
        over: Vec<u8>,
        /// Everything is encoded.
        whole: Option<StagedObject>,
    },
}

impl<S: Source> Encoding<S> {
    fn next(self, source: &mut S, part_bytes: u64) -> Result<Next<S>, SourceError> {
        let part_bytes = usize::try_from(part_bytes).unwrap_or(usize::MAX);
        let (mut stager, mut out, mut whole) = match self {
            Encoding::Start(header, pages) => (source.stage(&header, pages), Vec::new(), None),
            Encoding::Going { stager, over, whole } => (stager, over, whole),
        };
        let mut steps = 0;
        while whole.is_none() && out.len() <= part_bytes {
            if steps == STEPS_MAX {
                return Ok(Next::More(Encoding::Going { stager, over: out, whole }));
            }
            whole = source.step(&mut stager, &mut out)?;
            steps += 1;
        }
        let over = if out.len() > part_bytes { out.split_off(part_bytes) } else { Vec::new() };
        let rest = match whole {
            Some(object) if over.is_empty() => Rest::Whole(object),
            whole => Rest::More(Encoding::Going { stager, over, whole }),
        };
        Ok(Next::Piece(Piece { part: Bytes::from(out), rest }))
    }
}
