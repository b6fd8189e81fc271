//! A whole image on its way into an object: every page is compared with what it must be.
//!
//! A page that is another is read again, because a single read may go wrong. If it stays another, the files are asked first:
//! where somebody has put other content in their place, that is what happened. Else the medium has lost the page. Then no
//! more bytes come out, and the rest is read only to name all that is lost.

use super::Session;
use super::session::Under;
use engine::db::page_checksum;
use engine::ltx::Header;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{ImagePages, ROTTEN_PAGES_MAX, SourceError};
use engine::types::Pgno;

/// The image, and what was found of it so far.
pub(super) struct WholeImage {
    image: ImagePages,
    /// The first pages that are not what they must be, and how many there are.
    rotten: (Vec<Pgno>, u32),
}

impl WholeImage {
    pub(super) fn new(image: ImagePages) -> WholeImage {
        WholeImage { image, rotten: (Vec::new(), 0) }
    }

    /// Reads pages in ascending order and pushes them, as long as all were right.
    pub(super) fn read(
        &mut self,
        session: &mut Session,
        header: &Header,
        under: Under,
        pages: &[Pgno],
        mut push: impl FnMut(Pgno, &[u8]),
    ) -> Result<(), SourceError> {
        let (mut rest, mut again) = (pages, None);
        while let Some(&first) = rest.first() {
            let (mut right, mut all_right) = (0, true);
            let (image, is_lost) = (&self.image, self.rotten.1 > 0);
            session.reader(header, under)?.read_each(rest, &image.frames, |pgno, page| {
                all_right = all_right && is_right(image, pgno, page);
                if all_right {
                    right += 1;
                    if !is_lost {
                        push(pgno, page);
                    }
                }
            })?;
            rest = &rest[right..];
            match rest.first() {
                None => {}
                Some(wrong) if right == 0 && again == Some(first) => {
                    if self.rotten.1 == 0 {
                        session.check()?;
                    }
                    self.lost(*wrong);
                    rest = &rest[1..];
                    again = None;
                }
                wrong => again = wrong.copied(),
            }
        }
        Ok(())
    }

    fn lost(&mut self, pgno: Pgno) {
        let (pages, count) = &mut self.rotten;
        if pages.len() < ROTTEN_PAGES_MAX {
            pages.push(pgno);
        }
        *count += 1;
    }

    /// All pages were read.
    pub(super) fn finish(&self) -> Result<(), SourceError> {
        match &self.rotten {
            (_, 0) => Ok(()),
            (pages, count) => Err(SourceError::Rotten { pages: pages.clone(), count: *count }),
        }
    }
}

fn is_right(image: &ImagePages, pgno: Pgno, page: &[u8]) -> bool {
    image.sums.get(pgno) == Some(page_checksum(pgno, page)) || mutated(Mutant::RotNotNoticed)
}
