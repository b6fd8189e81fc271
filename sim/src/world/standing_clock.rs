//! The runtime on which this layer's restores run: its clock stands still while anything is ready.
//!
//! Built for layer B the package `tokio` is madsim's, which has no such runtime; nothing of this layer runs there.

use std::time::Duration;

/// Runs a future to its end.
#[cfg(not(madsim))]
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without a reactor takes nothing from the system");
    runtime.block_on(future)
}

/// Lets time pass at once.
#[cfg(not(madsim))]
pub(crate) async fn advance(by: Duration) {
    tokio::time::advance(by).await;
}

#[cfg(madsim)]
pub(crate) fn block_on<T>(_: impl Future<Output = T>) -> T {
    unreachable!("layer B runs no plan of layer A")
}

#[cfg(madsim)]
pub(crate) async fn advance(by: Duration) {
    tokio::time::advance(by);
}

/// How much time has passed since now.
#[cfg_attr(madsim, expect(clippy::disallowed_types, reason = "simulated time, by the name of the real one"))]
pub(crate) fn stopwatch() -> impl Fn() -> Duration {
    let began_at = tokio::time::Instant::now();
    move || began_at.elapsed()
}
