//! The port for one followed database.

use engine::ltx::Header;
use engine::replicate::{PageSet, SourceAnswer, SourceError, SourceJob};
use engine::store::Sha256;

/// Does the work on one source database. Every call may block.
pub trait Source: Send + 'static {
    /// An object that is being encoded in steps.
    type Stager: Send + 'static;

    /// Does one job, as its documentation says.
    fn run(&mut self, job: SourceJob) -> Result<SourceAnswer, SourceError>;

    /// Starts to encode an object. Jobs that leave the anchor where it is may run between the steps.
    fn stage(&mut self, header: &Header, pages: PageSet) -> Self::Stager;

    /// Appends the bytes of some more pages to `out`; `Some` when the object is whole.
    ///
    /// # Errors
    /// The pages cannot be read, or are not those surveyed: all that came out is worthless.
    fn step(
        &mut self,
        stager: &mut Self::Stager,
        out: &mut Vec<u8>,
    ) -> Result<Option<StagedObject>, SourceError>;

    /// Lets go of everything, whatever state it is in: a job panicked.
    fn reset(&mut self);
}

/// A whole encoded object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StagedObject {
    /// Hash of its bytes.
    pub sha256: Sha256,
    /// How many there were.
    pub size_bytes: u64,
}
