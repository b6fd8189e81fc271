//! Objects in a row, cut into the inputs of one output each.

use super::Limits;
use super::joint::{Joint, joint};
use super::plan::{Compaction, End, Stop};
use crate::key::{ObjectInfo, ObjectKey};
use crate::restore::{Knowledge, Needs};
use crate::types::{Level, TxidRange};

/// Takes one object after the other, oldest first, and closes an output where a limit, a new chain or a hole comes.
pub(super) struct Runs<'a> {
    target: Level,
    known: &'a Knowledge,
    limits: Limits,
    /// What the next object follows.
    left: Option<ObjectKey>,
    open: Vec<&'a ObjectInfo>,
    is_chained: bool,
    closed: Vec<Compaction>,
    needs: Needs,
}

impl<'a> Runs<'a> {
    /// Begins behind `newest`, the newest object of the level.
    pub(super) fn new(
        target: Level,
        newest: Option<ObjectKey>,
        known: &'a Knowledge,
        limits: Limits,
    ) -> Runs<'a> {
        let limits =
            Limits { inputs_max: limits.inputs_max.max(1), outputs_max: limits.outputs_max.max(1), ..limits };
        let (open, closed, needs) = (Vec::new(), Vec::new(), Needs::default());
        Runs { target, known, limits, left: newest, open, is_chained: true, closed, needs }
    }

    /// Takes the next object, or says why nothing more is taken. While headers are lacking it goes by names and
    /// gathers what to ask for.
    pub(super) fn take(&mut self, right: &'a ObjectInfo) -> Result<(), End> {
        if self.is_full(right) && self.closed.len() + 1 == self.limits.outputs_max {
            return Err(End::More);
        }
        let chained = match joint(self.left, right, self.known) {
            Joint::Linked { chained } => chained,
            Joint::Anew => {
                // It stays where it is, and its snapshot covers it.
                self.close();
                self.left = Some(right.key);
                return Ok(());
            }
            Joint::Broken => {
                self.close();
                let left = self.left.expect("only two objects contradict each other");
                return Err(End::Stopped(Stop::Unlinked { left, right: right.key }));
            }
            Joint::NeedsHeader(key) => {
                self.need_header(key);
                self.left.into_iter().for_each(|left| self.need_header(left));
                false
            }
            Joint::NeedsPageIndex(key) => {
                self.needs.page_indexes.push(key);
                false
            }
        };
        if self.is_full(right) {
            self.close();
        }
        if self.open.is_empty() {
            if self.closed.len() == self.limits.outputs_max {
                return Err(End::More);
            }
            self.is_chained = self.known.header(right.key).is_some_and(|facts| facts.after.is_some());
        } else {
            self.is_chained &= chained;
        }
        self.open.push(right);
        self.left = Some(right.key);
        Ok(())
    }

    /// Goes on behind a hole; `left` is what leads to the state there.
    pub(super) fn skip(&mut self, left: Option<ObjectKey>) {
        self.close();
        self.left = left;
    }

    /// What came of it: the outputs, or the facts that are lacking.
    pub(super) fn finish(mut self) -> Result<Vec<Compaction>, Needs> {
        self.close();
        if self.needs.is_empty() { Ok(self.closed) } else { Err(self.needs) }
    }

    fn is_full(&self, next: &ObjectInfo) -> bool {
        let bytes = self.open.iter().map(|o| o.size_bytes).fold(next.size_bytes, u64::saturating_add);
        let is_too_much = bytes > self.limits.input_bytes_max && !self.open.is_empty();
        is_too_much || self.open.len() == self.limits.inputs_max
    }

    fn close(&mut self) {
        let inputs: Vec<ObjectInfo> = std::mem::take(&mut self.open).into_iter().cloned().collect();
        let (Some(first), Some(last)) = (inputs.first(), inputs.last()) else { return };
        let range = TxidRange::new(first.key.min(), last.key.max()).expect("oldest first");
        let output = ObjectKey::new(self.target, range).expect("level 9 is never made here");
        self.closed.push(Compaction { output, inputs, is_chained: self.is_chained });
    }

    fn need_header(&mut self, key: ObjectKey) {
        let is_unknown = self.known.header(key).is_none() && self.known.damage(key).is_none();
        if is_unknown && !self.needs.headers.contains(&key) {
            self.needs.headers.push(key);
        }
    }
}
