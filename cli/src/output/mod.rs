//! What people and programs see: data on standard output, everything else on standard error.

mod log;
mod printer;
mod progress;
mod size;
mod streams;
mod table;
mod time;

pub use log::{LogFormat, install_log};
pub use printer::{Color, Printer, Verbosity};
pub use progress::Progress;
pub use size::human_size;
pub use streams::Streams;
pub use table::table;
pub use time::{TimestampError, earlier, format_timestamp, later, parse_timestamp};

#[cfg(test)]
mod tests;
