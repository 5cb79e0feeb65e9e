use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use records::Rules;

use super::world::{Setup, World};

pub(super) fn append(path: &Path, text: &str) -> File {
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Looks, sends and gets everything answered, twice: what is written down at first comes then.
fn go_on(world: &mut World) {
    for _ in 0..2 {
        world.look();
        world.settle();
    }
}

fn lets_go() -> Setup {
    Setup { deleted_idle: Duration::ZERO, ..Setup::default() }
}

#[test]
fn a_deleted_file_is_told_to_its_end_before_it_is_let_go() {
    let mut world = World::new(lets_go());
    append(&world.log("a"), "one\npartial");
    go_on(&mut world);
    assert_eq!(world.said(), ["one"]);
    fs::remove_file(world.log("a")).unwrap();
    go_on(&mut world);
    assert_eq!(world.said(), ["one", "partial"]);
    assert_eq!(world.ends(), [("a".to_owned(), true)]);
    world.save();
    assert_eq!(world.saved().unwrap().sources.iter().filter(|record| record.file.is_some()).count(), 0);
    world.finish();
    assert_eq!(world.gaps(), []);
}

#[test]
fn nothing_is_cut_by_time_while_that_cannot_be_written_down() {
    let mut world = World::new(lets_go());
    append(&world.log("a"), "one\npartial");
    go_on(&mut world);
    world.can_save = false;
    world.save();
    fs::remove_file(world.log("a")).unwrap();
    go_on(&mut world);
    assert_eq!((world.said(), world.ends()), (vec!["one".to_owned()], vec![]));
    world.can_save = true;
    world.save();
    go_on(&mut world);
    assert_eq!(world.said(), ["one", "partial"]);
}

#[test]
fn a_cut_by_time_is_made_at_the_same_place_after_a_crash() {
    for arrived in [0, 1] {
        let mut world = World::new(Setup::default());
        let rules = Rules::parse("[lines]\nstart = '^\\S'\nwait_ms = 500\n").unwrap();
        world.rules = Arc::new(rules);
        world.crash(0);
        world.start();
        append(&world.log("a"), "head\n  tail\n  beg");
        world.look();
        world.settle();
        assert_eq!(world.said(), Vec::<String>::new());
        // Until the cut is on disk and its message on its way.
        while world.process.as_ref().unwrap().made.is_empty() {
            std::thread::yield_now();
            world.look();
            world.send(1);
        }
        world.crash(arrived);
        append(&world.log("a"), "inning\nnext\n");
        world.start();
        world.look();
        world.settle();
        world.finish();
        assert_eq!(world.said(), ["head\n  tail", "  beginning", "next"]);
        world.check_numbers();
    }
}

#[test]
fn a_file_that_comes_at_the_very_end_is_read() {
    let mut world = World::new(Setup::default());
    append(&world.log("a"), "early\n");
    world.process.as_mut().unwrap().reader.finish();
    world.look();
    world.send(1);
    append(&world.log("b"), "late");
    world.finish();
    assert_eq!(world.said(), ["early", "late"]);
    assert_eq!(world.ends().len(), 3, "both and the spool");
}

#[test]
fn a_hole_that_a_writer_leaves_is_skipped_and_counted() {
    let mut world = World::new(Setup::default());
    let path = world.log("a");
    let mut writer = File::create(&path).unwrap();
    writer.write_all(&[b'x'; 5_000]).unwrap();
    writer.write_all(b"\n").unwrap();
    go_on(&mut world);
    fs::write(&path, "").unwrap();
    writer.write_all(b"after\n").unwrap();
    go_on(&mut world);
    world.finish();
    assert_eq!(world.said()[1..], ["after"]);
    assert_eq!(world.gaps(), [("file_replaced".to_owned(), "a".to_owned(), 0)]);
    let end = world.stream.iter().find(|body| body["kind"] == "source-end" && body["container"] == "main").unwrap();
    assert_eq!(end["attrs"]["nul_bytes"], 5_001);
    assert_eq!(end["source"]["generation"], 2);
}

#[test]
fn what_was_there_and_is_cut_away_unread_is_counted_in_the_gap() {
    let mut world = World::new(Setup::default());
    append(&world.log("a"), "one\n");
    go_on(&mut world);
    append(&world.log("a"), "never read\n");
    world.look();
    fs::write(world.log("a"), "").unwrap();
    go_on(&mut world);
    assert_eq!(world.gaps(), [("file_replaced".to_owned(), "a".to_owned(), 11)]);
}

#[test]
fn what_changed_while_nobody_ran_is_told() {
    let mut world = World::new(Setup::default());
    append(&world.log("cut"), "one\n");
    append(&world.log("gone"), "two\n");
    append(&world.log("same"), "three\n");
    go_on(&mut world);
    world.save();
    world.crash(0);
    fs::write(world.log("cut"), "anew\n").unwrap();
    fs::remove_file(world.log("gone")).unwrap();
    world.start();
    go_on(&mut world);
    world.finish();
    let mut said = world.said();
    said.sort();
    assert_eq!(said, ["anew", "one", "three", "two"]);
    let gap = |reason: &str, label: &str| (reason.to_owned(), label.to_owned(), 0);
    assert_eq!(world.gaps(), [gap("file_replaced", "cut"), gap("file_missing", "gone")]);
    world.check_numbers();
}

#[test]
fn identical_heads_do_not_make_two_files_one() {
    let mut world = World::new(Setup::default());
    append(&world.log("a"), "same\nsame\n");
    go_on(&mut world);
    world.save();
    world.crash(0);
    fs::rename(world.log("a"), world.log("a.1")).unwrap();
    append(&world.log("a"), "same\nsame\nsame\n");
    world.start();
    go_on(&mut world);
    world.finish();
    assert_eq!(world.said().len(), 5);
    assert_eq!(world.gaps(), []);
    world.check_numbers();
}

#[test]
fn another_file_with_the_inode_of_a_deleted_one_is_read_from_its_start() {
    let mut world = World::new(Setup::default());
    let path = world.log("a");
    let mut reused = false;
    for _ in 0..200 {
        let inode = append(&path, "same\n").metadata().unwrap().ino();
        go_on(&mut world);
        world.save();
        world.crash(0);
        fs::remove_file(&path).unwrap();
        reused |= append(&path, "same\nmore\n").metadata().unwrap().ino() == inode;
        world.start();
        go_on(&mut world);
        world.crash(0);
        fs::remove_file(&path).unwrap();
        world.start();
        if reused {
            break;
        }
    }
    world.finish();
    let more = world.said().iter().filter(|line| *line == "more").count();
    let same = world.said().iter().filter(|line| *line == "same").count();
    assert_eq!(same, 2 * more, "the file system {} inodes again", if reused { "uses" } else { "does not use" });
    world.check_numbers();
}

#[test]
fn what_cannot_be_read_is_tried_again_and_told_as_incomplete_at_the_end() {
    // The kernel gives this file a size, and an error to who reads it.
    let unreadable = Path::new("/sys/class/net/lo/speed");
    assert!(fs::read(unreadable).is_err() && fs::metadata(unreadable).is_ok_and(|metadata| metadata.len() > 0));
    let mut world = World::new(Setup::default());
    symlink(unreadable, world.log("bad")).unwrap();
    append(&world.log("good"), "one\n");
    go_on(&mut world);
    world.finish();
    assert_eq!(world.said(), ["one"]);
    let mut ends = world.ends();
    ends.sort();
    assert_eq!(ends, [("bad".to_owned(), false), ("good".to_owned(), true), ("spool".to_owned(), true)]);
    assert_eq!(world.gaps(), [], "an error that may pass makes no new generation");
}

#[test]
fn more_files_than_may_be_open_are_all_read_and_read_on_under_any_name() {
    let mut world = World::new(Setup { open: 2, ..Setup::default() });
    for number in 0..9 {
        append(&world.log(&number.to_string()), &format!("first {number}\n"));
    }
    go_on(&mut world);
    assert_eq!(world.said().len(), 9);
    assert_eq!(world.open_files(), 2);
    fs::rename(world.log("3"), world.log("renamed")).unwrap();
    append(&world.log("renamed"), "second 3\n");
    append(&world.log("3"), "another 3\n");
    fs::write(world.log("4"), "cut 4\n").unwrap();
    for number in [0, 5, 8] {
        append(&world.log(&number.to_string()), &format!("second {number}\n"));
    }
    for _ in 0..3 {
        go_on(&mut world);
    }
    assert_eq!(world.said().len(), 9 + 3 + 3);
    assert_eq!(world.gaps().len(), 1);
    world.finish();
    assert_eq!(world.ends().iter().filter(|(_, complete)| *complete).count(), 11);
    world.check_numbers();
}

#[test]
fn tiny_files_and_bytes_that_are_no_text_are_sent() {
    let mut world = World::new(Setup::default());
    File::create(world.log("empty")).unwrap();
    append(&world.log("tiny"), "x");
    File::create(world.log("bytes")).unwrap().write_all(b"a\xFFb\n").unwrap();
    let mut seeker = File::create(world.log("seeker")).unwrap();
    seeker.seek(SeekFrom::Start(3)).unwrap();
    seeker.write_all(b"y\n").unwrap();
    world.finish();
    let mut said = world.said();
    said.sort();
    assert_eq!(said, ["a\u{FFFD}b", "x", "y"]);
    assert_eq!(world.ends().len(), 5);
}
