//! The real world: SQLite access, object stores, file notifications and the tokio driver.
//!
//! The feature `driver` holds the ports, the SQLite access code and the async driver, and nothing that needs
//! a reactor: the simulator links it. `net`, on by default, adds the real stores and file notifications.

#[cfg(feature = "driver")]
pub mod driver;
#[cfg(feature = "driver")]
pub mod files;
pub mod port;
#[cfg(feature = "driver")]
pub mod restore;
#[cfg(feature = "driver")]
mod seal;
#[cfg(feature = "driver")]
pub mod sqlite;
#[cfg(feature = "driver")]
pub mod state;
#[cfg(feature = "net")]
pub mod store;
#[cfg(feature = "driver")]
pub mod verify;
#[cfg(feature = "net")]
pub mod wake;
