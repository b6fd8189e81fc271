//! Reads that let others go first: those of checks, beside a daemon's uploads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether others are in a hurry. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Courtesy(Arc<AtomicBool>);

const PAUSE: Duration = Duration::from_millis(100);
/// Ten seconds for each request: reads come to an end beside others that are always in a hurry.
const PAUSES_MAX: u32 = 100;

impl Courtesy {
    /// Says whether others are in a hurry.
    pub fn hurry(&self, is_on: bool) {
        self.0.store(is_on, Ordering::Relaxed);
    }

    /// Waits while others are, for ten seconds at most.
    pub(super) async fn after_you(&self) {
        for _ in 0..PAUSES_MAX {
            if !self.0.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::task::{Context, Waker};

    #[tokio::test]
    async fn reads_wait_for_others_and_go_on_when_those_are_done() {
        let courtesy = Courtesy::default();
        courtesy.after_you().await;
        courtesy.hurry(true);
        let mut waiting = Box::pin(courtesy.after_you());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        courtesy.hurry(false);
        waiting.await;
    }
}
