//! Where a restored database comes from, and what its restore left for the comparison with the head.

use super::head::Head;
use super::notice::RestoredHere;
use super::state::{CachedSums, FileId, RestoreProof};
use crate::db::PageSums;
use crate::manifest::DatabaseId;
use crate::mutants::{Mutant, mutated};

/// What a restore says of a file, seen from the head of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    file: FileId,
    here: RestoredHere,
}

impl Origin {
    /// Of what a restore left, if it was one of this history. Its page checksums become the cached ones where they are
    /// of more use than `own`.
    pub(super) fn new(
        left: Option<RestoreProof>,
        own: &mut Option<CachedSums>,
        history: Option<DatabaseId>,
        head: Option<&Head>,
    ) -> Option<Origin> {
        let (RestoreProof { file, cached, .. }, head) =
            left.filter(|proof| proof.database == history).zip(head)?;
        let here = RestoredHere { txid: cached.txid, is_newest: is_head(&cached, head) };
        let is_usable = |c: &CachedSums| c.page_size == head.page_size && c.txid <= head.txid;
        // Of the head our own are better: what a restore wrote is proven by the linear database checksum alone.
        let is_better = match own.as_ref().filter(|own| is_usable(own)) {
            Some(own) if here.is_newest => !is_head(own, head),
            Some(own) => own.txid < cached.txid,
            None => true,
        };
        if is_better && is_usable(&cached) && !mutated(Mutant::RestoreProofNotUsed) {
            *own = Some(cached);
        }
        Some(Origin { file, here })
    }

    /// What it says, if this is the file. Without the time of its birth a number may be another file's by now.
    pub(super) fn of(self, file: FileId) -> Option<RestoredHere> {
        (file == self.file && file.born_ns.is_some()).then_some(self.here)
    }
}

fn is_head(cached: &CachedSums, head: &Head) -> bool {
    (cached.txid, cached.page_size) == (head.txid, head.page_size) && is_state_of(head, &cached.sums)
}

/// Whether these are the pages of the head, as far as its header tells.
pub(super) fn is_state_of(head: &Head, sums: &PageSums) -> bool {
    Some(sums.checksum()) == head.after && sums.page_count() == head.commit
}
