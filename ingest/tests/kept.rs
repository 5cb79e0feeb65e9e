//! Days that are kept, made ahead and dropped, while others read and write.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use ingest::batch::Batch;
use ingest::retention::{Metrics, Retention, look_after};
use ingest::store::partitions::list::{LeafState, leaves};
use ingest::store::{StoreError, epochs};
use time::macros::{date, datetime};
use time::{Date, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::shelf::{Shelf, delivery};
use crate::viewer::Viewer;
use crate::world::{DEADLINE, World};

const SAID: &str = r#""content":"said","step_id":"s","agent_id":"a","source":{"pod_uid":"p","label":"l","generation":1,"start":0,"end":1,"part":0},"seq":1"#;
/// On this day, with 18 days kept, the first of March is too old.
const NOW: OffsetDateTime = datetime!(2026-03-20 08:00 UTC);
const KEPT: Retention = Retention { days: 18, bytes: None };

async fn once(shelf: &Shelf, retention: Retention) {
    look_after(&shelf.pool, retention, &Metrics::default(), Some(NOW)).await.expect("looked after");
}

/// The tables of the three days that have messages, with how they belong to them.
async fn past(shelf: &Shelf) -> Vec<(u8, LeafState)> {
    let leaves = leaves(&shelf.sql).await.expect("the partitions");
    leaves.iter().filter(|leaf| leaf.day <= date!(2026 - 03 - 03)).map(|leaf| (leaf.day.day(), leaf.state)).collect()
}

/// A message on each of three days, the second of a run of its own, and a dead letter on the first.
async fn three_days() -> Shelf {
    let shelf = Shelf::new().await;
    let mut unreadable = delivery(11, 0, 9, SAID, false);
    unreadable.payload = "{".into();
    let mut other = delivery(20, 1, 2, SAID, false);
    other.subject = other.subject.replace("u-1", "u-2");
    let first = delivery(10, 0, 1, SAID, false);
    shelf.store(&[first, unreadable, other, delivery(30, 2, 3, SAID, false)]).await.expect("stored");
    shelf
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_goes_with_its_runs_and_dead_letters_and_what_comes_again_is_expired() {
    let shelf = three_days().await;
    // What is not settled is not dropped: viewers have not seen it.
    once(&shelf, KEPT).await;
    assert_eq!(past(&shelf).await.len(), 3);
    shelf.settle(100).await;
    let before = epochs::read(&shelf.pool).await.unwrap();
    once(&shelf, Retention { days: 17, ..KEPT }).await;
    assert_eq!(past(&shelf).await, [(3, LeafState::Attached)]);
    assert_eq!(shelf.rows().await, [30]);
    assert_eq!(shelf.count("SELECT kept_from FROM workflow_comms.stream_epochs").await, 21);
    for (table, run) in [("runs", "u-1"), ("run_steps", "u-1"), ("run_sources", "u-1")] {
        let sql = format!("SELECT count(*) FROM workflow_comms.{table} WHERE run_key = '{run}'");
        assert_eq!(shelf.count(&sql).await, 1, "{table}");
        assert_eq!(shelf.count(&format!("SELECT count(*) FROM workflow_comms.{table}")).await, 1, "{table}");
    }
    assert_eq!(shelf.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    // That the other run was there is remembered; the one that goes on is none that is gone.
    let gone = async |id: &str| ingest::read::runs::forgotten(&shelf.pool, id, None).await.expect("asked");
    let told: Vec<_> = gone("u-2").await.into_iter().map(|run| run.last_at.moment().date()).collect();
    assert_eq!((told, gone("u-1").await.len()), (vec![date!(2026 - 03 - 02)], 0));
    // Whoever knows nothing of that yet learns it before anything is stored.
    let again = [delivery(20, 1, 2, SAID, false)];
    let stale = Batch::read(&again, &before, Date::MIN);
    let refused = ingest::store::insert::insert(&shelf.pool, &stale, &before).await;
    assert!(matches!(refused, Err(StoreError::EpochChanged)), "{refused:?}");
    let known = epochs::read(&shelf.pool).await.unwrap();
    let batch = Batch::read(&again, &known, Date::MIN);
    assert_eq!((batch.rows.len(), batch.expired.len()), (0, 1));
    // The week ahead is there.
    let ahead = leaves(&shelf.sql).await.unwrap().iter().filter(|leaf| leaf.day >= NOW.date()).count();
    assert_eq!(ahead, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_nobody_can_read_take_a_share_and_no_more() {
    let shelf = Shelf::new().await;
    let junk: Vec<_> = (0..5)
        .map(|number| {
            let mut junk = delivery(10 + number, 0, number, SAID, false);
            junk.payload = vec![b'{'; 1_000_000].into();
            junk
        })
        .collect();
    shelf.store(&junk).await.expect("stored");
    let letters = "SELECT count(*) FROM workflow_comms.dead_letters";
    let lost = "INSERT INTO workflow_comms.dead_letters (epoch, stream_seq, stream_ts, subject, payload, class, error) \
                VALUES (1, 5, '2026-03-01', '', '', 'discarded', '9')";
    shelf.sql.batch_execute(lost).await.expect("inserted");
    let kept = Retention { days: 365, bytes: Some(20_500_000) };
    // What is not settled yet has no other place.
    once(&shelf, kept).await;
    assert_eq!(shelf.count(letters).await, 6);
    shelf.settle(12).await;
    once(&shelf, kept).await;
    assert_eq!(shelf.count("SELECT count(*) FROM workflow_comms.dead_letters WHERE stream_seq IN (5, 13, 14)").await, 3);
    assert_eq!(shelf.count(letters).await, 3);
    once(&shelf, Retention { bytes: None, ..kept }).await;
    assert_eq!(shelf.count(letters).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_for_long_stops_neither_inserts_nor_the_days_ahead() {
    let shelf = three_days().await;
    shelf.settle(30).await;
    let reader = shelf.another().await;
    reader.batch_execute("BEGIN; SELECT count(*) FROM workflow_comms.agent_messages").await.unwrap();
    let looking = once(&shelf, KEPT);
    let storing = async {
        // All the while, as fast as ever.
        for sequence in 31..131 {
            let epochs = epochs::read(&shelf.pool).await.unwrap();
            let deliveries = [delivery(sequence, 2, sequence, SAID, false)];
            let batch = Batch::read(&deliveries, &epochs, Date::MIN);
            let stored = ingest::store::insert::insert(&shelf.pool, &batch, &epochs);
            match tokio::time::timeout(Duration::from_secs(1), stored).await.expect("stored within a second") {
                Ok(_) | Err(StoreError::EpochChanged) => {}
                Err(error) => panic!("{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::join!(looking, storing);
    assert_eq!(past(&shelf).await[0], (1, LeafState::Detaching));
    assert!(leaves(&shelf.sql).await.unwrap().iter().any(|leaf| leaf.day == date!(2026 - 03 - 27)));
    // New readers see it no more; the old one goes on.
    assert_eq!(shelf.rows().await[0], 20);
    let row = reader.query_one("SELECT min(stream_seq) FROM workflow_comms.agent_messages", &[]).await;
    assert!(row.is_ok(), "{row:?}");
    reader.batch_execute("COMMIT").await.unwrap();
    once(&shelf, KEPT).await;
    assert_eq!(past(&shelf).await[0], (2, LeafState::Attached));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_after_a_killed_replica_goes_on_where_it_stood() {
    let mark = "COMMENT ON TABLE workflow_comms.agent_messages_20260301 IS 'agent-comms: dropped by retention'";
    let detach = "ALTER TABLE workflow_comms.agent_messages DETACH PARTITION workflow_comms.agent_messages_20260301";
    for done in [&[mark][..], &[mark, detach]] {
        let shelf = three_days().await;
        shelf.settle(100).await;
        for sql in done {
            shelf.sql.batch_execute(sql).await.unwrap();
        }
        // Two at once do it once.
        let metrics = Metrics::default();
        let one = look_after(&shelf.pool, KEPT, &metrics, Some(NOW));
        let other = look_after(&shelf.pool, KEPT, &metrics, Some(NOW));
        let (one, other) = tokio::join!(one, other);
        one.and(other).expect("looked after");
        assert_eq!(past(&shelf).await, [(2, LeafState::Attached), (3, LeafState::Attached)], "{done:?}");
        assert_eq!(shelf.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
    }
    // What a person detached is theirs.
    let shelf = three_days().await;
    shelf.settle(100).await;
    shelf.sql.batch_execute(detach).await.unwrap();
    once(&shelf, KEPT).await;
    assert_eq!(past(&shelf).await[0], (1, LeafState::Detached));
}

/// It has the turn, and its session is open: only the database can end that.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_in_its_turn_keeps_the_days_of_others_for_no_longer_than_a_few_seconds() {
    let shelf = three_days().await;
    shelf.settle(100).await;
    // The locks of every database of the server are listed.
    let turns = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1633878022 AND granted \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let metrics = Metrics::default();
    let mut hanging = Box::pin(look_after(&shelf.pool, KEPT, &metrics, Some(NOW)));
    while shelf.count(turns).await == 0 {
        assert!(hanging.as_mut().now_or_never().is_none(), "its turn is over before it was seen");
    }
    let (start, mut tried) = (Instant::now(), Ok(()));
    while past(&shelf).await.len() == 3 {
        assert!(start.elapsed() < Duration::from_secs(60), "the first day is still there: {tried:?}");
        // Each takes a connection that the database may not have at once: a replica tries again too.
        tried = look_after(&shelf.pool, KEPT, &metrics, Some(NOW)).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // It goes on, and finds that its turn is over.
    let outcome = hanging.await;
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(past(&shelf).await, [(2, LeafState::Attached), (3, LeafState::Attached)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_a_size_the_oldest_days_go_and_today_stays() {
    let shelf = three_days().await;
    shelf.settle(100).await;
    let kept = Retention { days: 365, bytes: None };
    once(&shelf, kept).await;
    let all: u64 = leaves(&shelf.sql).await.unwrap().iter().map(|leaf| u64::try_from(leaf.bytes).unwrap()).sum();
    once(&shelf, Retention { bytes: Some(all), ..kept }).await;
    assert_eq!(past(&shelf).await.len(), 3);
    once(&shelf, Retention { bytes: Some(all - 1), ..kept }).await;
    assert_eq!((past(&shelf).await.len(), shelf.rows().await), (2, vec![20, 30]));
    once(&shelf, Retention { bytes: Some(0), ..kept }).await;
    assert_eq!(past(&shelf).await, []);
    let today = leaves(&shelf.sql).await.unwrap().iter().filter(|leaf| leaf.day == NOW.date()).count();
    assert_eq!((today, shelf.rows().await), (1, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_below_a_dropped_day_are_told_and_its_messages_do_not_come_back() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    let watermark = "SELECT watermark FROM workflow_comms.stream_epochs";
    world.publish_numbered(0..10).await;
    world.until(watermark, 10).await;
    // As if the day were long over.
    let pool = world.pool();
    let later = OffsetDateTime::now_utc() + time::Duration::days(3);
    look_after(&pool, Retention { days: 1, bytes: None }, &Metrics::default(), Some(later)).await.expect("looked after");
    let rows = "SELECT count(*) FROM workflow_comms.agent_messages";
    world.until(rows, 0).await;
    // Whoever stores finds the day gone, makes it again, and goes on.
    world.publish_numbered(10..20).await;
    world.until(watermark, 20).await;
    world.until(rows, 10).await;
    // A replica that has seen everything can still tell it; one that has not cannot.
    let (other, stop_other) = world.serve().await;
    let whole = Viewer::start(running.api, Some("1.5")).await;
    let told = whole.until("the rest", |told| told.messages.len() == 15).await;
    assert!(told.resets.is_empty(), "{:?}", told.resets);
    let below = Viewer::start(other.api, Some("1.5")).await;
    let told = below.until("a reset", |told| told.caught_up && !told.messages.is_empty()).await;
    assert_eq!((told.resets, told.messages.len()), (vec!["expired".to_owned()], 10));
    let above = Viewer::start(other.api, Some("1.10")).await;
    let told = above.until("the rest", |told| told.messages.len() == 10).await;
    assert!(told.resets.is_empty(), "{:?}", told.resets);
    // Everything is delivered again.
    let stream = world.jetstream.get_stream("agent-comms").await.expect("the stream");
    stream.delete_consumer(ingest::consume::DURABLE).await.expect("deleted");
    world.set_up().await;
    world.publish_numbered(20..21).await;
    world.until(watermark, 21).await;
    world.until_acknowledged().await;
    assert_eq!(world.count(rows).await, 11);
    for (running, stop) in [(running, stop), (other, stop_other)] {
        stop.cancel();
        running.wait().await.expect("stopped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_breaks_off_where_a_day_is_dropped_meanwhile() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    for first in (0..4_000).step_by(1_000) {
        world.publish_numbered(first..first + 1_000).await;
    }
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 4_000).await;
    // More than what is on its way between two programs.
    let sql = "UPDATE workflow_comms.agent_messages SET content = content || ' ' || repeat('x', 16000)";
    world.sql.execute(sql, &[]).await.expect("longer rows");
    let mut stream = TcpStream::connect(running.api).await.expect("connected");
    let request = "GET /api/agents/runs/u-1/export.jsonl HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut taken = vec![0; 1 << 20];
    stream.read_exact(&mut taken).await.expect("its first part");
    assert!(taken.starts_with(b"HTTP/1.1 200 "), "{}", taken[..64].escape_ascii());
    let later = OffsetDateTime::now_utc() + time::Duration::days(3);
    look_after(&world.pool(), Retention { days: 1, bytes: None }, &Metrics::default(), Some(later)).await.expect("looked after");
    // What comes is no whole file: the last chunk, which says that this is all, is missing.
    let outcome = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut taken)).await.expect("in time");
    assert!(outcome.is_err() || !taken.ends_with(b"\r\n0\r\n\r\n"), "it is told to be whole");
    let lines = taken.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")).count();
    assert!((1..4_000).contains(&lines), "{lines} lines");
    stop.cancel();
    running.wait().await.expect("stopped");
}
