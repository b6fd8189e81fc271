//! Objects of the store merged into a larger one: read as streams, side by side, and staged in parts.

use super::object::off_thread;
use super::perform::Performer;
use super::requests::Requests;
use super::uploads::Staged;
use crate::port::{Source, Upload};
use bytes::Bytes;
use engine::compact::{Merge, MergeError, Merged, Progress};
use engine::ltx::{HEADER_BYTES, Header};
use engine::replicate::{MergeInput, RequestId, SourceId, StoreAnswer};
use engine::store::{Attributes, StoreError};
use engine::types::LockByte;
use futures::future::FutureExt as _;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

/// Bytes of inputs that are held ready, over all inputs of a merge.
const READY_BYTES: u64 = 16 << 20;
/// Merges at one time, of all databases: with 64 MiB for all of them.
pub(super) const MERGES_MAX: usize = 2;
/// Bytes of one read.
const READ_BYTES_MIN: u64 = 128 << 10;
const READ_BYTES_MAX: u64 = 4 << 20;
/// First reads at one time.
const SIDE_BY_SIDE: usize = 8;

/// A merge as far as it has come; goes to another thread to compute, and comes back.
struct Work {
    merge: Merge,
    /// Of each input, bytes that were read and not taken.
    ready: Vec<Bytes>,
    out: Vec<u8>,
}

/// What stopped the computing.
enum Stopped {
    /// This input's next bytes are needed.
    Needs(usize),
    /// Enough for a part.
    Full,
    Done(Box<Merged>),
    Failed(MergeError),
}

/// One input in the store.
struct Stream {
    input: MergeInput,
    read_bytes: u64,
}

/// Where the output goes.
enum Output {
    /// It may yet fit into one request.
    Memory,
    Parts(Box<dyn Upload>),
}

impl<S: Source> Performer<S> {
    /// Merges objects and keeps the output under the request's id.
    pub(super) async fn merge(
        &self,
        id: RequestId,
        database: SourceId,
        key: String,
        inputs: Vec<MergeInput>,
        (lock_byte, part_bytes): (LockByte, u64),
    ) -> Result<StoreAnswer, StoreError> {
        for forgotten in self.uploads.take_of(database, &key) {
            self.give_up(forgotten).await;
        }
        let _permit = self.merges.acquire().await.expect("the semaphore is never closed");
        let mut output = Output::Memory;
        let merged = self.merge_into(id, &key, inputs, lock_byte, part_bytes, &mut output).await;
        match (merged, output) {
            (Ok(Ok((merged, rest))), Output::Memory) => {
                let attributes =
                    Attributes { timestamp: Some(merged.header.timestamp()), sha256: Some(merged.sha256) };
                let staged = Staged::Whole { key: key.clone(), body: rest, attributes };
                self.uploads.keep(id, database, &key, staged);
                Ok(StoreAnswer::Merged(*merged))
            }
            (Ok(Ok((merged, rest))), Output::Parts(mut upload)) => {
                if !rest.is_empty()
                    && let Err(error) = self.send_part(id, &mut *upload, rest).await
                {
                    self.give_up(Staged::Parts(upload)).await;
                    return Err(error);
                }
                self.uploads.keep(id, database, &key, Staged::Parts(upload));
                Ok(StoreAnswer::Merged(*merged))
            }
            (failed, output) => {
                if let Output::Parts(upload) = output {
                    self.give_up(Staged::Parts(upload)).await;
                }
                match failed? {
                    Err(error) => Ok(StoreAnswer::Unmergeable(error)),
                    Ok(_) => unreachable!("a merge that was done is above"),
                }
            }
        }
    }

    /// Ends an upload that nobody will complete. What is not given up now is swept later.
    pub(super) async fn give_up(&self, staged: Staged) {
        if let Staged::Parts(mut upload) = staged {
            let _ = self.requests.abort(&mut *upload).await;
        }
    }

    /// Merges; gives what came out, and the bytes of it that are not in `output`.
    async fn merge_into(
        &self,
        id: RequestId,
        key: &str,
        inputs: Vec<MergeInput>,
        lock_byte: LockByte,
        part_bytes: u64,
        output: &mut Output,
    ) -> Result<Result<(Box<Merged>, Bytes), MergeError>, StoreError> {
        let objects: Vec<_> = inputs.iter().map(|input| input.object).collect();
        let read_bytes = (READY_BYTES / inputs.len() as u64).clamp(READ_BYTES_MIN, READ_BYTES_MAX);
        let mut streams: Vec<Stream> =
            inputs.into_iter().map(|input| Stream { input, read_bytes: 0 }).collect();
        let firsts = streams.iter_mut().map(|stream| stream.read(&self.requests, read_bytes).boxed());
        let firsts: Vec<_> = firsts.collect();
        let ready: Vec<Bytes> = stream::iter(firsts).buffered(SIDE_BY_SIDE).try_collect().await?;
        let mut work = Work { merge: Merge::new(&objects, lock_byte), ready, out: Vec::new() };
        let part_bytes = usize::try_from(part_bytes).unwrap_or(usize::MAX);
        let mut timestamp = None;
        loop {
            let (next, stopped) = off_thread(&self.work, move || work.go_on(part_bytes)).await?;
            work = next;
            match stopped {
                Stopped::Needs(input) => {
                    let bytes = streams[input].read(&self.requests, read_bytes).await?;
                    // A stream that has ended is empty: the merge hears of it.
                    if bytes.is_empty()
                        && let Err(error) = work.merge.close(input)
                    {
                        return Ok(Err(error));
                    }
                    work.ready[input] = bytes;
                }
                Stopped::Full => {
                    let rest = work.out.split_off(part_bytes);
                    let part = Bytes::from(std::mem::replace(&mut work.out, rest));
                    if timestamp.is_none() {
                        let header = part.get(..HEADER_BYTES).and_then(|bytes| Header::decode(bytes).ok());
                        timestamp = header.map(|header| header.timestamp());
                    }
                    if matches!(output, Output::Memory) {
                        let attributes = Attributes { timestamp, sha256: None };
                        *output = Output::Parts(self.requests.upload(key, &attributes).await?);
                    }
                    let Output::Parts(upload) = output else { unreachable!("just made") };
                    self.send_part(id, &mut **upload, part).await?;
                }
                Stopped::Done(merged) => return Ok(Ok((merged, Bytes::from(work.out)))),
                Stopped::Failed(error) => return Ok(Err(error)),
            }
        }
    }
}

impl Work {
    fn go_on(mut self, part_bytes: usize) -> (Work, Stopped) {
        let stopped = loop {
            match self.merge.poll(&mut self.out) {
                Err(error) => break Stopped::Failed(error),
                Ok(Progress::Done(merged)) => break Stopped::Done(Box::new(merged)),
                Ok(Progress::Wrote) if self.out.len() > part_bytes => break Stopped::Full,
                Ok(Progress::Wrote) => {}
                Ok(Progress::Needs(input)) => {
                    let mut bytes = &self.ready[input][..];
                    if bytes.is_empty() {
                        break Stopped::Needs(input);
                    }
                    let before = bytes.len();
                    if let Err(error) = self.merge.feed(input, &mut bytes) {
                        break Stopped::Failed(error);
                    }
                    let taken = before - bytes.len();
                    let _ = self.ready[input].split_to(taken);
                }
            }
        };
        (self, stopped)
    }
}

impl Stream {
    /// The next bytes; none at the end.
    async fn read(&mut self, requests: &Requests, bytes_max: u64) -> Result<Bytes, StoreError> {
        if self.read_bytes >= self.input.size_bytes {
            return Ok(Bytes::new());
        }
        let end = self.read_bytes.saturating_add(bytes_max).min(self.input.size_bytes);
        let body = requests.get(&self.input.key, Some(self.read_bytes..end)).await?;
        if body.etag != self.input.etag || body.object_bytes != self.input.size_bytes {
            // Another version than was planned with.
            return Err(StoreError::Missing);
        }
        if body.bytes.is_empty() {
            return Err(StoreError::Retryable("an answer without bytes".into()));
        }
        self.read_bytes += body.bytes.len() as u64;
        Ok(body.bytes)
    }
}
