//! `tail` and `runs` as a person starts them, against a replica that they reach over HTTP alone.

use rustix::process::Signal;

use crate::terminal::{self, Terminal};
use crate::world::World;

/// A world with one replica, and its address as a server.
async fn serving() -> (World, crate::world::Replica, String) {
    let world = World::start().await;
    let mut replica = world.replica("first");
    let api = replica.api().await;
    (world, replica, format!("http://{api}"))
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("number {number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_between_costs_no_line_and_repeats_none() {
    let (world, mut replica, server) = serving().await;
    let listen = server.strip_prefix("http://").expect("an address").to_owned();
    // It stores what is said while the other is away, so that the newest messages are not all that was missed.
    let mut storing = world.replica("storing");
    storing.until_ready().await;
    world.publish_numbered(0..40).await;
    // The replica that is asked has to know that they are stored: what is above is told whole.
    let start = std::time::Instant::now();
    let newest = "/api/agents/runs/u-1/messages?limit=1";
    while !crate::world::get(listen.parse().expect("an address"), newest).await.contains(r#""as_of":"1.40""#) {
        assert!(start.elapsed() < crate::world::DEADLINE, "it is not told that 40 messages are stored");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    world.set_ack_wait(std::time::Duration::from_secs(2)).await;
    let tail = Terminal::start(&server, &["tail", "--run", "u-1", "--last", "10", "-o", "json"]);
    tail.until_lines(10).await;
    for round in 0..3 {
        let from = 40 + round * 40;
        // Some are shown before the server dies, some may be, some are said while it is away.
        world.publish_numbered(from..from + 10).await;
        tail.until_lines(usize::try_from(from + 10 - 30).expect("a count")).await;
        world.publish_numbered(from + 10..from + 20).await;
        replica.child.kill().await.expect("killed");
        world.publish_numbered(from + 20..from + 40).await;
        tail.until_complains("trying again").await;
        // What the dead one held comes again.
        world.until("SELECT watermark FROM workflow_comms.stream_epochs", i64::from(from + 40)).await;
        replica = world.replica_at(&format!("again {round}"), &listen);
        replica.until_ready().await;
    }
    tail.until_lines(130).await;
    assert_eq!(tail.contents(), numbers(30..160));
    tail.signal(Signal::INT);
    let (status, lines, _) = tail.end().await;
    assert!(status.success() && lines.len() == 130, "{status} after {} lines", lines.len());

    // Each position is a place to go on from.
    let last: serde_json::Value = serde_json::from_str(&lines[127]).expect("JSON");
    let cursor = last["cursor"].as_str().expect("a cursor");
    let rest = Terminal::start(&server, &["tail", "--run", "u-1", "--after", cursor, "--no-follow", "-o", "json"]);
    let (status, lines, complaints) = rest.end().await;
    assert!(status.success(), "{complaints}");
    assert_eq!(lines.len(), 2, "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_not_spoken_is_waited_for_and_speaks_without_harm() {
    let (world, _replica, server) = serving().await;
    world.until_exists("workflow_comms.runs").await;
    let tail =
        Terminal::start(&server, &["tail", "--run", "u-9", "--kind", "tool_call", "--kind", "tool_result", "--kind", "status"]);
    tail.until_complains("-- run `u-9` has not spoken yet").await;
    let say = async |agent: &str, kind: &str, body: &str| {
        world.publish(&format!("workflow.demo.night.u-9.agent.{agent}.{kind}"), body).await;
    };
    let at = r#""timestamp":"2026-11-26T21:00:00Z""#;
    say("a", "tool_call", &format!(r#"{{{at},"tool":{{"call_id":"c","name":"bash","arguments":{{"command":"ls"}}}}}}"#)).await;
    say("a", "message", &format!(r#"{{{at},"content":"not asked for"}}"#)).await;
    say("a", "tool_result", &format!(r#"{{{at},"tool":{{"call_id":"c","name":"bash","status":"ok","duration_ms":400}}}}"#)).await;
    say("b", "status", &format!(r#"{{{at},"content":"up \u001b[2J\u009b1m\nand on"}}"#)).await;
    tail.until_lines(4).await;
    tail.signal(Signal::TERM);
    let (status, lines, complaints) = tail.end().await;
    assert!(status.success(), "{complaints}");
    let expected = [
        "-- 2026-11-26 UTC",
        "21:00:00 a        ▸ bash ls (0.40 s, ok)",
        "21:00:00 b        [status] up \\x1b[2J\\x9b1m",
        "                  and on",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_followed_is_told_with_the_way_out() {
    let (world, _replica, server) = serving().await;
    for namespace in ["demo", "other"] {
        let body = format!(r#"{{"content":"from {namespace}","run_id":"shared"}}"#);
        world.publish(&format!("workflow.{namespace}.build.u-{namespace}.agent.a.message"), &body).await;
    }
    world.until("SELECT count(*) FROM workflow_comms.runs", 2).await;
    let told = async |server: &str, words: &[&str], expected: &str| {
        let (status, lines, complaints) = Terminal::start(server, words).end().await;
        assert!(!status.success() && lines.is_empty(), "{words:?}: {lines:#?}");
        assert!(complaints.contains(expected), "{words:?}: {complaints}");
    };
    let several = "runs of several namespaces are known by `shared`: ";
    told(&server, &["tail", "--run", "shared"], several).await;
    told(&server, &["tail", "--run", "shared"], "; name one with --namespace").await;
    told(&server, &["tail", "--workflow", "build"], "runs of several namespaces are known by `build`: demo, other;").await;
    told(&server, &["tail", "--run", "u-demo", "--after", "tomorrow"], "`tomorrow` is no cursor").await;
    told(&server, &["tail"], "--run <ID>").await;
    told(&server, &["tail", "--run", "u-demo", "--token-file", "/no/such/token"], "cannot read the token from `/no/such/token`")
        .await;
    told("http://127.0.0.1:1", &["tail", "--run", "u-demo"], "cannot connect to http://127.0.0.1:1; check --server").await;
    told("http://comms.example.org", &["runs"], "use https").await;
    told(&format!("{server}/agents"), &["runs"], "answered 404").await;

    let one = Terminal::start(&server, &["tail", "--run", "shared", "-n", "other", "--no-follow", "-o", "json"]);
    one.until_lines(1).await;
    assert_eq!(one.contents(), ["from other"]);
    let (status, _, complaints) = one.end().await;
    assert!(status.success() && complaints.is_empty(), "{complaints}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_is_followed_by_its_name_and_a_reader_that_goes_ends_it() {
    let (world, _replica, server) = serving().await;
    world.until_exists("workflow_comms.runs").await;
    let tail = Terminal::start(&server, &["tail", "--workflow", "build", "-o", "json"]);
    tail.until_complains("no run of a workflow `build` has spoken yet").await;
    world.publish_numbered(0..5).await;
    tail.until_lines(5).await;
    assert_eq!(tail.contents(), numbers(0..5));
    // Nothing is said any more: that nobody reads is seen all the same.
    let (status, _, complaints) = Terminal::start_unread(&server, &["tail", "--run", "u-1", "--last", "0"]).end().await;
    assert!(status.success() && complaints.is_empty(), "{status}: {complaints}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_runs_stays_true_over_a_server_that_comes_again() {
    let (world, mut replica, server) = serving().await;
    let listen = server.strip_prefix("http://").expect("an address").to_owned();
    world.publish_numbered(0..3).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 3).await;
    let watch = Terminal::start(&server, &["runs", "--watch", "-o", "json", "-q", "u-"]);
    watch.until_lines(1).await;
    world.publish("workflow.demo.other.u-2.agent.a.message", r#"{"content":"here"}"#).await;
    world.publish("workflow.demo.other.x-3.agent.a.message", r#"{"content":"not asked for"}"#).await;
    watch.until_lines(2).await;
    // What the server holds when it dies, or is sent just then, comes again.
    world.set_ack_wait(std::time::Duration::from_secs(2)).await;
    replica.child.kill().await.expect("killed");
    world.publish("workflow.demo.other.u-4.agent.a.message", r#"{"content":"while it was away"}"#).await;
    watch.until_complains("trying again").await;
    replica = world.replica_at("again", &listen);
    replica.until_ready().await;
    watch.until_lines(3).await;
    watch.signal(Signal::INT);
    let (status, lines, complaints) = watch.end().await;
    assert!(status.success(), "{complaints}");
    let runs: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let uids: Vec<&str> = runs.iter().map(|run| run["workflow_uid"].as_str().expect("a uid")).collect();
    assert_eq!(uids, ["u-1", "u-2", "u-4"]);

    world.until("SELECT count(*) FROM workflow_comms.runs", 4).await;
    let (status, lines, _) = Terminal::start(&server, &["runs", "--limit", "3", "--state", "active", "--utc"]).end().await;
    assert!(status.success());
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[0].starts_with("STATE ") && lines[1].starts_with("running "), "{lines:#?}");
    assert!(lines[1].contains("u-4") && lines[1].ends_with("a: while it was away"), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_colours_and_lines_that_fit_unless_they_are_not_wanted() {
    let (world, _replica, server) = serving().await;
    let body = r#"{"content":"eight words that do not fit into one","timestamp":"2026-11-26T21:00:00Z"}"#;
    world.publish("workflow.demo.build.u-1.agent.planner.error", body).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 1).await;
    let words = ["tail", "--run", "u-1", "--no-follow"];
    let coloured = terminal::in_terminal(&server, &words, 48, &[("TERM", "xterm")]).await;
    let expected = "\x1b[2m-- 2026-11-26 UTC\x1b[0m\r\n\
        \x1b[2m21:00:00\x1b[0m \x1b[34mplanner\x1b[0m  \x1b[31m[error] \x1b[0m\x1b[31meight words that do\x1b[0m\r\n                  \
        \x1b[31mnot fit into one\x1b[0m\r\n";
    assert_eq!(coloured, expected);
    let plain = terminal::in_terminal(&server, &words, 48, &[("TERM", "xterm"), ("NO_COLOR", "1")]).await;
    assert!(!plain.contains('\x1b') && plain.contains("[error] eight words that do\r\n"), "{plain:?}");
    let dumb = terminal::in_terminal(&server, &words, 120, &[("TERM", "dumb")]).await;
    assert!(!dumb.contains('\x1b') && dumb.contains("[error] eight words that do not fit into one\r\n"), "{dumb:?}");
}
