//! Properties 2 and 23: every point that a listing shows restores to what was announced, by TXID and by time; what is
//! none is an error.

use super::mirror::Mirror;
use super::restore::Snapshot;
use crate::outcome::Violation;
use engine::restore::Target;
use engine::types::{Timestamp, Txid};

/// Restores every point, in both ways.
pub fn check(snapshot: &Snapshot, mirror: &Mirror) -> Result<(), Violation> {
    let points = snapshot.points();
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Err(Violation::new(2, "a place with announced slots shows no point"));
    };
    for (txid, time) in &points {
        let (restored, by_txid) = restore(snapshot, Target::Txid(*txid))?;
        let content = super::image::digest(&by_txid);
        let announced = mirror.contents.get(txid);
        if restored != *txid || announced.is_some_and(|announced| *announced != content) {
            return Err(Violation::new(
                2,
                format!("point {txid} restores to {restored}, or to something else"),
            ));
        }
        let (found, by_time) = restore(snapshot, Target::Timestamp(*time))?;
        if found != *txid || by_time != by_txid {
            return Err(Violation::new(2, format!("the time of point {txid} restores point {found}")));
        }
    }
    let later = Timestamp::from_millis(last.1.as_millis() + 3_600_000);
    let found = restore(snapshot, Target::Timestamp(later))?.0;
    if found != last.0 {
        return Err(Violation::new(23, format!("an hour after the last point: {found}, not {}", last.0)));
    }
    let earlier = Timestamp::from_millis(first.1.as_millis() - 1);
    for none in [Target::Txid(last.0 + 1), Target::Timestamp(earlier)] {
        if snapshot.restore(none).is_ok() {
            return Err(Violation::new(23, format!("{none:?} is no point, and was restored")));
        }
    }
    Ok(())
}

fn restore(snapshot: &Snapshot, target: Target) -> Result<(Txid, Vec<u8>), Violation> {
    snapshot.restore(target).map_err(|violation| Violation { property: 2, ..violation })
}
