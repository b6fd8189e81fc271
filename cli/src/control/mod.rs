//! The control socket: how commands talk to the daemons of a state directory.
//!
//! ```text
//! status, sync, snapshot ─► client ─► <state dir>/run/<pid>.sock ─► server ─► Asked ─► the daemon's loop
//!                             ◄────────────── answers, line by line ◄──────────────────┘
//! ```
//!
//! One JSON document per line in both directions ([`message`]); each carries the protocol's version. What it says is data
//! (`message`, `report`) that other ways to ask can use as well; what it means is decided by the daemon.

mod client;
mod message;
mod report;
mod server;
mod socket;
mod wire;

pub(crate) use client::{Daemon, daemons};
pub(crate) use message::{Answer, Done, Failed, Image, Request, Selection};
pub(crate) use report::{DaemonReport, DatabaseReport, UpkeepReport, VerifyReport, WhenDone};
pub(crate) use server::{Answers, Asked, Server};

#[cfg(test)]
mod tests;
