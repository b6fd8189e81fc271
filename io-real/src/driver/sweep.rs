//! What lives that were killed left in a place: uploads in parts that nobody will complete, files that never got
//! their names. Nobody sees them, and the store keeps (and bills) them for ever. Ended once, when a database is
//! added; replication waits for none of it.

use super::message::Report;
use super::requests::Requests;
use crate::port::Store;
use engine::key::{Layout, Place};
use engine::store::StoreError;
use engine::types::Level;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Ends what was begun in a place more than a day ago, by the store's clock, and never finished; how much that was.
/// Nothing of another place is touched, also where that one lies inside this one's folder.
///
/// # Errors
/// The first thing that could not be ended, or that nothing could be listed: as a rule the right to do so is missing.
pub async fn sweep_place(store: &dyn Store, place: &Place, layout: Layout) -> Result<usize, StoreError> {
    let mut swept = 0;
    for prefix in prefixes(place, layout) {
        let is_ours = |key: &str| place.owns(layout, key);
        swept += store.sweep_uploads(&prefix, ABANDONED_AFTER, &is_ours).await?;
    }
    Ok(swept)
}

/// Sweeps places; cheap to clone.
#[derive(Clone)]
pub(super) struct Sweep {
    requests: Requests,
    reports: UnboundedSender<Report>,
    /// Places that could not be swept.
    failed: Arc<AtomicU64>,
}

impl Sweep {
    pub(super) fn new(requests: Requests, reports: UnboundedSender<Report>) -> Sweep {
        Sweep { requests, reports, failed: Arc::default() }
    }

    /// Sweeps one place. An error is reported, and that was all.
    pub(super) async fn sweep(self, place: Place, layout: Layout) {
        match self.requests.sweep(&place, layout).await {
            Ok(0) => {}
            Ok(swept) => {
                tracing::info!(place = place.folder(), swept, "ended unfinished uploads of earlier lives")
            }
            Err(error) => {
                let count = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
                // A caller that does not listen has dropped the receiver.
                let _ = self.reports.send(Report::SweepFailed { place, error, count });
            }
        }
    }
}

/// A folder of ours is listed whole. The root of a store may hold other people's things as well: there only the
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
