//! Files that a sidecar published, or half published, filled in from the files.

use std::collections::{BTreeSet, HashSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use ingest::args::backfill::BackfillArgs;
use ingest::args::{Args, Command};
use ingest::backfill::{Report, backfill};
use neighbours::nats::Options;
use neighbours::process::Signal;

use crate::world::{Row, World};

/// Lines that begin with a blank belong to the one before.
const RULES: &str = "[lines]\nstart = '^\\S'\nwait_ms = 200\n";

/// Fills in these files of the pod, each with its label and generation.
async fn fill(world: &World, files: &[(&Path, &str, u64)], more: &[&str]) -> Report {
    backfill(&arguments(world, files, "demo", more)).await.unwrap()
}

/// The same, published as somebody of this namespace.
fn arguments(world: &World, files: &[(&Path, &str, u64)], namespace: &str, more: &[&str]) -> BackfillArgs {
    let text = |path: &PathBuf| path.display().to_string();
    let mut words: Vec<String> =
        ["agent-comms-ingest", "backfill", "--namespace", "demo", "--workflow-name", "build", "--pod", "build-x", "--rate", "0"]
            .map(ToOwned::to_owned)
            .to_vec();
    for (path, label, generation) in files {
        words.extend([path.display().to_string(), "--source".to_owned(), (*label).to_owned()]);
        words.extend(["--generation".to_owned(), generation.to_string()]);
    }
    words.extend(["--workflow-uid", &world.pod.workflow_uid, "--pod-uid", &world.pod.uid].map(ToOwned::to_owned));
    words.extend(["--database-url".to_owned(), world.database().to_owned()]);
    let (reader, publisher) = (world.nats.ingest(), world.nats.publisher(namespace));
    for (prefix, who) in [("--", &reader), ("--publish-", &publisher)] {
        let flags = [
            ("nats-url", who.url.clone()),
            ("nats-ca", text(&who.ca)),
            ("nats-cert", text(&who.files.certificate)),
            ("nats-key", text(&who.files.key)),
            ("nats-inbox-prefix", who.inbox_prefix.clone()),
        ];
        words.extend(flags.into_iter().flat_map(|(flag, value)| [format!("{prefix}{flag}"), value]));
    }
    words.extend(more.iter().map(ToString::to_string));
    match Args::try_parse_from(words).unwrap().command {
        Command::Backfill(args) => *args,
        other => unreachable!("{other:?} is no `backfill`"),
    }
}

fn append(path: &Path, text: &str) {
    std::fs::File::options().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// What the pod of this uid said.
async fn said(world: &World, pod: &str) -> Vec<Row> {
    let rows = world.rows().await;
    rows.into_iter().filter(|row| row.is_said() && row.source["pod_uid"] == pod).collect()
}

async fn until_said(world: &World, content: &str) {
    let sql = format!("SELECT count(*) FROM workflow_comms.agent_messages WHERE content = '{content}'");
    let start = std::time::Instant::now();
    while world.number(&sql).await == 0 {
        assert!(start.elapsed() < crate::world::PATIENCE, "{content:?} is not stored");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn ids(rows: &[Row]) -> BTreeSet<String> {
    rows.iter().map(|row| row.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_a_sidecar_published_nothing_is_added_also_where_it_ended_messages_by_time() {
    let mut world = World::start().await;
    let rules = world.pod.path("rules.toml");
    std::fs::write(&rules, RULES).unwrap();
    let rules = rules.to_str().unwrap();
    let log = world.pod.log("agent.log");
    let mut sidecar = world.sidecar(&["--rules", rules]).await;
    for number in 0..500 {
        append(&log, &format!("line {number}\n at x\n at y\n"));
    }
    append(&log, "{\"id\":\"own\",\"content\":\"said twice\"}\n{\"id\":\"own\",\"content\":\"said twice\"}\n");
    append(&log, &format!("{{\"content\":\"{}\"}}\n", "x".repeat(1 << 20)));
    append(&log, "panic\n at a\n");
    // It waits for more of it, and then no longer: what follows is a message of its own.
    until_said(&world, "panic\n at a").await;
    append(&log, " at b\nlast\n");
    until_said(&world, "last").await;
    // The file is cut off, and another life of it begins. The first is kept by whoever rotates.
    let first = world.pod.path("agent.log.1");
    std::fs::copy(&log, &first).unwrap();
    std::fs::write(&log, "{\"content\":\"anew\"}\nand a line without an end").unwrap();
    until_said(&world, "anew").await;
    sidecar.signal(Signal::TERM).unwrap();
    sidecar.wait(crate::world::PATIENCE).await.unwrap();
    world.until_quiet().await;
    let rows = said(&world, "pod-1").await;
    let sources: HashSet<(String, u64)> = rows.iter().map(Row::source).collect();
    let label = sources.iter().next().unwrap().0.clone();
    assert_eq!(sources, HashSet::from([(label.clone(), 1), (label.clone(), 2)]));
    let files = [(first.as_path(), label.as_str(), 1), (log.as_path(), label.as_str(), 2)];
    let report = fill(&world, &files, &["--rules", rules]).await;
    assert_eq!((report.published.messages, report.files[0].missing + report.files[1].missing), (0, 0), "{report:?}");
    assert_eq!(report.files.iter().map(|file| file.otherwise).sum::<u64>(), 0, "{report:?}");
    assert_eq!(report.files.iter().map(|file| file.there).sum::<u64>(), rows.len() as u64 + 1, "{report:?}");
    // With other rules the same bytes would say the same again: they do not.
    let report = fill(&world, &files[..1], &[]).await;
    assert_eq!((report.published.messages, report.files[0].missing), (0, 0), "{report:?}");
    assert!(report.files[0].otherwise >= 500, "{report:?}");
    world.until_quiet().await;
    assert_eq!(ids(&said(&world, "pod-1").await), ids(&rows));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_a_killed_sidecar_half_published_the_other_half_is_added_and_the_sidecar_then_adds_nothing() {
    let mut world = World::start().await;
    let log = world.pod.log("agent.log");
    let mut sidecar = world.sidecar(&["--rate-messages", "300"]).await;
    let text = (0..9_000).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
    append(&log, &text);
    world.until_stored(3_200).await;
    sidecar.kill().unwrap();
    world.until_quiet().await;
    let before = said(&world, "pod-1").await;
    assert!(before.len() < 9_000, "all of it was published: nothing is tested");
    let label = before[0].source().0;
    let files = [(log.as_path(), label.as_str(), 1)];
    let planned = fill(&world, &files, &["--dry-run"]).await;
    assert_eq!((planned.files[0].missing, planned.published.messages), (9_000 - before.len() as u64, 0));
    // A replica that stores nothing yet makes no difference: what the stream holds counts.
    world.stop_replica().await;
    let report = fill(&world, &files, &[]).await;
    assert_eq!(report.published.messages, planned.files[0].missing, "{report:?}");
    let again = fill(&world, &files, &[]).await;
    assert_eq!(again.published.messages, 0, "{again:?}");
    world.start_replica().await;
    world.until_stored(9_000).await;
    world.until_quiet().await;
    let rows = said(&world, "pod-1").await;
    let contents: Vec<&str> = rows.iter().map(|row| row.content.as_str()).collect();
    let expected: Vec<&str> = text.lines().collect();
    assert_eq!(contents, expected);
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), (1..=9_000).collect::<Vec<_>>());
    // The sidecar goes on where it was killed: all of it is known.
    let mut sidecar = world.sidecar(&[]).await;
    append(&log, "more\n");
    until_said(&world, "more").await;
    sidecar.signal(Signal::TERM).unwrap();
    sidecar.wait(crate::world::PATIENCE).await.unwrap();
    world.until_quiet().await;
    let after = said(&world, "pod-1").await;
    assert_eq!(after.len(), 9_001);
    assert_eq!(ids(&after[..9_000]), ids(&rows));
    assert_eq!(world.number("SELECT count(*) FROM workflow_comms.dead_letters").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_that_nobody_published_are_merged_by_time() {
    let world = World::start().await;
    // Somebody else speaks for the run, of a source whose numbers the table does not know.
    let stranger = r#"{"v":1,"content":"x","source":{"pod_uid":"p","label":"l","generation":18446744073709551615,"start":0,"end":1,"part":0}}"#;
    let (jetstream, _) = world.stream().await;
    jetstream.publish("workflow.demo.build.u1.agent.x.log", stranger.into()).await.unwrap().await.unwrap();
    world.until_stored(1).await;
    let (one, other) = (world.pod.path("one.jsonl"), world.pod.path("other.jsonl"));
    for number in 0..40 {
        let path = if number % 3 == 0 { &one } else { &other };
        append(path, &format!("{{\"timestamp\":\"2026-03-01T10:00:{number:02}Z\",\"content\":\"{number}\"}}\n"));
    }
    let files = [(one.as_path(), "main:/one.jsonl", 1), (other.as_path(), "main:/other.jsonl", 1)];
    let report = fill(&world, &files, &["--channel", "general"]).await;
    assert_eq!(report.published.messages, 40, "{report:?}");
    world.until_stored(41).await;
    let rows = said(&world, "pod-1").await;
    let expected: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    assert_eq!(rows.iter().map(|row| row.content.clone()).collect::<Vec<_>>(), expected);
    // What was said in the channel is found there as well.
    let report = fill(&world, &files, &["--channel", "general"]).await;
    assert_eq!((report.published.messages, report.files[0].there, report.files[1].there), (0, 14, 26), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_may_not_speak_for_the_run_is_told_so() {
    let namespaces = ["demo", "other"].map(ToOwned::to_owned).to_vec();
    let world = World::start_with(Options { namespaces, ..Options::default() }).await;
    let log = world.pod.path("one.log");
    append(&log, &"line\n".repeat(300));
    let files = [(log.as_path(), "main:/one.log", 1)];
    let error = format!("{:#}", backfill(&arguments(&world, &files, "other", &[])).await.unwrap_err());
    assert!(error.contains("may not publish to `workflow.demo.build.u1.agent.main.log`"), "{error}");
}

#[test]
fn what_came_through_a_socket_is_refused_with_the_reason() {
    let words =
        ["agent-comms-ingest", "backfill", "x.log", "--source", "spool", "--namespace", "demo", "--workflow-name", "build"];
    let more = ["--pod-uid", "p", "--database-url", "postgres://localhost/x", "--dry-run"];
    let error = Args::try_parse_from(words.iter().chain(&more)).unwrap_err().to_string();
    assert!(error.contains("what steps said through their socket cannot be filled in from a file"), "{error}");
}
