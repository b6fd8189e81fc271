//! Names in a store, and identities in text.

use engine::key::{Layout, ObjectKey, Place, is_place};
use engine::manifest::DatabaseId;
use engine::store::Sha256;
use engine::types::{NodeId, parse_txid, parse_txid_hex};

/// A name below a place, in both layouts: what is accepted is spelled in one way only.
pub fn object_key_parse(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for layout in [Layout::S3, Layout::Tree] {
        if let Some(key) = ObjectKey::parse(layout, &text) {
            assert_eq!(key.name(layout), text, "name(parse(x)) = x");
        }
    }
    if let Ok(place) = Place::new(&text) {
        assert_eq!(Place::new(place.folder()), Ok(place.clone()), "a folder is a place");
        assert_eq!(place.name_of(&place.manifest_key()), Some(engine::key::MANIFEST_NAME));
    }
    is_place(text.split('/'), text.split(','));
}

/// Numbers and identities as people and documents spell them.
pub fn text_parse(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(txid) = parse_txid(&text) {
        assert_eq!(parse_txid_hex(&txid.to_string()), Ok(txid));
        assert!(text.bytes().all(|b| b.is_ascii_hexdigit()), "{text:?} is no number");
    }
    let lower = text.to_ascii_lowercase();
    if let Some(id) = NodeId::parse(&text) {
        assert_eq!(id.to_string(), lower);
    }
    if let Some(sha256) = Sha256::parse(&text) {
        assert_eq!(sha256.to_string(), lower);
    }
    if let Some(id) = DatabaseId::parse(&text) {
        assert_eq!(id.to_string(), text);
    }
}
