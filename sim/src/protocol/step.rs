//! One thing that happens, as a trace tells it.

use super::answer::Reaction;
use super::look::Finding;
use super::message::{Answer, Message, Request};
use super::object::{Key, Object, Pages, Txid};
use super::upkeep::Upkeep;
use std::fmt;

/// One thing that happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// An application commits.
    Commits(usize, Pages),
    /// A daemon starts and lists the place.
    Starts(usize, Finding),
    /// A daemon lists the place again.
    Looks(usize, Finding),
    /// A daemon sends an object, or the claim on the place.
    Sends(usize, Option<Key>, Object),
    /// It asks for the completion of an upload whose parts are there.
    Completes(usize),
    /// A request arrives; `heard`: somebody gets the answer.
    Arrives {
        /// The request.
        message: Message,
        /// What the store says, where it says something.
        answer: Option<Answer>,
        /// Whether somebody waits for it.
        heard: bool,
    },
    /// A daemon handles an answer.
    Answered(usize, Answer, Reaction),
    /// A daemon waits no longer and reads back.
    TimesOut(usize, Reaction),
    /// Compaction, a snapshot or retention.
    Upkeep(usize, Upkeep),
    /// A daemon dies; `true`: with its state directory.
    Dies(usize, bool),
    /// The machine loses power, and its database what was not in a slot.
    LosesPower(usize),
    /// The newest state is restored over a stopped writer's database.
    Restores(usize, Txid, Pages),
    /// The first machine's disk is copied to the second.
    Copies,
    /// Objects are deleted from outside.
    Wipes,
    /// Time passes.
    Ticks,
}

impl Step {
    /// What a writer found when it listed the place, if it did.
    pub fn finding(&self, index: usize) -> Option<Finding> {
        match self {
            Step::Starts(writer, finding)
            | Step::Looks(writer, finding)
            | Step::Answered(writer, _, Reaction::Looks(finding))
            | Step::TimesOut(writer, Reaction::Looks(finding))
                if *writer == index =>
            {
                Some(*finding)
            }
            _ => None,
        }
    }

    /// Whether a daemon or the store got on: what a stuck writer lacks.
    pub fn is_progress(&self) -> bool {
        match self {
            Step::Looks(..)
            | Step::Sends(..)
            | Step::Completes(_)
            | Step::Arrives { .. }
            | Step::Answered(..)
            | Step::TimesOut(..) => true,
            Step::Upkeep(_, upkeep) => *upkeep == Upkeep::HeadIsAnothers,
            _ => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Commits(w, pages) => write!(f, "{}: the application commits {pages}", name(*w)),
            Step::Starts(w, finding) => write!(f, "{}: starts, {finding}", name(*w)),
            Step::Looks(w, finding) => write!(f, "{}: lists the place, {finding}", name(*w)),
            Step::Sends(w, None, _) => write!(f, "{}: sends manifest.json", name(*w)),
            Step::Sends(w, Some(key), object) => {
                let claim = if object.claim { ", claim" } else { "" };
                write!(f, "{}: sends {key} {}{claim}", name(*w), object.pages)
            }
            Step::Completes(w) => write!(f, "{}: all parts are there, completes the upload", name(*w)),
            Step::Arrives { message, answer, heard } => {
                write!(f, "store: {} of {}", message.request, name(usize::from(message.from)))?;
                match answer {
                    None => Ok(()),
                    Some(answer) if *heard => write!(f, ": {answer}"),
                    Some(answer) => write!(f, ": {answer}, nobody hears it"),
                }
            }
            Step::Answered(w, answer, reaction) => write!(f, "{}: \"{answer}\", {reaction}", name(*w)),
            Step::TimesOut(w, reaction) => write!(f, "{}: no answer, {reaction}", name(*w)),
            Step::Upkeep(w, Upkeep::HeadIsAnothers) => {
                write!(f, "{}: lists for upkeep, the head is another's, fenced", name(*w))
            }
            Step::Upkeep(w, Upkeep::Sends(request)) => {
                let what = match request {
                    Request::Delete(_) => "retention",
                    Request::Put { key: Key::Snapshot(_), .. } => "snapshot",
                    _ => "compaction",
                };
                write!(f, "{}: {what} sends {request}", name(*w))
            }
            Step::Dies(w, false) => write!(f, "{}: dies", name(*w)),
            Step::Dies(w, true) => write!(f, "{}: dies, its state directory is lost", name(*w)),
            Step::LosesPower(w) => write!(f, "{}: power cut, the database falls back", name(*w)),
            Step::Restores(w, txid, pages) => {
                write!(f, "{}: restores the newest state, {txid} = {pages}", name(*w))
            }
            Step::Copies => write!(f, "the disk of A is copied to B"),
            Step::Wipes => write!(f, "objects are deleted from outside"),
            Step::Ticks => write!(f, "time passes"),
        }
    }
}

/// A writer's name in traces.
pub fn name(index: usize) -> char {
    ['A', 'B', 'C'][index]
}
