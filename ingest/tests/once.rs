//! Of several copies of a message the one with the lowest cursor is the row, whichever came first, and what says something
//! else under the same id is kept.

use ingest::batch::Delivery;
use ingest::cursor::Cursor;
use ingest::epochs::Epochs;
use ingest::store::insert::write;
use ingest::stored::StoredMessage;
use message::Received;

use crate::shelf::{Shelf, batch, delivery};

const SAID: &str = r#""content":"said","step_id":"s","agent_id":"a""#;
const OTHER: &str = r#""content":"something else","step_id":"s","agent_id":"a""#;

fn at(sequence: i64) -> Cursor {
    Cursor { epoch: 1, sequence }
}

#[track_caller]
fn check_counts(shelf: &Shelf, expected: i64) -> impl Future<Output = ()> + '_ {
    let caller = std::panic::Location::caller();
    async move {
        for sql in ["SELECT messages FROM workflow_comms.runs", "SELECT messages FROM workflow_comms.run_steps"] {
            assert_eq!(shelf.count(sql).await, expected, "{caller}: {sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_takes_the_place_of_a_copy_that_was_stored_before_it() {
    let shelf = Shelf::new().await;
    for (id, resent) in [(1, true), (2, false)] {
        let (original, copy) = (delivery(id * 10, 0, id, SAID, false), delivery(id * 10 + 5, 0, id, SAID, resent));
        shelf.store(std::slice::from_ref(&copy)).await.unwrap();
        let done = shelf.store(std::slice::from_ref(&original)).await.unwrap();
        assert_eq!((done.rows, done.replaced), (0, 1));
        // Delivered again, neither changes anything.
        let done = shelf.store(&[copy, original]).await.unwrap();
        assert_eq!((done.rows, done.replaced, done.repeated), (0, 0, 2));
    }
    assert_eq!(shelf.rows().await, [10, 20]);
    assert_eq!(shelf.passed().await, [15, 25]);
    check_counts(&shelf, 2).await;
    assert_eq!(shelf.count("SELECT first_seq FROM workflow_comms.runs").await, 10);
    let there = ingest::read::messages::one(&shelf.pool, at(10), at(100)).await.unwrap().unwrap();
    assert_eq!(there, batch(&[delivery(10, 0, 1, SAID, false)]).rows[0].stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_copy_is_known_on_every_later_day() {
    let shelf = Shelf::new().await;
    shelf.store(&[delivery(10, 0, 1, SAID, false)]).await.unwrap();
    let done = shelf.store(&[delivery(20, 2, 1, SAID, true), delivery(21, 2, 1, OTHER, true)]).await.unwrap();
    assert_eq!((done.rows, done.repeated, done.dead), (0, 1, vec!["conflict"]));
    assert_eq!((shelf.rows().await, shelf.passed().await, shelf.dead("conflict").await), (vec![10], vec![20], vec![21]));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_words_under_a_known_id_are_kept_whichever_came_first() {
    let shelf = Shelf::new().await;
    shelf.store(&[delivery(10, 0, 1, SAID, false)]).await.unwrap();
    let done = shelf.store(&[delivery(20, 0, 1, OTHER, false)]).await.unwrap();
    assert_eq!((done.rows, done.repeated, done.dead), (0, 0, vec!["conflict"]));
    shelf.store(&[delivery(40, 0, 2, OTHER, true)]).await.unwrap();
    let done = shelf.store(&[delivery(30, 0, 2, SAID, false)]).await.unwrap();
    assert_eq!((done.replaced, done.dead), (1, vec!["conflict"]));
    assert_eq!(shelf.rows().await, [10, 30]);
    assert_eq!(shelf.dead("conflict").await, [20, 40]);
    let bodies = "SELECT count(*) FROM workflow_comms.dead_letters WHERE convert_from(payload, 'UTF8')::json->>'content' \
                  = 'something else'";
    assert_eq!(shelf.count(bodies).await, 2);
    // What was told once is not told again.
    let again = [delivery(20, 0, 1, OTHER, false), delivery(40, 0, 2, OTHER, true)];
    assert_eq!(shelf.store(&again).await.unwrap().dead.len(), 0);
    assert_eq!(shelf.passed().await.len(), 0);
    check_counts(&shelf, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_words_under_a_known_id_are_kept_also_when_they_come_late() {
    let shelf = Shelf::new().await;
    shelf.store(&[delivery(10, 0, 1, SAID, false)]).await.unwrap();
    shelf.settle(50).await;
    let done = shelf.store(&[delivery(20, 0, 1, SAID, true), delivery(30, 0, 1, OTHER, true)]).await.unwrap();
    assert_eq!((done.rows, done.repeated, done.dead), (0, 1, vec!["conflict"]));
    assert_eq!((shelf.rows().await, shelf.passed().await, shelf.dead("conflict").await), (vec![10], vec![], vec![30]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_keeps_one_fate_when_another_message_turns_out_to_be_the_first() {
    let shelf = Shelf::new().await;
    let copies = [delivery(30, 0, 1, OTHER, false), delivery(40, 0, 1, SAID, false)];
    shelf.store(&[delivery(20, 0, 1, OTHER, false)]).await.unwrap();
    shelf.store(&copies).await.unwrap();
    assert_eq!((shelf.passed().await, shelf.dead("conflict").await), (vec![30], vec![40]));
    // What was said twice is told of once, and what says the same as the original is no dead letter any more.
    shelf.store(&[delivery(10, 0, 1, SAID, false)]).await.unwrap();
    assert_eq!((shelf.passed().await, shelf.dead("conflict").await), (vec![30, 40], vec![20]));
    // Their acknowledgements were lost: what the first of them says is seen anew.
    shelf.store(&copies).await.unwrap();
    assert_eq!((shelf.passed().await, shelf.dead("conflict").await), (vec![40], vec![20, 30]));
    assert_eq!(shelf.rows().await, [10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_names_the_message_that_has_its_id_now() {
    let shelf = Shelf::new().await;
    let third = SAID.replace("said", "a third thing");
    shelf.store(&[delivery(30, 0, 1, OTHER, false)]).await.unwrap();
    shelf.store(&[delivery(40, 0, 1, &third, false)]).await.unwrap();
    for original in [20, 10] {
        shelf.store(&[delivery(original, 0, 1, SAID, false)]).await.unwrap();
        let sql = "SELECT string_agg(stream_seq || ' ' || error, E'\\n' ORDER BY stream_seq) FROM workflow_comms.dead_letters";
        let told: String = shelf.sql.query_one(sql, &[]).await.unwrap().get(0);
        let conflict = format!("its id is that of 1.{original}, which says something else");
        assert_eq!(told, format!("30 {conflict}; the body is what was read from it\n40 {conflict}"));
    }
    assert_eq!(shelf.passed().await, [20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tool_took_and_what_a_control_record_counts_are_no_other_words() {
    let shelf = Shelf::new().await;
    let tool = |duration: u32| format!(r#""kind":"tool_result","tool":{{"call_id":"c","output":"o","duration_ms":{duration}}}"#);
    let end = |read: u32| format!(r#""kind":"source-end","content":"read {read}","attrs":{{"last_offset":{read}}}"#);
    let deliveries = [
        delivery(1, 0, 1, &tool(1), false),
        delivery(2, 0, 1, &tool(2), true),
        delivery(3, 0, 2, &end(1), false),
        delivery(4, 0, 2, &end(2), true),
    ];
    for one in &deliveries {
        shelf.store(std::slice::from_ref(one)).await.unwrap();
    }
    assert_eq!((shelf.rows().await, shelf.passed().await), (vec![1, 3], vec![2, 4]));
    assert_eq!(shelf.count("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_copies_on_three_connections_the_lowest_stays() {
    let shelf = Shelf::new().await;
    let copies = [30, 20, 10].map(|sequence| [delivery(sequence, 0, 1, SAID, sequence > 10)]);
    let [highest, middle, lowest] = &copies;
    let mut client = shelf.pool.get().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    write(&transaction, &batch(highest), &Epochs::first()).await.unwrap();
    let commit = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while shelf.count(waiting).await < 2 {
            assert!(std::time::Instant::now() < deadline, "nobody waits for the copy");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        transaction.commit().await.unwrap();
    };
    let ((), middle, lowest) = tokio::join!(commit, shelf.store(middle), shelf.store(lowest));
    middle.and(lowest).unwrap();
    assert_eq!((shelf.rows().await, shelf.passed().await), (vec![10], vec![20, 30]));
    check_counts(&shelf, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_its_place_was_settled_is_kept_beside_the_rows() {
    let shelf = Shelf::new().await;
    let discarded = "INSERT INTO workflow_comms.dead_letters (epoch, stream_seq, stream_ts, subject, payload, class, error) \
                     VALUES (1, 5, now(), '', '', 'discarded', '9')";
    shelf.sql.execute(discarded, &[]).await.unwrap();
    shelf.store(&[delivery(1, 0, 1, SAID, false)]).await.unwrap();
    shelf.settle(10).await;
    let late = [delivery(5, 0, 5, SAID, false), delivery(7, 0, 7, SAID, false), delivery(8, 0, 1, SAID, true)];
    let done = shelf.store(&late).await.unwrap();
    assert_eq!((done.rows, done.repeated, done.dead), (0, 1, vec!["late", "late"]));
    let ranges = "SELECT string_agg(stream_seq || '-' || error, ' ' ORDER BY stream_seq) FROM workflow_comms.dead_letters \
                  WHERE class = 'discarded'";
    let ranges: String = shelf.sql.query_one(ranges, &[]).await.unwrap().get(0);
    assert_eq!(ranges, "6-6 8-9");
    let done = shelf.store(&late).await.unwrap();
    assert_eq!((done.rows, done.repeated, done.dead), (0, 3, vec![]));
    // Of a life that has ended, nothing is stored any more.
    shelf.sql.execute("UPDATE workflow_comms.stream_epochs SET settled = true", &[]).await.unwrap();
    assert_eq!(shelf.store(&[delivery(20, 0, 20, SAID, false)]).await.unwrap().dead, ["late"]);
    assert_eq!(shelf.rows().await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_message_at_a_position_is_a_break_and_no_second_row() {
    let shelf = Shelf::new().await;
    shelf.store(&[delivery(10, 0, 1, SAID, false)]).await.unwrap();
    let mut other = delivery(10, 0, 2, SAID, false);
    other.stored_at += time::Duration::seconds(1);
    let error = shelf.store(&[delivery(11, 0, 3, SAID, false), other]).await.unwrap_err();
    assert!(matches!(error, ingest::store::StoreError::PlaceTaken(Cursor { epoch: 1, sequence: 10 }, _)), "{error}");
    assert_eq!(shelf.rows().await, [10]);
}

/// Text that no compression makes short.
fn noise(length: usize) -> String {
    let mut state = length as u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    };
    (0..length).map(|_| letter()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_viewers_are_shown_is_stored_and_reads_the_same() {
    let shelf = Shelf::new().await;
    let names = ["workflow_namespace", "workflow_name", "workflow_uid", "run_id", "step_id", "pod", "container", "agent_id"];
    let names = names.into_iter().chain(["stage", "channel", "runtime", "kind"]).enumerate();
    let mut members: Vec<String> = names.map(|(index, name)| format!(r#""{name}":"{}""#, noise(20_000 + index))).collect();
    let (pod, label) = (noise(20_100), noise(20_101));
    members.push(format!(
        r#""content":"nul \u0000","seq":1,"source":{{"pod_uid":"{pod}\u0000","label":"{label}","generation":{},"start":0,"end":1,"part":0}}"#,
        u64::MAX
    ));
    let long = Delivery {
        // The subject names nothing, so that the body may.
        subject: "workflow.unknown.unknown.unknown.agent.a.message".to_owned(),
        ..delivery(1, 0, 1, &members.join(","), false)
    };
    let received =
        Received { subject: &long.subject, payload: &long.payload, stored_at: long.stored_at, sequence: long.sequence };
    let shown = StoredMessage::decode(1, &received).unwrap();
    assert!(shown.verified && shown.message.source.is_some());
    shelf.store(std::slice::from_ref(&long)).await.unwrap();
    let stored = ingest::read::messages::one(&shelf.pool, shown.cursor, at(100)).await.unwrap();
    assert_eq!(stored, Some(shown));
    for table in ["runs", "run_steps", "run_sources"] {
        assert_eq!(shelf.count(&format!("SELECT count(*) FROM workflow_comms.{table}")).await, 1, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_cursor_decides_what_is_known_of_a_run_whatever_is_stored_last() {
    let shelf = Shelf::new().await;
    let end = |code: &str, complete: bool, outcome: &str, run_id: &str, sequence: u64| {
        let source = r#""source":{"pod_uid":"p","label":"l","generation":1,"start":0,"end":1,"part":0}"#;
        let common = format!(r#""run_id":"{run_id}","step_id":"s","pod":"p","container":"c",{source}"#);
        let members = [
            format!(r#""kind":"step-end","content":"end","attrs":{{{code}}},{common}"#),
            format!(r#""kind":"source-end","content":"end","attrs":{{"complete":{complete}}},{common}"#),
            format!(r#""kind":"run-outcome","content":"{outcome}",{common}"#),
        ];
        let number = |index: usize| sequence + u64::try_from(index).unwrap();
        let one = |(index, members): (usize, &String)| delivery(number(index), 0, number(index), members, false);
        members.iter().enumerate().map(one).collect::<Vec<_>>()
    };
    let (early, late) = (end(r#""exit_code":1"#, false, "failed", "r-1", 10), end("", true, "succeeded", "r-2", 20));
    shelf.store(&late).await.unwrap();
    shelf.store(&early).await.unwrap();
    let sql = "SELECT outcome, run_id, exit_code, complete FROM workflow_comms.runs, workflow_comms.run_steps, \
               workflow_comms.run_sources";
    let row = shelf.sql.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), ("succeeded", "r-2"));
    // The last end does not tell the exit code.
    assert_eq!((row.get::<_, Option<i32>>(2), row.get(3)), (None, Some(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_that_is_there_keeps_no_other_from_being_stored_however_many_bytes_follow_it() {
    let shelf = Shelf::new().await;
    let large = format!(r#""content":"{}","step_id":"s","agent_id":"a""#, "said ".repeat(20 << 10));
    let done = shelf.store(&[delivery(1, 0, 1, SAID, false), delivery(2, 0, 99, SAID, false)]).await.unwrap();
    assert_eq!((done.rows, done.clashed), (2, false));
    // Rows go in the order of their ids: what is there comes first in one batch, and last in the other.
    for (known, first) in [(1, 10), (99, 55)] {
        let news = (first..first + 40).map(|number| delivery(number, 0, number, &large, false));
        let batch: Vec<Delivery> = news.chain([delivery(first + 100, 0, known, SAID, false)]).collect();
        let done = shelf.store(&batch).await.unwrap();
        assert_eq!((done.rows, done.repeated, done.clashed), (40, 1, true));
    }
    assert_eq!(shelf.rows().await.len(), 82);
    check_counts(&shelf, 82).await;
}
