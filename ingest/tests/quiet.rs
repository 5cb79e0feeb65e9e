//! What a replica says of itself: nothing of what it carries, however much it is told to log; and how many connections it
//! may have.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{DEADLINE, World};

/// Said in every part of a message that is no name.
const WORD: &str = "Xylophone-4711";
const SUBJECT: &str = "workflow.demo.build.u-1.agent.a.message";

/// The first 64 KiB of an answer, or what came of it until this text did.
async fn get(api: SocketAddr, path: &str, wanted: &str) -> String {
    let mut stream = TcpStream::connect(api).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let (mut text, mut part) = (String::new(), [0; 8_192]);
    while !text.contains(wanted) {
        let length = tokio::time::timeout(DEADLINE, stream.read(&mut part)).await.expect("in time").expect("read");
        assert!(length > 0, "{path} is answered without `{wanted}`: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_is_logged_and_the_limit_of_connections_is_raised() {
    let world = World::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let (log, ready) = (directory.path().join("log"), directory.path().join("ready.json"));
    let words = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--database-url", &world.url];
    let more = [
        "--drain-seconds",
        "0",
        "--log",
        "trace,async_nats=trace,tokio_postgres=trace",
        "--log-format",
        "json",
        "--ready-file",
        ready.to_str().expect("text"),
    ];
    let mut credentials = world.nats.ingest();
    // Nobody needs it here, where certificates say who somebody is; elsewhere it is how one logs in.
    credentials.url = credentials.url.replace("://", &format!("://somebody:{WORD}@"));
    let words = World::words(&credentials, &[&words[..], &more].concat());
    let mut child = tokio::process::Command::new("sh")
        // As low as many systems set it.
        .args(["-c", "ulimit -Sn 256; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_agent-comms-ingest")])
        .args(&words[1..])
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).expect("a log"))
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let start = Instant::now();
    while !ready.exists() {
        assert!(start.elapsed() < DEADLINE && child.try_wait().expect("a status").is_none(), "it does not serve");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let addresses: serde_json::Value = serde_json::from_slice(&std::fs::read(&ready).expect("read")).expect("JSON");
    let api: SocketAddr = addresses["api"].as_str().expect("an address").parse().expect("an address");

    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id().expect("it runs"))).expect("its limits");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert!(numbers[0] == numbers[1] && numbers[0] != "256", "{line}");

    let id = message::id::of_step("quiet", "1");
    let said = [
        format!(r#"{{"v":1,"id":"{id}","content":"{WORD}","attrs":{{"a":"{WORD}"}},"tool":{{"output":"{WORD}"}}}}"#),
        format!(r#"{{"v":1,"id":"{id}","content":"not {WORD}"}}"#),
        format!(r#"{{"content":"\u0000{WORD}"}}"#),
        format!(r#"{{"content":"\ud800{WORD}"}}"#),
        format!(r#"{{"content":"{WORD}"#),
        format!(r#"{{"v":"{WORD}","role":"{WORD}","timestamp":"{WORD}","tool":"{WORD}","attrs":"{WORD}"}}"#),
        format!(r#"{{"content":"{WORD}","workflow_uid":"{WORD}"}}"#),
        WORD.to_owned(),
    ];
    for body in &said {
        world.publish(SUBJECT, body).await;
    }
    let last = i64::try_from(said.len()).expect("few");
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", last).await;
    assert!(world.count("SELECT count(*) FROM workflow_comms.dead_letters").await >= 4);
    get(api, "/api/agents/events?runId=u-1", "caught_up").await;
    get(api, "/api/agents/runs/u-1/messages", WORD).await;
    get(api, "/api/agents/dead-letters", "\"class\"").await;
    get(api, "/agents/u-1", WORD).await;

    let terminated = std::process::Command::new("kill").args(["-TERM", &child.id().expect("it runs").to_string()]).status();
    assert!(terminated.expect("kill runs").success());
    assert!(tokio::time::timeout(DEADLINE, child.wait()).await.expect("in time").expect("a status").success());
    let log = std::fs::read_to_string(&log).expect("the log");
    for level in ["\"level\":\"TRACE\"", "\"level\":\"DEBUG\"", "\"level\":\"INFO\""] {
        assert!(log.contains(level), "nothing is logged with {level}");
    }
    let told = log.lines().find(|line| line.contains(WORD));
    assert_eq!(told, None);
}
