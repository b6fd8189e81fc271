//! Who told the store to do what: what people's own runs make and delete is judged by what these were told.

use engine::retention::Policy;
use io_sim::network::ClientId;
use std::collections::{BTreeMap, BTreeSet};

/// What was asked of the store, by key.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// The policies of those who wanted by hand that it goes.
    under: BTreeMap<String, Vec<Policy>>,
    /// Who wanted first that it goes; `None`: a daemon.
    first: BTreeMap<String, Option<ClientId>>,
    /// What several wanted to go.
    of_many: BTreeSet<String>,
    /// What was made by hand.
    made: BTreeSet<String>,
}

impl Orders {
    /// A daemon asks for deletes.
    pub(super) fn daemon_deletes(&mut self, keys: &[String]) {
        self.delete(keys, None);
    }

    /// Somebody asks for deletes under this policy.
    pub(super) fn hand_deletes(&mut self, keys: &[String], who: ClientId, policy: Policy) {
        self.delete(keys, Some(who));
        for key in keys {
            let under = self.under.entry(key.clone()).or_default();
            if !under.contains(&policy) {
                under.push(policy);
            }
        }
    }

    /// Somebody makes an object.
    pub(super) fn hand_makes(&mut self, key: &str) {
        self.made.insert(key.to_owned());
    }

    /// The policies of those who wanted by hand that this goes, also where a daemon wanted it as well.
    pub(super) fn deleted_under(&self, key: &str) -> &[Policy] {
        self.under.get(key).map_or(&[], Vec::as_slice)
    }

    /// Who alone wanted by hand that this goes.
    pub(super) fn deleted_by(&self, key: &str) -> Option<ClientId> {
        self.first.get(key).copied().flatten().filter(|_| !self.of_many.contains(key))
    }

    /// Whether it was made by hand.
    pub(super) fn is_made_by_hand(&self, key: &str) -> bool {
        self.made.contains(key)
    }

    fn delete(&mut self, keys: &[String], who: Option<ClientId>) {
        for key in keys {
            if *self.first.entry(key.clone()).or_insert(who) != who {
                self.of_many.insert(key.clone());
            }
        }
    }
}
