//! Files that were closed because no more may be open, and what becomes of them before they are opened again.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use super::cases::append;
use super::world::{Setup, World};

/// Looks for changes, sends and gets everything answered, twice: what is written down at first comes then.
fn go_on(world: &mut World) {
    for _ in 0..2 {
        world.search();
        world.settle();
    }
}

fn one_open() -> World {
    World::new(Setup { open: 1, ..Setup::default() })
}

fn missing(label: &str, bytes: u64) -> (String, String, u64) {
    ("file_missing".to_owned(), label.to_owned(), bytes)
}

/// A file with this text that was read and then closed for another.
fn with_closed(text: &str) -> World {
    let mut world = one_open();
    append(&world.log("a"), text);
    go_on(&mut world);
    append(&world.log("b"), "other\n");
    go_on(&mut world);
    assert!(!world.is_open(world.inode("a")));
    world
}

#[test]
fn a_file_whose_name_has_just_gone_is_not_closed_for_another() {
    let mut world = one_open();
    let target = world.directory.path().join("target");
    append(&target, "one\n");
    symlink(&target, world.log("a")).unwrap();
    append(&world.log("b"), "other\n");
    go_on(&mut world);
    append(&target, "two\n");
    go_on(&mut world);
    assert!(world.is_open(world.inode("a")));
    // The search that finds that the other file has grown still sees the name of this one.
    append(&world.log("b"), "more\n");
    world.search();
    fs::remove_file(world.log("a")).unwrap();
    world.settle();
    append(&target, "three\n");
    go_on(&mut world);
    world.finish();
    let mut said = world.said();
    said.sort();
    assert_eq!(said, ["more", "one", "other", "three", "two"]);
    assert_eq!(world.gaps(), []);
    assert_eq!(world.ends().iter().filter(|(_, complete)| *complete).count(), 3);
}

#[test]
fn a_file_without_a_name_does_not_keep_another_waiting_for_ever() {
    let mut world = World::new(Setup { open: 1, deleted_idle: Duration::ZERO, ..Setup::default() });
    let target = world.directory.path().join("target");
    append(&target, "one\npart");
    symlink(&target, world.log("a")).unwrap();
    go_on(&mut world);
    fs::remove_file(world.log("a")).unwrap();
    append(&world.log("b"), "other\n");
    for _ in 0..3 {
        go_on(&mut world);
    }
    assert_eq!(world.said(), ["one", "other", "part"]);
    assert_eq!(world.ends(), [("a".to_owned(), false)]);
    assert_eq!(world.gaps(), []);
}

#[test]
fn the_beginning_of_a_line_of_a_closed_file_is_told_when_the_file_is_gone() {
    let mut world = with_closed("one\npart");
    assert_eq!(world.said(), ["one", "other"]);
    fs::remove_file(world.log("a")).unwrap();
    for _ in 0..3 {
        go_on(&mut world);
    }
    assert_eq!(world.said(), ["one", "other", "part"]);
    assert_eq!(world.gaps(), []);
    assert_eq!(world.ends(), [("a".to_owned(), false)]);
    world.finish();
    world.check_numbers();
}

#[test]
fn the_beginning_of_a_line_of_a_closed_file_is_told_when_the_file_is_written_anew() {
    // From its first byte on, and after a line: there the bytes before the place to go on from are the same.
    for (text, anew) in [("part", "anew\n"), ("one\npart", "one\nanew\n")] {
        let mut world = with_closed(text);
        fs::write(world.log("a"), anew).unwrap();
        go_on(&mut world);
        let said = world.said();
        assert_eq!((said.iter().filter(|line| *line == "part").count(), said.last().unwrap().as_str()), (1, "anew"));
        assert_eq!(world.gaps(), [("file_replaced".to_owned(), "a".to_owned(), 0)]);
        world.finish();
        world.check_numbers();
    }
}

#[test]
fn the_beginning_of_a_line_of_a_closed_file_is_told_with_its_end() {
    let mut world = with_closed("one\npart");
    append(&world.log("a"), "ed\n");
    go_on(&mut world);
    assert_eq!(world.said(), ["one", "other", "parted"]);
    world.finish();
    world.check_numbers();
}

#[test]
fn what_was_seen_of_a_closed_file_and_never_read_is_told_as_a_gap() {
    let mut world = with_closed("one\n");
    append(&world.log("a"), "never read\n");
    world.search();
    fs::remove_file(world.log("a")).unwrap();
    for _ in 0..3 {
        go_on(&mut world);
    }
    assert_eq!(world.said(), ["one", "other"]);
    assert_eq!(world.gaps(), [missing("a", 11)]);
    world.finish();
    assert_eq!(world.gaps(), [missing("a", 11)]);
}

#[test]
fn a_file_that_was_found_and_never_opened_is_told_as_a_gap() {
    let mut world = one_open();
    append(&world.log("a"), "one\n");
    append(&world.log("b"), "two\n");
    world.search();
    fs::remove_file(world.log("a")).unwrap();
    fs::remove_file(world.log("b")).unwrap();
    for _ in 0..3 {
        go_on(&mut world);
    }
    let (said, never) = if world.said() == ["one"] { ("one", "b") } else { ("two", "a") };
    assert_eq!((world.said(), world.gaps()), (vec![said.to_owned()], vec![missing(never, 4)]));
}

#[test]
fn a_closed_file_that_is_renamed_between_the_last_search_and_its_turn_is_read() {
    let mut world = with_closed("one\n");
    append(&world.log("a"), "two\n");
    append(&world.log("b"), "three\nfour\n");
    world.process.as_mut().unwrap().reader.finish();
    assert!(world.send(1));
    let closed = if world.is_open(world.inode("a")) { "b" } else { "a" };
    fs::rename(world.log(closed), world.log("renamed")).unwrap();
    world.finish();
    let mut said = world.said();
    said.sort();
    assert_eq!(said, ["four", "one", "other", "three", "two"]);
    assert_eq!(world.gaps(), []);
    world.check_numbers();
}

#[test]
fn a_closed_file_that_is_deleted_between_the_last_search_and_its_turn_is_told_as_a_gap() {
    let mut world = with_closed("one\npart");
    append(&world.log("b"), "three\nfour\n");
    append(&world.log("a"), "ing\n");
    world.process.as_mut().unwrap().reader.finish();
    assert!(world.send(1));
    assert!(!world.is_open(world.inode("a")));
    fs::remove_file(world.log("a")).unwrap();
    world.finish();
    assert_eq!(world.said(), ["one", "other", "three", "four", "part"]);
    assert_eq!(world.gaps(), [missing("a", 4)]);
    world.check_numbers();
}
