//! A directory as a store: each object a file, each write atomic and on the disk before it is confirmed.
//!
//! An object's time is its file's modification time: where a writer gives a timestamp it is set to that
//! (Litestream's point-in-time restore reads it), before the file gets its name. So [`modified`] of this
//! store is the *writer's* time where one was given; only [`store_time`] comes from the file system's clock.
//!
//! File names with a `#` are ours: `name#<hex>` is an object that is being written, `name#lock` a lock.
//! Listings do not show them.
//!
//! [`modified`]: engine::store::ObjectMeta::modified
//! [`store_time`]: crate::port::PutDone::store_time

mod directories;
mod disk;
mod error;
mod lock;
mod staged;
mod store;
mod upload;
mod walk;

pub(super) use store::FileStore;

#[cfg(test)]
mod tests;
