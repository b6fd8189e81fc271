//! Keys with an equivalent, and those of the whole file.

use super::table::{LeftOut, Table, Taken};
use super::value;
use crate::config::Key;
use std::collections::BTreeMap;

/// `section.name` of walsync, with its value.
pub(super) type Keys = BTreeMap<&'static str, toml::Value>;

/// What is found, key by key.
pub(super) struct Found<'a> {
    pub(super) keys: Keys,
    pub(super) left_out: &'a mut Vec<LeftOut>,
}

impl Found<'_> {
    /// Gives `path` the value `text`; what is no value of it, or none in this version, is told.
    pub(super) fn set(&mut self, path: &'static str, taken: &Taken, text: &str) {
        let key = Key::find(path).expect("keys of the table");
        if !key.in_this_version {
            let reason = format!("`{path}` would be the same, which is not in this version");
            return self.left_out.push(taken.left_out(reason));
        }
        if taken.is_variable() {
            self.keys.insert(path, toml::Value::String(text.to_owned()));
            return;
        }
        match key.kind.parse(text) {
            Ok(value) => drop(self.keys.insert(path, value.to_toml())),
            Err(error) => {
                let message = error.message();
                self.left_out.push(taken.left_out(format!("`{path}` does not take it: {message}")));
            }
        }
    }

    pub(super) fn text(&mut self, table: &mut Table, name: &str, path: &'static str) {
        if let Some(taken) = table.text(name, self.left_out) {
            self.set(path, &taken, &taken.text);
        }
    }

    /// A duration of Go's.
    pub(super) fn duration(&mut self, table: &mut Table, name: &str, path: &'static str) {
        if let Some(taken) = table.text(name, self.left_out)
            && let Some(text) = self.duration_text(&taken)
        {
            self.set(path, &taken, &text);
        }
    }

    /// A duration as walsync writes it.
    pub(super) fn duration_text(&mut self, taken: &Taken) -> Option<String> {
        if taken.is_variable() {
            return Some(taken.text.clone());
        }
        let text = value::duration(&taken.text).and_then(value::duration_text);
        if text.is_none() {
            self.left_out.push(taken.left_out(format!("`{}` is not a duration", taken.text)));
        }
        text
    }

    /// `snapshot` of the file or of a database.
    pub(super) fn snapshot(&mut self, table: &mut Table) {
        let Some(mut snapshot) = table.table("snapshot", self.left_out) else { return };
        self.duration(&mut snapshot, "interval", "snapshots.interval");
        self.retention(&mut snapshot, "retention");
        snapshot.rest_is_unknown(self.left_out);
    }

    /// For how long Litestream goes back; nothing older stays.
    pub(super) fn retention(&mut self, table: &mut Table, name: &str) {
        self.duration(table, name, "retention.pitr");
        if self.keys.contains_key("retention.pitr") {
            self.nothing_older();
        }
    }

    fn nothing_older(&mut self) {
        for path in ["retention.hourly", "retention.daily", "retention.weekly", "retention.monthly"] {
            self.keys.insert(path, toml::Value::Integer(0));
        }
    }

    fn levels(&mut self, table: &mut Table) {
        let line = table.line();
        let mut spans = Vec::new();
        let mut first = None;
        for mut level in table.tables("levels", self.left_out) {
            if let Some(taken) = level.text("interval", self.left_out)
                && let Some(text) = self.duration_text(&taken)
            {
                spans.push(text);
                first.get_or_insert(taken);
            }
            level.rest_is_unknown(self.left_out);
        }
        let Some(first) = first else { return };
        let taken = Taken { line: first.line.max(line), key: table.key("levels"), text: String::new() };
        self.set("compaction.levels", &taken, &spans.join(","));
    }
}

/// What the file says for all databases, but for replicas.
pub(super) fn of_file(table: &mut Table, left_out: &mut Vec<LeftOut>) -> Keys {
    let mut found = Found { keys: Keys::new(), left_out };
    found.levels(table);
    found.snapshot(table);
    found.duration(table, "l0-retention", "retention.l0");
    found.duration(table, "shutdown-sync-timeout", "sync.shutdown_timeout");
    found.text(table, "heartbeat-url", "alerts.heartbeat_url");
    if let Some(mut validation) = table.table("validation", found.left_out) {
        found.duration(&mut validation, "interval", "verify.interval");
        validation.rest_is_unknown(found.left_out);
    }
    never_deletes(table, &mut found);
    if short_l0(&found.keys) {
        found.keys.remove("retention.l0");
        found.left_out.push(LeftOut {
            line: table.line(),
            key: "l0-retention".to_owned(),
            reason: "walsync keeps each sync for 1s at least; here 5m, its default".to_owned(),
        });
    }
    for (name, reason) in WITHOUT {
        table.without(name, reason, found.left_out);
    }
    found.keys
}

/// `retention: enabled: false`: deleting is somebody else's task.
fn never_deletes(table: &mut Table, found: &mut Found<'_>) {
    let Some(mut retention) = table.table("retention", found.left_out) else { return };
    if let Some(taken) = retention.text("enabled", found.left_out)
        && value::flag(&taken.text) == Some(false)
    {
        for path in ["retention.l0", "retention.pitr"] {
            found.keys.insert(path, toml::Value::String(FOR_EVER.to_owned()));
        }
    }
    retention.rest_is_unknown(found.left_out);
}

fn short_l0(keys: &Keys) -> bool {
    let text = keys.get("retention.l0").and_then(toml::Value::as_str);
    text.and_then(value::duration).is_some_and(|l0| l0.as_secs() == 0)
}

/// The longest duration that a key takes.
const FOR_EVER: &str = "876000h";

/// Keys of the file for which walsync has nothing, or something else.
const WITHOUT: [(&str, &str); 9] = [
    ("addr", "`[dashboard] listen` will serve metrics, which is not in this version"),
    ("socket", "walsync listens below its state directory; there is nothing to set"),
    ("exec", "`walsync watch --exec` is not in this version: let the service manager start both"),
    ("logging", "the log is set by flags: -v, -q, --log-format json"),
    ("mcp-addr", "walsync has no such server"),
    ("verify-compaction", "walsync checks each compacted object before any of its inputs goes"),
    ("l0-retention-check-interval", "walsync looks when something can be due"),
    ("heartbeat-interval", "goes with `alerts.heartbeat_url`, which is not in this version"),
    ("shutdown-sync-interval", "walsync sets its own pauses between attempts"),
];
