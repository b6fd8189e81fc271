//! A source whose files are watched from before each look on.

use crate::port::{Source, StagedObject};
use engine::ltx::Header;
use engine::replicate::{PageSet, SourceAnswer, SourceError, SourceJob};

/// A source that has its watches set before it opens its database and before it looks at it: what is changed later is
/// told.
pub struct Armed<S> {
    source: S,
    arm: Box<dyn Fn() + Send>,
}

impl<S> Armed<S> {
    /// `arm` sets the watches.
    pub(super) fn new(source: S, arm: impl Fn() + Send + 'static) -> Armed<S> {
        Armed { source, arm: Box::new(arm) }
    }

    /// Without anything that is watched.
    pub fn not(source: S) -> Armed<S> {
        Armed::new(source, || ())
    }
}

impl<S: Source> Source for Armed<S> {
    type Stager = S::Stager;

    fn run(&mut self, job: SourceJob) -> Result<SourceAnswer, SourceError> {
        if matches!(job, SourceJob::Open { .. } | SourceJob::Look { .. }) {
            (self.arm)();
        }
        self.source.run(job)
    }

    fn stage(&mut self, header: &Header, pages: PageSet) -> S::Stager {
        self.source.stage(header, pages)
    }

    fn step(
        &mut self,
        stager: &mut S::Stager,
        out: &mut Vec<u8>,
    ) -> Result<Option<StagedObject>, SourceError> {
        self.source.step(stager, out)
    }

    fn reset(&mut self) {
        self.source.reset();
    }
}
