//! The memory of a real replica while one of its neighbours is away: bounded, and flat for as long as that lasts. Ten minutes
//! each with `AGENT_COMMS_SOAK`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use neighbours::Postgres;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::viewer::{Told, Viewer};
use crate::world::{DEADLINE, Replica, World};

const MESSAGES: &str = "SELECT count(*) FROM workflow_comms.agent_messages";
const SUBJECT: &str = "workflow.demo.build.u-1.agent.a.message";
/// How much of what is measured is chance: pages that the allocator has not given back yet.
const CHANCE: u64 = 48 << 20;
/// Half of what its container may use, and chance; the other half is for 5,000 open streams.
const MOST: u64 = (256 << 20) + CHANCE;

/// How long a neighbour is away.
fn outage() -> Duration {
    if is_soak() { Duration::from_secs(600) } else { Duration::from_secs(12) }
}

/// Between eight messages and the next: some 25 MiB a second, or 3, so that what is said in ten minutes is also stored in a
/// while.
fn pause() -> Duration {
    if is_soak() { Duration::from_secs(1) } else { Duration::from_millis(120) }
}

fn is_soak() -> bool {
    std::env::var_os("AGENT_COMMS_SOAK").is_some()
}

/// A line of the kernel's account of a process, in bytes.
fn account(replica: &Replica, name: &str) -> u64 {
    let path = format!("/proc/{}/status", replica.child.id().expect("it runs"));
    let status = std::fs::read_to_string(path).expect("the account of a process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    let kibibytes: u64 = line.trim_matches([':', '\t', ' ', 'k', 'B']).parse().expect("a number");
    kibibytes << 10
}

/// What fills everything that is bounded, on a machine however slow: the ring, and what is held until it is stored.
const FILLING: i64 = 400;

/// Publishes large messages until it was long enough, and there are so many: some are shortened in lists, some are the largest
/// that are not.
async fn publish_for(world: &World, duration: Duration, least: i64, published: &mut i64) {
    let (start, words) = (Instant::now(), "0123456789abcdef".repeat(700 << 6));
    let mut at_once = Vec::new();
    while start.elapsed() < duration || *published < least {
        let length = if *published % 4 == 0 { 700 << 10 } else { 250 << 10 };
        let body = serde_json::json!({ "content": format!("{published} {}", &words[..length]) }).to_string();
        at_once.push(world.jetstream.publish(SUBJECT, body.into()).await.expect("published"));
        *published += 1;
        if at_once.len() == 8 {
            for ack in at_once.drain(..) {
                ack.await.expect("acknowledged");
            }
            tokio::time::sleep(pause()).await;
        }
    }
    for ack in at_once {
        ack.await.expect("acknowledged");
    }
}

/// Waits until viewers have everything that was published, none of it stored, for as long as they come nearer: it is much.
async fn until_told(viewers: &[Viewer], published: i64) {
    let last = |told: &Told| told.messages.last().map_or(0, |last| last.sequence);
    for viewer in viewers {
        let mut reached = 0;
        while reached < published {
            reached = last(&viewer.until("more of what is unstored", |told| last(told) > reached).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_and_flat_while_postgresql_or_nats_is_away() {
    let mut postgres = Postgres::start(neighbours::postgres::Options::default()).await.expect("postgresql");
    let mut world = World::with_postgres(&postgres).await;
    let mut replica = world.replica("memory");
    let api: SocketAddr = replica.api().await.parse().expect("an address");
    let mut published = 0;
    publish_for(&world, Duration::from_millis(500), 0, &mut published).await;
    world.until(MESSAGES, published).await;
    let before = account(&replica, "VmHWM");
    // What is stored is read from the table alone, where the watermark says so; above it nothing is.
    let cursors = [format!("1.{published}"), format!("1.{}", published + 1)];

    postgres.stop().await.expect("stopped");
    publish_for(&world, outage() / 2, FILLING, &mut published).await;
    // Viewers who are behind read from the stream what left the ring. When they have it all, everything is as full as it gets.
    let viewers = [Viewer::start(api, Some(&cursors[0])).await, Viewer::start(api, Some(&cursors[1])).await];
    until_told(&viewers, published).await;
    let middle = account(&replica, "VmHWM");
    publish_for(&world, outage() / 2, 0, &mut published).await;
    until_told(&viewers, published).await;
    let without_postgres = account(&replica, "VmHWM");
    postgres.start_again().await.expect("started");
    world.sql = postgres.connect(&world.database).await.expect("a connection");
    world.until_within(MESSAGES, published, DEADLINE + outage()).await;
    world.until_acknowledged().await;
    let stored = account(&replica, "VmHWM");
    drop(viewers);

    world.nats.stop().await.expect("stopped");
    let (start, mut most) = (Instant::now(), 0);
    while start.elapsed() < outage() {
        most = most.max(account(&replica, "VmRSS"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.nats.start_again().await.expect("started");
    world.reconnected().await;
    publish_for(&world, Duration::from_millis(500), 0, &mut published).await;
    world.until(MESSAGES, published).await;
    let after = account(&replica, "VmHWM");
    let figures = [before, middle, without_postgres, stored, most, after].map(|bytes| bytes >> 20);
    eprintln!(
        "memory: {published} messages of 250 and 700 KiB; MiB before, in the middle and at the end of an outage of PostgreSQL of \
         {} s, when all is stored, while NATS is away, at the end: {figures:?}",
        outage().as_secs()
    );
    assert!(after < MOST, "{figures:?} MiB");
    assert!(without_postgres < middle + CHANCE, "{figures:?} MiB");
    assert!(after < stored + CHANCE, "{figures:?} MiB");
    assert!(replica.child.try_wait().expect("a status").is_none(), "the replica ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_run_is_exported_in_the_memory_of_a_short_one() {
    const ROWS: u32 = 20_000;
    let world = World::start().await;
    let mut replica = world.replica("export");
    let api: SocketAddr = replica.api().await.parse().expect("an address");
    for first in (0..ROWS).step_by(1_000) {
        world.publish_numbered(first..first + 1_000).await;
    }
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", ROWS.into()).await;
    // Longer than they were when they were stored: what is measured is reading.
    let sql = "UPDATE workflow_comms.agent_messages SET content = content || ' ' || repeat('x', 8000)";
    world.sql.execute(sql, &[]).await.expect("longer rows");
    let before = account(&replica, "VmHWM");

    let mut stream = TcpStream::connect(api).await.expect("connected");
    let request = "GET /api/agents/runs/u-1/export.jsonl HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut lines = BufReader::with_capacity(1 << 16, stream).lines();
    let (mut bytes, mut numbers) = (0_u64, 0..ROWS);
    while let Some(line) = tokio::time::timeout(DEADLINE, lines.next_line()).await.expect("in time").expect("read") {
        if line.starts_with('{') {
            let number = numbers.next().expect("no more than there are");
            assert!(line.contains(&format!("\"number {number} xxx")), "number {number} is missing");
            bytes += line.len() as u64;
        }
    }
    assert!(numbers.is_empty(), "the export ends before {numbers:?}");
    let after = account(&replica, "VmHWM");
    eprintln!("memory: {} MiB exported; {} MiB before, {} MiB at most", bytes >> 20, before >> 20, after >> 20);
    assert!(bytes > 3 * CHANCE, "{bytes} bytes are too few to tell");
    assert!(after < before + CHANCE, "{} MiB before, {} MiB at most", before >> 20, after >> 20);
    assert!(replica.child.try_wait().expect("a status").is_none(), "the replica ended");
}
