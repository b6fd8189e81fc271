//! The real file system behind the file port.

mod real;

pub use real::RealFiles;
pub(crate) use real::identity_of;

#[cfg(test)]
mod tests;
