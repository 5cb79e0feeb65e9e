//! The broker: away, frozen, or back without what it had.

use std::time::Duration;

use neighbours::Process;
use neighbours::nats::Options;
use neighbours::process::Signal;

use crate::checker::check;
use crate::length;
use crate::world::{World, until};
use crate::writer::Writer;
use tests::chance::Chance;

/// Bytes of a line, about.
const LINE: usize = 2_000;
/// Bytes of a backlog that would be seen if it were in memory.
const BACKLOG: u64 = 10 * 1024 * 1024;
/// KiB that an outage may take beyond what was needed before, whatever the backlog: the window, and what the client holds of
/// it.
const GROWTH: u64 = 4 * 1024;

/// The most memory that the sidecar had at once, in KiB.
fn peak(sidecar: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar.id())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    peak.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_gets_the_backlog_once_and_memory_does_not_grow_with_it() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let writer = Writer::start_padded(&world.pod, length(Duration::from_millis(1), Duration::from_millis(10)), LINE);
    world.until_stored(1_000).await;
    let before = peak(&sidecar);
    world.nats.stop().await.unwrap();
    let count = writer.count();
    tokio::time::sleep(length(Duration::from_secs(5), Duration::from_secs(300))).await;
    let backlog = || (writer.count() - count) * LINE as u64;
    until("a backlog", || backlog() > BACKLOG).await;
    world.nats.start_again().await.unwrap();
    let said = writer.stop();
    world.until_stored(said.count()).await;
    let after = peak(&sidecar);
    let found = check(&world, sidecar, &said).await;
    assert_eq!((found.copies, found.late), (0, 0));
    let grown = after - before;
    eprintln!("a backlog of {} messages: {after} KiB of memory at most, {grown} more than before", said.count());
    assert!(grown < GROWTH, "{grown} KiB more than before");
    // Without optimisation the program alone is larger; there the growth is what counts.
    if !cfg!(debug_assertions) {
        assert!(after <= 8 * 1024, "{after} KiB");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_freezes_gets_everything_once() {
    let mut world = World::start().await;
    let sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world.pod, length(Duration::from_millis(1), Duration::from_millis(4)));
    for _ in 0..length(2, 4) {
        world.nats.process().signal(Signal::STOP).unwrap();
        // At full length until the client takes the broker for dead.
        tokio::time::sleep(length(Duration::from_secs(2), Duration::from_secs(45))).await;
        world.nats.process().signal(Signal::CONT).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let said = writer.stop();
    let found = check(&world, sidecar, &said).await;
    assert_eq!(found.copies, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_lost_is_told_with_what_it_had_and_everything_else_is_there_once() {
    let mut chance = Chance::new("lost stream");
    let directory = tempfile::TempDir::new().unwrap();
    let options = Options { directory: Some(directory.path().to_owned()), ..Options::default() };
    let mut world = World::start_with(options).await;
    let sidecar = world.sidecar(&[]).await;
    let writer = Writer::start(&world.pod, Duration::from_millis(1));
    world.until_stored(200 + chance.below(300)).await;
    // From now on what the broker acknowledges is nowhere but in its stream.
    world.stop_replica().await;
    let published = world.metric("published_messages_total");
    let more = 200 + chance.below(300);
    until("more messages", || world.metric("published_messages_total") > published + more).await;
    world.nats.kill().unwrap();
    std::fs::remove_dir_all(directory.path().join("store")).unwrap();
    // What is said now nobody has but the sidecar.
    tokio::time::sleep(Duration::from_millis(chance.below(1_000))).await;
    world.nats.start_again().await.unwrap();
    world.set_up().await;
    world.start_replica().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let said = writer.stop();
    let found = check(&world, sidecar, &said).await;
    assert!(found.lost >= more, "{} records were lost, {more} at least had been acknowledged", found.lost);
    assert_eq!(world.number("SELECT count(DISTINCT epoch) FROM workflow_comms.agent_messages").await, 2);
}
