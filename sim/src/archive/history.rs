//! Every state that the database of a place ever had, page by page.

use engine::db::{NO_PAGES, page_checksum};
use engine::types::{Checksum, LockByte, PageSize, Pgno, Timestamp, Txid};
use io_sim::random::Random;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One state.
#[derive(Clone, Debug)]
pub struct State {
    /// Bytes per page.
    pub page_size: PageSize,
    /// From page 1 on. The lock page is zeros.
    pub pages: Vec<Arc<[u8]>>,
    /// When it was sealed.
    pub time: Timestamp,
    /// The database checksum.
    pub checksum: Checksum,
    /// Pages that the change to it wrote.
    pub written: BTreeSet<u32>,
}

impl State {
    /// The database's file.
    pub fn file(&self) -> Vec<u8> {
        self.pages.iter().flat_map(|page| page.iter().copied()).collect()
    }

    /// Pages in the database.
    pub fn commit(&self) -> u32 {
        u32::try_from(self.pages.len()).expect("few pages")
    }
}

/// States 1, 2, 3, ...
#[derive(Clone, Debug)]
pub struct History {
    states: Vec<State>,
    lock_byte: LockByte,
}

impl History {
    /// With its first state.
    pub fn new(page_size: PageSize, lock_byte: LockByte, time: Timestamp, draw: &mut Random) -> History {
        let mut history = History { states: Vec::new(), lock_byte };
        history.image(page_size, time, draw);
        history
    }

    /// The newest.
    pub fn newest(&self) -> Txid {
        Txid::new(self.states.len() as u64).expect("there is a first one")
    }

    /// A state; `None` for a number that none had.
    pub fn state(&self, txid: Txid) -> Option<&State> {
        self.states.get(usize::try_from(txid.into_inner() - 1).ok()?)
    }

    /// The lock page of a state.
    pub fn lock_page(&self, state: &State) -> u32 {
        self.lock_byte.pgno(state.page_size).into_inner()
    }

    /// Pages that lead from before `min` to `max`: all that were written in between and are there at the end.
    pub fn written(&self, min: Txid, max: Txid) -> BTreeSet<u32> {
        let range = min.into_inner() as usize - 1..max.into_inner() as usize;
        let last = &self.states[range.end - 1];
        let commit = last.commit();
        let lock = self.lock_page(last);
        let written = self.states[range].iter().flat_map(|state| state.written.iter().copied());
        written.filter(|page| *page <= commit && *page != lock).collect()
    }

    /// The most pages that a state before `txid` had.
    pub fn pages_before(&self, txid: Txid) -> u32 {
        let before = &self.states[..txid.into_inner() as usize - 1];
        before.iter().map(State::commit).max().unwrap_or(0)
    }

    /// A state that shares nothing with the one before.
    pub fn image(&mut self, page_size: PageSize, time: Timestamp, draw: &mut Random) {
        let pages_max = if page_size.into_inner() > 8192 { 4 } else { 24 };
        let count = draw.range(1, pages_max);
        let pages = (0..count).map(|_| page(page_size, draw)).collect();
        self.add(page_size, pages, (1..=count as u32).collect(), time);
    }

    /// A state after some transactions.
    pub fn commit(&mut self, time: Timestamp, draw: &mut Random) {
        let before = self.states.last().expect("there is a first one");
        let (page_size, mut pages) = (before.page_size, before.pages.clone());
        let mut written = BTreeSet::new();
        for _ in 0..draw.range(1, 3) {
            if draw.ppm(150_000) && pages.len() > 1 {
                pages.truncate(1 + draw.below_usize(pages.len()));
            }
            if draw.ppm(300_000) && pages.len() < 40 {
                for _ in 0..draw.range(1, 3) {
                    pages.push(page(page_size, draw));
                    written.insert(pages.len() as u32);
                }
            }
            let at = draw.below_usize(pages.len());
            pages[at] = page(page_size, draw);
            written.insert(at as u32 + 1);
        }
        self.add(page_size, pages, written, time);
    }

    fn add(
        &mut self,
        page_size: PageSize,
        mut pages: Vec<Arc<[u8]>>,
        mut written: BTreeSet<u32>,
        time: Timestamp,
    ) {
        let lock = self.lock_byte.pgno(page_size).into_inner();
        if let Some(page) = pages.get_mut(lock as usize - 1) {
            *page = vec![0; page_size.into_inner() as usize].into();
        }
        written.retain(|page| *page != lock && *page as usize <= pages.len());
        let numbered = (1..).zip(&pages).filter(|(number, _)| *number != lock);
        let checksum = numbered.fold(NO_PAGES, |sum, (number, page)| {
            sum ^ page_checksum(Pgno::new(number).expect("from 1 on"), page)
        });
        self.states.push(State { page_size, pages, time, checksum, written });
    }
}

/// A page: noise, a pattern, or zeros.
fn page(page_size: PageSize, draw: &mut Random) -> Arc<[u8]> {
    let mut page = vec![0; page_size.into_inner() as usize];
    match draw.below(4) {
        0 => draw.fill(&mut page),
        1 => {}
        _ => {
            let mut pattern = [0; 48];
            draw.fill(&mut pattern);
            page.chunks_mut(48).for_each(|chunk| chunk.copy_from_slice(&pattern[..chunk.len()]));
            page[0] = draw.below(256) as u8;
        }
    }
    page.into()
}
