//! Files that are cut and written anew about when the process dies.

use std::fs;

use super::cases::append;
use super::world::{Setup, World};

fn replaced(label: &str) -> (String, String, u64) {
    ("file_replaced".to_owned(), label.to_owned(), 0)
}

/// A process that comes after finds this in place of what was there.
fn restart_with(world: &mut World, arrived: usize, anew: &str) {
    world.crash(arrived);
    fs::write(world.log("a"), anew).unwrap();
    world.start();
    world.look();
    world.settle();
    world.finish();
    world.check_numbers();
}

#[test]
fn what_was_sent_and_not_acknowledged_is_of_another_life_than_what_is_there_after_a_crash() {
    for arrived in 0..3 {
        let mut world = World::new(Setup::default());
        append(&world.log("a"), "one\ntwo\n");
        world.look();
        world.send(100);
        restart_with(&mut world, arrived, "three\nfour\n");
        let said = [&["one", "two"][..arrived], &["three", "four"]].concat();
        assert_eq!((world.said(), world.gaps()), (said.iter().map(ToString::to_string).collect(), vec![replaced("a")]));
    }
}

#[test]
fn what_was_read_last_is_of_another_life_also_where_the_acknowledged_bytes_are_the_same() {
    let mut world = World::new(Setup::default());
    append(&world.log("a"), "same\n");
    world.look();
    world.settle();
    append(&world.log("a"), "two\n");
    world.look();
    world.send(100);
    world.save();
    restart_with(&mut world, 1, "same\nother\n");
    assert_eq!((world.said(), world.gaps()), (["same", "two", "same", "other"].map(str::to_owned).into(), vec![replaced("a")]));
}

#[test]
fn the_beginning_of_a_line_that_ends_with_its_life_is_not_taken_for_the_next_life_s() {
    let mut world = World::new(Setup::default());
    append(&world.log("a"), "begun");
    world.look();
    world.send(100);
    fs::write(world.log("a"), "anew").unwrap();
    world.look();
    while !world.process.as_ref().unwrap().made.contains("begun") {
        assert!(world.send(1));
    }
    restart_with(&mut world, 1, "other\n");
    assert_eq!(world.said(), ["begun", "other"]);
}

#[test]
fn a_file_that_only_grows_is_the_same_after_a_crash() {
    let mut world = World::new(Setup::default());
    append(&world.log("a"), "one\ntw");
    world.look();
    world.send(100);
    restart_with(&mut world, 1, "one\ntwo\nthree\n");
    assert_eq!((world.said(), world.gaps()), (["one", "two", "three"].map(str::to_owned).into(), vec![]));
}

#[test]
fn a_file_that_was_cut_and_is_gone_before_it_is_opened_again_is_told() {
    for acknowledged in [0, usize::MAX] {
        let mut world = World::new(Setup { open: 1, ..Setup::default() });
        append(&world.log("a"), "one\n");
        world.look();
        world.send(100);
        world.acknowledge(acknowledged);
        world.save();
        world.crash(0);
        let aside = world.directory.path().join("aside");
        fs::rename(world.log("a"), &aside).unwrap();
        append(&world.log("b"), "other\n");
        world.start();
        world.look();
        // The other file is open, and has its turn before.
        fs::write(&aside, "").unwrap();
        fs::rename(&aside, world.log("a")).unwrap();
        world.search();
        fs::remove_file(world.log("a")).unwrap();
        world.finish();
        assert_eq!(world.gaps(), [("file_missing".to_owned(), "a".to_owned(), 0)]);
    }
}

#[test]
fn files_that_begin_together_are_written_down_together_and_once() {
    let mut world = World::new(Setup::default());
    for number in 0..20 {
        append(&world.log(&number.to_string()), "one\n");
    }
    world.look();
    world.settle();
    assert_eq!((world.said().len(), world.syncs), (20, 2), "once when they are found, once when they are read");
    for number in 0..20 {
        append(&world.log(&number.to_string()), "two\n");
    }
    world.look();
    world.settle();
    assert_eq!((world.said().len(), world.syncs), (40, 2));
}
