//! What values mean together: contradictions, and values whose turn has not come.

use super::key::{KEYS, Key};
use super::origin::Origin;
use super::problem::Problem;
use super::value::Value;
use super::values::Values;
use std::time::Duration;

/// Looks at keys that concern the whole process.
pub(super) fn check_general(values: &Values, problems: &mut Vec<Problem>) {
    check_version(values, problems);
    check_credentials(values, problems);
    check_encryption_by_store(values, problems);
    check_endpoint(values, problems);
    check_relations("", values, |_| true, problems);
}

/// Looks at the keys that a `[[databases]]` entry sets itself, together with the general ones. What is wrong
/// in general already is not said again per database.
pub(super) fn check_database(general: &Values, own: &Values, problems: &mut Vec<Problem>) {
    check_relations("databases.", &general.overlaid(own), |path| own.get(path).is_some(), problems);
}

fn check_relations(shown: &str, values: &Values, is_set: impl Fn(&str) -> bool, problems: &mut Vec<Problem>) {
    let (min, max) = (values.duration("sync.min_interval"), values.duration("sync.max_interval"));
    if min > max && (is_set("sync.min_interval") || is_set("sync.max_interval")) {
        let (min_text, max_text) =
            (shown_value(values, "sync.min_interval"), shown_value(values, "sync.max_interval"));
        let message = format!("{min_text} is more than sync.max_interval = {max_text}");
        let origin = most_specific(values, &["sync.min_interval", "sync.max_interval"]);
        problems.push(
            Problem::error(format!("{shown}sync.min_interval"), origin, message)
                .suggest(format!("write at most {max_text}, or raise sync.max_interval")),
        );
    }
    let level_1 = values.durations("compaction.levels").first().copied().unwrap_or(LEVEL_MIN);
    if level_1 < LEVEL_MIN && is_set("compaction.levels") {
        let (key, origin) = (format!("{shown}compaction.levels"), values.origin("compaction.levels"));
        let message = "the first level is below 1s: each costs requests as often as that";
        problems.push(Problem::error(key, origin, message).suggest("write \"30s\" or more"));
    }
    let l0 = values.duration("retention.l0");
    if l0 < L0_WARNING && is_set("retention.l0") {
        let (key, origin) = (format!("{shown}retention.l0"), values.origin("retention.l0"));
        let text = shown_value(values, "retention.l0");
        problems.push(if l0 < L0_MIN {
            Problem::error(key, origin, format!("{text} is below 1s")).suggest("write \"5m\" or more")
        } else {
            let message = format!(
                "{text} is below 5m: a writer or restore that stalls longer than that loses its objects and starts over"
            );
            Problem::warning(key, origin, message).suggest("write \"5m\" or more")
        });
    }
}

fn check_version(values: &Values, problems: &mut Vec<Problem>) {
    for key in KEYS.iter().filter(|key| !key.in_this_version) {
        let Some(found) = values.get(key.path).filter(|found| found.origin != Origin::Default) else {
            continue;
        };
        let default = key.default.map(|text| key.kind.parse(text));
        if default.as_ref().and_then(|default| default.as_ref().ok()) != Some(&found.value) {
            problems.push(Problem::error(key.path, found.origin.clone(), "not in this version"));
        }
    }
}

fn check_credentials(values: &Values, problems: &mut Vec<Problem>) {
    let (id, secret) = ("store.access_key_id", "store.secret_access_key");
    for (present, absent) in [(id, secret), (secret, id), ("store.session_token", id)] {
        if values.text(present).is_some() && values.text(absent).is_none() {
            let message = format!("is set without {absent}");
            problems.push(
                Problem::error(present, values.origin(present), message)
                    .suggest("set both, or none to use the AWS credential chain"),
            );
        }
    }
}

fn check_encryption_by_store(values: &Values, problems: &mut Vec<Problem>) {
    let sse = values.choice("store.sse");
    for (key, word) in [("store.sse_key_file", "customer"), ("store.kms_key_id", "kms")] {
        if values.text(key).is_some() && sse != word {
            let message = format!("is set, but store.sse is \"{sse}\"");
            problems.push(
                Problem::error(key, values.origin(key), message).suggest(format!("write sse = \"{word}\"")),
            );
        }
    }
    if sse == "customer" && values.text("store.sse_key_file").is_none() {
        let problem =
            Problem::error("store.sse", values.origin("store.sse"), "\"customer\" needs store.sse_key_file");
        problems.push(problem);
    }
}

fn check_endpoint(values: &Values, problems: &mut Vec<Problem>) {
    for path in ["store.endpoint", "store.proxy"] {
        let Some(text) = values.text(path) else { continue };
        let origin = values.origin(path);
        let url = url::Url::parse(text).ok().filter(|url| url.has_host());
        match url.as_ref().map(url::Url::scheme) {
            Some("https") => {}
            Some("http") if path == "store.proxy" || values.flag("store.allow_http") => {}
            Some("http") => problems.push(
                Problem::error(path, origin, "is http://, but store.allow_http is false")
                    .suggest("use https://"),
            ),
            _ => problems.push(
                Problem::error(path, origin, "is not a URL of the form http(s)://host:port")
                    .suggest("write \"https://HOST\""),
            ),
        }
    }
}

/// The origin that ranks highest: where a contradiction was most likely made.
fn most_specific(values: &Values, paths: &[&str]) -> Origin {
    paths.iter().map(|path| values.origin(path)).max().unwrap_or(Origin::Default)
}

/// A value as it would be written; only for keys without secrets.
fn shown_value(values: &Values, path: &str) -> String {
    debug_assert!(Key::find(path).is_some_and(|key| !key.secret));
    values.get(path).map_or_else(String::new, |found| match &found.value {
        Value::Text(text) => text.clone(),
        value => value.to_string(),
    })
}

const LEVEL_MIN: Duration = Duration::from_secs(1);
const L0_MIN: Duration = Duration::from_secs(1);
const L0_WARNING: Duration = Duration::from_secs(300);
