//! Daemons come and go, and what they want is carried out.

use super::*;
use crate::fleet::place::WriterLife;
use crate::world::transfer::{Next, Transfer};
use engine::key::{Layout, ModifiedIs};
use engine::manifest::DatabaseId;
use engine::replicate::{
    Command, DatabaseConfig, Output, RequestId, SnapshotSchedule, SourceId, StoreAnswer, StoreRequest,
    UpkeepConfig,
};
use engine::store::{Condition, StoreError};
use engine::types::NodeId;

impl World<'_> {
    pub(super) fn start_daemon(&mut self, machine: usize) -> Checked {
        if self.machines[machine].life.is_some() {
            return Ok(());
        }
        self.clients += 1;
        let owner = &mut self.machines[machine];
        owner.lives += 1;
        owner.life = Some(Life::start(ClientId(self.clients)));
        let numbers = [("machine", machine as u64), ("client", self.clients.into())];
        self.trace.record("start daemon", "", &numbers, &[]);
        for place in 0..self.places.len() {
            self.add(machine, place)?;
        }
        Ok(())
    }

    /// The daemon of a machine follows a place's database, if it is to be followed.
    pub(super) fn add(&mut self, machine: usize, place: usize) -> Checked {
        // What begins while all of it ends is followed by the next life.
        if self.machines[machine].ending.is_some() {
            return Ok(());
        }
        let model = &mut self.places[place];
        let copy = &mut model.copies[machine];
        let Some(life) = self.machines[machine].life.as_mut().filter(|_| copy.wanted && copy.seat.is_none())
        else {
            return Ok(());
        };
        let take_over = if std::mem::take(&mut copy.insists) { TakeOver::Insist } else { copy.take_over };
        let node = NodeId::new(self.engine.next_u64() | 1).expect("not zero");
        let states = model.states[machine].len();
        copy.lives.push(WriterLife { node, states, take_over });
        copy.starts += 1;
        copy.fenced = false;
        copy.seat = Some(life.seats.len());
        let id = SourceId(u32::try_from(life.seats.len()).expect("thousands"));
        life.seats.push(Seat::new(place));
        let database = random_database(&mut self.engine);
        let config = self.config((machine, place), (node, database), take_over, self.settings.upkeep());
        self.hand(machine, Event::Added(id, Box::new(config)))
    }

    /// What an engine is told of a place, by the process of a machine.
    pub(super) fn config(
        &self,
        (machine, place): (usize, usize),
        (node, database): (NodeId, DatabaseId),
        take_over: TakeOver,
        upkeep: UpkeepConfig,
    ) -> DatabaseConfig {
        let settings = self.settings;
        DatabaseConfig {
            place: self.places[place].place.clone(),
            layout: Layout::S3,
            modified_is: if settings.folders { ModifiedIs::HeaderTime } else { ModifiedIs::StoreTime },
            node,
            database,
            host: format!("machine {machine}"),
            store_name: "s3://simulated".to_owned(),
            max_interval: settings.max_interval,
            max_changes: settings.max_changes,
            min_interval: settings.min_interval,
            enter_wal_mode: settings.enter_wal_mode,
            checkpoint_pages: settings.checkpoint_pages,
            max_wal_bytes: settings.wal_bytes_max,
            memory_bytes_max: settings.memory_bytes,
            conditional_writes: !settings.unconditional,
            take_over,
            l0_retention: settings.l0_retention,
            list_interval: DAY,
            lock_byte: LockByte::SQLITE,
            part_bytes: settings.part_bytes,
            upkeep,
            // They are asked for: what a start or a day costs is counted.
            snapshots: SnapshotSchedule::default(),
        }
    }

    /// A daemon dies. What was saved stays; what was being saved may.
    pub(super) fn kill_daemon(&mut self, machine: usize) {
        let Some(mut life) = self.end_of_life(machine) else { return };
        if life.seats.iter().any(|seat| seat.watch.merges_now()) {
            self.coverage.reached(Reached::KilledInUpkeep);
        }
        for seat in &mut life.seats {
            while let Some((_, job)) = seat.saves.take() {
                if self.faults.ppm(HALF) {
                    self.save_now(machine, seat.place, job);
                }
            }
        }
        self.coverage.reached(Reached::DaemonKilled);
    }

    fn end_of_life(&mut self, machine: usize) -> Option<Life> {
        let mut life = self.machines[machine].life.take()?;
        self.machines[machine].ending = None;
        self.machines[machine].held.clear();
        self.network.disconnect(life.client);
        self.happened += life.happened;
        for (number, seat) in life.seats.iter_mut().enumerate() {
            let copy = &mut self.places[seat.place].copies[machine];
            copy.asked.add(&seat.asked);
            if copy.seat == Some(number) {
                copy.seat = None;
                if let Some(database) = &mut copy.database {
                    seat.source.close(database);
                }
            }
        }
        Some(life)
    }

    /// An orderly end is over when nothing is under way any more.
    fn ends_if_done(&mut self, machine: usize) -> Checked {
        let owner = &self.machines[machine];
        let done = owner.life.as_ref().is_some_and(|life| life.following() == 0 && life.awaited() == 0);
        let Some(down) = owner.ending.filter(|_| done) else { return Ok(()) };
        self.end_of_life(machine);
        self.coverage.reached(Reached::Stopped);
        self.plan(down, Due::Start(machine));
        Ok(())
    }

    /// Hands an event to a machine's engine, and carries out what it wants then.
    pub(super) fn hand(&mut self, machine: usize, event: Event) -> Checked {
        let now = self.machines[machine].clock.now();
        self.life(machine).handle(now, event);
        self.drain(machine)
    }

    pub(super) fn drain(&mut self, machine: usize) -> Checked {
        while let Output::Command(command) = self.life(machine).poll() {
            self.command(machine, command)?;
        }
        let upkeep = self.settings.upkeep.is_some();
        let life = self.life(machine);
        let awaited_max = life.seats.len() * (AWAITED_MAX + if upkeep { UPKEEP_AWAITED_MAX } else { 0 });
        if life.awaited() > awaited_max {
            return Err(Violation::new(24, format!("{} answers are awaited at once", life.awaited())));
        }
        self.ends_if_done(machine)
    }

    pub(super) fn life(&mut self, machine: usize) -> &mut Life {
        self.machines[machine].life.as_mut().expect("only a living daemon is asked")
    }

    pub(super) fn seat(&mut self, machine: usize, seat: usize) -> &mut Seat {
        &mut self.life(machine).seats[seat]
    }

    fn command(&mut self, machine: usize, command: Command) -> Checked {
        let settings = self.settings;
        let now = self.machines[machine].clock.now();
        match command {
            Command::Source(id, source, job) => {
                let number = source.0 as usize;
                let seat = self.seat(machine, number);
                seat.watch.job(settings, now.mono, &job)?;
                if seat.jobs.push((id, job)) {
                    self.plan_turn(machine, Turn::Job(number));
                }
                Ok(())
            }
            Command::State(id, source, job) => {
                let number = source.0 as usize;
                if self.seat(machine, number).saves.push((id, job)) {
                    self.plan_turn(machine, Turn::Save(number));
                }
                Ok(())
            }
            Command::Store(id, source, request) => self.request(machine, source.0 as usize, id, request),
            Command::Notice(source, notice) => {
                let numbers = [("machine", machine as u64), ("seat", source.0.into())];
                self.trace.record("notice", &format!("{notice:?}"), &numbers, &[]);
                self.heard(machine, source.0 as usize, notice)
            }
        }
    }

    fn request(&mut self, machine: usize, number: usize, id: RequestId, request: StoreRequest) -> Checked {
        let settings = self.settings;
        let now = self.machines[machine].clock.now();
        if let StoreRequest::Delete { keys } = &request {
            self.orders.daemon_deletes(keys);
        }
        let seat = self.seat(machine, number);
        let withdraws = matches!(request, StoreRequest::DeleteIfMatch { .. });
        seat.asked.count(&request);
        if matches!(&request, StoreRequest::Put { condition: Condition::IfAbsent, key, .. } if key.ends_with("json"))
        {
            self.comes_before_the_claim(machine, number)?;
        }
        let seat = self.seat(machine, number);
        seat.watch.request(settings, now, id, &request)?;
        if withdraws {
            self.coverage.reached(Reached::ClaimWithdrawn);
        }
        let seat = self.machines[machine].life.as_mut().expect("it asks").seats.get_mut(number);
        let seat = seat.expect("a seat's request");
        let source = &seat.source;
        let (transfer, next) = Transfer::start(
            id,
            request,
            |header, pages| source.stage(header, pages),
            &mut seat.uploads,
            settings.list_keys_max,
            part_bytes(settings),
        );
        self.go_on(machine, number, transfer, next)
    }

    pub(super) fn go_on(
        &mut self,
        machine: usize,
        number: usize,
        transfer: Transfer<crate::fleet::source::Stager>,
        next: Next,
    ) -> Checked {
        match next {
            Next::Send(request) => {
                if self.holds_back(machine, number, &request) {
                    self.submit_later(machine, (number, transfer, request));
                } else {
                    self.submit(machine, number, transfer, request);
                }
                Ok(())
            }
            Next::Encode => {
                self.seat(machine, number).encoding.push_back(transfer);
                self.plan_turn(machine, Turn::Encode(number));
                Ok(())
            }
            Next::Answer(result) => self.answered(machine, number, transfer.id, result),
        }
    }

    pub(super) fn submit(
        &mut self,
        machine: usize,
        number: usize,
        transfer: Transfer<crate::fleet::source::Stager>,
        request: io_sim::s3::Request,
    ) {
        let now = self.clock.mono();
        let client = self.life(machine).client;
        let id = self.network.submit(now, client, request);
        self.life(machine).transfers.insert(id, (number, transfer));
    }

    fn answered(
        &mut self,
        machine: usize,
        number: usize,
        id: RequestId,
        mut result: Result<StoreAnswer, StoreError>,
    ) -> Checked {
        if self.settings.folders
            && matches!(&result, Ok(StoreAnswer::Listed { objects, .. }) if objects.is_empty())
        {
            let place = self.seat(machine, number).place;
            if self.store.peek_below(&self.places[place].place.prefix()).is_empty() {
                result = Err(StoreError::Missing);
                self.coverage.reached(Reached::NoFolder);
            }
        }
        let now = self.machines[machine].clock.now();
        let seat = self.seat(machine, number);
        let succeeded = !matches!(result, Err(_) | Ok(StoreAnswer::Unreadable(_)));
        seat.asked.failed += u64::from(!succeeded);
        seat.watch.answered(now, id, &result)?;
        match &result {
            Err(StoreError::Refused) => self.coverage.reached(Reached::Refused),
            Err(StoreError::Ambiguous(_)) => self.coverage.reached(Reached::Ambiguous),
            Ok(StoreAnswer::Staged { .. }) => self.coverage.reached(Reached::Staged),
            _ => {}
        }
        // What follows from it is taken by whoever drains the engine.
        self.life(machine).handle(now, Event::Store(id, result));
        Ok(())
    }

    /// An answer came from the network.
    pub(super) fn arrived(&mut self, answered: Answered) -> Checked {
        let is_asker = |m: &Machine| m.life.as_ref().is_some_and(|life| life.client == answered.client);
        let Some(machine) = self.machines.iter().position(is_asker) else { return Ok(()) };
        self.turn_or_hold(machine, Turn::Receive(Box::new(answered)))
    }

    pub(super) fn receive(&mut self, machine: usize, answered: Answered) -> Checked {
        let transfer = self.life(machine).transfers.remove(&answered.id);
        let (number, mut transfer) = transfer.expect("an answer to what was sent");
        if let Some(event) = transfer.tells(&answered.answer) {
            let now = self.machines[machine].clock.now();
            self.life(machine).handle(now, event);
        }
        let uploads = &mut self.seat(machine, number).uploads;
        let next = transfer.answered(answered.answer, uploads, LockByte::SQLITE);
        self.go_on(machine, number, transfer, next)?;
        self.drain(machine)
    }

    pub(super) fn plan_turn(&mut self, machine: usize, turn: Turn) {
        let waits = matches!(turn, Turn::Job(_) | Turn::Save(_)) && self.chaos;
        let slow = waits && self.delays.ppm(self.settings.slow_jobs_ppm);
        let after_max = if slow { SLOW_US_MAX } else { DISPATCH_US_MAX };
        let after = Duration::from_micros(self.delays.below(after_max));
        self.plan_turn_after(machine, after, turn);
    }

    pub(super) fn plan_turn_after(&mut self, machine: usize, after: Duration, turn: Turn) {
        let life = self.machines[machine].lives;
        self.plan(after, Due::Of(machine, life, turn));
    }
}

/// The identity of a history that may begin.
pub(super) fn random_database(draw: &mut Random) -> DatabaseId {
    let mut database = [0; 16];
    draw.fill(&mut database);
    DatabaseId::from_random(database)
}

/// How long a job waits for a thread.
const DISPATCH_US_MAX: u64 = 400;
/// And where all of them are busy.
const SLOW_US_MAX: u64 = 3_000_000;
/// Answers that a database may wait for.
const AWAITED_MAX: usize = 8;
/// And its upkeep: headers, and those of a pass that was given up.
const UPKEEP_AWAITED_MAX: usize = 16;
const HALF: u32 = 500_000;
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
