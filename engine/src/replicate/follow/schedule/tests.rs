use super::*;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const HOUR: Duration = seconds(3600);

/// So long after the start, by both clocks.
fn now(after: Duration) -> Now {
    let ms = i64::try_from(after.as_millis()).unwrap();
    Now { mono: Instant::default().after(after), wall: Timestamp::from_millis(1_000_000_000 + ms) }
}

fn last(txid: u64, ago: Duration) -> LastSnapshot {
    let ms = i64::try_from(ago.as_millis()).unwrap();
    LastSnapshot { txid: Txid::new(txid).unwrap(), at: Timestamp::from_millis(1_000_000_000 - ms) }
}

fn rule(on_startup: OnStartup) -> SnapshotSchedule {
    SnapshotSchedule { interval: Some(24 * HOUR), on_idle: None, on_startup }
}

fn starting(rule: SnapshotSchedule, last: LastSnapshot) -> Schedule {
    Schedule::starting(now(Duration::ZERO), rule, last, true)
}

fn changed(frames_at: Duration) -> Standing {
    Standing { changed: true, frames_at: now(frames_at).mono }
}

fn due_after(schedule: &Schedule) -> Option<Duration> {
    schedule.at(changed(Duration::ZERO)).map(|at| at.since(Instant::default()))
}

#[test]
fn interval_goes_on_across_a_restart() {
    let after = |ago| starting(rule(OnStartup::Auto), last(7, ago));
    assert_eq!(due_after(&after(20 * HOUR)), Some(4 * HOUR));
    assert_eq!(due_after(&after(50 * HOUR)), Some(Duration::ZERO), "its time came meanwhile");
    assert_eq!(after(20 * HOUR).due(), Some(now(4 * HOUR).wall));
}

#[test]
fn start_that_must_take_none_counts_a_whole_interval() {
    let schedule = starting(rule(OnStartup::Never), last(7, 50 * HOUR));
    assert_eq!(due_after(&schedule), Some(24 * HOUR));
}

#[test]
fn start_that_takes_one_takes_it_once() {
    let mut schedule = starting(rule(OnStartup::Always), last(7, HOUR));
    assert_eq!(due_after(&schedule), Some(Duration::ZERO));
    schedule.begins();
    schedule.made(now(seconds(9)), Txid::new(8).unwrap());
    assert_eq!(due_after(&schedule), Some(24 * HOUR + seconds(9)));
}

#[test]
fn nothing_is_due_while_nothing_has_changed_but_what_is_asked_for() {
    let mut schedule = starting(rule(OnStartup::Always), last(7, 50 * HOUR));
    let unchanged = Standing { changed: false, ..changed(Duration::ZERO) };
    assert_eq!((schedule.at(unchanged), schedule.is_due(now(90 * HOUR), unchanged)), (None, false));
    schedule.request();
    assert!(schedule.is_due(now(seconds(1)), unchanged));
}

#[test]
fn idleness_counts_from_the_last_commit() {
    let rule = SnapshotSchedule { on_idle: Some(seconds(600)), ..rule(OnStartup::Auto) };
    let schedule = starting(rule, last(7, HOUR));
    assert_eq!(schedule.at(changed(seconds(50))), Some(now(seconds(650)).mono));
}

#[test]
fn what_failed_comes_again_later_and_later_and_what_was_refused_with_the_interval() {
    let mut schedule = starting(rule(OnStartup::Auto), last(7, 50 * HOUR));
    let mut pauses = Vec::new();
    for _ in 0..8 {
        schedule.failed(now(Duration::ZERO));
        pauses.push(due_after(&schedule).unwrap().as_secs() / 60);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    schedule.refused(now(HOUR));
    assert_eq!(due_after(&schedule), Some(25 * HOUR));
    assert_eq!(schedule.due(), Some(now(25 * HOUR).wall));
}

#[test]
fn refusal_holds_for_idleness_as_well() {
    let rule = SnapshotSchedule { on_idle: Some(seconds(1)), interval: None, on_startup: OnStartup::Auto };
    let mut schedule = starting(rule, last(7, HOUR));
    schedule.refused(now(Duration::ZERO));
    assert_eq!(due_after(&schedule), Some(24 * HOUR));
}

#[test]
fn who_asks_again_while_one_is_under_way_gets_another() {
    let mut schedule = starting(rule(OnStartup::Auto), last(7, HOUR));
    schedule.request();
    schedule.begins();
    assert!(schedule.serves_request() && !schedule.is_requested());
    schedule.request();
    schedule.made(now(seconds(1)), Txid::new(8).unwrap());
    assert!(!schedule.serves_request() && schedule.is_requested());
}

#[test]
fn request_that_was_put_off_stays_one() {
    let mut schedule = starting(rule(OnStartup::Auto), last(7, HOUR));
    schedule.request();
    schedule.begins();
    schedule.put_off();
    assert!(schedule.is_requested());
}

#[test]
fn machine_that_slept_has_missed_no_interval() {
    let schedule = starting(rule(OnStartup::Auto), last(7, Duration::ZERO));
    let slept = Now { mono: now(seconds(60)).mono, wall: now(30 * HOUR).wall };
    assert!(schedule.is_due(slept, changed(Duration::ZERO)));
    assert!(!schedule.is_due(now(seconds(60)), changed(Duration::ZERO)));
}

#[test]
fn snapshot_of_another_writer_counts_when_the_place_was_listed_anew() {
    let schedule = starting(rule(OnStartup::Auto), last(7, 50 * HOUR));
    let schedule = schedule.following(now(HOUR), last(9, Duration::ZERO));
    assert_eq!((schedule.last().txid.into_inner(), due_after(&schedule)), (9, Some(24 * HOUR)));
}
