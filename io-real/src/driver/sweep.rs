//! What lives that were killed left in a place: uploads in parts that nobody will complete, files that never got
//! their names. Nobody sees them, and the store keeps (and bills) them for ever. Ended once, when a database is
//! added; replication waits for none of it.

use super::message::Report;
use super::requests::Requests;
use engine::key::{Layout, Place};
use engine::types::Level;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Sweeps places; cheap to clone.
#[derive(Clone)]
pub(super) struct Sweep {
    requests: Requests,
    reports: UnboundedSender<Report>,
    /// Something was said already: what is wrong with one place is as a rule wrong with all.
    has_complained: Arc<AtomicBool>,
}

impl Sweep {
    pub(super) fn new(requests: Requests, reports: UnboundedSender<Report>) -> Sweep {
        Sweep { requests, reports, has_complained: Arc::default() }
    }

    /// Sweeps one place. An error is reported, and that was all.
    pub(super) async fn sweep(self, place: Place, layout: Layout) {
        for prefix in prefixes(&place, layout) {
            let Err(error) = self.requests.sweep_uploads(&prefix, ABANDONED_AFTER).await else { continue };
            if !self.has_complained.swap(true, Ordering::Relaxed) {
                // A caller that does not listen has dropped the receiver.
                let _ = self.reports.send(Report::SweepFailed { prefix, error });
            }
            return;
        }
    }
}

/// A folder of ours is swept whole. The root of a store may hold other people's things as well: there only the
/// folders of the levels.
fn prefixes(place: &Place, layout: Layout) -> Vec<String> {
    match place.prefix() {
        prefix if prefix.is_empty() => Level::all().map(|level| place.level_prefix(layout, level)).collect(),
        prefix => vec![prefix],
    }
}

/// The upload of an image may take hours, and another writer may be at it.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_root_of_a_store_only_our_folders_are_swept() {
        let root = prefixes(&Place::new("").unwrap(), Layout::S3);
        assert_eq!((root.len(), root[0].as_str(), root[9].as_str()), (10, "0000/", "0009/"));
        assert_eq!(prefixes(&Place::new("prod/app").unwrap(), Layout::Tree), ["prod/app/"]);
    }
}
