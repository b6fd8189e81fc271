//! What a daemon asks of the store, counted before the network draws what becomes of it.

use engine::replicate::StoreRequest;
use engine::store::Condition;

/// Requests of the engine, by kind; a listing of many pages and an object in many parts count once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whole objects, and the manifest of a first claim.
    pub puts: u64,
    /// Manifests that are to say something else.
    pub rewrites: u64,
    /// Full images at level 9, whole or in parts.
    pub images: u64,
    /// Objects in parts.
    pub stages: u64,
    /// Ends of such.
    pub ends: u64,
    /// Listings, from their first page.
    pub lists: u64,
    /// Reads, of whatever kind.
    pub reads: u64,
    /// Of these, downloads of whole objects for their page checksums.
    pub digests: u64,
    /// Deletes.
    pub deletes: u64,
    /// Of all these, answered by no success.
    pub failed: u64,
}

impl Asked {
    pub(crate) fn count(&mut self, request: &StoreRequest) {
        let counter = match request {
            StoreRequest::Put { condition: Condition::IfMatch(_), .. } => &mut self.rewrites,
            // Where there is none: it comes again with a listing, as a rewrite does.
            StoreRequest::Put { key, .. } if key.ends_with("manifest.json") => &mut self.rewrites,
            StoreRequest::Put { key, .. } | StoreRequest::Stage { key, .. } if key.contains("/0009/") => {
                &mut self.images
            }
            StoreRequest::Put { .. } => &mut self.puts,
            StoreRequest::Stage { .. } => &mut self.stages,
            StoreRequest::Complete { .. } | StoreRequest::Discard { .. } => &mut self.ends,
            StoreRequest::List { after: Some(_), .. } => return,
            StoreRequest::List { after: None, .. } => &mut self.lists,
            StoreRequest::Delete { .. } | StoreRequest::DeleteIfMatch { .. } => &mut self.deletes,
            _ => &mut self.reads,
        };
        *counter += 1;
        self.digests += u64::from(matches!(request, StoreRequest::Digest { .. }));
    }

    /// All of them.
    pub fn requests(&self) -> u64 {
        self.puts
            + self.images
            + self.rewrites
            + self.stages
            + self.ends
            + self.lists
            + self.reads
            + self.deletes
    }

    /// Adds another life's.
    pub(crate) fn add(&mut self, other: &Asked) {
        self.puts += other.puts;
        self.images += other.images;
        self.rewrites += other.rewrites;
        self.stages += other.stages;
        self.ends += other.ends;
        self.lists += other.lists;
        self.reads += other.reads;
        self.digests += other.digests;
        self.deletes += other.deletes;
        self.failed += other.failed;
    }
}
