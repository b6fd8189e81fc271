//! What is done when, as rules in words; with the times that a running daemon tells.

use crate::config::{DatabaseSettings, OnStartup, TimeSpan, VerifySettings};
use serde::Serialize;
use std::time::Duration;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Commits become an object.
    Sync,
    /// A full image is written.
    Snapshot,
    /// Objects of a level become one of the next.
    Compaction,
    /// What no point that stays needs is deleted.
    Retention,
    /// What is stored is checked.
    Verify,
}

/// When something was done last, and is due next; as RFC 3339 times. `None`: nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Times {
    /// Done.
    pub last_at: Option<String>,
    /// Due.
    pub next_at: Option<String>,
}

/// A rule, and its times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trigger {
    /// What is done.
    pub kind: Kind,
    /// When, in words.
    pub rule: String,
    /// Done last.
    pub last_at: Option<String>,
    /// Due next.
    pub next_at: Option<String>,
}

/// The rules of a database. `times`: what is known of a kind, and of a compaction by the level that it makes.
pub fn triggers(
    settings: &DatabaseSettings,
    verify: &VerifySettings,
    times: &dyn Fn(Kind, Option<usize>) -> Times,
) -> Vec<Trigger> {
    let trigger = |kind, level, rule| {
        let Times { last_at, next_at } = times(kind, level);
        Trigger { kind, rule, last_at, next_at }
    };
    let mut rules =
        vec![trigger(Kind::Sync, None, sync(settings)), trigger(Kind::Snapshot, None, snapshot(settings))];
    let levels = settings.compaction.intervals.iter().enumerate().map(|(below, interval)| {
        let rule = format!("level {} of level {below} every {}, after changes", below + 1, span(*interval));
        trigger(Kind::Compaction, Some(below + 1), rule)
    });
    rules.extend(levels);
    let retention = "with compaction: what no point that stays needs is deleted";
    rules.push(trigger(Kind::Retention, None, retention.to_owned()));
    rules.push(trigger(Kind::Verify, None, verified(verify)));
    rules
}

/// A duration as it is configured.
pub(super) fn span(duration: Duration) -> String {
    let text = format!("{}us", duration.as_micros());
    text.parse::<TimeSpan>().map_or(text, |span| span.to_string())
}

fn sync(settings: &DatabaseSettings) -> String {
    let sync = &settings.sync;
    let mut rule = match sync.max_interval.is_zero() {
        true => "at once after a commit".to_owned(),
        false => format!("at most {} after a commit", span(sync.max_interval)),
    };
    if let Some(frames) = sync.max_changes {
        rule.push_str(&format!(", or after {frames} frames"));
    }
    if !sync.min_interval.is_zero() {
        rule.push_str(&format!(", but not more often than every {}", span(sync.min_interval)));
    }
    rule
}

fn snapshot(settings: &DatabaseSettings) -> String {
    let snapshots = &settings.snapshots;
    let mut when = Vec::new();
    when.extend(snapshots.interval.map(|interval| format!("every {}, after changes", span(interval))));
    when.extend(snapshots.on_idle.map(|idle| format!("after {} without a commit", span(idle))));
    when.push(
        match snapshots.on_startup {
            OnStartup::Auto => "at a start that cannot prove continuity",
            OnStartup::Always => "at each start",
            OnStartup::Never => "not at a start",
        }
        .to_owned(),
    );
    when.join("; ")
}

fn verified(verify: &VerifySettings) -> String {
    match (verify.interval.is_zero(), verify.deep) {
        (true, _) => "off: `walsync verify` checks when asked".to_owned(),
        (false, true) => format!("every {}, with a restore", span(verify.interval)),
        (false, false) => format!("every {}", span(verify.interval)),
    }
}
