//! The oracles: one property each, in its own file. They look at the world without faults, and know nothing of
//! the engine's decisions.

pub mod history;
pub mod idle;
pub mod image;
pub mod manifest;
pub mod mirror;
pub mod ownership;
pub mod pace;
pub mod points;
pub mod reachable;
pub mod restart;
pub mod restore;
pub mod restored;
pub mod rot;
pub mod stall;
pub mod states;
pub mod stop;
