//! Another's place: who may take it over, and the way there (docs/design.md section 4, rules 6 and 7).

use super::attach::Compared;
use super::chain::chain;
use super::command::{SourceJob, StoreRequest};
use super::config::TakeOver;
use super::context::Context;
use super::database::{Database, Phase, Place};
use super::event::StoreAnswer;
use super::plan::Goal;
use super::retrying::{Retrying, Settled};
use super::start::Found;
use super::state::LocalState;
use crate::mutants::{Mutant, mutated};
use crate::store::StoreError;
use crate::types::Pgno;

impl Database {
    /// Whether this life may take the place over from another writer.
    pub(super) fn may_take_over(&self, cx: &Context<'_>, local: &LocalState) -> bool {
        // Each life of the other has an id of its own: that one of them fenced us says it of all.
        let fenced_us = local.fenced_by.is_some();
        !self.owned
            && match cx.config.take_over {
                TakeOver::Never => false,
                TakeOver::Always => !fenced_us,
                TakeOver::IfIdentical | TakeOver::Insist => true,
            }
    }

    /// What to do about a newest object that stays unreadable: nobody can restore past it, so who may write
    /// there begins anew on top of it. Its number tells whether it is ours: where the store confirmed it; or where it was
    /// sent, and nothing says that another one was faster.
    pub(super) fn over_damaged(&self, cx: &Context<'_>, found: &Found, says_foreign: bool) -> Option<Goal> {
        let txid = found.seen.head?;
        let confirmed = found.local.confirmed.is_some_and(|c| txid <= c.txid);
        let sent = found.local.pending.iter().any(|p| p.txid == txid);
        // Who was fenced may have sent that number after the one that was faster.
        let fenced = found.local.fenced_by.is_some() && !mutated(Mutant::FencedSentNumberOurs);
        if confirmed || sent && !fenced && !says_foreign {
            return Some(Goal::HeadLost);
        }
        let unseen = matches!(cx.config.take_over, TakeOver::Always | TakeOver::Insist);
        (unseen && self.may_take_over(cx, &found.local)).then_some(Goal::TakeOverAnew)
    }

    /// A claim slot holds page 1 as of the head, so that it changes nothing.
    pub(super) fn ask_first_page(&mut self, cx: &mut Context<'_>, place: Box<Place>, compared: Compared) {
        let head = place.head.expect("a place is taken over from its head");
        let Some(mut chain) = chain(&place.listing, head.txid) else {
            return self.take_over_anew(cx, place);
        };
        chain.reverse();
        // What was compared is in memory, and the claim needs no more: no checkpoint of the application waits for the
        // store.
        cx.source(SourceJob::Close);
        let keys = chain.into_iter().map(|k| cx.config.place.object_key(cx.config.layout, k)).collect();
        let request = StoreRequest::Page { keys, pgno: Pgno::ONE };
        self.phase = Phase::FirstPage(Retrying::start(cx, request), place, Box::new(compared));
    }

    pub(super) fn first_page_came(&mut self, cx: &mut Context<'_>, settled: Settled) {
        let damaged = matches!(settled, Settled::Damaged);
        let page = match settled {
            Settled::NotYet => return,
            Settled::Damaged => None,
            Settled::Answer(StoreAnswer::Page(page)) => page,
            Settled::Missing => None,
            Settled::Answer(other) => unreachable!("asked for a page, answered {other:?}"),
        };
        let phase = std::mem::replace(&mut self.phase, Phase::Stopped);
        let Phase::FirstPage(_, place, compared) = phase else { unreachable!("a first page came") };
        match page {
            Some(page) => self.catch_up(cx, place, Goal::TakeOver, *compared, Some(page)),
            None if damaged => self.take_over_anew(cx, place),
            // The place changed under us.
            None => self.start_anew(cx),
        }
    }

    /// Another's history cannot be read: who may take it over begins anew on top of it.
    pub(super) fn take_over_anew(&mut self, cx: &mut Context<'_>, place: Box<Place>) {
        match cx.config.take_over {
            TakeOver::Always | TakeOver::Insist => self.attach(cx, place, Goal::TakeOverAnew),
            TakeOver::Never | TakeOver::IfIdentical => self.fenced(cx, place, None, false),
        }
    }

    /// The answer to the deletion of a claim that came too late. Refused: it is not ours any more.
    pub(super) fn withdrawn(&mut self, cx: &mut Context<'_>, result: Result<StoreAnswer, StoreError>) {
        let Phase::Withdrawing(retrying) = &mut self.phase else { unreachable!("a claim was deleted") };
        let refused = matches!(result, Err(StoreError::Refused));
        if refused || !matches!(retrying.answer(cx, result), Settled::NotYet) {
            self.start_anew(cx);
        }
    }
}
