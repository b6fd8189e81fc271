//! Listings, page by page.

use super::request::Listing;
use super::sim_s3::StoredObject;
use std::collections::BTreeMap;
use std::ops::Bound;

/// One page: at most `keys_max` objects and folders together, after the key or folder `after`.
pub(super) fn page(
    objects: &BTreeMap<String, StoredObject>,
    prefix: &str,
    after: Option<&str>,
    folders: bool,
    keys_max: usize,
) -> Listing {
    assert!(keys_max > 0, "a page without keys never ends");
    let mut listing = Listing::default();
    let mut last = None;
    let start = after.filter(|after| *after >= prefix).map_or(Bound::Included(prefix), Bound::Excluded);
    for (key, object) in objects.range::<str, _>((start, Bound::Unbounded)) {
        let Some(rest) = key.strip_prefix(prefix) else { break };
        let folder = rest.find('/').filter(|_| folders).map(|end| &key[..prefix.len() + end + 1]);
        if folder.is_some_and(|folder| after == Some(folder) || last == Some(folder)) {
            continue;
        }
        if listing.objects.len() + listing.folders.len() == keys_max {
            listing.next = last.map(str::to_owned);
            break;
        }
        match folder {
            Some(folder) => listing.folders.push(folder.to_owned()),
            None => listing.objects.push(object.meta(key)),
        }
        last = Some(folder.unwrap_or(key));
    }
    listing
}
