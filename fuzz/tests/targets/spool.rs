//! The spool: whatever stands in its files, what is whole is read, in order and once; what is not is passed over; and what
//! comes next is kept with it.

use std::path::{Path, PathBuf};

use sidecar::spool::{Accepted, Entry, Form, Found, Frame, Peer, Spool, frame};
use tempfile::TempDir;

const LIMIT: u64 = 64 * 1024 * 1024;
const HEADER: usize = 32;

#[test]
fn spool() {
    let valid = a_segment();
    fuzz::target!("spool", |bytes: &[u8]| {
        // One of three places for each input: files are slow.
        match bytes.len() % 3 {
            0 => check(&[("00000000000000000000.spool", bytes)]),
            1 => {
                let after = format!("{:020}.spool", valid.len() - HEADER);
                check(&[("00000000000000000000.spool", &valid), (&after, bytes)]);
            }
            _ => {
                // What only a right checksum lets in.
                let mut framed = valid.clone();
                push_frame(bytes, &mut framed);
                push_frame(&bytes[bytes.len().min(HEADER)..], &mut framed);
                check(&[("00000000000000000000.spool", &framed)]);
            }
        }
    });
}

/// The file of a segment with two records.
fn a_segment() -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = Spool::open(directory.path(), LIMIT, 1_764_066_000_123, None).unwrap();
    spool.append([entry(b"one"), entry(b"two")]).unwrap();
    std::fs::read(directory.path().join("00000000000000000000.spool")).unwrap()
}

fn entry(raw: &[u8]) -> Entry<'_> {
    Entry { container: "main", accepted_at: 1, peer: Peer::default(), id: None, form: Form::Record, raw }
}

/// These bytes as what a frame holds, between a length and a checksum.
fn push_frame(rest: &[u8], buffer: &mut Vec<u8>) {
    let length = u32::try_from(rest.len()).unwrap().to_le_bytes();
    let checksum = crc32fast::hash(&[&length, rest].concat()).to_le_bytes();
    buffer.extend_from_slice(&[&length, &checksum, rest].concat());
}

fn check(files: &[(&str, &[u8])]) {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("spool");
    std::fs::create_dir(&directory).unwrap();
    for (name, bytes) in files {
        std::fs::write(directory.join(name), bytes).unwrap();
    }
    let (mut spool, found) = Spool::open(&directory, LIMIT, 1_764_066_999_999, None).unwrap();
    if let Found::Unusable(reason) = &found {
        let aside = set_aside(parent.path());
        for (name, bytes) in files {
            let kept = std::fs::read(aside.join(name)).ok();
            // A file that nothing was ever written to says nothing.
            assert!(kept.as_deref() == Some(*bytes) || bytes.len() < HEADER, "{reason}");
        }
    }
    let before = records(&spool);
    if found != Found::Spool {
        assert!(before.is_empty());
    }
    let accepted = spool.append([entry(b"next")]).unwrap();
    assert!(matches!(accepted[..], [Accepted::New { .. }]));
    let expected = [before, vec![b"next".to_vec()]].concat();
    assert_eq!(records(&spool), expected);
    let (generation, end) = (spool.generation(), spool.end());
    drop(spool);
    let (spool, found) = Spool::open(&directory, LIMIT, 1_764_067_000_000, None).unwrap();
    assert_eq!((found, spool.generation(), spool.end()), (Found::Spool, generation, end));
    assert_eq!(records(&spool), expected);
}

/// Every record, whatever is between them.
fn records(spool: &Spool) -> Vec<Vec<u8>> {
    let (mut position, mut records, mut buffer) = (spool.start(), Vec::new(), Vec::new());
    while let Some(start) = spool.read(position, 1_000, &mut buffer).unwrap() {
        assert!(start >= position && (start > position || !buffer.is_empty()), "it stands still at {position}");
        position = start;
        let mut rest = buffer.as_slice();
        while let Frame::Whole(entry, length) = frame::decode(rest) {
            records.push(entry.raw.to_vec());
            position += length as u64;
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
    }
    assert_eq!(position, spool.end());
    records
}

fn set_aside(directory: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.find(|path| path.to_string_lossy().contains(".set-aside-")).unwrap()
}
