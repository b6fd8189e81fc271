//! Requests on their way.

use super::fate::Fate;
use crate::events::Queue;
use crate::faults::NetworkFaults;
use crate::random::{Dice, Random, Stream};
use crate::s3::{Answer, Request, Response, SimS3, outcome_number};
use crate::trace::Trace;
use engine::store::{Fatal, StoreError};
use engine::types::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A request's number; never used twice in a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(u64);

/// Who asks: one life of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub u32);

/// An answer that arrives, or the client's time-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// When.
    pub at: Instant,
    /// To whom.
    pub client: ClientId,
    /// To what.
    pub id: RequestId,
    /// What it says.
    pub answer: Answer,
}

/// The network between all daemons of a world and one store.
pub struct Network {
    store: SimS3,
    trace: Trace,
    faults: NetworkFaults,
    queue: Queue<Step>,
    flights: BTreeMap<RequestId, Flight>,
    dice: Dice,
    latency: Random,
    outage_until: Instant,
    /// It answers nothing meanwhile.
    silent: bool,
    /// Keys of objects of which a read said something else than what the store holds.
    misread: BTreeSet<String>,
    next_id: u64,
}

/// Something that happens on the way.
enum Step {
    /// The request acts on the store for the nth time, from 1 on.
    Act(RequestId, u32),
    /// The answer arrives.
    Answer(RequestId),
}

/// A request that was sent and is not over: it may still act, or be answered.
struct Flight {
    /// `None` when the client is dead or was answered.
    client: Option<ClientId>,
    request: Request,
    fate: Fate,
    gives_up_at: Instant,
    acts_left: u32,
    answer: Option<Answer>,
}

impl Network {
    /// A network without faults before `store`.
    pub fn new(seed: u64, store: &SimS3, trace: &Trace) -> Network {
        Network {
            store: store.clone(),
            trace: trace.clone(),
            faults: NetworkFaults::default(),
            queue: Queue::new(Random::indexed(seed, Stream::Events, 1)),
            flights: BTreeMap::new(),
            dice: Dice::new(seed, Stream::NetworkFault, 0),
            latency: Random::new(seed, Stream::NetworkLatency),
            outage_until: Instant::default(),
            silent: false,
            misread: BTreeSet::new(),
            next_id: 1,
        }
    }

    /// Sets what goes wrong with requests that are sent from now on.
    pub fn set_faults(&mut self, faults: NetworkFaults) {
        assert!(faults.latency_us_min <= faults.latency_us_max && faults.bytes_per_second > 0);
        self.faults = faults;
    }

    /// Makes the store unreachable until then, or (with a moment that has passed) reachable again.
    pub fn set_outage_until(&mut self, until: Instant) {
        self.outage_until = until;
        self.silent = false;
    }

    /// The same, and nothing says so: what is sent gets lost.
    pub fn set_silent_until(&mut self, until: Instant) {
        self.outage_until = until;
        self.silent = true;
    }

    /// Until when it is; a moment that has passed: it is not.
    pub fn outage_until(&self) -> Instant {
        self.outage_until
    }

    /// Keys of objects that came with a wrong bit, or were not found although they are there, at least once.
    pub fn misread(&self) -> &BTreeSet<String> {
        &self.misread
    }

    /// Sends a request. Its answer comes out of [`Network::poll`].
    pub fn submit(&mut self, now: Instant, client: ClientId, request: Request) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        let fate = self.draw_fate(now, &request);
        let numbers = [("request", id.0), ("client", client.0.into()), ("fate", fate as u64)];
        self.trace.record("send", request.subject(), &numbers, request.name().as_bytes());

        let arrives_at = now.after(self.one_way(request.body_bytes()));
        let gives_up_at = now.after(Duration::from_micros(self.faults.timeout_us));
        let (fate, acts_at) = match fate {
            Fate::Late => (fate, gives_up_at.after(self.long_delay(self.faults.late_us_max))),
            _ if fate.times_it_acts() > 0 && arrives_at >= gives_up_at => (Fate::Late, arrives_at),
            _ => (fate, arrives_at),
        };
        let acts_left = fate.times_it_acts();
        let flight = Flight { client: Some(client), request, fate, gives_up_at, acts_left, answer: None };
        if acts_left > 0 {
            self.queue.push(acts_at, Step::Act(id, 1));
        }
        if fate.is_silent() {
            self.queue.push(gives_up_at, Step::Answer(id));
        } else if acts_left == 0 {
            let answers_at = arrives_at.after(self.one_way(0));
            self.queue.push(answers_at.min(gives_up_at), Step::Answer(id));
        }
        self.flights.insert(id, flight);
        id
    }

    /// When something happens next: a request acts, or an answer arrives.
    pub fn next_at(&self) -> Option<Instant> {
        self.queue.next_at()
    }

    /// Lets everything happen that is due, up to the first answer that arrives at a living client.
    pub fn poll(&mut self, now: Instant) -> Option<Answered> {
        while let Some((at, step)) = self.queue.pop_due(now) {
            match step {
                Step::Act(id, time) => self.act(at, id, time),
                Step::Answer(id) => {
                    if let Some(answered) = self.deliver(at, id) {
                        return Some(answered);
                    }
                }
            }
        }
        None
    }

    /// A client died or gives up everything: it gets no answer any more, but what it has sent is on its way.
    pub fn disconnect(&mut self, client: ClientId) {
        for flight in self.flights.values_mut().filter(|f| f.client == Some(client)) {
            flight.client = None;
        }
    }

    /// Requests that living clients wait for.
    pub fn waiting(&self) -> usize {
        self.flights.values().filter(|flight| flight.client.is_some()).count()
    }

    /// Requests that may still act on the store.
    pub fn may_still_act(&self) -> usize {
        self.flights.values().filter(|flight| flight.acts_left > 0).count()
    }

    fn draw_fate(&mut self, now: Instant, request: &Request) -> Fate {
        if now < self.outage_until {
            let told = !self.silent && self.dice.hit(Fate::Unreachable as u32, HALF);
            return if told { Fate::Unreachable } else { Fate::LostRequest };
        }
        let fate = Fate::draw(request, &self.faults, &mut self.dice);
        if fate == Fate::OutageStarts {
            let us = self.dice.of(fate as u32).range(1, self.faults.outage_us_max.max(1));
            self.set_outage_until(now.after(Duration::from_micros(us)));
            self.trace.record("outage", "", &[("us", us)], &[]);
        }
        fate
    }

    fn act(&mut self, at: Instant, id: RequestId, time: u32) {
        let flight = self.flights.get_mut(&id).expect("a flight lasts until its last act");
        let (fate, gives_up_at) = (flight.fate, flight.gives_up_at);
        flight.acts_left -= 1;
        let acts_again = flight.acts_left > 0;
        let answer = self.act_on_store(id);
        if acts_again {
            let again_at = at.after(self.one_way(0));
            self.queue.push(again_at, Step::Act(id, time + 1));
            return;
        }
        let flight = self.flights.get_mut(&id).expect("as above");
        if fate.is_silent() {
            // The time-out is queued already, and may be over.
            if flight.client.is_none() {
                self.flights.remove(&id);
            }
            return;
        }
        let answer_bytes = answer.as_ref().map_or(0, Response::body_bytes);
        flight.answer = Some(answer);
        let arrives_at = at.after(self.one_way(answer_bytes));
        // A client that has given up by then is told so at that moment.
        self.queue.push(arrives_at.min(gives_up_at.max(at)), Step::Answer(id));
        if arrives_at > gives_up_at {
            self.flights.get_mut(&id).expect("as above").fate = Fate::LostAnswer;
        }
    }

    fn act_on_store(&mut self, id: RequestId) -> Answer {
        let flight = &self.flights[&id];
        let dice = &mut self.dice;
        match (&flight.request, flight.fate) {
            (Request::List { prefix, after, folders, keys_max }, Fate::ShortPage) => {
                let keys_max = 1 + dice.of(Fate::ShortPage as u32).below_usize(*keys_max);
                let (prefix, after, folders) = (prefix.clone(), after.clone(), *folders);
                self.store.apply(&Request::List { prefix, after, folders, keys_max })
            }
            (Request::Delete { keys }, Fate::PartialDelete) => {
                let draws = dice.of(Fate::PartialDelete as u32);
                let works: Vec<bool> = keys.iter().map(|_| !draws.ppm(HALF)).collect();
                let taken = keys.iter().zip(&works).filter(|(_, works)| **works);
                let taken = taken.map(|(key, _)| key.clone()).collect();
                self.store.apply(&Request::Delete { keys: taken })?;
                let failed = || Err(StoreError::Retryable("500 InternalError for this key".into()));
                let outcomes = works.into_iter().map(|works| if works { Ok(()) } else { failed() });
                Ok(Response::Deleted(outcomes.collect()))
            }
            (Request::Get { key, .. } | Request::GetTail { key, .. }, Fate::Stale) if self.is_new(key) => {
                Err(StoreError::Missing)
            }
            (request, _) => self.store.apply(request),
        }
    }

    fn is_new(&self, key: &str) -> bool {
        let now_ms = self.store.clock().now().wall.as_millis();
        let age_ms = self.store.peek(key).map(|object| now_ms - object.modified.as_millis());
        age_ms.is_some_and(|age_ms| u128::from(age_ms.unsigned_abs()) < NetworkFaults::STALE_MAX.as_millis())
    }

    /// Ends a request for its client, if that lives.
    fn deliver(&mut self, at: Instant, id: RequestId) -> Option<Answered> {
        let flight = self.flights.get_mut(&id)?;
        let (client, fate) = (flight.client.take(), flight.fate);
        let ambiguous = flight.request.changes_objects();
        let from_store = flight.answer.take();
        if let (Request::CompleteUpload { upload, .. }, Fate::Conflict) = (&flight.request, fate) {
            self.store.forget_upload(*upload);
        }
        if matches!(fate, Fate::Flipped | Fate::Stale) {
            self.misread.insert(flight.request.subject().to_owned());
        }
        if flight.acts_left == 0 {
            self.flights.remove(&id);
        }
        let client = client?;
        let answer = self.answer(fate, ambiguous, from_store);
        let outcome = answer.as_ref().map_or_else(outcome_number, |_| 0);
        let body: &[u8] = match &answer {
            Ok(Response::Body(body)) => &body.bytes,
            _ => &[],
        };
        let numbers = [("request", id.0), ("client", client.0.into()), ("outcome", outcome)];
        self.trace.record("answer", "", &numbers, body);
        Some(Answered { at, client, id, answer })
    }

    /// What the client is told.
    fn answer(&mut self, fate: Fate, ambiguous: bool, from_store: Option<Answer>) -> Answer {
        let unclear = |text: &str| {
            Err(if ambiguous {
                StoreError::Ambiguous(text.into())
            } else {
                StoreError::Retryable(text.into())
            })
        };
        match fate {
            Fate::ErrorBefore | Fate::ErrorAfter => unclear("500 InternalError"),
            Fate::LostRequest | Fate::LostAnswer | Fate::Late | Fate::OutageStarts => unclear("timed out"),
            Fate::Unreachable => Err(StoreError::Retryable("connection refused".into())),
            Fate::Conflict => Err(StoreError::Conflict),
            Fate::Denied => {
                Err(StoreError::Fatal { kind: Fatal::Denied, message: "403 AccessDenied".into() })
            }
            Fate::Throttled => {
                let draws = self.dice.of(Fate::Throttled as u32);
                let seconds = draws.range(1, RETRY_AFTER_S_MAX);
                let retry_after = draws.ppm(HALF).then(|| Duration::from_secs(seconds));
                Err(StoreError::Throttled { retry_after })
            }
            Fate::Truncated => match from_store.expect("it acted")? {
                Response::Body(_) => Err(StoreError::Retryable("the body ended early".into())),
                other => Ok(other),
            },
            Fate::Flipped => match from_store.expect("it acted")? {
                Response::Body(mut body) => {
                    let mut bytes = body.bytes.to_vec();
                    self.dice.of(Fate::Flipped as u32).flip_bit(&mut bytes);
                    body.bytes = bytes.into();
                    Ok(Response::Body(body))
                }
                other => Ok(other),
            },
            Fate::Acts | Fate::Duplicate | Fate::ShortPage | Fate::PartialDelete | Fate::Stale => {
                from_store.expect("it acted")
            }
        }
    }

    fn one_way(&mut self, bytes: usize) -> Duration {
        let transfer_us = bytes as u64 * 1_000_000 / self.faults.bytes_per_second;
        let latency_us = self.latency.range(self.faults.latency_us_min, self.faults.latency_us_max);
        Duration::from_micros(latency_us + transfer_us)
    }

    /// Mostly seconds, at times hours: late requests land in every phase of what comes after.
    fn long_delay(&mut self, us_max: u64) -> Duration {
        let draws = self.dice.of(Fate::Late as u32);
        let magnitude = draws.range(10, 40).min(u64::from(us_max.max(1).ilog2()));
        Duration::from_micros(draws.below(1 << magnitude).min(us_max))
    }
}

const HALF: u32 = 500_000;
const RETRY_AFTER_S_MAX: u64 = 30;
