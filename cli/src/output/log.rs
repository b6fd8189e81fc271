//! The log: one line per event on standard error, as text or JSON.

use super::Verbosity;
use super::time::format_timestamp;
use engine::types::Timestamp;
use std::fmt;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Sends the log of the whole process to standard error. A second call changes nothing.
pub fn install_log(verbosity: Verbosity, format: LogFormat, color: bool) {
    let registry = tracing_subscriber::registry().with(targets(verbosity));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_timer(Clock);
    let _ = match format {
        LogFormat::Text => registry.with(layer.with_ansi(color).with_target(false)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
}

/// Our own crates say more than the libraries below them.
pub(super) fn targets(verbosity: Verbosity) -> Targets {
    let (ours, theirs) = match verbosity {
        Verbosity::Quiet => (LevelFilter::ERROR, LevelFilter::ERROR),
        Verbosity::Normal => (LevelFilter::INFO, LevelFilter::WARN),
        Verbosity::Verbose => (LevelFilter::DEBUG, LevelFilter::INFO),
        Verbosity::Trace => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    OUR_CRATES
        .iter()
        .fold(Targets::new().with_default(theirs), |targets, name| targets.with_target(*name, ours))
}

/// The same form as every other time that walsync prints.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        writer.write_str(&format_timestamp(now))
    }
}

const OUR_CRATES: [&str; 4] = ["cli", "engine", "io_real", "walsync"];
