//! The turns of a life: jobs on sources, the local state, parts of objects, hints.

use super::*;
use engine::replicate::{SourceError, SourceId, SourceJob, StateError, StateJob};

impl World<'_> {
    pub(super) fn turn(&mut self, machine: usize, turn: Turn) -> Checked {
        match turn {
            Turn::Job(seat) => self.job(machine, seat),
            Turn::Save(seat) => self.save(machine, seat),
            Turn::Encode(seat) => self.encode(machine, seat),
            Turn::Poke(seat, hint) => {
                let id = SourceId(u32::try_from(seat).expect("thousands"));
                self.hand(machine, Event::Poked(id, hint))
            }
            Turn::Answer(event) => self.hand(machine, *event),
            Turn::Stop(seat) => self.stop_seat(machine, seat),
            Turn::Submit(delayed) => {
                let (number, transfer, request) = *delayed;
                self.submit(machine, number, transfer, request);
                Ok(())
            }
            Turn::Receive(answered) => self.receive(machine, *answered),
        }
    }

    fn job(&mut self, machine: usize, number: usize) -> Checked {
        let fault = self.source_fault();
        let refused = self.seat(machine, number).jobs.first().map(|(_, job)| job.clone());
        let refused = refused.and_then(|job| self.refused(machine, number, &job));
        let fault = refused.or(fault);
        let seat = self.machines[machine].life.as_mut().expect("its turn").seats.get_mut(number);
        let seat = seat.expect("a seat's turn");
        let (id, job) = seat.jobs.take().expect("a planned job");
        let name = job_name(&job);
        let is_close = matches!(job, SourceJob::Close);
        let database = self.places[seat.place].copies[machine].database.as_mut().expect("it is followed");
        let mut result = match fault.filter(|_| !is_close) {
            Some(error) => Err(error),
            None => seat.source.run(database, job, &mut self.pages),
        };
        let place = seat.place;
        seat.troubles += u64::from(result.is_err());
        let (plans, failed) = (seat.jobs.plan_next(), u64::from(result.is_err()));
        let numbers =
            [("machine", machine as u64), ("seat", number as u64), ("id", id.get()), ("failed", failed)];
        self.trace.record("job", name, &numbers, &[]);
        let late =
            self.delays.ppm(ANSWERED_LATE_PPM).then(|| Duration::from_micros(self.delays.below(3_000)));
        if plans {
            // Answers come in the order of the jobs.
            let after = late.unwrap_or_default() + Duration::from_micros(1 + self.delays.below(400));
            self.plan_turn_after(machine, after, Turn::Job(number));
        }
        if let Ok(answer) = &mut result {
            self.enters_wal(machine, place, answer);
        }
        let event = Event::Source(id, result);
        match late {
            Some(after) => {
                self.plan_turn_after(machine, after, Turn::Answer(Box::new(event)));
                Ok(())
            }
            None => self.hand(machine, event),
        }
    }

    fn source_fault(&mut self) -> Option<SourceError> {
        if !self.chaos || !self.faults.ppm(self.settings.source_fault_ppm) {
            return None;
        }
        Some(match self.faults.below(5) {
            0 | 1 => SourceError::Busy,
            2 => SourceError::Io("a read failed".into()),
            3 => SourceError::BadFrame { frame: 1, reason: "torn".into() },
            _ => SourceError::Unstable("it changed".into()),
        })
    }

    fn save(&mut self, machine: usize, number: usize) -> Checked {
        let fails = self.clock.mono() < self.machines[machine].state_fails_until
            || self.chaos && self.faults.ppm(self.settings.state_fault_ppm);
        let (id, job) = self.seat(machine, number).saves.take().expect("a planned save");
        let fails = fails || self.loses_record(machine, number, &job);
        let seat = self.seat(machine, number);
        let (place, plans) = (seat.place, seat.saves.plan_next());
        seat.troubles += u64::from(fails);
        if plans {
            self.plan_turn(machine, Turn::Save(number));
        }
        let result = match job {
            _ if fails => Err(StateError("the disk is full".into())),
            StateJob::Load => Ok(Some(Box::new(self.places[place].copies[machine].saved.load()))),
            job @ StateJob::Save(_) => {
                self.save_now(machine, place, job);
                Ok(None)
            }
        };
        let numbers = [("machine", machine as u64), ("seat", number as u64), ("failed", fails.into())];
        self.trace.record("state", "", &numbers, &[]);
        self.hand(machine, Event::State(id, result))
    }

    /// The disk is full just when a loss is to be remembered; at times somebody ends the daemon then.
    fn loses_record(&mut self, machine: usize, number: usize, job: &StateJob) -> bool {
        let is_record = matches!(job, StateJob::Save(change) if change.fenced_by.is_some());
        if !is_record || !self.chaos || self.settings.mischief_ppm == 0 || self.faults.ppm(HALF) {
            return false;
        }
        if self.faults.ppm(HALF) {
            self.plan_turn_after(machine, Duration::from_millis(30), Turn::Stop(number));
        }
        self.coverage.reached(Reached::LossNotSaved);
        true
    }

    pub(super) fn save_now(&mut self, machine: usize, place: usize, job: StateJob) {
        if let StateJob::Save(change) = job {
            self.places[place].copies[machine].saved.save(*change);
        }
    }

    fn encode(&mut self, machine: usize, number: usize) -> Checked {
        let seat = &mut self.machines[machine].life.as_mut().expect("its turn").seats[number];
        let mut transfer = seat.encoding.pop_front().expect("a planned encoding");
        let database = self.places[seat.place].copies[machine].database.as_ref().expect("it is followed");
        let next = transfer.encode(|stager, out| seat.source.step(database, stager, out));
        self.go_on(machine, number, transfer, next)?;
        self.drain(machine)
    }
}

fn job_name(job: &SourceJob) -> &'static str {
    match job {
        SourceJob::Open { .. } => "open",
        SourceJob::Look { .. } => "look",
        SourceJob::Survey { .. } => "survey",
        SourceJob::PinImage { .. } => "pin image",
        SourceJob::UnpinImage => "unpin image",
        SourceJob::Seal { .. } => "seal",
        SourceJob::Checkpoint(_) => "checkpoint",
        SourceJob::Measure => "measure",
        SourceJob::Close => "close",
    }
}

const HALF: u32 = 500_000;
/// Things happen between a job's end and its answer in so many of a million.
const ANSWERED_LATE_PPM: u32 = 100_000;
