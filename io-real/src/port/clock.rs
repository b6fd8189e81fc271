//! The clock port.

use engine::types::Now;

/// Both clocks. The monotonic one never goes back, and goes on while the machine sleeps where the system can
/// tell: what the engine trusts for a while must not outlast a suspended laptop.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Now;
}
