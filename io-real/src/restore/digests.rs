//! The SHA-256 of an object: as it is kept beside it, as the manifest's index has it, as its bytes have it.
//!
//! What the index says is no part of an object: it may be wrong while the object is sound. Where the object proves itself
//! (our tag: file checksum, and database checksums that link it to its neighbours) the index is only told to be wrong. An
//! object without our tag has no such links, and no walsync writes a digest of one: a digest that it does not fit says that
//! another object was here (decision 0020).

use engine::key::ObjectKey;
use engine::mutants::{Mutant, mutated};
use engine::store::Sha256;

/// What is known of one object's SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Digests {
    /// The object's own metadata.
    pub(crate) beside: Option<Sha256>,
    /// The manifest's index.
    pub(crate) indexed: Option<Sha256>,
    /// Of its bytes, where they were all read and something was there to compare with.
    pub(crate) content: Option<Sha256>,
}

impl Digests {
    /// Whether there is anything to compare with.
    pub(crate) fn is_any(&self) -> bool {
        self.beside.is_some() || self.indexed.is_some()
    }

    /// Compares what is known of `key` with its content; `is_ours`: whether it has our tag.
    ///
    /// # Errors
    /// The object is not what it was.
    pub(super) fn compare(&self, key: ObjectKey, content: Sha256, is_ours: bool) -> Result<(), &'static str> {
        let differs = |known: Option<Sha256>| known.is_some_and(|sha256| sha256 != content);
        if differs(self.beside) {
            return Err("its SHA-256 is not the one in its metadata");
        }
        if differs(self.indexed) {
            if !is_ours || mutated(Mutant::RestoreIndexDigestBelieved) {
                return Err("its SHA-256 is not the one in manifest.json, and it has no tag of ours");
            }
            tracing::warn!("manifest.json has a wrong SHA-256 of {key}: walsync verify tells more");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::types::Txid;

    #[test]
    fn the_index_speaks_only_against_what_cannot_prove_itself() {
        let key = ObjectKey::slot(Txid::ONE);
        let (right, wrong) = (Sha256::of(b"right"), Sha256::of(b"wrong"));
        let indexed = Digests { indexed: Some(wrong), ..Digests::default() };
        assert!(indexed.is_any() && !Digests::default().is_any());
        assert!(indexed.compare(key, right, false).is_err());
        assert_eq!(indexed.compare(key, right, true), Ok(()));
        assert_eq!(indexed.compare(key, wrong, false), Ok(()));
        let beside = Digests { beside: Some(wrong), ..Digests::default() };
        assert!(beside.compare(key, right, true).is_err());
        assert_eq!(beside.compare(key, wrong, true), Ok(()));
    }
}
