//! What is told when the step is over while this process goes on.

use std::fs;
use std::time::{Duration, Instant};

use super::cases::append;
use super::world::{Setup, World};

/// Looks for changes, sends and gets everything answered until this is so.
#[track_caller]
fn until(world: &mut World, is_so: impl Fn(&World) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so(world) {
        assert!(Instant::now() < deadline, "it does not come to this");
        let process = world.process.as_mut().unwrap();
        process.reader.discover(&mut process.ledger);
        world.settle();
        std::thread::yield_now();
    }
}

fn end_step(world: &mut World) {
    world.process.as_mut().unwrap().ledger.step_ended("main", 0, (0, 0));
    until(world, |world| kinds(world).contains(&"step-end".to_owned()));
}

/// The kinds of what the stream has, in its order.
fn kinds(world: &World) -> Vec<String> {
    world.stream.iter().map(|body| body["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_file_that_is_missing_is_told_before_the_end_of_the_step_and_once() {
    let mut world = World::new(Setup::default());
    append(&world.log("a"), "one\n");
    append(&world.log("b"), "two\n");
    world.look();
    world.settle();
    world.save();
    world.crash(0);
    fs::remove_file(world.log("b")).unwrap();
    world.start();
    end_step(&mut world);
    world.finish();
    assert_eq!(world.gaps(), [("file_missing".to_owned(), "b".to_owned(), 0)]);
    assert_eq!(kinds(&world).last().unwrap(), "step-end");
    assert_eq!(world.saved().unwrap().sources.iter().filter(|record| record.label.ends_with("/b")).count(), 0);
}

#[test]
fn a_file_that_comes_back_after_it_was_told_as_missing_is_read_on() {
    let mut world = World::new(Setup::default());
    append(&world.log("a"), "one\n");
    world.look();
    world.settle();
    world.save();
    world.crash(0);
    let aside = world.directory.path().join("aside");
    fs::rename(world.log("a"), &aside).unwrap();
    world.start();
    end_step(&mut world);
    append(&aside, "two\n");
    fs::rename(&aside, world.log("a")).unwrap();
    world.finish();
    assert_eq!(world.said(), ["one", "two"]);
    assert_eq!(world.gaps().len(), 1);
    world.check_numbers();
}

#[test]
fn a_file_that_cannot_be_opened_is_told_before_the_end_of_the_step_and_once() {
    let mut world = World::new(Setup::default());
    // The kernel lets nobody read this file, and gives it a size.
    let unreadable = std::path::Path::new("/sys/bus/platform/uevent");
    assert!(fs::File::open(unreadable).is_err() && unreadable.is_file());
    std::os::unix::fs::symlink(unreadable, world.log("unreadable")).unwrap();
    end_step(&mut world);
    world.finish();
    assert_eq!(world.gaps().iter().map(|(reason, ..)| reason.as_str()).collect::<Vec<_>>(), ["file_unreadable"]);
    assert_eq!(kinds(&world).last().unwrap(), "step-end");
}

#[test]
fn a_source_that_was_told_to_be_at_its_end_is_not_told_so_again_when_it_is_let_go() {
    let mut world = World::new(Setup { deleted_idle: Duration::from_millis(100), ..Setup::default() });
    append(&world.log("a"), "one\n");
    let inode = world.inode("a");
    until(&mut world, |world| !world.said().is_empty());
    end_step(&mut world);
    fs::remove_file(world.log("a")).unwrap();
    until(&mut world, |world| world.place(inode).is_none());
    world.finish();
    assert_eq!(world.ends().iter().filter(|(label, _)| label == "a").count(), 1);
}
