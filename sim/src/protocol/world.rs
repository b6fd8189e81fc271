//! Everything that may happen next in a state.

use super::message::{Answer, Message, Request};
use super::object::Key;
use super::restore::Listing;
use super::rule::Rule;
use super::scenario::Wipe;
use super::state::{Model, State};
use super::step::Step;
use super::upkeep::Upkeep;
use super::writer::{Next, Phase, StateDirectory};

impl Model {
    /// What may happen, and where it leads.
    pub fn moves(&self, state: &State) -> Vec<(Step, State)> {
        let mut moves = Vec::new();
        self.arrivals(state, &mut moves);
        for index in 0..state.writers.len() {
            self.application(state, index, &mut moves);
            match state.writers[index].phase {
                Phase::Down => self.stopped(state, index, &mut moves),
                Phase::Running => {
                    self.sending(state, index, &mut moves);
                    self.upkeep(state, index, &mut moves);
                    self.dying(state, index, &mut moves);
                }
                Phase::Fenced => {}
            }
        }
        self.outside(state, &mut moves);
        moves
    }

    fn arrivals(&self, state: &State, moves: &mut Vec<(Step, State)>) {
        for (at, message) in state.network.iter().enumerate() {
            if at > 0 && state.network[at - 1] == *message {
                continue;
            }
            let message = *message;
            let from = usize::from(message.from);
            let waited_for = self.is_waited_for(state, &message);
            let mut arrived = state.clone();
            arrived.network.remove(at);
            if waited_for && state.left.conflicts > 0 && !matches!(message.request, Request::Manifest(_)) {
                let mut conflicted = arrived.clone();
                conflicted.left.conflicts -= 1;
                if let Request::Complete { upload, .. } = message.request {
                    conflicted.store.end_upload(upload);
                }
                answer(&mut conflicted, from, Answer::Conflict);
                moves.push((
                    Step::Arrives { message, answer: Some(Answer::Conflict), heard: true },
                    conflicted,
                ));
            }
            let said = take(&mut arrived, &message);
            if waited_for && let Some(said) = said {
                if state.left.timeouts > 0 {
                    let mut lost = arrived.clone();
                    lost.left.timeouts -= 1;
                    moves.push((Step::Arrives { message, answer: Some(said), heard: false }, lost));
                }
                answer(&mut arrived, from, said);
            }
            moves.push((Step::Arrives { message, answer: said, heard: waited_for }, arrived));
        }
    }

    /// Whether the sender waits for the answer to this very request.
    fn is_waited_for(&self, state: &State, message: &Message) -> bool {
        let writer = &state.writers[usize::from(message.from)];
        let Some(sending) = writer.memory.sending else { return false };
        let about = match message.request {
            Request::Manifest(_) => sending.key.is_none(),
            Request::Put { key, object, .. } => sending.key == Some(key) && sending.object == object,
            Request::Complete { upload, .. } => {
                sending.completing && sending.upload.is_some_and(|(id, _)| id == upload)
            }
            Request::Part { .. } | Request::Delete(_) => false,
        };
        about && writer.life == message.life && message.attempt == Some(sending.attempt)
    }

    fn application(&self, state: &State, index: usize, moves: &mut Vec<(Step, State)>) {
        let writer = &state.writers[index];
        let has_database = writer.database.is_whole();
        if writer.commits_left == 0 || !has_database || writer.phase == Phase::Fenced {
            return;
        }
        for page in 0..self.scenario.pages_written {
            let mut next = state.clone();
            let value = next.new_value();
            let writer = &mut next.writers[index];
            writer.database.0[page] = value;
            writer.commits_left -= 1;
            let database = writer.database;
            moves.push((Step::Commits(index, database), next));
        }
    }

    fn stopped(&self, state: &State, index: usize, moves: &mut Vec<(Step, State)>) {
        if state.writers[index].database.is_whole() {
            let mut next = state.clone();
            let id = next.new_writer_id();
            let writer = &mut next.writers[index];
            writer.id = match writer.directory.own.last() {
                Some(id) if !self.rules.has(Rule::IdPerLife) => *id,
                _ => id,
            };
            if !self.rules.has(Rule::OwnLives) {
                writer.directory.own.clear();
            }
            if !writer.directory.owns(writer.id) {
                writer.directory.own.push(writer.id);
            }
            let finding = self.look(&mut next, index);
            moves.push((Step::Starts(index, finding), next));
        }
        if state.left.restores > 0
            && index > 0
            && let Some((txid, content)) = self.newest(state)
        {
            let mut next = state.clone();
            next.left.restores -= 1;
            let writer = &mut next.writers[index];
            writer.database = content;
            writer.directory = StateDirectory::default();
            writer.proof = Some((txid, content));
            moves.push((Step::Restores(index, txid, content), next));
        }
        if state.left.clones > 0 && index == 1 && !state.writers[0].directory.own.is_empty() {
            let mut next = state.clone();
            next.left.clones -= 1;
            let (database, directory) = (next.writers[0].database, next.writers[0].directory.clone());
            let writer = &mut next.writers[1];
            (writer.database, writer.directory) = (database, directory);
            moves.push((Step::Copies, next));
        }
    }

    /// What a newest restore yields.
    pub fn newest(&self, state: &State) -> Option<(u8, super::object::Pages)> {
        let listing = Listing::new(&state.store, &self.rules);
        if !self.rules.has(Rule::RestoreLinks) {
            return listing.by_names(u8::MAX);
        }
        let last = listing.last()?;
        Some((last, listing.linked(last)?))
    }

    fn sending(&self, state: &State, index: usize, moves: &mut Vec<(Step, State)>) {
        let memory = &state.writers[index].memory;
        let room = state.network.len() < self.scenario.network_max;
        if memory.sending.is_none() && self.confirmation_is_old(state, index) {
            let mut next = state.clone();
            let finding = self.look(&mut next, index);
            moves.push((Step::Looks(index, finding), next));
        } else if room
            && memory.head < self.scenario.txid_max
            && let Some((key, object)) = self.draft(state, index)
        {
            let mut next = state.clone();
            self.send(&mut next, index, (key, object));
            moves.push((Step::Sends(index, key, object), next));
        }
        if room && self.can_complete(state, index) {
            let mut next = state.clone();
            self.complete(&mut next, index);
            moves.push((Step::Completes(index), next));
        }
        let Some(sending) = memory.sending else { return };
        if let Some(said) = sending.answer {
            let mut next = state.clone();
            let reaction = self.answered(&mut next, index, said);
            moves.push((Step::Answered(index, said, reaction), next));
            return;
        }
        let asked = sending.upload.is_none() || sending.completing;
        let under_way = state.network.iter().any(|message| self.is_waited_for(state, message));
        if asked && room && (!under_way || state.left.timeouts > 0) {
            let mut next = state.clone();
            next.left.timeouts -= u8::from(under_way);
            let reaction = self.timed_out(&mut next, index);
            moves.push((Step::TimesOut(index, reaction), next));
        }
    }

    fn upkeep(&self, state: &State, index: usize, moves: &mut Vec<(Step, State)>) {
        if state.network.len() >= self.scenario.network_max {
            return;
        }
        let mut push = |upkeep: Upkeep, spend: fn(&mut State)| {
            let mut next = state.clone();
            spend(&mut next);
            match upkeep {
                Upkeep::HeadIsAnothers => next.writers[index].fence(None),
                Upkeep::Sends(request) => next.send(index, None, request),
            }
            moves.push((Step::Upkeep(index, upkeep), next));
        };
        if state.left.compactions > 0
            && let Some(upkeep) = self.compaction(state, index)
        {
            push(upkeep, |next| next.left.compactions -= 1);
        }
        if state.left.snapshots > 0
            && let Some(upkeep) = self.snapshot(state, index)
        {
            push(upkeep, |next| next.left.snapshots -= 1);
        }
        if state.left.deletes > 0 {
            for upkeep in self.retention(state, index) {
                push(upkeep, |next| next.left.deletes -= 1);
            }
        }
    }

    fn dying(&self, state: &State, index: usize, moves: &mut Vec<(Step, State)>) {
        if state.left.crashes > 0 {
            for lost in [false, true] {
                if lost && !self.scenario.state_lost {
                    continue;
                }
                let mut next = state.clone();
                next.left.crashes -= 1;
                let writer = &mut next.writers[index];
                writer.die();
                if lost {
                    writer.directory = StateDirectory::default();
                    writer.forgetful = true;
                }
                moves.push((Step::Dies(index, lost), next));
            }
        }
        let memory = &state.writers[index].memory;
        if state.left.power_cuts > 0 && memory.holds && memory.next == Next::Difference {
            let mut next = state.clone();
            next.left.power_cuts -= 1;
            let writer = &mut next.writers[index];
            writer.database = memory.base;
            writer.die();
            moves.push((Step::LosesPower(index), next));
        }
    }

    fn outside(&self, state: &State, moves: &mut Vec<(Step, State)>) {
        if state.left.ticks > 0 {
            let mut next = state.clone();
            next.left.ticks -= 1;
            next.now += 1;
            moves.push((Step::Ticks, next));
        }
        let newest = state.store.objects().iter().map(|o| o.key).filter(|key| key.is_slot()).max();
        let wiped = |key: Key| match self.scenario.wipe {
            Wipe::Slots => key.is_slot(),
            Wipe::OldSlots => key.is_slot() && Some(key) != newest,
            Wipe::Everything => true,
        };
        let keys: Vec<Key> = state.store.objects().iter().map(|o| o.key).filter(|key| wiped(*key)).collect();
        // In a quiet moment: an answer that was true when it was sent is no lie.
        let quiet = state.network.is_empty() && self.may_wipe(state);
        if state.left.wipes > 0 && quiet && !keys.is_empty() {
            let mut next = state.clone();
            next.left.wipes -= 1;
            next.wipe(&keys);
            moves.push((Step::Wipes, next));
        }
    }

    /// Whether objects may be deleted from outside now.
    fn may_wipe(&self, state: &State) -> bool {
        let writers = || state.writers.iter();
        if !self.scenario.wiped_while_stopped {
            return writers().all(|writer| writer.memory.sending.is_none());
        }
        let stopped = writers().all(|writer| writer.phase != Phase::Running);
        stopped && writers().filter(|writer| writer.phase == Phase::Down).count() <= 1
    }
}

/// The store carries out a request.
fn take(state: &mut State, message: &Message) -> Option<Answer> {
    let done = |done: bool| Some(if done { Answer::Done } else { Answer::Refused });
    match message.request {
        Request::Manifest(writer) => {
            let free = state.store.manifest.is_none();
            if free {
                state.store.manifest = Some(writer);
                state.wrote[usize::from(message.from)] = true;
            }
            done(free)
        }
        Request::Put { key, object, if_absent } => done(state.put(key, object, if_absent)),
        Request::Part { upload, part } => {
            state.store.put_part(upload, usize::from(part));
            None
        }
        Request::Complete { upload, if_absent } => {
            let Some(found) = state.store.upload(upload) else { return Some(Answer::Missing) };
            let (key, object) = (found.key, found.assembled());
            state.store.end_upload(upload);
            done(state.put(key, object, if_absent))
        }
        Request::Delete(key) => {
            state.store.delete(key);
            None
        }
    }
}

fn answer(state: &mut State, index: usize, answer: Answer) {
    if let Some(sending) = &mut state.writers[index].memory.sending {
        sending.answer = Some(answer);
    }
}
