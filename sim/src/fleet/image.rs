//! An image of a database as versions of pages, with a digest that is kept up with each change.

use super::page::{Version, weight};
use engine::store::Sha256;

/// All pages, page 1 first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    pages: Vec<Version>,
    /// Sum of the pages' weights.
    sum: u64,
}

impl Image {
    /// Of these pages.
    pub fn new(pages: Vec<Version>) -> Image {
        let sum = pages.iter().zip(1..).fold(0, |sum: u64, (v, pgno)| sum.wrapping_add(weight(pgno, *v)));
        Image { pages, sum }
    }

    /// Pages, page 1 first.
    pub fn pages(&self) -> &[Version] {
        &self.pages
    }

    /// How many.
    pub fn len(&self) -> u32 {
        u32::try_from(self.pages.len()).expect("page numbers are u32")
    }

    /// Whether there is no page.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// A page; zeros beyond the end.
    pub fn get(&self, pgno: u32) -> Version {
        self.pages.get(pgno as usize - 1).copied().unwrap_or(0)
    }

    /// Writes a page of the image.
    pub fn set(&mut self, pgno: u32, version: Version) {
        let page = &mut self.pages[pgno as usize - 1];
        self.sum = self.sum.wrapping_sub(weight(pgno, *page)).wrapping_add(weight(pgno, version));
        *page = version;
    }

    /// Cuts pages off, or adds zeros.
    pub fn resize(&mut self, pages: u32) {
        let cut = self.pages.drain((pages as usize).min(self.pages.len())..);
        self.sum = cut.zip(pages + 1..).fold(self.sum, |sum, (v, pgno)| sum.wrapping_sub(weight(pgno, v)));
        let added = self.len() + 1..=pages;
        self.sum = added.fold(self.sum, |sum, pgno| sum.wrapping_add(weight(pgno, 0)));
        self.pages.resize(pages as usize, 0);
    }

    /// What it is known by.
    pub fn digest(&self) -> Sha256 {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&self.sum.to_le_bytes());
        digest[8..12].copy_from_slice(&self.len().to_le_bytes());
        Sha256(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::Image;

    #[test]
    fn digest_kept_up_is_that_of_the_pages() {
        let mut image = Image::new(vec![1, 2, 3]);
        image.set(2, 9);
        image.resize(6);
        image.set(5, 4);
        image.resize(2);
        image.resize(4);
        assert_eq!(image, Image::new(vec![1, 9, 0, 0]));
        assert_ne!(image.digest(), Image::new(vec![9, 1, 0, 0]).digest());
    }
}
