//! Work on other threads: what blocks or computes for long, and requests that must go on by themselves.

use crate::port::Work;
use futures::FutureExt as _;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Runs `job` where blocking hurts nobody, and gives its result. Dropping the future does not end a job that
/// runs already. A job that a runtime drops at its end, because the result is no longer wanted, gives none: the
/// future stays pending.
///
/// # Panics
/// If the job panics.
pub(super) async fn off_thread<T: Send + 'static>(
    work: &Arc<dyn Work>,
    job: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (answer, answered) = oneshot::channel();
    work.start(Box::new(move || {
        // Whoever asked may be gone.
        let _ = answer.send(catch_unwind(AssertUnwindSafe(job)));
    }));
    match answered.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => std::future::pending().await,
    }
}

/// A future that goes on whether it is polled or not, and ends when it is dropped.
///
/// Requests have time limits: one that waits for its turn to be polled would run into its own.
pub(crate) struct Task<T>(JoinHandle<std::thread::Result<T>>);

impl<T: Send + 'static> Task<T> {
    pub(crate) fn spawn(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        // Not by the runtime's own means: that of the simulation ends with a task that panics.
        Task(tokio::spawn(AssertUnwindSafe(future).catch_unwind()))
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match std::task::ready!(Pin::new(&mut self.0).poll(context)) {
            Ok(Ok(result)) => Poll::Ready(result),
            Ok(Err(panic)) => resume_unwind(panic),
            // Only the end of the runtime ends a task that is waited for.
            Err(_) => Poll::Pending,
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drops every job, as a runtime does with those that it has not begun when it ends.
    struct Ended;

    impl Work for Ended {
        fn start(&self, job: Box<dyn FnOnce() + Send>) {
            drop(job);
        }
    }

    /// Runs every job at once.
    struct AtOnce;

    impl Work for AtOnce {
        fn start(&self, job: Box<dyn FnOnce() + Send>) {
            job();
        }
    }

    #[test]
    fn a_job_that_is_dropped_is_no_bug_and_has_no_result() {
        let work: Arc<dyn Work> = Arc::new(Ended);
        assert_eq!(off_thread(&work, || 7).now_or_never(), None);
        let work: Arc<dyn Work> = Arc::new(AtOnce);
        assert_eq!(off_thread(&work, || 7).now_or_never(), Some(7));
    }

    #[test]
    #[should_panic(expected = "of the job")]
    fn a_panic_goes_on_where_the_result_is_waited_for() {
        let work: Arc<dyn Work> = Arc::new(AtOnce);
        off_thread(&work, || panic!("of the job")).now_or_never();
    }
}
