//! The channel of all runs, read back through the sockets of steps that have no credential.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use neighbours::nats::Options;
use neighbours::pod::request;
use neighbours::{Pod, Process};
use serde_json::{Value, json};

use crate::world::{World, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidecar-under-test");

/// A world with two runs in two namespaces, each with its pod.
struct Two {
    world: World,
    other: Pod,
    sidecars: [Process; 2],
}

impl Two {
    async fn start() -> Self {
        let namespaces = vec!["demo".to_owned(), "other".to_owned()];
        let mut world = World::start_with(Options { namespaces, ..Options::default() }).await;
        let mut other = Pod::new(PROGRAM).unwrap();
        (other.namespace, other.workflow_uid, other.uid) = ("other".to_owned(), "u2".to_owned(), "pod-2".to_owned());
        let credentials = world.nats.publisher("other");
        let sidecars = [world.sidecar(&[]).await, other.start_sidecar(&world.nats.url(), &credentials, &[]).await.unwrap()];
        Self { world, other, sidecars }
    }

    /// Waits until history tells so many messages of the channel.
    async fn until_told(&self, count: usize) {
        let socket = self.other.socket("main");
        until("history tells the channel", || messages(&read(&socket, &["--last", "1000"])).len() >= count).await;
    }
}

fn say(pod: &Pod, content: &str) {
    let body = json!({ "content": content, "channel": "general" }).to_string();
    let (status, answer) = request(&pod.socket("main"), "POST /messages HTTP/1.1\r\n", &body).unwrap();
    assert_eq!(status, 202, "{answer}");
}

/// The command as a step would run it: it has the socket and nothing else.
fn reading(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["read", "-o", "json", "--socket"]).arg(socket).args(arguments).env_clear();
    command
}

fn read(socket: &Path, arguments: &[&str]) -> Output {
    let output = reading(socket, arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// The lines that are messages.
fn messages(output: &Output) -> Vec<Value> {
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice::<Value>(line).unwrap()).filter(is_message).collect()
}

fn is_message(line: &Value) -> bool {
    line.get("kind").is_some_and(|kind| !["source-end", "step-end", "gap"].map(Value::from).contains(kind))
}

fn contents<'a>(lines: impl IntoIterator<Item = &'a Value>) -> Vec<&'a str> {
    lines.into_iter().filter(|line| is_message(line)).map(|line| line["content"].as_str().unwrap()).collect()
}

/// Somebody who reads on.
struct Follower {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Follower {
    fn start(socket: &Path, last: &str) -> Self {
        let mut child =
            reading(socket, &["--follow", "--last", last]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (output, heard) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in output.lines() {
                heard.lock().unwrap().push(serde_json::from_str(&line.unwrap()).unwrap());
            }
        });
        Self { child, lines }
    }

    fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    async fn until_heard(&self, content: &str) {
        until(content, || contents(&self.lines()).contains(&content)).await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_read_each_other_without_a_credential() {
    let two = Two::start().await;
    let (demo, other) = (&two.world.pod, &two.other);
    say(demo, "is anybody there?");
    two.until_told(1).await;
    let asked = messages(&read(&other.socket("side"), &[]));
    assert_eq!(contents(&asked), ["is anybody there?"]);
    let expected = [("workflow_namespace", "demo"), ("workflow_uid", "u1"), ("channel", "general"), ("cursor", "1.1")];
    for (field, value) in expected {
        assert_eq!(asked[0][field], value, "{field}");
    }
    let follower = Follower::start(&demo.socket("main"), "50");
    follower.until_heard("is anybody there?").await;
    say(other, "I am");
    follower.until_heard("I am").await;
    let answer = follower.lines().pop().unwrap();
    assert_eq!((&answer["workflow_namespace"], &answer["workflow_uid"]), (&json!("other"), &json!("u2")));
    // What is not said to everybody is read by nobody else.
    let private = json!({ "content": "to myself" }).to_string();
    assert_eq!(request(&other.socket("main"), "POST /messages HTTP/1.1\r\n", &private).unwrap().0, 202);
    say(other, "that is all");
    follower.until_heard("that is all").await;
    assert_eq!(contents(&follower.lines()), ["is anybody there?", "I am", "that is all"]);
    two.until_told(3).await;
    let newest = messages(&read(&demo.socket("main"), &["--last", "2"]));
    assert_eq!(contents(&newest), ["I am", "that is all"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ingest_there_is_what_is_said_live_and_readers_are_told_so() {
    let mut two = Two::start().await;
    say(&two.world.pod, "before");
    two.until_told(1).await;
    two.world.stop_replica().await;
    let socket = two.other.socket("main");
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"GET /messages?channel=general HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("agent-comms-history: none"), "{head}");
    assert!(body.contains(r#"{"history":"unavailable","reason":"no ingest is there to answer"}"#), "{body}");
    let follower = Follower::start(&socket, "50");
    until("what is told of history", || !follower.lines().is_empty()).await;
    say(&two.world.pod, "live");
    follower.until_heard("live").await;
    let lines = follower.lines();
    assert_eq!((&lines[0]["history"], contents(&lines)), (&json!("unavailable"), vec!["live"]));
    two.world.start_replica().await;
    two.until_told(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_history_meets_what_is_live_no_message_is_told_twice_and_none_is_missing() {
    let two = Two::start().await;
    let (socket, done) = (two.world.pod.socket("main"), Arc::new(AtomicBool::new(false)));
    let told_to_end = Arc::clone(&done);
    let writer = std::thread::spawn(move || {
        let mut stream = UnixStream::connect(socket).unwrap();
        let mut said = Vec::new();
        while !told_to_end.load(Ordering::Relaxed) {
            let content = format!("number {}", said.len());
            writeln!(stream, "{}", json!({ "content": content, "channel": "general" })).unwrap();
            said.push(content);
            std::thread::sleep(std::time::Duration::from_millis(15));
        }
        said
    });
    // Those who come later find more in history.
    let mut followers = Vec::new();
    for waits_for in [1, 30, 80] {
        two.until_told(waits_for).await;
        let follower = Follower::start(&two.other.socket("main"), "1000");
        until("something is heard live", || follower.lines().iter().any(|line| line.get("cursor").is_none())).await;
        followers.push(follower);
    }
    done.store(true, Ordering::Relaxed);
    let said = writer.join().unwrap();
    assert!(said.len() < 1_000, "history has no room for {}", said.len());
    for follower in &followers {
        follower.until_heard(said.last().unwrap()).await;
        let lines = follower.lines();
        let ids: HashSet<&str> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), lines.len(), "an id is told twice");
        assert_eq!(contents(&lines), said);
        let first_live = lines.iter().position(|line| line.get("cursor").is_none()).unwrap();
        assert!(first_live > 0 && lines[first_live..].iter().all(|line| line.get("cursor").is_none()), "history first");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_gets_from_history_what_it_missed_while_nats_was_away() {
    let mut two = Two::start().await;
    let follower = Follower::start(&two.other.socket("main"), "0");
    until("the follower reads", || two.other.metric("channel_readers").unwrap() == 1).await;
    say(&two.world.pod, "before");
    follower.until_heard("before").await;
    two.world.nats.stop().await.unwrap();
    until("it is told", || follower.lines().iter().any(|line| line["live"] == "interrupted")).await;
    say(&two.world.pod, "meanwhile");
    two.world.nats.start_again().await.unwrap();
    follower.until_heard("meanwhile").await;
    say(&two.world.pod, "after");
    follower.until_heard("after").await;
    assert_eq!(contents(&follower.lines()), ["before", "meanwhile", "after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_told_how_much_it_missed_and_holds_up_nobody() {
    const COUNT: usize = 4_000;
    let two = Two::start().await;
    let socket = two.other.socket("main");
    let mut slow = UnixStream::connect(&socket).unwrap();
    slow.write_all(b"GET /messages?last=0&follow=1 HTTP/1.0\r\n\r\n").unwrap();
    until("the slow one reads", || two.other.metric("channel_readers").unwrap() == 1).await;
    let padding = "x".repeat(1_000);
    let mut stream = UnixStream::connect(two.world.pod.socket("main")).unwrap();
    for number in 0..COUNT {
        writeln!(stream, "{}", json!({ "content": format!("{number} {padding}"), "channel": "general" })).unwrap();
    }
    drop(stream);
    two.world.until_stored(COUNT.try_into().unwrap()).await;
    say(&two.world.pod, "the end");
    // Whoever reads now is served: the slow one has its own queue.
    until("the end is told", || contents(&messages(&read(&socket, &["--last", "1"]))) == ["the end"]).await;
    let mut lines = BufReader::new(slow).lines().map(Result::unwrap).skip_while(|line| !line.is_empty()).skip(1);
    let (mut told, mut dropped) = (0, 0);
    while told + dropped <= COUNT as u64 {
        let line: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
        match line["dropped"].as_u64() {
            Some(count) => dropped += count,
            None => told += 1,
        }
    }
    assert_eq!(told + dropped, COUNT as u64 + 1);
    assert!(dropped > 0 && told > 500, "{told} told, {dropped} dropped");
    assert_eq!(two.other.metric("channel_dropped_messages_total").unwrap(), dropped);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_few_and_make_room_when_they_are_gone() {
    let mut two = Two::start().await;
    let socket = two.other.socket("main");
    let mut followers: Vec<Follower> = (0..4).map(|_| Follower::start(&socket, "5")).collect();
    until("four read", || two.other.metric("channel_readers").unwrap() == 4).await;
    let (status, answer) = request(&socket, "GET /messages HTTP/1.1\r\n", "").unwrap();
    assert!(status == 503 && answer.contains("4 readers are there already"), "{status} {answer}");
    followers.pop();
    until("the place is free", || two.other.metric("channel_readers").unwrap() == 3).await;
    read(&socket, &[]);
    followers.clear();
    until("all are gone", || two.other.metric("channel_readers").unwrap() == 0).await;
    // An open reader does not hold the end up.
    let follower = Follower::start(&socket, "5");
    until("one reads", || two.other.metric("channel_readers").unwrap() == 1).await;
    let [_, sidecar] = &mut two.sidecars;
    let start = std::time::Instant::now();
    let status = sidecar.stop(neighbours::process::Signal::TERM, std::time::Duration::from_secs(20)).await.unwrap();
    assert!(status.success() && start.elapsed() < std::time::Duration::from_secs(5), "{status} {:?}", start.elapsed());
    drop(follower);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_that_is_turned_off_is_refused_with_the_reason() {
    let mut world = World::start().await;
    world.pod.environment.push(("AGENT_COMMS_READ", "off".into()));
    let _sidecar = world.sidecar(&[]).await;
    let socket = world.pod.socket("main");
    let (status, answer) = request(&socket, "GET /messages?channel=general HTTP/1.1\r\n", "").unwrap();
    assert!(status == 403 && answer.contains("`agent-comms.dev/read`"), "{status} {answer}");
    let output = reading(&socket, &[]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("says `off`"), "{error}");
}
