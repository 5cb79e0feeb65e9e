//! What is read from the table is what was put there, chosen and ordered as the live side would.

use ingest::cursor::Cursor;
use ingest::filter::Filter;
use ingest::read::runs::{RunQuery, RunState};
use ingest::read::{messages, runs};
use ingest::stored::StoredMessage;

use crate::table::{Table, stored};

const LAST: Cursor = Cursor { epoch: i64::MAX, sequence: i64::MAX };

fn at(sequence: i64) -> Cursor {
    Cursor { epoch: 1, sequence }
}

fn corpus() -> Vec<StoredMessage> {
    let subjects = [
        "workflow.demo.build.u1.agent.codex.log",
        "workflow.demo.build.unknown.agent.codex.message",
        "workflow.general.message.demo.build.u1.agent.claude",
        "workflow.general.message",
        "workflow.other.build.u2.agent.codex.error",
        "argo.workflow.other.build.unknown.agent.x.tool_call",
    ];
    let bodies = [
        r#"{"content":"100% done_","run_id":"r1","attrs":{"big":12345678901234567890123456789,"z":1,"a":[1.0,1e5]}}"#,
        r#"{"content":"Zwei\u0000 Zeilen\nÄRGER","role":"user","step_id":"s","pod":"p","container":"c","attempt":2,"stage":"plan"}"#,
        r#"{"content":"x","tool":{"name":"bash","arguments":{"cmd":"ls"},"duration_ms":1.50},"seq":7,"timestamp":"2026-01-01T00:00:00.123456789Z",
            "source":{"pod_uid":"pu","label":"spool","generation":1790000000000,"start":1,"end":9,"part":0},"workflow_uid":"u1","run_id":"r2"}"#,
    ];
    let mut sequence = 0;
    let mut corpus = Vec::new();
    for _ in 0..3 {
        for subject in subjects {
            for body in bodies {
                sequence += 1;
                let claims_other = body.contains("\"u1\"") && subject.contains(".u2.");
                if !claims_other {
                    corpus.push(stored(sequence, subject, body));
                }
            }
        }
    }
    corpus
}

fn filters() -> Vec<Filter> {
    let runs = |ids: &[&str]| Filter { runs: ids.iter().map(|id| (*id).to_owned()).collect(), ..Filter::default() };
    let general = Filter { general: true, ..Filter::default() };
    let mut filters = vec![
        Filter::default(),
        general.clone(),
        runs(&["u1"]),
        runs(&["build"]),
        runs(&["r1", "u2", "u1"]),
        runs(&["unknown", ""]),
        Filter { general: true, ..runs(&["u1", "build"]) },
        Filter { namespace: Some("other".to_owned()), ..runs(&["build", "r2"]) },
    ];
    for narrow in filters.clone() {
        filters.push(Filter { kinds: vec!["log".to_owned(), "error".to_owned()], ..narrow.clone() });
        filters.push(Filter { agents: vec!["codex".to_owned()], roles: vec!["user".to_owned()], ..narrow.clone() });
        filters.push(Filter { text: Some("% DONE_".to_owned()), ..narrow });
    }
    filters
}

#[tokio::test]
async fn table_and_live_agree_on_what_a_message_is_and_whom_it_is_for() {
    let table = Table::new("read_agrees").await;
    let corpus = corpus();
    for stored in &corpus {
        table.insert(stored).await;
    }
    for filter in filters() {
        let expected: Vec<_> = corpus.iter().filter(|stored| filter.matches(stored)).cloned().collect();
        let found = messages::after(&table.pool, &filter, at(0), LAST, 1_000).await.unwrap().messages;
        assert_eq!(found, expected, "{filter:?}");
        let texts = |list: &[StoredMessage]| list.iter().map(ingest::api::event::data).collect::<Vec<_>>();
        assert_eq!(texts(&found), texts(&expected));

        let page = messages::before(&table.pool, &filter, None, LAST, 4).await.unwrap();
        assert_eq!(page.messages, expected[expected.len().saturating_sub(4)..], "{filter:?}");
        assert_eq!(page.older, expected.len() > 4);

        let bounded = messages::after(&table.pool, &filter, at(5), at(20), 3).await.unwrap();
        let within: Vec<_> = expected.iter().filter(|stored| stored.cursor > at(5) && stored.cursor <= at(20)).cloned().collect();
        assert_eq!(bounded.messages, within[..within.len().min(3)], "{filter:?}");
        assert_eq!(bounded.more, within.len() > 3, "{filter:?}");

        let oldest = messages::oldest_of_newest(&table.pool, &filter, &[], at(20), 2).await.unwrap();
        let up_to: Vec<_> = expected.iter().map(|stored| stored.cursor).filter(|cursor| *cursor <= at(20)).collect();
        assert_eq!(oldest.oldest, up_to[up_to.len().saturating_sub(2)..].first().copied(), "{filter:?}");
    }
}

#[tokio::test]
async fn pages_walk_back_to_the_first_message_without_gap_or_repeat() {
    let table = Table::new("read_pages").await;
    let corpus = corpus();
    for stored in &corpus {
        table.insert(stored).await;
    }
    let filter = Filter { general: true, runs: vec!["u1".to_owned()], ..Filter::default() };
    let mut walked = Vec::new();
    let mut before = None;
    loop {
        let page = messages::before(&table.pool, &filter, before, LAST, 4).await.unwrap();
        before = page.messages.first().map(|message| message.cursor);
        walked.splice(0..0, page.messages);
        if !page.older {
            break;
        }
    }
    assert_eq!(walked, corpus.iter().filter(|stored| filter.matches(stored)).cloned().collect::<Vec<_>>());
}

/// A reader asks for messages, and cannot know how large they are.
#[tokio::test]
async fn no_answer_holds_more_than_a_few_mebibytes_and_none_is_left_out() {
    let table = Table::new("read_large").await;
    let text = "x".repeat(700 << 10);
    for sequence in 1..=24 {
        let body = match sequence % 3 {
            0 => r#"{"content":"small"}"#.to_owned(),
            1 => format!(r#"{{"content":"{text}"}}"#),
            _ => format!(r#"{{"kind":"tool_result","tool":{{"name":"bash","output":"{text}"}}}}"#),
        };
        table.insert(&stored(sequence, "workflow.demo.build.u1.agent.codex.log", &body)).await;
    }
    let filter = Filter { runs: vec!["u1".to_owned()], ..Filter::default() };
    let bytes = |messages: &[StoredMessage]| messages.iter().map(|stored| ingest::api::event::whole(stored).len()).sum::<usize>();
    let most = usize::try_from(messages::PAGE_BYTES).unwrap() + (1 << 20);
    let sequences = |messages: &[StoredMessage]| messages.iter().map(|stored| stored.cursor.sequence).collect::<Vec<_>>();

    let (mut up, mut position) = (vec![], at(0));
    loop {
        let slice = messages::after(&table.pool, &filter, position, at(24), 1_000).await.unwrap();
        assert!(bytes(&slice.messages) < most, "{} bytes", bytes(&slice.messages));
        position = slice.messages.last().unwrap().cursor;
        up.extend(sequences(&slice.messages));
        if !slice.more {
            break;
        }
    }
    assert_eq!(up, (1..=24).collect::<Vec<_>>());

    let (mut down, mut before) = (vec![], None);
    loop {
        let page = messages::before(&table.pool, &filter, before, at(24), 1_000).await.unwrap();
        assert!(bytes(&page.messages) < most, "{} bytes", bytes(&page.messages));
        before = Some(page.messages[0].cursor);
        down.splice(0..0, sequences(&page.messages));
        if !page.older {
            break;
        }
    }
    assert_eq!(down, up);
    let around = around(&table, at(12), 500, at(24)).await.unwrap();
    assert!(bytes(&around.messages) < 2 * most && around.older && around.newer);
}

async fn around(table: &Table, cursor: Cursor, context: usize, up_to: Cursor) -> Option<messages::Surroundings> {
    let message = messages::one(&table.pool, cursor, up_to).await.unwrap()?;
    let neighbours = messages::neighbourhood(&message);
    Some(messages::around(&table.pool, message, &neighbours, context, up_to).await.unwrap())
}

#[tokio::test]
async fn a_message_is_found_with_its_neighbours() {
    let table = Table::new("read_around").await;
    for sequence in 1..=9 {
        table.insert(&stored(sequence, "workflow.demo.build.u1.agent.codex.log", r#"{"content":"x"}"#)).await;
        table.insert(&stored(sequence + 100, "workflow.demo.other.u2.agent.codex.log", r#"{"content":"y"}"#)).await;
    }
    let found = around(&table, at(5), 2, LAST).await.unwrap();
    let cursors: Vec<i64> = found.messages.iter().map(|message| message.cursor.sequence).collect();
    assert_eq!((cursors, found.older, found.newer), (vec![3, 4, 5, 6, 7], true, true));
    let found = around(&table, at(9), 20, LAST).await.unwrap();
    assert_eq!((found.messages.len(), found.older, found.newer), (9, false, false));
    assert!(around(&table, at(50), 2, LAST).await.is_none());
    assert!(messages::one(&table.pool, Cursor { epoch: 2, sequence: 5 }, LAST).await.unwrap().is_none());
}

#[tokio::test]
async fn a_run_is_found_by_each_of_its_ids_and_several_namespaces_are_told() {
    let table = Table::new("read_runs").await;
    let body = r#"{"content":"hello","run_id":"outer"}"#;
    table.insert(&stored(1, "workflow.demo.build.u1.agent.codex.log", body)).await;
    table.insert(&stored(2, "workflow.other.build.u2.agent.codex.log", body)).await;
    table.insert(&stored(3, "workflow.demo.named.unknown.agent.codex.error", r#"{"content":"hello"}"#)).await;

    let found = async |id: &str, namespace: Option<&str>| {
        let found = runs::by_id(&table.pool, id, namespace).await.unwrap();
        found.into_iter().map(|run| (run.namespace, run.name)).collect::<Vec<_>>()
    };
    let run = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
    assert_eq!(found("u1", None).await, [run("demo", "build")]);
    assert_eq!(found("named", None).await, [run("demo", "named")]);
    assert_eq!(found("outer", Some("other")).await, [run("other", "build")]);
    assert_eq!(found("outer", None).await, [run("other", "build"), run("demo", "build")]);
    for nobody in ["build", "unknown", "", "u3"] {
        assert_eq!(found(nobody, None).await, [], "{nobody}");
    }
    assert_eq!(runs::namespaces(&table.pool).await.unwrap(), ["demo", "other"]);
}

#[tokio::test]
async fn the_list_of_runs_is_newest_first_in_pages_and_knows_how_each_stands() {
    let table = Table::new("read_run_list").await;
    for number in 1..=5 {
        let subject = format!("workflow.demo.build-{number}.u{number}.agent.codex.log");
        table.insert(&stored(number, &subject, r#"{"content":"hello"}"#)).await;
    }
    let client = table.pool.get().await.unwrap();
    client
        .batch_execute(
            "UPDATE workflow_comms.runs SET last_at = now() WHERE run_key = 'u4'; \
             INSERT INTO workflow_comms.run_steps (workflow_namespace, run_key, step_id, pod, container, messages, first_at, \
             last_at, last_epoch, last_seq, ended, exit_code) VALUES ('demo', 'u2', 's', 'p', 'c', 3, now(), now(), 1, 2, true, 1)",
        )
        .await
        .unwrap();
    let query = RunQuery { limit: 2, ..RunQuery::default() };
    let first = runs::list(&table.pool, &query).await.unwrap();
    let names = |page: &runs::RunPage| page.runs.iter().map(|run| run.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&first), first.next), (vec!["build-5".to_owned(), "build-4".to_owned()], Some(at(4))));
    assert_eq!((first.runs[0].state, first.runs[1].state), (RunState::Stalled, RunState::Running));
    let last = runs::list(&table.pool, &RunQuery { before: Some(at(2)), ..query.clone() }).await.unwrap();
    assert_eq!((names(&last), last.next), (vec!["build-1".to_owned()], None));

    let failed = runs::list(&table.pool, &RunQuery { states: vec![RunState::Failed], ..query.clone() }).await.unwrap();
    assert_eq!((names(&failed), failed.next), (vec!["build-2".to_owned()], None));
    assert_eq!(failed.runs[0].steps[0].exit_code, Some(1));
    let found = runs::list(&table.pool, &RunQuery { text: Some("LD-3".to_owned()), ..query }).await.unwrap();
    assert_eq!(names(&found), vec!["build-3".to_owned()]);
}

#[tokio::test]
async fn a_page_of_runs_looks_at_so_many_and_says_where_it_goes_on() {
    let table = Table::new("read_many_runs").await;
    let sql = "INSERT INTO workflow_comms.runs (workflow_namespace, run_key, workflow_name, workflow_uid, first_epoch, first_seq, \
               first_at, last_epoch, last_seq, last_at, messages, kinds, agents) \
               SELECT 'demo', 'u' || n, CASE WHEN n IN (1, 4000, 4001) THEN 'needle' ELSE 'build' END, 'u' || n, 1, n, now(), 1, n, \
               now(), 1, '{}', '{}' FROM generate_series(1, 7000) AS n";
    table.pool.get().await.unwrap().batch_execute(sql).await.unwrap();
    let mut query = RunQuery { text: Some("NEEDLE".to_owned()), limit: 10, ..RunQuery::default() };
    let found = |page: &runs::RunPage| page.runs.iter().map(|run| run.last.sequence).collect::<Vec<_>>();
    let page = runs::list(&table.pool, &query).await.unwrap();
    assert_eq!((found(&page), page.partial, page.next), (vec![4001, 4000], true, Some(at(2_001))));
    query.before = page.next;
    let page = runs::list(&table.pool, &query).await.unwrap();
    assert_eq!((found(&page), page.partial, page.next), (vec![1], false, None));

    // A full page is none that gave up.
    let query = RunQuery { text: Some("needle".to_owned()), limit: 1, ..RunQuery::default() };
    let page = runs::list(&table.pool, &query).await.unwrap();
    assert_eq!((found(&page), page.partial, page.next), (vec![4001], false, Some(at(4_001))));
    let query = RunQuery { states: vec![RunState::Failed], limit: 10, ..RunQuery::default() };
    let page = runs::list(&table.pool, &query).await.unwrap();
    assert_eq!((found(&page), page.partial, page.next), (vec![], true, Some(at(2_001))));
}
