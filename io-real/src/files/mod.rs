//! The real file system behind the file port.

mod output;
mod pause;
mod real;

pub use output::RealOutputFiles;
pub use pause::pause;
pub use real::RealFiles;
pub(crate) use real::identity_of;

#[cfg(test)]
mod tests;
