//! The manifest of a place.

use engine::manifest::Manifest;

/// A document as it came from the store.
pub fn manifest_decode(data: &[u8]) {
    let Ok(manifest) = Manifest::decode(data) else { return };
    assert!(manifest.objects.is_sorted_by(|a, b| a.key < b.key), "each object once, in order");
    assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest), "decode(encode(x)) = x");
}
