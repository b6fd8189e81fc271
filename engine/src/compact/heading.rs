//! The header of what comes out of a merge, and whether its inputs belong together.

use super::MergeError;
use crate::key::ObjectKey;
use crate::ltx::{Chain, Header};
use crate::mutants::{Mutant, mutated};
use crate::types::TxidRange;

/// The header of the output: TXIDs from the first to the last; time, commit and page size of the last, `before` of the
/// first and `after` of the last. No claim, no WAL span.
///
/// The node is the last input's: the state belongs to whoever wrote it, not to who compacts it. A head whose slot
/// is gone still tells its writer by it, and two that compact the same objects make the same bytes.
///
/// Without a tag in each input and a proof for each link there is no chain: `after` would vouch for a way that nobody
/// has checked.
///
/// # Errors
/// Headers that are not those of the keys, or that do not follow each other.
pub(super) fn heading(inputs: &[(ObjectKey, &Header)]) -> Result<Header, MergeError> {
    let ((first_key, first), (last_key, last)) = (inputs[0], inputs[inputs.len() - 1]);
    for (object, header) in inputs {
        check_alone(*object, header)?;
    }
    for pair in inputs.windows(2) {
        check_pair(pair[0], pair[1])?;
    }
    let range = TxidRange::new(first_key.min(), last_key.max()).expect("oldest first");
    let mut commit = last.commit();
    if mutated(Mutant::CompactKeepsCutPages) {
        commit = inputs.iter().map(|(_, header)| header.commit()).max().expect("at least one input");
    }
    let timed_by = if mutated(Mutant::CompactWrongTimestamp) { first } else { last };
    let header = Header::new(last.page_size(), commit, range, timed_by.timestamp());
    let chains: Option<Vec<Chain>> = inputs.iter().map(|(_, header)| header.chain()).collect();
    // That their links are proven was checked.
    let chain = chains.map(|chains| {
        let (first, last) = (chains[0], chains[chains.len() - 1]);
        Chain { node: last.node, before: first.before, after: last.after, claim: false }
    });
    assert!(mutated(Mutant::CompactAcrossFullImage) || chain.is_none_or(|chain| chain.before.is_some()));
    assert!(first.page_size() == last.page_size());
    Ok(chain.into_iter().fold(header, Header::with_chain))
}

fn check_alone(object: ObjectKey, header: &Header) -> Result<(), MergeError> {
    if header.txids() != object.range() {
        return Err(MergeError::OtherTxids { object, found: header.txids() });
    }
    let is_anew = header.chain().is_some_and(|chain| chain.before.is_none());
    if header.is_snapshot() || is_anew && !mutated(Mutant::CompactAcrossFullImage) {
        return Err(MergeError::BeginsAnew { object });
    }
    Ok(())
}

fn check_pair(
    (left, left_header): (ObjectKey, &Header),
    (right, right_header): (ObjectKey, &Header),
) -> Result<(), MergeError> {
    if left_header.page_size() != right_header.page_size() {
        return Err(MergeError::PageSizes { left, right });
    }
    let (Some(before), Some(after)) = (left_header.chain(), right_header.chain()) else { return Ok(()) };
    let is_linked = after.before.is_none() || after.continues(&before);
    if is_linked || mutated(Mutant::CompactIgnoresBreak) {
        return Ok(());
    }
    Err(MergeError::Unlinked { left, right })
}
