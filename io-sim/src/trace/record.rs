//! The trace and its hash.

use crate::clock::SimClock;
use crate::shared::Shared;
use crc_fast::CrcAlgorithm;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::fmt;
use std::fmt::Write as _;

/// A shared handle to the trace of one run.
#[derive(Clone)]
pub struct Trace {
    clock: SimClock,
    state: Shared<State>,
}

struct State {
    hasher: Sha256,
    /// Records that were not hashed yet: SHA-256 is fast on long inputs, and most records are short.
    buffer: Vec<u8>,
    events: u64,
    /// What happens is an oracle's doing.
    unseen: bool,
    lines: VecDeque<String>,
    lines_max: usize,
}

impl Trace {
    /// An empty trace that stamps each event with this clock's monotonic time.
    pub fn new(clock: &SimClock) -> Trace {
        let state = State {
            hasher: Sha256::new(),
            buffer: Vec::with_capacity(BUFFER_BYTES),
            events: 0,
            unseen: false,
            lines: VecDeque::new(),
            lines_max: 0,
        };
        Trace { clock: clock.clone(), state: Shared::new(state) }
    }

    /// Adds an event: what happened, to which path or key, its numbers by name, and the bytes that moved.
    pub fn record(&self, what: &'static str, subject: &str, numbers: &[(&'static str, u64)], bytes: &[u8]) {
        let at_us = self.clock.mono().as_micros();
        let mut state = self.state.lock();
        if state.unseen && LOOKS.contains(&what) {
            return;
        }
        state.events += 1;
        state.field(&at_us.to_le_bytes());
        state.field(what.as_bytes());
        state.field(subject.as_bytes());
        state.buffer.extend_from_slice(&(numbers.len() as u64).to_le_bytes());
        for (_, number) in numbers {
            state.buffer.extend_from_slice(&number.to_le_bytes());
        }
        state.content(bytes);
        if state.lines_max > 0 {
            state.line(at_us, what, subject, numbers, bytes);
        }
    }

    /// Whether events that change nothing are left out from now on; gives what was so before.
    pub(crate) fn set_unseen(&self, unseen: bool) -> bool {
        std::mem::replace(&mut self.state.lock().unseen, unseen)
    }

    /// Keeps the last `count` events as text from now on (0: none, `usize::MAX`: all).
    pub fn keep_last(&self, count: usize) {
        let mut state = self.state.lock();
        state.lines_max = count;
        let surplus = state.lines.len().saturating_sub(count);
        state.lines.drain(..surplus);
    }

    /// Takes the kept lines, oldest first.
    pub fn take_lines(&self) -> Vec<String> {
        self.state.lock().lines.drain(..).collect()
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.state.lock().events
    }

    /// The hash of everything so far.
    pub fn hash(&self) -> TraceHash {
        let mut state = self.state.lock();
        state.flush();
        TraceHash(state.hasher.clone().finalize().into())
    }
}

/// Events that change nothing that anybody else could see.
const LOOKS: [&str; 7] = ["close", "lock", "map", "read", "shm lock", "stat", "unlock"];

impl State {
    /// A length, so that no two lists of fields give the same bytes, and the field.
    fn field(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush();
        }
        if bytes.len() > BUFFER_BYTES {
            self.hasher.update(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Bytes that moved. Of more than a few their CRC-64 goes in: what differs by chance is told apart by it, and a run
    /// moves hundreds of megabytes.
    fn content(&mut self, bytes: &[u8]) {
        if bytes.len() <= CONTENT_BYTES_MAX {
            return self.field(bytes);
        }
        let crc = crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes);
        self.buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.field(&crc.to_le_bytes());
    }

    fn flush(&mut self) {
        self.hasher.update(&self.buffer);
        self.buffer.clear();
    }

    fn line(&mut self, at_us: u64, what: &str, subject: &str, numbers: &[(&'static str, u64)], bytes: &[u8]) {
        let mut line = format!("{}.{:06} {what}", at_us / 1_000_000, at_us % 1_000_000);
        if !subject.is_empty() {
            write!(line, " {subject}").expect("a String takes everything");
        }
        for (name, number) in numbers {
            write!(line, " {name}={number}").expect("a String takes everything");
        }
        if !bytes.is_empty() {
            write!(line, " bytes={}", bytes.len()).expect("a String takes everything");
        }
        if self.lines.len() == self.lines_max {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

/// The hash of a trace; shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceHash(pub [u8; 32]);

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const CONTENT_BYTES_MAX: usize = 64;
/// How much is gathered before it is hashed.
const BUFFER_BYTES: usize = 64 * 1024;
