//! An upload that goes on beside the slots: a full image of a slot that is confirmed.
//!
//! The head moves on meanwhile, so an upload of its own cannot look whether it still is what it was. Whoever follows knows,
//! and gives the word for each write.

use super::{Next, Step, Upload};
use crate::ltx::{HEADER_BYTES, Header};
use crate::replicate::command::{RequestId, StoreRequest};
use crate::replicate::context::Context;
use crate::replicate::draft::{Draft, Ready};
use crate::replicate::event::Got;
use crate::replicate::sighting::Sighting;

impl Upload {
    /// Begins to encode; nothing is written without [`Upload::release`].
    pub(in crate::replicate) fn beside(cx: &mut Context<'_>, draft: Draft, seen: Sighting) -> Upload {
        assert!(!draft.slot(), "slots go up one by one");
        Upload { beside: true, ..Upload::start(cx, draft, seen) }
    }

    /// Whether it waits for the word to write.
    pub(in crate::replicate) fn is_held(&self) -> bool {
        matches!(self.step, Step::Held(_))
    }

    /// Writes what is held: the place was seen as it must be, and not long ago.
    pub(in crate::replicate) fn release(&mut self, cx: &mut Context<'_>, seen: &Sighting) {
        // Of the newest object nothing is built on: it is another already.
        self.seen = Sighting { object: None, ..seen.clone() };
        let step = std::mem::replace(&mut self.step, Step::Paused(cx.now.mono, Next::Encode));
        let Step::Held(ready) = step else { unreachable!("only what is held is released") };
        self.step = self.send_now(cx, ready);
    }

    /// Whether all of its pages were read.
    pub(in crate::replicate) fn is_encoded(&self) -> bool {
        !matches!(self.step, Step::Encoding(_) | Step::Paused(_, Next::Encode))
    }

    /// Bytes of the object; 0 before it is encoded.
    pub(in crate::replicate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Ends it before its end. The request that must still be answered, if there is one: what it stages is to be discarded.
    pub(in crate::replicate) fn give_up(self, cx: &mut Context<'_>) -> Option<RequestId> {
        let (ready, asked) = match self.step {
            // What is being written cannot be called back, and is what it says.
            Step::Encoding(id) | Step::Sending(id, _) | Step::Discarding(id) => return Some(id),
            Step::LookingFirst(id, ready, _) | Step::ReadingBack { id, ready, .. } => (ready, Some(id)),
            Step::Held(ready)
            | Step::Checking(_, ready, _)
            | Step::Recording(_, ready)
            | Step::Paused(_, Next::Record(ready) | Next::Send(ready) | Next::ReadBack { ready, .. }) => {
                (ready, None)
            }
            Step::Paused(_, Next::Encode) => return None,
        };
        match ready {
            Ready::Staged { id, .. } => Some(cx.store(StoreRequest::Discard { staged: id })),
            Ready::Whole { .. } => asked,
        }
    }

    /// The request that reads back what is under the key, as far as [`Upload::is_there`] needs it.
    pub(super) fn read_request(&self, ready: &Ready) -> StoreRequest {
        match self.beside {
            true => StoreRequest::Get { key: self.draft.key.clone(), range: Some(0..HEADER_BYTES as u64) },
            false => self.draft.read(ready),
        }
    }

    /// Whether what was read back makes the write unnecessary: our bytes; or, of a full image, one that says the same of
    /// the same slots (docs/design.md section 4, rule 2).
    pub(super) fn is_there(&self, ready: &Ready, got: &Got) -> bool {
        if !self.beside {
            return self.draft.is(ready, got);
        }
        let ours = &self.draft.header;
        let says_the_same = |header: Header| {
            let states = |header: &Header| header.chain().map(|chain| (chain.before, chain.after));
            (header.txids(), header.page_size(), header.commit(), states(&header))
                == (ours.txids(), ours.page_size(), ours.commit(), states(ours))
        };
        Header::decode(&got.bytes).is_ok_and(says_the_same)
    }
}
