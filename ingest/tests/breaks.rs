//! Streams that are lost, made anew or come back without their end, under replicas that run: every message is in the table
//! once, under the life of the stream that it was said in, and viewers see all of it in order.

use std::path::Path;
use std::time::Duration;

use ingest::cursor::Cursor;
use ingest::store::epochs;
use neighbours::Postgres;
use neighbours::nats::Options;

use crate::viewer::{Told, Viewer};
use crate::world::World;

const DIFFERENT: &str = "SELECT count(DISTINCT content) FROM workflow_comms.agent_messages";
const MESSAGES: &str = "SELECT count(*) FROM workflow_comms.agent_messages";
const EPOCHS: &str = "SELECT count(*) FROM workflow_comms.stream_epochs";
const SETTLED: &str = "SELECT count(*) FROM workflow_comms.stream_epochs WHERE settled";

fn of_epoch(epoch: i64) -> String {
    format!("{MESSAGES} WHERE epoch = {epoch}")
}

/// Checks that a viewer saw every row of the table from its first message on, each once, in order.
async fn check_viewer(world: &World, viewer: &Viewer, last: Cursor) {
    let Told { messages, resets, .. } = viewer.until("the last message", |told| told.messages.last() == Some(&last)).await;
    assert!(messages.is_sorted_by(|one, other| one < other), "not in order, or twice");
    let rows = world.sql.query("SELECT epoch, stream_seq FROM workflow_comms.agent_messages ORDER BY 1, 2", &[]).await;
    let rows: Vec<Cursor> = rows.expect("rows").iter().map(|row| Cursor { epoch: row.get(0), sequence: row.get(1) }).collect();
    let missing: Vec<&Cursor> = rows.iter().filter(|row| !messages.contains(row)).collect();
    assert!(missing.is_empty(), "not seen: {missing:?}");
    assert_eq!(messages.len(), rows.len(), "seen and not in the table");
    assert!(resets.is_empty(), "{resets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_made_anew_under_running_replicas_is_another_life() {
    let world = World::start().await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let ((one, stop_one), (other, stop_other)) = tokio::join!(world.serve(), world.serve());
    let viewers = [Viewer::start(one.api, Some("1.0")).await, Viewer::start(other.api, Some("1.0")).await];
    world.publish_numbered(0..300).await;
    world.until_acknowledged().await;
    for viewer in &viewers {
        viewer.until("what was said first", |told| told.messages.len() == 300).await;
    }
    world.jetstream.delete_stream("agent-comms").await.expect("deleted");
    world.set_up().await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    world.publish_numbered(300..700).await;
    world.until(DIFFERENT, 700).await;
    assert_eq!((world.count(&of_epoch(1)).await, world.count(&of_epoch(2)).await), (300, 400));
    assert_eq!(world.count(EPOCHS).await, 2);
    for viewer in &viewers {
        check_viewer(&world, viewer, Cursor { epoch: 2, sequence: 400 }).await;
    }
    world.until(SETTLED, 1).await;
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    for (running, stop) in [(one, stop_one), (other, stop_other)] {
        stop.cancel();
        running.wait().await.expect("stopped");
    }
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(status.success(), "cannot copy {}", from.display());
}

/// A stream whose store is put back to what it was 100 messages before.
struct Restored {
    directory: tempfile::TempDir,
}

impl Restored {
    fn new() -> (Self, Options) {
        let directory = tempfile::tempdir().expect("a directory");
        let options = Options { directory: Some(directory.path().to_owned()), ..Options::default() };
        (Self { directory }, options)
    }

    /// Keeps what is on the disk now.
    async fn keep(&self, world: &mut World) {
        world.nats.stop().await.expect("stopped");
        self.keep_stopped();
        world.nats.start_again().await.expect("started again");
        world.reconnected().await;
    }

    /// The same of a node that does not run.
    fn keep_stopped(&self) {
        copy(&self.directory.path().join("store"), &self.directory.path().join("kept"));
    }

    /// The node dies, and comes back with what was kept.
    async fn put_back(&self, world: &mut World) {
        world.nats.kill().expect("killed");
        self.replace(world).await;
    }

    /// The node comes back with what was kept of the messages, and with the durable as it is.
    async fn put_messages_back(&self, world: &mut World) {
        world.nats.stop().await.expect("stopped");
        let consumers = "jetstream/$G/streams/agent-comms/obs";
        let kept = self.directory.path().join("kept").join(consumers);
        std::fs::remove_dir_all(&kept).expect("removed");
        copy(&self.directory.path().join("store").join(consumers), &kept);
        self.replace(world).await;
    }

    async fn replace(&self, world: &mut World) {
        let store = self.directory.path().join("store");
        std::fs::remove_dir_all(&store).expect("removed");
        std::fs::rename(self.directory.path().join("kept"), &store).expect("put back");
        world.nats.start_again().await.expect("started again");
        world.reconnected().await;
    }
}

/// Checks that so many are of the first life, and 300 from 901 on of the second.
async fn check_two_lives(world: &World, first: i64) {
    world.until(DIFFERENT, first + 300).await;
    let lives =
        "SELECT epoch || ' from ' || first_seq || ' at ' || starts_at || ': ' || reason FROM workflow_comms.stream_epochs";
    let lives: Vec<String> = world.sql.query(lives, &[]).await.expect("rows").iter().map(|row| row.get(0)).collect();
    assert_eq!((world.count(&of_epoch(1)).await, world.count(&of_epoch(2)).await), (first, 300), "{lives:#?}");
    assert_eq!(world.count(MESSAGES).await, first + 300);
    assert_eq!(world.count("SELECT first_seq FROM workflow_comms.stream_epochs WHERE epoch = 2").await, 901);
    world.until(SETTLED, 1).await;
    assert_eq!(world.count(EPOCHS).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_comes_back_without_its_end_goes_on_in_another_life() {
    let (restored, options) = Restored::new();
    let mut world = World::with_nats(options).await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let ((one, stop_one), (other, stop_other)) = tokio::join!(world.serve(), world.serve());
    let viewers = [Viewer::start(one.api, Some("1.0")).await, Viewer::start(other.api, Some("1.0")).await];
    world.publish_numbered(0..900).await;
    world.until_acknowledged().await;
    restored.keep(&mut world).await;
    world.publish_numbered(900..1_000).await;
    world.until(DIFFERENT, 1_000).await;
    for viewer in &viewers {
        viewer.until("everything before the break", |told| told.messages.len() == 1_000).await;
    }
    restored.put_back(&mut world).await;
    world.publish_numbered(1_000..1_300).await;
    check_two_lives(&world, 1_000).await;
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    for viewer in &viewers {
        check_viewer(&world, viewer, Cursor { epoch: 2, sequence: 1_200 }).await;
    }
    for (running, stop) in [(one, stop_one), (other, stop_other)] {
        stop.cancel();
        running.wait().await.expect("stopped");
    }
}

/// The server sets a durable back that is ahead of its stream: what comes then is delivered, and not taken for acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_below_its_durable_goes_on_in_another_life() {
    let (restored, options) = Restored::new();
    let mut world = World::with_nats(options).await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..900).await;
    world.until_acknowledged().await;
    restored.keep(&mut world).await;
    world.publish_numbered(900..1_000).await;
    world.until(DIFFERENT, 1_000).await;
    world.until_acknowledged().await;
    restored.put_messages_back(&mut world).await;
    world.publish_numbered(1_000..1_300).await;
    check_two_lives(&world, 1_000).await;
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_while_postgresql_is_away_is_found_when_it_is_back() {
    let mut postgres = Postgres::start(neighbours::postgres::Options::default()).await.expect("postgresql");
    let (restored, options) = Restored::new();
    let mut world = World::with(options, &postgres).await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let ((one, stop_one), (other, stop_other)) = tokio::join!(world.serve(), world.serve());
    world.publish_numbered(0..900).await;
    world.until_acknowledged().await;
    let viewers = [Viewer::start(one.api, Some("1.900")).await, Viewer::start(other.api, Some("1.900")).await];
    for viewer in &viewers {
        viewer.until("the stream", |told| told.caught_up).await;
    }
    // Both are handed all of it by their live side alone: the durable is not bound again while the database is away.
    world.nats.stop().await.expect("stopped");
    restored.keep_stopped();
    postgres.stop().await.expect("stopped");
    world.nats.start_again().await.expect("started again");
    world.reconnected().await;
    world.publish_numbered(900..1_000).await;
    for viewer in &viewers {
        viewer.until("everything before the break", |told| told.messages.len() == 100).await;
    }
    restored.put_back(&mut world).await;
    world.publish_numbered(1_000..1_300).await;
    postgres.start_again().await.expect("started again");
    world.sql = postgres.connect(&world.database).await.expect("a connection");
    check_two_lives(&world, 900).await;
    let gone = "SELECT stream_seq || '-' || error FROM workflow_comms.dead_letters WHERE class = 'discarded'";
    let gone: Vec<String> = world.sql.query(gone, &[]).await.expect("rows").iter().map(|row| row.get(0)).collect();
    assert_eq!(gone, ["901-1000"], "what was shown and is lost is told");
    for viewer in &viewers {
        let last = Cursor { epoch: 2, sequence: 1_200 };
        let told = viewer.until("the last message", |told| told.messages.last() == Some(&last)).await;
        assert!(told.messages.is_sorted_by(|one, other| one < other), "not in order, or twice");
        assert_eq!(told.messages.len(), 400);
    }
    for (running, stop) in [(one, stop_one), (other, stop_other)] {
        stop.cancel();
        running.wait().await.expect("stopped");
    }
}

/// An acknowledgement names a sequence, and after a break that is another message.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_pulled_before_a_break_is_stored_and_acknowledges_nothing_that_came_after_it() {
    let mut postgres = Postgres::start(neighbours::postgres::Options::default()).await.expect("postgresql");
    let (restored, options) = Restored::new();
    let mut world = World::with(options, &postgres).await;
    world.set_ack_wait(Duration::from_secs(5)).await;
    world.publish_numbered(0..900).await;
    let (running, stop) = world.serve().await;
    world.until_acknowledged().await;
    restored.keep(&mut world).await;
    // The end that gets lost is pulled, and cannot be stored before it is lost.
    world.until_bound().await;
    postgres.stop().await.expect("stopped");
    world.publish_numbered(900..1_000).await;
    world.until_delivered(100).await;
    restored.put_back(&mut world).await;
    world.publish_numbered(1_000..1_300).await;
    postgres.start_again().await.expect("started again");
    world.sql = postgres.connect(&world.database).await.expect("a connection");
    check_two_lives(&world, 1_000).await;
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    stop.cancel();
    running.wait().await.expect("stopped");
}

/// A replica that is stopped over a break cannot tell anybody what it was handed: that is of no life that others know.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_stopped_replica_was_handed_before_a_break_is_never_mixed_with_what_came_after() {
    let (restored, options) = Restored::new();
    let mut world = World::with_nats(options).await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let mut stopped = world.replica("stopped");
    stopped.until_ready().await;
    world.publish_numbered(0..900).await;
    world.until_acknowledged().await;
    restored.keep(&mut world).await;
    // It has a request open again.
    world.publish_numbered(900..901).await;
    world.until(DIFFERENT, 901).await;
    world.until_acknowledged().await;
    stopped.signal("-STOP");
    world.publish_numbered(901..1_000).await;
    world.until_delivered(99).await;
    restored.put_back(&mut world).await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(1_000..1_300).await;
    world.until(&format!("{DIFFERENT} WHERE content IN ({})", texts(1_000..1_300)), 300).await;
    stopped.signal("-CONT");
    world.until_acknowledged().await;
    // Each of the 99 is a row or a dead letter with its bytes, and no position has two messages.
    let dead = "SELECT count(*) FROM workflow_comms.dead_letters WHERE class = 'late'";
    world.until(&format!("SELECT (SELECT count(DISTINCT content) FROM workflow_comms.agent_messages) + ({dead})"), 1_300).await;
    let twice =
        "SELECT count(*) FROM (SELECT FROM workflow_comms.agent_messages GROUP BY epoch, stream_seq HAVING count(*) > 1) x";
    assert_eq!(world.count(twice).await, 0);
    stop.cancel();
    running.wait().await.expect("stopped");
}

fn texts(range: std::ops::Range<u32>) -> String {
    range.map(|number| format!("'number {number}'")).collect::<Vec<_>>().join(", ")
}

/// A break that nobody could see: what came after it was taken for the old life, until a place was taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_place_is_taken_begins_another_life_whatever_was_seen_before() {
    let world = World::start().await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..10).await;
    world.until(MESSAGES, 10).await;
    world.until_acknowledged().await;
    stop.cancel();
    running.wait().await.expect("stopped");
    let taken = "CREATE TEMP TABLE taken AS SELECT * FROM workflow_comms.agent_messages WHERE stream_seq = 10; \
        UPDATE taken SET stream_seq = 11, id = gen_random_uuid(), content = 'old', stream_ts = stream_ts + interval '1 us'; \
        INSERT INTO workflow_comms.agent_messages SELECT * FROM taken; \
        UPDATE workflow_comms.stream_epochs SET seen_at = now() + interval '10 s'";
    world.sql.batch_execute(taken).await.expect("taken");
    let (running, stop) = world.serve().await;
    world.publish_numbered(10..13).await;
    world.until(DIFFERENT, 14).await;
    assert_eq!((world.count(&of_epoch(1)).await, world.count(&of_epoch(2)).await), (11, 3));
    assert_eq!(world.count("SELECT first_seq FROM workflow_comms.stream_epochs WHERE epoch = 2").await, 11);
    world.until_acknowledged().await;
    stop.cancel();
    running.wait().await.expect("stopped");
}

/// Two replicas find a break at once; the slower one must not add what it suspects to the life that the other has added.
#[tokio::test]
async fn no_life_begins_before_the_one_that_it_follows() {
    let table = crate::table::Table::new("breaks_order").await;
    let at = |sequence| message::Timestamp::new(crate::table::moment(sequence));
    let found = |after, starts_at, first_sequence| epochs::Break {
        after,
        starts_at: at(starts_at),
        created: at(0),
        first_sequence,
        reason: "sequence ran back",
    };
    assert!(epochs::add(&table.pool, found(1, 2_000, 901)).await.expect("added"));
    assert!(!epochs::add(&table.pool, found(1, 2_000, 901)).await.expect("known"), "it is added already");
    for starts_at in [1_000, 2_000] {
        assert!(!epochs::add(&table.pool, found(2, starts_at, 1)).await.expect("refused"), "it begins before the one before it");
    }
    assert!(epochs::add(&table.pool, found(2, 3_000, 1_201)).await.expect("added"));
}
