//! The engine's store requests, in terms of the simulated store: some are a single request, some are several.
//! Answers are those of the real driver (`io-real/src/driver/perform.rs` and `read.rs`).

use super::stage::{Encoded, Stage};
use crate::oracle::mirror::take_apart;
use bytes::Bytes;
use engine::compact::merge_whole;
use engine::db::page_checksum;
use engine::ltx::Header;
use engine::replicate::{
    Event, Got, MergeInput, ObjectDigest, PageSet, RequestId, StoreAnswer, StoreRequest,
};
use engine::store::{Attributes, Condition, Fatal, Sha256, StoreError};
use engine::types::{LockByte, Pgno};
use io_sim::s3::{Answer, Request, Response, UploadId};

/// A store request under way; `S` encodes what goes up in parts.
pub(crate) struct Transfer<S> {
    pub(crate) id: RequestId,
    kind: Kind<S>,
}

enum Kind<S> {
    Single,
    Delete,
    Complete { staged: RequestId },
    Stage(Box<Stage<S>>),
    Each { keys: Vec<String>, next: usize, digests: Vec<ObjectDigest>, page: Option<Pgno> },
    Hash,
    Merge { key: String, inputs: Vec<MergeInput>, read: Vec<Bytes> },
    DeleteMany,
}

/// What a transfer wants next.
pub(crate) enum Next {
    /// Send this.
    Send(Request),
    /// Encode another piece, when the process gets to it.
    Encode,
    /// It is over.
    Answer(Result<StoreAnswer, StoreError>),
}

/// What is staged, by the request that staged it.
pub(crate) type Uploads = std::collections::BTreeMap<RequestId, Kept>;

/// Everything but the last step.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// All parts are in the store; with the key that it is for.
    Parts(UploadId, String),
    /// Small enough for one request.
    Whole { key: String, body: Bytes, attributes: Attributes },
}

impl<S> Transfer<S> {
    /// What an answer tells the engine before its request is answered.
    pub(crate) fn tells(&self, answer: &Answer) -> Option<Event> {
        let Kind::Stage(stage) = &self.kind else { return None };
        stage.part(answer).map(|part| Event::Part(self.id, part))
    }

    /// Begins a request; `stage` says how pages are encoded.
    pub(crate) fn start(
        id: RequestId,
        request: StoreRequest,
        stage: impl FnOnce(&Header, PageSet) -> S,
        uploads: &mut Uploads,
        list_keys_max: usize,
        part_bytes: usize,
    ) -> (Transfer<S>, Next) {
        let (kind, next) = match request {
            StoreRequest::Put { key, body, attributes, condition } => {
                (Kind::Single, Next::Send(Request::Put { key, body, attributes, condition }))
            }
            StoreRequest::Complete { staged } => match uploads.get(&staged) {
                Some(Kept::Parts(upload, _)) => {
                    let request = Request::CompleteUpload { upload: *upload, condition: Condition::IfAbsent };
                    (Kind::Complete { staged }, Next::Send(request))
                }
                Some(Kept::Whole { key, body, attributes }) => {
                    let (key, body, attributes) = (key.clone(), body.clone(), *attributes);
                    let request = Request::Put { key, body, attributes, condition: Condition::IfAbsent };
                    (Kind::Complete { staged }, Next::Send(request))
                }
                None => (Kind::Single, Next::Answer(Err(StoreError::Missing))),
            },
            StoreRequest::Discard { staged } => match uploads.remove(&staged) {
                Some(Kept::Parts(upload, _)) => (Kind::Single, Next::Send(Request::AbortUpload { upload })),
                Some(Kept::Whole { .. }) | None => (Kind::Single, Next::Answer(Ok(StoreAnswer::Discarded))),
            },
            StoreRequest::Get { key, range } => (Kind::Single, Next::Send(Request::Get { key, range })),
            StoreRequest::List { prefix, after } => {
                let request = Request::List { prefix, after, folders: false, keys_max: list_keys_max };
                (Kind::Single, Next::Send(request))
            }
            StoreRequest::DeleteIfMatch { key, etag } => {
                (Kind::Delete, Next::Send(Request::DeleteIfMatch { key, etag }))
            }
            StoreRequest::Merge { key, inputs } => {
                let first = Request::Get { key: inputs[0].key.clone(), range: None };
                (Kind::Merge { key, inputs, read: Vec::new() }, Next::Send(first))
            }
            StoreRequest::Delete { keys } => (Kind::DeleteMany, Next::Send(Request::Delete { keys })),
            StoreRequest::Hash { key } => (Kind::Hash, Next::Send(Request::Get { key, range: None })),
            StoreRequest::Digest { keys } => each(keys, None),
            StoreRequest::Page { keys, pgno } => each(keys, Some(pgno)),
            StoreRequest::Stage { key, header, pages, attributes } => {
                let stager = stage(&header, pages);
                let (stage, next) = Stage::start(id, key, attributes, stager, part_bytes, uploads);
                (Kind::Stage(Box::new(stage)), next)
            }
        };
        (Transfer { id, kind }, next)
    }

    /// Encodes a piece of a staged upload.
    pub(crate) fn encode(&mut self, step: impl FnOnce(&mut S, &mut Vec<u8>) -> Encoded) -> Next {
        let Kind::Stage(stage) = &mut self.kind else { unreachable!("only staged uploads encode") };
        stage.encode(step)
    }

    /// Takes the answer to what was sent.
    pub(crate) fn answered(&mut self, answer: Answer, uploads: &mut Uploads, lock_byte: LockByte) -> Next {
        match &mut self.kind {
            Kind::Stage(stage) => return stage.answered(answer, uploads),
            Kind::Complete { staged } => match &answer {
                // All its parts must be sent again, or another object is there.
                Ok(_) | Err(StoreError::Missing | StoreError::Conflict | StoreError::Refused) => {
                    uploads.remove(staged);
                }
                // An upload stays while the engine may ask for it again.
                Err(_) => {}
            },
            Kind::Single
            | Kind::Delete
            | Kind::DeleteMany
            | Kind::Merge { .. }
            | Kind::Each { .. }
            | Kind::Hash => {}
        }
        let response = match answer {
            Ok(response) => response,
            Err(error) => return Next::Answer(Err(error)),
        };
        let id = self.id;
        match (&mut self.kind, response) {
            (Kind::Merge { key, inputs, read }, Response::Body(body)) => {
                let input = &inputs[read.len()];
                if (&body.meta.etag, body.meta.size_bytes) != (&input.etag, input.size_bytes) {
                    return Next::Answer(Err(StoreError::Missing));
                }
                read.push(body.bytes);
                match inputs.get(read.len()) {
                    Some(next) => Next::Send(Request::Get { key: next.key.clone(), range: None }),
                    None => Next::Answer(Ok(merge(id, key, inputs, read, uploads, lock_byte))),
                }
            }
            (Kind::DeleteMany, Response::Deleted(results)) => {
                Next::Answer(Ok(StoreAnswer::DeletedMany(results)))
            }
            (Kind::Delete, Response::Done) => Next::Answer(Ok(StoreAnswer::Deleted)),
            (Kind::Each { keys, next, digests, page }, Response::Body(body)) => {
                let key = &keys[*next];
                *next += 1;
                match read_on(key, &body.bytes, digests, *page, lock_byte) {
                    Some(result) => Next::Answer(result),
                    None => next_of(keys, *next, digests, *page),
                }
            }
            // The contract of the request: bytes that are not an object's are no hash.
            (Kind::Hash, Response::Body(body)) => Next::Answer(match take_apart(&body.bytes, lock_byte) {
                Ok(_) => hashed(Sha256::of(&body.bytes), body.attributes.sha256),
                Err(why) => Err(StoreError::Fatal { kind: Fatal::Unsupported, message: why.into() }),
            }),
            (_, response) => Next::Answer(Ok(answer_of(response))),
        }
    }
}

/// Merges what was read, and stages it.
fn merge(
    id: RequestId,
    key: &str,
    inputs: &[MergeInput],
    read: &[Bytes],
    uploads: &mut Uploads,
    lock_byte: LockByte,
) -> StoreAnswer {
    let inputs: Vec<_> = inputs.iter().zip(read).map(|(input, bytes)| (input.object, &bytes[..])).collect();
    match merge_whole(&inputs, lock_byte) {
        Err(error) => StoreAnswer::Unmergeable(error),
        Ok((merged, body)) => {
            let attributes =
                Attributes { timestamp: Some(merged.header.timestamp()), sha256: Some(merged.sha256) };
            uploads.insert(id, Kept::Whole { key: key.to_owned(), body: body.into(), attributes });
            StoreAnswer::Merged(merged)
        }
    }
}

/// What lies beside an object must agree with it.
fn hashed(sha256: Sha256, beside: Option<Sha256>) -> Result<StoreAnswer, StoreError> {
    if beside.is_some_and(|beside| beside != sha256) {
        let message = "its SHA-256 is not the one in its metadata".into();
        return Err(StoreError::Fatal { kind: Fatal::Unsupported, message });
    }
    Ok(StoreAnswer::Hashed { sha256, is_compared: beside.is_some() })
}

/// What a response is to the engine, where nothing is computed from it.
fn answer_of(response: Response) -> StoreAnswer {
    match response {
        Response::Written(written) => StoreAnswer::Put { etag: written.etag },
        Response::Done => StoreAnswer::Discarded,
        Response::Body(body) => StoreAnswer::Got(Got {
            bytes: body.bytes,
            object_bytes: body.meta.size_bytes,
            etag: body.meta.etag,
            modified: body.meta.modified,
            attributes: body.attributes,
        }),
        Response::Listing(listing) => {
            let io_sim::s3::Listing { objects, next, time, folders: _ } = listing;
            StoreAnswer::Listed { objects, next, time: Some(time) }
        }
        response => unreachable!("{response:?}"),
    }
}

fn each<S>(keys: Vec<String>, page: Option<Pgno>) -> (Kind<S>, Next) {
    let first = next_of(&keys, 0, &mut Vec::new(), page);
    (Kind::Each { keys, next: 0, digests: Vec::new(), page }, first)
}

/// Asks for the next object, or answers when all were read.
fn next_of(keys: &[String], next: usize, digests: &mut Vec<ObjectDigest>, page: Option<Pgno>) -> Next {
    match (keys.get(next), page) {
        (Some(key), _) => Next::Send(Request::Get { key: key.clone(), range: None }),
        (None, Some(_)) => Next::Answer(Ok(StoreAnswer::Page(None))),
        (None, None) => Next::Answer(Ok(StoreAnswer::Digested(std::mem::take(digests)))),
    }
}

/// Takes an object apart; an answer, if that ends it.
fn read_on(
    key: &str,
    bytes: &[u8],
    digests: &mut Vec<ObjectDigest>,
    page: Option<Pgno>,
    lock_byte: LockByte,
) -> Option<Result<StoreAnswer, StoreError>> {
    let object = match take_apart(bytes, lock_byte) {
        Ok(object) => object,
        Err(why) => {
            let message = format!("{key} is damaged: {why}").into();
            return Some(Err(StoreError::Fatal { kind: Fatal::Unsupported, message }));
        }
    };
    if let Some(pgno) = page {
        let found = object.pages.into_iter().find(|(at, _)| *at == pgno);
        return found.map(|(_, page)| Ok(StoreAnswer::Page(Some(Bytes::from(page)))));
    }
    let pages = object.pages.iter().map(|(pgno, page)| (*pgno, page_checksum(*pgno, page))).collect();
    digests.push(ObjectDigest { header: object.header, pages });
    None
}
