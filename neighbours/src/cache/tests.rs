use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::bail;

use super::*;

#[test]
fn an_entry_is_made_once_by_many_at_the_same_time() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::at(directory.path().join("deep/cache"));
    let made = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let entry = cache
                    .entry("tool-1", |partial| {
                        made.fetch_add(1, Ordering::SeqCst);
                        Ok(fs::write(partial.join("tool"), "whole")?)
                    })
                    .unwrap();
                assert_eq!(fs::read_to_string(entry.join("tool")).unwrap(), "whole");
            });
        }
    });
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[test]
fn a_failed_fetch_leaves_no_entry_and_the_next_one_starts_clean() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::at(directory.path());
    let failed = cache.entry("tool-1", |partial| {
        fs::write(partial.join("half"), "half")?;
        bail!("the network went away")
    });
    assert!(failed.is_err());
    let entry = cache.entry("tool-1", |_| Ok(())).unwrap();
    assert_eq!(fs::read_dir(entry).unwrap().count(), 0);
}
