//! Answers of the simulated store, as io-real's store port gives them.

use engine::store::StoreError;
use io_real::port::{Body, Listing, PutDone};
use io_sim::s3::{Answer, Response, Written};

/// To a read.
pub(crate) fn body(answer: Answer) -> Result<Body, StoreError> {
    match answer? {
        Response::Body(body) => Ok(Body {
            bytes: body.bytes,
            object_bytes: body.meta.size_bytes,
            etag: body.meta.etag,
            modified: body.meta.modified,
            attributes: body.attributes,
        }),
        other => unreachable!("{other:?} to a read"),
    }
}

/// To one page of a listing.
pub(crate) fn listing(answer: Answer) -> Result<Listing, StoreError> {
    match answer? {
        Response::Listing(page) => Ok(Listing {
            objects: page.objects,
            folders: page.folders,
            next: page.next,
            time: Some(page.time),
        }),
        other => unreachable!("{other:?} to a listing"),
    }
}

/// To a write.
#[cfg_attr(not(madsim), expect(dead_code, reason = "only layer B writes through the port"))]
pub(crate) fn done(answer: Answer) -> Result<PutDone, StoreError> {
    match answer? {
        Response::Written(Written { etag, store_time }) => Ok(PutDone { etag, store_time: Some(store_time) }),
        other => unreachable!("{other:?} to a write"),
    }
}
