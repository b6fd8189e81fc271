//! The bytes of several objects in, in pieces; the bytes of one object out.
//!
//! Pages are packed anew, not handed on as they came: an LZ4 block that only our decoder accepts, or one that
//! was altered and still makes the same page, ends here, and the same pages always make the same bytes.

use super::MergeError;
use super::heading::heading;
use super::input::{At, Input};
use crate::key::ObjectKey;
use crate::ltx::{DecodeError, Encoder, Header, frame_bytes_max};
use crate::mutants::{Mutant, mutated};
use crate::store::Sha256;
use crate::types::{Checksum, LockByte, PageSize, Pgno};
use sha2::Digest as _;
use std::fmt;

/// Merges objects that follow each other: of each page the newest one, none beyond the last commit.
///
/// Call [`Merge::poll`] until it asks for an input; give that input its next bytes with [`Merge::feed`], or
/// [`Merge::close`] it when all were taken; and so on until it is done. `out` may be emptied after each call.
/// Which input is asked for depends on their pages: have the next bytes of each at hand.
///
/// What comes out is no object before [`Progress::Done`]: until then not every input is proven.
///
/// Memory: per input one page and one page frame, for the output one page and 16 KiB of LZ4
/// ([`Merge::buffer_bytes_max`]), and its page index, which an object has at its end: up to about 12 bytes for each
/// page of the output. Nothing else grows with the number of pages, or with what inputs claim.
#[derive(Debug)]
pub struct Merge {
    lock_byte: LockByte,
    /// Oldest first.
    inputs: Vec<Input>,
    /// From when all headers are there.
    output: Option<Output>,
    /// How it ended.
    outcome: Option<Result<Merged, MergeError>>,
}

/// What a merge waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The next bytes of this input, counted from 0, oldest first; or that it has no more.
    Needs(usize),
    /// Nothing: bytes were appended to `out`, there may be more.
    Wrote,
    /// It is done, and every input is what its own checksum says.
    Done(Merged),
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Its header.
    pub header: Header,
    /// Its length.
    pub size_bytes: u64,
    /// Pages in it.
    pub page_count: u32,
    /// The checksum in its trailer.
    pub file_checksum: Checksum,
    /// Of the whole object.
    pub sha256: Sha256,
}

struct Output {
    header: Header,
    /// Per input, the last page of it that no later input cuts off.
    last_pages: Vec<Pgno>,
    encoder: Encoder,
    hash: sha2::Sha256,
}

impl Merge {
    /// Starts a merge of these objects, oldest first.
    ///
    /// # Panics
    /// Without an input, and if one does not begin where the one before ends: a [`super::Plan`] has no such.
    pub fn new(inputs: &[ObjectKey], lock_byte: LockByte) -> Merge {
        assert!(!inputs.is_empty(), "nothing to merge");
        let follows = |pair: &[ObjectKey]| pair[1].min().into_inner() - 1 == pair[0].max().into_inner();
        assert!(inputs.windows(2).all(follows), "{inputs:?} are not contiguous");
        let inputs = inputs.iter().map(|key| Input::new(*key, lock_byte)).collect();
        Merge { lock_byte, inputs, output: None, outcome: None }
    }

    /// The most bytes that buffers take, apart from the page index of the output and from `out`.
    pub fn buffer_bytes_max(inputs_count: usize, page_size: PageSize) -> usize {
        let frame = frame_bytes_max(page_size);
        // A page, a frame that came in pieces, and what a growing buffer may have too much.
        let of_input = frame.saturating_mul(3);
        of_input.saturating_mul(inputs_count).saturating_add(frame + LZ4_TABLE_BYTES)
    }

    /// Takes bytes of an input from the front of `bytes`, as far as they are needed now; give the rest again when the
    /// merge asks for it.
    ///
    /// # Errors
    /// The input is damaged; every further call returns that error.
    ///
    /// # Panics
    /// Without such an input, and for bytes after [`Merge::close`].
    pub fn feed(&mut self, input: usize, bytes: &mut &[u8]) -> Result<(), MergeError> {
        self.change(input, |input| input.feed(bytes))
    }

    /// All bytes of an input were taken.
    ///
    /// # Errors
    /// It is cut off; every further call returns that error.
    ///
    /// # Panics
    /// Without such an input.
    pub fn close(&mut self, input: usize) -> Result<(), MergeError> {
        self.change(input, Input::close)
    }

    /// Goes on, by one page at most, so that `out` grows by little more than a page frame at a time; at the end by the
    /// page index.
    ///
    /// # Errors
    /// The inputs do not belong together, or one of them is damaged; every further call returns that error.
    pub fn poll(&mut self, out: &mut Vec<u8>) -> Result<Progress, MergeError> {
        if let Some(outcome) = &self.outcome {
            return outcome.clone().map(Progress::Done);
        }
        let Some(output) = &mut self.output else { return self.begin(out) };
        for (input, last_page) in self.inputs.iter_mut().zip(&output.last_pages) {
            if input.pgno() > Some(*last_page) {
                input.advance();
            }
        }
        if let Some(input) = self.inputs.iter().position(|input| input.at == At::Between) {
            return Ok(Progress::Needs(input));
        }
        if let Some(pgno) = self.inputs.iter().filter_map(Input::pgno).min() {
            output.push(pgno, newest(&self.inputs, pgno).page(), out);
            self.inputs.iter_mut().filter(|input| input.pgno() == Some(pgno)).for_each(Input::advance);
            return Ok(Progress::Wrote);
        }
        if let Some(input) = self.inputs.iter().position(|input| input.at != At::Closed) {
            return Ok(Progress::Needs(input));
        }
        let output = self.output.take().expect("it was there");
        self.end(Ok(output.finish(out))).map(Progress::Done)
    }

    /// Once all headers are there: whether the inputs belong together, and the header of the output.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<Progress, MergeError> {
        if let Some(input) = self.inputs.iter().position(|input| input.header().is_none()) {
            return Ok(Progress::Needs(input));
        }
        match Output::new(&self.inputs, self.lock_byte, out) {
            Ok(output) => self.output = Some(output),
            Err(error) => return self.end(Err(error)).map(Progress::Done),
        }
        Ok(Progress::Wrote)
    }

    /// Changes one input; what is wrong with it ends the merge.
    fn change(
        &mut self,
        input: usize,
        change: impl FnOnce(&mut Input) -> Result<(), DecodeError>,
    ) -> Result<(), MergeError> {
        if let Some(Err(error)) = &self.outcome {
            return Err(error.clone());
        }
        let input = &mut self.inputs[input];
        let object = input.key;
        match change(input) {
            Ok(()) => Ok(()),
            Err(why) => self.end(Err(MergeError::Damaged { object, why })).map(drop),
        }
    }

    /// Keeps the outcome, and nothing else.
    fn end(&mut self, outcome: Result<Merged, MergeError>) -> Result<Merged, MergeError> {
        self.inputs.clear();
        self.output = None;
        self.outcome.insert(outcome).clone()
    }

    /// What a test watches: the buffers' capacity, without the page index of the output.
    #[cfg(test)]
    pub(super) fn buffered_bytes(&self) -> usize {
        let output = self.output.as_ref().map_or(0, |output| output.encoder.buffered_bytes_max());
        self.inputs.iter().map(Input::buffered_bytes).sum::<usize>() + output
    }
}

impl Output {
    fn new(inputs: &[Input], lock_byte: LockByte, out: &mut Vec<u8>) -> Result<Output, MergeError> {
        let headers = inputs.iter().map(|input| input.header().expect("all of them were read"));
        let keyed: Vec<(ObjectKey, &Header)> = inputs.iter().map(|input| input.key).zip(headers).collect();
        let header = heading(&keyed)?;
        // What an input has beyond the end that a later one sets is gone, also where a still later one grows the
        // database again: it brings the pages by which it grows.
        let mut end = header.commit();
        let mut last_pages = Vec::with_capacity(keyed.len());
        for (_, header) in keyed.iter().rev() {
            if !mutated(Mutant::CompactKeepsCutPages) {
                end = end.min(header.commit());
            }
            last_pages.push(end);
        }
        last_pages.reverse();
        let from = out.len();
        let encoder = Encoder::new(&header, lock_byte, out);
        let mut hash = sha2::Sha256::new();
        hash.update(&out[from..]);
        Ok(Output { header, last_pages, encoder, hash })
    }

    fn push(&mut self, pgno: Pgno, page: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        self.encoder.push(pgno, page, out);
        self.hash.update(&out[from..]);
    }

    fn finish(mut self, out: &mut Vec<u8>) -> Merged {
        let from = out.len();
        let finished = self.encoder.finish(out);
        self.hash.update(&out[from..]);
        Merged {
            header: self.header,
            size_bytes: finished.size_bytes,
            page_count: finished.page_count,
            file_checksum: finished.file_checksum,
            sha256: Sha256(self.hash.finalize().into()),
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("header", &self.header).field("encoder", &self.encoder).finish()
    }
}

/// The newest input that holds a page.
fn newest(inputs: &[Input], pgno: Pgno) -> &Input {
    let mut holders = inputs.iter().filter(|input| input.pgno() == Some(pgno));
    let holder = if mutated(Mutant::CompactOldestPageWins) { holders.next() } else { holders.next_back() };
    holder.expect("an input holds the page")
}

/// What [`Encoder`] takes for LZ4, at any page size.
const LZ4_TABLE_BYTES: usize = 16 << 10;
