//! The look at the place that nothing else asks for (docs/design.md section 4, rule 8): a lifecycle rule or an operator
//! may have deleted what a restore needs, and a writer that only writes never sees it.

use super::machine::{Follow, FollowEnd};
use crate::mutants::{Mutant, mutated};
use crate::replicate::config::DatabaseConfig;
use crate::replicate::context::Context;
use crate::replicate::event::StoreAnswer;
use crate::replicate::sighting::{Checked, HeadCheck, elapsed};
use crate::replicate::upkeep::Listed;
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
    /// When upkeep wants it, and until when it must wait after one that kept slots waiting.
    wanted_at: Option<Instant>,
    wait_until: Instant,
    /// The last one, for upkeep.
    listed: Option<Box<Listed>>,
    pub(super) check: Option<Box<HeadCheck>>,
}

/// Databases that were started together are not listed together: some earlier, by as many 256ths of the interval.
const SPREAD: u64 = 16;

impl Listing {
    pub(super) fn start(cx: &Context<'_>) -> Listing {
        Listing {
            listed_at: cx.now,
            interval: interval(cx.config),
            postponed_to: cx.now.mono,
            wanted_at: None,
            wait_until: cx.now.mono,
            listed: None,
            check: None,
        }
    }

    pub(super) fn reconfigure(&mut self, config: &DatabaseConfig) {
        self.interval = interval(config);
    }

    /// Whether one that was given up keeps another from being made.
    pub(super) fn is_postponed(&self, now: Instant) -> bool {
        now < self.postponed_to
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.check.as_ref().is_some_and(|check| check.is_in_trouble())
    }
}

/// Upkeep waits so long after a listing that kept slots waiting.
const UPKEEP_PAUSE: Duration = Duration::from_secs(60);
/// How often this place is listed.
fn interval(config: &DatabaseConfig) -> Duration {
    let day = if mutated(Mutant::ListedHourly) { config.list_interval / 24 } else { config.list_interval };
    let less = u32::try_from(config.node.get() % SPREAD).expect("a small number");
    day - day / 256 * less
}

impl Follow {
    /// Upkeep wants the place listed from then on.
    pub(in crate::replicate) fn list_by(&mut self, at: Option<Instant>) {
        self.listing.wanted_at = at;
    }

    /// The place as it was listed last, once.
    pub(in crate::replicate) fn take_listed(&mut self) -> Option<Box<Listed>> {
        self.listing.listed.take()
    }

    /// When the place is listed next: between two slots, for its end must not move meanwhile.
    pub(super) fn list_at(&self) -> Option<Instant> {
        let quiet = self.slot.is_none() && self.listing.check.is_none();
        let free = quiet && self.stop.is_none() && self.leaving.is_none() && !self.snapshot.is_pinning();
        let Listing { listed_at, interval, postponed_to, wanted_at, wait_until, .. } = &self.listing;
        let daily = listed_at.mono.after(*interval).max(*postponed_to);
        let due = wanted_at.map_or(daily, |at| at.max(*wait_until).min(daily));
        free.then_some(due)
    }

    pub(super) fn list_if_due(&mut self, cx: &mut Context<'_>) {
        let daily = elapsed(cx.now, self.listing.listed_at) >= self.listing.interval
            && self.listing.postponed_to <= cx.now.mono;
        let wanted = self.listing.wanted_at.is_some_and(|at| at.max(self.listing.wait_until) <= cx.now.mono);
        let due = daily && !mutated(Mutant::PlaceNeverListed) || wanted;
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
                self.listing.wait_until = cx.now.mono.after(UPKEEP_PAUSE);
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
            Checked::Agrees(seen, listed) => {
                self.seen = seen;
                self.listing = Listing::start(cx);
                self.listing.listed = Some(listed);
                None
            }
            Checked::Differs => Some(FollowEnd::Relist),
        }
    }
}
