//! Dead letters as an operator meets them: listed, shown, read anew.

use ingest::batch::Batch;
use ingest::cursor::Cursor;
use ingest::epochs::Epochs;
use ingest::read::dead_letters::{DeadLetterQuery, at, list};
use ingest::store::insert::insert;
use ingest::stored::StoredMessage;
use message::Received;
use serde_json::Value;

use crate::shelf::{Shelf, batch, delivery};
use crate::terminal::Terminal;

const SAID: &str = r#""content":"said","step_id":"s","agent_id":"a""#;
const OTHER: &str = r#""content":"something else","step_id":"s","agent_id":"a""#;

/// Runs `dead-letters` as a person does: whether it went well, its lines, its complaints.
async fn dead_letters(shelf: &Shelf, words: &[&str]) -> (bool, Vec<String>, String) {
    let mut all = vec!["dead-letters"];
    all.extend(words);
    all.extend(["--database-url", &shelf.url, "--utc"]);
    let (status, lines, complaints) = Terminal::start("http://127.0.0.1:1", &all).end().await;
    (status.success(), lines, complaints)
}

async fn retried(shelf: &Shelf, words: &[&str]) -> (bool, Vec<(String, String)>) {
    let mut all = vec!["retry", "-o", "json"];
    all.extend(words);
    let (success, lines, _) = dead_letters(shelf, &all).await;
    let result = |line: &String| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        (line["cursor"].as_str().expect("a cursor").to_owned(), line["result"].as_str().expect("a result").to_owned())
    };
    (success, lines.iter().map(result).collect())
}

fn results(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(cursor, result)| ((*cursor).to_owned(), (*result).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_read_now_is_stored_as_if_it_had_been_read_at_once() {
    let shelf = Shelf::new().await;
    // A program that knew less gave it up; its id is made from a store time finer than a column holds.
    let mut unread = delivery(10, 0, 1, SAID, false);
    unread.payload = br#"{"content":"without an id","step_id":"s","agent_id":"a"}"#.to_vec().into();
    unread.stored_at += time::Duration::nanoseconds(123);
    let letter = unread.dead_letter(&Epochs::first(), "decode", &std::io::Error::other("not known yet"));
    let dead = Batch { dead: vec![letter], ..Batch::default() };
    insert(&shelf.pool, &dead, &Epochs::first()).await.unwrap();
    shelf.settle(100).await;

    let (success, told) = retried(&shelf, &["1.10", "--dry-run"]).await;
    assert!(success && told == results(&[("1.10", "stored")]), "{told:?}");
    assert_eq!((shelf.rows().await, shelf.count("SELECT sum(attempts) FROM workflow_comms.dead_letters").await), (vec![], 0));
    for (result, attempts) in [("stored", 1), ("there", 1)] {
        assert_eq!(retried(&shelf, &["1.10"]).await, (true, results(&[("1.10", result)])));
        assert_eq!(shelf.count("SELECT sum(attempts) FROM workflow_comms.dead_letters").await, attempts);
    }
    let cursor = Cursor { epoch: 1, sequence: 10 };
    let row = ingest::read::messages::one(&shelf.pool, cursor, cursor).await.unwrap().unwrap();
    let received =
        Received { subject: &unread.subject, payload: &unread.payload, stored_at: unread.stored_at, sequence: unread.sequence };
    assert_eq!(row, StoredMessage::decode(1, &received).unwrap());
    assert_eq!(shelf.count("SELECT messages FROM workflow_comms.runs").await, 1);
    // It is no longer among those that somebody must look at.
    let (_, lines, complaints) = dead_letters(&shelf, &["list"]).await;
    assert!(lines.is_empty() && complaints.contains("no dead letter"), "{lines:?} {complaints}");
    let (_, lines, _) = dead_letters(&shelf, &["list", "--all"]).await;
    assert!(lines.len() == 2 && lines[1].contains("stored by a retry"), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_class_does_what_it_is_said_to_do_when_it_is_retried() {
    let shelf = Shelf::new().await;
    shelf.store(&[delivery(10, 0, 1, SAID, false)]).await.unwrap();
    // Another with its id, one that nobody can read, and one that came when its place was settled.
    let mut broken = delivery(12, 0, 2, SAID, false);
    broken.payload = b"{\x1b[2J".to_vec().into();
    shelf.store(&[delivery(11, 0, 1, OTHER, true), broken]).await.unwrap();
    shelf.settle(100).await;
    shelf.store(&[delivery(13, 1, 3, SAID, false)]).await.unwrap();
    let range = "INSERT INTO workflow_comms.dead_letters (epoch, stream_seq, stream_ts, subject, payload, class, error) \
                 VALUES (1, 20, '2026-03-01', '', '', 'discarded', '29')";
    shelf.sql.execute(range, &[]).await.unwrap();

    let (success, told) = retried(&shelf, &["--every"]).await;
    assert!(!success);
    assert_eq!(told, results(&[("1.13", "stored"), ("1.12", "dead"), ("1.11", "dead")]));
    assert_eq!(shelf.rows().await, [10, 13]);
    let (success, told) = retried(&shelf, &["1.20", "1.99"]).await;
    assert!(!success);
    assert_eq!(told, results(&[("1.20", "dead"), ("1.99", "missing")]));
    let (_, lines, _) = dead_letters(&shelf, &["retry", "1.20"]).await;
    assert!(lines[1].contains("its bytes are gone"), "{lines:#?}");
    let attempts = "SELECT stream_seq FROM workflow_comms.dead_letters WHERE attempts = 1 ORDER BY 1";
    assert_eq!(shelf.sequences(attempts).await, [11, 12, 13]);

    // The message whose id it has is gone: now it is the message.
    shelf.sql.execute("DELETE FROM workflow_comms.agent_messages WHERE stream_seq = 10", &[]).await.unwrap();
    assert_eq!(retried(&shelf, &["--class", "conflict"]).await, (true, results(&[("1.11", "stored")])));
    assert_eq!(shelf.rows().await, [11, 13]);

    // Its day is gone.
    shelf.sql.execute("UPDATE workflow_comms.stream_epochs SET kept_from = 13", &[]).await.unwrap();
    let (_, lines, _) = dead_letters(&shelf, &["retry", "1.12"]).await;
    assert!(lines[1].contains("expired: the day it belongs to was dropped"), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_shown_whole_and_obeyed_by_no_terminal() {
    let shelf = Shelf::new().await;
    let mut broken = delivery(12, 0, 2, SAID, true);
    broken.payload = b"{\x1b[2J\xff".to_vec().into();
    shelf.store(std::slice::from_ref(&broken)).await.unwrap();
    let (success, lines, _) = dead_letters(&shelf, &["show", "1.12"]).await;
    assert!(success);
    let text = lines.join("\n");
    for part in [
        "workflow.demo.build.u-1",
        "decode: its body is no JSON object",
        "Agent-Comms-Resend: 1",
        r"{\x1b[2J",
        "2026-03-01 12:00:00",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let (_, lines, _) = dead_letters(&shelf, &["show", "1.12", "-o", "json"]).await;
    let shown: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!((shown["payload"].as_str(), &shown["payload_text"]), (Some("extbMkr/"), &Value::Null));
    assert_eq!(shown["headers"]["Agent-Comms-Resend"][0], "1");
    let raw = std::process::Command::new(env!("CARGO_BIN_EXE_agent-comms-ingest"))
        .args(["dead-letters", "show", "1.12", "--raw", "--database-url", &shelf.url])
        .output()
        .expect("run");
    assert_eq!(raw.stdout, broken.payload);
    let (success, _, complaints) = dead_letters(&shelf, &["show", "1.13"]).await;
    assert!(!success && complaints.contains("there is no dead letter at 1.13"), "{complaints}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_list_join_without_gap_or_repeat_also_where_a_position_has_several() {
    let shelf = Shelf::new().await;
    let mut broken: Vec<_> = (1..=9).map(|number| delivery(number, 0, number, SAID, false)).collect();
    for delivery in &mut broken {
        delivery.payload = if delivery.sequence % 2 == 0 { "{".into() } else { "{}".into() };
    }
    shelf.store(&broken).await.unwrap();
    // The stream broke, and the position came again.
    let again = "INSERT INTO workflow_comms.dead_letters SELECT epoch, stream_seq, stream_ts + interval '1 s', subject, headers, \
                 payload, class, error FROM workflow_comms.dead_letters WHERE stream_seq = 6";
    shelf.sql.execute(again, &[]).await.unwrap();
    for limit in 1..=10 {
        let mut query = DeadLetterQuery { limit, ..DeadLetterQuery::default() };
        let mut found = Vec::new();
        loop {
            let page = list(&shelf.pool, &query).await.unwrap();
            found.extend(page.letters.iter().map(|letter| letter.cursor.sequence));
            query.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!(found, [9, 8, 7, 6, 6, 5, 4, 3, 2, 1], "pages of {limit}");
    }
    let query = DeadLetterQuery { classes: vec!["decode".to_owned()], limit: 50, ..DeadLetterQuery::default() };
    let decode: Vec<i64> = list(&shelf.pool, &query).await.unwrap().letters.iter().map(|letter| letter.cursor.sequence).collect();
    assert_eq!(decode, [8, 6, 6, 4, 2]);
    assert_eq!(at(&shelf.pool, Cursor { epoch: 1, sequence: 6 }).await.unwrap().len(), 2);
    assert_eq!(batch(&broken).dead.len(), 9);
}
