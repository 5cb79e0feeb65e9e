mod damage;

use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Accepted, AppendError, Entry, Form, Found, Frame, Mark, Peer, SEGMENT, Spool, frame};

const LIMIT: u64 = 64 * 1024 * 1024;

fn entry(raw: &[u8], id: Option<u128>) -> Entry<'_> {
    Entry { container: "main", accepted_at: 1, peer: Peer::default(), id: id.map(Uuid::from_u128), form: Form::Record, raw }
}

fn open(directory: &TempDir, mark: Option<Mark>) -> (Spool, Found) {
    Spool::open(&directory.path().join("spool"), LIMIT, 1_000, mark).unwrap()
}

fn append(spool: &mut Spool, raw: &[u8], id: Option<u128>) -> Accepted {
    spool.append([entry(raw, id)]).unwrap()[0]
}

#[track_caller]
fn check_holds(spool: &mut Spool, from: u64, expected: &[Vec<u8>]) {
    let mut position = from;
    let mut found = Vec::new();
    let mut buffer = Vec::new();
    while let Some(start) = spool.read(position, 1_000, &mut buffer).unwrap() {
        position = start;
        let mut rest = buffer.as_slice();
        while let Frame::Whole(entry, length) = frame::decode(rest) {
            found.push(entry.raw.to_vec());
            position += length as u64;
            rest = &rest[length..];
        }
    }
    assert_eq!(found, expected);
}

fn last_segment(directory: &TempDir) -> std::path::PathBuf {
    super::segment_paths(&directory.path().join("spool")).unwrap().pop().unwrap()
}

#[test]
fn records_are_found_again_after_a_restart() {
    let directory = TempDir::new().unwrap();
    let (mut spool, found) = open(&directory, None);
    assert_eq!(found, Found::Nothing);
    append(&mut spool, b"one", None);
    append(&mut spool, b"", None);
    let generation = spool.generation();
    drop(spool);
    let (mut spool, found) = open(&directory, None);
    assert_eq!((found, spool.generation()), (Found::Spool, generation));
    check_holds(&mut spool, 0, &[b"one".to_vec(), vec![]]);
}

#[test]
fn a_torn_tail_is_cut_and_its_positions_are_used_for_what_comes_next() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = open(&directory, None);
    append(&mut spool, b"whole", None);
    let end = spool.end();
    append(&mut spool, b"torn", Some(1));
    drop(spool);
    let path = last_segment(&directory);
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(length - 1).unwrap();
    let (mut spool, _) = open(&directory, None);
    assert_eq!(spool.end(), end);
    assert!(matches!(append(&mut spool, b"again", Some(1)), Accepted::New { .. }));
    check_holds(&mut spool, 0, &[b"whole".to_vec(), b"again".to_vec()]);
}

#[test]
fn a_full_spool_refuses_until_something_is_freed() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = Spool::open(&directory.path().join("spool"), 3 * SEGMENT, 1, None).unwrap();
    let record = vec![b'x'; 1024 * 1024];
    let refused = loop {
        if let Err(error) = spool.append([entry(&record, None)]) {
            break error;
        }
    };
    assert!(matches!(refused, AppendError::Full));
    assert!(spool.held() <= 3 * SEGMENT);
    let end = spool.end();
    spool.free(end).unwrap();
    assert_eq!((spool.start(), spool.held()), (end, 0));
    append(&mut spool, b"fits", None);
    check_holds(&mut spool, 0, &[b"fits".to_vec()]);
}

#[test]
fn a_spool_of_no_size_keeps_what_it_took() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = Spool::open(&directory.path().join("spool"), 0, 1, None).unwrap();
    spool.free(spool.end()).unwrap();
    append(&mut spool, b"kept", None);
    drop(spool);
    let (mut spool, found) = open(&directory, None);
    assert_eq!(found, Found::Spool);
    check_holds(&mut spool, 0, &[b"kept".to_vec()]);
}

#[test]
fn a_small_spool_gets_its_room_back_too() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = Spool::open(&directory.path().join("spool"), 100_000, 1, None).unwrap();
    let record = vec![b'x'; 10_000];
    for _ in 0..3 {
        while spool.append([entry(&record, None)]).is_ok() {}
        assert!(spool.held() > 80_000 && spool.held() <= 100_000);
        spool.free(spool.end() / 2).unwrap();
        append(&mut spool, b"fits", None);
        spool.free(spool.end()).unwrap();
    }
    append(&mut spool, b"sent", None);
    spool.free(spool.end()).unwrap();
    assert!(spool.held() > 0, "one short record is no reason for a new file");
    let long = vec![b'x'; 200_000];
    append(&mut spool, &long, None);
    check_holds(&mut spool, 0, &[long]);
}

#[test]
fn an_id_is_accepted_once_also_after_its_segment_was_freed_and_after_a_restart() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = open(&directory, None);
    let record = vec![b'x'; 1024 * 1024];
    for id in 0..6 {
        assert!(matches!(append(&mut spool, &record, Some(id)), Accepted::New { .. }));
    }
    spool.free(spool.end()).unwrap();
    for _ in 0..2 {
        for id in 0..6 {
            assert_eq!(append(&mut spool, b"again", Some(id)), Accepted::Known, "id {id}");
        }
        drop(spool);
        spool = open(&directory, None).0;
    }
    assert_eq!(spool.held(), 0);
}

#[test]
fn a_batch_with_the_same_id_twice_keeps_the_first() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = open(&directory, None);
    let accepted = spool.append([entry(b"a", Some(1)), entry(b"b", Some(1))]).unwrap();
    assert!(matches!(accepted[..], [Accepted::New { .. }, Accepted::Known]));
    check_holds(&mut spool, 0, &[b"a".to_vec()]);
}

#[test]
fn a_spool_that_ends_below_the_checkpoint_is_set_aside_for_a_new_generation() {
    let directory = TempDir::new().unwrap();
    let (mut spool, _) = open(&directory, None);
    append(&mut spool, b"kept", None);
    let generation = spool.generation();
    let mark = Mark { generation, position: spool.end() + 1 };
    drop(spool);
    let (spool, found) = open(&directory, Some(mark));
    assert!(matches!(found, Found::Unusable(_)), "{found:?}");
    assert!(spool.generation() > generation);
    assert_eq!(set_aside(directory.path()), 1);
}

#[test]
fn a_spool_of_a_newer_format_is_set_aside_and_kept() {
    let directory = TempDir::new().unwrap();
    drop(open(&directory, None));
    let path = last_segment(&directory);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 3;
    std::fs::write(&path, bytes).unwrap();
    let (_, found) = open(&directory, None);
    let Found::Unusable(reason) = found else { panic!("{found:?}") };
    assert!(reason.contains("has format version 3"), "{reason}");
    assert_eq!(set_aside(directory.path()), 1);
}

#[test]
fn a_spool_of_an_older_format_is_read_and_what_comes_next_is_written_apart() {
    for kept in [&[b"kept".as_slice()][..], &[]] {
        let directory = TempDir::new().unwrap();
        let (mut spool, _) = open(&directory, None);
        for raw in kept {
            append(&mut spool, raw, Some(1));
        }
        drop(spool);
        let old = last_segment(&directory);
        let mut bytes = std::fs::read(&old).unwrap();
        bytes[8] = 1;
        let checksum = crc32fast::hash(&bytes[..28]).to_le_bytes();
        bytes[28..32].copy_from_slice(&checksum);
        std::fs::write(&old, &bytes).unwrap();
        let (mut spool, found) = open(&directory, None);
        assert_eq!(found, Found::Spool);
        append(&mut spool, b"next", None);
        let expected: Vec<Vec<u8>> = kept.iter().copied().chain([b"next".as_slice()]).map(<[u8]>::to_vec).collect();
        check_holds(&mut spool, 0, &expected);
        assert_eq!(std::fs::read(last_segment(&directory)).unwrap()[8], 2);
        assert_eq!(std::fs::read(&old).unwrap()[8], if kept.is_empty() { 2 } else { 1 });
    }
}

fn set_aside(directory: &Path) -> usize {
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("spool.set-aside-")).count()
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u8>, Option<u8>),
    Large,
    Free(prop::sample::Index),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (prop::collection::vec(any::<u8>(), 0..200), any::<Option<u8>>()).prop_map(|(raw, id)| Step::Append(raw, id)),
        2 => Just(Step::Large),
        1 => any::<prop::sample::Index>().prop_map(Step::Free),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn it_holds_what_was_accepted_and_not_yet_freed_whatever_happens(steps in steps()) {
        let directory = TempDir::new().unwrap();
        let (mut spool, _) = open(&directory, None);
        let mut model: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut ids = std::collections::HashSet::new();
        for step in steps {
            match step {
                Step::Append(raw, id) => {
                    match append(&mut spool, &raw, id.map(u128::from)) {
                        Accepted::New { start, .. } => {
                            prop_assert!(id.is_none_or(|id| ids.insert(id)));
                            model.push((start, raw));
                        }
                        Accepted::Known => prop_assert!(id.is_some_and(|id| ids.contains(&id))),
                    }
                }
                Step::Large => {
                    let raw = vec![b'l'; 1024 * 1024];
                    if let Accepted::New { start, .. } = append(&mut spool, &raw, None) {
                        model.push((start, raw));
                    }
                }
                Step::Free(index) if !model.is_empty() => spool.free(model[index.index(model.len())].0).unwrap(),
                Step::Free(_) => {}
                Step::Restart => {
                    drop(spool);
                    spool = open(&directory, None).0;
                }
            }
            model.retain(|(start, _)| *start >= spool.start());
        }
        let expected: Vec<Vec<u8>> = model.into_iter().map(|(_, raw)| raw).collect();
        let start = spool.start();
        check_holds(&mut spool, start, &expected);
    }
}
