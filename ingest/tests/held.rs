//! Copies that were sent again are decided when everything below them is, whoever holds what.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;

use crate::viewer::Viewer;
use crate::world::{Replica, World};

const MESSAGES: &str = "SELECT count(*) FROM workflow_comms.agent_messages";
const WATERMARK: &str = "SELECT watermark FROM workflow_comms.stream_epochs";

/// Replicas that gather copies: those whose sessions have the lock.
const PLACES: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = 1633878021 \
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Publishes numbered messages marked as sent again, whether they were sent before or not.
async fn publish_marked(world: &World, range: std::ops::Range<u32>) {
    let mut headers = HeaderMap::new();
    headers.insert(message::RESEND_HEADER, "1");
    let mut acks = Vec::new();
    for number in range {
        let subject = "workflow.demo.build.u-1.agent.a.message";
        let id = message::id::of_foreign(subject, &number.to_string());
        let body = format!(r#"{{"v":1,"id":"{id}","content":"number {number}","step_id":"s","agent_id":"a"}}"#);
        let sent = world.jetstream.publish_with_headers(subject, headers.clone(), body.into()).await;
        acks.push(sent.expect("published"));
    }
    for ack in acks {
        ack.await.expect("acknowledged");
    }
}

async fn publish_original(world: &World, number: u32) -> i64 {
    let subject = "workflow.demo.build.u-1.agent.a.message";
    let id = message::id::of_foreign(subject, &number.to_string());
    let body = format!(r#"{{"v":1,"id":"{id}","content":"number {number}","step_id":"s","agent_id":"a"}}"#);
    i64::try_from(world.publish(subject, &body).await).expect("a sequence")
}

/// Sequences of the rows, in order.
async fn rows(world: &World) -> Vec<i64> {
    let sql = "SELECT stream_seq FROM workflow_comms.agent_messages ORDER BY epoch, stream_seq";
    world.sql.query(sql, &[]).await.expect("rows").iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_waits_for_its_original_that_another_replica_holds() {
    for ends in ["-CONT", "-KILL"] {
        let world = World::start().await;
        world.set_ack_wait(Duration::from_secs(12)).await;
        let mut holder = world.replica("holder");
        holder.until_ready().await;
        world.publish_numbered(0..1).await;
        world.until(WATERMARK, 1).await;
        // Its request is open: it gets the original, and does nothing with it.
        holder.signal("-STOP");
        let original = publish_original(&world, 7).await;
        world.until_delivered(1).await;
        world.until_nobody_asks().await;
        let (running, stop) = world.serve().await;
        publish_marked(&world, 7..8).await;
        // What is not marked and comes after the copy is stored at once.
        world.publish_numbered(1..2).await;
        world.until(&format!("{MESSAGES} WHERE content = 'number 1'"), 1).await;
        assert_eq!(rows(&world).await, [1, original + 2], "the copy was not held");
        holder.signal(ends);
        world.until(WATERMARK, original + 2).await;
        assert_eq!(rows(&world).await, [1, original, original + 2], "after {ends}");
        assert_eq!(world.count("SELECT messages FROM workflow_comms.runs").await, 3);
        stop.cancel();
        running.wait().await.expect("stopped");
    }
}

/// The replica that gathers copies is killed with all that it holds, or hangs: they come again elsewhere, and are decided
/// there.
#[tokio::test(flavor = "multi_thread")]
async fn copies_that_a_replica_held_which_is_killed_or_hangs_are_decided_elsewhere_and_seen_once() {
    tokio::join!(decide_elsewhere("-KILL"), decide_elsewhere("-STOP"));
}

async fn decide_elsewhere(signal: &str) {
    let world = World::start().await;
    // Nothing comes again before that is wanted.
    world.set_ack_wait(Duration::from_secs(60)).await;
    let mut holder = world.replica("holder");
    holder.until_ready().await;
    world.publish_numbered(0..1).await;
    world.until(WATERMARK, 1).await;
    // As long as it holds the original, copies cannot be decided.
    holder.signal("-STOP");
    let original = publish_original(&world, 0).await;
    world.until_delivered(1).await;
    world.until_nobody_asks().await;
    let mut place = world.replica("place");
    let there = Viewer::start(api(&mut place).await, Some("1.0")).await;
    // Copies of the original, and of what is not there otherwise: the first of each is the message.
    for _ in 0..2 {
        publish_marked(&world, 0..50).await;
    }
    world.until_delivered(101).await;
    world.until(PLACES, 1).await;
    let seen = there.until("what is decided", |told| told.messages.len() == 2).await;
    let (running, stop) = world.serve().await;
    let elsewhere = Viewer::start(running.api, Some("1.0")).await;
    place.signal(signal);
    world.until(PLACES, 0).await;
    // Of what it held nothing is decided.
    assert_eq!(rows(&world).await, [1]);
    let last = there.told().messages.last().expect("messages").to_string();
    let goes_on = Viewer::start(running.api, Some(&last)).await;
    world.set_ack_wait(Duration::from_secs(5)).await;
    holder.signal("-CONT");
    world.until(WATERMARK, original + 100).await;
    let expected: Vec<i64> = [1, original].into_iter().chain(original + 2..=original + 50).collect();
    assert_eq!(rows(&world).await, expected);
    assert_eq!(world.count("SELECT messages FROM workflow_comms.runs").await, 51);
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    // Something that is decided at once, so that each has been told everything before it.
    world.publish_numbered(1..2).await;
    let end = original + 101;
    let is_told = |told: &crate::viewer::Told| told.messages.last().is_some_and(|last| last.sequence == end);
    let sequences = |told: &crate::viewer::Told| told.messages.iter().map(|cursor| cursor.sequence).collect::<Vec<_>>();
    let whole: Vec<i64> = expected.into_iter().chain([end]).collect();
    assert_eq!(sequences(&elsewhere.until("everything", is_told).await), whole);
    assert_eq!([sequences(&seen), sequences(&goes_on.until("the rest", is_told).await)].concat(), whole);
    if signal == "-STOP" {
        // It goes on, with everything long decided: nothing changes, and its own viewer is told the rest.
        place.signal("-CONT");
        assert_eq!(sequences(&there.until("the rest", is_told).await), whole);
        world.until(MESSAGES, 52).await;
        assert_eq!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    }
    stop.cancel();
    running.wait().await.expect("stopped");
}

async fn api(replica: &mut Replica) -> std::net::SocketAddr {
    replica.api().await.parse().expect("an address")
}

#[tokio::test(flavor = "multi_thread")]
async fn many_copies_are_decided_soon_although_two_replicas_share_them() {
    let world = World::start().await;
    let ((one, stop_one), (other, stop_other)) = tokio::join!(world.serve(), world.serve());
    world.publish_numbered(0..1).await;
    world.until(WATERMARK, 1).await;
    for number in 0..100 {
        publish_original(&world, number).await;
    }
    for thousand in 0..10 {
        publish_marked(&world, thousand * 1_000..(thousand + 1) * 1_000).await;
    }
    let begun = Instant::now();
    world.until(WATERMARK, 10_101).await;
    eprintln!("10,000 copies were decided {:.1} s after the last was published", begun.elapsed().as_secs_f64());
    let expected: Vec<i64> = (1..=101).chain(202..=10_101).collect();
    assert_eq!(rows(&world).await, expected);
    assert_eq!(world.count("SELECT messages FROM workflow_comms.runs").await, 10_001);
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    for (running, stop) in [(one, stop_one), (other, stop_other)] {
        stop.cancel();
        running.wait().await.expect("stopped");
    }
}
