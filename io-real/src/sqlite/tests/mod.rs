//! The session against real SQLite on a real file system.

mod checkpoint;
mod copying;
mod guard;
mod identity;
mod image_pin;
mod look;
mod open;
mod stage;
mod stress;
mod survey;
mod world;
