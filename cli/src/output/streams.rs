//! The two streams of a run, as data, so that a test can read what was written.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Standard output and standard error of a run.
pub struct Streams {
    pub(super) out: Mutex<Box<dyn Write + Send>>,
    pub(super) err: Mutex<Box<dyn Write + Send>>,
    /// Whether `err` is the process's own: only then may a progress bar draw on it and a log be installed.
    pub(super) is_process: bool,
}

impl Streams {
    /// Whether these are the streams of the process itself.
    pub fn is_of_process(&self) -> bool {
        self.is_process
    }

    /// Those of this process.
    pub fn of_process() -> Streams {
        Streams {
            out: Mutex::new(Box::new(io::stdout())),
            err: Mutex::new(Box::new(io::stderr())),
            is_process: true,
        }
    }

    /// Streams into memory, with what will have been written to them.
    pub fn captured() -> (Streams, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        let streams = Streams {
            out: Mutex::new(Box::new(out.clone())),
            err: Mutex::new(Box::new(err.clone())),
            is_process: false,
        };
        (streams, out, err)
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("is_process", &self.is_process).finish_non_exhaustive()
    }
}

/// A stream into memory.
#[derive(Clone, Debug, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// What was written so far; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
