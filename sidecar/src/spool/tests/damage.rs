//! What a bad disk, a full one, or somebody's hand leaves of a spool.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::*;
use crate::spool::{KnownIds, Segment, segment_paths};

/// Bytes of a segment's header.
const HEADER: u64 = 32;

/// Everything from `from` on: records, and where something was passed over, how many bytes.
fn all(spool: &Spool, from: u64) -> Vec<Result<String, u64>> {
    let (mut position, mut found, mut buffer) = (from, Vec::new(), Vec::new());
    while let Some(start) = spool.read(position, 100, &mut buffer).unwrap() {
        if start > position {
            found.push(Err(start - position));
        }
        position = start;
        let mut rest = buffer.as_slice();
        while let Frame::Whole(entry, length) = frame::decode(rest) {
            found.push(Ok(String::from_utf8(entry.raw.to_vec()).unwrap()));
            position += length as u64;
            rest = &rest[length..];
        }
    }
    assert_eq!(position, spool.end());
    found
}

/// Changes a byte at a position of the segment that starts there.
fn damage(directory: &TempDir, segment: usize, at: u64) {
    let path = &segment_paths(&directory.path().join("spool")).unwrap()[segment];
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, HEADER + at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x55], HEADER + at).unwrap();
}

fn said(texts: &[&str]) -> Vec<Result<String, u64>> {
    texts.iter().map(|text| Ok((*text).to_owned())).collect()
}

#[test]
fn records_behind_damage_are_found_and_the_damage_is_told_whatever_byte_it_hit() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = open(&directory, None);
    append(&mut spool, b"first", Some(1));
    let start = spool.end();
    append(&mut spool, b"hit", Some(2));
    let end = spool.end();
    append(&mut spool, b"behind", Some(3));
    for at in start..end {
        damage(&directory, 0, at);
        let expected = [said(&["first"]), vec![Err(end - start)], said(&["behind"])].concat();
        assert_eq!(all(&spool, 0), expected, "while it is written to, byte {at}");
        drop(spool);
        spool = open(&directory, None).0;
        assert_eq!(all(&spool, 0), expected, "after a restart, byte {at}");
        assert_eq!(append(&mut spool, b"again", Some(3)), Accepted::Known);
        damage(&directory, 0, at);
    }
    assert_eq!(all(&spool, 0), said(&["first", "hit", "behind"]));
    append(&mut spool, b"next", None);
    damage(&directory, 0, start + 20);
    assert_eq!(all(&spool, 0), [said(&["first"]), vec![Err(end - start)], said(&["behind", "next"])].concat());
}

#[test]
fn damage_with_nothing_behind_it_is_told_and_what_comes_later_is_read() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = open(&directory, None);
    append(&mut spool, b"first", None);
    let start = spool.end();
    append(&mut spool, b"last", None);
    let lost = spool.end() - start;
    damage(&directory, 0, start + 30);
    assert_eq!(all(&spool, 0), [said(&["first"]), vec![Err(lost)]].concat());
    drop(spool);
    let (mut spool, _) = open(&directory, None);
    assert_eq!(all(&spool, 0), [said(&["first"]), vec![Err(lost)]].concat());
    append(&mut spool, b"later", None);
    assert_eq!(all(&spool, 0), [said(&["first"]), vec![Err(lost)], said(&["later"])].concat());
    assert_eq!(all(&spool, start), [vec![Err(lost)], said(&["later"])].concat());
}

#[test]
fn a_damaged_header_costs_no_record_as_long_as_another_tells_the_generation() {
    for segment in 0..2 {
        let directory = TempDir::new().unwrap();
        let (mut spool, _) = open(&directory, None);
        let large = "x".repeat(3 * 1024 * 1024);
        append(&mut spool, large.as_bytes(), None);
        append(&mut spool, large.as_bytes(), Some(1));
        let generation = spool.generation();
        drop(spool);
        let path = &segment_paths(&directory.path().join("spool")).unwrap()[segment];
        File::options().write(true).open(path).unwrap().write_all_at(b"????", 0).unwrap();
        let (mut spool, found) = open(&directory, None);
        assert_eq!((found, spool.generation()), (Found::Spool, generation));
        append(&mut spool, b"next", None);
        assert_eq!(all(&spool, 0), said(&[&large, &large, "next"]), "segment {segment}");
        assert_eq!(append(&mut spool, b"again", Some(1)), Accepted::Known);
    }
}

#[test]
fn a_segment_that_is_gone_is_told_and_the_others_are_read() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = open(&directory, None);
    let large = "x".repeat(3 * 1024 * 1024);
    for _ in 0..2 {
        append(&mut spool, large.as_bytes(), None);
    }
    let lost = spool.end() / 2;
    append(&mut spool, large.as_bytes(), None);
    drop(spool);
    std::fs::remove_file(&segment_paths(&directory.path().join("spool")).unwrap()[1]).unwrap();
    let (spool, found) = open(&directory, None);
    assert_eq!(found, Found::Spool);
    assert_eq!(all(&spool, 0), [said(&[&large]), vec![Err(lost)], said(&[&large])].concat());
}

#[test]
fn a_segment_whose_header_found_no_room_is_as_good_as_none() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = open(&directory, None);
    append(&mut spool, b"kept", None);
    let (generation, end) = (spool.generation(), spool.end());
    drop(spool);
    // Left by a disk that was full: once in the middle, once at the end.
    for (start, length) in [(end + 1, 0), (end + 2, 31)] {
        let path = directory.path().join("spool").join(crate::spool::segment::file_name(start));
        std::fs::write(path, vec![0; length]).unwrap();
    }
    let (mut spool, found) = open(&directory, None);
    assert_eq!((found, spool.generation()), (Found::Spool, generation));
    append(&mut spool, b"next", None);
    assert_eq!(all(&spool, 0), said(&["kept", "next"]));
}

#[test]
fn a_refusal_of_the_system_sets_nothing_aside() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = open(&directory, None);
    append(&mut spool, b"kept", None);
    drop(spool);
    // A directory in a segment's place: it can be opened and not be read.
    let path = last_segment(&directory);
    std::fs::rename(&path, directory.path().join("elsewhere")).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = Spool::open(&directory.path().join("spool"), LIMIT, 1_000, None).unwrap_err();
    assert!(format!("{error:#}").contains("cannot use the spool directory"), "{error:#}");
    assert_eq!(set_aside(directory.path()), 0);
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(directory.path().join("elsewhere"), &path).unwrap();
    assert_eq!(all(&open(&directory, None).0, 0), said(&["kept"]));
}

#[test]
fn space_is_freed_whatever_somebody_removed_before() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = open(&directory, None);
    let large = vec![b'x'; 1024 * 1024];
    for round in 0..20_u128 {
        append(&mut spool, &large, None);
        spool.append((0..1_000).map(|id| entry(b"x", Some(round * 1_000 + id)))).unwrap();
    }
    for entry in std::fs::read_dir(directory.path().join("spool")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    spool.free(spool.end()).unwrap();
    assert_eq!(spool.held(), 0);
    append(&mut spool, b"next", None);
    assert_eq!(all(&spool, spool.start()), said(&["next"]));
}

#[test]
fn the_ids_of_all_it_holds_and_of_the_last_it_freed_are_known_and_older_ones_forgotten() {
    let directory = TempDir::new().unwrap();
    let mut ids = KnownIds::default();
    for segment in 0..5_u64 {
        for id in 0..8_192 {
            ids.insert(Uuid::from_u128(u128::from(segment * 8_192 + id)));
        }
        ids.close(directory.path(), segment);
        ids.free(directory.path(), segment);
    }
    for mut ids in [ids, KnownIds::load(directory.path()).unwrap()] {
        let known = (0..5 * 8_192).filter(|id| ids.contains(Uuid::from_u128(*id))).count();
        assert_eq!(known, 16_384);
        assert!(ids.contains(Uuid::from_u128(5 * 8_192 - 1)) && !ids.hold(0));
    }
}

#[test]
fn a_clock_that_ran_back_brings_no_generation_back_and_moves_nothing_onto_what_was_set_aside() {
    let directory = TempDir::new().unwrap();
    let spool = directory.path().join("spool");
    for (round, generation) in [8_000, 9_000].into_iter().enumerate() {
        // Segments of two spools make no sense together, and which of them the checkpoint spoke of is not known any more.
        for (start, generation) in [(0, 3_000), (100, generation)] {
            std::fs::create_dir_all(&spool).unwrap();
            Segment::create(&spool, generation, start).unwrap().append([entry(b"x", None)].into_iter(), &mut Vec::new()).unwrap();
        }
        let (opened, found) = Spool::open(&spool, LIMIT, 1_000, None).unwrap();
        assert!(matches!(found, Found::Unusable(_)), "{found:?}");
        assert!(opened.generation() > generation, "{} after {generation}", opened.generation());
        assert_eq!(set_aside(directory.path()), round + 1);
        std::fs::remove_dir_all(&spool).unwrap();
    }
}
