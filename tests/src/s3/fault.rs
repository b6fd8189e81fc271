//! The script of faults: which request goes wrong, and how.

use super::operation::{Operation, RequestRecord};
use bytes::Bytes;
use std::time::Duration;

/// What happens to a request instead of, or after, being served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answered with an error before anything is done.
    Refuse {
        /// HTTP status.
        status: u16,
        /// S3 error code; empty sends no body.
        code: &'static str,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
    },
    /// Served, then answered with an error all the same.
    CommitThenRefuse {
        /// HTTP status.
        status: u16,
        /// S3 error code; empty sends no body.
        code: &'static str,
    },
    /// Served, then the connection is closed without an answer.
    CommitThenDrop,
    /// Served, and never answered.
    CommitThenHang,
    /// The connection is closed before anything is done.
    Drop,
    /// The answer's body ends after this many bytes; its announced length stays.
    Truncate {
        /// Bytes that still arrive.
        bytes: usize,
    },
    /// Begins a 200 at once, then sends a space at each pause, and the answer's body at the end: as S3 completes
    /// large uploads.
    KeepAlive {
        /// Spaces before the body.
        spaces: u32,
        /// Time between them.
        pause: Duration,
    },
    /// Served after a pause.
    Delay(Duration),
    /// Answered with this before anything is done.
    Answer {
        /// HTTP status.
        status: u16,
        /// Headers besides the length.
        headers: Vec<(&'static str, String)>,
        /// Body.
        body: Bytes,
    },
}

impl Fault {
    /// 503 `SlowDown`, nothing done.
    pub const SLOW_DOWN: Fault = Fault::Refuse { status: 503, code: "SlowDown", retry_after_s: None };
    /// 500 `InternalError` although the request took effect.
    pub const COMMIT_THEN_500: Fault = Fault::CommitThenRefuse { status: 500, code: "InternalError" };
    /// 409 `ConditionalRequestConflict`, nothing done.
    pub const CONFLICT: Fault =
        Fault::Refuse { status: 409, code: "ConditionalRequestConflict", retry_after_s: None };
    /// 403 `AccessDenied`, nothing done.
    pub const DENIED: Fault = Fault::Refuse { status: 403, code: "AccessDenied", retry_after_s: None };
}

/// A fault and the requests that it strikes. Rules are tried in the order in which they were given; the
/// first that matches is used, and used up by one unless it is [`Rule::always`].
pub struct Rule {
    operation: Option<Operation>,
    key: Option<KeyPredicate>,
    uses_left: Option<u32>,
    fault: Fault,
}

type KeyPredicate = Box<dyn Fn(&str) -> bool + Send>;

impl Rule {
    /// Strikes the next request of this kind.
    pub fn on(operation: Operation, fault: Fault) -> Rule {
        Rule { operation: Some(operation), key: None, uses_left: Some(1), fault }
    }

    /// Strikes the next request, whatever it is.
    pub fn on_any(fault: Fault) -> Rule {
        Rule { operation: None, key: None, uses_left: Some(1), fault }
    }

    /// Only for keys of which `predicate` is true.
    pub fn for_keys(mut self, predicate: impl Fn(&str) -> bool + Send + 'static) -> Rule {
        self.key = Some(Box::new(predicate));
        self
    }

    /// Strikes this often.
    pub fn times(mut self, uses: u32) -> Rule {
        self.uses_left = Some(uses);
        self
    }

    /// Strikes until the script is cleared.
    pub fn always(mut self) -> Rule {
        self.uses_left = None;
        self
    }

    fn matches(&self, request: &RequestRecord) -> bool {
        self.uses_left != Some(0)
            && self.operation.is_none_or(|operation| operation == request.operation)
            && self.key.as_ref().is_none_or(|predicate| predicate(&request.key))
    }
}

/// All rules, in order.
#[derive(Default)]
pub(crate) struct Script {
    rules: Vec<Rule>,
}

impl Script {
    /// Appends a rule.
    pub(crate) fn push(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Forgets every rule.
    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// The fault for this request, if a rule has one; uses the rule up.
    pub(crate) fn strike(&mut self, request: &RequestRecord) -> Option<Fault> {
        let at = self.rules.iter().position(|rule| rule.matches(request))?;
        let rule = &mut self.rules[at];
        if let Some(uses_left) = &mut rule.uses_left {
            *uses_left -= 1;
        }
        let fault = rule.fault.clone();
        if rule.uses_left == Some(0) {
            self.rules.remove(at);
        }
        Some(fault)
    }
}
