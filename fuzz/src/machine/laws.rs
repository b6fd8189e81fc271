//! What holds whatever the bytes are, checked at every command.

use super::host::{Asked, Host};
use super::store::{FakeStore, slot_key};
use engine::key::{Layout, ObjectKey};
use engine::replicate::{Command, Notice, RequestId, Status, StoreAnswer, StoreRequest};
use engine::store::StoreError;
use engine::types::{Level, Txid};
use std::collections::BTreeSet;

/// Commands after one event. A machine that asks for more runs in circles.
pub(super) const COMMANDS_AT_ONCE_MAX: usize = 64;

/// What one life of the fleet has asked for and was told.
#[derive(Default)]
pub(super) struct Laws {
    ids: BTreeSet<RequestId>,
    /// Keys of which the store has said that they are there.
    seen: BTreeSet<String>,
}

impl Laws {
    /// A command for this host, before it is taken.
    pub(super) fn check(&mut self, command: &Command, host: &Host, store: &FakeStore) {
        let is_last = matches!(command, Command::Notice(_, Notice::Status(Status::Stopped)));
        assert!(is_last || host.stopped().is_none(), "after the end comes nothing: {command:?}");
        match command {
            Command::Source(id, ..) | Command::State(id, ..) => self.is_new(*id),
            Command::Store(id, _, request) => {
                self.is_new(*id);
                if let Some((key, txid)) = written_slot(request, store) {
                    let is_slot = |asked: &Asked| match asked {
                        Asked::Store(request) => written_slot(request, store).is_some(),
                        Asked::Source(_) | Asked::State(_) => false,
                    };
                    let sent = host.asked.iter().filter(|(_, asked)| is_slot(asked)).count();
                    assert_eq!(sent, 0, "one slot is outstanding, {key} is sent");
                    let mut pending = host.state.pending.iter();
                    let is_recorded = pending.any(|r| r.txid == txid && r.node == host.config.node);
                    assert!(is_recorded, "{key} is sent before its record is durable");
                }
            }
            Command::Notice(_, Notice::Durable { txid, .. }) => {
                let place = &host.config.place;
                let newer = |notice: &Notice| matches!(notice, Notice::Durable { txid: before, .. } if before >= txid);
                assert!(!host.notices.iter().any(newer), "{txid} is announced twice, or late");
                let key = slot_key(place, txid.into_inner());
                assert!(self.seen.contains(&key), "{key} is called durable, and no answer said so");
                let node =
                    store.slot(place, txid.into_inner()).and_then(|header| header.chain()).map(|c| c.node);
                let is_ours = node.is_some_and(|node| host.state.own.contains(&node));
                assert!(is_ours, "{key} is called durable, and the store has one of {node:?}");
            }
            Command::Notice(..) => {}
        }
    }

    /// An answer of the store, before the machine hears of it.
    pub(super) fn hear(
        &mut self,
        request: &StoreRequest,
        slot: Option<String>,
        answer: &Result<StoreAnswer, StoreError>,
    ) {
        match (request, answer) {
            (StoreRequest::Put { key, .. }, Ok(_)) => {
                self.seen.insert(key.clone());
            }
            (StoreRequest::Complete { .. }, Ok(_)) => self.seen.extend(slot),
            (StoreRequest::Get { key, .. } | StoreRequest::Hash { key }, Ok(_)) => {
                self.seen.insert(key.clone());
            }
            (StoreRequest::List { .. }, Ok(StoreAnswer::Listed { objects, .. })) => {
                self.seen.extend(objects.iter().map(|object| object.key.clone()));
            }
            _ => {}
        }
    }

    fn is_new(&mut self, id: RequestId) {
        assert!(self.ids.insert(id), "a request id is used once");
    }
}

/// Key and number of the slot that a request writes, if it writes one.
pub(super) fn written_slot(request: &StoreRequest, store: &FakeStore) -> Option<(String, Txid)> {
    let key = match request {
        StoreRequest::Put { key, .. } => key,
        StoreRequest::Complete { staged } => store.key_of_upload(*staged)?,
        _ => return None,
    };
    let (_, name) = key.split_once('/')?;
    let parsed = ObjectKey::parse(Layout::S3, name)?;
    (parsed.level() == Level::L0).then(|| (key.to_owned(), parsed.max()))
}
