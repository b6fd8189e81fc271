//! Progress of something that moves bytes: a bar on a terminal, elsewhere a log line every 10 s.

use super::size::human_size;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts bytes and shows them. Shared by the threads that move them; gone when dropped.
#[derive(Debug)]
pub struct Progress(Shape);

#[derive(Debug)]
enum Shape {
    Silent,
    Bar(ProgressBar),
    Lines { started: Instant, lines: Mutex<Lines> },
}

impl Progress {
    pub(super) fn silent() -> Progress {
        Progress(Shape::Silent)
    }

    pub(super) fn bar(label: &str, bytes_total: Option<u64>) -> Progress {
        let bar = bytes_total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = if bytes_total.is_some() {
            "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
        } else {
            "{spinner} {msg} {bytes} {bytes_per_sec}"
        };
        let style = ProgressStyle::with_template(template).expect("the templates above are legal");
        Progress(Shape::Bar(bar.with_style(style).with_message(label.to_owned())))
    }

    pub(super) fn lines(label: &str, bytes_total: Option<u64>) -> Progress {
        let lines = Lines::new(label, bytes_total);
        Progress(Shape::Lines { started: Instant::now(), lines: Mutex::new(lines) })
    }

    /// So many more bytes are done. With 0: still alive, nothing new (call it while waiting).
    pub fn advance(&self, bytes: u64) {
        match &self.0 {
            Shape::Silent => {}
            Shape::Bar(bar) => bar.inc(bytes),
            Shape::Lines { started, lines } => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(line) = lines.advance(started.elapsed(), bytes) {
                    tracing::info!("{line}");
                }
            }
        }
    }

    /// The total is known now, or known better.
    pub fn set_total(&self, bytes: u64) {
        match &self.0 {
            Shape::Silent => {}
            Shape::Bar(bar) => bar.set_length(bytes),
            Shape::Lines { lines, .. } => {
                lines.lock().unwrap_or_else(PoisonError::into_inner).bytes_total = Some(bytes);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shape::Bar(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// When a line is due and what it says; knows no clock.
#[derive(Debug)]
pub(super) struct Lines {
    label: String,
    bytes_done: u64,
    bytes_total: Option<u64>,
    due: Duration,
}

impl Lines {
    pub(super) fn new(label: &str, bytes_total: Option<u64>) -> Lines {
        Lines { label: label.to_owned(), bytes_done: 0, bytes_total, due: LINE_EVERY }
    }

    /// The line to log, if `elapsed` since the start has reached the next due time.
    pub(super) fn advance(&mut self, elapsed: Duration, bytes: u64) -> Option<String> {
        self.bytes_done = self.bytes_done.saturating_add(bytes);
        if elapsed < self.due {
            return None;
        }
        self.due = elapsed + LINE_EVERY;
        let done = human_size(self.bytes_done);
        Some(match self.bytes_total {
            Some(total) => format!("{}: {done} of {}", self.label, human_size(total)),
            None => format!("{}: {done}", self.label),
        })
    }
}

/// How often a line is due where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
