//! What is stored is served, live and as history.

use ingest::args::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use crate::world::{World, get};

/// Reads an answer until it holds this text.
async fn read_until(stream: &mut tokio::net::TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    let read = async {
        while !text.contains(wanted) {
            let count = stream.read(&mut buffer).await.expect("read");
            assert!(count > 0, "the answer ended without `{wanted}`: {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(30), read).await.is_ok();
    assert!(in_time, "no `{wanted}` in 30 s: {text}");
    text
}

/// What readiness says, condition by condition.
pub(crate) async fn readyz(admin: std::net::SocketAddr) -> String {
    get(admin, "/readyz").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_the_history_and_then_what_is_said_live() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    world.publish_numbered(0..3).await;
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 3).await;
    let mut viewer = tokio::net::TcpStream::connect(running.api).await.expect("connected");
    let request = "GET /api/agents/events?workflowUid=u-1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    viewer.write_all(request.as_bytes()).await.expect("sent");
    let history = read_until(&mut viewer, "caught_up").await;
    assert!(history.contains("number 0") && history.contains("number 2"), "{history}");
    world.publish_numbered(3..4).await;
    read_until(&mut viewer, "number 3").await;
    let mut list = tokio::net::TcpStream::connect(running.api).await.expect("connected");
    let request = "GET /api/agents/runs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    list.write_all(request.as_bytes()).await.expect("sent");
    read_until(&mut list, "\"u-1\"").await;
    let mut admin = tokio::net::TcpStream::connect(running.admin).await.expect("connected");
    admin.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    read_until(&mut admin, "stream: ok").await;
    // Open streams end with the token: they hold nothing up.
    stop.cancel();
    running.wait().await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_replica_is_not_ready_first_and_goes_on_telling_until_its_streams_have_ended() {
    let world = World::start().await;
    let words = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--database-url", &world.url];
    let words = [&words[..], &["--drain-seconds", "6"]].concat();
    let Command::Serve(args) = World::args(&world.nats.ingest(), &words).command else { panic!("no serve") };
    let stop = CancellationToken::new();
    let running = ingest::serve::start(&args, stop.clone()).await.expect("started");
    let (api, admin) = (running.api, running.admin);
    world.publish_numbered(0..1).await;
    // Of so many shares of the time, one is long.
    let mut viewers = Vec::new();
    for _ in 0..20 {
        let mut viewer = tokio::net::TcpStream::connect(api).await.expect("connected");
        let request = "GET /api/agents/events?workflowUid=u-1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        viewer.write_all(request.as_bytes()).await.expect("sent");
        read_until(&mut viewer, "caught_up").await;
        viewers.push(viewer);
    }
    stop.cancel();
    let stopped = tokio::spawn(running.wait());
    // It is told by a task of its own, which may be later than this line; that it is told in time is seen below.
    let unready = async {
        loop {
            let text = readyz(admin).await;
            if text.starts_with("HTTP/1.1 503") && text.contains("serving: stopping") {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), unready).await.expect("it is not ready any more");
    world.publish_numbered(1..2).await;
    let told = viewers.into_iter().map(|mut viewer| async move {
        let mut text = String::new();
        let mut part = [0; 4_096];
        while !text.ends_with("\r\n0\r\n\r\n") {
            let count = viewer.read(&mut part).await.expect("read");
            assert!(count > 0, "a stream broke off: {text}");
            text.push_str(&String::from_utf8_lossy(&part[..count]));
        }
        text.contains("number 1")
    });
    let told = futures_util::future::join_all(told).await;
    assert!(told.contains(&true), "nobody was told what was said meanwhile");
    world.until("SELECT count(*) FROM workflow_comms.agent_messages", 2).await;
    stopped.await.expect("no panic").expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_attribute_keeps_the_page_of_its_run_away() {
    let world = World::start().await;
    let (running, stop) = world.serve().await;
    let source = r#"{"pod_uid":"p\u0000","label":"l\u0000","generation":1,"start":0,"end":1,"part":0}"#;
    for usage in [r#"{"input_tokens":7,"\u0000":"\u0000"}"#, r#"{"input_tokens":"99999999999999999999"}"#, r#""\u0000""#, "[1]"] {
        let body =
            format!(r#"{{"v":1,"content":"tokens were used","attrs":{{"usage":{usage},"note":"a\u0000b"}},"source":{source}}}"#);
        world.publish("workflow.demo.build.u-1.agent.a.status", &body).await;
    }
    world.until("SELECT watermark FROM workflow_comms.stream_epochs", 4).await;
    assert_eq!(world.count("SELECT count(*) FROM workflow_comms.agent_messages").await, 4);
    for path in ["/agents", "/agents/u-1", "/agents/u-1?part=about", "/api/agents/runs/u-1", "/api/agents/runs/u-1/messages"] {
        let answer = get(running.api, path).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    let page = get(running.api, "/agents/u-1").await;
    assert!(page.contains("tokens were used") && page.contains(r#"id="spread""#), "{page}");
    stop.cancel();
    running.wait().await.expect("stopped");
}
