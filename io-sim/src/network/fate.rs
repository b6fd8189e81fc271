//! What becomes of a request: drawn when it is sent.

use crate::faults::NetworkFaults;
use crate::random::Dice;
use crate::s3::Request;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Fate {
    /// It acts and is answered.
    Acts = 0,
    /// 500, and it did not act.
    ErrorBefore = 1,
    /// It acts, then 500.
    ErrorAfter = 2,
    /// 429 or 503.
    Throttled = 3,
    /// It never arrives.
    LostRequest = 4,
    /// It acts, and the answer never arrives.
    LostAnswer = 5,
    /// It acts after its client has given up.
    Late = 6,
    /// It acts twice; the second answer arrives.
    Duplicate = 7,
    /// 409.
    Conflict = 8,
    /// 403.
    Denied = 9,
    /// The answer's body ends early.
    Truncated = 10,
    /// One bit of the answer's body is wrong.
    Flipped = 11,
    /// A listing's page is shorter than it could be.
    ShortPage = 12,
    /// Keys of a multi-delete fail alone.
    PartialDelete = 13,
    /// The store cannot be reached, and the client is told.
    Unreachable = 14,
    /// An outage starts with this request.
    OutageStarts = 15,
    /// A new object is not found, yet.
    Stale = 16,
}

impl Fate {
    /// The first fate that strikes, if it can strike this request. Every kind has draws of its own.
    pub(super) fn draw(request: &Request, faults: &NetworkFaults, dice: &mut Dice) -> Fate {
        let struck = [
            (Fate::OutageStarts, faults.outage_ppm),
            (Fate::ErrorBefore, faults.error_before_ppm),
            (Fate::ErrorAfter, faults.error_after_ppm),
            (Fate::Throttled, faults.throttled_ppm),
            (Fate::LostRequest, faults.lost_request_ppm),
            (Fate::LostAnswer, faults.lost_answer_ppm),
            (Fate::Late, faults.late_ppm),
            (Fate::Duplicate, faults.duplicate_ppm),
            (Fate::Conflict, faults.conflict_ppm),
            (Fate::Denied, faults.denied_ppm),
            (Fate::Truncated, faults.truncated_ppm),
            (Fate::Flipped, faults.flipped_ppm),
            (Fate::ShortPage, faults.short_page_ppm),
            (Fate::PartialDelete, faults.partial_delete_ppm),
            (Fate::Stale, faults.stale_ppm),
        ]
        .into_iter()
        .find(|(fate, ppm)| fate.can_strike(request) && dice.hit(*fate as u32, *ppm));
        struck.map_or(Fate::Acts, |(fate, _)| fate)
    }

    /// How often the request acts on the store.
    pub(super) fn times_it_acts(self) -> u32 {
        match self {
            Fate::Duplicate => 2,
            Fate::ErrorBefore
            | Fate::Throttled
            | Fate::LostRequest
            | Fate::Conflict
            | Fate::Denied
            | Fate::Unreachable
            | Fate::OutageStarts => 0,
            _ => 1,
        }
    }

    /// Whether no answer arrives before the client gives up.
    pub(super) fn is_silent(self) -> bool {
        matches!(self, Fate::LostRequest | Fate::LostAnswer | Fate::Late | Fate::OutageStarts)
    }

    fn can_strike(self, request: &Request) -> bool {
        match self {
            Fate::Conflict => request.is_conditional_write(),
            Fate::Truncated | Fate::Flipped | Fate::Stale => {
                matches!(request, Request::Get { .. } | Request::GetTail { .. })
            }
            Fate::ShortPage => matches!(request, Request::List { .. }),
            Fate::PartialDelete => matches!(request, Request::Delete { .. }),
            _ => true,
        }
    }
}
