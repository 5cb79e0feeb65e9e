use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use tempfile::TempDir;

use super::{Before, Read, Tail};

fn append(path: &Path, bytes: &[u8]) {
    File::options().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn read(tail: &mut Tail) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 100];
    loop {
        match tail.read(&mut buffer).unwrap() {
            Read::Bytes(length) => all.extend_from_slice(&buffer[..length]),
            Read::End => return Some(all),
            Read::Replaced => return None,
        }
    }
}

#[test]
fn what_is_appended_is_read_through_rename_and_delete() {
    let directory = TempDir::new().unwrap();
    let (path, renamed) = (directory.path().join("a"), directory.path().join("a.1"));
    append(&path, &[b'x'; 1_000]);
    let mut tail = Tail::new(File::open(&path).unwrap());
    assert_eq!(read(&mut tail).unwrap().len(), 1_000);
    fs::rename(&path, &renamed).unwrap();
    append(&renamed, b"more");
    assert_eq!(read(&mut tail).unwrap(), b"more");
    let mut writer = File::options().append(true).open(&renamed).unwrap();
    fs::remove_file(&renamed).unwrap();
    writer.write_all(b"last").unwrap();
    assert!(tail.look().unwrap().is_deleted);
    assert_eq!(read(&mut tail).unwrap(), b"last");
}

#[test]
fn a_file_that_was_cut_is_replaced_also_when_it_grew_again() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a");
    append(&path, b"one\n");
    let mut tail = Tail::new(File::open(&path).unwrap());
    read(&mut tail).unwrap();
    fs::write(&path, b"").unwrap();
    assert_eq!(read(&mut tail), None);
    tail.start_over();
    append(&path, b"two\n");
    assert_eq!(read(&mut tail).unwrap(), b"two\n");
    fs::write(&path, b"three and more\n").unwrap();
    assert_eq!(read(&mut tail), None);
}

#[test]
fn reading_goes_on_only_where_the_bytes_before_are_the_same() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a");
    append(&path, b"one\ntwo\n");
    let mut before = Before::default();
    before.push(b"one\n");
    let go_on = |checksum| {
        let mut tail = Tail::new(File::open(&path).unwrap());
        let same = tail.go_on_at(4, checksum).unwrap();
        (same, tail.offset())
    };
    assert_eq!(go_on(before.checksum()), (true, 4));
    fs::write(&path, b"ONE\ntwo\n").unwrap();
    assert_eq!(go_on(before.checksum()), (false, 0));
    fs::write(&path, b"one").unwrap();
    assert_eq!(go_on(before.checksum()), (false, 0));
}

#[test]
fn a_file_written_anew_with_the_same_size_is_replaced() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a");
    append(&path, b"one\n");
    let mut tail = Tail::new(File::open(&path).unwrap());
    read(&mut tail).unwrap();
    fs::write(&path, b"two\n").unwrap();
    assert_eq!(read(&mut tail), None);
}
