//! The states that one application's database went through, in order.

use super::image::Image;
use engine::store::Sha256;
use std::collections::VecDeque;

/// Every state that was ever committed, or found after a recovery.
#[derive(Default)]
pub struct States {
    seen: Vec<Sha256>,
    /// Nothing older may be announced for a slot that follows: a history never goes back.
    floor: usize,
    /// The newest states themselves, to say what differs from them.
    recent: VecDeque<Image>,
}

const RECENT_MAX: usize = 8;

impl States {
    /// Adds the state that the database is in now, if it is another than the last. After a recovery that lost
    /// commits, this is a new state although its content is old: what follows builds on it.
    pub fn now(&mut self, state: Sha256, image: Image) {
        if self.seen.last() != Some(&state) {
            self.seen.push(state);
            self.recent.push_back(image);
            while self.recent.len() > RECENT_MAX {
                self.recent.pop_front();
            }
        }
    }

    /// Where an image that is none of the states differs from the newest ones: pages, newest state first.
    pub fn differences(&self, image: &[u8], page_bytes: usize) -> String {
        let differs = |state: &Image| -> Vec<usize> {
            let pages = image.len().max(state.len()) / page_bytes;
            let page = |of: &[u8], n: usize| of.get(n * page_bytes..(n + 1) * page_bytes).map(<[u8]>::to_vec);
            (0..pages).filter(|n| page(image, *n) != page(state, *n)).map(|n| n + 1).collect()
        };
        format!("{:?}", self.recent.iter().rev().map(differs).collect::<Vec<_>>())
    }

    /// The newest states themselves, oldest first, if they are all since there were `count` of them.
    pub fn all_since(&self, count: usize) -> Option<impl Iterator<Item = &[u8]>> {
        let first = count.saturating_sub(1);
        let held = self.seen.len() - self.recent.len();
        (held <= first).then(|| self.recent.iter().skip(first - held).map(|image| &**image))
    }

    /// The current state itself.
    pub fn last_image(&self) -> Option<&[u8]> {
        self.recent.back().map(|image| &**image)
    }

    /// Whether this was the state at some time since there were `count` of them.
    pub fn was_since(&self, count: usize, state: Sha256) -> bool {
        self.seen[count.saturating_sub(1).min(self.seen.len())..].contains(&state)
    }

    /// The current state.
    pub fn last(&self) -> Option<Sha256> {
        self.seen.last().copied()
    }

    /// Whether the newest state was there before: a recovery took commits back.
    pub fn went_back(&self) -> bool {
        self.seen.split_last().is_some_and(|(last, before)| before.contains(last))
    }

    /// Whether the newest state is an older one than that which the slots have reached.
    pub fn is_behind_the_slots(&self) -> bool {
        let Some((last, before)) = self.seen.split_last() else { return false };
        before.iter().rposition(|state| state == last).is_some_and(|at| at < self.floor)
    }

    /// Finds a slot's content among the states, at or after the one of the slot before.
    pub fn accept(&mut self, content: Sha256) -> bool {
        let found = self.seen[self.floor..].iter().position(|state| *state == content);
        match found {
            Some(at) => {
                self.floor += at;
                true
            }
            None => false,
        }
    }

    /// Whether the slots have reached the state that was the `count`th, or a later one with the same content.
    pub fn reached(&self, count: usize) -> bool {
        let here = self.seen.get(self.floor);
        self.floor + 1 >= count || self.seen[count - 1..].iter().any(|state| Some(state) == here)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}
