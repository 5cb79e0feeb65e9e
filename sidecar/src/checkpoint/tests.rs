use proptest::prelude::*;
use tempfile::TempDir;

use super::{Checkpoint, FILE, FileIdentity, Found, Mark, Place, SourceRecord, Store};

fn checkpoint(offset: u64) -> Checkpoint {
    let source = SourceRecord {
        label: "main:/logs/a.log".to_owned(),
        container: Some("main".to_owned()),
        generation: 2,
        place: Place { offset, before: 7, ..Place::default() },
        file: Some(FileIdentity { device: 1, inode: 2, born: Some(3) }),
        cut: None,
        read: Some(Mark { offset: offset.saturating_add(1), before: 8 }),
    };
    Checkpoint { generations: [(source.label.clone(), 2)].into(), sources: vec![source], ..Checkpoint::default() }
}

fn files(directory: &TempDir) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_saved_is_loaded() {
    let directory = TempDir::new().unwrap();
    let store = Store::new(directory.path());
    assert!(matches!(store.load(1).unwrap(), Found::Nothing));
    store.save(&checkpoint(1)).unwrap();
    store.save(&checkpoint(u64::MAX)).unwrap();
    let Found::Checkpoint(found) = store.load(1).unwrap() else { panic!("not found") };
    assert_eq!(found, checkpoint(u64::MAX));
    assert_eq!(files(&directory), [FILE]);
}

#[test]
fn what_was_written_before_files_had_marks_is_loaded() {
    let directory = TempDir::new().unwrap();
    let written = r#"{"sources":[{"label":"main:/logs/a.log","container":"main","generation":2,"offset":1,
        "state":{"version":"1","seq":0,"parser":{}},"before":7,"file":{"device":1,"inode":2,"born":3},"cut":null}],
        "generations":{"main:/logs/a.log":2},"pod_uid":null,"steps":{}}"#;
    let line = format!("agent-comms-checkpoint 1 {:08x}\n", crc32fast::hash(written.as_bytes()));
    std::fs::write(directory.path().join(FILE), line + written).unwrap();
    let Found::Checkpoint(found) = Store::new(directory.path()).load(1).unwrap() else { panic!("not used") };
    let mut expected = checkpoint(1);
    expected.sources[0].read = None;
    assert_eq!(found, expected);
}

#[test]
fn a_newer_version_is_set_aside_with_a_reason_that_names_it() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join(FILE), "agent-comms-checkpoint 2 what comes is not known\n").unwrap();
    let Found::Unusable(reason) = Store::new(directory.path()).load(5).unwrap() else { panic!("used") };
    assert!(reason.starts_with("it has format version 2"), "{reason}");
    assert_eq!(files(&directory), ["checkpoint.set-aside-5"]);
}

#[test]
fn a_clock_that_ran_back_moves_nothing_onto_what_was_set_aside() {
    let directory = TempDir::new().unwrap();
    for content in ["one", "other"] {
        std::fs::write(directory.path().join(FILE), content).unwrap();
        assert!(matches!(Store::new(directory.path()).load(5).unwrap(), Found::Unusable(_)));
    }
    assert_eq!(files(&directory), ["checkpoint.set-aside-5", "checkpoint.set-aside-6"]);
    assert_eq!(std::fs::read_to_string(directory.path().join("checkpoint.set-aside-5")).unwrap(), "one");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_one_is_set_aside_and_never_believed(at in any::<prop::sample::Index>(), flip in 1_u8.., keep in any::<bool>()) {
        let directory = TempDir::new().unwrap();
        let store = Store::new(directory.path());
        store.save(&checkpoint(1)).unwrap();
        let path = directory.path().join(FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        if keep { bytes[at] ^= flip } else { bytes.truncate(at) }
        std::fs::write(&path, bytes).unwrap();
        match store.load(9).unwrap() {
            Found::Unusable(_) => prop_assert_eq!(files(&directory), ["checkpoint.set-aside-9"]),
            // A changed digit of the version can still be a version that is read, and a hex digit may change its case.
            Found::Checkpoint(found) => prop_assert_eq!(found, checkpoint(1)),
            Found::Nothing => prop_assert!(false, "lost"),
        }
    }
}
