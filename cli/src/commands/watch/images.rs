//! The full images of one database: when the next is due, and why the last one was not made.

use super::account::Account;
use super::events::{ROT_HINT, page_numbers};
use crate::exit::{Failure, Kind};
use engine::replicate::{Notice, SnapshotFailure};
use engine::types::{Pgno, Timestamp};

/// How they stand.
#[derive(Debug, Default)]
pub(super) struct Images {
    /// When the next is due, by the schedule.
    pub(super) due: Option<Timestamp>,
    /// Why there is none since the last good one, in one line.
    trouble: Option<String>,
}

impl Account {
    /// Takes note of what is said of images.
    pub(super) fn image(&mut self, notice: &Notice) {
        match notice {
            Notice::SnapshotDue { at } => self.images.due = *at,
            Notice::Snapshot { .. } => self.images.trouble = None,
            Notice::SnapshotRefused { pages, count } => {
                self.images.trouble = Some(in_one_line(&self.rotten(pages, *count)));
            }
            // That is for who asked for one; the schedule goes on when it is followed again.
            Notice::SnapshotFailed { why: SnapshotFailure::NotFollowed } => {}
            Notice::SnapshotFailed { why } => self.images.trouble = Some(in_one_line(&self.no_image(why))),
            _ => {}
        }
    }

    /// What `status` calls the last error: what is wrong now, or why the last full image was not made.
    pub(super) fn last_error(&self) -> Option<String> {
        self.what_is_wrong().or_else(|| self.images.trouble.clone())
    }

    /// Pages of the file are not what was written.
    pub(super) fn rotten(&self, pages: &[Pgno], count: u32) -> Failure {
        Failure::new(Kind::Corrupt, "no snapshot: pages of the database file are not what was written")
            .database(&self.name)
            .cause(format!("bit rot in {count} pages: {}", page_numbers(pages, count)))
            .hint(ROT_HINT)
    }

    /// None was made, and another try may get one.
    pub(super) fn no_image(&self, why: &SnapshotFailure) -> Failure {
        let failure =
            Failure::new(Kind::Unavailable, "no snapshot was made").database(&self.name).because(why);
        match why {
            SnapshotFailure::Contradicted { key } => failure.object(key).hint(&self.again.list),
            _ => failure.hint("run the same command again; meanwhile: walsync status"),
        }
    }
}

/// What failed and why.
pub(super) fn in_one_line(failure: &Failure) -> String {
    let mut text = failure.what().to_owned();
    failure.causes().iter().for_each(|cause| text.push_str(&format!(": {cause}")));
    text
}
