//! One place from its listing to the report.

use super::pass::{Answer, Pass};
use crate::port::Work;
use crate::restore::{Catalog, Output, RestoreError};
use engine::key::Place;
use engine::verify::{Depth, Report};
use std::sync::Arc;

/// Looks at places of one store.
#[derive(Clone)]
pub struct Verifier {
    catalog: Catalog,
    work: Arc<dyn Work>,
    on_bytes: Arc<dyn Fn(u64) + Send + Sync>,
}

/// What came of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The verdict.
    pub report: Report,
    /// Bytes of objects that were read and looked at; what restores read again does not count.
    pub bytes_checked: u64,
}

impl Verifier {
    /// `work`: where pages are unpacked and files written; `on_bytes` hears of every download.
    pub fn new(catalog: Catalog, work: Arc<dyn Work>, on_bytes: Arc<dyn Fn(u64) + Send + Sync>) -> Verifier {
        Verifier { catalog, work, on_bytes }
    }

    /// Reads headers and page indexes of every object, and compares them with each other and with the manifest.
    ///
    /// # Errors
    /// When the store does not answer, or a newer version wrote the place. What is wrong with the objects is no error.
    pub async fn shallow(&self, place: &Place) -> Result<Verified, RestoreError> {
        self.verify(place, Depth::Shallow, None).await
    }

    /// Reads every object whole as well, and restores every snapshot and the newest point to the temporary file of
    /// `scratch`, which never gets its name. Dropping the future removes it.
    ///
    /// # Errors
    /// As [`Verifier::shallow`]; also when the temporary file cannot be written.
    pub async fn deep(&self, place: &Place, scratch: &Output) -> Result<Verified, RestoreError> {
        self.verify(place, Depth::Deep, Some(scratch)).await
    }

    async fn verify(
        &self,
        place: &Place,
        depth: Depth,
        scratch: Option<&Output>,
    ) -> Result<Verified, RestoreError> {
        let mut passes = 0;
        loop {
            passes += 1;
            let on_bytes = self.on_bytes.clone();
            let mut pass =
                Pass::open(&self.catalog, self.work.clone(), place, move |bytes| on_bytes(bytes)).await?;
            let report = loop {
                match pass.ask(depth) {
                    Answer::Done(report) => break report,
                    Answer::Need(needs) => pass.fetch(needs, scratch).await?,
                }
            };
            // Who retires objects deletes them first and rewrites the manifest then: what contradicts may have been read
            // in between.
            let is_final = passes >= PASSES_MAX || !report.blames_manifest() || !pass.is_outdated().await?;
            if is_final {
                return Ok(Verified { report, bytes_checked: pass.bytes_checked() });
            }
        }
    }
}

/// A manifest is rewritten at most once a minute; after so many times what it says is told.
const PASSES_MAX: u32 = 3;
