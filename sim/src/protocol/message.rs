//! Requests on their way to the store. They arrive in any order and at any time: also long after their
//! sender has died, slept or sent them again.

use super::object::{Key, Machine, Object, WriterId};
use std::fmt;

/// What is asked of the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Request {
    /// `manifest.json`, if it does not exist.
    Manifest(WriterId),
    /// One object in one request.
    Put {
        /// Where.
        key: Key,
        /// What.
        object: Object,
        /// Only if the key is free.
        if_absent: bool,
    },
    /// A part of an upload.
    Part {
        /// The upload.
        upload: u8,
        /// 0 or 1.
        part: u8,
    },
    /// The end of an upload, which makes it an object.
    Complete {
        /// The upload.
        upload: u8,
        /// Only if the key is free.
        if_absent: bool,
    },
    /// A delete of retention.
    Delete(Key),
}

/// A request under way, and who waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Message {
    /// What is asked.
    pub request: Request,
    /// Who sent it.
    pub from: Machine,
    /// In which life.
    pub life: u8,
    /// Which attempt at its slot; `None`: nobody waits.
    pub attempt: Option<u8>,
}

/// What the store answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Answer {
    /// It is durable.
    Done,
    /// 412: the key is taken.
    Refused,
    /// 409: nothing was done, because something else was under way.
    Conflict,
    /// 404: the upload is over.
    Missing,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let condition = |if_absent: bool| if if_absent { ", if absent" } else { "" };
        match self {
            Request::Manifest(_) => write!(f, "PUT manifest.json, if absent"),
            Request::Put { key, object, if_absent } => {
                let claim = if object.claim { ", claim" } else { "" };
                write!(f, "PUT {key} {}{claim}{}", object.pages, condition(*if_absent))
            }
            Request::Part { upload, part } => write!(f, "part {} of upload {upload}", part + 1),
            Request::Complete { upload, if_absent } => {
                write!(f, "completion of upload {upload}{}", condition(*if_absent))
            }
            Request::Delete(key) => write!(f, "DELETE {key}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Answer::Done => "done",
            Answer::Refused => "412, the key is taken",
            Answer::Conflict => "409, nothing done",
            Answer::Missing => "404, no such upload",
        })
    }
}
