//! What a writer sends, one slot after the other: `engine/src/replicate/{catchup,follow/slots}.rs`.

use super::message::Request;
use super::object::{Key, Object, Pages};
use super::rule::Rule;
use super::state::{Model, State};
use super::writer::{Next, Phase, Sending, Writer};

/// What goes up: its key, if it is no manifest, and the object.
type Draft = (Option<Key>, Object);

impl Model {
    /// Whether the writer must list the place before its next slot: the second belt.
    pub fn confirmation_is_old(&self, state: &State, index: usize) -> bool {
        let old = state.writers[index].memory.checked_at != state.now;
        self.scenario.clocks_kept && old && self.rules.has(Rule::OldConfirmation)
    }

    /// What the writer would send now.
    pub fn draft(&self, state: &State, index: usize) -> Option<Draft> {
        let writer = &state.writers[index];
        let memory = &writer.memory;
        if writer.phase != Phase::Running {
            return None;
        }
        let pipelined = !self.rules.has(Rule::OneOutstanding) && memory.next == Next::Difference;
        if memory.sending.is_some() && !(pipelined && self.outstanding_ends(writer)) {
            return None;
        }
        let (head, base) = self.continued(writer);
        let (database, slot) = (writer.database, Some(Key::Slot(head + 1)));
        let object = |pages: Pages, before: Option<Pages>, after: Pages, claim: bool| Object {
            pages,
            before,
            after,
            writer: writer.id,
            machine: u8::try_from(index).expect("a few writers"),
            claim,
        };
        let changed = database.changed_since(base);
        let changed_or_first = if changed == Pages::NONE { database.first() } else { changed };
        Some(match memory.next {
            Next::Manifest => (None, object(Pages::NONE, None, Pages::NONE, false)),
            Next::FirstImage => (Some(Key::Snapshot(1)), object(database, None, database, false)),
            Next::FirstClaim => (slot, object(database.first().over(changed), Some(base), database, true)),
            Next::Claim => (slot, object(base.first(), Some(base), base, true)),
            Next::Image { claim } => (slot, object(database, None, database, claim)),
            Next::Snapshot { .. } => (Some(Key::Snapshot(head)), object(base, None, base, false)),
            Next::Settle => (slot, object(changed_or_first, Some(base), database, false)),
            Next::Difference if changed == Pages::NONE => return None,
            Next::Difference => (slot, object(changed, Some(base), database, false)),
        })
    }

    /// Where the next slot continues: the head, or, without the rule, the slot that is still outstanding.
    fn continued(&self, writer: &Writer) -> (u8, Pages) {
        match writer.memory.sending {
            Some(sending) => (writer.memory.head + 1, sending.object.after),
            None => (writer.memory.head, writer.memory.base),
        }
    }

    fn outstanding_ends(&self, writer: &Writer) -> bool {
        writer.memory.sending.is_some_and(|sending| sending.answer.is_none() && sending.upload.is_none())
    }

    /// Sends a draft.
    pub fn send(&self, state: &mut State, index: usize, draft: Draft) {
        let (key, object) = draft;
        let now = state.now;
        let writer = &mut state.writers[index];
        if let Some(outstanding) = writer.memory.sending {
            writer.memory.head += 1;
            writer.memory.base = outstanding.object.after;
        }
        let in_parts = self.scenario.multipart && key.is_some() && object.pages.is_whole();
        let sending =
            Sending { key, object, attempt: 0, answer: None, sent_at: now, upload: None, completing: false };
        writer.memory.sending = Some(sending);
        if in_parts {
            self.stage(state, index, [true; 2]);
            return;
        }
        self.record(&mut state.writers[index], self.rules.has(Rule::RecordFirst));
        self.request(state, index);
    }

    /// Begins an upload and sends its parts.
    fn stage(&self, state: &mut State, index: usize, parts: [bool; 2]) {
        let id = state.new_upload_id();
        let sending = state.writers[index].memory.sending.as_mut().expect("something is sent");
        sending.upload = Some((id, parts));
        sending.answer = None;
        sending.completing = false;
        let (key, object, attempt) = (sending.key.expect("an object"), sending.object, sending.attempt);
        state.store.begin_upload(id, key, object);
        for part in (0..2).filter(|part| parts[usize::from(*part)]) {
            state.send(index, Some(attempt), Request::Part { upload: id, part });
        }
    }

    /// Whether all parts that were sent have arrived, so that the upload can be completed.
    pub fn can_complete(&self, state: &State, index: usize) -> bool {
        let Some(sending) = state.writers[index].memory.sending else { return false };
        let Some((id, sent)) = sending.upload else { return false };
        !sending.completing && state.store.upload(id).is_some_and(|upload| upload.parts == sent)
    }

    /// Records the slot and asks for the completion of its upload.
    pub fn complete(&self, state: &mut State, index: usize) {
        self.record(&mut state.writers[index], self.rules.has(Rule::RecordFirst));
        let sending = state.writers[index].memory.sending.as_mut().expect("something is sent");
        sending.completing = true;
        sending.sent_at = state.now;
        self.request(state, index);
    }

    /// Sends once more what is outstanding, if the budget of requests under way allows.
    pub fn send_again(&self, state: &mut State, index: usize, after_conflict: bool) {
        let now = state.now;
        let sending = state.writers[index].memory.sending.as_mut().expect("something is sent");
        sending.attempt += 1;
        sending.answer = None;
        sending.sent_at = now;
        if sending.upload.is_some() {
            let all = !after_conflict || self.rules.has(Rule::AllPartsAgain);
            self.stage(state, index, [all, true]);
        } else {
            self.request(state, index);
        }
    }

    fn request(&self, state: &mut State, index: usize) {
        let sending = state.writers[index].memory.sending.expect("something is sent");
        let object = sending.object;
        let request = match (sending.key, sending.upload) {
            (None, _) => Request::Manifest(object.writer),
            (Some(_), Some((upload, _))) => {
                Request::Complete { upload, if_absent: self.rules.has(Rule::CompletionIfAbsent) }
            }
            (Some(key), None) => {
                let rule = if key.is_slot() { Rule::SlotIfAbsent } else { Rule::UpperIfAbsent };
                Request::Put { key, object, if_absent: self.rules.has(rule) }
            }
        };
        state.send(index, Some(sending.attempt), request);
    }

    /// The record of a slot; `now` false: it comes with the answer, too late.
    pub fn record(&self, writer: &mut Writer, now: bool) {
        let Some(Sending { key: Some(Key::Slot(txid)), object, .. }) = writer.memory.sending else { return };
        let (head, base) = (writer.memory.head, writer.memory.base);
        if self.scenario.saved_late && writer.memory.holds {
            writer.directory.confirm(head, base);
        }
        if now {
            writer.directory.record(txid, object);
        }
    }
}
