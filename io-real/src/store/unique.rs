//! Names that nothing else has taken.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// 64 bits that differ from call to call and from process to process. Not secret, and not quite certain:
/// whoever creates a file by it must still demand that the file is new.
pub(super) fn unique() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_calls_agree() {
        assert_ne!(unique(), unique());
    }
}
