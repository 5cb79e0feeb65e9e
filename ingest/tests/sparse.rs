//! What matches little of much is found all the same, part by part.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ingest::consume::life::Life;
use ingest::cursor::Cursor;
use ingest::filter::Filter;
use ingest::live::{Event, Hub, Start};
use ingest::read::messages::{self, FIRST};
use ingest::settled::Settled;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::hub::{DEADLINE, at, until};
use crate::table::Table;

/// Stores so many messages of three runs, every third of them in the channel, over some days.
async fn fill(table: &Table, count: i64) {
    let days = "SELECT workflow_comms.make_day(day) FROM generate_series(date '2026-09-20', date '2026-09-29', '1 day') AS day";
    let sql = format!(
        "CREATE FUNCTION workflow_comms.make_day(day timestamptz) RETURNS void LANGUAGE plpgsql AS $$ BEGIN \
         EXECUTE format('CREATE TABLE workflow_comms.%I PARTITION OF workflow_comms.agent_messages FOR VALUES FROM (%L) TO (%L)', \
         'agent_messages_' || to_char(day, 'YYYYMMDD'), day, day + interval '1 day'); \
         EXECUTE format('CREATE UNIQUE INDEX ON workflow_comms.%I (epoch, stream_seq)', \
         'agent_messages_' || to_char(day, 'YYYYMMDD')); END $$; SET timezone = 'UTC'; {days}; \
         INSERT INTO workflow_comms.agent_messages (stream_ts, epoch, stream_seq, subject, verified, id, workflow_namespace, \
         workflow_name, workflow_uid, run_id, agent_id, role, kind, \"timestamp\", channel, content, attrs) \
         SELECT timestamptz '2026-09-20 12:00:00+00' + n * interval '8 days' / {count}, 1, n, 's', true, gen_random_uuid(), \
         CASE WHEN n % 3 = 2 THEN 'other' ELSE 'demo' END, 'build', 'u' || n % 3, CASE WHEN n % 5 = 0 THEN 'r' || n % 2 END, \
         CASE WHEN n % 997 = 5 THEN 'planner' ELSE 'codex' END, 'assistant', CASE WHEN n % 11 = 0 THEN 'error' ELSE 'message' END, \
         now(), CASE WHEN n % 3 = 1 OR n % 7 = 0 THEN 'general' END, 'said ' || n, '{{}}' FROM generate_series(1, {count}) n; \
         ANALYZE workflow_comms.agent_messages"
    );
    table.pool.get().await.unwrap().batch_execute(&sql).await.unwrap();
}

fn filters(all: &[ingest::stored::StoredMessage]) -> Vec<Filter> {
    let runs =
        |ids: &[&str], general| Filter { runs: ids.iter().map(|id| (*id).to_owned()).collect(), general, ..Filter::default() };
    let middle = Some(all[all.len() / 2].created_at);
    let wide = [runs(&[], true), runs(&["u1"], false), runs(&["u0", "r1", "u2"], true)];
    let narrow = |wide: Filter| {
        let namespace = Some("other".to_owned());
        [
            Filter { agents: vec!["planner".to_owned()], ..wide.clone() },
            Filter { kinds: vec!["error".to_owned()], ..wide.clone() },
            Filter { text: Some("AID 12".to_owned()), ..wide.clone() },
            Filter { agents: vec!["nobody".to_owned()], ..wide.clone() },
            Filter { namespace, agents: vec!["planner".to_owned()], ..wide.clone() },
            Filter { since: middle, kinds: vec!["error".to_owned()], ..wide.clone() },
            Filter { until: middle, ..wide },
        ]
    };
    wide.into_iter().flat_map(narrow).collect()
}

#[tokio::test]
async fn what_matches_little_is_told_without_gap_or_repeat_in_both_directions() {
    const COUNT: i64 = 9_000;
    let table = Table::new("sparse_pages").await;
    fill(&table, COUNT).await;
    let everything = Filter { runs: ["u0", "u1", "u2"].map(ToOwned::to_owned).to_vec(), ..Filter::default() };
    let all = messages::after(&table.pool, &everything, FIRST, at(COUNT), 10_000).await.unwrap().messages;
    assert_eq!(all.len(), usize::try_from(COUNT).unwrap());
    for filter in filters(&all) {
        let expected: Vec<Cursor> = all.iter().filter(|stored| filter.matches(stored)).map(|stored| stored.cursor).collect();
        // Few enough pages, and none that holds all of them.
        let limit = (expected.len() / 5).max(2);
        let cursors = |page: &[ingest::stored::StoredMessage]| page.iter().map(|stored| stored.cursor).collect::<Vec<_>>();
        let (mut up, mut position) = (Vec::new(), at(0));
        loop {
            let slice = messages::after(&table.pool, &filter, position, at(COUNT - 10), limit).await.unwrap();
            assert!(slice.messages.len() <= limit);
            up.extend(cursors(&slice.messages));
            if !slice.more {
                break;
            }
            assert!(slice.reached > position, "a page moves on: {filter:?}");
            position = slice.reached;
        }
        let within: Vec<Cursor> = expected.iter().copied().filter(|cursor| *cursor <= at(COUNT - 10)).collect();
        assert_eq!(up, within, "{filter:?}");

        let (mut down, mut before) = (Vec::new(), None);
        loop {
            let page = messages::before(&table.pool, &filter, before, at(COUNT), limit).await.unwrap();
            down.splice(0..0, cursors(&page.messages));
            if !page.older {
                break;
            }
            assert!(before.is_none_or(|before| page.reached < before), "a page moves on: {filter:?}");
            before = Some(page.reached);
        }
        assert_eq!(down, expected, "{filter:?}");

        let newest = messages::oldest_of_newest(&table.pool, &filter, &["other".to_owned()], at(COUNT), limit).await.unwrap();
        let visible = all.iter().filter(|stored| filter.matches(stored) && stored.message.run.namespace != "other");
        let visible: Vec<Cursor> = visible.map(|stored| stored.cursor).collect();
        assert_eq!(newest.oldest, visible[visible.len().saturating_sub(limit)..].first().copied(), "{filter:?}");
        assert_eq!((newest.count, newest.reached), (visible.len().min(limit), None), "{filter:?}");
    }
}

/// To look at everything takes longer than one statement may.
#[tokio::test]
async fn a_viewer_and_a_page_come_to_what_matches_little_of_much() {
    const COUNT: i64 = 300_000;
    let table = Table::new("sparse_much").await;
    fill(&table, COUNT).await;
    let filter = Filter { general: true, agents: vec!["planner".to_owned()], text: None, ..Filter::default() };
    let client = table.pool.get().await.unwrap();
    let planners = "SELECT stream_seq FROM workflow_comms.agent_messages WHERE channel = 'general' AND agent_id = 'planner' \
                    ORDER BY epoch, stream_seq LIMIT 500";
    client.batch_execute("SET enable_sort = off; SET enable_seqscan = off; SET enable_bitmapscan = off").await.unwrap();
    let begun = Instant::now();
    let rows = client.query(planners, &[]).await.unwrap();
    let whole = begun.elapsed();
    let expected: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert!((10..500).contains(&expected.len()), "{}", expected.len());
    let limit = (whole / 4).max(Duration::from_millis(20));
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    client.batch_execute(&format!("ALTER DATABASE {name} SET statement_timeout = '{}ms'", limit.as_millis())).await.unwrap();
    drop(client);
    // From now on every session has the limit.
    table.pool.retain(|_, _| false);

    let settled = watch::Sender::new(Settled::at(at(COUNT)));
    let hub = Hub::new(table.pools(), settled.subscribe(), Arc::new(Life::new(None)), CancellationToken::new());
    let mut viewer = hub.subscribe(filter.clone(), Start::Newest(500));
    let mut told = Vec::new();
    while told.len() < expected.len() {
        let wanted = |event| if let Event::Message(frame) = event { Some(frame.cursor.sequence) } else { None };
        told.push(until(&mut viewer, "message", wanted).await);
    }
    assert_eq!(told, expected, "all of the newest, oldest first");

    let search = async {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = messages::before(&table.pool, &filter, before, at(COUNT), 1_000).await.unwrap();
            found.splice(0..0, page.messages.iter().map(|stored| stored.cursor.sequence));
            before = page.next();
            if before.is_none() {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(DEADLINE, search).await.expect("the pages come to an end");
    assert_eq!(found, expected);
}
