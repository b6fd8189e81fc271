//! Before the first claim of an empty place: is there a database at all?
//!
//! A place that is claimed for a file that is none, or that cannot be read, would be another writer's to whoever has
//! the real one, and a database without a state in every list. So the source is opened once, and closed: nothing may
//! be pinned while the store is asked.

use super::claim::Claim;
use super::command::{RequestId, SourceJob};
use super::context::Context;
use super::database::{Database, Phase, Place, Then};
use super::event::{SourceAnswer, SourceError};
use super::start::Start;

/// Opening; whoever may not claim after all must not have entered WAL mode.
#[derive(Debug)]
pub(super) struct Probe {
    sent: RequestId,
    /// The place was listed some time ago.
    again: bool,
}

impl Probe {
    fn start(cx: &mut Context<'_>, again: bool) -> Probe {
        Probe { sent: cx.source(SourceJob::Open { enter_wal_mode: false }), again }
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        self.sent == id
    }
}

impl Database {
    /// The place is empty: claims it, if there is a database to follow.
    pub(super) fn claim(&mut self, cx: &mut Context<'_>, place: Box<Place>) {
        self.phase = match place.manifest {
            Some(_) => Phase::Claim(Claim::start(cx, &place.local, true), place),
            None => Phase::Probe(Probe::start(cx, false), place),
        };
    }

    /// After a wait: asks the store nothing as long as there is no database.
    pub(super) fn probe_again(&mut self, cx: &mut Context<'_>, place: Box<Place>) {
        self.phase = Phase::Probe(Probe::start(cx, true), place);
    }

    pub(super) fn probed(&mut self, cx: &mut Context<'_>, result: Result<SourceAnswer, SourceError>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Stopped);
        let Phase::Probe(probe, place) = phase else { unreachable!("a probe ended") };
        match result {
            Err(SourceError::NotWal(_)) if cx.config.enter_wal_mode => {}
            Err(
                error @ (SourceError::Missing
                | SourceError::Denied(_)
                | SourceError::NotADatabase(_)
                | SourceError::Held(_)
                | SourceError::NotWal(_)
                | SourceError::Library(_)),
            ) => return self.source_trouble(cx, error, Then::Probe(place)),
            // Opened, or so busy that it is one; what else there is shows when it is followed.
            Ok(_)
            | Err(
                SourceError::Busy
                | SourceError::Replaced(_)
                | SourceError::BadFrame { .. }
                | SourceError::Unstable(_)
                | SourceError::Rotten { .. }
                | SourceError::Io(_),
            ) => {}
        }
        cx.source(SourceJob::Close);
        self.phase = if probe.again {
            Phase::Start(Start::load(cx, self.known.clone()))
        } else {
            Phase::Claim(Claim::start(cx, &place.local, false), place)
        };
    }
}
