use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::pattern::Pattern;
use super::{Change, Files, open};
use crate::ledger::SourceKey;

fn files(directory: &TempDir) -> Files {
    Files::new(vec![Pattern::everything_under(None, directory.path()).unwrap()], 10, None)
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    assert!(open(Path::new("/dev/null")).unwrap().is_none());
    assert!(open(Path::new("/tmp")).unwrap().is_none());
}

#[test]
fn two_names_of_one_file_are_one_file() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("a"), "x").unwrap();
    fs::hard_link(directory.path().join("a"), directory.path().join("b")).unwrap();
    symlink(directory.path().join("a"), directory.path().join("c")).unwrap();
    let changes = files(&directory).search(false);
    assert!(matches!(changes[..], [Change::New(_)]), "{changes:?}");
}

#[test]
fn a_closed_file_is_found_grown_under_any_name_and_gone_when_another_has_its_inode() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a");
    fs::write(&path, "x").unwrap();
    let mut files = files(&directory);
    let Change::New(found) = files.search(false).pop().unwrap() else { panic!("not new") };
    let key = SourceKey(7);
    files.follow(found.stat.identity, key);
    files.closed(found.stat.identity, found.stat.seen);
    assert!(files.search(false).is_empty());
    fs::rename(&path, directory.path().join("b")).unwrap();
    fs::write(directory.path().join("b"), "xy").unwrap();
    let changes = files.search(false);
    assert!(matches!(&changes[..], [Change::Grown(grown, name, 2)] if *grown == key && name.ends_with("b")), "{changes:?}");
    // The same inode with another birth is another file.
    let mut reused = found.stat.identity;
    reused.born = reused.born.map(|born| born - 1).or(Some(1));
    files.forget(found.stat.identity);
    files.follow(reused, key);
    files.closed(reused, found.stat.seen);
    let changes = files.search(false);
    assert!(matches!(changes[..], [Change::Gone(gone), Change::New(_)] if gone == key), "{changes:?}");
}

#[test]
fn a_closed_file_is_gone_only_when_several_searches_miss_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a");
    fs::write(&path, "x").unwrap();
    let mut files = files(&directory);
    let Change::New(found) = files.search(false).pop().unwrap() else { panic!("not new") };
    files.follow(found.stat.identity, SourceKey(7));
    files.closed(found.stat.identity, found.stat.seen);
    fs::remove_file(&path).unwrap();
    assert!(files.search(false).is_empty());
    assert!(files.search(false).is_empty());
    let changes = files.search(false);
    assert!(matches!(changes[..], [Change::Gone(_)]), "{changes:?}");
}
