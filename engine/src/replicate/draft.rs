//! An object on its way into the store: what is to be written, and the requests that write it.

use super::command::{RequestId, SourceJob, StoreRequest};
use super::context::Context;
use super::event::Got;
use super::pages::PageSet;
use super::state::StateChange;
use crate::key::ObjectKey;
use crate::ltx::{HEADER_BYTES, Header};
use crate::store::{Attributes, Condition, Sha256};
use crate::types::Level;
use bytes::Bytes;

/// What is to be written.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) key: String,
    pub(super) object: ObjectKey,
    pub(super) header: Header,
    /// None any more when pages in memory were handed over to be encoded: they are in memory once.
    pub(super) pages: Option<PageSet>,
    /// Bytes of its pages before compression, to choose between one request and parts.
    pub(super) page_bytes: u64,
    /// What else to write with the record.
    pub(super) change: StateChange,
}

/// The object, encoded.
#[derive(Clone, Debug)]
pub(super) enum Ready {
    Whole { body: Bytes, sha256: Sha256 },
    Staged { id: RequestId, sha256: Sha256, size_bytes: u64 },
}

impl Ready {
    pub(super) fn size_bytes(&self) -> u64 {
        match self {
            Ready::Whole { body, .. } => body.len() as u64,
            Ready::Staged { size_bytes, .. } => *size_bytes,
        }
    }

    /// Of the whole object.
    pub(super) fn sha256(&self) -> Sha256 {
        match self {
            Ready::Whole { sha256, .. } | Ready::Staged { sha256, .. } => *sha256,
        }
    }
}

impl Draft {
    /// Level 0: the object takes a TXID, and a record of it comes first.
    pub(super) fn slot(&self) -> bool {
        self.object.level() == Level::L0
    }

    /// Whether it goes up in one request.
    pub(super) fn is_whole(&self, cx: &Context<'_>) -> bool {
        self.page_bytes <= cx.config.part_bytes
    }

    /// Asks for the object's bytes, or for parts of them in the store where they are many.
    ///
    /// # Panics
    /// If its pages were handed over already.
    pub(super) fn encode(&mut self, cx: &mut Context<'_>) -> RequestId {
        let header = self.header.clone();
        let is_whole = self.is_whole(cx);
        let pages = match self.pages.take().expect("what was handed over is not encoded again") {
            pages @ PageSet::Memory(_) if is_whole => pages,
            pages => self.pages.insert(pages).clone(),
        };
        if is_whole {
            return cx.source(SourceJob::Seal { header, pages });
        }
        let attributes = Attributes { timestamp: Some(header.timestamp()), sha256: None };
        cx.store(StoreRequest::Stage { key: self.key.clone(), header, pages, attributes })
    }

    /// The request that makes it visible, if its key is absent.
    pub(super) fn write(&self, ready: &Ready) -> StoreRequest {
        match ready {
            Ready::Whole { body, sha256 } => StoreRequest::Put {
                key: self.key.clone(),
                body: body.clone(),
                attributes: Attributes { timestamp: Some(self.header.timestamp()), sha256: Some(*sha256) },
                condition: Condition::IfAbsent,
            },
            Ready::Staged { id, .. } => StoreRequest::Complete { staged: *id },
        }
    }

    /// The request that reads back what is under the key, as far as [`Draft::is`] needs it.
    pub(super) fn read(&self, ready: &Ready) -> StoreRequest {
        let range = match ready {
            Ready::Whole { .. } => None,
            Ready::Staged { .. } => Some(0..HEADER_BYTES as u64),
        };
        StoreRequest::Get { key: self.key.clone(), range }
    }

    /// Whether the object read back is the one that was sent: by its SHA-256; or, for a staged one, by its length
    /// and its header, which holds the writer's id, the time and the checksum of the database after it.
    pub(super) fn is(&self, ready: &Ready, got: &Got) -> bool {
        match ready {
            Ready::Whole { sha256, .. } => Sha256::of(&got.bytes) == *sha256,
            Ready::Staged { size_bytes, .. } => {
                got.object_bytes == *size_bytes && got.bytes[..] == self.header.encode()
            }
        }
    }
}
