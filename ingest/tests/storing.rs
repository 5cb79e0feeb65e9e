//! What is published is stored, whoever published it.

use crate::world::World;

const MESSAGES: &str = "SELECT count(*) FROM workflow_comms.agent_messages";

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_other_publishers_are_stored_with_the_right_fields() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    let bodies = [
        (
            "workflow.demo.build.u-1.agent.a.log",
            r#"{"message_id":"m-1","content":"snake","run_id":"r-1","step_id":"s-1","exit_code":0}"#,
        ),
        (
            "agents.workflow.demo.build.u-1.agent.b.message",
            r#"{"messageId":"m-2","content":"camel","runId":"r-1","stepId":"s-1"}"#,
        ),
        (
            "argo.workflow.demo.build.u-1.agent.c.status",
            r#"{"message":{"content":"envelope","agentId":"d"},"sent_at":"2026-01-02T03:04:05Z"}"#,
        ),
        ("workflow_comms.agent_messages.demo.build.u-1.agent.unknown.error", r#"{"text":"old prefix"}"#),
        ("workflow.general.message", r#"{"content":"to all","workflow_namespace":"demo","workflow_uid":"u-1"}"#),
    ];
    for (subject, body) in bodies {
        world.publish(subject, body).await;
    }
    world.until(MESSAGES, 5).await;
    let sql = "SELECT content, kind, agent_id, role, runtime, run_id, step_id, channel, verified, attrs->>'message_id', \
               attrs->>'exit_code', workflow_namespace, workflow_name, workflow_uid \
               FROM workflow_comms.agent_messages ORDER BY epoch, stream_seq";
    let mut lines = Vec::new();
    for row in world.sql.query(sql, &[]).await.expect("rows") {
        let text = |index: usize| row.get::<_, Option<String>>(index).unwrap_or_else(|| "-".to_owned());
        let verified: bool = row.get(8);
        let texts: Vec<String> = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13].into_iter().map(text).collect();
        lines.push(format!("{} {verified}", texts.join(" ")));
    }
    assert_eq!(
        lines,
        [
            "snake log a assistant native r-1 s-1 - m-1 0 demo build u-1 true",
            "camel message b assistant native r-1 s-1 - m-2 - demo build u-1 true",
            "envelope status d system argo - - - - - demo build u-1 true",
            "old prefix error unknown system workflow_comms - - - - - demo build u-1 true",
            "to all message unknown assistant native - - general - - demo unknown u-1 false",
        ]
    );
    // Who publishes to all without saying whose it is speaks for no run.
    world.until("SELECT messages FROM workflow_comms.runs WHERE workflow_uid = 'u-1'", 4).await;
    world.until("SELECT count(*) FROM workflow_comms.runs", 1).await;
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_who_calls_itself_anew_each_time_makes_no_list_without_end() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    let mut acks = Vec::new();
    for number in 0..3_000 {
        let subject = format!("workflow.demo.build.u-1.agent.agent-{number}.message");
        acks.push(world.jetstream.publish(subject, r#"{"content":"said"}"#.into()).await.expect("published"));
    }
    for ack in acks {
        ack.await.expect("acknowledged");
    }
    world.until(MESSAGES, 3_000).await;
    world.until("SELECT messages FROM workflow_comms.runs", 3_000).await;
    let agents = "SELECT sum(value::bigint)::bigint FROM workflow_comms.runs, jsonb_each_text(agents)";
    assert_eq!(world.count(agents).await, 3_000);
    // Those of the batch that reaches the bound are all listed.
    let names = world.count("SELECT count(*) FROM workflow_comms.runs, jsonb_object_keys(agents)").await;
    assert!((256..=256 + 500 + 1).contains(&names), "{names} names");
    assert!(world.count("SELECT (agents ->> '(others)')::bigint FROM workflow_comms.runs").await > 2_000);
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_kept_with_its_bytes_between_its_stored_neighbours() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    let subject = "workflow.demo.build.u-1.agent.a.message";
    world.publish(subject, r#"{"content":"before"}"#).await;
    let dead = world.publish(subject, "{\"content\":").await;
    world.publish(subject, r#"{"content":"of another","workflow_uid":"u-2"}"#).await;
    world.publish(subject, "{\"content\":\"nul \\u0000 inside\",\"attrs\":{\"a\":\"\\u0000\"}}").await;
    world.until(MESSAGES, 2).await;
    world.until("SELECT count(*) FROM workflow_comms.dead_letters", 2).await;
    world.until_acknowledged().await;
    let sql = "SELECT payload, class FROM workflow_comms.dead_letters WHERE stream_seq = $1";
    let row = world.sql.query_one(sql, &[&i64::try_from(dead).unwrap()]).await.expect("a dead letter");
    assert_eq!((row.get::<_, Vec<u8>>(0), row.get::<_, &str>(1)), (b"{\"content\":".to_vec(), "decode"));
    world.until("SELECT count(*) FROM workflow_comms.dead_letters WHERE class = 'identity'", 1).await;
    world.until("SELECT count(*) FROM workflow_comms.agent_messages WHERE content = E'nul \u{fffd} inside'", 1).await;
    // Everything is settled, so the watermark reaches the end.
    world.until("SELECT watermark FROM workflow_comms.stream_epochs WHERE epoch = 1", 4).await;
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_changes_nothing_that_is_there_and_says_what_differs() {
    let world = World::start().await;
    let manifest = tempfile::NamedTempFile::new().expect("a file");
    let text = include_str!("../../manifests/nats/agent-comms.yaml").replace("maxAge: 168h", "maxAge: 24h");
    std::fs::write(manifest.path(), text).expect("written");
    let words = ["setup", "--manifest", manifest.path().to_str().expect("text")];
    for (some, same) in [(&words[..1], true), (&words[..], false)] {
        let ingest::args::Command::Setup(args) = World::args(&world.nats.admin(), some).command else { panic!("no setup") };
        assert_eq!(ingest::setup::run(&args).await.is_ok(), same);
    }
    // The same for programs.
    let words = World::words(&world.nats.admin(), &["setup", "-o", "json", "--manifest", words[2]]);
    let program = env!("CARGO_BIN_EXE_agent-comms-ingest");
    let done = tokio::process::Command::new(program).args(&words[1..]).output().await.expect("run");
    assert!(!done.status.success());
    let text = String::from_utf8(done.stdout).expect("text");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["outcome"], "differs");
    let age = serde_json::json!([{ "setting": "max_age", "is": 604_800_000_000_000_u64, "should_be": 86_400_000_000_000_u64 }]);
    assert_eq!(lines[0]["differences"], age);
    assert_eq!((&lines[1]["consumer"], &lines[1]["outcome"]), (&"jangar-agent-comms".into(), &"same".into()));
    let mut stream = world.jetstream.get_stream("agent-comms").await.expect("the stream");
    let max_age = stream.info().await.expect("info").config.max_age;
    assert_eq!(max_age.as_secs(), 168 * 3_600);
}
