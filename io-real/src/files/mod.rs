//! The real file system behind the file port.

mod pause;
mod real;

pub use pause::pause;
pub use real::RealFiles;
pub(crate) use real::identity_of;

#[cfg(test)]
mod tests;
