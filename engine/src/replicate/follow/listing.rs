//! The look at the place that nothing else asks for (docs/design.md section 4, rule 8): a lifecycle rule or an operator
//! may have deleted what a restore needs, and a writer that only writes never sees it.

use super::machine::{Follow, FollowEnd};
use crate::mutants::{Mutant, mutated};
use crate::replicate::config::DatabaseConfig;
use crate::replicate::context::Context;
use crate::replicate::event::StoreAnswer;
use crate::replicate::sighting::{Checked, HeadCheck, elapsed};
use crate::store::StoreError;
use crate::types::{Instant, Now};
use std::time::Duration;

/// When the place was listed, and the listing under way.
#[derive(Debug)]
pub(super) struct Listing {
    listed_at: Now,
    interval: Duration,
    /// One that kept slots waiting was given up: not again before then.
    postponed_to: Instant,
    pub(super) check: Option<Box<HeadCheck>>,
}

/// Databases that were started together are not listed together: some earlier, by as many 256ths of the interval.
const SPREAD: u64 = 16;

impl Listing {
    pub(super) fn start(cx: &Context<'_>) -> Listing {
        Listing { listed_at: cx.now, interval: interval(cx.config), postponed_to: cx.now.mono, check: None }
    }

    pub(super) fn reconfigure(&mut self, config: &DatabaseConfig) {
        self.interval = interval(config);
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.check.as_ref().is_some_and(|check| check.is_in_trouble())
    }
}

/// How often this place is listed.
fn interval(config: &DatabaseConfig) -> Duration {
    let day = if mutated(Mutant::ListedHourly) { config.list_interval / 24 } else { config.list_interval };
    let less = u32::try_from(config.node.get() % SPREAD).expect("a small number");
    day - day / 256 * less
}

impl Follow {
    /// When the place is listed next: between two slots, for its end must not move meanwhile.
    pub(super) fn list_at(&self) -> Option<Instant> {
        let quiet = self.slot.is_none() && self.listing.check.is_none();
        let free = quiet && self.stop.is_none() && self.leaving.is_none();
        let due = self.listing.listed_at.mono.after(self.listing.interval).max(self.listing.postponed_to);
        free.then_some(due)
    }

    pub(super) fn list_if_due(&mut self, cx: &mut Context<'_>) {
        let due = elapsed(cx.now, self.listing.listed_at) >= self.listing.interval;
        let due = due && self.listing.postponed_to <= cx.now.mono && !mutated(Mutant::PlaceNeverListed);
        if due && self.list_at().is_some() {
            self.listing.check = Some(Box::new(HeadCheck::start(cx, self.seen.clone(), true)));
        }
        if let Some(check) = &mut self.listing.check {
            check.tick(cx);
            // An end, or a look at the source, needs no listing: a start begins with one. And a listing that fails must
            // not keep from the store what it would take.
            let hinders = self.unsent.is_some() && check.is_in_trouble();
            if self.stop.is_some() || self.leaving.is_some() || hinders {
                self.listing.check = None;
                self.listing.postponed_to = cx.now.mono.after(self.listing.interval / 24);
            }
        }
    }

    pub(super) fn listed(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<FollowEnd> {
        match self.listing.check.as_mut().expect("an awaited listing").store(cx, result) {
            Checked::NotYet => None,
            Checked::Agrees(seen) => {
                self.seen = seen;
                self.listing = Listing::start(cx);
                None
            }
            Checked::Differs => Some(FollowEnd::Relist),
        }
    }
}
