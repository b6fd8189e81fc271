//! The day's time. It stands still while anything is under way, and is moved by hand when all is quiet: so a day takes as
//! long as its work does, and nothing in it is late because the machine is busy.

use engine::types::{Instant, Now, Timestamp};
use io_real::port::{Clock, Work};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tests::s3::S3Server;
use tokio::sync::Notify;

pub(crate) const HOUR_MS: i64 = 3600 * 1000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// Both clocks of the driver.
#[derive(Debug)]
pub(crate) struct DayClock {
    begin_ms: i64,
    passed_ms: AtomicU64,
    /// How far the clock of a server was moved.
    server_ahead_ms: AtomicI64,
}

impl DayClock {
    /// From that time (UTC) of a day to come on: an S3 server's clock can only be moved forward.
    pub(crate) fn from(time_of_day_ms: i64) -> DayClock {
        let tomorrow = machine_ms() / DAY_MS + 1;
        let begin_ms = tomorrow * DAY_MS + time_of_day_ms;
        DayClock { begin_ms, passed_ms: AtomicU64::new(0), server_ahead_ms: AtomicI64::new(0) }
    }

    pub(crate) fn begin_ms(&self) -> i64 {
        self.begin_ms
    }

    pub(crate) fn wall_ms(&self) -> i64 {
        self.begin_ms + i64::try_from(self.passed_ms.load(Ordering::SeqCst)).unwrap()
    }

    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.wall_ms())
    }

    /// Moves it on.
    pub(crate) fn pass(&self, by: Duration) {
        self.passed_ms.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Brings a server's clock to the same time. It runs on by itself, so it is ahead by what a step takes.
    pub(crate) fn move_along(&self, server: &S3Server) {
        let ahead_ms = self.wall_ms() - machine_ms();
        if let Ok(more) = u64::try_from(ahead_ms - self.server_ahead_ms.load(Ordering::SeqCst)) {
            server.advance_clock(Duration::from_millis(more));
            self.server_ahead_ms.store(ahead_ms, Ordering::SeqCst);
        }
    }
}

impl Clock for DayClock {
    fn now(&self) -> Now {
        let passed_ms = self.passed_ms.load(Ordering::SeqCst);
        Now { mono: Instant::from_micros(passed_ms * 1000), wall: self.wall() }
    }
}

fn machine_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since_1970.as_millis()).unwrap()
}

/// Tells when nothing is under way any more: no request, and no task that could go on. Everything but the requests runs on
/// the thread of the runtime, so when that thread goes to sleep without a request, only time can wake it.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    under_way: AtomicUsize,
    asked: AtomicBool,
    there: Notify,
}

impl Quiet {
    /// A request is under way until that is dropped.
    pub(crate) fn begin(self: &Arc<Quiet>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        UnderWay(self.clone())
    }

    /// The thread of the runtime goes to sleep.
    pub(crate) fn sleeps(&self) {
        if self.under_way.load(Ordering::SeqCst) == 0 && self.asked.swap(false, Ordering::SeqCst) {
            self.there.notify_one();
        }
    }

    /// Waits until it is quiet.
    pub(crate) async fn wait(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.there.notified().await;
    }
}

/// A request.
pub(crate) struct UnderWay(Arc<Quiet>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Work on the very thread that asks for it.
pub(crate) struct Inline;

impl Work for Inline {
    fn start(&self, job: Box<dyn FnOnce() + Send>) {
        job();
    }
}
