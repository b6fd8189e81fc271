//! The source port: the real session of `io-real` on the simulated disk, with a panic now and then.

use super::mischief::{At, Mischief};
use crate::coverage::Reached;
use crate::world::daemon::{answer_text, job_name};
use engine::ltx::Header;
use engine::replicate::{PageSet, SourceAnswer, SourceError, SourceJob};
use io_real::port::{Source, StagedObject};
use io_real::sqlite::{Session, Stager};
use io_sim::trace::Trace;

/// A followed database.
pub(super) struct SimSource {
    pub(super) session: Session,
    pub(super) mischief: Mischief,
    pub(super) trace: Trace,
    /// Which of the world's.
    pub(super) number: usize,
}

impl Source for SimSource {
    type Stager = Stager;

    fn run(&mut self, job: SourceJob) -> Result<SourceAnswer, SourceError> {
        let name = job_name(&job);
        if matches!(job, SourceJob::Look { .. }) {
            self.mischief.looked(self.number);
        }
        self.mischief.may_panic(At::Job);
        let result = Source::run(&mut self.session, job);
        let done = format!("{name} {}", answer_text(&result));
        self.trace.record("job", &done, &[("database", self.number as u64)], &[]);
        self.mischief.may_panic(At::Job);
        result
    }

    fn stage(&mut self, header: &Header, pages: PageSet) -> Stager {
        Source::stage(&mut self.session, header, pages)
    }

    fn step(&mut self, stager: &mut Stager, out: &mut Vec<u8>) -> Result<Option<StagedObject>, SourceError> {
        self.mischief.may_panic(At::Job);
        Source::step(&mut self.session, stager, out)
    }

    fn reset(&mut self) {
        self.mischief.reached(Reached::SourceReset);
        Source::reset(&mut self.session);
    }
}
