//! The day itself: an application that commits, daemons that follow it one after the other, and time.

use crate::application::Application;
use crate::clock::{HOUR_MS, Quiet};
use crate::daemon::{Daemon, Setting};
use crate::history::History;
use crate::scene::Scene;
use engine::replicate::Notice;
use engine::retention::Policy;
use std::sync::Arc;
use std::time::Duration;

/// What remains of a day.
pub(crate) struct Day {
    pub(crate) history: History,
    pub(crate) end_ms: i64,
    /// Objects that were ever written, and their bytes.
    pub(crate) written: (usize, u64),
}

/// At half past four in the afternoon: a day of the calendar ends within it, and no full image is made where an hour ends.
const BEGINS_AT_MS: i64 = 16 * HOUR_MS + HOUR_MS / 2;
/// After so many hours a daemon ends, and the next one begins.
const LIVES_END_AT_HOURS: [i64; 2] = [13, 24];
/// Nothing is done later than that.
const STEP: Duration = Duration::from_secs(5);

/// Lives it, on one thread: commits happen while the daemon rests.
pub(crate) fn live(scene: &Scene, policy: Policy) -> Day {
    let quiet = Arc::new(Quiet::default());
    let sleeps = {
        let quiet = quiet.clone();
        move || quiet.sleeps()
    };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().on_thread_park(sleeps).build().unwrap();
    runtime.block_on(async {
        let setting = Setting::new(scene, quiet, BEGINS_AT_MS);
        let mut application = Application::start(&scene.world.path("app.db"), 0x00da_75ee);
        let mut history = History::default();
        for (life, hours) in (1..).zip(LIVES_END_AT_HOURS) {
            // Between two lives nobody is told.
            application.commit();
            let mut daemon = Daemon::start(&setting, policy, life);
            let until_ms = setting.clock.begin_ms() + hours * HOUR_MS;
            let mut follower =
                Follower { daemon: &mut daemon, application: &mut application, history: &mut history };
            follower.follow(&setting, until_ms).await;
            assert_eq!(daemon.end().await, history.newest().0);
        }
        setting.account.assert_slots_stayed(policy.l0);
        let (end_ms, written) = (setting.clock.wall_ms(), setting.account.written());
        Day { history, end_ms, written }
    })
}

/// A daemon, what it follows, and what it said.
struct Follower<'a, 'b> {
    daemon: &'a mut Daemon<'b>,
    application: &'a mut Application,
    history: &'a mut History,
}

impl Follower<'_, '_> {
    /// Until then, and with everything in the store.
    async fn follow(&mut self, setting: &Setting<'_>, until_ms: i64) {
        let clock = &setting.clock;
        self.sync(setting).await;
        loop {
            let hour = (clock.wall_ms() - clock.begin_ms()) / HOUR_MS;
            let next_ms = clock.wall_ms() + ms(self.application.pause(hour));
            while clock.wall_ms() < next_ms.min(until_ms) {
                let left_ms = u64::try_from(next_ms.min(until_ms) - clock.wall_ms()).unwrap();
                self.rest(Duration::from_millis(left_ms).min(STEP)).await;
            }
            if next_ms >= until_ms {
                return;
            }
            self.application.commit();
            while self.application.goes_on() {
                // Less than a sync waits.
                self.rest(Duration::from_millis(40)).await;
                self.application.commit();
            }
            self.sync(setting).await;
        }
    }

    /// Time in which nothing becomes durable.
    async fn rest(&mut self, time: Duration) {
        let heard = self.daemon.pass(time).await;
        let is_durable = |notice: &Notice| matches!(notice, Notice::Durable { .. });
        assert!(!heard.iter().any(is_durable), "{heard:?}, and nothing is due");
    }

    /// Lets time pass until what was committed just now is in the store.
    async fn sync(&mut self, setting: &Setting<'_>) {
        let committed_ms = setting.clock.wall_ms();
        for pause in [Duration::from_millis(40)].into_iter().chain([Duration::from_secs(1); 10]) {
            let heard = self.daemon.pass(pause).await;
            let times = committed_ms..=setting.clock.wall_ms();
            if self.history.note(&heard, self.application, times) && self.daemon.is_up_to_date().await {
                return;
            }
        }
        panic!("a commit is not durable {} ms later", setting.clock.wall_ms() - committed_ms);
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}
