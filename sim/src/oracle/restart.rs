//! Property 32: a restart costs what changed. Nothing changed: nothing goes up. Some pages changed: those go up. No
//! image goes up again that the store has.

use crate::outcome::Violation;
use crate::world::Asked;
use engine::key::Place;
use engine::replicate::HealReason;
use io_sim::faults::NetworkFaults;
use io_sim::s3::SimS3;
use std::time::Duration;

/// What the start of a life may cost, when the store held the database's state before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The life before ended in order with everything in the store, and nothing was committed since.
    Nothing,
    /// Killed; a slot that may still be on its way is settled by another, which holds one page.
    OnePage,
}

impl Promise {
    /// Checked when the daemon follows, if it met no trouble on the way.
    pub fn check(self, asked: &Asked) -> Result<(), Violation> {
        let puts = asked.puts + asked.images + asked.stages;
        let puts_max = match self {
            Promise::Nothing => 0,
            Promise::OnePage => 1,
        };
        if puts > puts_max || asked.lists > LISTS_MAX {
            let message = format!("a restart without a change wanted {asked:?} of the store");
            return Err(Violation::new(32, message));
        }
        Ok(())
    }
}

/// How long a start takes to list a place, where a store shows few keys at once: page by page, one after the other.
pub fn listing(store: &SimS3, place: &Place, keys_max: usize, network: &NetworkFaults) -> Duration {
    let pages = store.peek_below(&place.prefix()).len() / keys_max;
    // There and back.
    let page = Duration::from_micros(network.latency_us_min + network.latency_us_max);
    page * u32::try_from(pages).expect("thousands")
}

/// Pages went up because a comparison said so. `store` is the state of the head, `states` are those that the database
/// was in since, all of them; `of`: the database's pages.
pub fn healed<'a>(
    reason: HealReason,
    (pages, of): (u32, u32),
    store: &[u8],
    states: impl Iterator<Item = &'a [u8]>,
) -> Result<(), Violation> {
    match reason {
        // What these cost is an image.
        HealReason::FirstImage | HealReason::HeadLost | HealReason::TakeOver | HealReason::PageSize => {
            return Ok(());
        }
        _ => {}
    }
    let Some(page_bytes) = page_bytes(store) else { return Ok(()) };
    let mut changed_max = 0;
    for state in states {
        if self::page_bytes(state) != Some(page_bytes) {
            return Ok(());
        }
        // The file may be longer than its header says.
        let more = (of as usize).saturating_sub(state.len() / page_bytes);
        changed_max = changed_max.max(changed(store, state, page_bytes) + more);
    }
    if pages as usize > changed_max + 1 {
        let message = format!("{pages} pages went up for {reason:?}, and at most {changed_max} had changed");
        return Err(Violation::new(32, message));
    }
    Ok(())
}

/// Pages of `state` that `store` does not have.
fn changed(store: &[u8], state: &[u8], page_bytes: usize) -> usize {
    let mut old = store.chunks(page_bytes);
    state.chunks(page_bytes).filter(|page| old.next() != Some(*page)).count()
}

/// The page size that an image's header tells.
pub fn page_bytes(image: &[u8]) -> Option<usize> {
    let bytes = image.get(16..18)?;
    Some(match u16::from_be_bytes([bytes[0], bytes[1]]) {
        1 => 65536,
        bytes => usize::from(bytes),
    })
}

/// One at the start; one more where a claim is looked at again.
const LISTS_MAX: u64 = 2;
