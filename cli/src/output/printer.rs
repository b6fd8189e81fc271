//! Who may write where: data to standard output, everything else to standard error.

use super::progress::Progress;
use super::streams::Streams;
use crate::config::Problem;
use crate::exit::{Failure, Kind};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// `-q`: errors only.
    Quiet,
    /// Warnings, notes, and what the daemon does.
    Normal,
    /// `-v`: why.
    Verbose,
    /// `-vv` and more: everything.
    Trace,
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The only one who writes to the streams of a run (beside the log). Shared by all threads.
#[derive(Debug)]
pub struct Printer {
    streams: Streams,
    json: bool,
    verbosity: Verbosity,
    color: bool,
    bars: bool,
}

impl Printer {
    /// `json`: data as JSON documents, errors and warnings as JSON lines. `color`: whether standard error may
    /// have colours. `terminal`: whether standard error is one that progress bars may draw on.
    pub fn new(streams: Streams, json: bool, verbosity: Verbosity, color: bool, terminal: bool) -> Printer {
        let bars = terminal && streams.is_process && !json && verbosity > Verbosity::Quiet;
        Printer { streams, json, verbosity, color, bars }
    }

    /// Whether data has to be a JSON document.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Writes data for people to standard output, and a line end.
    ///
    /// # Errors
    /// Exit 3 if the stream does not take it. A reader that has gone (`| head`) is no error.
    pub fn data(&self, text: impl Display) -> Result<(), Failure> {
        let mut out = self.streams.out.lock().unwrap_or_else(PoisonError::into_inner);
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Kind::Unavailable, "cannot write to standard output").because(&error))
            }
            _ => Ok(()),
        }
    }

    /// Writes one JSON document (or one of several JSON lines) to standard output.
    ///
    /// # Errors
    /// As [`Printer::data`].
    pub fn document<T: Serialize>(&self, document: &T) -> Result<(), Failure> {
        let line = serde_json::to_string(document);
        self.data(line.map_err(|error| Failure::new(Kind::Bug, "an answer is not JSON").because(&error))?)
    }

    /// Says something in passing on standard error; not under `-q` or `--json`.
    pub fn note(&self, text: impl Display) {
        if self.verbosity > Verbosity::Quiet && !self.json {
            self.stderr(&text.to_string());
        }
    }

    /// Warns on standard error; not under `-q`.
    pub fn warn(&self, text: impl Display, hint: Option<&str>) {
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        let text = text.to_string();
        if self.json {
            self.stderr(&serde_json::json!({ "warning": text, "hint": hint }).to_string());
            return;
        }
        let label = self.painted(YELLOW, "warning:");
        let hint = hint.map_or_else(String::new, |hint| format!("\n{} {hint}", self.painted(CYAN, "hint:")));
        self.stderr(&format!("{label} {text}{hint}"));
    }

    /// Warns of what is doubtful in the configuration.
    pub fn warn_of(&self, problems: &[Problem]) {
        problems.iter().for_each(|problem| self.warn(problem, None));
    }

    /// Says why the run failed, on standard error.
    pub fn failure(&self, failure: &Failure) {
        if self.json {
            return self.stderr(&failure.to_json());
        }
        let mut text = format!("{} {}", self.painted(RED, "error:"), failure.headline());
        for cause in failure.causes() {
            text.push_str("\n  caused by: ");
            text.push_str(cause);
        }
        self.stderr(&format!("{text}\n{} {}", self.painted(CYAN, "hint:"), failure.hint_text()));
    }

    /// Shows that `label` goes on: a bar on a terminal, elsewhere a log line every 10 s.
    pub fn progress(&self, label: &str, bytes_total: Option<u64>) -> Progress {
        if self.verbosity == Verbosity::Quiet {
            Progress::silent()
        } else if self.bars {
            Progress::bar(label, bytes_total)
        } else {
            Progress::lines(label, bytes_total)
        }
    }

    fn painted(&self, color: &str, text: &str) -> String {
        if self.color { format!("\x1b[1;{color}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A standard error that is gone cannot be told about it: failures are ignored.
    fn stderr(&self, text: &str) {
        let err: &Mutex<_> = &self.streams.err;
        let _ = writeln!(err.lock().unwrap_or_else(PoisonError::into_inner), "{text}");
    }
}

const RED: &str = "31";
const YELLOW: &str = "33";
const CYAN: &str = "36";
