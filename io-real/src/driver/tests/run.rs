//! The whole driver with a source that is missing, or panics.

use super::records::config;
use super::store::FakeStore;
use super::{FakeSource, FakeState, HastyClock, Inline, block_on};
use crate::driver::{Driver, Limits, Ports, Report};
use engine::replicate::{DatabaseConfig, Hint, Notice, SourceError, Status};
use engine::store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

fn driver() -> (Driver<FakeSource>, crate::driver::Handle<FakeSource>, UnboundedReceiver<Report>) {
    driver_of(&FakeStore::default())
}

fn driver_of(
    store: &FakeStore,
) -> (Driver<FakeSource>, crate::driver::Handle<FakeSource>, UnboundedReceiver<Report>) {
    let ports = Ports {
        store: Arc::new(store.clone()),
        state: Box::new(FakeState::default()),
        work: Arc::new(Inline),
        clock: Arc::new(HastyClock::default()),
    };
    Driver::new(ports, Limits::default())
}

async fn until(reports: &mut UnboundedReceiver<Report>, wanted: impl Fn(&Notice) -> bool) {
    while let Some(report) = reports.recv().await {
        if matches!(report, Report::Notice(_, notice) if wanted(&notice)) {
            return;
        }
    }
    panic!("the driver ended without saying so");
}

#[test]
fn a_missing_database_is_reported_and_a_finish_ends_the_driver() {
    block_on(async {
        let (driver, handle, mut reports) = driver();
        let running = tokio::task::spawn(driver.run());
        let id = handle.add(*config(), FakeSource::new(), "/data/app.db".to_owned());
        until(&mut reports, |notice| *notice == Notice::Status(Status::Missing)).await;
        handle.poke(id, Hint::Log);
        handle.finish();
        until(&mut reports, |notice| *notice == Notice::Status(Status::Stopped)).await;
        running.await.unwrap();
    });
}

#[test]
fn a_finished_driver_without_databases_ends_and_takes_no_more() {
    block_on(async {
        let (driver, handle, mut reports) = driver();
        handle.finish();
        handle.add(*config(), FakeSource::new(), "/data/app.db".to_owned());
        driver.run().await;
        assert!(reports.recv().await.is_none());
    });
}

#[test]
fn a_source_that_panics_is_an_error_like_others() {
    block_on(async {
        let (driver, handle, mut reports) = driver();
        let mut running = Box::pin(driver.run());
        let source = FakeSource { panics: true, ..FakeSource::new() };
        handle.add(*config(), source, "/data/app.db".to_owned());
        let lost = |notice: &Notice| matches!(notice, Notice::Source { error: SourceError::Io(why), .. } if why.contains("bug"));
        tokio::select! {
            () = &mut running => panic!("nobody asked it to end"),
            () = until(&mut reports, lost) => {}
        }
    });
}

#[test]
fn each_place_is_swept_once_and_what_is_wrong_with_it_is_told_and_counted() {
    block_on(async {
        let store = FakeStore::default();
        store.with(|s| s.sweep_error = Some(StoreError::Retryable("as scripted".into())));
        let (driver, handle, mut reports) = driver_of(&store);
        let running = tokio::task::spawn(driver.run());
        for path in ["/data/app.db", "/data/other.db"] {
            handle.add(*config(), FakeSource::new(), path.to_owned());
        }
        let (mut missing, mut failed) = (0, Vec::new());
        while missing < 2 || failed.len() < 2 {
            match reports.recv().await {
                Some(Report::Notice(_, Notice::Status(Status::Missing))) => missing += 1,
                Some(Report::SweepFailed { place, error, count }) => {
                    failed.push((place.folder().to_owned(), error.to_string(), count));
                }
                Some(_) => {}
                None => panic!("the driver ended"),
            }
        }
        handle.finish();
        running.await.unwrap();
        while let Some(report) = reports.recv().await {
            assert!(!matches!(report, Report::SweepFailed { .. }), "{report:?}");
        }
        let said =
            |(place, error, _): &(String, String, u64)| place == "app" && error.contains("as scripted");
        assert!(failed.iter().all(said), "{failed:?}");
        assert_eq!((failed[0].2, failed[1].2), (1, 2));
        let day = Duration::from_secs(86_400);
        assert_eq!(store.with(|s| s.sweeps.clone()), [("app/".to_owned(), day), ("app/".to_owned(), day)]);
    });
}

#[test]
fn other_values_reach_the_engine_while_a_database_is_followed() {
    block_on(async {
        let (driver, handle, mut reports) = driver();
        let running = tokio::task::spawn(driver.run());
        let source = FakeSource { not_wal: true, ..FakeSource::new() };
        let id = handle.add(
            DatabaseConfig { enter_wal_mode: false, ..*config() },
            source,
            "/data/app.db".to_owned(),
        );
        until(&mut reports, |notice| *notice == Notice::Status(Status::Failed)).await;
        handle.reconfigure(id, DatabaseConfig { enter_wal_mode: true, ..*config() });
        until(&mut reports, |notice| *notice == Notice::Status(Status::Missing)).await;
        handle.finish();
        running.await.unwrap();
    });
}
