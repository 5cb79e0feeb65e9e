//! What the stream discards before it is stored is told, exactly, and never taken for stored.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use neighbours::Postgres;

use crate::viewer::Viewer;
use crate::world::{DEADLINE, Replica, World};

const STORED: &str = "SELECT count(*) FROM workflow_comms.agent_messages";
const DISCARDED: &str = "SELECT coalesce(sum(error::bigint - stream_seq + 1), 0)::bigint FROM workflow_comms.dead_letters \
    WHERE class = 'discarded'";
const WATERMARK: &str = "SELECT watermark FROM workflow_comms.stream_epochs WHERE epoch = 1 AND hold_to IS NULL";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_discarded_while_postgresql_was_away_is_told_and_the_rest_is_stored() {
    let mut postgres = Postgres::start(neighbours::postgres::Options::default()).await.expect("postgresql");
    let mut world = World::with_postgres(&postgres).await;
    world.keep_messages(1_000).await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..500).await;
    world.until(WATERMARK, 500).await;
    postgres.stop().await.expect("stopped");
    world.publish_numbered(500..3_500).await;
    postgres.start_again().await.expect("started again");
    world.sql = postgres.connect(&world.database).await.expect("a connection");
    world.until(WATERMARK, 3_500).await;
    let (stored, discarded) = (world.count(STORED).await, world.count(DISCARDED).await);
    assert_eq!(stored + discarded, 3_500);
    assert!(discarded > 0, "nothing was discarded: nothing was tested");
    // The ranges are exactly what is not there.
    let sql = "SELECT count(*) FROM workflow_comms.dead_letters d JOIN workflow_comms.agent_messages m \
               ON m.epoch = d.epoch AND m.stream_seq BETWEEN d.stream_seq AND d.error::bigint WHERE d.class = 'discarded'";
    assert_eq!(world.count(sql).await, 0);
    let lost_to = world.count("SELECT lost_to FROM workflow_comms.stream_epochs").await;
    assert!(lost_to < 3_500);
    // Whoever watches from below the loss is told so; whoever was above it goes on.
    let below = Viewer::start(running.api, Some("1.500")).await;
    below.until("a reset", |told| told.resets == ["discarded"]).await;
    let above = Viewer::start(running.api, Some(&format!("1.{lost_to}"))).await;
    let told = above.until("the rest", |told| told.messages.last().is_some_and(|last| last.sequence == 3_500)).await;
    assert!(told.resets.is_empty());
    stop.cancel();
    running.wait().await.expect("stopped");
}

/// Everything that the stream let go of was stored before: the watermark only lagged behind. That is no loss.
#[tokio::test(flavor = "multi_thread")]
async fn a_watermark_that_lags_behind_what_was_stored_and_discarded_tells_no_loss() {
    let world = World::start().await;
    world.set_ack_wait(Duration::from_secs(2)).await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..500).await;
    world.until(WATERMARK, 500).await;
    stop.cancel();
    running.wait().await.expect("stopped");
    world.sql.execute("UPDATE workflow_comms.stream_epochs SET watermark = 100", &[]).await.expect("set back");
    world.keep_messages(50).await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(500..510).await;
    world.until(WATERMARK, 510).await;
    assert_eq!(world.count(DISCARDED).await, 0);
    assert_eq!(world.count("SELECT lost_to FROM workflow_comms.stream_epochs").await, 0);
    stop.cancel();
    running.wait().await.expect("stopped");
}

/// A replica holds messages while the database is away and is stopped; the stream discards them; and then it goes on in time,
/// or too late, or never. Whatever it holds becomes a row, or is told: never does a row appear below the watermark.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopped_replica_holds_while_the_stream_discards_it_is_stored_in_time_or_told() {
    let mut postgres = Postgres::start(neighbours::postgres::Options::default()).await.expect("postgresql");
    let mut scenes = join_all((0..3).map(|_| Scene::start(&postgres))).await;
    postgres.stop().await.expect("stopped");
    join_all(scenes.iter_mut().map(Scene::hold_what_is_discarded)).await;
    postgres.start_again().await.expect("started again");
    for scene in &mut scenes {
        scene.world.sql = postgres.connect(&scene.world.database).await.expect("a connection");
    }
    let backs = [Back::InTime, Back::TooLate, Back::Never];
    let outcomes = join_all(scenes.into_iter().zip(backs).map(|(scene, back)| scene.end(back))).await;
    let resets = vec!["discarded".to_owned()];
    assert_eq!(outcomes[0], Outcome { rows: 151, discarded: 0, late: 0, resets: vec![] });
    assert_eq!(outcomes[1], Outcome { rows: 61, discarded: 0, late: 90, resets: resets.clone() });
    assert_eq!(outcomes[2], Outcome { rows: 61, discarded: 90, late: 0, resets });
}

/// When the replica goes on that held what was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    InTime,
    TooLate,
    /// It is killed.
    Never,
}

/// What became of the messages, and of what a viewer was told who had seen the first alone.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    rows: i64,
    discarded: i64,
    late: i64,
    resets: Vec<String>,
}

struct Scene {
    world: World,
    holder: Replica,
}

impl Scene {
    /// One message is stored.
    async fn start(postgres: &Postgres) -> Self {
        let world = World::with_postgres(postgres).await;
        world.set_ack_wait(Duration::from_secs(4)).await;
        let mut holder = world.replica("holder");
        holder.until_ready().await;
        world.publish_numbered(0..1).await;
        world.until(WATERMARK, 1).await;
        Self { world, holder }
    }

    /// The replica holds 2 to 101, and is stopped; the stream discards all but the last ten of them.
    async fn hold_what_is_discarded(&mut self) {
        let client = self.world.jetstream.client();
        let answers = format!("$JS.ACK.agent-comms.{}.>", ingest::consume::DURABLE);
        let mut answers = client.subscribe(answers).await.expect("a subscription");
        client.flush().await.expect("subscribed");
        self.world.publish_numbered(1..101).await;
        // It has read those that it extends; what still waits in its socket when it is stopped for long, it forgets.
        let mut extended = HashSet::new();
        while extended.len() < 100 {
            let answer = tokio::time::timeout(DEADLINE, answers.next()).await.expect("an answer in time").expect("an answer");
            if answer.payload.starts_with(b"+WPI") {
                extended.insert(answer.subject.split('.').nth(5).map(str::to_owned));
            }
        }
        self.holder.signal("-STOP");
        self.world.keep_messages(10).await;
        self.world.until_delivered(10).await;
        self.world.keep_messages(-1).await;
    }

    async fn end(self, back: Back) -> Outcome {
        const LATE: &str = "SELECT count(*) FROM workflow_comms.dead_letters WHERE class = 'late'";
        let Self { world, holder } = self;
        let (running, stop) = world.serve().await;
        // Another replica has seen what is lost, and waits for who may hold it.
        world.until("SELECT coalesce(hold_to, 0) FROM workflow_comms.stream_epochs", 91).await;
        match back {
            Back::InTime => holder.signal("-CONT"),
            Back::TooLate => {}
            Back::Never => holder.signal("-KILL"),
        }
        world.publish_numbered(101..151).await;
        world.until(WATERMARK, 151).await;
        if back == Back::TooLate {
            assert_eq!((world.count(STORED).await, world.count(DISCARDED).await), (61, 90));
            holder.signal("-CONT");
            world.until(LATE, 90).await;
        }
        let viewer = Viewer::start(running.api, Some("1.1")).await;
        let told = viewer.until("the rest", |told| told.messages.last().is_some_and(|last| last.sequence == 151)).await;
        let rows = world.sql.query("SELECT stream_seq FROM workflow_comms.agent_messages ORDER BY 1", &[]).await.expect("rows");
        let rows: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        // A reset begins with the newest messages, which are all here.
        let after = i64::from(told.resets.is_empty());
        let expected: Vec<i64> = rows.iter().copied().filter(|row| *row > after).collect();
        let sequences: Vec<i64> = told.messages.iter().map(|cursor| cursor.sequence).collect();
        assert_eq!(sequences, expected, "{back:?}");
        // Each of them is one thing alone.
        let sql = "SELECT count(*) FROM workflow_comms.dead_letters AS d JOIN workflow_comms.agent_messages AS m \
                   ON m.epoch = d.epoch AND m.stream_seq BETWEEN d.stream_seq \
                   AND CASE WHEN d.class = 'discarded' THEN d.error::bigint ELSE d.stream_seq END";
        assert_eq!(world.count(sql).await, 0, "{back:?}");
        assert_eq!(world.count(WATERMARK).await, 151, "{back:?}");
        stop.cancel();
        running.wait().await.expect("stopped");
        let (rows, discarded, late) = (world.count(STORED).await, world.count(DISCARDED).await, world.count(LATE).await);
        Outcome { rows, discarded, late, resets: told.resets }
    }
}
