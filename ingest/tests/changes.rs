//! The list of runs while it is open.

use std::net::SocketAddr;
use std::time::Duration;

use ingest::args::Command;
use neighbours::nats::Credentials;
use neighbours::proxy::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::world::{DEADLINE, World};

/// Asks for something, and reads of the answer until this text comes; the end of the answer is `None`.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> Option<String> {
    let (mut text, mut part) = (String::new(), [0; 4_096]);
    while !text.contains(wanted) {
        let length = tokio::time::timeout(DEADLINE, stream.read(&mut part)).await.expect("an answer in time").expect("read");
        if length == 0 {
            return None;
        }
        text.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    Some(text)
}

async fn ask(api: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(api).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream
}

/// A replica serves before it follows the stream; what others store meanwhile and it never reads would be in no list.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_before_the_stream_is_followed_misses_no_run() {
    let world = World::start().await;
    let (storing, stop_storing) = world.serve().await;
    world.publish_numbered(0..1).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 1).await;

    let network = world.nats.proxy_of(&world.nats.ingest()).await.expect("a network");
    network.set(Fault::Cut);
    let far = Credentials { url: network.url(), ..world.nats.ingest() };
    let words = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--database-url", &world.url];
    let words = [&words[..], &["--drain-seconds", "0"]].concat();
    let Command::Serve(args) = World::args(&far, &words).command else { panic!("no serve") };
    let stop = CancellationToken::new();
    let running = ingest::serve::start(&args, stop.clone()).await.expect("started");
    let mut listener = ask(running.api, "/api/agents/runs/events").await;
    read_until(&mut listener, "retry: 1000").await.expect("an open stream");
    let mut list = ask(running.api, "/api/agents/runs").await;
    assert!(read_until(&mut list, "missed").await.is_none(), "a run that has not spoken is listed");

    world.publish("workflow.demo.missed.missed.agent.a.message", r#"{"content":"here"}"#).await;
    // So many that a replica which begins now does not read it any more.
    world.publish_numbered(1..1_500).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 1_501).await;
    network.set(Fault::None);

    // It is told of the run, or it is told to load the list again.
    if read_until(&mut listener, "\"workflow_uid\":\"missed\"").await.is_none() {
        let mut list = ask(running.api, "/api/agents/runs").await;
        read_until(&mut list, "missed").await.expect("a list with the run");
    }
    // From now on it is told of everything.
    let mut listener = ask(running.api, "/api/agents/runs/events").await;
    read_until(&mut listener, "retry: 1000").await.expect("an open stream");
    world.publish("workflow.demo.another.another.agent.a.message", r#"{"content":"here"}"#).await;
    read_until(&mut listener, "another").await.expect("a stream that goes on");
    for (running, stop) in [(running, stop), (storing, stop_storing)] {
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(30), running.wait()).await.expect("in time").expect("stopped");
    }
}
