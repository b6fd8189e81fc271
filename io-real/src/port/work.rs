//! The port for work that blocks or computes for long.

/// Threads that may block. The simulator runs the work on its own.
pub trait Work: Send + Sync {
    /// Runs `job` some time, on a thread where blocking for seconds hurts nobody. Jobs do not panic: whoever
    /// makes one catches that.
    fn start(&self, job: Box<dyn FnOnce() + Send>);
}
