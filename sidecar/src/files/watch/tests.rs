use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{DataChange, Flag, ModifyKind, RenameMode};
use notify::{Event, EventKind};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::{Happened, MOST_WRITTEN, Watch, is_silent};

fn written(path: &str) -> Event {
    Event::new(EventKind::Modify(ModifyKind::Data(DataChange::Any))).add_path(path.into())
}

#[test]
fn writes_are_told_by_name_and_lost_events_are_told_as_anything() {
    let mut happened = Happened::default();
    happened.add(Ok(written("/a")));
    happened.add(Ok(written("/a")));
    assert_eq!(happened, Happened { written: [PathBuf::from("/a")].into(), ..Happened::default() });
    happened.add(Ok(Event::new(EventKind::Modify(ModifyKind::Name(RenameMode::Both)))));
    assert!(happened.names && !happened.anything);
    happened.add(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
    assert!(happened.anything);
    let mut failed = Happened::default();
    failed.add(Err(notify::Error::generic("it failed")));
    assert!(failed.anything);
}

#[test]
fn more_names_than_are_remembered_become_anything() {
    let mut happened = Happened::default();
    for number in 0..=MOST_WRITTEN {
        assert!(!happened.anything);
        happened.add(Ok(written(&format!("/{number}"))));
    }
    assert!(happened.anything && happened.written.len() == MOST_WRITTEN);
}

#[tokio::test]
async fn a_write_in_a_watched_directory_wakes_with_the_file_s_name() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a");
    std::fs::write(&path, "").unwrap();
    let changed = Arc::new(Notify::new());
    let mut watch = Watch::new(Arc::clone(&changed));
    watch.set(&HashSet::from([directory.path().to_owned()]));
    assert!(watch.is_active());
    std::fs::write(&path, "more").unwrap();
    tokio::time::timeout(Duration::from_secs(30), changed.notified()).await.unwrap();
    let happened = watch.take_happened().unwrap();
    assert_eq!(happened.written, HashSet::from([path]));
}

#[test]
fn a_directory_that_cannot_be_watched_is_not_hidden() {
    let mut watch = Watch::new(Arc::new(Notify::new()));
    watch.set(&HashSet::from([PathBuf::from("/there/is/no/such/directory")]));
    assert!(!watch.is_active());
}

#[test]
fn network_file_systems_are_polled() {
    assert!(is_silent(0x6969_i64) && is_silent(0xFF53_4D42_i64) && is_silent(-11_317_950_i64));
    assert!(!is_silent(0xEF53_i64) && !is_silent(0x0102_1994_i64));
}
