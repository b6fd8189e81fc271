//! An object that goes up in parts, in the steps and with the patience of the real driver (`io-real/src/driver`).

use super::transfer::{Kept, Next, Uploads};
use bytes::Bytes;
use engine::replicate::{RequestId, SourceError, StoreAnswer};
use engine::store::{Attributes, StoreError};
use io_real::sqlite::{Progress, Staged};
use io_sim::s3::{Answer, Request, Response, UploadId};

/// A staged upload under way; `S` encodes it piece by piece.
pub(crate) struct Stage<S> {
    id: RequestId,
    key: String,
    attributes: Attributes,
    stager: S,
    part_bytes: usize,
    /// Uploads that were staged before and that nobody will ask for again: given up first.
    forgotten: Vec<UploadId>,
    upload: Option<UploadId>,
    parts: u32,
    attempts: u32,
    buffer: Vec<u8>,
    /// The part that is sent, to send it again.
    part: Bytes,
    staged: Option<Staged>,
    /// What is answered when the upload has been given up.
    given_up: Option<Result<StoreAnswer, StoreError>>,
}

/// Objects of one level of a database share it.
fn folder(key: &str) -> Option<&str> {
    key.rsplit_once('/').map(|(folder, _)| folder)
}

/// What one step of encoding gave.
pub(crate) type Encoded = Result<Progress, SourceError>;

/// A part that does not get through is sent again so often, before all of the object is given up.
const PART_ATTEMPTS: u32 = 4;

impl<S> Stage<S> {
    /// Begins one.
    pub(super) fn start(
        id: RequestId,
        key: String,
        attributes: Attributes,
        stager: S,
        part_bytes: usize,
        uploads: &mut Uploads,
    ) -> (Stage<S>, Next) {
        // What was merged is whole, here, and in no folder of these.
        let is_forgotten =
            |kept: &mut Kept| matches!(kept, Kept::Parts(_, other) if folder(other) == folder(&key));
        let forgotten = uploads.extract_if(.., |_, kept| is_forgotten(kept));
        let upload = |(_, kept)| match kept {
            Kept::Parts(upload, _) => Some(upload),
            Kept::Whole { .. } => None,
        };
        let forgotten = forgotten.filter_map(upload).collect();
        let mut stage = Stage {
            id,
            key,
            attributes,
            stager,
            part_bytes,
            forgotten,
            upload: None,
            parts: 0,
            attempts: 0,
            buffer: Vec::new(),
            part: Bytes::new(),
            staged: None,
            given_up: None,
        };
        let next = stage.forget_or_encode();
        (stage, next)
    }

    /// Encodes a piece, with what the source makes of it.
    pub(super) fn encode(&mut self, step: impl FnOnce(&mut S, &mut Vec<u8>) -> Encoded) -> Next {
        match step(&mut self.stager, &mut self.buffer) {
            Ok(Progress::More) if self.buffer.len() < self.part_bytes => Next::Encode,
            Ok(progress) => {
                if let Progress::Done(staged) = progress {
                    self.staged = Some(staged);
                }
                self.parts += 1;
                self.attempts = 0;
                self.part = Bytes::from(std::mem::take(&mut self.buffer));
                self.send()
            }
            Err(error) => self.give_up(Ok(StoreAnswer::Unreadable(error))),
        }
    }

    /// What an answer says of a part, if a part was sent, as the real driver tells it.
    pub(super) fn part(&self, answer: &Answer) -> Option<Result<(), StoreError>> {
        let sends = self.upload.is_some() && self.given_up.is_none() && self.forgotten.is_empty();
        match answer {
            Ok(Response::Done) if sends => Some(Ok(())),
            Err(error) if sends && self.goes_on(error) => Some(Err(error.clone())),
            _ => None,
        }
    }

    /// Whether a part that failed is sent again.
    fn goes_on(&self, error: &StoreError) -> bool {
        self.upload.is_some() && error.is_transient() && self.attempts < PART_ATTEMPTS
    }

    /// Takes the answer to what was sent.
    pub(super) fn answered(&mut self, answer: Answer, uploads: &mut Uploads) -> Next {
        if let Some(result) = self.given_up.take() {
            return Next::Answer(result);
        }
        if self.forgotten.pop().is_some() {
            return self.forget_or_encode();
        }
        match answer {
            Ok(Response::Started(upload)) => {
                self.upload = Some(upload);
                self.send()
            }
            Ok(Response::Done) => match self.staged.take() {
                None => Next::Encode,
                Some(staged) => {
                    let upload = self.upload.expect("parts follow the start");
                    uploads.insert(self.id, Kept::Parts(upload, self.key.clone()));
                    let Staged { sha256, size_bytes } = staged;
                    Next::Answer(Ok(StoreAnswer::Staged { sha256, size_bytes }))
                }
            },
            Ok(response) => unreachable!("{response:?} to a part"),
            Err(error) if self.goes_on(&error) => self.send(),
            Err(error) => self.give_up(Err(error)),
        }
    }

    fn forget_or_encode(&mut self) -> Next {
        match self.forgotten.last() {
            Some(upload) => Next::Send(Request::AbortUpload { upload: *upload }),
            None => Next::Encode,
        }
    }

    fn send(&mut self) -> Next {
        let Some(upload) = self.upload else {
            let (key, attributes) = (self.key.clone(), self.attributes);
            return Next::Send(Request::StartUpload { key, attributes });
        };
        self.attempts += 1;
        Next::Send(Request::UploadPart { upload, part: self.parts, body: self.part.clone() })
    }

    fn give_up(&mut self, result: Result<StoreAnswer, StoreError>) -> Next {
        match self.upload {
            None => Next::Answer(result),
            Some(upload) => {
                self.given_up = Some(result);
                Next::Send(Request::AbortUpload { upload })
            }
        }
    }
}
